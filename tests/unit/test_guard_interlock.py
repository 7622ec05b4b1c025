"""The interlock over the whole product of its inputs."""

from __future__ import annotations

import itertools

from agent.guard.interlock import Permissions, Reason, against_offer, missing
from agent.guard.wire import PilotState

FLAGS = [name for name in Permissions._fields if name not in ("pilot", "permit_a")]
ALWAYS = [
    "fault_free",
    "emergency_stop_released",
    "rcd_closed",
    "inputs_known",
    "diode_seen",
    "diode_present",
    "cable_ok",
    "locked",
]
FOR_CLOSING = ["contactor_open", "reclose_over"]
GOOD = dict.fromkeys(FLAGS, True) | {"closed": False, "pilot": PilotState.C, "permit_a": 16.0}


def test_a_contactor_closes_only_with_every_permission_there_is() -> None:
    """All 2^14 flags x 8 pilot states, with every permit, offer and grace where at most three flags are missing.

    With more missing only the most generous permit, offer and grace are tried.
    """
    every = list(itertools.product((None, 5.9, 16.0), (False, True), (False, True)))
    generous = [(16.0, True, True)]
    accepted = 0
    for values in itertools.product((False, True), repeat=len(FLAGS)):
        flags = dict(zip(FLAGS, values, strict=True))
        rest = every if values.count(False) <= 3 else generous
        for pilot, (permit_a, offer_on, grace) in itertools.product(PilotState, rest):
            given = Permissions(pilot=pilot, permit_a=permit_a, **flags)
            if missing(given, offer_on, grace):
                continue
            accepted += 1
            assert all(flags[name] for name in ALWAYS)
            assert pilot is PilotState.C or (pilot is PilotState.D and flags["ventilation"])
            if given.closed and grace:
                continue  # the vehicle is being given its time to stop
            assert flags["guard_running"]
            assert permit_a is not None
            assert permit_a >= 6.0
            assert offer_on
            assert given.closed or all(flags[name] for name in FOR_CLOSING)
    assert accepted > 0


def test_each_missing_permission_alone_keeps_it_open_and_says_why() -> None:
    assert missing(Permissions(**GOOD), True, False) == ()
    said = set()
    for name in [*ALWAYS, *FOR_CLOSING, "guard_running"]:
        reasons = missing(Permissions(**GOOD | {name: False}), True, False)
        assert len(reasons) == 1, name
        said.add(reasons[0])
    for pilot in PilotState:
        reasons = missing(Permissions(**GOOD | {"pilot": pilot, "ventilation": False}), True, False)
        assert len(reasons) == (0 if pilot is PilotState.C else 1), pilot
        said.update(reasons)
    for permit_a in (None, 5.9):
        said.update(missing(Permissions(**GOOD | {"permit_a": permit_a}), True, False))
    said.update(missing(Permissions(**GOOD), False, False))
    assert said == set(Reason)


def test_the_grace_covers_the_permit_and_the_offer_and_nothing_else() -> None:
    stopping = GOOD | {"closed": True, "permit_a": None, "guard_running": False}
    assert missing(Permissions(**stopping), False, True) == ()
    for name in ALWAYS:
        assert missing(Permissions(**stopping | {name: False}), False, True)
    assert missing(Permissions(**stopping | {"closed": False}), False, True)


def test_current_is_offered_only_to_a_vehicle_that_may_be_charged() -> None:
    for pilot in PilotState:
        offered = not against_offer(Permissions(**GOOD | {"pilot": pilot}))
        assert offered is (pilot in (PilotState.B, PilotState.C, PilotState.D))
    for name in ["fault_free", "cable_ok", "locked", "reclose_over", "diode_present", "guard_running", "inputs_known"]:
        assert against_offer(Permissions(**GOOD | {name: False})), name
    assert not against_offer(Permissions(**GOOD | {"diode_seen": False, "contactor_open": False}))
