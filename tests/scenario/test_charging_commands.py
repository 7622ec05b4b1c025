"""What the CSMS orders and how it is answered, in virtual time."""

from __future__ import annotations

import pytest

from agent.model.commands import (
    Answered,
    ChangeAvailability,
    ClearCache,
    Command,
    GetVariables,
    Outcome,
    RequestStart,
    RequestStop,
    Reset,
    ResetKind,
    UnlockConnector,
    Unlocked,
    UnlockOutcome,
)
from agent.model.effects import AskAuthorization
from agent.model.evse import Occupancy
from agent.model.facts import StopReason, Trigger
from agent.model.faults import FaultCode
from agent.model.inputs import CommandReceived, FactAnswered, FaultChanged
from agent.model.station import EvseLayout, StationLayout
from tests.scenario.charging_world import ACCEPTED, ALICE, BOB, INVALID, World, book


def ask(world: World, command: Command) -> Answered:
    outcome = world.answers[world.command(command)]
    assert isinstance(outcome, Outcome)
    return outcome.answered


def unlock(*, ends: bool = True, connector_id: int = 1, evse_id: int = 1) -> UnlockConnector:
    return UnlockConnector(evse_id=evse_id, connector_id=connector_id, ends_transaction=ends)


# Start and stop


@pytest.mark.req("OCPP 1.6 §5.11; OCPP 2.0.1 F01, F02")
def test_a_remote_start_charges_when_the_cable_comes() -> None:
    world = World()
    assert ask(world, RequestStart(token=BOB, evse_id=1, remote_start_id=9)) is Answered.ACCEPTED
    assert world.station.view(1).occupancy is Occupancy.PREPARING
    world.run(3)
    world.plug()
    world.until(world.closed)
    assert world.started[0].trigger is Trigger.REMOTE_START
    assert world.started[0].remote_start_id == 9
    assert not world.effects(AskAuthorization)


def test_a_remote_start_lapses_without_a_cable() -> None:
    world = World()
    ask(world, RequestStart(token=BOB, evse_id=1))
    world.run(62)
    assert world.station.view(1).occupancy is Occupancy.FREE


@pytest.mark.req("OCPP 1.6 §5.11, AuthorizeRemoteTxRequests")
def test_a_remote_start_is_authorized_first_where_configured() -> None:
    world = World(variables=book(AuthorizeRemoteStart=True))
    world.csms[BOB.value] = INVALID
    world.plug()
    world.run(1)
    assert ask(world, RequestStart(token=BOB, evse_id=1)) is Answered.ACCEPTED
    world.run(5)
    assert len(world.effects(AskAuthorization)) == 1
    assert not world.started
    assert ask(world, RequestStart(token=ALICE, evse_id=1)) is Answered.ACCEPTED
    world.until(world.closed)
    assert world.started[0].trigger is Trigger.REMOTE_START


def test_the_station_chooses_the_plugged_evse_or_the_only_free_one() -> None:
    world = World(evses=2)
    assert ask(world, RequestStart(token=BOB)) is Answered.REJECTED
    world.plug(2)
    world.run(1)
    assert ask(world, RequestStart(token=BOB)) is Answered.ACCEPTED
    world.until(lambda: world.closed(2))
    assert ask(world, RequestStart(token=ALICE)) is Answered.ACCEPTED
    world.plug(1)
    world.until(lambda: world.closed(1))


@pytest.mark.req("OCPP 1.6 §5.11; TC_026, TC_027")
def test_a_remote_start_is_refused_where_it_cannot_work() -> None:
    world = World(evses=2)
    assert ask(world, RequestStart(token=BOB, evse_id=0)) is Answered.REJECTED
    assert ask(world, RequestStart(token=BOB, evse_id=3)) is Answered.REJECTED
    ask(world, ChangeAvailability(operative=False, evse_id=1))
    assert ask(world, RequestStart(token=BOB, evse_id=1)) is Answered.REJECTED
    ask(world, ChangeAvailability(operative=True, evse_id=1))
    world.fault(FaultCode.RCD_TRIPPED, evse_id=1)
    world.run(1)
    assert ask(world, RequestStart(token=BOB, evse_id=1)) is Answered.REJECTED
    world.fault(FaultCode.RCD_TRIPPED, False, evse_id=1)
    world.run(1)
    world.send(FaultChanged(code=FaultCode.STORE_FAILED, raised=True))
    assert ask(world, RequestStart(token=BOB, evse_id=1)) is Answered.REJECTED
    world.send(FaultChanged(code=FaultCode.STORE_FAILED, raised=False))
    world.tap()
    world.run(1)
    world.plug(1)
    world.until(lambda: world.closed(1))
    assert ask(world, RequestStart(token=BOB, evse_id=1)) is Answered.REJECTED
    assert not world.station.view(2).transaction_id


def test_a_remote_stop_ends_by_either_name() -> None:
    world = World()
    world.charge()
    assert ask(world, RequestStop(transaction="4711")) is Answered.REJECTED
    world.send(FactAnswered(transaction_id="tx-boot-1-1", csms_id="4711", verdict=ACCEPTED))
    assert ask(world, RequestStop(transaction="4711")) is Answered.ACCEPTED
    assert ask(world, RequestStop(transaction="tx-boot-1-1")) is Answered.ACCEPTED, "it is ending already"
    world.until(lambda: bool(world.ended))
    assert world.ended[0].reason is StopReason.REMOTE
    assert world.ended[0].trigger is Trigger.REMOTE_STOP
    assert not world.bays[1].locked
    assert ask(world, RequestStop(transaction="4711")) is Answered.REJECTED


# Availability


@pytest.mark.req("OCPP 1.6 §5.2; OCPP 2.0.1 G03")
def test_an_idle_evse_becomes_inoperative_at_once_and_stays_so() -> None:
    world = World(evses=2)
    assert ask(world, ChangeAvailability(operative=False, evse_id=1)) is Answered.ACCEPTED
    assert not world.station.view(1).operative
    assert world.station.view(2).operative
    world.kill_agent()
    world.start_agent()
    assert not world.station.view(1).operative
    world.plug(1)
    world.run(1)
    world.tap()
    world.run(5)
    assert not world.started
    assert ask(world, ChangeAvailability(operative=True, evse_id=1)) is Answered.ACCEPTED
    assert world.station.view(1).operative


def test_a_change_is_put_off_until_the_transaction_is_over() -> None:
    world = World(evses=2)
    world.tap()
    world.plug(1)
    world.until(lambda: world.closed(1))
    assert ask(world, ChangeAvailability(operative=False)) is Answered.SCHEDULED
    assert world.station.view(1).operative
    assert not world.station.view(2).operative
    assert world.station.station_operative
    world.run(30)
    assert world.closed(1)
    world.tap()
    world.until(lambda: bool(world.ended))
    assert not world.station.view(1).operative
    assert not world.station.station_operative


@pytest.mark.req("OCPP 2.0.1 G04")
def test_a_level_that_returns_gives_each_part_its_own_setting_back() -> None:
    world = World(evses=2)
    ask(world, ChangeAvailability(operative=False, evse_id=1, connector_id=1))
    ask(world, ChangeAvailability(operative=False))
    assert [each.operative for each in world.station.views()] == [False, False]
    ask(world, ChangeAvailability(operative=True))
    assert [each.operative for each in world.station.views()] == [False, True]
    assert world.station.view(1).connector_operative == {1: False}


def test_an_authorization_is_dropped_when_its_evse_becomes_inoperative() -> None:
    world = World()
    world.tap()
    world.run(1)
    ask(world, ChangeAvailability(operative=False, evse_id=1))
    assert world.station.view(1).occupancy is Occupancy.FREE


@pytest.mark.parametrize(
    "place",
    [{"evse_id": 3}, {"evse_id": 1, "connector_id": 2}, {"connector_id": 1}],
)
def test_an_unknown_place_is_rejected(place: dict[str, int]) -> None:
    world = World()
    assert ask(world, ChangeAvailability(operative=False, **place)) is Answered.REJECTED
    assert world.availability == {}


# Reset


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(ResetKind.GRACEFUL, StopReason.SOFT_RESET), (ResetKind.IMMEDIATE, StopReason.HARD_RESET)],
)
@pytest.mark.req("OCPP 1.6 §5.14")
def test_a_reset_ends_transactions_and_restarts_once_they_are_durable(kind: ResetKind, reason: StopReason) -> None:
    world = World(evses=2)
    world.tap()
    world.plug(1)
    world.until(lambda: world.closed(1))
    assert ask(world, Reset(kind=kind)) is Answered.ACCEPTED
    assert not world.restarts
    world.until(lambda: bool(world.restarts))
    assert world.ended[0].reason is reason
    assert world.restarts[0].kind is kind
    world.plug(2)
    world.tap(BOB)
    world.run(5)
    assert len(world.started) == 1
    assert len(world.restarts) == 1


def test_an_idle_station_restarts_at_once_after_its_answer() -> None:
    world = World()
    world.command(Reset(kind=ResetKind.ON_IDLE))
    names = [type(each).__name__ for each in world.log[-1][1]]
    assert names.index("Answer") < names.index("Restart")


@pytest.mark.req("OCPP 2.0.1 B12")
def test_a_reset_on_idle_waits_for_the_transaction() -> None:
    world = World()
    world.charge()
    assert ask(world, Reset(kind=ResetKind.ON_IDLE)) is Answered.SCHEDULED
    world.run(60)
    assert world.closed()
    world.tap()
    world.until(lambda: bool(world.restarts))
    assert world.ended[0].reason is StopReason.LOCAL


def test_a_transaction_that_does_not_end_holds_a_reset_up_for_thirty_seconds_at_most() -> None:
    world = World()
    world.charge()
    world.fault(FaultCode.CONTACTOR_WELDED)
    world.bays[1].meter_silent = True
    world.guard_link(False)
    begun_s = world.now_s
    ask(world, Reset(kind=ResetKind.IMMEDIATE))
    world.until(lambda: bool(world.restarts))
    assert world.now_s - begun_s <= 31


def test_one_evse_alone_is_not_restarted() -> None:
    assert ask(World(), Reset(kind=ResetKind.IMMEDIATE, evse_id=1)) is Answered.REJECTED


# Unlock and cache


def unlocked(world: World, command_id: int) -> Unlocked:
    world.until(lambda: command_id in world.answers, 60)
    outcome = world.answers[command_id]
    assert isinstance(outcome, UnlockOutcome)
    return outcome.unlocked


@pytest.mark.req("OCPP 1.6 §5.18; TC_018")
def test_unlocking_ends_the_transaction_first() -> None:
    world = World()
    world.charge()
    assert unlocked(world, world.command(unlock())) is Unlocked.UNLOCKED
    assert world.ended[0].reason is StopReason.UNLOCK_COMMAND
    assert not world.bays[1].locked


@pytest.mark.req("OCPP 2.0.1 F05")
def test_unlocking_may_be_refused_during_a_transaction() -> None:
    world = World()
    world.charge()
    assert unlocked(world, world.command(unlock(ends=False))) is Unlocked.ONGOING_TRANSACTION
    assert world.closed()


def test_unlocking_without_a_transaction_and_where_there_is_nothing_to_unlock() -> None:
    world = World()
    assert unlocked(world, world.command(unlock())) is Unlocked.UNLOCKED
    assert unlocked(world, world.command(unlock(connector_id=2))) is Unlocked.UNKNOWN_CONNECTOR
    assert unlocked(world, world.command(unlock(evse_id=4))) is Unlocked.UNKNOWN_CONNECTOR
    tethered = StationLayout(evses=(EvseLayout(evse_id=1, lockable=False),), readers={"front": (1,)})
    world = World(layout=tethered)
    world.charge()
    assert unlocked(world, world.command(unlock())) is Unlocked.NOT_SUPPORTED
    assert not world.ended


def test_a_jammed_lock_is_a_failed_unlock() -> None:
    world = World()
    world.charge()
    world.bays[1].lock_jammed = True
    assert unlocked(world, world.command(unlock())) is Unlocked.FAILED
    world.run(1)
    assert world.station.quiet()


def test_an_unlock_releases_a_cable_that_was_kept_for_its_owner() -> None:
    world = World(variables=book(UnlockOnEVSideDisconnect=False))
    world.charge()
    world.send(FactAnswered(transaction_id="tx-boot-1-1", csms_id="1", verdict=INVALID))
    world.until(lambda: bool(world.ended))
    world.run(2)
    assert world.bays[1].locked
    assert unlocked(world, world.command(unlock())) is Unlocked.UNLOCKED


def test_clearing_the_cache() -> None:
    world = World()
    world.tap()
    world.run(1)
    assert world.cache
    assert ask(world, ClearCache()) is Answered.ACCEPTED
    assert world.cache == {}
    assert ask(World(variables=book(CacheEnabled=False)), ClearCache()) is Answered.REJECTED


def test_what_is_not_the_cores_is_an_error_of_the_caller() -> None:
    world = World()
    with pytest.raises(ValueError, match="GetVariables is not a command of the charging core"):
        world.station.handle(CommandReceived(command_id=1, command=GetVariables(queries=())), world.stamp())
