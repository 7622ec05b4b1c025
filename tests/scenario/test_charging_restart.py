"""Restarts of the agent and power cuts, as the charging core sees them, in virtual time."""

from __future__ import annotations

import pytest

from agent.model.effects import GrantPermit
from agent.model.evse import Occupancy
from agent.model.facts import ChargingState, StopReason, Trigger
from agent.model.faults import FaultCode
from agent.model.station import EvseLayout, OnPowerLoss, StationLayout
from tests.scenario.charging_world import ALICE, World

RESUME = StationLayout(evses=(EvseLayout(evse_id=1),), readers={"front": (1,)}, on_power_loss=OnPowerLoss.RESUME)
FREE = StationLayout(evses=(EvseLayout(evse_id=1),), readers={}, authorization_required=False)


def exact(world: World) -> int:
    return int(world.bays[1].energy_wh // 10) * 10


def test_a_restart_of_the_agent_goes_on_with_the_same_transaction() -> None:
    world = World()
    world.charge()
    world.run(90)
    facts = len(world.facts)
    world.kill_agent()
    world.run(5)
    assert world.closed(), "the permit outlives the agent"
    world.start_agent()
    world.run(1)
    assert world.closed()
    assert len(world.facts) == facts, "nothing is recorded twice"
    assert world.station.view(1).permit_a == 16.0
    world.run(60)
    world.tap()
    world.until(lambda: bool(world.ended))
    assert len(world.started) == len(world.ended) == 1
    assert [fact.seq_no for fact in world.facts] == list(range(len(world.facts)))
    assert world.ended[0].meter_stop_wh == exact(world)
    assert world.ended[0].gap is None


def test_the_grid_of_samples_survives_a_restart() -> None:
    world = World()
    world.charge()
    start_s = world.started[0].at.mono_s
    world.run(70)
    world.kill_agent()
    world.run(5)
    world.start_agent()
    world.run(120)
    times = [fact.at.mono_s - start_s for fact in world.updated if fact.trigger is Trigger.METER_PERIODIC]
    assert [round(each / 60) for each in times] == [1, 2, 3]
    assert all(abs(each - round(each / 60) * 60) < 0.5 for each in times)


def test_a_restart_while_ending_ends_the_transaction_once() -> None:
    world = World()
    world.charge()
    world.run(30)
    world.tap()
    assert world.records["tx-boot-1-1"].ending is StopReason.LOCAL
    world.kill_agent()
    world.run(3)
    world.start_agent()
    world.until(lambda: bool(world.ended))
    assert world.ended[0].reason is StopReason.LOCAL
    assert world.ended[0].token == ALICE
    assert world.ended[0].meter_stop_wh == exact(world)
    assert len(world.ended) == 1
    assert not world.effects(GrantPermit)[1:] or not world.closed()


def test_a_stop_whose_withdrawal_was_lost_is_withdrawn_again() -> None:
    world = World()
    world.charge()
    permit = world.bays[1].permit
    world.tap()
    world.kill_agent()
    world.bays[1].permit, world.bays[1].open_at_s = permit, None  # the guard never heard of it
    world.start_agent()
    world.until(lambda: bool(world.ended))
    assert not world.closed()


def test_a_car_that_left_while_the_agent_was_down_ends_the_transaction() -> None:
    world = World()
    world.charge()
    world.run(30)
    world.kill_agent()
    world.run(2)
    world.unplug()
    world.run(1)
    world.start_agent()
    world.until(lambda: bool(world.ended))
    assert world.ended[0].reason is StopReason.EV_DISCONNECTED
    assert world.ended[0].meter_stop_wh == exact(world)


def test_a_restart_after_the_end_in_free_vend_starts_nothing_new() -> None:
    world = World(layout=FREE)
    world.plug()
    world.until(world.closed)
    world.run(10)
    world.fault(FaultCode.RCD_TRIPPED)
    world.until(lambda: bool(world.ended))
    world.fault(FaultCode.RCD_TRIPPED, False)
    world.kill_agent()
    world.run(1)
    world.start_agent()
    world.run(10)
    assert len(world.started) == 1
    world.unplug()
    world.run(1)
    world.plug()
    world.until(lambda: len(world.started) == 2)


def test_after_a_power_cut_the_register_ends_the_transaction_before_any_permit() -> None:
    world = World()
    world.charge()
    world.run(90)
    assert world.records["tx-boot-1-1"].last_wh != exact(world)
    world.power_cut()
    permits = len(world.effects(GrantPermit))
    world.start_agent()
    world.until(lambda: bool(world.ended))
    [ended] = world.ended
    assert ended.reason is StopReason.POWER_LOSS
    assert ended.meter_stop_wh == exact(world)
    assert ended.gap is None
    assert ended.token is None
    assert ended.seq_no == len(world.facts) - 1
    world.run(10)
    assert len(world.effects(GrantPermit)) == permits, "nobody is authorised any more"
    assert world.station.view(1).occupancy is Occupancy.FINISHING
    world.tap()
    world.until(world.closed)


@pytest.mark.parametrize("register_wh", [0.0, 950_000.0, 2_000_000.0, float("nan")])
def test_after_a_power_cut_an_implausible_register_gives_way_to_the_last_durable_one(register_wh: float) -> None:
    world = World()
    world.charge()
    world.run(90)
    last_wh = world.records["tx-boot-1-1"].last_wh
    world.power_cut()
    world.bays[1].meter_offset_wh = register_wh
    world.start_agent()
    world.run(5)
    assert not world.ended
    world.until(lambda: bool(world.ended), 20)
    [ended] = world.ended
    assert ended.meter_stop_wh == last_wh
    assert ended.meter_stop_at is not None
    assert ended.meter_stop_at.boot_id == "boot-1"
    assert ended.gap is not None
    assert "durable" in ended.gap
    assert ended.samples[-1].values[0].value == last_wh


def test_after_a_power_cut_a_silent_meter_gives_way_to_the_last_durable_register() -> None:
    world = World()
    world.charge()
    world.run(90)
    last_wh = world.records["tx-boot-1-1"].last_wh
    world.power_cut()
    world.bays[1].meter_silent = True
    world.start_agent()
    world.until(lambda: bool(world.ended), 20)
    assert world.ended[0].meter_stop_wh == last_wh
    assert world.ended[0].gap is not None


def test_without_a_clock_what_may_have_flowed_unseen_is_bounded_by_the_keeping_interval() -> None:
    world = World(utc_s=None)
    world.charge()
    world.run(90)
    world.power_cut()
    world.bays[1].meter_offset_wh = exact(world) + 400.0  # 11 kW and a quarter for two minutes is 460 Wh
    world.start_agent()
    world.until(lambda: bool(world.ended))
    assert world.ended[0].gap is None
    assert all(fact.at.utc_s is None for fact in world.facts)


def test_a_transaction_may_be_resumed_after_a_power_cut() -> None:
    world = World(layout=RESUME)
    world.charge()
    world.run(90)
    world.power_cut()
    world.start_agent()
    world.until(world.closed)
    assert not world.ended
    resumed = [fact for fact in world.updated if fact.trigger is Trigger.POWER_RESTORED]
    assert len(resumed) == 1
    assert resumed[0].charging_state is ChargingState.SUSPENDED_EVSE
    world.run(30)
    world.kill_agent()
    world.run(1)
    world.start_agent()
    world.run(30)
    assert world.closed(), "a restart in the new boot is a restart, not another power cut"
    world.tap()
    world.until(lambda: bool(world.ended))
    assert len(world.started) == 1
    assert world.ended[0].meter_stop_wh == exact(world)
    assert [fact.seq_no for fact in world.facts] == list(range(len(world.facts)))


def test_a_transaction_is_not_resumed_without_its_car() -> None:
    world = World(layout=RESUME)
    world.charge()
    world.run(30)
    world.power_cut()
    world.unplug()
    world.start_agent()
    world.until(lambda: bool(world.ended))
    assert world.ended[0].reason is StopReason.POWER_LOSS
    assert world.station.view(1).occupancy is Occupancy.FREE


def test_a_transaction_is_not_resumed_without_a_register() -> None:
    world = World(layout=RESUME)
    world.charge()
    world.run(30)
    last_wh = world.records["tx-boot-1-1"].last_wh
    world.power_cut()
    world.bays[1].meter_silent = True
    world.start_agent()
    world.until(lambda: bool(world.ended), 20)
    assert world.ended[0].reason is StopReason.POWER_LOSS
    assert world.ended[0].meter_stop_wh == last_wh
    assert world.ended[0].gap is not None
    assert not world.closed()


def test_a_stop_decided_before_the_power_cut_keeps_its_reason() -> None:
    world = World(layout=RESUME)
    world.charge()
    world.run(30)
    world.tap()
    world.power_cut()
    world.start_agent()
    world.until(lambda: bool(world.ended))
    assert world.ended[0].reason is StopReason.LOCAL
    assert world.ended[0].token == ALICE


def test_a_second_kill_while_recovering_changes_nothing() -> None:
    world = World()
    world.charge()
    world.run(30)
    world.power_cut()
    world.bays[1].meter_silent = True
    world.start_agent()
    world.run(3)
    world.kill_agent()
    world.bays[1].meter_silent = False
    world.start_agent()
    world.until(lambda: bool(world.ended))
    world.kill_agent()
    world.start_agent()
    world.run(10)
    assert len(world.ended) == 1
    assert world.ended[0].meter_stop_wh == exact(world)


def test_in_free_vend_a_new_transaction_follows_the_one_that_a_power_cut_ended() -> None:
    world = World(layout=FREE)
    world.plug()
    world.until(world.closed)
    world.run(30)
    world.power_cut()
    world.start_agent()
    world.until(world.closed)
    assert len(world.started) == 2
    assert world.ended[0].reason is StopReason.POWER_LOSS
    assert world.started[1].meter_start_wh == world.ended[0].meter_stop_wh


def test_a_meter_with_a_new_register_is_trusted_again_after_the_recovery() -> None:
    world = World()
    world.charge()
    world.power_cut()
    world.bays[1].meter_offset_wh = 100.0
    world.start_agent()
    world.until(lambda: bool(world.ended), 20)
    world.run(10)
    world.tap()
    world.until(world.closed)
    assert world.started[1].meter_start_wh == 100
    assert world.notices("meter.base_changed")


def test_a_resumable_transaction_waits_for_the_guard_without_waking_anybody() -> None:
    world = World(layout=RESUME)
    world.charge()
    world.guard_up = False
    world.power_cut()
    world.start_agent()
    world.run(30)
    assert not world.ended
    world.guard_link(True)
    world.until(world.closed)
    assert len(world.started) == 1


def test_a_transaction_whose_evse_is_gone_is_ended_with_its_last_durable_register() -> None:
    world = World(evses=2)
    world.plug(2)
    world.run(1)
    world.tap()
    world.until(lambda: world.closed(2))
    world.run(70)
    world.kill_agent()
    world.layout = StationLayout(evses=(EvseLayout(evse_id=1),), readers={"front": (1,)})
    del world.bays[2]
    world.start_agent()
    [ended] = world.ended
    assert ended.reason is StopReason.OTHER
    assert ended.meter_stop_wh == world.records["tx-boot-1-1"].last_wh
    assert ended.gap is not None
    world.kill_agent()
    world.start_agent()
    assert len(world.ended) == 1
