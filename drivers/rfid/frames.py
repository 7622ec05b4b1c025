"""Frames of the RDM6300 family (RDM630, 7941E, most 125 kHz readers with a UART): pure.

A frame is STX, ten hexadecimal digits (one version byte and four id bytes of an EM4100 tag), two digits of checksum,
ETX; the reader repeats it about every 65 ms while the card stays. The checksum is the exclusive or of the five bytes.

Source: RDM6300 data sheet; arduino12/rdm6300.
"""

from __future__ import annotations

from typing import Final

STX: Final = 0x02
ETX: Final = 0x03
FRAME_B: Final = 14
_HEX: Final = frozenset(b"0123456789ABCDEFabcdef")
_NO_CARD: Final = ("0000000000", "FFFFFFFFFF")  # a floating or shorted aerial, no tag


class Rdm6300Frames:
    """Finds frames in a stream that may start anywhere and hold anything."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[str]:
        """Take bytes; return the ids of the frames that are complete now: ten hexadecimal digits, upper case."""
        self._buffer += received
        uids: list[str] = []
        while (start := self._buffer.find(STX)) >= 0:
            del self._buffer[:start]
            if len(self._buffer) < FRAME_B:
                return uids if self._may_become_frame() else uids + self._skip_start()
            uid = _uid_of(bytes(self._buffer[:FRAME_B]))
            if uid is None:
                del self._buffer[:1]  # a false start: the real one may be within
            else:
                del self._buffer[:FRAME_B]
                uids.append(uid)
        self._buffer.clear()
        return uids

    def _may_become_frame(self) -> bool:
        return all(byte in _HEX for byte in self._buffer[1:])

    def _skip_start(self) -> list[str]:
        del self._buffer[:1]
        return self.feed(b"")


def _uid_of(frame: bytes) -> str | None:
    digits = frame[1:13]
    if frame[13] != ETX or not all(byte in _HEX for byte in digits):
        return None
    tag, checksum = bytes.fromhex(digits[:10].decode("ascii")), int(digits[10:12], 16)
    total = 0
    for byte in tag:
        total ^= byte
    uid = tag.hex().upper()
    return uid if total == checksum and uid not in _NO_CARD else None
