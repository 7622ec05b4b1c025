"""Samples, stamps and the meter's moods within transactions, in virtual time."""

from __future__ import annotations

import pytest

from agent.model.evse import Occupancy
from agent.model.facts import StopReason, TransactionUpdated, Trigger
from agent.model.faults import FaultCode
from agent.model.sample import Measurand, SampleContext
from agent.model.station import EvseLayout, OnMeterLoss, StationLayout
from tests.scenario.charging_world import World, book

SUSPEND = StationLayout(evses=(EvseLayout(evse_id=1),), readers={"front": (1,)}, on_meter_loss=OnMeterLoss.SUSPEND)


def periodic(world: World) -> list[TransactionUpdated]:
    return [fact for fact in world.updated if fact.trigger is Trigger.METER_PERIODIC]


def test_periodic_samples_lie_on_a_grid_from_the_start() -> None:
    world = World(variables=book(TxUpdatedInterval=30, TxUpdatedMeasurands="Energy.Active.Import.Register,Voltage"))
    world.charge()
    start_s = world.started[0].at.mono_s
    world.run(125)
    facts = periodic(world)
    assert [round(fact.at.mono_s - start_s) for fact in facts] == [30, 60, 90, 120]
    for fact in facts:
        [sample] = fact.samples
        assert sample.context is SampleContext.PERIODIC
        assert 0 <= fact.at.mono_s - sample.at.mono_s <= 1.5
        names = [value.measurand for value in sample.values]
        assert names == [Measurand.ENERGY_IMPORT_REGISTER, *[Measurand.VOLTAGE] * 3]


def test_the_record_keeps_the_register_of_every_sample() -> None:
    world = World(variables=book(TxUpdatedInterval=30))
    world.charge()
    world.run(65)
    record = world.records["tx-boot-1-1"]
    assert record.last_wh == periodic(world)[-1].samples[0].values[0].value
    assert record.last_at == periodic(world)[-1].samples[0].at


def test_without_periodic_samples_the_register_is_still_kept_every_minute() -> None:
    world = World(variables=book(TxUpdatedInterval=0))
    world.charge()
    world.run(200)
    assert not periodic(world)
    record = world.records["tx-boot-1-1"]
    assert record.last_at is not None
    assert world.now_s - record.last_at.mono_s < 62


def test_a_changed_interval_counts_from_the_start() -> None:
    world = World(variables=book(TxUpdatedInterval=0))
    world.charge()
    world.run(33)
    world.change("SampledDataCtrlr", "TxUpdatedInterval", "20")
    world.run(30)
    start_s = world.started[0].at.mono_s
    assert [round(fact.at.mono_s - start_s) for fact in periodic(world)] == [40, 60]


def test_a_sample_without_a_fresh_reading_is_skipped_and_never_invented() -> None:
    world = World(variables=book(TxUpdatedInterval=30))
    world.charge()
    world.run(35)
    world.bays[1].meter_silent = True
    world.run(70)
    assert len(periodic(world)) == 1
    world.bays[1].meter_silent = False
    world.run(30)
    assert len(periodic(world)) == 2


@pytest.mark.req("OCPP 1.6 §3.16.2")
def test_clock_aligned_samples_lie_on_multiples_since_midnight() -> None:
    world = World(variables=book(AlignedInterval=900, TxUpdatedInterval=0), utc_s=1_800_000_000.0 + 900 - 100)
    world.charge()
    world.run(120)
    aligned = [fact for fact in world.updated if fact.trigger is Trigger.METER_CLOCK]
    assert len(aligned) == 1
    assert aligned[0].at.utc_s is not None
    assert 0 <= aligned[0].at.utc_s % 900 < 1
    assert aligned[0].samples[0].context is SampleContext.CLOCK


@pytest.mark.req("advice: a clock that is set moves nothing that was recorded")
def test_a_clock_that_jumps_bends_no_duration() -> None:
    world = World(variables=book(TxUpdatedInterval=30))
    world.charge()
    world.run(40)
    assert world.utc_offset_s is not None
    world.utc_offset_s += 7200.0
    world.run(60)
    world.tap()
    world.until(lambda: bool(world.ended))
    begin = world.started[0].at
    assert begin.utc_s is not None
    for fact in world.facts:
        assert fact.at.utc_s == pytest.approx(begin.utc_s + fact.at.mono_s - begin.mono_s)


def test_a_start_without_a_clock_leaves_the_whole_transaction_without() -> None:
    world = World(utc_s=None)
    world.charge()
    world.run(70)
    world.utc_offset_s = 1_800_000_000.0 - world.now_s
    world.tap()
    world.until(lambda: bool(world.ended))
    assert all(fact.at.utc_s is None for fact in world.facts)
    assert all(sample.at.utc_s is None for fact in world.facts for sample in fact.samples)


def test_a_silent_meter_is_said_once_and_charging_goes_on() -> None:
    world = World()
    world.charge()
    world.run(20)
    world.bays[1].meter_silent = True
    world.run(30)
    view = world.station.view(1)
    assert [fault.code for fault in view.faults] == [FaultCode.METER_SILENT]
    assert not view.blocked
    assert view.side_info == "meter silent"
    assert world.closed()
    assert len(world.notices("fault.raised")) == 1
    world.bays[1].meter_silent = False
    world.run(2)
    assert not world.station.view(1).faults
    assert len(world.notices("fault.cleared")) == 1


def test_a_silent_meter_suspends_where_configured_and_charging_resumes_with_it() -> None:
    world = World(layout=SUSPEND)
    world.charge()
    world.bays[1].meter_silent = True
    world.run(20)
    assert world.station.view(1).occupancy is Occupancy.SUSPENDED_EVSE
    assert not world.closed()
    world.bays[1].meter_silent = False
    world.until(world.closed)
    world.run(2)
    assert world.station.view(1).occupancy is Occupancy.CHARGING


def test_a_meter_that_is_silent_at_the_end_leaves_its_newest_register_and_a_gap() -> None:
    world = World()
    world.charge()
    world.run(100)
    newest_wh = world.station.view(1).energy_wh
    world.bays[1].meter_silent = True
    world.run(3)
    world.tap()
    stopped_s = world.now_s
    world.until(lambda: bool(world.ended))
    assert 5 <= world.now_s - stopped_s <= 7
    assert world.ended[0].meter_stop_wh == newest_wh
    assert world.ended[0].gap is not None
    assert "silent" in world.ended[0].gap


@pytest.mark.parametrize("garbage_wh", [0.0, 5.0, -1.0, 5e9, float("inf")])
def test_garbage_never_reaches_a_fact(garbage_wh: float) -> None:
    world = World(variables=book(TxUpdatedInterval=10))
    world.charge()
    world.run(35)
    good = len(periodic(world))
    world.bays[1].meter_offset_wh = garbage_wh
    world.run(30)
    assert [fault.code for fault in world.station.view(1).faults] == [FaultCode.METER_IMPLAUSIBLE]
    world.bays[1].meter_offset_wh = None
    world.run(20)
    assert not world.station.view(1).faults
    values = [fact.samples[0].values[0].value for fact in periodic(world)]
    assert len(values) > good
    assert values == sorted(values)
    assert all(1_000_000 <= value < 1_001_000 for value in values)


def test_a_meter_zeroed_during_a_charge_ends_it_with_the_last_good_register() -> None:
    world = World()
    world.charge()
    world.run(100)
    newest_wh = world.station.view(1).energy_wh
    world.bays[1].meter_offset_wh = 0.0
    world.run(30)
    world.unplug()
    world.until(lambda: bool(world.ended))
    assert world.ended[0].meter_stop_wh == newest_wh
    assert world.ended[0].gap is not None
    assert world.ended[0].reason is StopReason.EV_DISCONNECTED
