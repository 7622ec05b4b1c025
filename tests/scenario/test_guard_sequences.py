"""The sequences of IEC 61851-1 that take more than one scan, each in virtual time."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.guard import timings
from agent.guard.cycle import Cycle
from agent.guard.cycle_values import CycleSettings, Inputs
from agent.guard.offer import STEADY_HIGH, STEADY_LOW
from agent.guard.protection import BARE, ProtectionSettings
from agent.guard.temperature import SensorSettings
from agent.guard.wire import GuardFault, OpenReason, Permit, PilotState
from drivers.api import PilotMode
from tests.scenario.guard_rig import SCAN_S, Rig

# How fast, at every scan period.


def cycle_at(scan_s: float, *, tethered: bool = True, protection: ProtectionSettings = BARE) -> tuple[Cycle, Inputs]:
    settings = CycleSettings(
        evse_id=1,
        phases=3,
        max_current_a=32.0,
        ventilation=False,
        tethered=tethered,
        protection=protection,
        has_mirror=True,
        has_lock=False,
        has_lock_feedback=False,
        max_age_s=scan_s * timings.MAX_AGE_SCANS,
        min_reclose_s=10.0,
        stop_grace_s=6.0,
        permit_max_s=30.0,
    )
    return Cycle(settings, now_s=0.0), Inputs()


@pytest.mark.req("IEC 61851-1:2017 table A.6, sequences 2.2, 4, 8.1 and 12")
@pytest.mark.parametrize("scan_ms", [2, 3, 5, 7, 10, 15, 20, 25, 30])
@pytest.mark.parametrize("leaves_to_v", [9.0, 12.0, 0.0])
def test_it_closes_within_three_seconds_and_opens_within_a_tenth_at_every_scan_period(
    scan_ms: int, leaves_to_v: float
) -> None:
    """The edge comes right after a scan, which is the worst; a contactor's own 20 ms come on top."""
    scan_s = scan_ms / 1000
    cycle, inputs = cycle_at(scan_s)
    now_s = 0.0

    def scan(high_v: float) -> None:
        nonlocal now_s
        now_s = round(now_s + scan_s, 6)
        inputs.taken_s, inputs.high_v = now_s, high_v
        inputs.low_v = -12.0 if cycle.offer.current_a is not None else high_v
        inputs.main_closed = cycle.contactor.coil
        cycle.scan(inputs, now_s)

    for _ in range(5):
        scan(12.0)
    cycle.grant(Permit(evse_id=1, permit_id=1, max_current_a=16.0, phases=3, valid_for_s=30.0, plan_id="p"), now_s)
    while cycle.offer.current_a is None:
        scan(9.0)
        cycle.grant(Permit(evse_id=1, permit_id=1, max_current_a=16.0, phases=3, valid_for_s=30.0, plan_id="p"), now_s)
    for _ in range(20):
        scan(9.0)
    ready_s = now_s
    while not cycle.contactor.coil:
        scan(6.0)
        assert now_s - ready_s < timings.CLOSE_S - timings.FEEDBACK_S
    for _ in range(20):
        scan(6.0)
    left_s = now_s
    while cycle.contactor.coil:
        scan(leaves_to_v)
        assert now_s - left_s <= timings.OPEN_S - 0.02 - SCAN_S
    assert cycle.offer.signal is not STEADY_LOW or leaves_to_v == 0.0


# What the vehicle may do.


@pytest.mark.req("IEC 61851-1:2017 table A.6, sequence 11")
def test_a_vehicles_short_pulse_does_not_close_the_contactor(rig: Rig) -> None:
    rig.offer()
    rig.world.close_s2()
    rig.run(0.4)
    assert rig.report.waiting_for == ("vehicle_settling",)
    rig.world.open_s2()
    rig.run(2.0)
    assert rig.world.coil.writes == [False]
    rig.world.close_s2()
    assert rig.run_until(lambda: rig.closed, at_most_s=1.0) == pytest.approx(timings.READY_S, abs=3 * SCAN_S)


@pytest.mark.req("IEC 61851-1:2017 Annex A.5.3")
def test_a_vehicle_that_sleeps_in_b_is_woken_once_for_each_offer(rig: Rig) -> None:
    rig.offer()
    began_s = rig.now_s
    rig.keep_permitted(29.5)
    assert STEADY_LOW not in rig.world.signals
    rig.run_until(lambda: rig.world.signals[-1] is STEADY_LOW, at_most_s=1.0)
    assert rig.now_s - began_s == pytest.approx(timings.WAKE_UP_AFTER_S, abs=0.1)
    rig.run(1.0)
    assert rig.report.pilot is PilotState.F
    assert rig.report.plugged is True, "nobody can see the vehicle, and it has not left"
    assert "pilot_held" in rig.report.waiting_for
    assert rig.report.faults == ()
    pulsed_s = rig.run_until(lambda: rig.world.signals[-1] is STEADY_HIGH, at_most_s=4.0) + 1.0
    assert pulsed_s == pytest.approx(timings.WAKE_UP_PULSE_S, abs=2 * SCAN_S)
    rested_s = rig.run_until(lambda: rig.world.signals[-1].mode is PilotMode.PWM, at_most_s=1.0)
    assert rested_s == pytest.approx(timings.AFTER_F_S, abs=2 * SCAN_S)
    rig.keep_permitted(80.0)
    assert rig.world.signals.count(STEADY_LOW) == 1
    rig.withdraw()
    rig.run(1.0)
    rig.keep_permitted(32.0)
    assert rig.world.signals.count(STEADY_LOW) == 2, "a new offer, a new pulse"


def test_a_woken_vehicle_charges(rig: Rig) -> None:
    rig.offer()
    rig.keep_permitted(31.0)
    assert rig.world.signals[-1] is STEADY_LOW
    rig.keep_permitted(4.0)
    rig.world.close_s2()
    rig.run_until(lambda: rig.closed, at_most_s=2.0)
    assert rig.report.faults == ()


def test_a_vehicle_that_has_charged_and_pauses_is_left_alone(rig: Rig) -> None:
    rig.charge()
    rig.world.open_s2()
    rig.keep_permitted(60.0)
    assert rig.offers
    assert STEADY_LOW not in rig.world.signals


def test_no_vehicle_is_woken_where_the_station_file_says_so(tmp_path: Path, log_fd: int) -> None:
    rig = Rig(str(tmp_path), log_fd, wake_up=False)
    rig.offer()
    rig.keep_permitted(40.0)
    assert STEADY_LOW not in rig.world.signals


def simplified_vehicle(rig: Rig) -> None:
    rig.run(1.2)
    rig.world.vehicle, rig.world.cable_ohm = "C", 220.0
    rig.run(0.1)


@pytest.mark.req("IEC 61851-1:2017 Annex A.2.3")
def test_a_simplified_vehicle_gets_ten_amperes_and_is_ended_by_the_contactor_at_once(rig: Rig) -> None:
    simplified_vehicle(rig)
    rig.permit(32.0)
    rig.run_until(lambda: rig.closed, at_most_s=1.0)
    rig.run(0.1)
    assert rig.report.simplified
    assert rig.report.offer_a == pytest.approx(10.0, abs=0.001)
    rig.withdraw()
    rig.scan()
    assert not rig.closed
    assert rig.report.open_reason is OpenReason.PERMIT_WITHDRAWN
    rig.world.unplug()
    rig.run(0.1)
    assert not rig.report.simplified


def test_a_simplified_vehicle_may_be_refused(tmp_path: Path, log_fd: int) -> None:
    rig = Rig(str(tmp_path), log_fd, simplified=False)
    simplified_vehicle(rig)
    rig.permit()
    rig.run(5.0)
    assert rig.world.coil.writes == [False]
    assert not rig.offers
    assert rig.report.waiting_for[0] == "simplified_vehicle"
    rig.world.unplug()
    rig.run(1.0)
    rig.world.plug_in()
    rig.permit()
    rig.run(1.0)
    rig.world.close_s2()
    rig.run_until(lambda: rig.closed, at_most_s=1.0)


def test_no_vehicle_is_taken_for_a_simplified_one_after_a_restart_or_when_it_came_in_b(rig: Rig) -> None:
    simplified_vehicle(rig)
    assert rig.report.simplified
    rig.start()
    rig.run(1.0)
    assert not rig.report.simplified
    rig.world.unplug()
    rig.run(1.0)
    rig.world.plug_in()
    rig.run(2 * SCAN_S)
    rig.world.close_s2()
    rig.run(1.0)
    assert not rig.report.simplified


# What the station shows.


@pytest.mark.req("IEC 61851-1:2017 table A.5")
def test_state_f_is_held_for_at_least_three_tenths_after_a_fault(rig: Rig) -> None:
    rig.charge()
    rig.world.emergency_stop.pulsed = True
    rig.scan()
    assert not rig.closed
    assert rig.world.signals[-1] is STEADY_LOW
    assert rig.report.plugged is True
    held_s = rig.run_until(lambda: rig.world.signals[-1] is not STEADY_LOW, at_most_s=1.0)
    assert held_s == pytest.approx(timings.F_HOLD_S, abs=2 * SCAN_S)
    assert rig.report.plugged is True


def torn_open(rig: Rig) -> None:
    rig.world.lock_jammed, rig.world.lock_switch.active = True, False


def dropped_out(rig: Rig) -> None:
    rig.world.stuck_open = True


def uncoded(rig: Rig) -> None:
    rig.world.cable_ohm = math.inf


def blind(rig: Rig) -> None:
    rig.world.mirror.broken = True


def shorted(rig: Rig) -> None:
    rig.world.vehicle = "E"


def without_a_diode(rig: Rig) -> None:
    rig.world.diode = False


@pytest.mark.req("IEC 61851-1:2017 table A.5")
@pytest.mark.parametrize("breaks", [torn_open, dropped_out, uncoded, blind, shorted, without_a_diode])
def test_whatever_fault_ends_an_offer_the_vehicle_sees_state_f(rig: Rig, breaks: Callable[[Rig], None]) -> None:
    rig.charge()
    breaks(rig)
    rig.run_until(lambda: not rig.closed, at_most_s=1.0)
    rig.run(SCAN_S)
    assert rig.world.signals[-1] is STEADY_LOW
    held_s = rig.run_until(lambda: rig.world.signals[-1] is not STEADY_LOW, at_most_s=1.0)
    assert held_s == pytest.approx(timings.F_HOLD_S, abs=3 * SCAN_S)


def test_a_short_without_a_vehicle_is_a_pilot_error_after_a_second(rig: Rig) -> None:
    rig.run(1.2)
    rig.world.vehicle = "E"
    rig.run(0.9)
    assert rig.report.faults == ()
    rig.run(0.3)
    assert rig.report.faults == (GuardFault.PILOT_ERROR,)
    rig.world.vehicle = "A"
    rig.run(0.1)
    assert rig.report.faults == ()


@pytest.mark.parametrize("voltage", ["above", "below"])
def test_a_voltage_of_no_state_opens_and_is_a_pilot_error_until_there_is_a_state_again(rig: Rig, voltage: str) -> None:
    rig.charge()
    rig.world.vehicle = voltage
    assert rig.run_until(lambda: not rig.closed, at_most_s=0.1) <= 2 * SCAN_S + 1e-9
    assert rig.report.faults == (GuardFault.PILOT_ERROR,)
    rig.run(2.0)
    assert rig.report.faults == (GuardFault.PILOT_ERROR,)
    rig.world.vehicle = "B"
    rig.run(0.1)
    assert rig.report.faults == ()


def test_a_generator_that_stays_in_f_is_a_pilot_error(rig: Rig) -> None:
    rig.charge()
    rig.world.emergency_stop.pulsed = True
    rig.scan()
    rig.world.stays_low = True
    rig.run(timings.F_HOLD_S + timings.PILOT_F_S + 0.1)
    assert rig.report.faults == (GuardFault.PILOT_ERROR,)
    assert rig.report.plugged is True
    rig.world.stays_low = False
    rig.run(0.1)
    assert rig.report.faults == ()


def test_a_short_under_load_stays_one_fault_through_state_f(rig: Rig) -> None:
    rig.charge()
    rig.world.vehicle = "E"
    rig.run(0.1)
    faults = {report.faults for report in rig.reports}
    rig.reports.clear()
    rig.run(3.0)
    assert faults == {(), (GuardFault.PILOT_ERROR,)}
    assert {report.faults for report in rig.reports} == {(GuardFault.PILOT_ERROR,)}


def test_a_negative_peak_that_nobody_understands_is_an_error_until_the_vehicle_leaves(rig: Rig) -> None:
    rig.offer()
    rig.world.negative_v = -5.0
    rig.run_until(lambda: GuardFault.PILOT_ERROR in rig.report.faults, at_most_s=1.0)
    rig.world.negative_v = None
    rig.run(5.0)
    assert rig.report.faults == (GuardFault.PILOT_ERROR,)
    assert not rig.offers
    rig.world.unplug()
    rig.run(0.1)
    assert rig.report.faults == ()


@pytest.mark.parametrize("tethered", [False, True])
def test_a_reduction_by_temperature_does_not_wait_and_the_way_back_does(tethered: bool) -> None:
    sensor = SensorSettings(name="socket", reduce_c=60.0, stop_c=80.0, hysteresis_k=3.0)
    cycle, inputs = cycle_at(0.01, tethered=tethered, protection=ProtectionSettings(temperatures=(sensor,)))
    inputs.proximity_ohm = 220.0
    now_s = 0.0

    def scan(high_v: float, temperature_c: float, times: int = 1) -> None:
        nonlocal now_s
        for _ in range(times):
            now_s = round(now_s + 0.01, 6)
            inputs.taken_s, inputs.high_v, inputs.temperature_c = now_s, high_v, (temperature_c,)
            inputs.low_v = -12.0 if cycle.offer.current_a is not None else high_v
            inputs.main_closed = cycle.contactor.coil
            cycle.scan(inputs, now_s)

    scan(12.0, 20.0, 5)
    scan(9.0, 20.0, 5)
    cycle.grant(Permit(evse_id=1, permit_id=1, max_current_a=32.0, phases=3, valid_for_s=30.0, plan_id="p"), now_s)
    scan(9.0, 20.0, 5)
    assert cycle.offer.current_a == pytest.approx(32.0, abs=0.001)
    scan(6.0, 20.0, 60)
    assert cycle.contactor.coil
    scan(6.0, 70.0)
    reduced_a = cycle.offer.current_a
    assert reduced_a is not None
    assert 6.0 < reduced_a < 32.0
    scan(6.0, 20.0, 490)
    assert cycle.offer.current_a == reduced_a
    scan(6.0, 20.0, 20)
    assert cycle.offer.current_a == pytest.approx(32.0, abs=0.001)


def test_the_duty_cycle_of_a_lower_cable_rating_does_not_wait(rig: Rig) -> None:
    rig.charge(32.0)
    rig.permit(20.0)
    rig.scan()
    rig.permit(32.0)
    rig.run(5.2)
    assert rig.report.offer_a == pytest.approx(32.0, abs=0.001)
    rig.world.cable_ohm = 680.0
    rig.run(3 * SCAN_S)
    assert rig.report.offer_a == pytest.approx(20.0, abs=0.001)
    assert rig.closed


# The cable.


@pytest.mark.req("IEC 61851-1:2017 Annex B, resistor coding")
def test_the_cable_coding_is_latched_and_never_raised_until_the_vehicle_leaves(rig: Rig) -> None:
    rig.charge(32.0)
    rig.world.cable_ohm = 100.0
    rig.run(1.0)
    assert rig.report.cable_a == 32.0
    rig.world.cable_ohm = 1500.0
    rig.run(0.1)
    assert rig.report.cable_a == 13.0
    rig.world.cable_ohm = 220.0
    rig.run(10.0)
    assert rig.report.cable_a == 13.0
    rig.world.unplug()
    rig.run(1.1)
    rig.world.plug_in(100.0)
    rig.run(1.0)
    assert rig.report.cable_a == 63.0


@pytest.mark.parametrize("ohm", [float("inf"), 10.0])
def test_a_coding_that_is_lost_while_charging_opens_and_is_a_fault(rig: Rig, ohm: float) -> None:
    rig.charge()
    rig.world.cable_ohm = ohm
    assert rig.run_until(lambda: not rig.closed, at_most_s=0.1) <= 2 * SCAN_S + 1e-9
    assert rig.report.faults == (GuardFault.PROXIMITY_ERROR,)
    assert rig.report.open_reason is OpenReason.FAULT


@pytest.mark.parametrize(("ohm", "served"), [(1500.0, False), (680.0, True)])
def test_a_cable_for_thirteen_amperes_may_be_refused(tmp_path: Path, log_fd: int, ohm: float, served: bool) -> None:
    rig = Rig(str(tmp_path), log_fd, reject_13a=True)
    rig.run(1.2)
    rig.world.plug_in(ohm)
    rig.permit()
    rig.run(1.0)
    assert rig.offers is served
    assert ("cable_13_a" in rig.report.waiting_for) is not served
