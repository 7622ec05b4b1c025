"""The short way in and out of a connection: messages taken where they arrive, and sent without awaiting, in order."""

from __future__ import annotations

import asyncio
import random
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode

from agent.ocpp.bounded_connection import TURN_S
from agent.ocpp.transport import Link, LinkClosed
from tests.unit.test_ocpp_transport import csms, endpoint

COUNT = 400


async def _until_all(seen: list[str], link: Link) -> None:
    """Take what is not taken where it arrives, until there are ``COUNT``."""
    while len(seen) < COUNT:
        seen.append(str(await link.recv()))


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("taken", [1.0, 0.5, 0.0], ids=["all", "some", "none"])
async def test_messages_are_handled_once_and_in_order_whoever_takes_them(
    tmp_path: Path, taken: float, *, secure: bool
) -> None:
    chance = random.Random(4711)
    seen: list[str] = []
    all_there = asyncio.Event()

    async def count(connection: ServerConnection) -> None:
        for number in range(COUNT):
            await connection.send(str(number))
            if chance.random() < 0.2:
                await asyncio.sleep(0)
        await connection.wait_closed()

    def take(text: str) -> bool:
        if chance.random() >= taken:
            return False
        seen.append(text)
        if len(seen) == COUNT:
            all_there.set()
        return True

    server: dict[str, ssl.SSLContext] = {}
    changes: dict[str, Any] = {}
    if secure:
        root = trustme.CA()
        root.cert_pem.write_to_path(str(tmp_path / "root.pem"))
        server["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        root.issue_cert("127.0.0.1").configure_cert(server["ssl"])
        changes["root_files"] = (tmp_path / "root.pem",)
    async with (
        csms(count, **server) as port,
        await Link.connect(endpoint(port, "wss" if secure else "ws", **changes), ping_s=0) as link,
    ):
        link.offer(take)
        receiving = asyncio.create_task(_until_all(seen, link))
        async with asyncio.timeout(20.0):
            await asyncio.wait([receiving, asyncio.create_task(all_there.wait())], return_when=asyncio.FIRST_COMPLETED)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
    assert seen == [str(number) for number in range(COUNT)]


async def _received(link: Link, kept: list[str | bytes]) -> None:
    async with asyncio.timeout(10.0):
        while True:
            kept.append(await link.recv())


async def _sent(frames: bytes, *, offered: list[str], slow: bool = False) -> list[str | bytes]:
    """Have a server send frames at once and close; return what was not offered."""
    loop = asyncio.get_running_loop()

    async def talk(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.write(frames)
        await connection.close()

    def take(text: str) -> bool:
        offered.append(text)
        until_s = loop.time() + TURN_S
        while slow and loop.time() < until_s:
            pass
        return True

    received: list[str | bytes] = []
    async with csms(talk) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        link.offer(take)
        assert link.send_at_once("go")
        with pytest.raises(LinkClosed):
            await _received(link, received)
        assert not link.send_at_once("too late")
    return received


def _frame(opcode: Opcode, content: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, content, fin=fin).serialize(mask=False)


@pytest.mark.req("RFC 6455 §5.4, §5.6")
async def test_fragments_and_binary_messages_are_not_offered_and_keep_their_place() -> None:
    parts = _frame(Opcode.TEXT, b"be", fin=False) + _frame(Opcode.PING, b"") + _frame(Opcode.CONT, b"tween")
    frames = _frame(Opcode.TEXT, b"first") + parts + _frame(Opcode.BINARY, b"\x00") + _frame(Opcode.TEXT, b"last")
    offered: list[str] = []
    received = await _sent(frames, offered=offered)
    assert offered == ["first"]
    assert received == ["between", b"\x00", "last"]


@pytest.mark.req("RFC 6455 §8.1")
async def test_text_that_is_no_utf_8_ends_the_connection_also_where_messages_are_offered() -> None:
    offered: list[str] = []
    received: list[str | bytes] = []
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def talk(connection: ServerConnection) -> None:
        connection.transport.write(_frame(Opcode.TEXT, b"good") + _frame(Opcode.TEXT, b"\xff\xfe"))
        await connection.wait_closed()
        codes.put_nowait(connection.close_code)

    async with csms(talk) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        link.offer(lambda text: not offered.append(text))  # type: ignore[func-returns-value]
        with pytest.raises(LinkClosed):
            await _received(link, received)
    assert await codes.get() == 1007
    assert [*offered, *received] == ["good"]


async def test_after_a_turn_the_rest_of_what_came_waits_so_that_others_are_served() -> None:
    offered: list[str] = []
    frames = b"".join(_frame(Opcode.TEXT, text) for text in (b"one", b"two", b"three"))
    received = await _sent(frames, offered=offered, slow=True)
    assert offered == ["one"]
    assert received == ["two", "three"]


async def test_a_message_that_may_have_to_wait_is_not_sent_at_once() -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(connection: ServerConnection) -> None:
        async for text in connection:
            heard.put_nowait(str(text))

    async with csms(hear) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        assert not link.send_at_once("x" * 10_000)
        assert link.send_at_once("é" * 100)
        await link.send("after it")
        async with asyncio.timeout(10.0):
            assert [await heard.get(), await heard.get()] == ["é" * 100, "after it"]
