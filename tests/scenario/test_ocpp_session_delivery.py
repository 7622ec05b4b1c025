"""Delivery of facts: order, attempts, time-outs, outages, restarts, odd answers, in both versions."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from agent.model.commands import Verdict
from agent.model.ids import IdToken
from agent.model.inputs import FactAnswered
from agent.model.moment import Stamp
from agent.ocpp.session_outputs import Acknowledged, Drop, Failed, GiveUp, MarkSent
from tests.scenario.ocpp_desk import CARD, VERSIONS, Desk, view
from tests.scenario.ocpp_facts import TRANSACTION, ended, started, updated

both = pytest.mark.parametrize("version", VERSIONS)


def booted(version: str, **presets: str) -> Desk:
    desk = Desk(version=version, presets=presets)
    desk.boot()
    return desk


def accepted(version: str, number: int = 77) -> dict[str, Any]:
    if version == "1.6":
        return {"transactionId": number, "idTagInfo": {"status": "Accepted"}}
    return {"idTokenInfo": {"status": "Accepted"}}


def action(version: str, name: str) -> str:
    return name if version == "1.6" else "TransactionEvent"


def number_of(payload: dict[str, Any]) -> object:
    return payload["transactionId"] if "transactionId" in payload else payload["transactionInfo"]["transactionId"]


@both
@pytest.mark.req("OCPP 1.6 §3.7; OCPP 2.0.1 E04")
def test_a_whole_charge_is_delivered_in_order_with_the_csmss_name_for_it(version: str) -> None:
    desk = booted(version)
    desk.record(started(desk.stamp()), updated(desk.stamp()), ended(desk.stamp()))
    desk.answer(desk.expect(action(version, "StartTransaction")), accepted(version))
    name = 77 if version == "1.6" else TRANSACTION
    update = desk.expect(action(version, "MeterValues"))
    assert number_of(update.payload) == name
    desk.answer(update)
    stop = desk.expect(action(version, "StopTransaction"))
    assert number_of(stop.payload) == name
    desk.answer(stop)
    assert [each.seq for each in desk.out(Acknowledged)] == [1, 2, 3]
    answered = desk.heard(FactAnswered)
    assert (answered[0].csms_id, answered[0].retransmitted) == (str(name), False)
    assert answered[0].verdict is not None
    assert answered[0].verdict.verdict is Verdict.ACCEPTED
    assert not desk.journal


@both
def test_what_happened_offline_is_delivered_after_the_boot_with_its_own_times(version: str) -> None:
    desk = Desk(version=version)
    at = desk.stamp()
    desk.record(started(at, offline=True), ended(at, offline=True))
    desk.run(7_200)
    desk.open()
    desk.answer(desk.expect("BootNotification"), desk.registration())
    desk.answer_all("StatusNotification")
    start = desk.expect(action(version, "StartTransaction"))
    assert start.payload["timestamp"] == "2026-11-20T12:00:00.000Z"
    assert start.payload.get("offline") == (None if version == "1.6" else True)


@both
@pytest.mark.req("OCPP 1.6 §3.7")
def test_live_messages_overtake_facts_between_two_of_them(version: str) -> None:
    desk = booted(version)
    desk.record(started(desk.stamp()), updated(desk.stamp()))
    start = desk.expect(action(version, "StartTransaction"))
    desk.take(desk.session.authorize(1, CARD, desk.now_s))
    desk.show(view(1, operative=False))
    desk.answer(start, accepted(version))
    desk.refuse(desk.expect("Authorize"))
    desk.answer(desk.expect("StatusNotification"))
    desk.expect(action(version, "MeterValues"))


@both
@pytest.mark.req("OCPP 1.6 §3.7.1; OCPP 2.0.1 E13")
def test_a_refused_fact_waits_longer_each_time_gets_new_ids_and_goes_to_the_dead_letters(version: str) -> None:
    attempts = "OCPPCommCtrlr.MessageAttempts[TransactionEvent]"
    desk = booted(version, **{attempts: "3", "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "60"})
    desk.record(started(desk.stamp()), updated(desk.stamp()))
    ids = []
    for wait_s in (60, 120):
        call = desk.expect(action(version, "StartTransaction"))
        ids.append(call.message_id)
        desk.refuse(call)
        desk.run(wait_s - 1)
        assert not desk.calls
        desk.run(1)
    call = desk.expect(action(version, "StartTransaction"))
    desk.refuse(call, "ProtocolError")
    assert len({*ids, call.message_id}) == 3
    assert desk.dead == [1]
    assert desk.out(GiveUp)[0].error == "ProtocolError: no"
    update = desk.expect(action(version, "MeterValues"))
    assert number_of(update.payload) == (-1 if version == "1.6" else TRANSACTION)


@pytest.mark.req("OCPP 1.6 §3.7.1")
@both
@pytest.mark.parametrize("attempts", ["0", "1"])
def test_no_attempts_and_one_attempt_both_mean_one_transmission(version: str, attempts: str) -> None:
    desk = booted(version, **{"OCPPCommCtrlr.MessageAttempts[TransactionEvent]": attempts})
    desk.record(ended(desk.stamp()))
    desk.refuse(desk.expect(action(version, "StopTransaction")))
    assert desk.dead == [1]


@pytest.mark.req("OCPP-J 1.6 errata 3.1, 3.7; quirk T28")
@both
@pytest.mark.req("OCPP-J 1.6 §4.1.1")
def test_a_time_out_closes_the_link_and_the_retry_keeps_id_and_bytes(version: str) -> None:
    desk = booted(version)
    desk.record(started(desk.stamp()))
    first = desk.expect(action(version, "StartTransaction"))
    desk.run(30)
    assert len(desk.out(Drop)) == 1
    assert [(each.seq, each.new_message_id) for each in desk.out(Failed)] == [(1, False)]
    desk.calls.clear()
    desk.close()
    desk.run(5)
    desk.open()
    desk.answer_all("StatusNotification")
    assert not desk.calls
    desk.run(55)
    again = desk.expect(action(version, "StartTransaction"))
    assert (again.message_id, again.payload) == (first.message_id, first.payload)
    desk.answer(again, accepted(version))
    assert desk.heard(FactAnswered)[-1].retransmitted


@both
@pytest.mark.req("OCPP 1.6 §3.7.1")
def test_a_lost_link_is_no_attempt(version: str) -> None:
    desk = booted(version)
    desk.record(started(desk.stamp()))
    first = desk.expect(action(version, "StartTransaction"))
    for _ in range(10):
        desk.lose()
        desk.open()
        again = desk.expect(action(version, "StartTransaction"))
        assert (again.message_id, again.payload) == (first.message_id, first.payload)
    assert not desk.out(Failed)
    assert desk.journal[0].attempts == 0


@both
def test_attempts_survive_a_restart(version: str) -> None:
    desk = booted(version, **{"OCPPCommCtrlr.MessageAttempts[TransactionEvent]": "2"})
    desk.record(started(desk.stamp()))
    desk.refuse(desk.expect(action(version, "StartTransaction")))
    desk.lose()
    desk.run(50)
    desk.restart()
    desk.boot()
    desk.run(60)
    desk.refuse(desk.expect(action(version, "StartTransaction")))
    assert desk.dead == [1]


@both
@pytest.mark.req("OCPP 1.6 §3.7.1")
def test_a_restart_does_not_shorten_the_wait_after_a_failure(version: str) -> None:
    desk = booted(version, **{"OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "60"})
    desk.record(started(desk.stamp()))
    desk.refuse(desk.expect(action(version, "StartTransaction")))
    desk.run(20)
    desk.lose()
    desk.restart()
    desk.boot()
    desk.run(39)
    assert not desk.calls
    desk.run(1)
    desk.expect(action(version, "StartTransaction"))


@both
def test_a_clock_that_was_set_back_does_not_make_the_wait_longer_than_it_was(version: str) -> None:
    desk = booted(version, **{"OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "60"})
    desk.record(started(desk.stamp()))
    desk.refuse(desk.expect(action(version, "StartTransaction")))
    desk.lose()
    row = desk.journal[0]
    assert row.retry_at is not None
    tomorrow = Stamp(boot_id="b0", mono_s=0.0, utc_s=(row.retry_at.utc_s or 0.0) + 86_400)
    desk.journal[0] = replace(row, retry_at=tomorrow)
    desk.restart()
    desk.boot()
    desk.run(60)
    desk.expect(action(version, "StartTransaction"))


@both
@pytest.mark.req("OCPP 1.6 §4.10")
@pytest.mark.parametrize("answer", [{}, {"transactionId": "x"}, {"idTokenInfo": 5, "idTagInfo": 5}])
def test_whatever_the_answer_contains_the_fact_has_left_the_queue(version: str, answer: dict[str, Any]) -> None:
    desk = booted(version)
    desk.record(started(desk.stamp()), ended(desk.stamp()))
    desk.answer(desk.expect(action(version, "StartTransaction")), answer)
    stop = desk.expect(action(version, "StopTransaction"))
    assert number_of(stop.payload) == (-1 if version == "1.6" else TRANSACTION)


def test_a_frame_that_breaks_off_in_the_answer_is_a_failed_attempt() -> None:
    desk = booted("1.6")
    desk.record(started(desk.stamp()))
    call = desk.expect("StartTransaction")
    desk.calls.clear()
    desk.say(f'[3,"{call.message_id}",')
    assert len(desk.out(Failed)) == 1


@pytest.mark.req("quirk T7")
@pytest.mark.req("OCPP 1.6 errata 3.54")
@pytest.mark.parametrize("number", [0, -5, 1_795_176_000, 2**40])
def test_any_number_of_the_csms_is_a_name(number: int) -> None:
    desk = booted("1.6")
    desk.record(started(desk.stamp()), ended(desk.stamp()))
    desk.answer(desk.expect("StartTransaction"), accepted("1.6", number))
    assert number_of(desk.expect("StopTransaction").payload) == number


@pytest.mark.req("quirk T6")
def test_a_repeated_start_that_comes_back_refused_without_a_number_gives_no_name() -> None:
    desk = booted("1.6")
    desk.record(started(desk.stamp()), ended(desk.stamp()))
    desk.expect("StartTransaction")
    desk.lose()
    desk.open()
    refused = {"transactionId": 0, "idTagInfo": {"status": "ConcurrentTx"}}
    desk.answer(desk.expect("StartTransaction"), refused)
    heard = desk.heard(FactAnswered)[-1]
    assert (heard.csms_id, heard.retransmitted) == (None, True)
    assert heard.verdict is not None
    assert heard.verdict.verdict is Verdict.CONCURRENT
    assert number_of(desk.expect("StopTransaction").payload) == -1


@both
def test_facts_wait_for_the_stations_clock_and_the_first_rendering_fixes_their_time(version: str) -> None:
    desk = Desk(version=version, utc_known=False)
    at = Stamp(boot_id="b1", mono_s=desk.now_s - 60)
    desk.boot()
    desk.record(started(at), updated(at))
    desk.run(10)
    assert not desk.calls
    desk.utc_known = True
    desk.run(1)
    start = desk.expect(action(version, "StartTransaction"))
    assert start.payload["timestamp"] == "2026-11-20T11:59:00.000Z"
    assert [each.utc_s for each in desk.out(MarkSent)] == [1_795_175_940.0]
    assert desk.journal[0].utc_s == 1_795_175_940.0


@both
def test_a_fact_that_knew_its_time_fixes_nothing_and_is_marked_once(version: str) -> None:
    desk = booted(version)
    desk.record(started(desk.stamp()))
    desk.lose()
    desk.open()
    assert [each.utc_s for each in desk.out(MarkSent)] == [None]


def test_a_fact_that_the_version_has_no_message_for_counts_as_delivered() -> None:
    desk = booted("1.6")
    desk.record(updated(desk.stamp(), samples=()))
    assert not desk.calls
    assert desk.out(Acknowledged) == [Acknowledged(seq=1, csms_id=None)]


@both
def test_a_fact_that_cannot_be_written_goes_to_the_dead_letters_with_its_reason(version: str) -> None:
    desk = booted(version)
    desk.record(started(desk.stamp(), token=IdToken(value="X" * 40)), updated(desk.stamp()))
    assert desk.dead == [1]
    assert "length" in desk.out(GiveUp)[0].error
    desk.expect(action(version, "MeterValues"))


@both
def test_a_row_that_comes_too_late_for_its_moment_is_not_sent(version: str) -> None:
    desk = booted(version)
    desk.take(desk.session.authorize(1, CARD, desk.now_s))
    desk.record(started(desk.stamp()))
    desk.take(desk.session.deliver(desk.journal[0], desk.now_s))
    desk.expect("Authorize")


@pytest.mark.req("OCPP 1.6 §3.7")
@both
def test_two_hundred_facts_drain_one_after_the_other(version: str) -> None:
    desk = booted(version)
    desk.record(*(updated(desk.stamp(), seq_no=number) for number in range(200)))
    for _ in range(200):
        desk.answer(desk.expect(action(version, "MeterValues")))
    assert not desk.journal
