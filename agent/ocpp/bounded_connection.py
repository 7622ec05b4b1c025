"""A client's WebSocket that a server cannot make grow or keep busy, whatever frames it sends.

The library bounds messages and their fragments, but it answers every ping at once, whether the server reads or not: the
answers would pile up without end. Here that ends the connection.

Source: RFC 6455 §5.5.2 (every ping is answered), §10.4 (limits are ours to set).
"""

from __future__ import annotations

from typing import Any, Final

import agent.ocpp.light_websockets  # noqa: F401  # first: what follows loads less then

# isort: split
from websockets.asyncio.client import ClientConnection
from websockets.frames import CloseCode, Frame, Opcode

MOST_UNREAD_BYTES: Final = 4_194_304  # of ours that the server does not take: four messages of the longest kind
PINGS_AT_ONCE: Final = 200
PINGS_PER_S: Final = 20.0
SLICE_BYTES: Final = 4_096  # between two looks at the bounds; 2,048 of the shortest frames
_CONTROL: Final = (Opcode.PING, Opcode.PONG)


class BoundedConnection(ClientConnection):
    """See the module's text. A bound that is passed ends the connection with 1008 (policy violation)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._pings = float(PINGS_AT_ONCE)
        self._pinged_s = 0.0
        self._excess = ""

    def data_received(self, data: bytes) -> None:
        """Take what came, a slice at a time."""
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
        if isinstance(event, Frame) and event.opcode in _CONTROL:
            self._count()
        super().process_event(event)

    def _count(self) -> None:
        now_s = self.loop.time()
        earned = (now_s - self._pinged_s) * PINGS_PER_S
        self._pings = min(float(PINGS_AT_ONCE), self._pings + earned) - 1.0
        self._pinged_s = now_s
        if self._pings < 0.0:
            self._excess = f"more than {PINGS_PER_S:.0f} pings per second"
