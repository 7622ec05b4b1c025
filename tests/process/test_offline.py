"""The CSMS is gone: for a charge, for two, during a start or a stop. Nothing is lost, nothing is told twice."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.process.houses import (
    CARD,
    OTHER_CARD,
    START_ACTION,
    STARTED,
    STOP_ACTION,
    STRANGER,
    VERSIONS,
    Stay,
    options,
    stay,
    took_s,
    utc_s,
    wanted,
)

pytestmark = pytest.mark.process


def lane(frames: list[dict[str, Any]]) -> list[str]:
    """Name the transaction messages of a list of frames, in order."""
    names = {"StartTransaction": "start", "StopTransaction": "stop", "MeterValues": "update"}
    kinds = {"Started": "start", "Updated": "update", "Ended": "stop"}
    return [
        kinds[each["payload"]["eventType"]] if each["action"] == "TransactionEvent" else names[each["action"]]
        for each in frames
        if each["action"] in (*names, "TransactionEvent")
    ]


async def check_delivery(house: Stay, rows: list[dict[str, Any]], since: int, back_s: float) -> None:
    """Everything in order, once, with the times at which it happened, and the present status only."""
    frames = await house.frames(since=since)
    assert len({each["message_id"] for each in frames}) == len(frames), "a message was sent twice"
    told = lane(frames)
    expected = ["start", "stop"] * len(rows)
    assert [each for each in told if each != "update"] == expected
    assert told[0] == "start"
    assert told[-1] == "stop"
    for row in rows:
        assert utc_s(row["start_utc"]) < utc_s(row["stop_utc"]) < time.time() - (time.monotonic() - back_s)
        assert row["samples"]
        if house.ocpp == "2.0.1":
            assert row["offline_events"] == len(row["seq_nos"])
    now = (await house.csms.ask("stations"))[0]["status"]
    for frame in await house.frames("StatusNotification", since=since):
        said = frame["payload"].get("status") or frame["payload"]["connectorStatus"]
        assert said in now.values(), "a status of the past was reported"


@pytest.mark.req("OCPP 1.6 §3.7")
@pytest.mark.parametrize("ocpp", VERSIONS)
@pytest.mark.octt("TC_039_CS")
async def test_a_whole_charge_without_the_csms_is_told_afterwards_with_its_own_times(ocpp: str) -> None:
    async with stay(options(ocpp)) as house:
        await house.online()
        await house.learn(CARD)
        since = await house.cut_off()
        closed_s = await house.begin()
        opened_s = await house.end()
        await house.idle()
        assert (await house.queue())["waiting"] >= 3
        back_s = time.monotonic()
        await house.bench.net(mode="up")
        (row,) = await house.exact(1)
        await check_delivery(house, [row], since, back_s)
        assert row["id_token"] == CARD
        assert row["stop_reason"] in (None, "Local")
        wall_s = time.time() - time.monotonic()
        assert -1.0 < utc_s(row["stop_utc"]) - (wall_s + opened_s) < 1.0
        assert -1.5 < utc_s(row["start_utc"]) - (wall_s + closed_s) < 0.5
        assert (await house.queue())["waiting"] == 0


@pytest.mark.req("OCPP 1.6 §3.7")
@pytest.mark.parametrize(("ocpp", "killed"), [("1.6", True), ("2.0.1", False)])
async def test_two_charges_without_the_csms_keep_their_order_even_if_the_agent_dies_between(
    ocpp: str, killed: bool
) -> None:
    async with stay(options(ocpp)) as house:
        await house.online()
        await house.learn(CARD, OTHER_CARD)
        since = await house.cut_off()
        await house.begin(CARD)
        await house.end(CARD)
        await house.idle()
        if killed:
            await house.house.kill("agent")
            await house.house.until(lambda: house.house.restarts["agent"] == 1, what="the agent's restart")
            await house.ready()
        await house.begin(OTHER_CARD)
        if killed:  # this time with a transaction running
            await house.house.kill("agent")
            await house.house.until(lambda: house.house.restarts["agent"] == 2, what="the agent's restart")
            await house.ready()
        await house.end(OTHER_CARD)
        await house.idle()
        back_s = time.monotonic()
        await house.bench.net(mode="up")
        rows = await house.exact(2)
        await check_delivery(house, rows, since, back_s)
        assert [row["id_token"] for row in rows] == [CARD, OTHER_CARD]
        assert utc_s(rows[0]["stop_utc"]) < utc_s(rows[1]["start_utc"])
        if ocpp == "1.6":
            ids = [frame["payload"]["transactionId"] for frame in await house.frames("StopTransaction")]
            assert [str(each) for each in ids] == [row["transaction_id"] for row in rows]


@pytest.mark.req("quirk T6")
@pytest.mark.parametrize(
    ("ocpp", "booked"), [("1.6", True), ("2.0.1", False)], ids=["the CSMS had it", "the CSMS never saw it"]
)
async def test_a_start_cut_off_from_its_answer_is_told_once(ocpp: str, booked: bool) -> None:
    async with stay(options(ocpp)) as house:
        await house.online()
        await house.csms.ask("script", action=START_ACTION[ocpp], reply="silent", booked=booked, times=1)
        await house.begin()
        (first,) = await wanted(house, START_ACTION[ocpp], where=STARTED[ocpp])
        await house.bench.net(mode="down")
        await house.until(lambda status: not status["csms"]["online"])
        await house.bench.net(mode="up")
        (again,) = await wanted(house, START_ACTION[ocpp], since=first["seq"], where=STARTED[ocpp])
        assert again["text"] == first["text"], "the repetition differs"
        await house.end()
        (row,) = await house.exact(1)
        assert row["duplicates"] == ({START_ACTION[ocpp]: 1} if booked else {})


@pytest.mark.parametrize("ocpp", ["2.0.1"])
async def test_a_stop_cut_off_from_its_answer_is_told_once(ocpp: str) -> None:
    async with stay(options(ocpp, variables={"MeterValueSampleInterval": "0"})) as house:
        await house.online()
        await house.begin()
        await house.until(lambda status: status["store"]["waiting"] == 0)
        since = await house.csms.last_seq()
        await house.csms.ask("script", action=STOP_ACTION[ocpp], reply="silent", times=1)
        await house.end(charged_s=2.0)
        (first,) = await wanted(house, STOP_ACTION[ocpp], since=since)
        await house.bench.net(mode="down")
        await house.until(lambda status: not status["csms"]["online"])
        await house.bench.net(mode="up")
        (again,) = await wanted(house, STOP_ACTION[ocpp], since=first["seq"])
        assert again["text"] == first["text"], "the repetition differs"
        (row,) = await house.exact(1)
        assert row["duplicates"] == {STOP_ACTION[ocpp]: 1}


async def test_a_card_that_nobody_knows_is_refused_without_the_csms() -> None:
    async with stay() as house:
        await house.online()
        await house.cut_off()
        await house.plug()
        await house.plugged()
        await house.tap(STRANGER)
        await house.house.child("agent").says("authorization.refused", timeout_s=10)
        assert not [value for _, _, value in await house.bench.trace("evse1.coil") if value]
        assert (await house.status())["evses"][0]["transaction"] is None


async def test_a_cached_card_is_refused_without_the_csms_where_the_cache_may_not_be_used() -> None:
    async with stay(options(variables={"LocalAuthorizeOffline": "false"})) as house:
        await house.online()
        await house.learn(CARD)
        await house.cut_off()
        await house.plug()
        await house.plugged()
        await house.tap(CARD)
        await house.house.child("agent").says("authorization.refused", timeout_s=10)
        assert not [value for _, _, value in await house.bench.trace("evse1.coil") if value]


async def test_a_stranger_who_was_let_in_without_the_csms_is_stopped_when_it_says_no() -> None:
    async with stay(options(extra={"authorization": "offline_unknown = true"})) as house:
        await house.online()
        await house.csms.ask("script", strict=True)
        await house.cut_off()
        closed_s = await house.begin(STRANGER)
        await house.bench.net(mode="up")
        await house.bench.wait("evse1.load", "==", False, since_s=closed_s, timeout_s=20)
        (row,) = await house.exact(1)
        assert row["stop_reason"] == "DeAuthorized"
        assert took_s(row) > 0
