"""A CSMS that refuses, is late, or says nothing: attempts as configured, the dead letter, and then the next."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from tests.process.houses import CARD, OTHER_CARD, STOP_ACTION, VERSIONS, options, stay, wanted, world

pytestmark = pytest.mark.process

TWO_ATTEMPTS = {"TransactionMessageAttempts": "2", "TransactionMessageRetryInterval": "1"}
IMPATIENT = {"MessageTimeout": "2", "TransactionMessageRetryInterval": "1"}


@pytest.mark.req("quirk T8")
@pytest.mark.req("OCPP 1.6 §3.7.1; OCPP 2.0.1 E13")
@pytest.mark.parametrize("ocpp", VERSIONS)
async def test_a_stop_that_is_refused_for_ever_becomes_a_dead_letter_and_the_next_one_goes(ocpp: str) -> None:
    async with stay(options(ocpp, variables={**TWO_ATTEMPTS, "MeterValueSampleInterval": "0"})) as house:
        await house.online()
        await house.begin()
        await house.until(lambda status: status["store"]["waiting"] == 0)
        since = await house.csms.last_seq()
        await house.csms.ask("script", action=STOP_ACTION[ocpp], reply="callerror", code="InternalError")
        await house.end(charged_s=2.0)
        await house.until(lambda status: status["store"]["dead"] > 0 and status["store"]["waiting"] == 0)
        tried = await house.frames(STOP_ACTION[ocpp], since=since)
        last = tried[-1]["payload"]
        pair = [each for each in tried if each["payload"] == last]
        assert len(pair) == 2, "attempts are not what TransactionMessageAttempts says"
        assert len({each["message_id"] for each in tried}) == len(tried), "a refused message came again under its id"
        assert pair[1]["at_s"] - pair[0]["at_s"] >= 1.0
        queue = await house.queue()
        assert queue["waiting"] == 0
        (dead, *_) = [row for row in queue["rows"] if row["kind"] == "ended"]
        assert dead["state"] == "dead"
        assert dead["attempts"] == 2
        assert "InternalError" in dead["last_error"]
        await house.csms.ask("script", action=STOP_ACTION[ocpp], reply="ok")
        await house.begin(OTHER_CARD)
        await house.end(OTHER_CARD, charged_s=2.0)
        first, second = await house.delivered(1)
        assert not first["ended"]
        assert second["ended"]
        assert second["id_token"] == OTHER_CARD
        meter = (await house.bench.state())["evses"]["1"]["energisings"][1]
        assert (second["start_wh"], second["stop_wh"]) == (meter["closed_wh"], meter["opened_wh"])
        assert {each["kind"] for each in await house.csms.problems()} == {"open"}


@pytest.mark.req("OCPP 1.6 errata 3.18")
async def test_a_start_that_was_given_up_leaves_its_transaction_without_a_number() -> None:
    async with stay(options(variables=TWO_ATTEMPTS)) as house:
        await house.online()
        await house.csms.ask("script", action="StartTransaction", reply="callerror")
        await house.begin()
        await wanted(house, "StartTransaction", count=2)
        await wanted(house, "MeterValues")
        await house.end()
        (stop,) = await wanted(house, "StopTransaction")
        assert stop["payload"]["transactionId"] == -1
        assert {each["payload"]["transactionId"] for each in await house.frames("MeterValues")} == {-1}
        await house.until(lambda status: status["store"] | {"waiting": 0, "dead": 1} == status["store"])


@pytest.mark.parametrize("ocpp", ["1.6"])
async def test_a_late_answer_drops_the_link_and_the_same_message_goes_again(ocpp: str) -> None:
    action = "StartTransaction" if ocpp == "1.6" else "TransactionEvent"
    async with stay(options(ocpp, variables=IMPATIENT)) as house:
        await house.online()
        await house.csms.ask("script", action=action, reply="late", seconds=4, times=1)
        await house.begin()
        (first,) = await wanted(house, action)
        (again,) = await wanted(house, action, since=first["seq"])
        assert again["text"] == first["text"]
        assert again["connection"] == first["connection"] + 1, "the link was not dropped"
        assert 2.0 <= again["at_s"] - first["at_s"] < 8.0
        await house.end()
        (row,) = await house.exact(1)
        assert row["duplicates"] == {action: 1}


@pytest.mark.parametrize("ocpp", ["2.0.1"])
async def test_a_csms_that_says_nothing_about_a_card_leaves_it_to_the_offline_rules(ocpp: str) -> None:
    async with stay(options(ocpp, variables=IMPATIENT)) as house:
        await house.online()
        await house.learn(CARD)
        await house.csms.ask("script", action="Authorize", reply="silent")
        await house.begin(CARD)
        await house.until(lambda status: status["csms"]["online"])
        await house.end()
        (row,) = await house.exact(1)
        assert row["id_token"] == CARD
        await house.plug()
        await house.plugged()
        await house.tap(OTHER_CARD)  # nobody ever vouched for this one
        await house.house.child("agent").says("authorization.refused", timeout_s=20)
        assert len((await house.bench.state())["evses"]["1"]["energisings"]) == 1


@pytest.mark.req("OCPP 1.6 §4.2; OCPP 2.0.1 B01-B03")
@pytest.mark.parametrize("ocpp", VERSIONS)
async def test_nothing_but_boot_notifications_leave_a_station_that_is_not_accepted(ocpp: str) -> None:
    async with world(options(ocpp, variables=IMPATIENT)) as house:
        await house.csms.ask("script", action="BootNotification", reply="silent", times=1, booked=False)
        await house.csms.ask("script", boot="Pending", interval_s=1)
        await house.house.start_station()
        unanswered, pending, *_ = await wanted(house, "BootNotification", count=3)
        assert pending["connection"] == unanswered["connection"] + 1
        asked = "GetConfiguration" if ocpp == "1.6" else "GetVariables"
        wish: dict[str, Any] = (
            {} if ocpp == "1.6" else {"getVariableData": [_variable("OCPPCommCtrlr", "HeartbeatInterval")]}
        )
        answer = await house.csms.call(asked, wish)
        assert "payload" in answer, "a pending station answers the CSMS's questions"
        start, wish = (
            ("RemoteStartTransaction", {"idTag": CARD, "connectorId": 1})
            if ocpp == "1.6"
            else ("RequestStartTransaction", {"idToken": {"idToken": CARD, "type": "Local"}, "remoteStartId": 7})
        )
        assert (await house.csms.call(start, wish))["payload"]["status"] == "Rejected"
        await house.ready()
        since = await house.csms.last_seq()
        await house.csms.ask("script", boot="Rejected", interval_s=1)
        boots = await wanted(house, "BootNotification", since=since, count=3)
        assert all(later["at_s"] - sooner["at_s"] >= 0.95 for sooner, later in itertools.pairwise(boots))
        assert {each["action"] for each in await house.frames()} == {"BootNotification"}
        await house.csms.ask("script", boot="Accepted", interval_s=60)
        accepted_s = time.monotonic()
        await wanted(house, "StatusNotification")
        assert time.monotonic() - accepted_s < 5.0
        assert await house.csms.problems() == []


def _variable(component: str, variable: str) -> dict[str, object]:
    return {"component": {"name": component}, "variable": {"name": variable}}
