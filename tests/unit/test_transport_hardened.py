"""A server that wants to hold the station or to fill its memory: the connection ends, in time and within bounds."""

from __future__ import annotations

import asyncio
import resource
import time
import zlib

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode

from agent.ocpp.transport import MAX_MESSAGE_BYTES, Link, LinkClosed, LinkFailure
from tests.unit.test_ocpp_transport import csms, endpoint, refusal

BOMB_BYTES = 64 * 1024 * 1024


def bomb() -> bytes:
    """Return 64 MiB of blanks, deflated to 64 kB (RFC 7692 §7.2.1)."""
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(b" " * BOMB_BYTES) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.req("OCPP-J 1.6 §5.1; RFC 7692")
async def test_no_compression_is_offered_and_a_compressed_message_ends_the_connection() -> None:
    async def explode(connection: ServerConnection) -> None:
        assert connection.request is not None
        assert "Sec-WebSocket-Extensions" not in connection.request.headers
        connection.transport.write(Frame(Opcode.TEXT, bomb(), rsv1=True).serialize(mask=False))
        await connection.wait_closed()

    async with csms(explode) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        with pytest.raises(LinkClosed) as caught:
            await link.recv()
    assert caught.value.failure in (LinkFailure.CLOSED, LinkFailure.LOST)


@pytest.mark.req("RFC 7692 §8")
async def test_with_compression_a_bomb_is_not_inflated_beyond_the_limit() -> None:
    deflated = bomb()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    async def explode(connection: ServerConnection) -> None:
        connection.transport.write(Frame(Opcode.TEXT, deflated, rsv1=True).serialize(mask=False))
        await connection.wait_closed()

    async with (
        csms(explode, compression="deflate") as port,
        await Link.connect(endpoint(port, compression=True), ping_s=0) as link,
    ):
        with pytest.raises(LinkClosed):
            await link.recv()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < BOMB_BYTES // 2


async def test_a_message_of_many_fragments_is_limited_like_any_other() -> None:
    async def pieces(connection: ServerConnection) -> None:
        piece = "x" * 65_536
        await connection.send(piece for _ in range(2 * MAX_MESSAGE_BYTES // 65_536))

    async with csms(pieces) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        with pytest.raises(LinkClosed):
            await link.recv()


@pytest.mark.parametrize("said", [b"HTTP/1.1 101 Switching Protocols\r\n", b"X-Long: " + b"y" * 200])
async def test_a_server_that_dribbles_its_handshake_is_given_up_after_the_same_time(said: bytes) -> None:
    async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for octet in b"HTTP/1.1 101 Switching Protocols\r\n" + said * 100:
                writer.write(bytes((octet,)))
                await writer.drain()
                await asyncio.sleep(0.02)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async with await asyncio.start_server(dribble, "127.0.0.1", 0) as server:
        begin_s = time.monotonic()
        error = await refusal(endpoint(server.sockets[0].getsockname()[1], open_timeout_s=0.3))
        assert error.failure is LinkFailure.TIMED_OUT
        assert time.monotonic() - begin_s < 3.0


async def test_endless_headers_end_the_handshake() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
            while not writer.is_closing():
                writer.write(b"X-More: " + b"y" * 4_000 + b"\r\n")
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        error = await refusal(endpoint(server.sockets[0].getsockname()[1], open_timeout_s=0.5))
        await asyncio.sleep(0)
    assert error.failure in (LinkFailure.HANDSHAKE, LinkFailure.TIMED_OUT)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024
