# mypy: allow-untyped-calls
"""A card reader on a serial port, whatever its family: opens, asks, listens, and opens again."""

from __future__ import annotations

import asyncio
import errno
import os
import termios
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from drivers.api import CardRead, DriverUnavailable, Option
from drivers.rfid.conversation import Conversation, Step
from drivers.rfid.presence import Presence
from drivers.rfid.uid_form import FORM_OPTIONS, UidForm, is_random

if TYPE_CHECKING:
    from serial.serialposix import Serial

_REOPEN_FIRST_S: Final = 1.0
_REOPEN_MOST_S: Final = 30.0
_MOST_WAITING: Final = 8  # presentations that nobody asked for yet; older ones mean nothing any more


class SerialReader:
    """One reader. ``next_card`` opens the port; a port that goes away is opened again after 1, 2, 4 ... 30 s.

    Attributes:
        token_kind: for whoever makes id tokens of its cards.
        watch: told of every byte that arrives, for the technician's eyes; ``None``: nobody looks.
    """

    def __init__(
        self,
        conversation: Conversation,
        *,
        port: str,
        form: UidForm,
        baud: int | None = None,
        token_kind: str = "Local",
        hold_off_s: float = 3.0,
        absence_s: float = 1.0,
    ) -> None:
        """Describe the reader; nothing is opened yet."""
        self.token_kind = token_kind
        self.watch: Callable[[bytes], None] | None = None
        self._conversation = conversation
        self._port = port
        self._form = form
        self._baud = baud or conversation.baud
        self._presence = Presence(absence_s=absence_s, hold_off_s=hold_off_s)
        self._serial: Serial | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._cards: deque[CardRead] = deque(maxlen=_MOST_WAITING)
        self._changed = asyncio.Event()
        self._failure: DriverUnavailable | None = None
        self._reopen_at_s = 0.0
        self._reopen_pause_s = _REOPEN_FIRST_S
        self._closed = False

    async def next_card(self) -> CardRead:
        """Wait for the next presentation of a card.

        Raises:
            DriverUnavailable: the port cannot be opened or is gone, or the reader does not answer; said once for each
                failed attempt. Call again: the next attempt waits its time by itself.
        """
        while not self._cards:
            if self._closed:
                raise DriverUnavailable(f"card reader at {self._port} was closed")
            if self._serial is None:
                await self._open()
            self._changed.clear()
            await self._changed.wait()
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
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
            opened = Serial(self._port, baudrate=self._baud, timeout=0, write_timeout=0, exclusive=True)
            loop.add_reader(opened.fileno(), self._readable)
        except (OSError, ValueError, termios.error) as exc:
            self._reopen_at_s = loop.time() + self._reopen_pause_s
            self._reopen_pause_s = min(self._reopen_pause_s * 2, _REOPEN_MOST_S)
            raise DriverUnavailable(f"card reader at {self._port} cannot be opened: {_why(exc)}") from exc
        self._serial, self._loop = opened, loop
        self._perform(self._conversation.open(time.monotonic()))

    def _readable(self) -> None:
        if self._serial is None:
            return
        try:
            received: bytes = self._serial.read(1024)  # 0 bytes although readable: pyserial raises, the device is gone
        except (OSError, termios.error) as exc:
            self._lose(exc)
            return
        if self.watch is not None:
            self.watch(received)
        self._perform(self._conversation.receive(received, time.monotonic()))

    def _pass_time(self) -> None:
        self._alarm = None
        if self._serial is not None:
            self._perform(self._conversation.pass_time(time.monotonic()))

    def _perform(self, step: Step) -> None:
        now_s = time.monotonic()
        for uid, raw in step.seen:
            self._reopen_pause_s = _REOPEN_FIRST_S
            text = self._form.text(uid)
            if text is not None and self._presence.is_new(text, now_s):
                self._cards.append(CardRead(uid=text, taken_s=now_s, raw=raw, random=is_random(uid)))
                self._changed.set()
        if step.trouble:
            self._failure = DriverUnavailable(f"card reader at {self._port}: {step.trouble}")
            self._changed.set()
        if step.send and self._serial is not None:
            try:
                self._serial.write(step.send)
            except (OSError, termios.error) as exc:
                self._lose(exc)
                return
        self._set_alarm(now_s)

    def _set_alarm(self, now_s: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due_s = self._conversation.due_s()
        if due_s is not None and self._serial is not None and self._loop is not None:
            self._alarm = self._loop.call_later(max(0.0, due_s - now_s), self._pass_time)

    def _lose(self, exc: Exception) -> None:
        self._hang_up()
        if self._loop is not None:
            self._reopen_at_s = self._loop.time() + self._reopen_pause_s
            self._reopen_pause_s = min(self._reopen_pause_s * 2, _REOPEN_MOST_S)
        self._failure = DriverUnavailable(f"card reader at {self._port} is gone: {exc}")
        self._changed.set()

    def _hang_up(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        port, self._serial = self._serial, None
        if port is not None:
            if self._loop is not None:
                self._loop.remove_reader(port.fileno())
            port.close()


def reader_options(token_kind: str, *, baud: int | None = None) -> tuple[Option, ...]:
    """Return the options that every serial reader has; ``baud``: its default, where it can be set."""
    speed = Option(
        name="baud", type=int, default=baud, unit="bit/s", minimum=1200, maximum=921_600, help="speed of the line"
    )
    return (
        Option(name="port", type=str, required=True, help="device file, best a name under /dev/serial/by-id"),
        *((speed,) if baud is not None else ()),
        Option(
            name="token_kind",
            type=str,
            default=token_kind,
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
        *FORM_OPTIONS,
    )


POLL_OPTION: Final = Option(
    name="poll_ms",
    type=int,
    default=250,
    unit="ms",
    minimum=50,
    maximum=2000,
    help="time between two searches for a card",
)
OF_READER: Final = frozenset({"port", "baud", "token_kind", "hold_off_s", "absence_s"})


def for_reader(options: dict[str, Any]) -> dict[str, Any]:
    """Return what of a driver's checked options is the port's business rather than the family's."""
    return {name: value for name, value in options.items() if name in OF_READER}


def _why(problem: OSError | ValueError | termios.error) -> str:
    """Return why a port was not opened; pyserial's own words name the port twice."""
    number = problem.errno if isinstance(problem, OSError) else None
    if number in (errno.EAGAIN, errno.EBUSY):
        return "somebody else has it open"
    return os.strerror(number) if number else str(problem)
