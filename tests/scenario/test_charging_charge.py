"""Whole charges through the charging core, in virtual time."""

from __future__ import annotations

from agent.model.evse import Occupancy
from agent.model.facts import StopReason, Trigger
from tests.scenario.charging_world import ALICE, World


def test_a_tapped_card_a_plugged_cable_and_the_same_card_make_one_exact_transaction() -> None:
    world = World()
    world.tap(ALICE)
    world.run(1)
    assert world.station.view(1).occupancy is Occupancy.PREPARING
    world.plug()
    world.until(world.closed)
    world.run(300)
    assert world.station.view(1).occupancy is Occupancy.CHARGING
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    assert not world.closed()
    world.unplug()
    world.run(1)
    assert world.station.view(1).occupancy is Occupancy.FREE
    [started], [ended] = world.started, world.ended
    assert started.trigger is Trigger.CABLE_PLUGGED_IN
    assert started.meter_start_wh == 1_000_000
    assert ended.reason is StopReason.LOCAL
    assert ended.token == ALICE
    assert ended.meter_stop_wh == int(world.bays[1].energy_wh // 10) * 10
    assert ended.gap is None
    assert [fact.seq_no for fact in world.facts] == list(range(len(world.facts)))
    assert world.station.quiet()
    assert world.station.next_deadline_s() is None
