"""The interlock over the whole product of its inputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

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
    "cable_accepted",
    "vehicle_accepted",
    "locked",
    "pilot_free",
    "rcm_closed",
    "ground_present",
    "door_closed",
    "upright",
    "cool",
    "siblings_dead",
]
FOR_CLOSING = ["contactor_open", "reclose_over", "vehicle_steady"]
ALONE = ["rcd_tested", "siblings_idle"]  # for closing, too; missing while all of ALWAYS are there
WITH_GRACE = ["guard_running", "phases_ready"]
GOOD = dict.fromkeys(FLAGS, True) | {"closed": False, "pilot": PilotState.C, "permit_a": 16.0}


def every_situation() -> Iterator[tuple[Permissions, bool, bool]]:
    """Return the whole product of the inputs, one representative for each class of flags that only count together.

    The flags of ``ALWAYS`` are all there, or one of them is missing: with more missing there are only more reasons
    (the last test walks through every pair). Everything else is enumerated without exception.
    """
    held_all = [*ALWAYS, *ALONE]
    always = [dict.fromkeys(held_all, True), *(dict.fromkeys(held_all, True) | {name: False} for name in held_all)]
    free = ["closed", "ventilation", *FOR_CLOSING, *WITH_GRACE]
    assert sorted([*held_all, *free]) == sorted(FLAGS)
    rest = list(itertools.product(PilotState, (None, 5.9, 16.0)))
    pilot_and_time = list(itertools.product((False, True), (False, True)))
    for held in always:
        for values in itertools.product((False, True), repeat=len(free)):
            flags = held | dict(zip(free, values, strict=True))
            for pilot, permit_a in rest:
                given = Permissions(pilot=pilot, permit_a=permit_a, **flags)
                for offer_on, grace in pilot_and_time:
                    yield given, offer_on, grace


def test_a_contactor_closes_only_with_every_permission_there_is() -> None:
    accepted = tried = 0
    for given, offer_on, grace in every_situation():
        tried += 1
        if missing.__wrapped__(given, offer_on, grace):
            continue
        accepted += 1
        assert all(getattr(given, name) for name in ALWAYS)
        assert given.pilot is PilotState.C or (given.pilot is PilotState.D and given.ventilation)
        if given.closed and grace:
            continue  # the vehicle is being given its time to stop
        assert given.guard_running
        assert given.phases_ready
        assert given.permit_a is not None
        assert given.permit_a >= 6.0
        assert offer_on
        assert given.closed or all(getattr(given, name) for name in (*FOR_CLOSING, *ALONE))
    assert tried == (1 + len(ALWAYS) + len(ALONE)) * 2**7 * len(PilotState) * 3 * 2 * 2
    opened, closed, closed_in_grace = 3 * 2, 3 * 2**3, 3 * 2**3 * 2**2 * 3 * 2  # C twice and ventilated D; free flags
    assert accepted == opened + (closed + closed_in_grace) * (1 + len(ALONE))


def test_with_more_missing_there_are_only_more_reasons() -> None:
    for closed, offer_on, grace in itertools.product((False, True), repeat=3):
        alone = {
            name: set(missing(Permissions(**GOOD | {"closed": closed, name: False}), offer_on, grace)) for name in FLAGS
        }
        for one, other in itertools.combinations([name for name in FLAGS if name != "closed"], 2):
            both = set(missing(Permissions(**GOOD | {"closed": closed, one: False, other: False}), offer_on, grace))
            assert both >= alone[one] | alone[other]


def test_each_missing_permission_alone_keeps_it_open_and_says_why() -> None:
    assert missing(Permissions(**GOOD), True, False) == ()
    said = set()
    for name in [*ALWAYS, *FOR_CLOSING, *ALONE, *WITH_GRACE]:
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
    for name in [
        "phases_ready",
        "pilot_free",
        "vehicle_accepted",
        "fault_free",
        "cable_ok",
        "locked",
        "reclose_over",
        "diode_present",
        "guard_running",
        "inputs_known",
        "siblings_idle",
    ]:
        assert against_offer(Permissions(**GOOD | {name: False})), name
    assert not against_offer(
        Permissions(**GOOD | {"diode_seen": False, "contactor_open": False, "vehicle_steady": False})
    )


def test_a_permit_for_exactly_six_amperes_is_enough() -> None:
    assert missing(Permissions(**GOOD | {"permit_a": 6.0}), True, False) == ()


def test_a_vehicle_that_wants_ventilation_keeps_its_offer_without_it_and_gets_no_energy() -> None:
    wants = Permissions(**GOOD | {"pilot": PilotState.D, "ventilation": False})
    assert not against_offer(wants)
    assert missing(wants, True, False) == (Reason.VENTILATION,)
