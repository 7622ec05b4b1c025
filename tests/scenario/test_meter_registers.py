"""Registers that roll over, read 0, jump, or belong to another meter: what reaches a bill, in virtual time."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.charging.readings import Belief, Meter, greatest_wh
from agent.model.faults import FaultCode
from agent.model.station import EvseLayout
from drivers.api import MeterReading
from tests.scenario.charging_world import World

LAYOUT = EvseLayout(evse_id=1)  # 3 x 16 A x 230 V
END_WH = 10_000_000.0  # a register of seven digits of 1 Wh


def reading(wh: float, at_s: float, *, modulus: float | None = END_WH, step: float | None = None) -> MeterReading:
    return MeterReading(taken_s=at_s, energy_import_wh=wh, energy_modulus_wh=modulus, energy_step_wh=step)


def trusted(wh: float) -> Meter:
    meter = Meter(LAYOUT)
    meter.take(reading(wh, 1.0), fixed=False)
    assert meter.take(reading(wh, 2.0), fixed=False) is Belief.BELIEVED
    return meter


def register_of(meter: Meter) -> float | None:
    return None if meter.newest is None else meter.newest.energy_import_wh


def test_within_a_transaction_a_register_that_rolls_over_is_carried_on() -> None:
    meter = trusted(END_WH - 3.0)
    assert meter.take(reading(2.0, 3.0), fixed=True) is Belief.BELIEVED
    assert register_of(meter) == END_WH + 2.0
    assert meter.take(reading(5.0, 4.0), fixed=True) is Belief.BELIEVED
    assert register_of(meter) == END_WH + 5.0
    assert meter.take(reading(5.0, 5.0), fixed=False) is Belief.BELIEVED
    assert register_of(meter) == 5.0, "between transactions it is what the meter shows"
    assert not meter.exchanged


def test_a_register_that_was_carried_on_survives_a_restart_of_the_agent() -> None:
    meter = Meter(LAYOUT)
    meter.seed(END_WH + 5.0, 3.0)
    assert meter.take(reading(8.0, 4.0), fixed=True) is Belief.BELIEVED
    assert register_of(meter) == END_WH + 8.0


def test_a_rollover_that_cannot_be_is_refused() -> None:
    meter = trusted(END_WH - 3.0)
    for at_s, wh in ((3.0, 5000.0), (4.0, 0.0), (5.0, END_WH / 2)):
        assert meter.take(reading(wh, at_s), fixed=True) is Belief.REFUSED
    assert trusted(END_WH - 3.0).take(reading(2.0, 3.0, modulus=None), fixed=True) is Belief.REFUSED
    assert trusted(END_WH - 3.0).take(reading(2.0, 3.0, modulus=500.0), fixed=True) is Belief.REFUSED


def test_a_register_of_whole_kilowatt_hours_may_take_a_whole_step() -> None:
    meter = Meter(LAYOUT)
    for at_s in (1.0, 2.0):
        meter.take(reading(5000.0, at_s, step=1000.0), fixed=False)
    assert meter.take(reading(6000.0, 3.0, step=1000.0), fixed=True) is Belief.BELIEVED
    assert meter.take(reading(8000.0, 4.0, step=1000.0), fixed=True) is Belief.REFUSED


@given(
    start=st.floats(min_value=1.0, max_value=END_WH - 1.0),
    shown=st.lists(st.floats(min_value=0.0, max_value=2 * END_WH), max_size=30),
    modulus=st.sampled_from((None, END_WH)),
)
def test_within_a_transaction_no_row_of_readings_makes_up_energy(
    start: float, shown: list[float], modulus: float | None
) -> None:
    meter = trusted(start)
    before_wh, before_s = start, 2.0
    for number, wh in enumerate(shown):
        at_s = 3.0 + number
        if meter.take(reading(wh, at_s, modulus=modulus), fixed=True) is Belief.BELIEVED:
            now_wh = register_of(meter)
            assert now_wh is not None
            assert -1.0 <= now_wh - before_wh <= greatest_wh(LAYOUT, at_s - before_s) + 100.0
            before_wh, before_s = now_wh, at_s


def test_a_charge_across_the_end_of_the_register_is_billed_in_full() -> None:
    world = World()
    bay = world.bays[1]
    bay.meter_modulus_wh = END_WH
    bay.meter_other_wh = END_WH - 100.0 - int(bay.energy_wh // 10) * 10.0
    world.charge()
    world.run(120)
    delivered_from = world.started[0].meter_start_wh
    world.tap()
    world.until(lambda: bool(world.ended))
    assert delivered_from is not None
    stop_wh = world.ended[0].meter_stop_wh
    assert stop_wh is not None
    assert delivered_from < END_WH < stop_wh
    assert stop_wh == int(bay.energy_wh // 10) * 10 + bay.meter_other_wh
    assert world.ended[0].gap is None
    world.unplug()
    world.run(20)
    assert not world.station.view(1).faults
    assert (world.station.view(1).energy_wh or 0.0) < 1000.0


@pytest.mark.parametrize("other_wh", [4_711_000.0, -100_000.0])
def test_a_meter_exchanged_between_charges_is_taken_over_and_reported_until_the_next_one(other_wh: float) -> None:
    world = World()
    world.run(10)
    bay = world.bays[1]
    bay.energy_wh += 500_000.0
    world.run(20)
    world.charge()
    world.run(10)
    world.tap()
    world.until(lambda: bool(world.ended))
    world.unplug()
    world.run(5)
    bay.meter_other_wh = other_wh
    world.run(20)
    faults = world.station.view(1).faults
    assert [fault.code for fault in faults] == [FaultCode.METER_EXCHANGED]
    assert not faults[0].blocking
    assert "the register went from" in faults[0].text
    assert world.notices("meter.base_changed")
    world.charge()
    world.run(5)
    assert not world.station.view(1).faults
    start_wh = world.started[-1].meter_start_wh
    assert start_wh == pytest.approx(bay.energy_wh + other_wh, abs=50.0)


def test_a_meter_exchanged_within_a_charge_bills_nothing_that_the_first_did_not_show() -> None:
    world = World()
    world.charge()
    world.run(60)
    bay = world.bays[1]
    shown_wh = int(bay.energy_wh // 10) * 10
    bay.meter_other_wh = 4_711_000.0
    world.run(60)
    assert [fault.code for fault in world.station.view(1).faults] == [FaultCode.METER_IMPLAUSIBLE]
    world.tap()
    world.until(lambda: bool(world.ended))
    assert world.ended[0].meter_stop_wh == pytest.approx(shown_wh, abs=10)
    assert world.ended[0].gap is not None
    assert "cannot follow" in world.ended[0].gap
    world.unplug()
    world.run(20)
    assert [fault.code for fault in world.station.view(1).faults] == [FaultCode.METER_EXCHANGED]


def test_a_meter_that_reads_zero_now_and_then_costs_nothing() -> None:
    world = World()
    world.charge()
    bay = world.bays[1]
    for number in range(40):
        bay.meter_offset_wh = 0.0 if number % 3 == 2 else None
        world.run(1)
    bay.meter_offset_wh = None
    world.run(2)
    assert not world.station.view(1).faults
    world.tap()
    world.until(lambda: bool(world.ended))
    assert world.ended[0].meter_stop_wh == int(bay.energy_wh // 10) * 10
    assert world.ended[0].gap is None


def test_what_a_reading_does_not_say_stays_unknown() -> None:
    meter = trusted(1000.0)
    bare = dataclasses.replace(
        reading(1001.0, 3.0), power_factor=float("nan"), energy_phase_wh=(1.0, None, float("inf"))
    )
    meter.take(bare, fixed=False)
    assert meter.newest is not None
    assert meter.newest.power_factor is None
    assert meter.newest.energy_phase_wh == (1.0, None, None)


def test_a_station_at_rest_keeps_every_reading_and_still_notices_a_silent_meter() -> None:
    world = World()
    world.run(20)
    before_s = world.station.view(1).reading_at_s
    world.run(5)
    after_s = world.station.view(1).reading_at_s
    assert before_s is not None
    assert after_s is not None
    assert after_s - before_s >= 4.0
    world.bays[1].meter_silent = True
    world.run(30)
    assert [fault.code for fault in world.station.view(1).faults] == [FaultCode.METER_SILENT]
    world.bays[1].meter_silent = False
    world.run(5)
    assert not world.station.view(1).faults
