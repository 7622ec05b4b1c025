"""The world's physics, in virtual time."""

from __future__ import annotations

import math
import struct

import pytest

from hil.actuators import ContactorMode, LockMode
from hil.car import CableEnd, CarState, Misbehaviour
from hil.evse import Evse, register_wh
from hil.pilot_circuit import Generator, GeneratorMode, offered_current_a, pilot_levels
from hil.world import World, WorldSettings

HIGH = Generator(mode=GeneratorMode.STEADY_HIGH)
LOW = Generator(mode=GeneratorMode.STEADY_LOW)


def pwm(current_a: float) -> Generator:
    return Generator(mode=GeneratorMode.PWM, duty_pct=current_a / 0.6)


def fresh(**settings: float) -> tuple[World, Evse]:
    world = World(WorldSettings(**settings), now_s=0.0)  # type: ignore[arg-type]
    world.set_generator(1, HIGH, 0.0)
    return world, world.evses[1]


def charging(current_a: float = 16.0, **settings: float) -> tuple[World, Evse]:
    """A car that has drawn ``current_a`` since 2.0 s (plugged at 0, PWM at 0.5 s, coil at 1.485 s)."""
    world, evse = fresh(**settings)
    with world.stimulus(0.0):
        evse.car.plug_in()
    world.set_generator(1, pwm(current_a), 0.5)
    world.write("evse1.contactor", True, 1.485)
    world.step(2.0)
    assert evse.current_a[0] == pytest.approx(current_a)
    return world, evse


def times(world: World, signal: str) -> list[tuple[float, object]]:
    return [(round(c.at_s, 6), c.value) for c in world.take_changes() if c.signal == signal]


@pytest.mark.parametrize(
    ("car_ohm", "expected_v"), [(None, 12.0), (2740.0, 9.0), (882.0, 6.0), (246.0, 3.0)], ids=["A", "B", "C", "D"]
)
@pytest.mark.req("IEC 61851-1:2017 Annex A, Table A.2")
def test_each_resistor_gives_its_pilot_voltage(car_ohm: float | None, expected_v: float) -> None:
    levels = pilot_levels(pwm(16.0), car_ohm=car_ohm)
    assert levels.high_v == pytest.approx(expected_v, abs=0.1)
    assert levels.low_v == -12.0


def test_without_pwm_both_peaks_are_the_same() -> None:
    for generator in (HIGH, LOW, Generator(mode=GeneratorMode.PWM, duty_pct=100.0), Generator()):
        levels = pilot_levels(generator, car_ohm=2740.0)
        assert levels.high_v == levels.low_v
    assert pilot_levels(LOW, car_ohm=2740.0).high_v == -12.0
    assert pilot_levels(Generator(), car_ohm=2740.0).high_v == 0.0


def test_a_shorted_diode_mirrors_the_positive_peak() -> None:
    levels = pilot_levels(pwm(16.0), car_ohm=882.0, diode_shorted=True)
    assert levels.low_v == -levels.high_v


def test_a_shorted_pilot_is_at_earth() -> None:
    levels = pilot_levels(pwm(16.0), car_ohm=882.0, pilot_shorted=True)
    assert (levels.high_v, levels.low_v) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("duty_pct", "offer_a"),
    [(0, 0), (5, 0), (7.9, 0), (8, 6), (10, 6), (26.67, 16.002), (85, 51), (90, 65), (96, 80), (97, 80), (98, 0)],
)
@pytest.mark.req("IEC 61851-1:2017 Annex A, maximum current to be drawn by the vehicle")
def test_the_car_reads_the_duty_cycle_as_the_standard_says(duty_pct: float, offer_a: float) -> None:
    assert offered_current_a(duty_pct) == pytest.approx(offer_a)


@pytest.mark.parametrize(("cable_a", "ohm"), [(13, 1500.0), (20, 680.0), (32, 220.0), (63, 100.0)])
def test_the_cable_codes_its_rating(cable_a: int, ohm: float) -> None:
    world, evse = fresh()
    assert math.isinf(evse.proximity_ohm)
    with world.stimulus(0.0):
        evse.cable_a = cable_a
        evse.car.plug_in()
    assert evse.proximity_ohm == ohm


def test_a_car_is_silent_until_it_sees_pwm_then_closes_s2_and_draws_the_offer() -> None:
    world, evse = fresh()
    with world.stimulus(1.0):
        evse.car.plug_in()
    world.step(60.0)
    assert evse.car_state == "B"
    world.set_generator(1, pwm(16.0), 60.0)
    world.write("evse1.contactor", True, 61.0)
    world.step(70.0)
    changes = [(round(c.at_s, 3), c.signal, c.value) for c in world.take_changes()]
    assert (60.7, "evse1.car_state", "C") in changes
    assert (61.015, "evse1.load", True) in changes
    assert (61.015, "evse1.mirror", False) in changes
    assert [(t, round(float(v or 0), 3)) for t, s, v in changes if s == "evse1.current_a" and v] == [(61.515, 16.0)]


def test_a_car_follows_a_changed_duty_within_its_reaction_time() -> None:
    world, evse = charging(16.0)
    world.set_generator(1, pwm(10.0), 10.0)
    world.step(10.49)
    assert evse.current_a[0] == pytest.approx(16.0)
    world.step(10.51)
    assert evse.current_a[0] == pytest.approx(10.0)


def test_a_duty_that_changes_all_the_time_is_still_followed() -> None:
    world, evse = charging(16.0)
    for step in range(20):
        world.set_generator(1, pwm(15.0 - step * 0.25), 10.0 + step * 0.1)
    world.step(12.0)
    assert evse.current_a[0] < 15.0


def test_a_car_stops_drawing_and_then_opens_s2_when_the_pwm_ends() -> None:
    world, _ = charging(16.0)
    world.take_changes()
    world.set_generator(1, HIGH, 20.0)
    world.step(30.0)
    changes = [(round(c.at_s, 3), c.signal, c.value) for c in world.take_changes()]
    assert (20.5, "evse1.current_a", 0.0) in changes
    assert (21.0, "evse1.car_state", "B") in changes


def test_a_car_that_ignores_the_duty_draws_its_maximum() -> None:
    world, evse = charging(16.0)
    with world.stimulus(10.0):
        evse.car.misbehaviour = Misbehaviour.IGNORE_DUTY
    world.step(11.0)
    assert evse.current_a[0] == 32.0


def test_a_car_that_ignores_the_stop_keeps_s2_and_current_until_the_contactor_opens() -> None:
    world, evse = charging(16.0)
    with world.stimulus(10.0):
        evse.car.misbehaviour = Misbehaviour.IGNORE_STOP
    world.set_generator(1, HIGH, 10.0)
    world.step(60.0)
    assert (evse.car_state, evse.current_a[0]) == ("C", pytest.approx(16.0))
    world.write("evse1.contactor", False, 60.0)
    world.step(60.02)
    assert (evse.car_state, evse.current_a[0]) == ("C", 0.0)


def test_a_paused_car_opens_s2_and_a_resumed_one_charges_on() -> None:
    world, evse = charging(16.0)
    with world.stimulus(10.0):
        evse.car.paused = True
    world.step(12.0)
    assert (evse.car_state, evse.current_a[0]) == ("B", 0.0)
    with world.stimulus(12.0):
        evse.car.paused = False
    world.step(14.0)
    assert (evse.car_state, evse.current_a[0]) == ("C", pytest.approx(16.0))


def test_a_car_paused_with_s2_kept_stays_in_c_without_current() -> None:
    world, evse = charging(16.0)
    with world.stimulus(10.0):
        evse.car.paused, evse.car.keep_s2 = True, True
    world.step(15.0)
    assert (evse.car_state, evse.current_a[0]) == ("C", 0.0)


def test_a_full_battery_ends_the_charge_by_opening_s2() -> None:
    world, evse = charging(16.0)
    with world.stimulus(2.0):
        evse.car.settings.soc_pct = 99.0
    world.step(3600.0)
    assert evse.car.settings.soc_pct == 100.0
    assert (evse.car_state, evse.current_a[0]) == ("B", 0.0)
    full_s = 2.0 + 600.0 / (3 * 230.0 * 16.0) * 3600.0
    assert times(world, "evse1.car_state")[-1][0] == pytest.approx(full_s + 1.0, abs=0.01)


def test_the_next_car_comes_with_the_battery_that_this_one_came_with() -> None:
    world, evse = charging(16.0)
    world.step(3600.0)
    assert evse.car.settings.soc_pct > 50.0
    with world.stimulus(3600.0):
        evse.car.unplug()
    assert evse.car.settings.soc_pct == 40.0


def test_a_cable_unplugged_at_the_vehicle_stays_in_a_locked_socket_until_it_is_released_or_pulled_out() -> None:
    for release in (True, False):
        world, evse = charging(16.0)
        world.write("evse1.lock", True, 3.0)
        world.step(4.0)
        with world.stimulus(4.0):
            evse.unplug(CableEnd.VEHICLE)
        world.step(10.0)
        assert (evse.car_state, evse.proximity_ohm) == ("A", 220.0)
        if release:
            world.write("evse1.lock", False, 10.0)
        else:
            with world.stimulus(10.0):
                evse.unplug(CableEnd.STATION)
        world.step(11.0)
        assert math.isinf(evse.proximity_ohm)


def test_energy_is_power_times_time_and_only_over_the_closed_contactor() -> None:
    world, evse = charging(16.0)
    world.step(362.0)
    assert evse.energy_wh == pytest.approx(121_000.0 + 3 * 230.0 * 16.0 * 360.0 / 3600.0)
    with world.stimulus(362.0):
        evse.car.unplug()
    after_wh = evse.energy_wh
    world.step(1000.0)
    assert evse.energy_wh == after_wh


def test_the_energy_factor_multiplies_counted_energy_and_nothing_else() -> None:
    world, evse = charging(16.0, energy_factor=60.0)
    world.step(38.0)
    assert evse.power_w == pytest.approx(3 * 230.0 * 16.0)
    assert evse.energy_wh == pytest.approx(121_000.0 + 60.0 * 3 * 230.0 * 16.0 * 36.0 / 3600.0)


def test_the_ledger_holds_the_register_at_both_ends_of_each_energising() -> None:
    world, evse = charging(16.0)
    world.set_generator(1, HIGH, 100.0)
    world.write("evse1.contactor", False, 102.0)
    world.step(110.0)
    (energising,) = evse.energisings
    assert (round(energising.closed_s, 3), energising.closed_wh) == (1.5, 121_000)
    assert energising.opened_s == pytest.approx(102.01)
    assert energising.opened_wh == register_wh(evse.energy_wh)


def test_the_register_is_what_a_float32_of_kilowatt_hours_can_hold() -> None:
    energy_wh = 1_234_567.891
    (seen,) = struct.unpack(">f", struct.pack(">f", energy_wh / 1000.0))
    assert register_wh(energy_wh) == round(seen * 1000.0)


def test_mains_off_ends_current_and_voltage_but_not_the_pilot() -> None:
    world, evse = charging(16.0)
    world.set_mains(False, 10.0)
    assert (evse.current_a[0], evse.voltage_v, evse.live, evse.contactor.closed) == (0.0, 0.0, False, True)
    assert evse.pilot.high_v == pytest.approx(6.0, abs=0.1)


def test_a_power_cut_drops_every_output_and_the_pilot() -> None:
    world, evse = charging(16.0)
    world.write("evse1.led", True, 3.0)
    world.cut_power(10.0)
    world.write("evse1.contactor", True, 10.5)
    world.step(11.0)
    assert not any(world.level(line) for line in world.outputs)
    assert (evse.pilot.high_v, evse.pilot.low_v, evse.contactor.closed) == (0.0, 0.0, False)
    world.restore_power(12.0)
    world.step(13.0)
    assert (evse.pilot.high_v, evse.contactor.closed) == (0.0, False)


def test_a_welded_contactor_stays_closed_and_its_mirror_says_so() -> None:
    world, evse = charging(16.0)
    with world.stimulus(10.0):
        evse.contactor.set_mode(ContactorMode.WELDED, 10.0)
    world.write("evse1.contactor", False, 11.0)
    world.step(12.0)
    assert (evse.contactor.closed, world.level("evse1.mirror")) == (True, False)
    with world.stimulus(13.0):
        evse.contactor.set_mode(ContactorMode.OK, 13.0)
    world.step(14.0)
    assert (evse.contactor.closed, world.level("evse1.mirror")) == (False, True)


def test_a_contactor_stuck_open_never_closes() -> None:
    world, evse = fresh()
    with world.stimulus(0.0):
        evse.contactor.set_mode(ContactorMode.STUCK_OPEN, 0.0)
    world.write("evse1.contactor", True, 1.0)
    world.step(2.0)
    assert (evse.contactor.coil, evse.contactor.closed, world.level("evse1.mirror")) == (True, False, True)


def test_a_normally_open_mirror_follows_the_main_contacts() -> None:
    world = World(WorldSettings(mirror_closed_at_rest=False), now_s=0.0)
    assert world.level("evse1.mirror") is False
    world.write("evse1.contactor", True, 1.0)
    world.step(2.0)
    assert world.level("evse1.mirror") is True


def test_the_lock_takes_its_time_and_jams() -> None:
    world, evse = fresh()
    world.write("evse1.lock", True, 1.0)
    world.step(1.29)
    assert not world.level("evse1.lock_feedback")
    world.step(1.31)
    assert world.level("evse1.lock_feedback")
    with world.stimulus(2.0):
        evse.lock.set_mode(LockMode.JAMMED, 2.0)
    world.write("evse1.lock", False, 2.0)
    world.step(5.0)
    assert world.level("evse1.lock_feedback")


@pytest.mark.parametrize(
    ("state", "high_v", "low_v"),
    [("A", 12, -12), ("B", 9, -12), ("C", 6, -12), ("D", 3, -12), ("E", 0, 0), ("F", -12, -12)],
)
def test_a_forced_state_shows_its_pilot_voltage(state: str, high_v: float, low_v: float) -> None:
    world, evse = fresh()
    with world.stimulus(0.0):
        evse.car.plug_in()
    world.set_generator(1, pwm(16.0), 0.0)
    with world.stimulus(0.1):
        evse.car.forced = CarState(state)
    assert (evse.pilot.high_v, evse.pilot.low_v) == (pytest.approx(high_v, abs=0.1), low_v)


def test_two_evses_count_apart() -> None:
    world = World(WorldSettings(evses=2), now_s=0.0)
    for number, current_a in ((1, 10.0), (2, 20.0)):
        with world.stimulus(0.0):
            world.evses[number].car.plug_in()
            world.evses[number].car.settings.phases = number
        world.set_generator(number, pwm(current_a), 0.0)
    for number in (1, 2):
        world.write(f"evse{number}.contactor", True, 1.485)
    world.step(362.0)
    assert world.evses[1].energy_wh == pytest.approx(121_000.0 + 230.0 * 10.0 / 10.0)
    assert world.evses[2].energy_wh == pytest.approx(122_000.0 + 2 * 230.0 * 20.0 / 10.0)


def test_writing_an_input_is_refused_with_what_was_expected() -> None:
    world, _ = fresh()
    with pytest.raises(ValueError, match=r"line 'evse1\.rcd' is no output, expected one of evse1\.contactor"):
        world.write("evse1.rcd", True, 1.0)
