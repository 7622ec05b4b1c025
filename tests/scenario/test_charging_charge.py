"""Whole charges through the charging core, in virtual time."""

from __future__ import annotations

import pytest

from agent.model.commands import RequestStart, TokenVerdict, Verdict
from agent.model.effects import AskAuthorization, GrantPermit, HoldCable, StatusChanged, WithdrawPermit
from agent.model.evse import Occupancy
from agent.model.facts import ChargingState, StopReason, Trigger
from agent.model.ids import IdTokenKind
from agent.model.station import EvseLayout, StationLayout
from tests.scenario.charging_world import ALICE, BOB, INVALID, World, book


def exact(world: World, evse_id: int = 1) -> int:
    """The register as the meter shows it."""
    return int(world.bays[evse_id].energy_wh // 10) * 10


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
    assert ended.trigger is Trigger.STOP_AUTHORIZED
    assert ended.token == ALICE
    assert ended.meter_stop_wh == exact(world) > 1_000_000
    assert ended.gap is None
    assert ended.meter_stop_at is not None
    assert ended.meter_stop_at.mono_s > world.bays[1].since_s
    assert [fact.seq_no for fact in world.facts] == list(range(len(world.facts)))
    assert len(world.effects(AskAuthorization)) == 1, "the same card stops without asking"
    assert world.station.quiet()
    assert world.station.next_deadline_s() is None, "an idle station wakes nobody"


def test_a_cable_may_come_before_the_card() -> None:
    world = World()
    world.plug()
    world.run(5)
    assert world.station.view(1).occupancy is Occupancy.PREPARING
    assert world.station.limits(1)[0].source == "authorization"
    world.tap()
    world.until(world.closed)
    assert world.started[0].trigger is Trigger.AUTHORIZED


def test_free_vend_charges_whoever_plugs_in_and_asks_nobody() -> None:
    layout = StationLayout(evses=(EvseLayout(evse_id=1),), readers={}, authorization_required=False)
    world = World(layout=layout)
    world.plug()
    world.until(world.closed)
    world.run(60)
    world.unplug()
    world.until(lambda: bool(world.ended))
    world.run(1)
    assert not world.effects(AskAuthorization)
    assert world.started[0].token.kind is IdTokenKind.NO_AUTHORIZATION
    assert world.started[0].trigger is Trigger.CABLE_PLUGGED_IN
    assert world.ended[0].reason is StopReason.EV_DISCONNECTED
    assert world.ended[0].meter_stop_wh == exact(world)
    assert world.cache == {}
    world.plug()
    world.until(lambda: len(world.started) == 2)


def test_the_permit_follows_the_durable_start_in_the_same_turn() -> None:
    world = World()
    world.charge()
    turns = [effects for _, effects in world.log if any(isinstance(each, GrantPermit) for each in effects)]
    names = [type(each).__name__ for each in turns[0]]
    assert names.index("SaveTransaction") < names.index("GrantPermit")
    assert names.index("Record") < names.index("GrantPermit")


def test_the_start_waits_for_a_reading_taken_after_the_authorization_and_says_so() -> None:
    world = World()
    world.run(5)
    world.bays[1].meter_silent = True
    world.tap()
    world.run(1)
    world.plug()
    world.run(5)
    assert not world.started
    assert any(limit.source == "meter" for limit in world.station.limits(1))
    world.bays[1].meter_silent = False
    world.until(world.closed)
    assert world.started[0].meter_start_wh == 1_000_000


def test_an_evse_without_a_meter_starts_and_ends_without_a_register() -> None:
    layout = StationLayout(evses=(EvseLayout(evse_id=1, metered=False),), readers={"front": (1,)})
    world = World(layout=layout)
    world.charge()
    world.run(120)
    world.tap()
    world.until(lambda: bool(world.ended))
    assert world.started[0].meter_start_wh is None
    assert world.ended[0].meter_stop_wh is None
    assert world.ended[0].gap is None
    assert world.ended[0].samples == ()


def test_a_permit_is_renewed_three_times_within_its_life() -> None:
    world = World()
    world.charge()
    begin = len(world.effects(GrantPermit))
    world.run(100)
    assert 9 <= len(world.effects(GrantPermit)) - begin <= 11
    assert world.closed()


def test_the_permit_is_the_least_of_evse_cable_and_station() -> None:
    layout = StationLayout(
        evses=(EvseLayout(evse_id=1, max_current_a=32.0),), readers={"front": (1,)}, max_current_a=25.0
    )
    world = World(layout=layout)
    world.bays[1].cable_a = 20.0
    world.charge()
    assert world.station.view(1).permit_a == 20.0
    assert world.station.limits(1)[0].source == "cable"


def test_the_cable_is_held_from_the_start_to_the_end_of_the_transaction() -> None:
    world = World()
    world.charge()
    assert world.bays[1].locked
    world.tap()
    world.run(0.3)
    assert world.bays[1].locked, "the contactor is still closed"
    world.until(lambda: bool(world.ended))
    assert not world.bays[1].locked
    turn = [effects for _, effects in world.log if any(isinstance(each, HoldCable) for each in effects)][-1]
    names = [type(each).__name__ for each in turn]
    assert names.index("Record") < names.index("HoldCable")


def test_unplugging_at_the_vehicle_ends_the_transaction() -> None:
    world = World()
    world.charge()
    world.run(30)
    world.unplug()
    world.until(lambda: bool(world.ended))
    assert world.ended[0].reason is StopReason.EV_DISCONNECTED
    assert world.ended[0].trigger is Trigger.EV_DEPARTED
    assert world.ended[0].token is None
    assert not world.bays[1].locked


def test_unplugging_suspends_where_it_does_not_stop_and_the_same_card_ends_it() -> None:
    world = World(variables=book(StopTxOnEVSideDisconnect=False))
    world.charge()
    world.unplug()
    world.run(5)
    view = world.station.view(1)
    assert view.occupancy is Occupancy.SUSPENDED_EV
    assert view.side_info == "EV side disconnected"
    assert not world.ended
    assert view.permit_a is None
    world.plug()
    world.until(world.closed)
    world.run(2)
    assert world.station.view(1).charging_state is ChargingState.CHARGING
    world.unplug()
    world.run(1)
    world.tap()
    world.until(lambda: bool(world.ended))
    assert world.ended[0].reason is StopReason.LOCAL


def test_a_cable_that_must_not_unlock_at_unplugging_waits_for_its_card() -> None:
    world = World(variables=book(UnlockOnEVSideDisconnect=False))
    world.charge()
    world.unplug()
    world.until(lambda: bool(world.ended))
    world.run(2)
    releases = [each for each in world.effects(HoldCable) if not each.held]
    world.tap(ALICE)
    assert len([each for each in world.effects(HoldCable) if not each.held]) == len(releases) + 1
    world.run(3)
    assert len(world.started) == 1, "the card released the cable and started nothing"


def test_an_authorization_without_a_cable_lapses_after_the_connection_time_out() -> None:
    world = World()
    world.tap()
    world.run(58)
    assert world.station.view(1).occupancy is Occupancy.PREPARING
    world.run(3)
    assert world.station.view(1).occupancy is Occupancy.FREE
    assert world.notices("authorization.forgotten")
    world.plug()
    world.run(10)
    assert not world.started


@pytest.mark.req("OCPP 1.6 §4.9 B6")
def test_a_cable_without_authorization_lapses_and_later_cards_ask_for_a_replug() -> None:
    world = World()
    world.plug()
    world.run(62)
    assert world.station.view(1).occupancy is Occupancy.FINISHING
    world.tap()
    world.run(5)
    assert not world.started
    world.unplug()
    world.run(1)
    world.plug()
    world.until(world.closed)
    assert len(world.started) == 1


def test_the_csms_may_start_on_a_lapsed_cable() -> None:
    world = World()
    world.plug()
    world.run(62)
    world.command(RequestStart(token=BOB, evse_id=1))
    world.until(world.closed)
    assert world.started[0].trigger is Trigger.REMOTE_START


@pytest.mark.req("OCPP 1.6 §4.9 B1")
def test_a_second_tap_before_the_start_cancels() -> None:
    world = World()
    world.tap()
    world.run(1)
    world.tap()
    world.run(1)
    assert world.station.view(1).occupancy is Occupancy.FREE
    world.plug()
    world.run(5)
    assert not world.started


@pytest.mark.req("OCPP 1.6 §4.9 F2")
def test_a_cable_that_stays_in_may_be_started_again() -> None:
    world = World()
    world.charge()
    world.tap()
    world.until(lambda: bool(world.ended))
    assert world.station.view(1).occupancy is Occupancy.FINISHING
    world.run(5)
    world.tap(BOB)
    world.until(world.closed)
    assert [each.token for each in world.started] == [ALICE, BOB]
    assert world.started[1].meter_start_wh == world.ended[0].meter_stop_wh


def test_a_vehicle_that_is_not_ready_is_suspended_by_the_vehicle() -> None:
    world = World()
    world.tap()
    world.run(1)
    world.plug(ready=False)
    world.run(5)
    assert world.station.view(1).charging_state is ChargingState.CONNECTED
    world.run(10)
    assert world.station.view(1).charging_state is ChargingState.SUSPENDED_EV
    world.bays[1].ready = True
    world.until(world.closed)
    world.run(2)
    assert world.station.view(1).charging_state is ChargingState.CHARGING
    world.bays[1].ready = False
    world.run(1)
    assert world.station.view(1).charging_state is ChargingState.SUSPENDED_EV
    states = [each.charging_state for each in world.updated if each.trigger is Trigger.CHARGING_STATE_CHANGED]
    assert states == [ChargingState.SUSPENDED_EV, ChargingState.CHARGING, ChargingState.SUSPENDED_EV]


def test_a_full_battery_with_a_closed_contactor_is_suspended_after_ten_seconds() -> None:
    world = World()
    world.charge()
    world.bays[1].demand_a = 0.1
    world.run(5)
    assert world.station.view(1).charging_state is ChargingState.CHARGING
    world.run(10)
    assert world.station.view(1).charging_state is ChargingState.SUSPENDED_EV
    world.bays[1].demand_a = 10.0
    world.run(2)
    assert world.station.view(1).charging_state is ChargingState.CHARGING


def test_two_evses_charge_at_once_each_exactly() -> None:
    layout = StationLayout(evses=(EvseLayout(evse_id=1), EvseLayout(evse_id=2)), readers={"left": (1,), "right": (2,)})
    world = World(layout=layout)
    world.bays[2].energy_wh = 52_340.0
    world.bays[2].demand_a = 8.0
    world.tap(ALICE, "left")
    world.tap(BOB, "right")
    world.run(1)
    world.plug(1)
    world.plug(2)
    world.run(120)
    world.tap(ALICE, "left")
    world.run(60)
    world.tap(BOB, "right")
    world.until(lambda: len(world.ended) == 2)
    for evse_id in (1, 2):
        facts = [fact for fact in world.facts if fact.evse_id == evse_id]
        assert [fact.seq_no for fact in facts] == list(range(len(facts)))
        assert len({fact.transaction_id for fact in facts}) == 1
        [ended] = [fact for fact in world.ended if fact.evse_id == evse_id]
        assert ended.meter_stop_wh == exact(world, evse_id)


def test_two_evses_never_get_more_than_the_stations_supply_together() -> None:
    layout = StationLayout(
        evses=(EvseLayout(evse_id=1, max_current_a=32.0), EvseLayout(evse_id=2, max_current_a=32.0)),
        readers={"left": (1,), "right": (2,)},
        max_current_a=40.0,
    )
    world = World(layout=layout)
    world.tap(ALICE, "left")
    world.plug(1)
    world.until(lambda: world.closed(1))
    assert world.station.view(1).permit_a == 32.0
    world.tap(BOB, "right")
    world.plug(2)
    world.until(lambda: world.closed(2))
    assert world.station.view(1).permit_a == 20.0
    assert world.station.view(2).permit_a == 20.0
    given: dict[int, float] = {}
    for _, effects in world.log:
        for effect in effects:
            if isinstance(effect, GrantPermit):
                given[effect.evse_id] = effect.max_current_a
                assert sum(given.values()) <= 40.0
    world.tap(BOB, "right")
    world.until(lambda: bool(world.ended))
    assert world.station.view(1).permit_a == 32.0


def test_a_refused_card_starts_nothing() -> None:
    world = World()
    world.csms[ALICE.value] = INVALID
    world.tap()
    world.run(1)
    world.plug()
    world.run(10)
    assert not world.started
    assert world.notices("authorization.refused")
    assert not world.effects(GrantPermit)


def test_the_light_says_what_the_evse_does() -> None:
    world = World()
    world.run(0.2)
    assert world.lights[1] == "available"
    world.tap()
    world.run(1)
    assert world.lights[1] == "authorized"
    world.plug()
    world.until(world.closed)
    assert world.lights[1] == "charging"


def test_every_change_of_occupancy_is_announced_once() -> None:
    world = World()
    before = len(world.effects(StatusChanged))
    world.charge()
    world.run(5)
    world.tap()
    world.until(lambda: bool(world.ended))
    world.unplug()
    world.run(1)
    assert len(world.effects(StatusChanged)) - before == 4  # preparing, charging, finishing, free


def test_a_stop_withdraws_the_permit_before_anything_else() -> None:
    world = World()
    world.charge()
    world.tap()
    effects = world.log[-1][1]
    assert isinstance(effects[0], WithdrawPermit)
    assert any(type(each).__name__ == "SaveTransaction" for each in effects), "the decision is durable"
    assert world.station.limits(1)[0].text.startswith("the transaction is ending")


def test_tokens_are_never_logged_in_clear() -> None:
    world = World()
    world.csms[BOB.value] = TokenVerdict(verdict=Verdict.BLOCKED)
    world.tap(BOB)
    world.run(1)
    world.charge()
    world.tap()
    world.until(lambda: bool(world.ended))
    for _, effects in world.log:
        for effect in effects:
            if type(effect).__name__ == "Notice":
                assert ALICE.value not in repr(effect)
                assert BOB.value not in repr(effect)


def test_time_alone_wakes_the_core_seldom_and_an_idle_station_never() -> None:
    world = World()
    world.run(5)
    world.wakes = 0
    world.run(600)
    assert world.wakes == 0
    world.charge()
    world.wakes = 0
    world.run(600)
    assert world.wakes <= 600 / 10 + 600 / 60 + 5, "renewals of the permit and samples"
    world.bays[1].meter_silent = True
    world.tap()
    world.wakes = 0
    world.until(lambda: bool(world.ended))
    assert world.wakes <= 10
