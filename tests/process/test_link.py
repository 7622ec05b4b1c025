"""The link breaks in every way, and the raw server says what no library would: the agent stays alive and comes back."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any

import pytest

from hil.raw_server import Manners, RawLink, RawServer, answering
from tests.process.houses import Stay, options, stay, wanted, world

pytestmark = pytest.mark.process


@pytest.mark.req("quirk T22")
@pytest.mark.req("OCPP-J 1.6 §5.3; OCPP 2.0.1 part 4 §5.3")
async def test_a_half_open_link_is_noticed_within_ping_interval_and_time_out_and_the_charge_goes_on() -> None:
    async with stay(options(variables={"WebSocketPingInterval": "2"})) as house:
        await house.online()
        await house.begin()
        await wanted(house, "StartTransaction")
        dead_s = time.monotonic()
        await house.bench.net(mode="half_open")
        await house.until(lambda status: not status["csms"]["online"])
        assert time.monotonic() - dead_s < 2.0 + 5.0 + 2.0
        await house.bench.net(mode="up", forget=True)
        await house.until(lambda status: status["csms"]["online"])
        await house.end()
        await house.exact(1)
        assert len(await house.frames("BootNotification")) == 1, "a reconnect is no boot"
        assert len((await house.bench.state())["evses"]["1"]["energisings"]) == 1


@pytest.mark.req("quirk T2; quirk T21; quirk T24")
async def test_it_comes_back_after_every_kind_of_close() -> None:
    async with stay() as house:
        await house.online()
        for order in ({"code": 1000}, {"code": 1008}, {"code": 1011}, {"abort": True}):
            since = await house.csms.last_seq()
            await house.csms.ask("disconnect", **order)
            (gone,) = await house.csms.wait(since=since, kind="disconnected", timeout_s=20)
            (back,) = await house.csms.wait(since=since, kind="connected", timeout_s=20)
            assert back["at_s"] - gone["at_s"] >= 0.95, "an immediate reconnect can break a server"
        assert len(await house.frames("BootNotification")) == 1
        assert await house.csms.problems() == []


@pytest.mark.req("OCPP-J 1.6 §3.2, errata 3.4; quirk T2")
async def test_refused_upgrades_are_tried_again_with_back_off_and_the_cause_is_shown() -> None:
    async with world(options(variables={"OCPPCommCtrlr.RetryBackOffRepeatTimes": "1"})) as house:
        await house.csms.ask("script", upgrade=404, times=3)
        await house.house.start_station()
        refused = await house.csms.wait(kind="refused", count=3, timeout_s=20)
        waits = [later["at_s"] - sooner["at_s"] for sooner, later in itertools.pairwise(refused)]
        assert waits[0] >= 0.95
        assert waits[1] >= 1.95
        await house.until(lambda status: "404" in status["csms"]["error"] or status["csms"]["online"])
        await wanted(house, "BootNotification")
        await house.online()
        for status in (401, 500):
            since = await house.csms.last_seq()
            await house.csms.ask("script", upgrade=status, times=1)
            await house.csms.ask("disconnect", code=1001)
            await house.csms.wait(since=since, kind="refused", timeout_s=20)
            await house.until(lambda now, code=str(status): code in now["csms"]["error"])  # type: ignore[misc]
            await house.online()
        assert len(await house.frames("BootNotification")) == 1


async def test_a_csms_that_restarts_finds_the_station_again() -> None:
    async with stay() as house:
        await house.online()
        await house.house.restart_csms()
        await house.until(lambda status: status["csms"]["online"])
        await house.begin()
        await house.end()
        await house.exact(1)


# ---- what no library says --------------------------------------------------------------------------------------------


async def led_to(house: Stay, server: RawServer) -> None:
    """Lead the station's network to the raw server."""
    await house.bench.net_target(port=int(server.url.rstrip("/").rpartition(":")[2]))


async def alive(link: RawLink) -> None:
    """The agent answers a question of its CSMS."""
    await link.call("GetConfiguration", {"key": ["HeartbeatInterval"]}, message_id="alive")
    assert (await answer_to(link, "alive"))[0] == 3


async def answer_to(link: RawLink, message_id: str) -> list[Any]:
    """Wait for the station's answer to a CALL; other frames on the way are dropped."""
    async with asyncio.timeout(10):
        while (frame := await link.frame())[1] != message_id:
            pass
        return frame


async def test_garbage_from_the_csms_does_no_harm_and_wrong_calls_get_the_right_code() -> None:
    garbage: tuple[str | bytes, ...] = ("garbage", "{}", "[]", "[2]", '[3,"nobody",{}]', '[9,"x",{}]', b"\x00\xff", '"')
    async with world() as house, RawServer(manners=Manners(greeting=garbage), reply=answering()) as server:
        await led_to(house, server)
        await house.house.start_station()
        link = await server.accept()
        await link.frame("BootNotification")
        await link.frame("StatusNotification")
        for text in (
            "{" * 2000,
            '[2,"deep",' + "[" * 1000,
            '[3,"wrong",{}]',
            '[4,"wrong","NoSuchCode","",{}]',
            "[2,7,null]",
        ):
            await link.send_text(text)
        await link.send_binary(b'[2,"binary","ClearCache",{}]')
        await link.send_huge(200_000)
        await alive(link)
        wrong: list[tuple[str, Any, str]] = [
            ("NoSuchAction", {}, "NotImplemented"),
            ("ReserveNow", {}, "OccurenceConstraintViolation"),
            ("GetConfiguration", {"key": 5}, "TypeConstraintViolation"),
            ("ChangeConfiguration", {"key": "HeartbeatInterval"}, "OccurenceConstraintViolation"),
            ("Reset", {"type": "Gentle"}, "PropertyConstraintViolation"),
            ("Reset", "text", "FormationViolation"),
        ]
        for number, (action, payload, code) in enumerate(wrong):
            await link.call(action, payload, message_id=f"wrong-{number}")
            answer = await answer_to(link, f"wrong-{number}")
            assert answer[0] == 4, (action, answer)
            assert answer[2] == code, (action, answer)
        await alive(link)


@pytest.mark.req("OCPP-J 1.6 §4.1.3")
async def test_a_call_that_is_repeated_is_answered_again_and_executed_once() -> None:
    async with world() as house, RawServer(reply=answering()) as server:
        await led_to(house, server)
        await house.house.start_station()
        link = await server.accept()
        await link.frame("StatusNotification")
        answers = []
        for _ in range(2):
            await link.call("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}, message_id="twice")
            answers.append(await answer_to(link, "twice"))
        assert answers[0] == answers[1] == [3, "twice", {"status": "Accepted"}]
        assert house.house.child("agent").log_text().count("availability.changed") == 1


async def test_answers_that_come_twice_or_with_a_wrong_id_are_not_believed() -> None:
    def twice(call: list[Any]) -> str:
        return json.dumps([3, call[1], {"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z", "interval": 1}])

    async with world() as house, RawServer(reply=answering(BootNotification=twice)) as server:
        await led_to(house, server)
        await house.house.start_station()
        link = await server.accept()
        boot = await link.frame("BootNotification")
        await link.send_text(twice(boot))
        await link.send_text(json.dumps([3, boot[1] + "x", {"status": "Rejected"}]))
        await link.frame("StatusNotification")
        await link.frame("Heartbeat")
        await alive(link)


async def test_invalid_utf8_ends_the_link_and_not_the_agent() -> None:
    async with world() as house, RawServer(reply=answering()) as server:
        await led_to(house, server)
        await house.house.start_station()
        link = await server.accept()
        await link.frame("StatusNotification")
        await link.send_invalid_utf8()
        assert await link.wait_ended() == 1007  # RFC 6455 §8.1
        again = await server.accept()
        await alive(again)
        assert house.house.restarts["agent"] == 0


@pytest.mark.req("quirk T1")
async def test_a_server_that_echoes_no_subprotocol_is_used_and_one_that_chooses_another_is_not() -> None:
    async with world() as house, RawServer(manners=Manners(subprotocol="ocpp2.1"), reply=answering()) as server:
        await led_to(house, server)
        await house.house.start_station()
        await house.until(lambda status: "ocpp1.6" in status["csms"]["error"])
        assert server.received == []
        server.manners = Manners(echo=False)
        async with asyncio.timeout(20):
            while not any(each.frame and each.frame[2] == "BootNotification" for each in server.received):
                await server.accept()
                await asyncio.sleep(0.5)
        await house.until(lambda status: status["csms"]["online"])
