"""A Modbus RTU slave: bytes in, bytes out, several units on one bus. Pure; written without the master's library.

Source: MODBUS Application Protocol 1.1b3 (function codes, exceptions); MODBUS over serial line 1.02 (RTU, CRC).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from hil.register_map import Quantities, RegisterMap

__all__ = ["Fault", "ModbusSlave", "Quantities", "RegisterMap", "Unit", "crc16"]

_REQUEST_BYTES: Final = 8  # unit, function, address, count or value, CRC: functions 1 to 6
_ILLEGAL_FUNCTION: Final = 1
_ILLEGAL_ADDRESS: Final = 2
_ILLEGAL_VALUE: Final = 3
_DEVICE_FAILURE: Final = 4
_READS: Final = (3, 4)
_FIXED_LENGTH: Final = range(1, 7)


class Fault(Enum):
    """What is wrong with a unit's answers."""

    NONE = "none"
    SILENT = "silent"
    GARBAGE = "garbage"  # the next three in turn
    CHECKSUM = "checksum"
    WRONG_UNIT = "wrong_unit"
    SHORT = "short"  # half an answer
    EXCEPTION = "exception"  # device failure
    LATE = "late"  # the right answer, held back until ``take_late``


_GARBAGE: Final = (Fault.CHECKSUM, Fault.WRONG_UNIT, Fault.SHORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One meter on the bus: ``measure`` is asked at each request."""

    measure: Callable[[], Quantities]
    fault: Callable[[], Fault]


class ModbusSlave:
    """Answers read requests of several units. Feed it what the line brings; write back what it returns."""

    def __init__(self, register_map: RegisterMap, units: Mapping[int, Unit], *, holes_refused: bool = False) -> None:
        """Serve ``units`` by address, 1-247; with ``holes_refused`` a read may only touch registers of the map."""
        self._map = register_map
        self._units = units
        self._holes_refused = holes_refused
        self._held: list[bytes] = []
        self._pending = bytearray()
        self._garbage_kind = 0

    def feed(self, chunk: bytes) -> bytes:
        """Return the answers to the requests that ``chunk`` completes; noise is skipped until a checksum is right."""
        self._pending += chunk
        answers = bytearray()
        while len(self._pending) >= _REQUEST_BYTES:
            frame = bytes(self._pending[:_REQUEST_BYTES])
            if frame[1] in _FIXED_LENGTH and crc16(frame[:-2]) == frame[-2:]:
                del self._pending[:_REQUEST_BYTES]
                answers += self._answer(frame)
            else:
                del self._pending[0]
        return bytes(answers)

    def rest(self) -> None:
        """Forget half a request: the line was silent for longer than a frame may be interrupted."""
        self._pending.clear()

    def take_late(self) -> list[bytes]:
        """Return the answers that were held back since the last call, to be sent later."""
        held, self._held = self._held, []
        return held

    def _answer(self, frame: bytes) -> bytes:
        unit = self._units.get(frame[0])
        fault = Fault.SILENT if unit is None else unit.fault()
        if unit is None or fault is Fault.SILENT:
            return b""
        answer = self._good_answer(unit, frame)
        match fault:
            case Fault.NONE:
                return answer
            case Fault.LATE:
                self._held.append(answer)
                return b""
            case Fault.EXCEPTION:
                return _exception(frame, _DEVICE_FAILURE)
            case Fault.GARBAGE:
                self._garbage_kind = (self._garbage_kind + 1) % len(_GARBAGE)
                return _spoilt(answer, _GARBAGE[self._garbage_kind])
        return _spoilt(answer, fault)

    def _good_answer(self, unit: Unit, frame: bytes) -> bytes:
        address_of_unit, function_code, start, count = struct.unpack(">BBHH", frame[:-2])
        if function_code not in _READS:
            return _exception(frame, _ILLEGAL_FUNCTION)
        if not 1 <= count <= self._map.max_block:
            return _exception(frame, _ILLEGAL_VALUE)
        words = self._map.encode(unit.measure(), function_code)
        wanted = range(start, start + count)
        whole = words.keys() >= set(wanted) if self._holes_refused else _within_a_block(words, wanted)
        if not whole:
            return _exception(frame, _ILLEGAL_ADDRESS)
        body = struct.pack(
            f">BBB{count}H", address_of_unit, function_code, 2 * count, *(words.get(a, 0) for a in wanted)
        )
        return body + crc16(body)


def _spoilt(answer: bytes, fault: Fault) -> bytes:
    match fault:
        case Fault.CHECKSUM:  # a bit fell over
            return answer[:3] + bytes([answer[3] ^ 0x55]) + answer[4:]
        case Fault.WRONG_UNIT:  # somebody else's answer
            body = bytes([answer[0] ^ 0x40]) + answer[1:-2]
            return body + crc16(body)
    return answer[: len(answer) // 2]


def crc16(frame: bytes) -> bytes:
    """Return the Modbus CRC of ``frame``, low byte first."""
    crc = 0xFFFF
    for byte in frame:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


def _exception(frame: bytes, code: int) -> bytes:
    body = bytes([frame[0], frame[1] | 0x80, code])
    return body + crc16(body)


def _within_a_block(words: Iterable[int], wanted: range) -> bool:
    """Whether every wanted address lies in the meter's table; holes between two values read as 0, as an SDM630 does."""
    last = max(words, default=-1)
    first = min(words, default=0)
    return first <= wanted.start and wanted[-1] <= last
