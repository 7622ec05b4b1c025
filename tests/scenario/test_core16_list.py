"""The local authorization list of OCPP 1.6, and the station's own cards beside it, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from agent.model.commands import Answered, Outcome
from agent.model.effects import AskAuthorization, ReplaceDocuments, SaveDocument
from agent.model.faults import FaultCode
from agent.model.inputs import CardPresented, FaultChanged
from agent.model.local_list import LearnCards, LocalCard, PutCards, RemoveCard
from agent.model.verdicts import TokenVerdict, Verdict
from tests.scenario.charging_world import ACCEPTED, ALICE, BOB, CAROL, INVALID
from tests.scenario.core16 import Core16


def entry(tag: str, status: str | None = "Accepted", **more: str) -> dict[str, Any]:
    return {"idTag": tag} | ({} if status is None else {"idTagInfo": {"status": status, **more}})


def send(world: Core16, version: int, *entries: dict[str, Any], update: str = "Full") -> str:
    payload: dict[str, Any] = {"listVersion": version, "updateType": update}
    if entries:
        payload["localAuthorizationList"] = list(entries)
    return str(world.ask("SendLocalList", payload)["status"])


def change(world: Core16, version: int, *entries: dict[str, Any]) -> str:
    return send(world, version, *entries, update="Differential")


def version(world: Core16) -> int:
    return int(world.ask("GetLocalListVersion", {})["listVersion"])


def listed(world: Core16, token: Any) -> bool:
    """Say whether the card starts without a question although the CSMS is there."""
    before = len(world.effects(AskAuthorization))
    world.tap(token)
    asked = len(world.effects(AskAuthorization)) > before
    world.run(1)
    world.tap(token)  # the same card again cancels
    world.run(1)
    return not asked


@pytest.mark.req("OCPP 1.6 §5.10")
@pytest.mark.octt("TC_042_2_CS")
def test_an_empty_list_has_version_0_before_and_after_it_was_emptied() -> None:
    world = Core16()
    assert version(world) == 0
    assert send(world, 3, entry("A1A1A1A1")) == "Accepted"
    assert version(world) == 3
    assert send(world, 4) == "Accepted"
    assert version(world) == 0


@pytest.mark.req("OCPP 1.6 §5.10, LocalAuthListEnabled")
@pytest.mark.octt("TC_042_1_CS", "TC_043_1_CS")
def test_a_list_that_is_off_has_version_minus_1_and_takes_nothing() -> None:
    world = Core16()
    send(world, 3, entry("A1A1A1A1"))
    world.configure(LocalAuthListEnabled=False, LocalPreAuthorize=True)
    assert version(world) == -1
    assert send(world, 4, entry("A1A1A1A1")) == "NotSupported"
    assert not listed(world, ALICE)
    world.configure(LocalAuthListEnabled=True)
    assert version(world) == 3


@pytest.mark.req("OCPP 1.6 §5.15")
@pytest.mark.octt("TC_043_CS")
def test_a_full_list_replaces_and_a_differential_one_adds_changes_and_removes() -> None:
    world = Core16(LocalPreAuthorize=True)
    assert send(world, 1, entry(ALICE.value), entry(BOB.value)) == "Accepted"
    assert change(world, 2, entry(BOB.value, None), entry(CAROL.value)) == "Accepted"
    assert (version(world), listed(world, ALICE), listed(world, BOB), listed(world, CAROL)) == (2, True, False, True)
    assert change(world, 3, entry(CAROL.value, "Blocked")) == "Accepted"
    assert not listed(world, CAROL)
    assert send(world, 1, entry(BOB.value)) == "Accepted", "a full list may have any version"
    assert (version(world), listed(world, ALICE), listed(world, BOB)) == (1, False, True)


@pytest.mark.req("OCPP 1.6 §5.15, errata 3.52")
@pytest.mark.octt("TC_043_2_CS")
@pytest.mark.parametrize("number", [5, 4, 0, -1])
def test_a_differential_list_must_have_a_higher_version(number: int) -> None:
    world = Core16(LocalPreAuthorize=True)
    send(world, 5, entry(ALICE.value))
    assert change(world, number, entry(BOB.value)) == "VersionMismatch"
    assert (version(world), listed(world, BOB)) == (5, False)


def many(count: int) -> list[dict[str, Any]]:
    return [entry(f"TAG{number}") for number in range(count)]


@pytest.mark.req("OCPP 1.6 §5.15")
@pytest.mark.octt("TC_043_3_CS")
@pytest.mark.parametrize(
    "sent",
    [
        (9, entry("B0B0B0B0"), entry("b0b0b0b0")),
        (9, entry("B0B0B0B0", None)),
        (9, entry("")),
        (0, entry("B0B0B0B0")),
        (-1, entry("B0B0B0B0")),
        (9, *many(501)),
    ],
    ids=["twice", "no idTagInfo", "empty idTag", "version 0", "version -1", "longer than SendLocalListMaxLength"],
)
def test_a_list_that_cannot_be_taken_fails_and_leaves_the_old_one(sent: tuple[Any, ...]) -> None:
    world = Core16(LocalPreAuthorize=True)
    send(world, 5, entry(ALICE.value))
    assert send(world, sent[0], *sent[1:]) == "Failed"
    assert (version(world), listed(world, ALICE), listed(world, BOB)) == (5, True, False)


@pytest.mark.req("OCPP 1.6 §5.15, errata 3.52")
@pytest.mark.req("OCPP 1.6 §9.2, LocalAuthListMaxLength, SendLocalListMaxLength")
def test_the_list_grows_to_its_maximum_and_not_beyond() -> None:
    world = Core16()
    most, at_once = int(world.key("LocalAuthListMaxLength")), int(world.key("SendLocalListMaxLength"))
    assert send(world, 1, *many(at_once)) == "Accepted"
    tags = iter(range(at_once, most))
    for number in range(2, 1 + most // at_once):
        assert change(world, number, *(entry(f"TAG{next(tags)}") for _ in range(at_once))) == "Accepted"
    assert change(world, 100, entry("ONE MORE")) == "Failed"
    assert change(world, 100, entry("ONE MORE"), entry("TAG0", None)) == "Accepted", "one goes, one comes"


@pytest.mark.req("OCPP 1.6 §3.5.2")
def test_the_list_survives_a_restart_and_the_same_again_writes_nothing_new() -> None:
    world = Core16(LocalPreAuthorize=True)
    send(world, 7, entry(ALICE.value, parentIdTag="fam"), entry(BOB.value, "Blocked"))
    world.power_cycle()
    assert (version(world), listed(world, ALICE), listed(world, BOB)) == (7, True, False)
    writes = len(world.effects(SaveDocument)) + len(world.effects(ReplaceDocuments))
    change(world, 8, entry(CAROL.value, None))
    again = [each for each in world.effects(SaveDocument) if isinstance(each, SaveDocument)][-1]
    assert (again.kind, again.body) == ("local_list_version", b"8")
    assert len(world.effects(SaveDocument)) + len(world.effects(ReplaceDocuments)) == writes + 1


def test_a_list_that_cannot_be_read_after_a_restart_is_empty_so_that_the_csms_sends_it_anew() -> None:
    world = Core16()
    send(world, 7, entry(ALICE.value))
    world.documents["local_list"]["a1a1a1a1"] = b"{"
    world.power_cycle()
    assert version(world) == 0
    assert world.notices("store.unreadable")


@pytest.mark.req("OCPP 1.6 §3.5.1, errata 3.4")
@pytest.mark.req("OCPP 1.6 §3.5.3")
def test_the_list_wins_over_the_cache_and_is_not_cached() -> None:
    world = Core16(online=False)
    world.cache[ALICE.value.casefold()] = INVALID
    world.start_agent()
    send(world, 1, entry(ALICE.value), entry(BOB.value, "Blocked"))
    world.cache[BOB.value.casefold()] = ACCEPTED
    world.charge(ALICE)
    assert world.started[0].token == ALICE
    world.link(True)
    world.tap(CAROL)
    world.run(1)
    assert set(world.cache) == {ALICE.value.casefold(), BOB.value.casefold()}, "nobody was asked, nothing is learned"


@pytest.mark.req("OCPP 1.6 §3.5.3, LocalListConflict")
def test_a_csms_that_refuses_what_its_list_accepts_is_told_of_the_conflict() -> None:
    world = Core16()
    send(world, 1, entry(ALICE.value))
    world.csms[ALICE.value] = INVALID
    world.tap(ALICE)
    world.run(1)
    assert (world.status(0)["status"], world.status(0)["errorCode"]) == ("Available", "LocalListConflict")
    assert world.status(1)["errorCode"] == "NoError"
    assert ALICE.value.casefold() not in world.cache
    send(world, 2, entry(ALICE.value, "Blocked"))
    assert world.status(0)["errorCode"] == "NoError"


@pytest.mark.req("OCPP 1.6 §3.5.4")
@pytest.mark.req("OCPP 1.6 §3.5.2, expiryDate")
def test_a_listed_token_that_has_run_out_is_expired() -> None:
    world = Core16(online=False, AllowOfflineTxForUnknownId=True)
    send(world, 1, entry(ALICE.value, expiryDate="2020-01-01T00:00:00Z"))
    world.tap(ALICE)
    world.plug()
    world.run(3)
    assert not world.started
    assert "expired in the local list" in str(world.notices("authorization.refused")[-1].fields["reason"])


@pytest.mark.req("OCPP 1.6 §3.5")
@pytest.mark.octt("TC_008_CS")
@pytest.mark.req("OCPP 1.6 §3.5.4, LocalPreAuthorize")
def test_a_listed_card_starts_without_a_question() -> None:
    world = Core16(LocalPreAuthorize=True)
    send(world, 1, entry(ALICE.value))
    world.charge(ALICE)
    assert not world.effects(AskAuthorization)


# The station's own cards


def own(token: Any, verdict: TokenVerdict = ACCEPTED, label: str = "") -> PutCards:
    return PutCards(cards=(LocalCard(token=token, verdict=verdict, label=label),))


def test_a_card_of_the_stations_own_obeys_the_rules_of_the_list() -> None:
    world = Core16(online=False)
    world.command(own(ALICE))
    world.command(own(BOB, TokenVerdict(verdict=Verdict.BLOCKED)))
    world.configure(AllowOfflineTxForUnknownId=True)
    world.tap(BOB)
    world.plug()
    world.run(3)
    assert not world.started
    world.tap(ALICE)
    world.until(world.closed)
    world.unplug()
    world.until(lambda: bool(world.ended))
    world.configure(LocalAuthorizeOffline=False, AllowOfflineTxForUnknownId=False)
    world.plug()
    world.run(1)
    world.tap(ALICE)
    world.run(3)
    assert len(world.started) == 1


def test_neither_the_csms_nor_its_list_touches_the_stations_own_cards() -> None:
    world = Core16(LocalPreAuthorize=True)
    world.command(own(ALICE, label="Alice"))
    assert version(world) == 0, "the CSMS does not see them"
    send(world, 1, entry(ALICE.value, "Blocked"))
    assert not listed(world, ALICE), "where both know a card, the CSMS's list wins"
    send(world, 2)
    world.ask("ClearCache", {})
    assert listed(world, ALICE)
    world.power_cycle()
    assert listed(world, ALICE)
    world.command(RemoveCard(token=ALICE))
    assert not listed(world, ALICE)


def test_learning_takes_the_next_card_and_starts_nothing() -> None:
    world = Core16(online=False)
    world.plug()
    world.run(1)
    world.command(LearnCards(seconds=30, label="new"))
    world.tap(ALICE)
    world.run(2)
    assert not world.started
    assert [each.label for each in world.station.cards.cards] == ["new"]
    world.tap(ALICE)
    world.until(world.closed)


def test_learning_ends_by_itself_and_when_it_is_told_to() -> None:
    world = Core16(online=False)
    world.command(LearnCards(seconds=5))
    world.run(6)
    world.tap(ALICE)
    world.command(LearnCards(seconds=5))
    world.command(LearnCards(seconds=0))
    world.tap(BOB)
    assert world.station.cards.cards == ()


def test_a_card_that_is_not_there_cannot_be_removed() -> None:
    world = Core16()
    number = world.command(RemoveCard(token=ALICE))
    outcome = world.answers[number]
    assert isinstance(outcome, Outcome)
    assert outcome.answered is Answered.REJECTED


# Master passes


@pytest.mark.req("OCPP 2.0.1 C16.FR.02, C16.FR.03")
def test_a_master_pass_ends_every_transaction_of_its_reader_and_starts_none() -> None:
    world = Core16()
    world.change("AuthCtrlr", "MasterPassGroupId", "STAFF")
    world.csms[CAROL.value] = TokenVerdict(verdict=Verdict.ACCEPTED, group="staff")
    world.plug()
    world.run(1)
    world.tap(CAROL)
    world.run(2)
    assert not world.started
    world.tap(ALICE)
    world.until(world.closed)
    world.tap(CAROL)
    world.until(lambda: bool(world.ended))
    assert world.messages("StopTransaction")[0].payload["reason"] == "Local"
    assert world.messages("StopTransaction")[0].payload["idTag"] == CAROL.value


def test_a_known_master_pass_works_offline_and_any_other_card_does_not() -> None:
    world = Core16(online=False)
    world.change("AuthCtrlr", "MasterPassGroupId", "STAFF")
    send(world, 1, entry(ALICE.value), entry(BOB.value), entry(CAROL.value, parentIdTag="STAFF"))
    world.charge(ALICE)
    world.tap(BOB)
    world.run(2)
    assert not world.ended
    world.tap(CAROL)
    world.until(lambda: bool(world.ended))


# A fault delays, a decision ends


def test_a_fault_of_one_scan_does_not_send_a_waiting_driver_away() -> None:
    world = Core16()
    world.tap(ALICE)
    world.run(1)
    world.fault(FaultCode.INPUT_UNKNOWN)
    world.tick()
    world.fault(FaultCode.INPUT_UNKNOWN, present=False)
    world.run(1)
    world.plug()
    world.until(world.closed)
    assert world.started[0].token == ALICE


def test_a_fault_that_lasts_lets_the_authorization_lapse_with_its_time_out() -> None:
    world = Core16(ConnectionTimeOut=20)
    world.tap(ALICE)
    world.run(1)
    world.fault(FaultCode.EMERGENCY_STOP)
    world.run(25)
    world.fault(FaultCode.EMERGENCY_STOP, present=False)
    world.plug()
    world.run(5)
    assert not world.started


def test_an_answer_that_comes_during_a_fault_counts_when_the_fault_is_gone() -> None:
    world = Core16()
    world.plug()
    world.run(1)
    world.csms_silent = True
    world.tap(ALICE)
    world.send(FaultChanged(code=FaultCode.READER_LOST, raised=True, blocking=True))
    world.answer_questions()
    world.run(1)
    assert not world.started
    world.send(FaultChanged(code=FaultCode.READER_LOST, raised=False))
    world.until(world.closed)


def test_a_connector_that_is_taken_out_of_service_forgets_who_was_authorised() -> None:
    world = Core16()
    world.tap(ALICE)
    world.run(1)
    world.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    world.ask("ChangeAvailability", {"connectorId": 1, "type": "Operative"})
    world.plug()
    world.run(3)
    assert not world.started


def test_a_card_may_name_its_evse_also_while_another_is_learned() -> None:
    world = Core16()
    world.send(CardPresented(reader="console", token=ALICE, evse_id=1))
    world.run(1)
    assert world.status(1)["status"] == "Preparing"
