"""The bench's CSMS on 1.6, proven by the `ocpp` package's own charge point and by a raw one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ocpp.v16 import ChargePoint, call
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from hil.csms_link import CsmsLink, CsmsRefused, CsmsUnreachable
from hil.csms_server import Csms, Setting
from tests.contract.csms_client import ReferenceStation

T0, T1 = "2026-03-01T10:00:00.000Z", "2026-03-01T11:00:00.000Z"
START = {"connectorId": 1, "idTag": "04A2B3C4", "meterStart": 4711, "timestamp": T0}


@pytest.fixture
async def csms(tmp_path: Path) -> AsyncIterator[Csms]:
    async with Csms(Setting(directory=tmp_path)) as running:
        yield running


@pytest.fixture
async def link(csms: Csms) -> AsyncIterator[CsmsLink]:
    async with CsmsLink(csms.control_path) as connected:
        yield connected


@pytest.fixture
async def station(csms: Csms) -> AsyncIterator[ReferenceStation]:
    async with ReferenceStation(csms.url) as connected:
        yield connected


def stop(transaction_id: int, meter_stop: int = 5711) -> dict[str, Any]:
    return {"transactionId": transaction_id, "meterStop": meter_stop, "timestamp": T1, "reason": "Local"}


async def test_the_packages_own_charge_point_charges_and_the_book_is_exact(csms: Csms, link: CsmsLink) -> None:
    async with connect(csms.url + "CP7", subprotocols=[Subprotocol("ocpp1.6")]) as connection:
        point = ChargePoint("CP7", connection)
        task = asyncio.create_task(point.start())
        boot = await point.call(call.BootNotification(charge_point_model="M", charge_point_vendor="V"))
        assert (boot.status, boot.interval) == ("Accepted", 10)
        authorized = await point.call(call.Authorize(id_tag="CARD"))
        assert authorized.id_tag_info["status"] == "Accepted"
        await point.call(call.StatusNotification(connector_id=1, error_code="NoError", status="Preparing"))
        started = await point.call(call.StartTransaction(connector_id=1, id_tag="CARD", meter_start=100, timestamp=T0))
        sampled = [{"value": "0.55", "unit": "kWh"}, {"value": "16.0", "measurand": "Current.Import", "unit": "A"}]
        await point.call(
            call.MeterValues(
                connector_id=1,
                transaction_id=started.transaction_id,
                meter_value=[{"timestamp": T0, "sampled_value": sampled}],
            )
        )
        await point.call(
            call.StopTransaction(meter_stop=1100, timestamp=T1, transaction_id=started.transaction_id, reason="Local")
        )
        task.cancel()
    (row,) = await link.transactions()
    assert (row["start_wh"], row["stop_wh"], row["energy_wh"], row["stop_reason"]) == (100, 1100, 1000, "Local")
    assert (row["id_token"], row["connector_id"], row["start_utc"], row["stop_utc"]) == ("CARD", 1, T0, T1)
    assert [each["register_wh"] for each in row["samples"]] == [550]
    assert await link.problems() == []
    arrivals = (await link.ask("ledger"))["arrivals"]
    assert [each["action"] for each in arrivals] == [
        "BootNotification", "Authorize", "StatusNotification", "StartTransaction", "MeterValues", "StopTransaction",
    ]  # fmt: skip


async def test_a_retry_with_the_same_message_id_gets_the_same_answer_and_is_booked_once(
    link: CsmsLink, station: ReferenceStation
) -> None:
    first = await station.accepted("StartTransaction", START, "m1")
    assert await station.accepted("StartTransaction", START, "m1") == first
    number = first["transactionId"]
    await station.accepted("StopTransaction", stop(number), "m2")
    await station.accepted("StopTransaction", stop(number), "m2")
    (row,) = await link.transactions()
    assert row["duplicates"] == {"StartTransaction": 1, "StopTransaction": 1}
    assert row["doubled"] == {}
    assert await link.problems() == []


async def test_the_same_content_under_a_new_message_id_is_counted_as_doubled(
    link: CsmsLink, station: ReferenceStation
) -> None:
    first = await station.accepted("StartTransaction", START, "m1")
    second = await station.accepted("StartTransaction", START, "m2")
    assert second["transactionId"] != first["transactionId"]
    await station.accepted("StopTransaction", stop(first["transactionId"]), "m3")
    await station.accepted("StopTransaction", stop(first["transactionId"]), "m4")
    kinds = [each["kind"] for each in await link.problems()]
    assert kinds == ["doubled", "doubled", "open"]


async def test_a_message_id_used_again_for_other_content_is_a_problem(
    link: CsmsLink, station: ReferenceStation
) -> None:
    await station.accepted("StartTransaction", START, "m1")
    await station.accepted("StartTransaction", {**START, "connectorId": 2}, "m1")
    assert "id_reused" in [each["kind"] for each in await link.problems()]
    assert len(await link.transactions()) == 2


async def test_callerror_is_given_as_often_as_scripted_and_books_nothing(
    link: CsmsLink, station: ReferenceStation
) -> None:
    await link.ask("script", action="StartTransaction", reply="callerror", code="GenericError", times=2)
    for message_id in ("m1", "m2"):
        answer = await station.send("StartTransaction", START, message_id)
        assert answer[:3] == [4, message_id, "GenericError"]
    assert await link.transactions() == []
    assert (await station.send("StartTransaction", START, "m3"))[0] == 3


async def test_a_rule_for_an_action_that_does_not_exist_is_refused(link: CsmsLink) -> None:
    with pytest.raises(CsmsRefused, match="did you mean 'StopTransaction'"):
        await link.ask("script", action="StopTransacton", reply="callerror")
    assert (await link.ask("script"))["rules"] == {}
    assert "*" in (await link.ask("script", action="*", reply="late", seconds=1))["rules"]


async def test_callerror_for_ever_to_a_stop_leaves_the_transaction_open_and_counts_the_refusals(
    link: CsmsLink, station: ReferenceStation
) -> None:
    number = (await station.accepted("StartTransaction", START))["transactionId"]
    await link.ask("script", action="StopTransaction", reply="callerror", code="InternalError")
    for _ in range(3):
        assert (await station.send("StopTransaction", stop(number)))[2] == "InternalError"
    (row,) = await link.transactions()
    assert (row["refused"], row["ended"]) == ({"StopTransaction": 3}, False)
    later = await station.accepted("StartTransaction", {**START, "timestamp": T1})
    assert later["transactionId"] == number + 1
    assert {each["kind"] for each in await link.problems()} == {"open"}


async def test_a_silent_csms_books_the_message_and_answers_the_retry(link: CsmsLink, station: ReferenceStation) -> None:
    await link.ask("script", action="StartTransaction", reply="silent", times=1)
    pending = asyncio.create_task(station.send("StartTransaction", START, "m1"))
    await link.wait("StartTransaction")
    pending.cancel()
    (row,) = await link.transactions()
    answer = await station.accepted("StartTransaction", START, "m1")
    assert str(answer["transactionId"]) == row["transaction_id"]
    assert (await link.transactions())[0]["duplicates"] == {"StartTransaction": 1}


async def test_a_silent_csms_may_also_have_lost_the_message(link: CsmsLink, station: ReferenceStation) -> None:
    await link.ask("script", action="StartTransaction", reply="silent", booked=False, times=1)
    pending = asyncio.create_task(station.send("StartTransaction", START, "m1"))
    await link.wait("StartTransaction")
    pending.cancel()
    assert await link.transactions() == []


async def test_a_late_answer_comes_late_while_others_are_answered_at_once(
    link: CsmsLink, station: ReferenceStation
) -> None:
    await link.ask("script", action="Authorize", reply="late", seconds=0.5, times=1)
    late = asyncio.create_task(station.send("Authorize", {"idTag": "CARD"}, "late"))
    await link.wait("Authorize")
    await station.accepted("Heartbeat", {})
    assert not late.done()
    assert (await late)[1] == "late"
    called = (await link.wait("Authorize"))[0]["at_s"]
    answered = (await link.wait("Authorize", kind="result", direction="out"))[0]["at_s"]
    assert answered - called >= 0.5


async def test_a_patched_result_goes_out_unchecked(link: CsmsLink, station: ReferenceStation) -> None:
    patch = {"transactionId": None, "idTagInfo": {"status": "Nonsense"}}
    await link.ask("script", action="StartTransaction", reply="result", patch=patch, times=1)
    assert await station.accepted("StartTransaction", START) == {"idTagInfo": {"status": "Nonsense"}}


async def test_registration_clock_and_tokens_follow_the_script(link: CsmsLink, station: ReferenceStation) -> None:
    boot = {"chargePointVendor": "V", "chargePointModel": "M"}
    await link.ask("script", boot="Pending", interval_s=7, clock={"text": "yesterday"})
    answer = await station.accepted("BootNotification", boot)
    assert answer == {"status": "Pending", "interval": 7, "currentTime": "yesterday"}
    await link.ask("script", clock={"skew_s": 86400}, boot="Accepted")
    skewed = datetime.fromisoformat((await station.accepted("Heartbeat", {}))["currentTime"])
    assert 86300 < (skewed - datetime.now(UTC)).total_seconds() <= 86400
    tokens = {"CARD1": {"status": "Blocked", "parent": "FLEET"}, "CARD2": "Accepted"}
    await link.ask("script", tokens=tokens, strict=True)
    assert await station.accepted("Authorize", {"idTag": "card1"}) == {
        "idTagInfo": {"status": "Blocked", "parentIdTag": "FLEET"}
    }
    assert (await station.accepted("Authorize", {"idTag": "CARD2"}))["idTagInfo"]["status"] == "Accepted"
    assert (await station.accepted("Authorize", {"idTag": "CARD3"}))["idTagInfo"]["status"] == "Invalid"


async def test_a_schema_violation_is_refused_by_the_package_and_held_against_the_station(
    link: CsmsLink, station: ReferenceStation
) -> None:
    answer = await station.send("StartTransaction", {**START, "meterStart": "a lot"})
    assert answer[2] == "TypeConstraintViolation"
    assert (await station.send("Heartbeat", {"mood": "good"}))[2] in ("FormatViolation", "FormationViolation")
    assert (await station.send("Dance", {}))[2] == "NotSupported"
    problems = await link.problems()
    assert [each["kind"] for each in problems] == ["schema", "schema", "schema"]
    assert "meterStart" in problems[0]["text"] or "a lot" in problems[0]["text"]
    assert await link.transactions() == []


async def test_garbage_and_stray_answers_are_held_against_the_station(
    link: CsmsLink, station: ReferenceStation
) -> None:
    assert station.connection is not None
    for frame in (
        "not json",
        "{}",
        '[3,"nobody",{}]',
        b"\x00\x01",
        '[2,17,"Heartbeat",{}]',
        '[9,"x"]',
        "[]",
        '[4,["x"],"a","b",{}]',
    ):
        await station.connection.send(frame)
    await station.accepted("Heartbeat", {})
    assert [each["kind"] for each in await link.problems()] == ["frame"] * 8


async def test_the_csms_calls_the_station_and_returns_its_answer(link: CsmsLink, station: ReferenceStation) -> None:
    station.replies["RemoteStartTransaction"] = [3, None, {"status": "Accepted"}]
    answer = await link.call("RemoteStartTransaction", {"idTag": "CARD", "connectorId": 1})
    assert answer["payload"] == {"status": "Accepted"}
    station.replies["Reset"] = [4, None, "NotSupported", "no", {"why": "test"}]
    answer = await link.call("Reset", {"type": "Soft"}, identity="CP1")
    assert answer["error"] == {"code": "NotSupported", "text": "no", "details": {"why": "test"}}
    assert await link.problems() == []


async def test_an_answer_that_breaks_the_schema_is_returned_and_held_against_the_station(
    link: CsmsLink, station: ReferenceStation
) -> None:
    station.replies["ClearCache"] = [3, None, {"status": "Perhaps"}]
    assert (await link.call("ClearCache"))["payload"] == {"status": "Perhaps"}
    assert [each["kind"] for each in await link.problems()] == ["schema"]


async def test_a_call_that_is_not_answered_or_not_valid_is_refused_with_the_reason(
    link: CsmsLink, station: ReferenceStation
) -> None:
    station.replies["ClearCache"] = None
    with pytest.raises(CsmsRefused, match="did not answer ClearCache within"):
        await link.call("ClearCache", timeout_s=0.1)
    with pytest.raises(CsmsRefused, match="not valid"):
        await link.call("Reset", {"type": "Gently"})
    with pytest.raises(CsmsRefused, match="'CP9' is not connected, connected are: CP1"):
        await link.call("ClearCache", identity="CP9")
    station.replies["Reset"] = [4, None, "FormationViolation", "", {}]
    assert (await link.call("Reset", {"type": "Gently"}, checked=False))["error"]["code"] == "FormationViolation"


async def test_a_station_that_is_not_registered_may_only_boot_until_it_is_asked_for_more(
    link: CsmsLink, station: ReferenceStation
) -> None:
    boot = {"chargePointVendor": "V", "chargePointModel": "M"}
    await link.ask("script", boot="Pending")
    await station.accepted("BootNotification", boot)
    await station.accepted("BootNotification", boot)
    assert await link.problems() == []
    await station.accepted("Heartbeat", {})
    assert [each["kind"] for each in await link.problems()] == ["unregistered"]
    station.replies["TriggerMessage"] = [3, None, {"status": "Accepted"}]
    await link.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    await station.accepted("Heartbeat", {})
    await link.ask("script", boot="Accepted")
    await station.accepted("BootNotification", boot)
    await station.accepted("Heartbeat", {})
    assert len(await link.problems()) == 1
    assert (await link.ask("stations"))[0]["boot"] == boot


async def test_a_call_while_the_one_before_is_unanswered_is_held_against_the_station(
    link: CsmsLink, station: ReferenceStation
) -> None:
    await link.ask("script", action="Authorize", reply="silent", times=1)
    pending = asyncio.create_task(station.send("Authorize", {"idTag": "CARD"}))
    await link.wait("Authorize")
    await station.accepted("Heartbeat", {})
    await station.accepted("Heartbeat", {})
    pending.cancel()
    (problem,) = await link.problems()
    assert (problem["kind"], problem["text"]) == ("pipelined", "Heartbeat while Authorize was unanswered")


async def test_two_transactions_on_one_outlet_overlap(link: CsmsLink, station: ReferenceStation) -> None:
    await station.accepted("StartTransaction", START)
    await station.accepted("StartTransaction", {**START, "timestamp": T1})
    assert "overlap" in [each["kind"] for each in await link.problems()]


async def test_waiting_selects_by_payload_and_gives_up_with_what_was_seen(
    link: CsmsLink, station: ReferenceStation
) -> None:
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
    waiting = asyncio.create_task(link.wait("StatusNotification", where={"status": "Charging"}, timeout_s=5))
    await station.accepted("StatusNotification", {**status, "status": "Available"})
    assert not waiting.done()
    await station.accepted("StatusNotification", status)
    assert (await waiting)[0]["payload"] == status
    since = await link.last_seq()
    with pytest.raises(CsmsRefused, match="0 of 1 wanted frames within 0 s; seen since: \\[\\]"):
        await link.wait("StatusNotification", since=since, timeout_s=0)
    cards = await link.ask("stations")
    assert cards[0]["status"] == {"1": "Charging"}


async def test_waiting_for_the_book_ends_when_enough_transactions_are_closed(
    link: CsmsLink, station: ReferenceStation
) -> None:
    waiting = asyncio.create_task(link.ask("wait", closed=1, open=0, timeout_s=5))
    number = (await station.accepted("StartTransaction", START))["transactionId"]
    await station.accepted("StopTransaction", stop(number))
    assert (await waiting)["transactions"][0]["energy_wh"] == 1000


async def test_disconnect_closes_with_the_code_or_drops_the_line(csms: Csms, link: CsmsLink) -> None:
    async with ReferenceStation(csms.url) as station:
        await link.ask("disconnect", code=1012, reason="restart")
        await link.wait(kind="disconnected")
        assert station.connection is not None
        assert station.connection.close_code == 1012
    since = await link.last_seq()
    async with connect(csms.url + "CP2", subprotocols=[Subprotocol("ocpp1.6")]) as connection:
        await link.wait(kind="connected", identity="CP2")
        await link.ask("disconnect", identity="CP2", abort=True)
        await connection.wait_closed()
        assert connection.close_code == 1006
    await link.wait(kind="disconnected", since=since)


async def test_a_second_connection_of_the_same_station_replaces_the_first(csms: Csms, link: CsmsLink) -> None:
    async with ReferenceStation(csms.url) as old, ReferenceStation(csms.url) as new:
        await link.wait(kind="disconnected")
        await new.accepted("Heartbeat", {})
        assert old.connection is not None
        assert old.connection.close_code == 1000
        (card,) = await link.ask("stations")
        assert (card["connected"], card["connections"]) == (True, 2)


async def test_clear_begins_a_new_book_but_never_gives_a_transaction_id_again(
    link: CsmsLink, station: ReferenceStation
) -> None:
    first = (await station.accepted("StartTransaction", START))["transactionId"]
    await link.ask("clear")
    assert await link.transactions() == []
    assert (await station.accepted("StartTransaction", START))["transactionId"] == first + 1


async def test_the_verbs_describe_themselves(link: CsmsLink) -> None:
    verbs = {each["name"]: each for each in await link.ask("verbs")}
    assert {"script", "ledger", "messages", "call", "send", "stations", "wait", "disconnect", "stop"} <= set(verbs)
    assert all(each["summary"] for each in verbs.values())


async def test_wrong_verbs_and_arguments_say_what_was_expected(link: CsmsLink) -> None:
    for verb, args, text in (
        ("dance", {}, "no verb 'dance', expected one of call, clear"),
        ("ledger", {"station": "x"}, "no parameter 'station', expected one of identity"),
        ("script", {"boot": "Maybe"}, "boot is 'Maybe', expected one of Accepted, Pending, Rejected"),
        ("script", {"action": "Heartbeat", "reply": "loud"}, "reply is 'loud', expected one of ok, callerror"),
        ("script", {"reply": "ok"}, "reply without action, expected the name of an action or '*'"),
        ("script", {"clock": {"speed": 2}}, "clock: unknown key 'speed', expected one of skew_s, text"),
        ("script", {"tokens": {"A": "Fine"}}, "status of token A 'Fine' is unknown, expected one of Accepted"),
        ("wait", {"timeout_s": -1}, "timeout_s is -1.0, expected a finite number in 0-3600 s"),
        ("wait", {"kind": "letter"}, "kind is 'letter', expected one of call, result, error, garbage"),
        ("wait", {"count": "two"}, "count is 'two', expected a whole number"),
        ("send", {"text": "half \ud800"}, r"text is 'half \ud800', expected a text in UTF-8"),
        ("call", {"action": "A", "payload": {"a": [float("inf")]}}, "payload: inf is in it, expected finite numbers"),
        ("wait", {"timeout_s": float("nan")}, "timeout_s is nan, expected a finite number in 0-3600 s"),
        ("disconnect", {}, "station None is not connected, connected are: none"),
    ):
        with pytest.raises(CsmsRefused) as refused:
            await link.ask(verb, **args)
        assert text in str(refused.value)


async def test_a_link_without_a_csms_says_so(tmp_path: Path) -> None:
    with pytest.raises(CsmsUnreachable, match="no CSMS at"):
        await CsmsLink(tmp_path / "csms.sock").connect()
    with pytest.raises(CsmsUnreachable, match="not connected"):
        await CsmsLink(tmp_path / "csms.sock").ask("state")


async def test_open_questions_fail_when_the_csms_goes_away(tmp_path: Path) -> None:
    async with Csms(Setting(directory=tmp_path)) as csms, CsmsLink(csms.control_path) as link:
        waiting = asyncio.create_task(link.wait("Heartbeat", timeout_s=60))
        await link.ask("state")
        await csms.__aexit__()
        with pytest.raises(CsmsUnreachable):
            await waiting


@pytest.mark.parametrize("frame", ["[" * 900 + "]" * 900, "[" * 99_999, '[3,"1",{"a":NaN}]', '[3,"1",{"a":1e999}]'])
async def test_a_frame_that_no_parser_should_like_is_garbage_both_ways_and_the_station_stays(
    csms: Csms, link: CsmsLink, frame: str
) -> None:
    async with connect(csms.url + "CP1", subprotocols=[Subprotocol("ocpp1.6")]) as connection, asyncio.timeout(5):
        assert await link.ask("send", text=frame) == {}
        assert await connection.recv() == frame
        await connection.send(frame)
        await connection.send('[2,"7","Heartbeat",{}]')
        assert str(await connection.recv()).startswith('[3,"7",')
    found = (await link.ask("messages", direction="out"))["frames"]
    assert [each["kind"] for each in found] == ["garbage", "result"]
    assert [each["kind"] for each in await link.problems()] == ["frame"]
