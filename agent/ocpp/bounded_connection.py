"""A client's WebSocket that a server cannot make grow or keep busy, whatever frames it sends, with a short way in and
out.

The library bounds messages and their fragments, but it answers every ping at once, whether the server reads or not: the
answers would pile up without end. Here that ends the connection.

The short way: a text message that arrives whole can be taken where it arrives (``offer``), and one that needs no
waiting can be sent without awaiting (``send_at_once``). Each saves a turn of the loop, which costs as much as the
message. What is not taken there goes the library's way, in order.

Source: RFC 6455 §5.5.2 (every ping is answered), §10.4 (limits are ours to set).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import agent.ocpp.light_websockets  # noqa: F401  # first: what follows loads less then

# isort: split
from websockets.asyncio.client import ClientConnection
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State

MOST_UNREAD_BYTES: Final = 4_194_304  # of ours that the server does not take: four messages of the longest kind
PINGS_AT_ONCE: Final = 200
PINGS_PER_S: Final = 20.0
SLICE_BYTES: Final = 4_096  # between two looks at the bounds; 2,048 of the shortest frames
READ_BYTES: Final = 32_768  # asyncio's 256 KiB are mapped, cut and unmapped again for each message, however short
TURN_S: Final = 0.02  # so long messages are taken where they arrive; then everybody else in the process has a turn
_CONTROL: Final = (Opcode.PING, Opcode.PONG)


class BoundedConnection(ClientConnection):
    """See the module's text. A bound that is passed ends the connection with 1008 (policy violation)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._pings = float(PINGS_AT_ONCE)
        self._pinged_s = 0.0
        self._excess = ""
        self._take: Callable[[str], bool] | None = None
        self._waiting = 0  # messages, or parts of them, that ``next_message`` has not returned yet
        self._turn_ends_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start, with a buffer for what comes that is worth its price."""
        super().connection_made(transport)
        if hasattr(transport, "max_size"):  # a plain one of asyncio; TLS has its own buffer
            transport.max_size = READ_BYTES

    def offer(self, take: Callable[[str], bool]) -> None:
        """Offer every text message that nothing waits before to ``take``; where it returns ``False``, ``next_message``
        will return the message. ``take`` raises nothing.
        """
        self._take = take

    def send_at_once(self, text: str) -> bool:
        """Send a text message unless the connection closes; return whether it was sent.

        Only for who knows that the buffer has room for it, and sends no fragments.
        """
        if self.protocol.state is not State.OPEN or self.transport.is_closing():
            return False
        self.protocol.send_text(text.encode())
        self.send_data()
        return True

    async def next_message(self) -> str | bytes:
        """Return the next message that was not taken where it arrived. ``recv`` is not used beside it."""
        message = await self.recv()
        self._waiting -= 1
        return message

    def data_received(self, data: bytes) -> None:
        """Take what came, a slice at a time."""
        self._turn_ends_s = self.loop.time() + TURN_S
        for start in range(0, len(data), SLICE_BYTES):
            super().data_received(data[start : start + SLICE_BYTES])
            if self.transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
                self._excess = "what the station answers is not read"
            if self._excess:
                self.protocol.fail(CloseCode.POLICY_VIOLATION, self._excess)
                self.send_data()
                self.transport.abort()  # nobody waits for a farewell from who does that
                return

    def process_event(self, event: Any) -> None:
        """Take a frame; the answer to the handshake is none."""
        if isinstance(event, Frame):
            if event.opcode in _CONTROL:
                self._count()
            elif event.opcode is not Opcode.CLOSE:
                if self._taken(event):
                    return
                self._waiting += event.fin
        super().process_event(event)

    def _taken(self, frame: Frame) -> bool:
        """Offer a whole message. What is no text, or none in UTF-8, is the library's to refuse."""
        if self._take is None or self._waiting or not frame.fin or frame.opcode is not Opcode.TEXT:
            return False
        if self.loop.time() >= self._turn_ends_s:
            return False
        try:
            text = bytes(frame.data).decode()
        except UnicodeDecodeError:
            return False
        return self._take(text)

    def _count(self) -> None:
        now_s = self.loop.time()
        earned = (now_s - self._pinged_s) * PINGS_PER_S
        self._pings = min(float(PINGS_AT_ONCE), self._pings + earned) - 1.0
        self._pinged_s = now_s
        if self._pings < 0.0:
            self._excess = f"more than {PINGS_PER_S:.0f} pings per second"
