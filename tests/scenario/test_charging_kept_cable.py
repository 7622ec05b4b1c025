"""A locked cable without a vehicle that somebody pulls out of the socket."""

from __future__ import annotations

import pytest

from agent.model.effects import HoldCable
from agent.model.evse import Occupancy
from agent.model.facts import StopReason
from tests.scenario.charging_world import ALICE, BOB, World, book


def kept(**changes: bool) -> World:
    world = World(variables=book(UnlockOnEVSideDisconnect=False, **changes))
    world.charge()
    world.unplug_vehicle()
    return world


@pytest.mark.req("OCPP 1.6 §9.1.31; §4.9 F1")
def test_a_kept_cable_that_is_pulled_out_frees_the_connector_and_its_lock() -> None:
    world = kept()
    world.until(lambda: bool(world.ended))
    world.run(60)
    assert world.station.view(1).occupancy is Occupancy.FINISHING, "it waits for its owner"
    assert world.bays[1].locked
    world.pull_out()
    world.run(3)
    assert world.station.view(1).occupancy is Occupancy.FREE
    assert world.effects(HoldCable)[-1].held is False
    (notice,) = world.notices("cable.pulled_out")
    assert (notice.level, notice.fields["lock"]) == ("warning", "locked")
    world.tap(BOB)
    world.plug()
    world.until(world.closed)
    assert world.station.quiet() or world.started[-1].token == BOB


def test_a_cable_whose_owner_comes_is_released_without_a_word() -> None:
    world = kept()
    world.until(lambda: bool(world.ended))
    world.run(5)
    world.tap(ALICE)
    world.run(3)
    assert world.station.view(1).occupancy is Occupancy.FREE
    assert not world.notices("cable.pulled_out")


def test_a_coding_that_flickers_is_no_cable_that_went() -> None:
    world = kept()
    world.until(lambda: bool(world.ended))
    world.run(5)
    for _ in range(3):
        world.pull_out()
        world.run(1)
        world.bays[1].cable_left = True
        world.run(5)
    assert world.station.view(1).occupancy is Occupancy.FINISHING
    assert not world.notices("cable.pulled_out")


def test_where_the_coding_is_only_read_with_a_vehicle_nothing_is_seen_to_go() -> None:
    world = World(variables=book(UnlockOnEVSideDisconnect=False))
    world.charge()
    world.unplug()
    world.until(lambda: bool(world.ended))
    world.run(60)
    assert world.station.view(1).occupancy is Occupancy.FINISHING


@pytest.mark.req("OCPP 1.6 §9.1.29")
def test_a_transaction_that_goes_on_without_the_vehicle_ends_when_the_cable_is_gone_too() -> None:
    world = kept(StopTxOnEVSideDisconnect=False)
    world.run(30)
    assert not world.ended
    world.pull_out()
    world.until(lambda: bool(world.ended))
    assert world.ended[0].reason is StopReason.EV_DISCONNECTED
    world.run(5)
    assert world.station.view(1).occupancy is Occupancy.FREE
