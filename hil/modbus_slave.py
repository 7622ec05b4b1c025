"""A Modbus RTU slave: bytes in, bytes out, several units on one bus. Pure; written without the master's library.

Source: MODBUS Application Protocol 1.1b3 (function codes, exceptions); MODBUS over serial line 1.02 (RTU, CRC).
"""

from __future__ import annotations

import struct
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

_REQUEST_BYTES: Final = 8  # unit, function, address, count or value, CRC: functions 1 to 6
_ILLEGAL_FUNCTION: Final = 1
_ILLEGAL_ADDRESS: Final = 2
_ILLEGAL_VALUE: Final = 3
_READS: Final = (3, 4)
_FIXED_LENGTH: Final = range(1, 7)
_SERIAL_NUMBER: Final = 1_234_567


class Fault(Enum):
    """What is wrong with a unit's answers."""

    NONE = "none"
    SILENT = "silent"
    GARBAGE = "garbage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantities:
    """What a meter measures now. Tuples are L1, L2, L3."""

    voltage_v: tuple[float, float, float]
    current_a: tuple[float, float, float]
    energy_wh: float
    frequency_hz: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterMap:
    """Where a meter keeps its values: name to (function code, address, type, scale)."""

    function_code: int
    max_block: int
    registers: Mapping[str, tuple[int, int, str, float]]

    @classmethod
    def load(cls, path: Path) -> RegisterMap:
        """Read a meter file. Raises ``OSError``, ``tomllib.TOMLDecodeError``, ``KeyError``."""
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        function_code = int(document["function_code"])
        registers = {
            name: (int(entry.get("fc", function_code)), int(entry["addr"]), str(entry["type"]), float(entry["scale"]))
            for name, entry in document["registers"].items()
        }
        return cls(function_code=function_code, max_block=int(document["max_block"]), registers=registers)

    def encode(self, quantities: Quantities, function_code: int) -> dict[int, int]:
        """Return the 16-bit registers of one table, by address."""
        values = _values(quantities)
        words: dict[int, int] = {}
        for name, (table, address, kind, scale) in self.registers.items():
            if table == function_code:
                layout = ">f" if kind == "float32" else ">I"
                number = values[name] / scale
                high, low = struct.unpack(">HH", struct.pack(layout, number if kind == "float32" else int(number)))
                words[address], words[address + 1] = high, low
        return words


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One meter on the bus: ``measure`` is asked at each request."""

    measure: Callable[[], Quantities]
    fault: Callable[[], Fault]


class ModbusSlave:
    """Answers read requests of several units. Feed it what the line brings; write back what it returns."""

    def __init__(self, register_map: RegisterMap, units: Mapping[int, Unit]) -> None:
        """Serve ``units`` by address, 1-247."""
        self._map = register_map
        self._units = units
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

    def _answer(self, frame: bytes) -> bytes:
        unit = self._units.get(frame[0])
        if unit is None or unit.fault() is Fault.SILENT:
            return b""
        answer = self._good_answer(unit, frame)
        return self._spoil(answer) if unit.fault() is Fault.GARBAGE else answer

    def _good_answer(self, unit: Unit, frame: bytes) -> bytes:
        address_of_unit, function_code, start, count = struct.unpack(">BBHH", frame[:-2])
        if function_code not in _READS:
            return _exception(frame, _ILLEGAL_FUNCTION)
        if not 1 <= count <= self._map.max_block:
            return _exception(frame, _ILLEGAL_VALUE)
        words = self._map.encode(unit.measure(), function_code)
        wanted = range(start, start + count)
        if not _within_a_block(words, wanted):
            return _exception(frame, _ILLEGAL_ADDRESS)
        body = struct.pack(
            f">BBB{count}H", address_of_unit, function_code, 2 * count, *(words.get(a, 0) for a in wanted)
        )
        return body + crc16(body)

    def _spoil(self, answer: bytes) -> bytes:
        self._garbage_kind = (self._garbage_kind + 1) % 3
        match self._garbage_kind:
            case 0:  # a bit fell over
                return answer[:3] + bytes([answer[3] ^ 0x55]) + answer[4:]
            case 1:  # somebody else's answer
                body = bytes([answer[0] ^ 0x40]) + answer[1:-2]
                return body + crc16(body)
            case _:  # half an answer
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


def _values(quantities: Quantities) -> dict[str, float]:
    """Return every value of an SDM630 by its register name. The car's power factor is 1."""
    voltages, currents = quantities.voltage_v, quantities.current_a
    powers = [u * i for u, i in zip(voltages, currents, strict=True)]
    values: dict[str, float] = {
        "power": sum(powers),
        "apparent_power": sum(powers),
        "reactive_power": 0.0,
        "pf": 1.0,
        "frequency": quantities.frequency_hz,
        "energy_import": quantities.energy_wh,
        "energy_export": 0.0,
        "energy_total": quantities.energy_wh,
        "serial_number": float(_SERIAL_NUMBER),
    }
    for index, phase in enumerate(("l1", "l2", "l3")):
        values |= {
            f"voltage_{phase}": voltages[index],
            f"current_{phase}": currents[index],
            f"power_{phase}": powers[index],
            f"apparent_power_{phase}": powers[index],
            f"reactive_power_{phase}": 0.0,
            f"pf_{phase}": 1.0,
            f"energy_import_{phase}": quantities.energy_wh / 3.0,
            f"energy_export_{phase}": 0.0,
        }
    return values
