"""ELATEC TWN4 readers with the Simple Protocol on a serial port (USB CDC or UART, 9600 8N1). Unverified on a reader.

A command is its number and parameters as hexadecimal text and CR; the answer, likewise, an error byte and the results.
``050010``: SearchTag with room for 16 bytes. Its answers: ``0000`` no card; ``0001``, type, number of bits, number of
bytes, id. A reader that sends cards by itself (App in its firmware) is served by the driver ``line`` instead.

Source: ELATEC "TWN4 API Reference" and "TWN4 Simple Protocol", as remembered by integrators: unverified.
"""

from __future__ import annotations

import re
from typing import Any, Final

from drivers.api import DriverKind, DriverSpec
from drivers.rfid.conversation import NOTHING, Seen, Step
from drivers.rfid.serial_reader import POLL_OPTION, SerialReader, for_reader, reader_options
from drivers.rfid.uid_form import form_of

SEARCH: Final = b"050010\r"
ANSWER_S: Final = 1.0  # house rule
FAILURES: Final = 3  # in a row, until it is told; house rule
MOST_BUFFER_B: Final = 256
_ANSWER: Final = re.compile(rb"[0-9A-Fa-f]+")


def uid_of(answer: bytes) -> bytes | None:
    """Return the id in an answer to SearchTag (without its CR); ``None``: no card, or no such answer."""
    if len(answer) % 2 or not _ANSWER.fullmatch(answer):
        return None
    content = bytes.fromhex(answer.decode("ascii"))
    if len(content) < 5 or content[0] != 0 or content[1] != 1:
        return None
    length = content[4]
    uid = content[5 : 5 + length]
    return uid if len(uid) == length and len(content) == 5 + length else None


class Twn4:
    """Asks the reader for cards every ``poll_s``."""

    baud = 9600

    def __init__(self, *, poll_s: float = 0.25) -> None:
        self._poll_s = poll_s
        self._buffer = b""
        self._waiting = False
        self._due_s = 0.0
        self._failures = 0

    def open(self, now_s: float) -> Step:
        """Begin to ask; an unfinished command of before is ended by the first CR."""
        self._buffer, self._failures = b"", 0
        return Step(send=b"\r" + self._ask(now_s).send)

    def receive(self, received: bytes, now_s: float) -> Step:
        """Take bytes; each whole line is an answer."""
        *lines, self._buffer = (self._buffer + received).replace(b"\n", b"").split(b"\r")
        self._buffer = self._buffer[-MOST_BUFFER_B:]
        lines = [line for line in lines if line]
        if not lines:
            return NOTHING
        trouble = "" if self._failures >= FAILURES else None
        self._failures, self._waiting = 0, False
        self._due_s = now_s + self._poll_s
        found = ((line, uid_of(line)) for line in lines)
        return Step(seen=tuple(Seen(uid, line) for line, uid in found if uid is not None), trouble=trouble)

    def pass_time(self, now_s: float) -> Step:
        """Ask again; three questions without an answer are told."""
        if now_s < self._due_s:
            return NOTHING
        if not self._waiting:
            return self._ask(now_s)
        self._failures += 1
        asked = self._ask(now_s)
        if self._failures == FAILURES:
            return asked._replace(trouble=f"no answer to {FAILURES} questions; is it set to the Simple Protocol?")
        return asked

    def due_s(self) -> float | None:
        """Return when to ask, or when an answer is overdue."""
        return self._due_s

    def _ask(self, now_s: float) -> Step:
        self._waiting = True
        self._due_s = now_s + ANSWER_S
        return Step(send=SEARCH)


def open_reader(*, poll_ms: int = 250, **options: Any) -> SerialReader:
    """Return a reader; its port is opened when a card is waited for."""
    return SerialReader(Twn4(poll_s=poll_ms / 1000), form=form_of(options), **for_reader(options))


SPEC = DriverSpec(
    name="twn4",
    kind=DriverKind.READER,
    target="drivers.rfid.twn4:open_reader",
    options=(
        *reader_options("ISO14443", baud=Twn4.baud),
        POLL_OPTION,
    ),
    summary="ELATEC TWN4 with the Simple Protocol on a serial port (unverified)",
)
