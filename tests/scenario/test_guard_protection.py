"""Watched inputs, self-test, pulsed lock and heartbeat of a whole guard, in virtual time, from the world's side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.guard.cycle import Cycle
from agent.guard.cycle_report import report_of
from agent.guard.cycle_values import CycleSettings, Inputs
from agent.guard.plan import PlanError, parse_plan
from agent.guard.protection import ProtectionSettings
from agent.guard.temperature import SensorSettings
from agent.guard.wire import GuardFault, LockState, OpenReason, Permit, SelfTest
from tests.scenario.guard_rig import Rig
from tests.scenario.guard_world import Line, plan_content

FAULTS = {
    "rcm": GuardFault.RCM_TRIPPED,
    "ground": GuardFault.GROUND_MISSING,
    "door": GuardFault.DOOR_OPEN,
    "tilt": GuardFault.TILTED,
}


def line(name: str, **options: Any) -> dict[str, Any]:
    return {"line": f"evse1.{name}", "active_high": True, **options}


def rig_with(state_dir: Path, log_fd: int, **changes: Any) -> Rig:
    return Rig(str(state_dir), log_fd, **changes)


def extra(rig: Rig, name: str) -> Line:
    return rig.world.extra[name]


# ---- watched inputs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAULTS)
def test_an_input_opens_at_the_scan_that_sees_it_and_says_which(tmp_path: Path, log_fd: int, name: str) -> None:
    rig = rig_with(tmp_path, log_fd, **{name: line(name, latched=False)})
    rig.charge()
    extra(rig, name).active = True
    rig.scan()
    assert not rig.closed
    assert rig.report.faults == (FAULTS[name],)
    assert name in rig.report.waiting_for
    assert rig.report.open_reason is OpenReason.FAULT
    extra(rig, name).active = False
    rig.run_until(lambda: rig.closed, at_most_s=30.0)
    assert not rig.report.faults


@pytest.mark.parametrize("name", FAULTS)
def test_a_latched_input_stays_until_the_vehicle_has_left(tmp_path: Path, log_fd: int, name: str) -> None:
    rig = rig_with(tmp_path, log_fd, **{name: line(name, latched=True)})
    rig.charge()
    extra(rig, name).pulsed = True
    rig.scan()
    assert not rig.closed
    rig.permit()
    rig.run(25.0)
    assert not rig.closed
    assert rig.report.faults == (FAULTS[name],)
    rig.world.unplug()
    rig.run(1.0)
    assert not rig.report.faults
    rig.run(10.0)
    rig.charge()
    assert rig.closed


def test_a_debounced_input_ignores_what_does_not_last(tmp_path: Path, log_fd: int) -> None:
    rig = Rig(str(tmp_path), log_fd, door=line("door", debounce_s=0.1), tilt=line("tilt"))
    rig.charge()
    for _ in range(5):
        extra(rig, "door").active = True
        rig.run(0.08)
        extra(rig, "door").active = False
        rig.run(0.05)
    assert rig.closed
    extra(rig, "door").active = True
    rig.run(0.12)
    assert not rig.closed


def test_an_input_without_a_fresh_value_is_unknown_and_open(tmp_path: Path, log_fd: int) -> None:
    rig = Rig(str(tmp_path), log_fd, ground=line("ground", debounce_s=10.0))
    rig.charge()
    extra(rig, "ground").pushed_s = rig.now_s
    rig.run(0.02)
    assert rig.closed
    rig.run(0.03)
    assert not rig.closed
    assert GuardFault.INPUT_UNKNOWN in rig.report.faults


def test_an_input_of_the_station_acts_on_every_evse(tmp_path: Path, log_fd: int) -> None:
    inputs = {"door": {"line": "station.door"}, "emergency_stop": {"line": "station.stop"}}
    rig = Rig(str(tmp_path), log_fd, evses=2, inputs=inputs)
    rig.charge()
    for name, fault in (("door", GuardFault.DOOR_OPEN), ("stop", GuardFault.EMERGENCY_STOP)):
        rig.board.extra[name].active = True
        rig.scan()
        assert not rig.closed
        assert [rig.report_of(evse_id).faults for evse_id in (1, 2)] == [(fault,), (fault,)]
        rig.board.extra[name].active = False
        rig.scan()
        assert [rig.report_of(evse_id).faults for evse_id in (1, 2)] == [(), ()]
    rig.board.extra["door"].broken = True
    rig.run(2.0)
    assert all(GuardFault.INPUT_UNKNOWN in rig.report_of(evse_id).faults for evse_id in (1, 2))


# ---- the self-test ---------------------------------------------------------------------------------------------------


class TestedRig(Rig):
    """A guard with a sensor whose outputs follow the test line, 0.3 s and 0.5 s later, and let go 0.4 s after it."""

    __test__ = False

    def __init__(self, state_dir: str, log_fd: int) -> None:
        self.sick = False
        self._from_s: float | None = None
        self._until_s: float | None = None
        super().__init__(state_dir, log_fd, rcm=line("rcm"), rcd_test=line("rcd_test"))

    def scan(self) -> None:
        driven = bool(self.world.extra["rcd_test"].active)
        if driven:
            self._from_s = self.now_s if self._from_s is None else self._from_s
            self._until_s = None
        elif self._from_s is not None and self._until_s is None:
            self._until_s = self.now_s + 0.6
        if self._until_s is not None and self.now_s >= self._until_s:
            self._from_s = self._until_s = None
        since_s = -1.0 if self._from_s is None or self.sick else self.now_s - self._from_s
        self.world.extra["rcm"].active = since_s >= 0.3
        self.world.rcd.active = since_s >= 0.5
        super().scan()


def test_the_sensor_is_tested_after_the_plug_in_before_anything_is_offered(tmp_path: Path, log_fd: int) -> None:
    rig = TestedRig(str(tmp_path), log_fd)
    rig.run(5.0)
    assert rig.report.rcd_test is SelfTest.PASSED
    first_s = rig.report.rcd_tested_s
    rig.world.plug_in()
    rig.run(0.1)
    rig.permit()
    rig.world.close_s2()
    rig.run(0.5)
    assert not rig.offers
    assert "rcd_test" in rig.report.waiting_for
    rig.run_until(lambda: rig.closed, at_most_s=4.0)
    assert rig.report.rcd_tested_s != first_s
    assert not any(fault in report.faults for report in rig.reports for fault in FAULTS.values()), "no trip was real"
    writes = list(extra(rig, "rcd_test").writes)
    rig.run(20.0)
    assert extra(rig, "rcd_test").writes == writes, "never while it is closed"


def test_a_sensor_that_fails_its_test_is_a_fault_until_it_passes(tmp_path: Path, log_fd: int) -> None:
    rig = TestedRig(str(tmp_path), log_fd)
    rig.sick = True
    rig.run(3.0)
    assert (rig.report.rcd_test, rig.report.faults) == (SelfTest.FAILED, (GuardFault.RCD_TEST_FAILED,))
    assert rig.report.rcd_test_why == "rcm did not trip within 740 ms"
    rig.world.plug_in()
    rig.permit()
    rig.world.close_s2()
    rig.run(10.0)
    assert not rig.closed
    rig.sick = False
    rig.run(60.0)
    rig.permit()
    rig.run_until(lambda: rig.closed, at_most_s=10.0)
    assert not rig.report.faults


def test_a_trip_while_charging_is_real_with_a_test_line_too(tmp_path: Path, log_fd: int) -> None:
    rig = TestedRig(str(tmp_path), log_fd)
    rig.run(3.0)
    rig.world.plug_in()
    rig.permit()
    rig.world.close_s2()
    rig.run_until(lambda: rig.closed, at_most_s=6.0)
    rig.world.rcd.pulsed = True
    rig.scan()
    assert not rig.closed
    assert rig.report.faults == (GuardFault.RCD_TRIPPED,)


# ---- temperatures ----------------------------------------------------------------------------------------------------

SENSOR = SensorSettings(name="contactor", reduce_c=60.0, stop_c=80.0, hysteresis_k=3.0)


class Hot:
    """A cycle alone, with one temperature."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.cycle = Cycle(
            CycleSettings(
                evse_id=1,
                phases=3,
                max_current_a=32.0,
                ventilation=False,
                tethered=True,
                has_mirror=False,
                has_lock=False,
                has_lock_feedback=False,
                max_age_s=0.03,
                min_reclose_s=1.0,
                stop_grace_s=6.0,
                permit_max_s=30.0,
                protection=ProtectionSettings(temperatures=(SENSOR,)),
            ),
            now_s=self.now_s,
        )
        self.value_c: float | None = 20.0
        self.high_v = 12.0
        self.inputs = Inputs()

    def run(self, for_s: float) -> None:
        for _ in range(round(for_s / 0.01)):
            self.now_s = round(self.now_s + 0.01, 6)
            pwm = self.cycle.offer.current_a is not None
            self.inputs.taken_s, self.inputs.high_v = self.now_s, self.high_v
            self.inputs.low_v = -12.0 if pwm else self.high_v
            self.inputs.temperature_c = (self.value_c,)
            self.cycle.scan(self.inputs, self.now_s)

    def permit(self) -> None:
        given = Permit(evse_id=1, permit_id=1, max_current_a=32.0, phases=3, valid_for_s=30.0, plan_id="p")
        assert self.cycle.grant(given, self.now_s) is None

    def charge(self) -> None:
        self.run(2.0)
        self.high_v = 9.0
        self.run(1.0)
        self.permit()
        self.run(1.0)
        self.high_v = 6.0
        self.run(2.0)
        assert self.cycle.contactor.coil

    @property
    def offer_a(self) -> float | None:
        return self.cycle.offer.current_a


def test_a_warm_contactor_is_offered_less_at_once_and_more_when_it_is_cooler() -> None:
    hot = Hot()
    hot.charge()
    assert hot.offer_a is not None
    assert hot.offer_a > 31.9
    hot.value_c = 70.0
    hot.run(0.02)
    assert hot.offer_a is not None
    assert hot.offer_a <= 19.0, "a safety reduction does not wait for the 5 s"
    report = report_of(hot.cycle, hot.inputs, seq=1, now_s=hot.now_s)
    assert (report.reduced_a, report.reduced_why, report.temperature_c) == (19.0, "contactor at 70.0 degC", (70.0,))
    hot.value_c = 40.0
    hot.run(1.0)
    assert hot.offer_a <= 19.0, "a rise waits"
    hot.run(5.0)
    assert hot.offer_a is not None
    assert hot.offer_a > 31.9
    assert hot.cycle.contactor.coil


def test_a_hot_contactor_is_opened_and_closes_again_when_it_has_cooled() -> None:
    hot = Hot()
    hot.charge()
    hot.value_c = 80.0
    hot.run(0.02)
    assert not hot.cycle.contactor.coil
    assert hot.cycle.faults == (GuardFault.OVER_TEMPERATURE,)
    hot.value_c = 78.0
    hot.run(5.0)
    assert not hot.cycle.contactor.coil
    hot.value_c = 50.0
    hot.run(6.0)
    assert hot.cycle.contactor.coil
    assert not hot.cycle.faults


def test_without_a_fresh_temperature_it_is_open_and_a_slow_sensor_is_no_fault_at_the_start() -> None:
    hot = Hot()
    hot.value_c = None
    hot.run(4.0)
    assert not hot.cycle.faults
    hot.run(2.0)
    assert hot.cycle.faults == (GuardFault.INPUT_UNKNOWN,)
    hot.value_c = 20.0
    hot.charge()
    hot.value_c = None
    hot.run(0.02)
    assert not hot.cycle.contactor.coil
    assert hot.cycle.faults == (GuardFault.INPUT_UNKNOWN,)


# ---- lock, heartbeat, plan -------------------------------------------------------------------------------------------


def test_a_pulsed_lock_is_moved_by_two_lines_and_never_both(tmp_path: Path, log_fd: int) -> None:
    lock = line("lock", kind="pulsed", pulse_s=0.3, unlock=line("unlock"), feedback=line("bolt"))
    rig = Rig(str(tmp_path), log_fd, lock=lock)
    bolt, unlock = extra(rig, "bolt"), extra(rig, "unlock")
    assert (rig.world.lock.writes, unlock.writes) == ([False], [False])

    def run(for_s: float) -> None:
        for _ in range(round(for_s / 0.01)):
            rig.scan()
            assert not (rig.world.lock.active and unlock.active)
            if rig.world.lock.active or unlock.active:
                bolt.active = bool(rig.world.lock.active)

    run(1.2)
    rig.world.plug_in()
    rig.permit()
    run(1.5)
    assert rig.report.lock is LockState.LOCKED
    rig.world.close_s2()
    run(1.0)
    assert rig.closed
    rig.withdraw()
    rig.hold(False)
    run(1.0)
    assert bolt.active, "locked as long as the contactor is closed"
    rig.world.open_s2()
    run(2.0)
    assert not rig.closed
    assert (bolt.active, rig.report.lock) == (False, LockState.UNLOCKED)
    assert not rig.world.lock.active
    assert not unlock.active


def test_a_guard_that_ends_stops_a_running_pulse_and_a_running_test(tmp_path: Path, log_fd: int) -> None:
    lock = line("lock", kind="pulsed", unlock=line("unlock"), feedback=line("bolt"))
    rig = rig_with(tmp_path, log_fd, lock=lock, rcm=line("rcm"), rcd_test=line("rcd_test"))
    rig.run(0.1)
    assert rig.world.lock.active
    assert extra(rig, "rcd_test").active
    rig.station.make_safe(for_good=True)
    assert not rig.world.lock.active
    assert not extra(rig, "rcd_test").active
    assert not rig.closed


def test_the_heartbeat_toggles_with_healthy_scans_only(tmp_path: Path, log_fd: int) -> None:
    rig = Rig(str(tmp_path), log_fd, heartbeat={"line": "station.beat", "period_s": 0.1})
    beat = rig.board.extra["beat"]
    for _ in range(100):
        rig.scan()
        rig.station.beat(rig.now_s, healthy=True)
    assert 18 <= len(beat.writes) <= 22
    before = list(beat.writes)
    for _ in range(100):
        rig.scan()
        rig.station.beat(rig.now_s, healthy=False)
    assert beat.writes == before
    beat.broken = True
    for _ in range(50):
        rig.scan()
        rig.station.beat(rig.now_s, healthy=True)
    beat.broken = False
    for _ in range(50):
        rig.scan()
        rig.station.beat(rig.now_s, healthy=True)
    assert len(beat.writes) > len(before), "a line that failed is tried again"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"temperatures": [{"target": "a:b", "name": "x", "reduce_c": 80, "stop_c": 60}]}, "is not below stop_c 60"),
        ({"temperatures": [{"target": "a", "name": "x", "reduce_c": 60, "stop_c": 80}]}, "module:callable"),
        ({"rcd_test": {"line": "x", "pulse_s": 0.0}}, "pulse_s 0.0 is outside"),
        ({"door": {"line": "x", "debounce_s": -1}}, "debounce_s -1 is outside"),
        ({"lock": {"line": "x", "kind": "magnet"}}, "is not one of held, pulsed"),
        ({"inputs": {"door": {"line": 1}}}, "inputs.door.line 1 is not a text"),
        ({"heartbeat": {"line": "x", "period_s": 60}}, "heartbeat.period_s 60 is outside"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(PlanError, match=problem.replace(".", r"\.")):
        parse_plan(plan_content("nowhere", str(tmp_path), **changes))
