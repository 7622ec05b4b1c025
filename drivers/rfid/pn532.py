"""Card readers with an NXP PN532 on a serial port (HSU, 115200 8N1): ISO/IEC 14443 cards with ids of 4, 7 or 10 bytes.

The chip is asked: wake it, configure it, then look for a card every ``poll_ms``. Static electricity resets such chips
without a word, and then they still answer, but find no cards: every minute, and after every error, the chip is asked
for its version and configured anew.

Frames: ``00 00 FF LEN LCS TFI DATA... DCS 00`` with LCS = -LEN and DCS = -(TFI + DATA), modulo 256; TFI is D4 to the
chip and D5 from it; the answer to a command has its number plus 1. ACK: ``00 00 FF 00 FF 00``.

Source: NXP UM0701-02 (PN532 user manual) sections 6.2 (frames), 7.2.2, 7.2.10, 7.3.1, 7.3.5;
Adafruit_CircuitPython_PN532; nfcpy. The retry setting (RFConfiguration item 5) is unverified on a chip.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, Final

from drivers.api import DriverKind, DriverSpec, Option
from drivers.rfid.conversation import NOTHING, Seen, Step
from drivers.rfid.serial_reader import POLL_OPTION, SerialReader, for_reader, reader_options
from drivers.rfid.uid_form import form_of

ACK: Final = bytes.fromhex("0000ff00ff00")
WAKE: Final = b"\x55\x55" + bytes(14)  # at least 14 zero bytes while the chip starts its clock. UM0701-02, 7.2.11
ANSWER_S: Final = 1.0  # an answer later than this is none; the slowest search takes a fraction of it
HEALTH_S: Final = 60.0  # between two looks at the chip; house rule
FAILURES: Final = 3  # in a row, until it is told; house rule
RETRY_S: Final = 1.0  # between two attempts to bring a silent chip back; house rule
MOST_BUFFER_B: Final = 1024

_TO_CHIP: Final = 0xD4
_FROM_CHIP: Final = 0xD5
_VERSION: Final = b"\x02"
_CONFIGURE: Final = b"\x14\x01\x00\x00"  # SAMConfiguration: normal mode, no time-out, no IRQ
_RETRIES: Final = b"\x32\x05\xff\x01\x02"  # RFConfiguration item 5: passive activation is tried 2 times, then answers
_RELEASE: Final = b"\x52\x00"
_SEARCH_A: Final = b"\x4a\x01\x00"  # InListPassiveTarget: one target, 106 kbit/s type A
_SEARCH_B: Final = b"\x4a\x01\x03\x00"  # the same, type B, every application family
_PN532: Final = 0x32  # GetFirmwareVersion: the IC's code


def frame(body: bytes) -> bytes:
    """Return the normal information frame that carries a command (its number and parameters) to the chip."""
    content = bytes([_TO_CHIP]) + body
    return _wrapped(content)


def _wrapped(content: bytes) -> bytes:
    length = len(content)
    return b"\x00\x00\xff" + bytes([length, -length & 0xFF]) + content + bytes([-sum(content) & 0xFF, 0])


class Pn532Frames:
    """Finds the chip's answers in a stream that may start anywhere and hold anything."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> Iterator[bytes]:
        """Take bytes; yield the content of each whole answer (response code first); ACKs and noise are dropped."""
        self._buffer += received
        while (start := self._buffer.find(b"\x00\xff")) >= 0:
            head = self._buffer[start + 2 : start + 4]
            if len(head) < 2:
                break
            length = head[0]
            if (length + head[1]) & 0xFF or length < 2:
                del self._buffer[: start + 2]  # an ACK, a NACK, an error frame, or a false start
                continue
            end = start + 4 + length + 1
            if len(self._buffer) < end:
                break
            content = bytes(self._buffer[start + 4 : end])
            if sum(content) & 0xFF or content[0] != _FROM_CHIP:
                del self._buffer[: start + 2]
                continue
            del self._buffer[:end]
            yield content[1:-1]
        del self._buffer[:-MOST_BUFFER_B]


def uid_of(answer: bytes) -> bytes | None:
    """Return the id in the answer to InListPassiveTarget for type A; ``None``: no card, or no whole one."""
    if len(answer) < 7 or answer[0] != _SEARCH_A[0] + 1 or answer[1] < 1:
        return None
    length = answer[6]
    uid = answer[7 : 7 + length]
    return uid if length in (4, 7, 10) and len(uid) == length else None


def pupi_of(answer: bytes) -> bytes | None:
    """Return the pseudo-unique id in the answer for type B (ATQB: 50, then four bytes); ``None``: no card."""
    if len(answer) < 8 or answer[0] != _SEARCH_A[0] + 1 or answer[1] < 1 or answer[3] != 0x50:
        return None
    return answer[4:8]


class _Asked(Enum):
    """Which command the chip owes an answer to."""

    NOTHING = auto()
    CONFIGURE = auto()
    RETRIES = auto()
    VERSION = auto()
    SEARCH_A = auto()
    SEARCH_B = auto()
    RELEASE = auto()


_COMMAND: Final = {
    _Asked.CONFIGURE: _CONFIGURE,
    _Asked.RETRIES: _RETRIES,
    _Asked.VERSION: _VERSION,
    _Asked.SEARCH_A: _SEARCH_A,
    _Asked.SEARCH_B: _SEARCH_B,
    _Asked.RELEASE: _RELEASE,
}


class Pn532:
    """Asks the chip for cards.

    Args:
        poll_s: between two searches, s. type_b: look for type B cards too.
    """

    baud = 115_200

    def __init__(self, *, poll_s: float = 0.25, type_b: bool = False) -> None:
        self._poll_s = poll_s
        self._type_b = type_b
        self._frames = Pn532Frames()
        self._asked = _Asked.NOTHING
        self._due_s: float | None = None
        self._healthy_until_s = 0.0
        self._failures = 0
        self._told = False

    def open(self, now_s: float) -> Step:
        """Wake the chip and configure it."""
        self._frames = Pn532Frames()
        self._failures, self._told = 0, False
        return self._begin(now_s)

    def receive(self, received: bytes, now_s: float) -> Step:
        """Take bytes: each awaited answer leads to the next command."""
        step = NOTHING
        for answer in self._frames.feed(received):
            asked = self._asked
            if asked is _Asked.NOTHING or answer[0] != _COMMAND[asked][0] + 1:
                continue  # a late answer to a command that was given up
            step = _joined(step, self._answered(asked, answer, now_s))
        return step

    def pass_time(self, now_s: float) -> Step:
        """Search again, look at the chip's health, or give up waiting for an answer."""
        if self._due_s is None or now_s < self._due_s:
            return NOTHING
        if self._asked is not _Asked.NOTHING:
            return self._failed(f"no answer to command {_COMMAND[self._asked][0]:02X} within {ANSWER_S:g} s", now_s)
        if self._failures or now_s >= self._healthy_until_s:
            return self._begin(now_s)
        return self._ask(_Asked.SEARCH_A, now_s)

    def due_s(self) -> float | None:
        """Return when to search, or when an answer is overdue."""
        return self._due_s

    def _begin(self, now_s: float) -> Step:
        configure = self._ask(_Asked.CONFIGURE, now_s)
        return Step(send=ACK + WAKE + configure.send)  # the ACK ends whatever the chip was still at. UM0701-02, 6.2.1.5

    def _answered(self, asked: _Asked, answer: bytes, now_s: float) -> Step:
        match asked:
            case _Asked.CONFIGURE:
                return self._ask(_Asked.RETRIES, now_s)
            case _Asked.RETRIES:
                return self._ask(_Asked.VERSION, now_s)
            case _Asked.VERSION:
                return self._examined(answer, now_s)
            case _Asked.SEARCH_A:
                uid = uid_of(answer)
                if uid is not None:
                    return self._ask(_Asked.RELEASE, now_s)._replace(seen=(Seen(uid, answer),))
                return self._ask(_Asked.SEARCH_B, now_s) if self._type_b else self._rest(now_s)
            case _Asked.SEARCH_B:
                pupi = pupi_of(answer)
                if pupi is not None:
                    return self._ask(_Asked.RELEASE, now_s)._replace(seen=(Seen(pupi, answer),))
                return self._rest(now_s)
            case _:
                return self._rest(now_s)

    def _examined(self, answer: bytes, now_s: float) -> Step:
        if len(answer) < 2 or answer[1] != _PN532:
            return self._failed(f"version {answer[1:].hex(' ') or 'nothing'}, expected an IC of code 32", now_s)
        self._failures = 0
        self._healthy_until_s = now_s + HEALTH_S
        trouble = "" if self._told else None
        self._told = False
        return self._ask(_Asked.SEARCH_A, now_s)._replace(trouble=trouble)

    def _failed(self, why: str, now_s: float) -> Step:
        self._asked = _Asked.NOTHING
        self._failures += 1
        self._due_s = now_s + RETRY_S
        if self._failures < FAILURES:
            return self._begin(now_s)
        if self._told:
            return NOTHING
        self._told = True
        return Step(trouble=f"the PN532 does not work: {why}")

    def _rest(self, now_s: float) -> Step:
        self._asked = _Asked.NOTHING
        self._due_s = now_s + self._poll_s
        return NOTHING

    def _ask(self, asked: _Asked, now_s: float) -> Step:
        self._asked = asked
        self._due_s = now_s + ANSWER_S
        return Step(send=frame(_COMMAND[asked]))


def _joined(first: Step, then: Step) -> Step:
    return Step(
        send=first.send + then.send,
        seen=first.seen + then.seen,
        trouble=first.trouble if then.trouble is None else then.trouble,
    )


def open_reader(*, poll_ms: int = 250, type_b: bool = False, **options: Any) -> SerialReader:
    """Return a reader; its port is opened when a card is waited for."""
    conversation = Pn532(poll_s=poll_ms / 1000, type_b=type_b)
    return SerialReader(conversation, form=form_of(options), **for_reader(options))


SPEC = DriverSpec(
    name="pn532",
    kind=DriverKind.READER,
    target="drivers.rfid.pn532:open_reader",
    options=(
        *reader_options("ISO14443", baud=Pn532.baud),
        POLL_OPTION,
        Option(name="type_b", type=bool, default=False, help="look for ISO/IEC 14443 type B cards too"),
    ),
    summary="Card reader with an NXP PN532 on a serial port (ISO/IEC 14443, ids of 4, 7 and 10 bytes)",
)
