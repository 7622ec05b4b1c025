"""A vehicle that draws more than it is offered, in virtual time, from the meter's readings to the fault."""

from __future__ import annotations

import pytest

from agent.model.facts import StopReason
from agent.model.faults import FaultCode
from agent.model.station import EvseLayout, OnOverCurrent, StationLayout
from tests.scenario.charging_world import Bay, World

pytestmark = pytest.mark.req("IEC 61851-1 table A.6, sequence 5")


class Greedy(Bay):
    """A vehicle that takes what it likes."""

    @property
    def current_a(self) -> float:
        return self.demand_a if self.closed and self.open_at_s is None and self.ready else 0.0


def world_of(rule: OnOverCurrent = OnOverCurrent.SUSPEND) -> World:
    layout = StationLayout(evses=(EvseLayout(evse_id=1),), readers={"front": (1,)}, on_over_current=rule)
    world = World(layout=layout)
    world.bays[1] = Greedy(1)
    return world


def codes(world: World) -> set[FaultCode]:
    return {fault.code for fault in world.station.view(1).faults}


def test_an_obedient_vehicle_charges_for_hours() -> None:
    world = world_of()
    world.charge()
    world.run(600)
    assert not codes(world)
    assert world.bays[1].current_a == 16.0


def test_a_vehicle_that_takes_too_much_is_suspended_and_may_not_go_on_before_it_has_left() -> None:
    world = world_of()
    world.bays[1].demand_a = 20.0
    world.charge()
    began_s = world.now_s
    world.until(lambda: FaultCode.OVER_CURRENT in codes(world), limit_s=20)
    assert 7.0 <= world.now_s - began_s <= 15.0
    world.until(lambda: not world.closed())
    assert not world.ended, "it is suspended"
    why = world.station.limits(1)[0]
    assert (why.source, why.text) == ("fault", "over_current: 20 A drawn of 16 A offered, for 7 s")
    world.run(120)
    assert not world.closed()
    world.unplug()
    world.run(5)
    assert not codes(world)
    assert len(world.ended) == 1
    world.bays[1].demand_a = 16.0
    world.charge()
    world.run(60)
    assert world.closed()


def test_the_transaction_ends_where_the_station_file_says_so() -> None:
    world = world_of(OnOverCurrent.END)
    world.bays[1].demand_a = 20.0
    world.charge()
    world.until(lambda: bool(world.ended))
    assert world.ended[0].reason is StopReason.OVER_CURRENT
    assert codes(world) == {FaultCode.OVER_CURRENT}, "until the vehicle has left"


def test_it_can_be_switched_off() -> None:
    world = world_of(OnOverCurrent.IGNORE)
    world.bays[1].demand_a = 20.0
    world.charge()
    world.run(120)
    assert world.closed()
    assert not codes(world)


def test_a_silent_meter_proves_nothing() -> None:
    world = world_of()
    world.bays[1].demand_a = 20.0
    world.charge()
    world.bays[1].meter_silent = True
    world.run(120)
    assert FaultCode.OVER_CURRENT not in codes(world)
