"""Which EVSE a card belongs to, and who decides about it, in virtual time."""

from __future__ import annotations

import pytest

from agent.model.commands import TokenVerdict, Verdict
from agent.model.effects import AskAuthorization, CacheToken
from agent.model.evse import Occupancy
from agent.model.facts import StopReason
from agent.model.inputs import CardPresented, FactAnswered
from tests.scenario.charging_world import ACCEPTED, ALICE, BOB, CAROL, INVALID, World, book

FAMILY = TokenVerdict(verdict=Verdict.ACCEPTED, group="family")


def test_a_card_remembered_by_a_shared_reader_goes_to_the_next_evse_that_is_plugged() -> None:
    world = World(evses=2)
    world.tap()
    world.run(5)
    assert [each.occupancy for each in world.station.views()] == [Occupancy.FREE, Occupancy.FREE]
    assert not world.station.quiet()
    world.plug(2)
    world.until(lambda: world.closed(2))
    assert world.started[0].evse_id == 2
    world.plug(1)
    world.run(5)
    assert len(world.started) == 1


def test_a_card_goes_to_the_evse_that_was_plugged_most_recently() -> None:
    world = World(evses=2)
    world.plug(2)
    world.run(3)
    world.plug(1)
    world.run(1)
    world.tap(ALICE)
    world.run(2)
    world.tap(BOB)
    world.until(lambda: len(world.started) == 2)
    assert [(each.evse_id, each.token) for each in world.started] == [(1, ALICE), (2, BOB)]


def test_the_card_of_a_running_transaction_stops_it_even_while_another_evse_waits() -> None:
    world = World(evses=2)
    world.tap(ALICE)
    world.plug(1)
    world.until(lambda: world.closed(1))
    world.plug(2)
    world.run(1)
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    assert world.ended[0].evse_id == 1


def test_a_second_tap_of_the_remembered_card_cancels_and_another_card_replaces_it() -> None:
    world = World(evses=2)
    world.tap(ALICE)
    world.run(1)
    world.tap(ALICE)
    world.run(1)
    assert world.station.quiet()
    world.tap(ALICE)
    world.run(1)
    world.tap(BOB)
    world.run(1)
    world.plug(1)
    world.until(lambda: world.closed(1))
    assert [each.token for each in world.started] == [BOB]


def test_a_remembered_card_is_forgotten_after_the_connection_time_out() -> None:
    world = World(evses=2)
    world.tap()
    world.run(62)
    assert world.station.quiet()
    world.plug(1)
    world.run(5)
    assert not world.started


def test_another_card_replaces_the_authorization_of_a_single_evse() -> None:
    world = World()
    world.tap(ALICE)
    world.run(1)
    world.tap(BOB)
    world.run(1)
    world.plug()
    world.until(world.closed)
    assert world.started[0].token == BOB


def test_the_next_customers_card_never_starts_on_the_last_ones_car() -> None:
    world = World(evses=2)
    world.tap(ALICE)
    world.plug(1)
    world.until(lambda: world.closed(1))
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    world.tap(BOB)
    world.run(5)
    assert len(world.started) == 1
    world.plug(2)
    world.until(lambda: world.closed(2))
    assert world.started[1].evse_id == 2
    world.tap(ALICE)
    world.until(lambda: len(world.started) == 3)
    assert world.started[2].evse_id == 1, "her own card may start again on her own car"


@pytest.mark.req("OCPP 1.6 §4.1, parentIdTag")
def test_a_card_of_the_same_group_stops_after_the_csms_said_so() -> None:
    world = World()
    world.csms[ALICE.value] = FAMILY
    world.csms[BOB.value] = FAMILY
    world.charge(ALICE)
    world.tap(CAROL)
    world.run(3)
    assert not world.ended
    world.tap(BOB)
    world.until(lambda: bool(world.ended))
    assert world.ended[0].token == BOB
    assert world.ended[0].reason is StopReason.LOCAL
    assert len(world.started) == 1


@pytest.mark.req("OCPP 1.6 §7.28 IdToken: compared without regard to case, so is parentIdTag (§7.27)")
def test_a_group_written_in_other_letters_is_the_same_group() -> None:
    world = World()
    world.csms[ALICE.value] = FAMILY
    world.csms[BOB.value] = TokenVerdict(verdict=Verdict.ACCEPTED, group="FAMILY")
    world.charge(ALICE)
    world.tap(BOB)
    world.until(lambda: bool(world.ended))
    assert world.ended[0].token == BOB


def test_a_known_card_of_the_group_stops_offline() -> None:
    world = World()
    world.csms[ALICE.value] = FAMILY
    world.csms[BOB.value] = FAMILY
    world.tap(BOB)
    world.run(1)
    world.tap(BOB)
    world.run(1)
    world.charge(ALICE)
    world.link(False)
    world.tap(BOB)
    world.until(lambda: bool(world.ended))
    assert world.ended[0].token == BOB
    assert world.ended[0].offline


def test_a_group_card_starts_elsewhere_when_another_evse_waits() -> None:
    world = World(evses=2)
    world.csms[ALICE.value] = FAMILY
    world.csms[BOB.value] = FAMILY
    world.tap(ALICE)
    world.plug(1)
    world.until(lambda: world.closed(1))
    world.plug(2)
    world.run(1)
    world.tap(BOB)
    world.until(lambda: len(world.started) == 2)
    assert not world.ended


def test_a_stranger_at_a_charging_evse_stops_nothing_and_is_not_asked_about() -> None:
    world = World()
    world.charge(ALICE)
    asked = len(world.effects(AskAuthorization))
    world.tap(BOB)
    world.run(3)
    assert not world.ended
    assert len(world.effects(AskAuthorization)) == asked


def test_cards_are_ignored_while_another_one_is_checked() -> None:
    world = World()
    world.csms_silent = True
    world.plug()
    world.run(1)
    world.tap(ALICE)
    world.tap(BOB)
    assert [each.token for each in world.questions] == [ALICE]
    assert world.notices("card.ignored")


def test_a_pending_question_keeps_a_cable_from_lapsing() -> None:
    world = World()
    world.plug()
    world.run(55)
    world.csms_silent = True
    world.tap()
    world.run(20)
    assert world.station.view(1).occupancy is Occupancy.PREPARING
    world.answer_questions()
    world.until(world.closed)


def test_a_card_may_name_its_evse() -> None:
    world = World(evses=2)
    world.send(CardPresented(reader="console", token=ALICE, evse_id=2))
    world.run(1)
    assert world.station.view(2).occupancy is Occupancy.PREPARING


def test_a_card_at_a_reader_that_serves_nothing_is_ignored() -> None:
    world = World()
    world.tap(ALICE, "elsewhere")
    assert world.notices("card.ignored")
    assert world.station.quiet()


# Authorization


@pytest.mark.req("OCPP 1.6 §3.5.1")
def test_every_verdict_is_cached_good_or_bad() -> None:
    world = World()
    world.csms[BOB.value] = INVALID
    world.tap(ALICE)
    world.run(1)
    world.tap(BOB)
    world.run(1)
    assert world.cache == {ALICE.value.casefold(): ACCEPTED, BOB.value.casefold(): INVALID}
    assert len(world.effects(CacheToken)) == 2


def test_nothing_is_cached_while_the_cache_is_off() -> None:
    world = World(variables=book(CacheEnabled=False))
    world.tap()
    world.run(1)
    assert world.cache == {}


@pytest.mark.req("OCPP 1.6 §3.5.4, LocalPreAuthorize")
def test_a_cached_card_starts_at_once_where_it_may() -> None:
    world = World(variables=book(LocalPreAuthorize=True))
    world.cache[ALICE.value.casefold()] = ACCEPTED
    world.start_agent()
    world.tap()
    assert not world.effects(AskAuthorization)
    assert world.station.view(1).occupancy is Occupancy.PREPARING


@pytest.mark.parametrize(
    ("variables", "cached", "starts"),
    [
        ({}, ACCEPTED, True),
        ({"LocalAuthorizeOffline": False}, ACCEPTED, False),
        ({}, INVALID, False),
        ({"OfflineTxForUnknownIdEnabled": True}, INVALID, False),
        ({}, None, False),
        ({"OfflineTxForUnknownIdEnabled": True}, None, True),
        ({"CacheEnabled": False, "OfflineTxForUnknownIdEnabled": True}, ACCEPTED, True),
        ({"OfflineTxForUnknownIdEnabled": True}, TokenVerdict(verdict=Verdict.ACCEPTED, expires_utc_s=1.0), False),
        ({}, TokenVerdict(verdict=Verdict.ACCEPTED, expires_utc_s=4e9), True),
    ],
)
@pytest.mark.req("OCPP 1.6 §3.5.4; OCPP 2.0.1 C13, C15")
def test_offline_rules(variables: dict[str, bool], cached: TokenVerdict | None, starts: bool) -> None:
    world = World(variables=book(**variables), online=False)
    if cached is not None:
        world.cache[ALICE.value.casefold()] = cached
    world.start_agent()
    world.tap()
    world.plug()
    world.run(5)
    assert bool(world.started) is starts
    assert not world.effects(AskAuthorization)
    if starts:
        assert world.started[0].offline


def test_a_question_that_nobody_answers_falls_back_to_the_offline_rules() -> None:
    world = World(variables=book(OfflineTxForUnknownIdEnabled=True))
    world.csms_silent = True
    world.plug()
    world.run(1)
    world.tap()
    world.run(5)
    assert not world.started
    world.link(False)
    world.until(world.closed)
    assert world.cache == {}, "a token let in unknown is not cached"


def refuse(world: World, verdict: Verdict = Verdict.INVALID, *, retransmitted: bool = False) -> None:
    world.send(
        FactAnswered(
            transaction_id=world.started[-1].transaction_id,
            csms_id="77",
            verdict=TokenVerdict(verdict=verdict),
            retransmitted=retransmitted,
        )
    )


@pytest.mark.req("OCPP 1.6 §3.5.4, StopTransactionOnInvalidId")
def test_a_token_refused_after_the_start_ends_the_transaction_and_keeps_its_cable() -> None:
    world = World()
    world.charge()
    world.run(30)
    refuse(world)
    world.until(lambda: bool(world.ended))
    world.run(3)
    assert world.ended[0].reason is StopReason.DEAUTHORIZED
    assert world.cache[ALICE.value.casefold()].verdict is Verdict.INVALID
    assert world.bays[1].locked
    world.tap(ALICE)
    world.run(1)
    assert not world.bays[1].locked
    assert len(world.started) == 1


def test_a_token_refused_after_the_start_only_suspends_where_it_must_not_stop() -> None:
    world = World(variables=book(StopTxOnInvalidId=False))
    world.charge()
    refuse(world)
    world.run(3)
    assert not world.ended
    assert world.station.view(1).occupancy is Occupancy.SUSPENDED_EVSE
    assert world.station.limits(1)[0].source == "deauthorized"
    assert not world.closed()


@pytest.mark.req("OCPP 1.6 §3.5.4, errata 3.5, 3.17")
@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.req("OCPP 1.6 §9.1.22, MaxEnergyOnInvalidId")
def test_a_refused_token_gets_the_energy_that_it_may_have(stops: bool) -> None:
    world = World(variables=book(StopTxOnInvalidId=stops, MaxEnergyOnInvalidId=300, TxUpdatedInterval=10))
    world.charge()
    world.run(60)
    at_wh = world.station.view(1).energy_wh
    assert at_wh is not None
    refuse(world)
    world.run(30)
    assert world.closed()
    world.kill_agent()
    world.run(2)
    world.start_agent()
    world.until(lambda: not world.closed(), 300)
    assert 300 <= world.bays[1].energy_wh - at_wh <= 330
    world.run(10)
    assert bool(world.ended) is stops
    if not stops:
        assert world.station.view(1).occupancy is Occupancy.SUSPENDED_EVSE


@pytest.mark.req("OCPP 1.6 §4.8; ConcurrentTx on a retransmitted StartTransaction")
def test_concurrent_on_a_retransmission_stops_nobody() -> None:
    world = World()
    world.charge()
    refuse(world, Verdict.CONCURRENT, retransmitted=True)
    world.run(5)
    assert world.closed()
    assert world.station.view(1).csms_id == "77"
    refuse(world, Verdict.CONCURRENT)
    world.until(lambda: bool(world.ended))


def test_the_verdict_on_a_stopping_card_is_cached_and_touches_nobody_else() -> None:
    world = World()
    world.charge()
    world.send(FactAnswered(transaction_id="long over", csms_id=None, verdict=INVALID, token=BOB))
    world.run(1)
    assert world.closed()
    assert world.cache[BOB.value.casefold()] == INVALID
