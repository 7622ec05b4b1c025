"""What the core goes by while the guard, the meter or the offer is away, in virtual time."""

from __future__ import annotations

from agent.charging.flow import OFFER_S, Flow, Seen
from agent.model.facts import ChargingState, Trigger
from agent.model.faults import FaultCode
from tests.scenario.charging_world import BOB, World, book


def test_the_guards_last_word_on_faults_holds_while_it_is_away() -> None:
    world = World()
    world.plug()
    world.run(1)
    world.fault(FaultCode.CONTACTOR_WELDED)
    world.run(1)
    world.guard_link(False)
    world.run(1)
    assert FaultCode.CONTACTOR_WELDED in {fault.code for fault in world.station.view(1).faults}
    world.tap(BOB)
    world.run(1)
    assert world.notices("card.refused")
    assert not world.notices("fault.cleared")

    world.bays[1].faults.clear()
    world.guard_link(True)
    world.run(1)
    assert not world.station.view(1).faults


def test_a_meter_that_falls_silent_leaves_no_reading_that_is_sampled_twice() -> None:
    world = World(variables=book(TxUpdatedInterval=2, TxUpdatedMeasurands="Energy.Active.Import.Register"))
    world.charge()
    world.run(20)
    world.bays[1].meter_silent = True
    world.run(30)
    taken_s = [fact.samples[0].at.mono_s for fact in world.updated if fact.trigger is Trigger.METER_PERIODIC]
    assert len(taken_s) > 5
    assert len(taken_s) == len(set(taken_s))


def test_a_guard_that_waits_with_its_offer_suspends_for_the_station_and_not_for_the_car() -> None:
    flow = Flow(ChargingState.CHARGING)
    waits = Seen(permitted=True, plugged=True, offered=False, ready=False, closed=False, draws_a=0.0)
    goes_on = Seen(permitted=True, plugged=True, offered=True, ready=True, closed=True, draws_a=16.0)
    states = []
    for seen, at_s in ((waits, 0.0), (waits, OFFER_S), (goes_on, OFFER_S + 1.0)):
        flow.step(seen, at_s)
        states.append(flow.state)
    assert states == [ChargingState.CHARGING, ChargingState.SUSPENDED_EVSE, ChargingState.CHARGING]
