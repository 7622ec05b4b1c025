"""What the bench's card readers say on their wires, one class per family. Pure.

Written from the readers' own manuals and not from any driver. Source: RDM6300 data sheet; NXP UM0701-02 (PN532)
sections 6.2, 7.2.2, 7.2.10, 7.2.11, 7.3.1, 7.3.5; the TWN4's Simple Protocol as integrators remember it (unverified).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Protocol

from hil.rdm6300 import FRAME_PERIOD_S, card_frame

_ACK: Final = bytes.fromhex("0000ff00ff00")
_SYNTAX_ERROR: Final = bytes.fromhex("0000ff01ff7f8100")


class ReaderFace(Protocol):
    """One family.

    Attributes:
        cards: what a card's id must look like. says: the same in words.
        period_s: a card that lies there is told of again and again; ``None``: once.
    """

    cards: re.Pattern[str]
    says: str
    period_s: float | None

    def lay(self, card: str) -> bytes:
        """Return what the reader sends by itself for a card that lies on it."""

    def hear(self, received: bytes, card: str | None) -> bytes:
        """Return what the reader answers to bytes while ``card`` lies on it."""


class Rdm6300Face:
    """Sends a frame every 65 ms and listens to nothing."""

    cards = re.compile(r"[0-9A-Fa-f]{10}")
    says = "10 hexadecimal digits such as 2900DEB30A"
    period_s: float | None = FRAME_PERIOD_S

    def lay(self, card: str) -> bytes:
        """Return the frame."""
        return card_frame(card)

    def hear(self, _received: bytes, _card: str | None) -> bytes:
        """Listen to nothing."""
        return b""


class LineFace:
    """Prints the id and CR LF once for each card."""

    cards = re.compile(r"(?:[0-9A-Fa-f]{2}){4,10}")
    says = "8 to 20 hexadecimal digits such as 04A1B2C3D4E5F6"
    period_s: float | None = None

    def lay(self, card: str) -> bytes:
        """Return the line."""
        return card.encode() + b"\r\n"

    def hear(self, _received: bytes, _card: str | None) -> bytes:
        """Listen to nothing."""
        return b""


class Twn4Face:
    """Answers SearchTag."""

    cards = LineFace.cards
    says = LineFace.says
    period_s: float | None = None

    def __init__(self) -> None:
        self._heard = b""

    def lay(self, _card: str) -> bytes:
        """Say nothing unasked."""
        return b""

    def hear(self, received: bytes, card: str | None) -> bytes:
        """Answer each whole command."""
        *lines, self._heard = (self._heard + received).split(b"\r")
        return b"".join(self._answer(line, card) for line in lines if line)

    def _answer(self, line: bytes, card: str | None) -> bytes:
        if line[:4] != b"0500":
            return b"01\r"  # unknown function
        if card is None:
            return b"0000\r"
        length = len(card) // 2
        return f"000180{8 * length:02X}{length:02X}{card}\r".encode()


class Pn532Face:
    """A PN532 on its high-speed UART: sleeps until it is woken, and finds no card until it is configured."""

    cards = re.compile(r"(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{14}|[0-9A-Fa-f]{20})")
    says = "8, 14 or 20 hexadecimal digits such as 04A1B2C3D4E5F6"
    period_s: float | None = None

    def __init__(self) -> None:
        self._heard = b""
        self._awake = False
        self._configured = False

    def reset(self) -> None:
        """Lose everything, as chips do when somebody's coat sparks: it still answers, but it finds no cards."""
        self._configured = False

    def lay(self, _card: str) -> bytes:
        """Say nothing unasked."""
        return b""

    def hear(self, received: bytes, card: str | None) -> bytes:
        """Acknowledge and answer each whole command."""
        self._heard += received
        if b"\x55\x55\x00\x00" in self._heard:
            self._awake = True
        said = b""
        while (start := self._heard.find(b"\x00\xff")) >= 0 and len(self._heard) >= start + 4:
            length, check = self._heard[start + 2 : start + 4]
            if (length, check) == (0, 0xFF):  # the host's ACK: it wants nothing any more
                self._heard = self._heard[start + 4 :]
                continue
            end = start + 4 + length + 2
            if (length + check) & 0xFF or length == 0:
                self._heard = self._heard[start + 2 :]
                continue
            if len(self._heard) < end:
                break
            content = self._heard[start + 4 : end - 2]
            right = not (sum(self._heard[start + 4 : end - 1]) & 0xFF)
            self._heard = self._heard[end:]
            if self._awake and right:
                said += _ACK + self._answer(content, card)
        return said

    def _answer(self, content: bytes, card: str | None) -> bytes:
        if len(content) < 2 or content[0] != 0xD4:
            return _SYNTAX_ERROR
        match content[1]:
            case 0x02:
                return _answer(b"\x03\x32\x01\x06\x07")
            case 0x14:
                self._configured = True
                return _answer(b"\x15")
            case 0x32:
                return _answer(b"\x33")
            case 0x4A:
                return _answer(b"\x4b" + self._targets(content, card))
            case 0x52:
                return _answer(b"\x53\x00")
        return _SYNTAX_ERROR

    def _targets(self, content: bytes, card: str | None) -> bytes:
        if card is None or not self._configured or content[3:4] != b"\x00":
            return b"\x00"
        uid = bytes.fromhex(card)
        sens, sel = (b"\x00\x04", b"\x08") if len(uid) == 4 else (b"\x00\x44", b"\x00")
        return b"\x01\x01" + sens + sel + bytes([len(uid)]) + uid


def _answer(body: bytes) -> bytes:
    content = b"\xd5" + body
    length = len(content)
    return b"\x00\x00\xff" + bytes([length, -length & 0xFF]) + content + bytes([-sum(content) & 0xFF, 0])


READER_FACES: Final[Mapping[str, type[ReaderFace]]] = {
    "rdm6300": Rdm6300Face,
    "pn532": Pn532Face,
    "line": LineFace,
    "twn4": Twn4Face,
}
