"""Which bytes on a Modbus line are the answer to our request: pure, no I/O.

A library that takes any well-formed frame for the answer shifts every later reading by one when a slave answers late.
Here only a frame with the unit, function, length and checksum that the request demands is let through.

Sources: MODBUS over Serial Line V1.02 §2.5.1 (RTU frame, CRC-16); MODBUS Application Protocol V1.1b3 §6.3, §6.4, §7
(answers, exception codes); MODBUS Messaging on TCP/IP V1.0b §3.1.3 (MBAP header).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from drivers.meter.counters import Trouble

EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    10: "gateway path unavailable",
    11: "gateway target did not respond",
}
_READS: Final = (3, 4)
_EXCEPTION: Final = 0x80
_SMALLEST_ANSWER_B: Final = 5  # RTU exception answer


class AnswerGate(ABC):
    """Looks at what was sent and received on one line and picks the answers.

    ``pick`` gets everything received since the request, so a frame may arrive in pieces and with noise in front.
    """

    def __init__(self) -> None:
        self._request: bytes | None = None
        self._received = b""

    @property
    def received_bytes(self) -> int:
        """Return how much came since the request."""
        return len(self._received)

    def sent(self, request: bytes) -> None:
        """Note the request that the next answer must belong to."""
        self._request = bytes(request)
        self._received = b""

    def gave_up(self) -> None:
        """Note that nobody waits for an answer any more."""
        self._request = None

    def pick(self, received: bytes) -> bytes:
        """Return the frame that answers the request, ``b""`` while there is none."""
        self._received = bytes(received)
        return b"" if self._request is None else self._find(self._request, received)

    def trouble(self, request: bytes) -> Trouble:
        """Return what came since ``request``, which got no answer."""
        if not self._received:
            return Trouble.SILENCE
        return Trouble.ECHO if self._received == request else self._judge(request, self._received)

    def heard_from(self, unit: int) -> bool:
        """Return whether ``unit`` said something since the request, or something so broken that it may have."""
        if len(self._received) < _SMALLEST_ANSWER_B or self._received == self._request:
            return False
        return self.count_answers(unit, self._received) > 0 or not self._whole(self._received)

    @staticmethod
    @abstractmethod
    def body(frame: bytes) -> bytes:
        """Return what ``pick`` returned without addresses and checksum: function, then bytes or a code."""

    @abstractmethod
    def _whole(self, received: bytes) -> bool:
        """Return whether there is a whole frame of anybody in ``received``."""

    @abstractmethod
    def _find(self, request: bytes, received: bytes) -> bytes: ...

    @abstractmethod
    def _judge(self, request: bytes, received: bytes) -> Trouble: ...

    @abstractmethod
    def count_answers(self, unit: int, received: bytes) -> int:
        """Return how many whole answers of ``unit``, to whatever read, are in ``received``."""


class RtuGate(AnswerGate):
    """RTU frames: unit, function, length, registers, CRC-16."""

    @staticmethod
    def body(frame: bytes) -> bytes:
        """See ``AnswerGate``."""
        return frame[1:-2]

    def _find(self, request: bytes, received: bytes) -> bytes:
        unit, function = request[0], request[1]
        length = 2 * int.from_bytes(request[4:6], "big")
        answer, refusal = bytes((unit, function, length)), bytes((unit, function | _EXCEPTION))
        for start in range(len(received)):
            if received.startswith(answer, start):
                frame = received[start : start + length + 5]
                if len(frame) == length + 5 and crc16(frame) == 0:
                    return frame
            elif received.startswith(refusal, start):
                frame = received[start : start + 5]
                if len(frame) == 5 and crc16(frame) == 0:
                    return frame
        return b""

    def _judge(self, request: bytes, received: bytes) -> Trouble:
        if self._whole(received):
            return Trouble.FOREIGN
        if received[0] != request[0]:
            return Trouble.NOISE
        size = 2 * int.from_bytes(request[4:6], "big") + 5 if received[1:2] == bytes((request[1],)) else 5
        return Trouble.SHORT if len(received) < size else Trouble.CHECKSUM

    def _whole(self, received: bytes) -> bool:
        return crc16(received) == 0 or any(self._frame_size(received, start) for start in range(len(received)))

    def count_answers(self, unit: int, received: bytes) -> int:
        """Return the number of frames of ``unit`` with a right checksum."""
        found = start = 0
        while start + 5 <= len(received):
            size = self._answer_size(unit, received, start)
            found += size > 0
            start += size or 1
        return found

    @classmethod
    def _answer_size(cls, unit: int, received: bytes, start: int) -> int:
        return cls._frame_size(received, start) if received[start] == unit else 0

    @staticmethod
    def _frame_size(received: bytes, start: int) -> int:
        if len(received) < start + 5 or (received[start + 1] & ~_EXCEPTION) not in _READS:
            return 0
        size = 5 if received[start + 1] & _EXCEPTION else received[start + 2] + 5
        frame = received[start : start + size]
        return size if len(frame) == size and crc16(frame) == 0 else 0


class TcpGate(AnswerGate):
    """MBAP frames: transaction, protocol 0, length, unit, then function, length, registers."""

    @staticmethod
    def body(frame: bytes) -> bytes:
        """See ``AnswerGate``."""
        return frame[7:]

    def _find(self, request: bytes, received: bytes) -> bytes:
        unit, function = request[6], request[7]
        length = 2 * int.from_bytes(request[10:12], "big")
        answer = request[0:2] + bytes((0, 0)) + (length + 3).to_bytes(2, "big") + bytes((unit, function, length))
        refusal = request[0:2] + bytes((0, 0, 0, 3, unit, function | _EXCEPTION))
        for start in range(len(received)):
            if received.startswith(answer, start) and len(received) >= start + length + 9:
                return received[start : start + length + 9]
            if received.startswith(refusal, start) and len(received) >= start + 9:
                return received[start : start + 9]
        return b""

    def _judge(self, request: bytes, received: bytes) -> Trouble:
        if len(received) < 8 or received[2:4] != b"\0\0":
            return Trouble.SHORT if request.startswith(received[:2]) else Trouble.NOISE
        return Trouble.FOREIGN if self._whole(received) else Trouble.SHORT

    def _whole(self, received: bytes) -> bool:
        return len(received) >= 8 and len(received) >= 6 + int.from_bytes(received[4:6], "big")

    def count_answers(self, unit: int, received: bytes) -> int:
        """Return the number of whole frames of ``unit``."""
        found = start = 0
        while start + 9 <= len(received) and received[start + 2 : start + 4] == b"\0\0":
            size = 6 + int.from_bytes(received[start + 4 : start + 6], "big")
            found += received[start + 6] == unit and start + size <= len(received)
            start += size
        return found


def crc16(frame: bytes) -> int:
    """Return the CRC-16 of ``frame`` (polynomial A001h, start FFFFh); 0 over a frame that ends in its own checksum."""
    crc = 0xFFFF
    for byte in frame:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_row(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_CRC_TABLE: Final = tuple(_crc_row(byte) for byte in range(256))
