"""A CSMS that floods and bombs the real agent in the middle of a charge."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from websockets.exceptions import ConnectionClosed

from hil.raw_server import RawServer, answering
from tests.process.houses import options, stay, wanted
from tests.process.soak_outage import resident_mib

pytestmark = pytest.mark.process

CALLS = 1_500
GROWTH_MIB = 24.0


@pytest.mark.req("OCPP-J 1.6 §4.1.1, §4.2.3")
async def test_a_flood_and_bombs_cost_neither_memory_nor_the_charge_nor_a_watt_hour() -> None:
    async with stay(options()) as house:
        await house.online()
        await house.begin()
        await wanted(house, "StartTransaction")
        agent = house.house.child("agent")
        before_mib = resident_mib(agent.pid)
        async with RawServer(reply=answering()) as server:
            await house.bench.net_target(port=int(server.url.rstrip("/").rpartition(":")[2]))
            await house.bench.net(mode="down")
            await house.bench.net(mode="up")
            link = await server.accept(timeout_s=60)
            answered = 0
            for number in range(CALLS):
                await link.call("GetConfiguration", {"key": []}, message_id=f"flood-{number}")
            async with asyncio.timeout(60):
                while answered < CALLS:
                    frame = await link.frame()
                    answered += isinstance(frame, list) and frame[0] in (3, 4) and str(frame[1]).startswith("flood")
            for text in ("[" * 500_000, json.dumps([2, "big", "DataTransfer", {"vendorId": "x", "data": "y" * 10**6}])):
                await link.send_text(text)
            with contextlib.suppress(ConnectionClosed):
                await link.send_text("x" * 8_000_000)
            assert await link.wait_ended(timeout_s=60) in (1009, 1006)
            most_mib = resident_mib(agent.pid)
            await house.bench.net(mode="down")
        port = int((house.house.directory / "csms.port").read_text(encoding="utf-8"))
        await house.bench.net_target(port=port)
        await house.bench.net(mode="up")
        await house.end()
        await house.exact(1)
        assert most_mib - before_mib < GROWTH_MIB
        assert house.house.restarts == {"guard": 0, "agent": 0}
        assert len((await house.bench.state())["evses"]["1"]["energisings"]) == 1
        assert house.house.child("agent").log_text().count('"call.denied"') < 100
