"""A judgement that is not made again is the judgement that would have been made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.guard.cycle import Cycle
from agent.guard.cycle_report import report_of, shown_by
from agent.guard.cycle_values import CycleSettings, Inputs
from agent.guard.timings import QUIET_MAX_S
from agent.guard.wire import Permit

SCAN_S = 0.01
NEVER_SAID = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the world shows for ``scans`` scans, and what the agent says before the first of them."""

    scans: int = 1
    jitter_s: float = 0.0
    high_v: float | None = 12.0
    low_v: float | None = None
    proximity_ohm: float | None = 220.0
    fresh: bool = True
    power_path_ok: bool = True
    mirror: str = "follows"
    locked: bool | None = True
    rcd_tripped: bool | None = False
    emergency_stop: bool | None = False
    said: str = NEVER_SAID
    permit_a: float = 16.0
    phases: int = 3
    valid_for_s: float = 30.0


def scenes() -> st.SearchStrategy[Scene]:
    """Mostly ordinary moments of a charge, each for long enough to let time limits pass."""
    usual: Any = st.sampled_from
    return st.builds(
        Scene,
        scans=usual([1, 2, 3, 10, 30, 110, 700]),
        jitter_s=usual([0.0, 0.0004, 0.006]),
        high_v=usual([12.0, 9.0, 6.0, 6.0, 6.0, 6.1, 3.0, 0.0, -12.0, None]),
        low_v=usual([None, -12.0, -12.0, -12.0, -6.0, -9.0]),
        proximity_ohm=usual([220.0, 220.0, 100.0, math.inf, None]),
        fresh=usual([True, True, True, True, False]),
        power_path_ok=usual([True, True, True, True, False]),
        mirror=usual(["follows", "follows", "follows", "open", "closed", "unknown"]),
        locked=usual([True, True, True, False, None]),
        rcd_tripped=usual([False, False, False, True, None]),
        emergency_stop=usual([False, False, False, True, None]),
        said=usual([NEVER_SAID, "permit", "permit", "permit", "withdraw", "hold", "release", "stop"]),
        permit_a=usual([5.0, 6.0, 16.0, 20.0, 32.0]),
        phases=usual([3, 3, 1]),
        valid_for_s=usual([0.2, 3.0, 30.0]),
    )


def cycle_of(**changes: Any) -> Cycle:
    known: dict[str, Any] = {
        "evse_id": 1,
        "phases": 3,
        "max_current_a": 32.0,
        "ventilation": False,
        "tethered": False,
        "has_mirror": True,
        "has_lock": True,
        "has_lock_feedback": True,
        "max_age_s": 0.03,
        "min_reclose_s": 2.0,
        "stop_grace_s": 0.5,
        "permit_max_s": 30.0,
        "phase_wait_s": 7.0,
        "phase_interval_s": 9.0,
    }
    return Cycle(CycleSettings(**{**known, **changes}), now_s=100.0)


def show(inputs: Inputs, scene: Scene, cycle: Cycle, now_s: float) -> None:
    if scene.fresh:
        inputs.taken_s = now_s
    inputs.high_v = scene.high_v
    inputs.low_v = scene.high_v if scene.low_v is None else scene.low_v
    inputs.proximity_ohm = scene.proximity_ohm
    inputs.power_path_ok = scene.power_path_ok
    inputs.main_closed = {"follows": cycle.contactor.coil, "open": False, "closed": True, "unknown": None}[scene.mirror]
    if cycle.phases is not None:
        coil = cycle.phases.contactor.coil
        inputs.phases_closed = {"follows": coil, "open": coil, "closed": True, "unknown": None}[scene.mirror]
    inputs.locked = scene.locked
    inputs.rcd_tripped = scene.rcd_tripped
    inputs.emergency_stop = scene.emergency_stop


def say(cycle: Cycle, scene: Scene, now_s: float) -> None:
    match scene.said:
        case "permit":
            permit = Permit(
                evse_id=1,
                permit_id=1,
                max_current_a=scene.permit_a,
                phases=scene.phases,
                valid_for_s=scene.valid_for_s,
                plan_id="plan",
            )
            cycle.grant(permit, now_s)
        case "withdraw":
            cycle.withdraw()
        case "hold":
            cycle.hold_cable(True)
        case "release":
            cycle.hold_cable(False)
        case "stop":
            cycle.stop()


SECOND = {
    "none": {},
    "fixed": {"has_phase_contactor": True, "has_phase_mirror": True},
    "switching": {"has_phase_contactor": True, "has_phase_mirror": True, "phase_switching": True},
}
CHARGE = [
    Scene(scans=10),
    Scene(scans=10, high_v=9.0),
    Scene(scans=10, high_v=9.0, low_v=-12.0, said="permit"),
    Scene(scans=700, high_v=6.0, low_v=-12.0),
]


@settings(max_examples=25, deadline=None)
@example(script=CHARGE, tethered=False, has_lock_feedback=True, second="fixed")
@example(
    script=[*CHARGE, Scene(scans=110, high_v=9.0), Scene(scans=300)],
    tethered=False,
    has_lock_feedback=False,
    second="none",
)
@example(
    script=[
        *CHARGE,
        Scene(scans=700, high_v=9.0, low_v=-12.0, said="permit", phases=1),
        Scene(scans=300, high_v=6.0, low_v=-12.0, said="permit", phases=1),
        Scene(scans=1000, high_v=6.0, low_v=-12.0, said="permit"),
    ],
    tethered=False,
    has_lock_feedback=True,
    second="switching",
)
@example(
    script=[*CHARGE[:3], *[Scene(scans=700, high_v=9.0, low_v=-12.0, said="permit")] * 6],
    tethered=True,
    has_lock_feedback=True,
    second="none",
)
@example(
    script=[
        *CHARGE,
        Scene(scans=10, high_v=6.0, low_v=-12.0, said="permit", permit_a=20.0),
        Scene(scans=3, high_v=6.0, low_v=-12.0, said="permit", permit_a=16.0),
        Scene(scans=700, high_v=6.0, low_v=-12.0, said="permit", permit_a=10.0),
        Scene(scans=110, high_v=6.0, low_v=-12.0, said="withdraw"),
        Scene(scans=110, high_v=-12.0),
    ],
    tethered=True,
    has_lock_feedback=True,
    second="none",
)
@given(
    script=st.lists(scenes(), min_size=2, max_size=14),
    tethered=st.booleans(),
    has_lock_feedback=st.booleans(),
    second=st.sampled_from(list(SECOND)),
)
def test_a_cycle_that_rests_does_in_every_scan_what_one_does_that_never_rests(
    script: list[Scene], tethered: bool, has_lock_feedback: bool, second: str
) -> None:
    resting = cycle_of(tethered=tethered, has_lock_feedback=has_lock_feedback, **SECOND[second])
    restless = cycle_of(tethered=tethered, has_lock_feedback=has_lock_feedback, **SECOND[second])
    inputs, inputs_too = Inputs(), Inputs()
    now_s = 100.0
    for scene in script:
        say(resting, scene, now_s)
        say(restless, scene, now_s)
        for _ in range(scene.scans):
            now_s += SCAN_S + scene.jitter_s
            show(inputs, scene, resting, now_s)
            show(inputs_too, scene, restless, now_s)
            restless.hold_cable(restless.lock.held)  # says nothing new, and wakes it
            resting.scan(inputs, now_s)
            assert restless.scan(inputs_too, now_s)
            assert resting.outputs == restless.outputs
            assert shown_by(resting) == shown_by(restless)
            assert report_of(resting, inputs, seq=1, now_s=now_s) == report_of(restless, inputs_too, seq=1, now_s=now_s)


def test_a_quiet_evse_is_still_judged_once_a_second() -> None:
    cycle, inputs, now_s = cycle_of(), Inputs(), 100.0
    judged = []
    for _ in range(600):
        now_s += SCAN_S
        show(inputs, Scene(high_v=12.0, locked=False), cycle, now_s)
        judged.append(cycle.scan(inputs, now_s))
    quiet = judged[300:]
    assert sum(quiet) * 10 <= len(quiet), "most scans have nothing to judge"
    longest = max(map(len, "".join("x" if each else "." for each in quiet).split("x")))
    assert longest * SCAN_S < QUIET_MAX_S
