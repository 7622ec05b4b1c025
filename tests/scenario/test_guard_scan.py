"""The guard's rules, one scenario each, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.guard.wire import (
    ContactorState,
    GuardFault,
    LockState,
    OpenReason,
    Permit,
    PilotState,
    Refused,
    ShowState,
)
from drivers.api import DriverError, PilotMode
from tests.scenario.guard_rig import SCAN_S, Rig


def test_a_permitted_vehicle_in_c_is_charged_at_the_permitted_current(rig: Rig) -> None:
    rig.charge(16.0)
    assert rig.closed
    assert rig.report.contactor is ContactorState.CLOSED
    assert rig.report.offer_a == pytest.approx(16.0, abs=0.001)
    assert rig.report.waiting_for == ()
    assert rig.report.closings == 1


def test_the_first_write_of_every_output_is_safe_and_the_contactor_comes_first(rig: Rig) -> None:
    assert rig.board.claimed[0] == "evse1.contactor"
    assert rig.world.coil.writes == [False]
    assert rig.world.lock.writes == [True]
    assert [signal.mode for signal in rig.world.signals] == [PilotMode.STEADY_HIGH]


@pytest.mark.req("IEC 61851-1:2017 table A.6, sequence 8.1")
def test_the_contactor_opens_within_two_scans_when_the_vehicle_leaves_c(rig: Rig) -> None:
    rig.charge()
    rig.world.open_s2()
    assert rig.run_until(lambda: not rig.closed, at_most_s=1.0) <= 2 * SCAN_S + 1e-9
    assert rig.report.open_reason is OpenReason.VEHICLE_LEFT_C
    assert rig.offers, "an EV that pauses keeps its offer"


def test_unplugging_under_load_opens_and_ends_the_permit(rig: Rig) -> None:
    rig.charge()
    rig.world.unplug()
    assert rig.run_until(lambda: not rig.closed, at_most_s=1.0) <= 2 * SCAN_S + 1e-9
    assert rig.report.open_reason is OpenReason.VEHICLE_LEFT_C
    assert rig.report.permit_id is None


@pytest.mark.req("IEC 61851-1:2017 table A.6, sequence 10")
def test_a_withdrawn_permit_ends_the_offer_at_once_and_opens_after_six_seconds(rig: Rig) -> None:
    rig.charge()
    rig.withdraw()
    rig.scan()
    assert rig.world.signals[-1].mode is PilotMode.STEADY_HIGH
    assert rig.closed
    assert rig.run_until(lambda: not rig.closed, at_most_s=7.0) == pytest.approx(6.0, abs=2 * SCAN_S)
    assert rig.report.open_reason is OpenReason.PERMIT_WITHDRAWN


def test_a_vehicle_that_stops_within_the_grace_is_opened_without_load(rig: Rig) -> None:
    rig.charge()
    rig.withdraw()
    rig.run(1.5)
    rig.world.open_s2()
    assert rig.run_until(lambda: not rig.closed, at_most_s=1.0) <= 2 * SCAN_S + 1e-9
    assert rig.report.open_reason is OpenReason.PERMIT_WITHDRAWN


def test_a_permit_that_is_not_renewed_expires_and_is_never_longer_than_thirty_seconds(rig: Rig) -> None:
    rig.charge()
    rig.permit(valid_for_s=3600.0)
    assert rig.run_until(lambda: not rig.offers, at_most_s=31.0) == pytest.approx(30.0, abs=2 * SCAN_S)
    rig.run_until(lambda: not rig.closed, at_most_s=6.1)
    assert rig.report.open_reason is OpenReason.PERMIT_EXPIRED


def test_a_permit_below_six_amperes_is_a_pause(rig: Rig) -> None:
    rig.charge()
    rig.permit(5.9)
    rig.scan()
    assert not rig.offers
    rig.run_until(lambda: not rig.closed, at_most_s=6.1)
    assert "permit_below_6_a" in rig.report.waiting_for


@pytest.mark.parametrize("line", ["rcd", "emergency_stop"])
def test_a_pulse_shorter_than_a_scan_opens(rig: Rig, line: str) -> None:
    rig.charge()
    getattr(rig.world, line).pulsed = True
    rig.scan()
    assert not rig.closed
    assert rig.report.open_reason is OpenReason.FAULT
    assert GuardFault(line if line == "emergency_stop" else "rcd_tripped") in rig.report.faults


def test_an_rcd_trip_stays_until_the_line_is_clear_and_the_vehicle_has_left(rig: Rig) -> None:
    rig.charge()
    rig.world.rcd.active = True
    rig.scan()
    assert not rig.closed
    rig.world.rcd.active = False
    rig.run(20.0)
    assert not rig.closed
    assert rig.report.faults == (GuardFault.RCD_TRIPPED,)
    rig.world.unplug()
    rig.run(0.1)
    assert rig.report.faults == ()


def test_an_emergency_stop_lasts_until_the_button_is_released(rig: Rig) -> None:
    rig.charge()
    rig.world.emergency_stop.active = True
    rig.run(5.0)
    assert not rig.closed
    assert not rig.offers
    rig.world.emergency_stop.active = False
    rig.run(0.1)
    assert rig.report.faults == ()


@pytest.mark.parametrize("line", ["rcd", "emergency_stop", "mirror", "lock_switch"])
def test_an_unknown_input_opens(rig: Rig, line: str) -> None:
    rig.charge()
    getattr(rig.world, line).broken = True
    rig.scan()
    assert not rig.closed
    assert GuardFault.INPUT_UNKNOWN in rig.report.faults


@pytest.mark.parametrize("line", ["rcd", "emergency_stop"])
def test_a_pushed_input_older_than_three_scans_opens(rig: Rig, line: str) -> None:
    rig.charge()
    getattr(rig.world, line).pushed_s = rig.now_s
    assert rig.run_until(lambda: not rig.closed, at_most_s=0.1) == pytest.approx(4 * SCAN_S)


def test_a_pilot_measurement_older_than_three_scans_opens(rig: Rig) -> None:
    rig.charge()
    rig.world.frozen_since_s = rig.now_s
    assert rig.run_until(lambda: not rig.closed, at_most_s=0.1) == pytest.approx(4 * SCAN_S)
    assert rig.report.pilot is PilotState.UNKNOWN
    assert GuardFault.INPUT_UNKNOWN in rig.report.faults


def test_the_same_measurement_twice_confirms_nothing(rig: Rig) -> None:
    rig.charge()
    rig.scan()
    rig.world.frozen_since_s = rig.now_s + SCAN_S
    rig.world.open_s2()
    rig.scan()
    rig.scan()
    assert rig.closed, "one sample, read twice, is one sample"


def test_one_odd_sample_is_dropped(rig: Rig) -> None:
    rig.charge()
    rig.world.open_s2()
    rig.scan()
    rig.world.close_s2()
    rig.run(1.0)
    assert rig.closed


def test_a_lost_power_path_opens_and_tries_state_f(rig: Rig) -> None:
    rig.charge()
    rig.world.power_path_lost = True
    rig.scan()
    assert not rig.closed
    assert rig.report.faults == (GuardFault.POWER_PATH_LOST,)
    assert rig.report.power_path_why, "status says why"
    assert rig.report.offer_a is None
    rig.world.power_path_lost = False
    rig.run(0.1)
    assert rig.world.signals[-1].mode is PilotMode.STEADY_LOW
    rig.run(2.0)
    assert (rig.report.faults, rig.report.power_path_why) == ((), "")
    assert rig.world.signals[-1].mode is not PilotMode.STEADY_LOW


def test_a_generator_that_does_not_obey_opens(rig: Rig) -> None:
    rig.charge()
    rig.world.generator_lost = True
    rig.withdraw()
    rig.scan()
    rig.scan()
    assert not rig.closed
    assert GuardFault.POWER_PATH_LOST in rig.report.faults


def test_a_contactor_output_that_fails_to_open_is_written_again_until_it_does(rig: Rig) -> None:
    rig.charge()
    rig.world.coil.broken = True
    rig.world.open_s2()
    rig.run(0.1)
    assert rig.world.coil.writes[-1] is True
    rig.world.coil.broken = False
    rig.scan()
    assert rig.world.coil.writes[-1] is False


@pytest.mark.req("IEC 61851-1:2017 table A.4, note on the negative peak")
def test_without_a_diode_the_contactor_never_closes_until_another_vehicle_comes(rig: Rig) -> None:
    rig.world.diode = False
    rig.run(1.2)
    rig.world.plug_in()
    rig.permit()
    rig.world.close_s2()
    rig.run(15.0)
    assert rig.world.coil.writes == [False]
    assert rig.report.faults == (GuardFault.DIODE_MISSING,)
    rig.world.diode = True
    rig.run(15.0)
    assert rig.world.coil.writes == [False]
    rig.world.unplug()
    rig.run(0.1)
    assert rig.report.faults == ()


def test_a_diode_that_fails_while_charging_opens(rig: Rig) -> None:
    rig.charge()
    rig.world.diode = False
    assert rig.run_until(lambda: not rig.closed, at_most_s=0.1) <= 2 * SCAN_S + 1e-9


def test_a_short_of_the_pilot_while_charging_opens_and_is_a_pilot_error(rig: Rig) -> None:
    rig.charge()
    rig.world.vehicle = "E"
    assert rig.run_until(lambda: not rig.closed, at_most_s=0.1) <= 2 * SCAN_S + 1e-9
    assert rig.report.faults == (GuardFault.PILOT_ERROR,)
    assert rig.report.open_reason is OpenReason.FAULT


def test_state_d_needs_ventilation(tmp_path: Path, log_fd: int) -> None:
    for ventilation in (False, True):
        rig = Rig(str(tmp_path), log_fd, ventilation=ventilation)
        rig.charge()
        rig.world.vehicle = "D"
        rig.run(0.1)
        assert rig.closed is ventilation
        assert (GuardFault.VENTILATION_MISSING in rig.report.faults) is not ventilation


def test_a_weld_is_latched_reported_and_survives_restarts_until_it_is_cleared(rig: Rig, tmp_path: Path) -> None:
    rig.charge()
    rig.world.welded = True
    rig.world.open_s2()
    rig.run_until(lambda: GuardFault.CONTACTOR_WELDED in rig.report.faults, at_most_s=0.4)
    rig.run(0.1)
    assert rig.world.signals[-1].mode is PilotMode.STEADY_LOW
    assert rig.world.lock.active, "a live plug stays locked"
    rig.station.make_safe(for_good=True)
    assert (tmp_path / "guard-latched.json").exists()

    rig.world.welded = False
    rig.world.signals.clear()
    rig.start()
    assert [signal.mode for signal in rig.world.signals] == [PilotMode.STEADY_LOW]
    rig.permit()
    rig.world.close_s2()
    rig.run(30.0)
    assert not rig.closed
    assert rig.report.faults == (GuardFault.CONTACTOR_WELDED,)

    (tmp_path / "guard-latched.json").unlink()
    rig.start()
    rig.run(0.5)
    assert rig.report.faults == ()


def test_a_damaged_latch_file_counts_as_welded(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "guard-latched.json").write_text("{")
    rig.start()
    rig.run(0.1)
    assert rig.report.faults == (GuardFault.CONTACTOR_WELDED,)


def test_a_contactor_that_does_not_close_is_given_up_until_the_vehicle_leaves(rig: Rig) -> None:
    rig.try_to_close()
    rig.run(20.0)
    assert rig.world.coil.writes == [False, True, False]
    assert rig.report.faults == (GuardFault.CONTACTOR_STUCK_OPEN,)
    rig.world.unplug()
    rig.run(0.1)
    assert rig.report.faults == ()


def test_two_closings_are_ten_seconds_apart_and_the_offer_waits_with_them(rig: Rig) -> None:
    rig.run(1.2)
    rig.world.plug_in()
    rig.run(0.1)
    rig.permit()
    rig.run(0.1)
    rig.world.close_s2()
    rig.run_until(lambda: rig.closed, at_most_s=1.0)
    closed_s = rig.now_s
    rig.run(1.0)
    rig.world.open_s2()
    rig.run(1.0)
    assert not rig.closed
    assert not rig.offers
    assert "reclose_wait" in rig.report.waiting_for
    rig.world.close_s2()
    rig.run_until(lambda: rig.closed, at_most_s=10.0)
    assert rig.now_s - closed_s >= 10.0


def test_a_vehicle_found_at_the_start_waits_as_if_the_contactor_had_just_closed(rig: Rig) -> None:
    rig.world.plug_in()
    rig.world.close_s2()
    rig.permit()
    assert rig.run_until(lambda: rig.closed, at_most_s=11.0) >= 10.0


@pytest.mark.req("IEC 61851-1:2017 table A.6, sequence 6")
def test_the_offer_changes_at_most_every_five_seconds(rig: Rig) -> None:
    rig.charge(16.0)
    rig.permit(20.0)
    rig.scan()
    changed_s = rig.now_s
    assert rig.report.offer_a == pytest.approx(20.0, abs=0.001)
    rig.permit(10.0)
    rig.run_until(lambda: (rig.report.offer_a or 0.0) < 11.0, at_most_s=6.0)
    assert rig.now_s - changed_s == pytest.approx(5.0, abs=2 * SCAN_S)


@pytest.mark.parametrize(("cable_ohm", "offer_a"), [(1500.0, 13.0), (680.0, 20.0), (220.0, 32.0), (100.0, 32.0)])
def test_the_offer_never_exceeds_permit_cable_and_evse(rig: Rig, cable_ohm: float, offer_a: float) -> None:
    rig.run(1.2)
    rig.world.plug_in(cable_ohm)
    rig.run(0.1)
    rig.permit(63.0)
    rig.run(0.1)
    assert offer_a - 0.001 <= (rig.report.offer_a or 0.0) <= offer_a


def test_a_vehicle_without_cable_coding_gets_no_offer_and_is_a_proximity_error(rig: Rig) -> None:
    rig.run(1.2)
    rig.world.plug_in(float("inf"))
    rig.permit()
    rig.run(1.0)
    assert not rig.offers
    assert rig.report.faults == (GuardFault.PROXIMITY_ERROR,)


def test_the_cable_is_unlocked_only_when_the_contactor_is_confirmed_open(rig: Rig) -> None:
    rig.charge()
    rig.hold(True)
    rig.withdraw()
    rig.hold(False)
    rig.run(3.0)
    assert rig.closed
    assert rig.report.lock is LockState.LOCKED
    rig.world.open_s2()
    rig.run(0.1)
    assert rig.report.contactor is ContactorState.OPEN
    assert rig.report.lock is LockState.UNLOCKED


def test_a_held_cable_stays_locked_without_a_permit_and_is_let_go_when_the_vehicle_has_left(rig: Rig) -> None:
    rig.charge()
    rig.hold(True)
    rig.withdraw()
    rig.world.open_s2()
    rig.run(5.0)
    assert rig.report.lock is LockState.LOCKED
    rig.world.unplug()
    rig.run(0.5)
    assert rig.report.lock is LockState.LOCKED
    rig.run(0.6)
    assert rig.report.lock is LockState.UNLOCKED


@pytest.mark.req("OCPP 1.6 §9.1.29, §9.1.31")
def test_a_cable_that_is_to_be_kept_stays_locked_after_the_vehicle_has_left_until_it_is_released(rig: Rig) -> None:
    rig.charge()
    rig.hold(True, kept=True)
    rig.world.unplug()
    rig.run(5.0)
    assert rig.report.lock is LockState.LOCKED
    rig.hold(False)
    rig.run(2.0)
    assert rig.report.lock is LockState.UNLOCKED


def test_a_cable_without_its_vehicle_is_seen_until_it_is_pulled_out(rig: Rig) -> None:
    rig.charge()
    rig.hold(True, kept=True)
    rig.world.vehicle = "A"
    rig.run(5.0)
    assert (rig.report.plugged, rig.report.cable_a) == (False, 32.0)
    rig.world.unplug()
    rig.run(3.0)
    assert (rig.report.plugged, rig.report.cable_a) == (False, None)


def test_a_jammed_lock_is_tried_again_then_a_fault_and_nothing_closes(rig: Rig) -> None:
    rig.run(1.2)
    rig.world.lock_jammed = True
    rig.world.plug_in()
    rig.permit()
    rig.world.close_s2()
    rig.run(2.9)
    assert rig.report.faults == ()
    rig.run(0.3)
    assert rig.report.faults == (GuardFault.LOCK_FAILED,)
    assert rig.world.lock.writes.count(True) >= 3
    assert rig.world.coil.writes == [False]
    rig.world.lock_jammed = False
    rig.permit()
    rig.run_until(lambda: rig.closed, at_most_s=10.0)
    assert rig.report.faults == ()


def test_a_lock_that_opens_while_charging_opens_the_contactor(rig: Rig) -> None:
    rig.charge()
    rig.world.lock_jammed = True
    rig.world.lock_switch.active = False
    rig.scan()
    assert not rig.closed


def test_a_tethered_station_without_extra_lines_charges(tmp_path: Path, log_fd: int) -> None:
    rig = Rig(str(tmp_path), log_fd, tethered=True, mirror=None, lock=None, rcd=None, emergency_stop=None, led=None)
    rig.charge()
    assert rig.closed
    assert rig.report.lock is LockState.NONE
    assert rig.report.cable_a is None


def test_a_stop_gives_the_vehicle_its_time_and_opens(rig: Rig) -> None:
    rig.charge()
    rig.station.stop()
    rig.scan()
    assert not rig.offers
    assert rig.closed
    assert isinstance(rig.permit(), Refused)
    rig.run_until(lambda: rig.station.stopped, at_most_s=6.1)
    assert rig.report.open_reason is OpenReason.SHUTDOWN


def test_a_failing_output_does_not_keep_the_others_from_being_made_safe(tmp_path: Path, log_fd: int) -> None:
    rig = Rig(str(tmp_path), log_fd, evses=2)
    for world in rig.worlds:
        world.coil.active = True
    rig.worlds[0].coil.broken = True
    rig.worlds[1].power_path_lost = True
    with pytest.raises(DriverError):
        rig.station.make_safe(for_good=False)
    assert rig.worlds[1].coil.active is False
    assert rig.worlds[0].signals[-1].mode is PilotMode.STEADY_HIGH


def test_a_fault_of_one_evse_does_not_touch_the_other(tmp_path: Path, log_fd: int) -> None:
    rig = Rig(str(tmp_path), log_fd, evses=2)
    rig.worlds[1].plug_in()
    rig.charge()
    rig.permit(evse_id=2)
    rig.worlds[1].rcd.active = True
    rig.run(1.0)
    assert rig.closed
    assert rig.report_of(2).faults == (GuardFault.RCD_TRIPPED,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"plan_id": "another"}, "plan_id 'another' is not the plan in force"),
        ({"evse_id": 7}, "there is no EVSE 7"),
        ({"phases": 1}, "phases 1 cannot be kept"),
        ({"valid_for_s": 0.0}, "valid_for_s 0 is over on arrival"),
    ],
)
def test_a_permit_that_cannot_be_kept_is_refused_with_the_reason(
    rig: Rig, change: dict[str, float | str], said: str
) -> None:
    permit = Permit(evse_id=1, permit_id=1, max_current_a=16.0, phases=3, valid_for_s=30.0, plan_id="plan-1")
    answer = rig.say(replace(permit, **change))  # type: ignore[arg-type]
    assert isinstance(answer, Refused)
    assert answer.about == "Permit"
    assert said in answer.reason


def test_reports_come_on_change_and_every_second_while_something_is_permitted(rig: Rig) -> None:
    rig.run(3.0)
    rig.reports.clear()
    rig.run(10.0)
    assert 4 <= len(rig.reports) <= 6
    rig.say(Permit(evse_id=1, permit_id=1, max_current_a=16.0, phases=3, valid_for_s=30.0, plan_id="plan-1"))
    rig.run(1.0)
    rig.reports.clear()
    rig.run(10.0)
    assert 9 <= len(rig.reports) <= 11
    rig.reports.clear()
    rig.world.plug_in()
    rig.run(3 * SCAN_S)
    assert rig.report.pilot is PilotState.B


def test_the_status_led_blinks_as_told(rig: Rig) -> None:
    rig.say(ShowState(evse_id=1, pattern="fast"))
    rig.run(1.0)
    assert rig.world.led.writes.count(True) in (4, 5)
