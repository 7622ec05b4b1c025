"""The scripted raw WebSocket server, proven by plain `websockets` clients."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.typing import Subprotocol

from hil.raw_server import Manners, RawServer, answering

HEARTBEAT = json.dumps([2, "m1", "Heartbeat", {}])


def dial(server: RawServer, **options: Any) -> Any:
    return connect(server.url + "CP1", subprotocols=[Subprotocol("ocpp1.6")], **options)


async def heard(connection: ClientConnection) -> Any:
    return json.loads(await connection.recv())


async def test_by_default_it_takes_everything_and_answers_nothing() -> None:
    async with RawServer() as server, dial(server) as connection:
        link = await server.accept()
        await connection.send(HEARTBEAT)
        assert await link.frame() == [2, "m1", "Heartbeat", {}]
        assert connection.subprotocol == "ocpp1.6"
        assert link.path == "/CP1"
        assert [each.raw for each in server.received] == [HEARTBEAT]


async def test_it_answers_with_garbage_binary_wrong_ids_and_twice() -> None:
    async with RawServer() as server, dial(server) as connection:
        link = await server.accept()
        await connection.send(HEARTBEAT)
        call = await link.frame("Heartbeat")
        await link.send_text("no json {")
        await link.send_binary(b"\x00\x01")
        await link.result(["?", "someone else's"])
        await link.result(call, {"currentTime": "x"})
        await link.result(call, {"currentTime": "y"})
        await link.error(call, "GenericError")
        assert await connection.recv() == "no json {"
        assert await connection.recv() == b"\x00\x01"
        assert await heard(connection) == [3, "someone else's", {}]
        assert await heard(connection) == [3, "m1", {"currentTime": "x"}]
        assert await heard(connection) == [3, "m1", {"currentTime": "y"}]
        assert await heard(connection) == [4, "m1", "GenericError", "", {}]


async def test_a_text_that_is_not_utf_8_ends_a_good_clients_connection_with_1007() -> None:
    async with RawServer() as server, dial(server) as connection:
        link = await server.accept()
        await link.send_invalid_utf8()
        with pytest.raises(ConnectionClosedError):
            await connection.recv()
        assert await link.wait_ended() == 1007


async def test_a_huge_frame_ends_a_limited_clients_connection_with_1009() -> None:
    async with RawServer() as server, dial(server, max_size=65536) as connection:
        link = await server.accept()
        await link.send_huge(100_000)
        with pytest.raises(ConnectionClosedError):
            await connection.recv()
        assert await link.wait_ended() == 1009


async def test_octets_below_the_framing_end_the_connection_with_1002() -> None:
    async with RawServer() as server, dial(server) as connection:
        link = await server.accept()
        await link.send_octets(b"\xff\x00")
        with pytest.raises(ConnectionClosedError):
            await connection.recv()
        assert await link.wait_ended() == 1002


@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_it_refuses_the_upgrade_with_any_http_status(status: int) -> None:
    manners = Manners(http_status=status, headers=(("Retry-After", "7"),))
    async with RawServer(manners=manners) as server:
        with pytest.raises(InvalidStatus) as refused:
            await dial(server)
        assert refused.value.response.status_code == status
        assert refused.value.response.headers["Retry-After"] == "7"
        assert [each.path for each in server.requests] == ["/CP1"]
        server.manners = Manners()
        async with dial(server):
            await server.accept()


async def test_it_leaves_out_the_subprotocol() -> None:
    async with RawServer(manners=Manners(echo=False)) as server, dial(server) as connection:
        assert connection.subprotocol is None


async def test_it_closes_with_a_code_right_after_the_upgrade() -> None:
    async with RawServer(manners=Manners(close_code=1008)) as server, dial(server) as connection:
        with pytest.raises(ConnectionClosedError):
            await connection.recv()
        assert connection.close_code == 1008


async def test_it_speaks_first_and_asks_unasked() -> None:
    async with RawServer(manners=Manners(greeting=("hello", b"\xff"))) as server, dial(server) as connection:
        assert await connection.recv() == "hello"
        assert await connection.recv() == b"\xff"
        link = await server.accept()
        await link.call("Reset", {"type": "Soft"}, 42)
        assert await heard(connection) == [2, 42, "Reset", {"type": "Soft"}]


async def test_it_drops_the_line_without_a_word() -> None:
    async with RawServer() as server, dial(server) as connection:
        link = await server.accept()
        link.abort()
        with pytest.raises(ConnectionClosedError):
            await connection.recv()
        assert connection.close_code == 1006


async def test_the_reply_rule_answers_well_but_for_what_is_scripted() -> None:
    rule = answering({"Authorize": {"idTagInfo": {"status": "Blocked"}}}, StopTransaction=lambda _: None)
    async with RawServer(reply=rule) as server, dial(server) as connection:
        await connection.send(json.dumps([2, "1", "BootNotification", {}]))
        assert (await heard(connection))[2]["status"] == "Accepted"
        await connection.send(json.dumps([2, "2", "StopTransaction", {}]))
        await connection.send(json.dumps([2, "3", "Authorize", {}]))
        assert await heard(connection) == [3, "3", {"idTagInfo": {"status": "Blocked"}}]


async def test_waiting_for_a_connection_that_never_comes_times_out() -> None:
    async with RawServer() as server:
        with pytest.raises(TimeoutError):
            await server.accept(timeout_s=0.01)
