"""Contactors: feedback, latched faults, wear, and the second contactor with its phases, in virtual time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.guard import timings
from agent.guard.offer import STEADY_HIGH, STEADY_LOW
from agent.guard.wire import ContactorState, GuardFault, OpenReason, Refused
from drivers.api import PilotMode
from tests.scenario.guard_rig import SCAN_S, Rig

SECOND = {
    "phase_contactor": {"line": "evse1.phase_contactor", "active_high": True},
    "phase_mirror": {"line": "evse1.phase_mirror", "active_high": True, "kind": "nc"},
}
SWITCHING = SECOND | {"phase_switching": True}


@pytest.fixture
def switching(tmp_path: Path, log_fd: int) -> Rig:
    return Rig(str(tmp_path), log_fd, **SWITCHING)


def failed_to_close(rig: Rig) -> None:
    rig.try_to_close()
    rig.run_until(lambda: GuardFault.CONTACTOR_STUCK_OPEN in rig.report.faults, at_most_s=2.0)


# Feedback.


@pytest.mark.parametrize("kind", ["no", "sense"])
def test_a_feedback_that_is_active_while_closed_is_understood(tmp_path: Path, log_fd: int, kind: str) -> None:
    rig = Rig(str(tmp_path), log_fd, mirror={"line": "evse1.sense", "active_high": True, "kind": kind})
    rig.charge()
    assert rig.report.contactor is ContactorState.CLOSED
    rig.world.open_s2()
    rig.run(0.1)
    assert rig.report.contactor is ContactorState.OPEN
    assert rig.report.faults == ()


def test_a_feedback_that_bounces_for_one_scan_is_not_believed(rig: Rig) -> None:
    rig.charge()
    rig.world.mirror_bounces = True
    rig.scan()
    rig.world.mirror_bounces = False
    rig.run(1.0)
    assert all(report.contactor is ContactorState.CLOSED for report in rig.reports[-2:])
    assert rig.closed
    rig.world.mirror_bounces = True
    rig.run(timings.FEEDBACK_S + 0.1)
    assert rig.report.faults == (GuardFault.CONTACTOR_STUCK_OPEN,)
    assert not rig.closed


def test_a_closing_that_is_not_confirmed_within_a_quarter_second_is_given_up(rig: Rig) -> None:
    rig.try_to_close()
    rig.run_until(lambda: rig.closed, at_most_s=1.0)
    took_s = rig.run_until(lambda: not rig.closed, at_most_s=1.0)
    assert took_s == pytest.approx(timings.FEEDBACK_S, abs=3 * SCAN_S)


def test_a_contactor_that_failed_to_close_is_latched_over_restarts_until_the_vehicle_leaves(
    rig: Rig, tmp_path: Path
) -> None:
    failed_to_close(rig)
    rig.world.stuck_open = False
    rig.station.make_safe(for_good=True)
    rig.start()
    rig.permit()
    rig.run(15.0)
    assert rig.report.faults == (GuardFault.CONTACTOR_STUCK_OPEN,)
    assert not rig.closed
    rig.world.unplug()
    rig.run(0.1)
    assert rig.report.faults == ()
    rig.station.make_safe(for_good=True)
    assert json.loads((tmp_path / "guard-latched.json").read_text())["failed_to_close"] == []


# Wear.


def test_wear_is_counted_kept_and_survives_a_restart(rig: Rig, tmp_path: Path) -> None:
    rig.world.follow_s = 0.04
    rig.charge()
    rig.world.open_s2()
    rig.run(12.0)
    rig.permit()
    rig.world.close_s2()
    rig.run_until(lambda: rig.closed, at_most_s=12.0)
    rig.run(0.1)
    rig.world.emergency_stop.pulsed = True
    rig.run(0.1)
    assert (rig.report.closings_total, rig.report.openings_under_load) == (2, 1)
    assert rig.report.slowest_close_ms == pytest.approx(40, abs=1000 * SCAN_S)
    assert rig.report.slowest_open_ms == pytest.approx(40, abs=1000 * SCAN_S)
    assert not (tmp_path / "guard-wear.json").exists(), "the flash is spared while a vehicle is there"
    rig.world.unplug()
    rig.run(1.5)
    rig.station.make_safe(for_good=True)
    kept = json.loads((tmp_path / "guard-wear.json").read_text())
    assert kept["evses"]["1"]["main"]["closings"] == 2
    rig.start()
    rig.run(0.1)
    assert rig.report.closings == 0
    assert rig.report.closings_total == 2
    assert rig.report.openings_under_load == 1


def test_wear_is_written_once_a_minute_at_most(rig: Rig, tmp_path: Path) -> None:
    file = tmp_path / "guard-wear.json"
    rig.charge()
    rig.world.unplug()
    rig.run(1.0)
    rig.station.make_safe(for_good=False)
    file.unlink()
    rig.charge()
    rig.world.unplug()
    rig.run(20.0)
    assert not file.exists()
    rig.run(timings.WEAR_WRITE_S)
    rig.station.make_safe(for_good=False)
    assert json.loads(file.read_text())["evses"]["1"]["main"]["closings"] == 2


@pytest.mark.parametrize("content", ["{", '{"evses": {"1": {"main": {}, "phases": {}}}}', '{"evses": []}', "[]"])
def test_a_damaged_wear_file_starts_the_count_again_and_nothing_else(tmp_path: Path, log_fd: int, content: str) -> None:
    (tmp_path / "guard-wear.json").write_text(content)
    rig = Rig(str(tmp_path), log_fd)
    rig.charge()
    assert rig.report.closings_total == 1
    assert rig.report.faults == ()


# The second contactor.


def test_the_second_contactor_closes_first_and_opens_last_and_never_carries_load(tmp_path: Path, log_fd: int) -> None:
    rig = Rig(str(tmp_path), log_fd, **SECOND)
    rig.charge()
    assert rig.world.phase_coil.active
    assert rig.report.phases == 3
    rig.withdraw()
    rig.world.open_s2()
    rig.run_until(lambda: not rig.closed, at_most_s=1.0)
    assert rig.world.phase_coil.active
    rig.run(0.1)
    assert not rig.world.phase_coil.active
    assert rig.world.moved_under_load == 0


def test_without_phase_switching_a_permit_for_one_phase_is_refused(tmp_path: Path, log_fd: int) -> None:
    rig = Rig(str(tmp_path), log_fd, **SECOND)
    answer = rig.permit(phases=1)
    assert isinstance(answer, Refused)
    assert "phases 1 cannot be kept" in answer.reason


@pytest.mark.parametrize("phases", [1, 3])
def test_before_the_first_closing_the_phases_are_chosen_at_once(switching: Rig, phases: int) -> None:
    rig = switching
    rig.run(1.2)
    rig.world.plug_in()
    rig.run(0.1)
    rig.permit(phases=phases)
    rig.run_until(lambda: rig.offers, at_most_s=1.0)
    rig.world.close_s2()
    rig.run_until(lambda: rig.closed, at_most_s=1.0)
    assert rig.world.phase_coil.active is (phases == 3)
    assert rig.report.phases == phases


@pytest.mark.parametrize("obeys", [True, False])
def test_a_change_of_phases_under_way_takes_its_whole_sequence(switching: Rig, obeys: bool) -> None:
    rig = switching
    rig.charge()
    rig.permit(phases=1)
    rig.scan()
    assert rig.world.signals[-1] is STEADY_HIGH
    assert rig.closed
    if obeys:
        rig.run(1.0)
        rig.world.open_s2()
    opened_s = rig.run_until(lambda: not rig.closed, at_most_s=6.1)
    assert opened_s <= 2 * SCAN_S + 1e-9 if obeys else opened_s == pytest.approx(6.0, abs=3 * SCAN_S)
    assert rig.report.open_reason is OpenReason.PHASE_SWITCH
    began_s = rig.now_s
    rig.scan()
    assert "phase_switch" in rig.report.waiting_for
    rig.run_until(lambda: rig.world.signals[-1] is STEADY_LOW, at_most_s=1.0)
    assert rig.now_s - began_s >= timings.PHASE_GUARD_S
    low_s = rig.now_s
    rig.run_until(lambda: not rig.world.phase_coil.active, at_most_s=4.0)
    assert rig.now_s - low_s >= timings.PHASE_SETTLE_S - SCAN_S
    assert rig.report.plugged is True
    rig.run_until(lambda: rig.world.signals[-1] is STEADY_HIGH, at_most_s=4.0)
    assert rig.now_s - low_s == pytest.approx(timings.PHASE_PILOT_OFF_S, abs=3 * SCAN_S)
    rig.world.open_s2()
    rig.run_until(lambda: rig.world.signals[-1].mode is PilotMode.PWM, at_most_s=12.0)
    assert rig.now_s - began_s == pytest.approx(timings.PHASE_WAIT_S, abs=0.1)
    rig.world.close_s2()
    rig.run_until(lambda: rig.closed, at_most_s=1.0)
    assert rig.report.phases == 1
    assert rig.report.faults == ()
    assert rig.world.moved_under_load == 0


def test_a_second_change_waits_and_meanwhile_never_charges_on_more_phases_than_permitted(switching: Rig) -> None:
    rig = switching
    rig.charge()
    rig.world.open_s2()
    rig.keep_permitted(20.0, phases=1)
    rig.world.close_s2()
    rig.run_until(lambda: rig.closed, at_most_s=2.0)
    rig.keep_permitted(100.0, phases=3)
    assert rig.closed, "one phase of three permitted ones may be used"
    assert rig.report.phases == 1
    rig.run_until(lambda: (rig.keep_permitted(1.0, phases=3), not rig.closed)[1], at_most_s=timings.PHASE_INTERVAL_S)
    rig.world.open_s2()
    rig.keep_permitted(20.0, phases=3)
    assert rig.report.phases == 3
    rig.world.close_s2()
    rig.keep_permitted(3.0, phases=3)
    assert rig.closed
    rig.keep_permitted(10.0, phases=1)
    assert not rig.closed, "three phases are more than the one that is permitted"
    assert rig.report.phases == 3
    assert "phase_switch" in rig.report.waiting_for
    assert rig.world.moved_under_load == 0


def test_the_next_vehicle_need_not_wait_for_the_change_of_the_one_before(switching: Rig) -> None:
    rig = switching
    rig.charge()
    rig.world.open_s2()
    rig.keep_permitted(20.0, phases=1)
    assert rig.report.phases == 1
    rig.world.unplug()
    rig.run(1.2)
    rig.world.plug_in()
    rig.run(0.1)
    rig.permit(phases=3)
    rig.run(0.2)
    assert rig.report.phases == 3


def test_a_vehicle_found_at_the_start_gets_the_whole_sequence(switching: Rig) -> None:
    rig = switching
    rig.charge()
    rig.start()
    rig.world.settle()
    rig.keep_permitted(10.0, phases=3)
    assert not rig.closed
    assert STEADY_LOW in rig.world.signals
    rig.world.open_s2()
    rig.keep_permitted(10.0, phases=3)
    rig.world.close_s2()
    rig.keep_permitted(2.0, phases=3)
    assert rig.closed
    assert rig.report.phases == 3


def test_a_permit_that_ends_in_the_middle_of_a_change_leaves_everything_open(switching: Rig) -> None:
    rig = switching
    rig.charge()
    rig.permit(phases=1)
    rig.world.open_s2()
    rig.run(1.0)
    rig.withdraw()
    rig.run(30.0)
    assert not rig.closed
    assert rig.report.phases == 3
    assert rig.world.signals[-1] is STEADY_HIGH
    rig.keep_permitted(2.0, phases=3)
    assert rig.offers


def test_a_vehicle_that_drives_off_under_load_leaves_the_second_contactor_for_last(switching: Rig) -> None:
    rig = switching
    rig.charge()
    rig.world.unplug()
    rig.run_until(lambda: not rig.closed, at_most_s=0.1)
    assert rig.world.phase_coil.active
    rig.run(0.1)
    assert not rig.world.phase_coil.active
    assert rig.world.moved_under_load == 0
    assert rig.report.openings_under_load == 1


def test_a_main_contactor_that_is_not_seen_open_keeps_the_second_one_where_it_is(switching: Rig) -> None:
    rig = switching
    rig.charge()
    rig.permit(phases=1)
    rig.world.open_s2()
    rig.run_until(lambda: rig.world.signals[-1] is STEADY_LOW, at_most_s=7.0)
    rig.world.mirror.broken = True
    rig.run(timings.PHASE_PILOT_OFF_S)
    assert rig.world.phase_coil.active
    rig.world.mirror.broken = False
    rig.keep_permitted(30.0, phases=1)
    assert not rig.world.phase_coil.active
    assert rig.world.moved_under_load == 0


@pytest.mark.parametrize(
    ("breaks", "fault"),
    [("phases_stuck_open", GuardFault.CONTACTOR_STUCK_OPEN), ("phases_welded", GuardFault.CONTACTOR_WELDED)],
)
def test_a_second_contactor_that_does_not_obey_keeps_the_main_one_open(
    switching: Rig, breaks: str, fault: GuardFault
) -> None:
    rig = switching
    setattr(rig.world, breaks, True)
    rig.run(1.2)
    rig.world.plug_in()
    rig.permit(phases=3)
    rig.run(1.0)
    rig.world.close_s2()
    rig.run(5.0)
    assert rig.world.coil.writes == [False]
    assert rig.report.faults == (fault,)
    if fault is GuardFault.CONTACTOR_STUCK_OPEN:
        rig.world.unplug()
        rig.run(0.1)
        assert rig.report.faults == ()


def test_an_unknown_feedback_of_the_second_contactor_opens(switching: Rig) -> None:
    rig = switching
    rig.charge()
    rig.world.phase_mirror.broken = True
    rig.scan()
    assert not rig.closed
    assert GuardFault.INPUT_UNKNOWN in rig.report.faults


def test_a_broken_output_of_the_second_contactor_loses_the_power_path(switching: Rig) -> None:
    rig = switching
    rig.world.phase_coil.broken = True
    rig.run(1.2)
    rig.world.plug_in()
    rig.permit(phases=3)
    rig.run(0.5)
    assert GuardFault.POWER_PATH_LOST in rig.report.faults
    assert rig.world.coil.writes == [False]
