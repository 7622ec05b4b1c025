"""A judgement that is not made again, with inputs, self-test, heat and pulsed lock, is the one that would have been."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.guard.cable_lock import LockSettings
from agent.guard.cycle import Cycle
from agent.guard.cycle_report import report_of, shown_by
from agent.guard.cycle_values import Inputs
from agent.guard.inputs import InputRole, Watch
from agent.guard.protection import RCD_LATCHED, ProtectionSettings
from agent.guard.rcd_test import RcdTestSettings
from agent.guard.temperature import SensorSettings
from tests.unit.test_guard_quiet import CHARGE, SCAN_S, Scene, cycle_of, say, scenes, show


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the further inputs show during a scene."""

    door: bool | None = False
    rcm_works: bool = True
    value_c: float | None = 20.0


def protected(*, pulsed: bool, every_s: float = 3.0) -> Cycle:
    return cycle_of(
        lock=LockSettings(pulsed=pulsed),
        protection=ProtectionSettings(
            rcd=RCD_LATCHED,
            watched=(Watch(role=InputRole.RCM, latched=True), Watch(role=InputRole.DOOR)),
            has_rcd=True,
            rcd_test=RcdTestSettings(every_s=every_s),
            temperatures=(SensorSettings(name="pin", reduce_c=60.0, stop_c=80.0, hysteresis_k=3.0),),
        ),
    )


def look(inputs: Inputs, around: Around, cycle: Cycle) -> None:
    driven = cycle.outputs.rcd_test
    inputs.rcd_tripped = inputs.rcd_tripped or driven if inputs.rcd_tripped is not None else None
    inputs.watched = (driven and around.rcm_works, around.door)
    inputs.temperature_c = (around.value_c,)


arounds = st.builds(
    Around,
    door=st.sampled_from([False, False, False, True, None]),
    rcm_works=st.sampled_from([True, True, False]),
    value_c=st.sampled_from([20.0, 20.0, 65.0, 70.0, 85.0, None]),
)
CALM = Around()


@settings(max_examples=15, deadline=None)
@example(script=[(scene, CALM) for scene in [Scene(scans=110), *CHARGE, Scene(scans=300)]], pulsed=True)
@example(script=[(scene, Around(value_c=70.0)) for scene in CHARGE], pulsed=False)
@given(script=st.lists(st.tuples(scenes(), arounds), min_size=2, max_size=10), pulsed=st.booleans())
def test_a_protected_cycle_that_rests_does_what_one_does_that_never_rests(
    script: list[tuple[Scene, Around]], pulsed: bool
) -> None:
    resting, restless = protected(pulsed=pulsed), protected(pulsed=pulsed)
    inputs, inputs_too = Inputs(), Inputs()
    now_s = 100.0
    for scene, around in script:
        say(resting, scene, now_s)
        say(restless, scene, now_s)
        for _ in range(scene.scans):
            now_s += SCAN_S + scene.jitter_s
            for cycle, seen in ((resting, inputs), (restless, inputs_too)):
                show(seen, scene, cycle, now_s)
                look(seen, around, cycle)
            restless.hold_cable(restless.lock.held)  # says nothing new, and wakes it
            resting.scan(inputs, now_s)
            assert restless.scan(inputs_too, now_s)
            assert resting.outputs == restless.outputs
            assert shown_by(resting) == shown_by(restless)
            assert report_of(resting, inputs, seq=1, now_s=now_s) == report_of(restless, inputs_too, seq=1, now_s=now_s)
