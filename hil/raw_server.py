"""A scripted raw WebSocket server: does what a well-behaved CSMS library cannot. For tests, in their own process.

By default it accepts every upgrade, echoes the first offered subprotocol and answers nothing. What it does instead is
said in a `Manners` (for the upgrade) and a reply rule (for frames); between the two, the test drives it by hand:

    async with RawServer(reply=answer_ok) as server:
        link = await server.accept()
        frame = await link.frame()              # the next CALL, parsed
        await link.send_text("[3,\\"wrong\\",{}]")
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

WAIT_S: Final = 10.0

Raw = str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How upgrades are treated.

    ``http_status`` refuses them. ``subprotocol`` is answered whatever was offered; ``echo`` false answers none.
    ``close_code`` closes right after the upgrade. ``greeting`` is sent at once, before anything was asked.
    """

    http_status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    echo: bool = True
    subprotocol: str | None = None
    close_code: int | None = None
    greeting: tuple[Raw, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A frame from the station. ``frame`` is its JSON, None when it is none; ``at_s`` is monotonic."""

    at_s: float
    connection: int
    raw: Raw
    frame: Any


Reply = Callable[["RawLink", Received], Awaitable[None]]


class RawLink:
    """One connection, driven by hand."""

    def __init__(self, connection: ServerConnection, number: int) -> None:
        self.connection = connection
        self.number = number
        self.received: asyncio.Queue[Received] = asyncio.Queue()
        self.ended = asyncio.Event()

    @property
    def path(self) -> str:
        """The path of the upgrade."""
        assert self.connection.request is not None
        return self.connection.request.path

    async def frame(self, action: str | None = None, *, timeout_s: float = WAIT_S) -> list[Any]:
        """Return the next frame as parsed JSON, or the next CALL of an action; others on the way are dropped.

        Raises:
            TimeoutError: nothing like it within ``timeout_s``.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                frame = (await self.received.get()).frame
                if action is None or (isinstance(frame, list) and frame[:1] == [2] and frame[2] == action):
                    return list(frame)

    async def send_text(self, text: str) -> None:
        """Send any text as one text frame."""
        await self.connection.send(text)

    async def send_binary(self, octets: bytes) -> None:
        """Send a binary frame."""
        await self.connection.send(octets)

    async def send_invalid_utf8(self) -> None:
        """Send a text frame that is not UTF-8 (RFC 6455 section 8.1: the receiver must fail the connection)."""
        await self._send_raw(Frame(Opcode.TEXT, b'[3,"\xff\xfe",{}]'))

    async def send_huge(self, octets: int) -> None:
        """Send a valid CALLRESULT to nobody of about so many bytes."""
        await self.connection.send(json.dumps([3, "huge", {"data": "x" * octets}]))

    async def send_octets(self, octets: bytes) -> None:
        """Write bytes to the TCP connection as they are, under the WebSocket framing."""
        self.connection.transport.write(octets)

    async def result(self, call: list[Any], payload: dict[str, Any] | None = None) -> None:
        """Answer a CALL with a CALLRESULT."""
        await self.send_text(json.dumps([3, call[1], payload or {}]))

    async def error(self, call: list[Any], code: str = "InternalError") -> None:
        """Answer a CALL with a CALLERROR."""
        await self.send_text(json.dumps([4, call[1], code, "", {}]))

    async def call(self, action: str, payload: Any, message_id: Any = "raw-1") -> None:
        """Send an unsolicited CALL; its answer arrives like any frame."""
        await self.send_text(json.dumps([2, message_id, action, payload]))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a close frame."""
        await self.connection.close(code, reason)

    def abort(self) -> None:
        """Drop the TCP connection."""
        self.connection.transport.abort()

    async def wait_ended(self, *, timeout_s: float = WAIT_S) -> int | None:
        """Wait for the end of the connection and return its close code (1006: no close frame)."""
        async with asyncio.timeout(timeout_s):
            await self.ended.wait()
        return self.connection.close_code

    async def _send_raw(self, frame: Frame) -> None:
        self.connection.transport.write(frame.serialize(mask=False))


class RawServer:
    """The server: an async context manager. ``manners`` and ``reply`` may be changed while it runs.

    Attributes:
        received: every frame of every connection, in order.
        requests: every upgrade that was asked for, refused ones too.
    """

    def __init__(
        self, *, manners: Manners | None = None, reply: Reply | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.manners = manners or Manners()
        self.reply = reply
        self.received: list[Received] = []
        self.requests: list[Request] = []
        self._tls = tls
        self._accepted: asyncio.Queue[RawLink] = asyncio.Queue()
        self._server: Server | None = None
        self._count = 0

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._admit,
            select_subprotocol=self._choose,
            ssl=self._tls,
            ping_interval=None,
            compression=None,
            max_size=None,
            close_timeout=0.5,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close(close_connections=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The address to which a station appends its identity."""
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"{'ws' if self._tls is None else 'wss'}://127.0.0.1:{port}/"

    async def accept(self, *, timeout_s: float = WAIT_S) -> RawLink:
        """Return the next connection that was accepted. Raises ``TimeoutError`` when none comes."""
        async with asyncio.timeout(timeout_s):
            return await self._accepted.get()

    # ---- inside --------------------------------------------------------------------------------------------------

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if self.manners.http_status is None:
            return None
        response = connection.respond(HTTPStatus(self.manners.http_status), "scripted\n")
        for name, value in self.manners.headers:
            response.headers[name] = value
        return response

    def _choose(self, _: ServerConnection, offered: Any) -> Subprotocol | None:
        if not self.manners.echo:
            return None
        if self.manners.subprotocol is not None:
            return Subprotocol(self.manners.subprotocol)
        return next(iter(offered), None)

    async def _serve(self, connection: ServerConnection) -> None:
        manners, self._count = self.manners, self._count + 1
        link = RawLink(connection, self._count)
        self._accepted.put_nowait(link)
        try:
            for raw in manners.greeting:
                await connection.send(raw)
            if manners.close_code is not None:
                await connection.close(manners.close_code, "scripted")
            async for raw in connection:
                await self._take(link, raw)
        except ConnectionClosed:
            pass  # the test reads the code
        finally:
            await connection.wait_closed()
            link.ended.set()

    async def _take(self, link: RawLink, raw: Raw) -> None:
        try:
            frame = json.loads(raw)
        except ValueError:
            frame = None
        received = Received(at_s=time.monotonic(), connection=link.number, raw=raw, frame=frame)
        self.received.append(received)
        link.received.put_nowait(received)
        if self.reply is not None:
            await self.reply(link, received)


def answering(answers: dict[str, dict[str, Any]] | None = None, **manners: Callable[[Any], Raw | None]) -> Reply:
    """Make a reply rule: CALLs are answered with a payload per action (boot accepted, else empty).

    Args:
        answers: payload per action, over the defaults.
        manners: per action a function of the CALL that returns what is sent instead (None: nothing).
    """

    async def reply(link: RawLink, received: Received) -> None:
        match received.frame:
            case [2, _, str(action), _] as call if action in manners:
                instead = manners[action](call)
                if instead is not None:
                    await link.connection.send(instead)
            case [2, _, str(action), _] as call:
                payload = (answers or {}).get(action)
                await link.result(call, good_answers().get(action, {}) if payload is None else payload)

    return reply


def good_answers() -> dict[str, dict[str, Any]]:
    """Return what a good CSMS of either version answers, with the present time."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "BootNotification": {"status": "Accepted", "currentTime": now, "interval": 300},
        "Heartbeat": {"currentTime": now},
        "Authorize": {"idTagInfo": {"status": "Accepted"}, "idTokenInfo": {"status": "Accepted"}},
        "StartTransaction": {"transactionId": 1, "idTagInfo": {"status": "Accepted"}},
        "DataTransfer": {"status": "Accepted"},
    }
