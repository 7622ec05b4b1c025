# mypy: allow-untyped-calls
"""Card readers of the RDM6300 family on a serial port, 9600 8N1, which only ever send."""

from __future__ import annotations

import asyncio
import termios
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from drivers.api import CardRead, DriverKind, DriverSpec, DriverUnavailable, Option
from drivers.rfid.frames import Rdm6300Frames
from drivers.rfid.presence import Presence

if TYPE_CHECKING:
    from serial.serialposix import Serial

_BAUD: Final = 9600  # fixed. RDM6300 data sheet
_REOPEN_FIRST_S: Final = 1.0
_REOPEN_MOST_S: Final = 30.0
_MOST_WAITING: Final = 8  # presentations that nobody asked for yet; older ones mean nothing any more


class Rdm6300Reader:
    """One reader. ``next_card`` opens the port; a port that goes away is opened again after 1, 2, 4 ... 30 s."""

    def __init__(
        self, *, port: str, token_kind: str = "Local", hold_off_s: float = 3.0, absence_s: float = 1.0
    ) -> None:
        """Describe the reader; nothing is opened yet. ``token_kind`` is for whoever makes id tokens of its cards."""
        self.token_kind = token_kind
        self._port = port
        self._frames = Rdm6300Frames()
        self._presence = Presence(absence_s=absence_s, hold_off_s=hold_off_s)
        self._serial: Serial | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cards: deque[CardRead] = deque(maxlen=_MOST_WAITING)
        self._changed = asyncio.Event()
        self._gone: DriverUnavailable | None = None
        self._reopen_at_s = 0.0
        self._reopen_pause_s = _REOPEN_FIRST_S
        self._closed = False

    async def next_card(self) -> CardRead:
        """Wait for the next presentation of a card.

        Raises:
            DriverUnavailable: the port cannot be opened or is gone; said once for each failed attempt. Call again: the
                next attempt waits its time by itself.
        """
        while not self._cards:
            if self._closed:
                raise DriverUnavailable(f"card reader at {self._port} was closed")
            if self._serial is None:
                await self._open()
            self._changed.clear()
            await self._changed.wait()
            if self._gone is not None:
                gone, self._gone = self._gone, None
                raise gone
        return self._cards.popleft()

    async def close(self) -> None:
        """Release the port. A pending ``next_card`` raises ``DriverUnavailable``."""
        self._closed = True
        self._hang_up()
        self._changed.set()

    async def _open(self) -> None:
        from serial.serialposix import Serial

        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._reopen_at_s - loop.time()))
        if self._closed:
            raise DriverUnavailable(f"card reader at {self._port} was closed")
        try:
            # Opening a terminal does not wait: pyserial opens it non-blocking.
            opened = Serial(self._port, baudrate=_BAUD, timeout=0, exclusive=True)
            self._frames = Rdm6300Frames()
            loop.add_reader(opened.fileno(), self._readable)
        except (OSError, ValueError, termios.error) as exc:
            self._reopen_at_s = loop.time() + self._reopen_pause_s
            self._reopen_pause_s = min(self._reopen_pause_s * 2, _REOPEN_MOST_S)
            raise DriverUnavailable(f"card reader at {self._port} cannot be opened: {exc}") from exc
        self._serial, self._loop = opened, loop

    def _readable(self) -> None:
        if self._serial is None:
            return
        try:
            received = self._serial.read(1024)  # 0 bytes although readable: pyserial raises, the device is gone
        except OSError as exc:
            self._lose(exc)
            return
        now_s = time.monotonic()
        for uid in self._frames.feed(received):
            self._reopen_pause_s = _REOPEN_FIRST_S
            if self._presence.is_new(uid, now_s):
                self._cards.append(CardRead(uid=uid, taken_s=now_s))
                self._changed.set()

    def _lose(self, exc: OSError) -> None:
        self._hang_up()
        if self._loop is not None:
            self._reopen_at_s = self._loop.time() + self._reopen_pause_s
            self._reopen_pause_s = min(self._reopen_pause_s * 2, _REOPEN_MOST_S)
        self._gone = DriverUnavailable(f"card reader at {self._port} is gone: {exc}")
        self._changed.set()

    def _hang_up(self) -> None:
        port, self._serial = self._serial, None
        if port is not None:
            if self._loop is not None:
                self._loop.remove_reader(port.fileno())
            port.close()


SPEC = DriverSpec(
    name="rdm6300",
    kind=DriverKind.READER,
    target="drivers.rfid.rdm6300:Rdm6300Reader",
    options=(
        Option(name="port", type=str, required=True, help="device file, best a name under /dev/serial/by-id"),
        Option(
            name="token_kind",
            type=str,
            default="Local",
            choices=("Local", "Central", "ISO14443", "ISO15693", "KeyCode"),
            help="kind of id token (OCPP 2.0.1 IdTokenEnumType) that its cards are",
        ),
        Option(
            name="hold_off_s",
            type=float,
            default=3.0,
            unit="s",
            minimum=0.0,
            maximum=60.0,
            help="the same card counts again only after this time",
        ),
        Option(
            name="absence_s",
            type=float,
            default=1.0,
            unit="s",
            minimum=0.1,
            maximum=60.0,
            help="and only after it was away for this time",
        ),
    ),
    summary="Card reader RDM6300, RDM630 or 7941E (125 kHz, EM4100 cards) on a serial port",
)
