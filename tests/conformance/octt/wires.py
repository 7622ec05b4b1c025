"""A connection within one process: both ends look like those of ``websockets``, as far as the two sides use them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close
from websockets.protocol import State


class End:
    """One end. ``transport`` is the end itself: it has nothing to buffer and no TLS."""

    def __init__(self, subprotocol: str) -> None:
        self.subprotocol = subprotocol
        self.other: End
        self.state = State.OPEN
        self.ping_interval: float | None = None
        self.ping_timeout = self.close_timeout = 0.0
        self.keepalive_task: None = None
        self._arrived: deque[str | None] = deque()
        self._inbox: asyncio.Queue[str | None] = asyncio.Queue()
        self._take: Callable[[str], bool] | None = None
        self._closed: Close | None = None
        self._gone = False

    @property
    def transport(self) -> End:
        return self

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, _name: str) -> Any:
        return None

    async def send(self, text: str) -> None:
        if self._gone:
            raise self._why()
        self.other._arrive(text)

    def send_at_once(self, text: str) -> bool:
        if not self._gone:
            self.other._arrive(text)
        return not self._gone

    def offer(self, take: Callable[[str], bool]) -> None:
        """As a connection does: what nothing waits before is offered where it arrives."""
        self._take = take

    def start_keepalive(self) -> None:
        """Nobody pings here: a wire in virtual time ends when it is cut."""

    def _arrive(self, text: str | None) -> None:
        self._arrived.append(text)
        asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        while self._arrived:
            text = self._arrived.popleft()
            offered = text is not None and self._take is not None and self._inbox.empty()
            if not (offered and self._take is not None and text is not None and self._take(text)):
                self._inbox.put_nowait(text)

    async def next_message(self) -> str:
        return await self.recv()

    async def recv(self) -> str:
        gone = self._gone and self._inbox.empty() and not self._arrived
        text = None if gone else await self._inbox.get()
        if text is None:
            self._inbox.put_nowait(None)
            raise self._why()
        return text

    async def __aiter__(self) -> AsyncIterator[str]:
        try:
            while True:
                yield await self.recv()
        except ConnectionClosedOK:
            return

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close both ends, with a close frame."""
        self._end(Close(code, reason))
        self.other._end(Close(code, reason))

    def abort(self) -> None:
        """Cut the wire."""
        self._end(None)
        self.other._end(None)

    def _end(self, close: Close | None) -> None:
        if not self._gone:
            self._gone, self._closed = True, close
            self.state = State.CLOSED
            self._arrive(None)

    def _why(self) -> Exception:
        if self._closed is None:
            return ConnectionClosedError(None, None)
        if self._closed.code in (1000, 1001):
            return ConnectionClosedOK(self._closed, self._closed, True)
        return ConnectionClosedError(self._closed, self._closed, True)


def connected(subprotocol: str) -> tuple[End, End]:
    """Return the two ends of a new connection."""
    one, two = End(subprotocol), End(subprotocol)
    one.other, two.other = two, one
    return one, two
