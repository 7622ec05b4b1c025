"""A connection within one process: both ends look like those of ``websockets``, as far as the two sides use them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close


class End:
    """One end. ``transport`` is the end itself: it has nothing to buffer and no TLS."""

    def __init__(self, subprotocol: str) -> None:
        self.subprotocol = subprotocol
        self.other: End
        self._inbox: asyncio.Queue[str | None] = asyncio.Queue()
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
        self.other._inbox.put_nowait(text)

    async def recv(self) -> str:
        text = None if self._gone and self._inbox.empty() else await self._inbox.get()
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
            self._inbox.put_nowait(None)

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
