"""The road between station and CSMS, over loopback sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from hil.net import Net, NetMode, Target


@dataclass
class Echo:
    """A far end that sends back what it gets and remembers its connections' ends."""

    port: int = 0
    received: bytearray = field(default_factory=bytearray)
    ended: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Echo until the end, and say how it came."""
        try:
            while chunk := await reader.read(65536):
                self.received += chunk
                writer.write(chunk)
                await writer.drain()
            self.ended.put_nowait("end")
        except ConnectionError:
            self.ended.put_nowait("reset")
        finally:
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    far = Echo()
    server = await asyncio.start_server(far.serve, "127.0.0.1", 0)
    far.port = server.sockets[0].getsockname()[1]
    yield far
    server.close()


@pytest.fixture
async def net(echo: Echo) -> AsyncIterator[Net]:
    async with Net(Target(host="127.0.0.1", port=echo.port)) as running:
        yield running


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def dial(net: Net) -> Pair:
    return await asyncio.open_connection("127.0.0.1", net.port)


async def ask(pair: Pair, text: bytes) -> bytes:
    pair[1].write(text)
    return await pair[0].readexactly(len(text))


async def passes_nothing(pair: Pair) -> bool:
    """Whether nothing arrives though the loop went round often enough for a loopback echo (measured below 2 ms)."""
    try:
        async with asyncio.timeout(0.05):
            await pair[0].read(1)
    except TimeoutError:
        return True
    return False


async def test_what_goes_in_comes_out_both_ways_in_order_and_in_full(net: Net) -> None:
    pair = await dial(net)
    big = bytes(range(256)) * 8192  # 2 MiB, more than any buffer on the way
    assert await ask(pair, big) == big
    pair[1].write(b"last words")
    pair[1].write_eof()
    assert await pair[0].read() == b"last words"
    pair[1].close()


async def test_down_resets_what_is_open_and_refuses_what_is_new_and_up_is_the_same_port(net: Net, echo: Echo) -> None:
    pair = await dial(net)
    assert await ask(pair, b"hello") == b"hello"
    port = net.port
    await net.set_mode(NetMode.DOWN)
    with pytest.raises(ConnectionResetError):
        await pair[0].read(1)
    assert await echo.ended.get() == "reset"
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            await dial(net)
    await net.set_mode(NetMode.UP)
    assert net.port == port
    again = await dial(net)
    assert await ask(again, b"back") == b"back"
    again[1].close()


async def test_half_open_lets_nothing_pass_and_says_nothing(net: Net, echo: Echo) -> None:
    pair = await dial(net)
    await ask(pair, b"hello")
    await net.set_mode(NetMode.HALF_OPEN)
    pair[1].write(b"anybody?")
    fresh = await dial(net)
    fresh[1].write(b"me too")
    assert await passes_nothing(pair)
    assert await passes_nothing(fresh)
    assert bytes(echo.received) == b"hello"
    assert echo.ended.empty()
    await net.set_mode(NetMode.UP)
    assert await pair[0].readexactly(8) == b"anybody?"
    assert await fresh[0].readexactly(6) == b"me too"
    for each in (pair, fresh):
        each[1].close()


async def test_half_open_hides_even_a_reset_from_the_far_end(net: Net, echo: Echo) -> None:
    pair = await dial(net)
    await ask(pair, b"hello")
    await net.set_mode(NetMode.HALF_OPEN)
    pair[1].transport.abort()
    fresh = await dial(net)
    assert await passes_nothing(fresh)
    assert echo.ended.empty()
    await net.set_mode(NetMode.UP)
    assert await echo.ended.get() in ("end", "reset")
    fresh[1].close()


async def test_forgotten_connections_stay_dead_when_the_road_is_up_again(net: Net) -> None:
    pair = await dial(net)
    await ask(pair, b"hello")
    await net.set_mode(NetMode.HALF_OPEN)
    pair[1].write(b"lost")
    await net.set_mode(NetMode.UP, forget=True)
    fresh = await dial(net)
    assert await ask(fresh, b"new") == b"new"
    assert await passes_nothing(pair)
    for each in (pair, fresh):
        each[1].close()


async def test_delay_holds_each_way_back_and_keeps_the_order(net: Net) -> None:
    net.delay_s = 0.05
    pair = await dial(net)
    begin = time.monotonic()
    for word in (b"one", b"two", b"six"):
        pair[1].write(word)
        await pair[1].drain()
    assert await pair[0].readexactly(9) == b"onetwosix"
    assert time.monotonic() - begin >= 0.1
    pair[1].close()


async def test_nobody_at_the_far_end_is_a_reset_at_the_near_one(echo: Echo) -> None:
    async with Net(Target(host="127.0.0.1", port=1)) as net:
        pair = await dial(net)
        with pytest.raises(ConnectionResetError):
            await pair[0].read(1)
        assert net.snapshot()["mode"] == "up"
