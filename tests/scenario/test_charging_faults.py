"""Faults, lost links and failing stores, as the charging core answers them, in virtual time."""

from __future__ import annotations

import pytest

from agent.model.effects import GrantPermit
from agent.model.evse import Occupancy
from agent.model.facts import StopReason, Trigger
from agent.model.faults import FaultCode
from agent.model.inputs import FaultChanged
from tests.scenario.charging_world import BOB, World


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (FaultCode.EMERGENCY_STOP, StopReason.EMERGENCY_STOP),
        (FaultCode.RCD_TRIPPED, StopReason.GROUND_FAULT),
        (FaultCode.CONTACTOR_WELDED, StopReason.OTHER),
    ],
)
def test_a_dangerous_fault_ends_the_transaction(code: FaultCode, reason: StopReason) -> None:
    world = World()
    world.charge()
    world.run(20)
    world.fault(code)
    world.until(lambda: bool(world.ended))
    assert world.ended[0].reason is reason
    assert world.ended[0].trigger is Trigger.ABNORMAL_CONDITION
    assert world.station.view(1).blocked
    assert world.lights[1] == "faulted"


def test_a_welded_contactor_ends_with_a_register_and_says_that_it_was_not_confirmed_open() -> None:
    world = World()
    world.charge()
    world.run(20)
    world.fault(FaultCode.CONTACTOR_WELDED)
    world.run(1)
    world.bays[1].demand_a = 0.0
    world.until(lambda: bool(world.ended))
    assert world.ended[0].gap is not None
    assert "not confirmed open" in world.ended[0].gap
    world.tap()
    world.run(10)
    assert len(world.started) == 1, "no new charge on a welded contactor"
    assert world.notices("card.refused")


@pytest.mark.parametrize("code", [FaultCode.PILOT_ERROR, FaultCode.INPUT_UNKNOWN, FaultCode.LOCK_FAILED])
def test_a_passing_fault_suspends_and_charging_goes_on_when_it_is_gone(code: FaultCode) -> None:
    world = World()
    world.charge()
    world.fault(code)
    world.run(5)
    view = world.station.view(1)
    assert view.occupancy is Occupancy.SUSPENDED_EVSE
    assert view.permit_a is None
    assert view.limits[0].text.startswith(code.value)
    world.fault(code, False)
    world.until(world.closed)
    assert not world.ended
    assert len(world.started) == 1


def test_a_lost_guard_suspends_and_its_return_goes_on() -> None:
    world = World()
    world.charge()
    world.guard_link(False)
    permits = len(world.effects(GrantPermit))
    world.run(1)
    assert world.station.view(1).occupancy is Occupancy.CHARGING, "a guard that is back at once was never away"
    world.run(4)
    view = world.station.view(1)
    assert view.occupancy is Occupancy.SUSPENDED_EVSE
    assert FaultCode.GUARD_LOST in {fault.code for fault in view.faults}
    assert len(world.effects(GrantPermit)) == permits
    world.guard_link(True)
    world.until(world.closed)
    assert not world.ended
    assert not world.station.view(1).faults


def test_a_transaction_stopped_without_a_guard_ends_and_says_that_the_opening_is_not_confirmed() -> None:
    world = World()
    world.charge()
    world.run(20)
    world.guard_link(False)
    world.run(5)
    world.tap()
    world.until(lambda: bool(world.ended), 30)
    assert world.ended[0].gap is not None
    assert "not confirmed open" in world.ended[0].gap


def test_a_failing_store_refuses_new_sessions_and_lets_the_running_one_end() -> None:
    world = World(evses=2)
    world.tap()
    world.plug(1)
    world.until(lambda: world.closed(1))
    world.send(FaultChanged(code=FaultCode.STORE_FAILED, raised=True, blocking=True, text="disk full"))
    world.run(30)
    assert world.closed(1)
    world.plug(2)
    world.run(1)
    world.tap(BOB)
    world.run(5)
    assert len(world.started) == 1
    assert "store cannot keep" in world.notices("card.refused")[0].fields["reason"]  # type: ignore[operator]
    world.tap()
    world.until(lambda: bool(world.ended))
    world.send(FaultChanged(code=FaultCode.STORE_FAILED, raised=False))
    assert not world.station.faults


def test_a_told_fault_that_blocks_suspends() -> None:
    world = World()
    world.charge()
    world.send(FaultChanged(code=FaultCode.OVER_CURRENT, raised=True, evse_id=1, blocking=True, text="40 A"))
    world.run(2)
    assert world.station.view(1).occupancy is Occupancy.SUSPENDED_EVSE
    world.send(FaultChanged(code=FaultCode.OVER_CURRENT, raised=False, evse_id=1))
    world.until(world.closed)


def test_a_told_fault_that_does_not_block_is_only_shown() -> None:
    world = World()
    world.charge()
    world.send(FaultChanged(code=FaultCode.READER_LOST, raised=True, text="front"))
    world.run(2)
    assert world.closed()
    assert [fault.code for fault in world.station.view(1).faults] == [FaultCode.READER_LOST]


def test_a_fault_before_the_start_delays_it() -> None:
    world = World()
    world.tap()
    world.run(1)
    world.bays[1].meter_silent = True
    world.plug()
    world.run(1)
    world.fault(FaultCode.LOCK_FAILED)
    world.bays[1].meter_silent = False
    world.run(5)
    assert not world.started
    world.fault(FaultCode.LOCK_FAILED, False)
    world.until(world.closed)
