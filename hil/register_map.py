"""Where a meter keeps its values, and what its registers hold for them. Pure; written without the driver's decoder.

The files are those of ``config/meters``; their format is explained in ``docs/meters.md``. What is read there is
trusted: the driver checks profiles, the bench serves them.
"""

from __future__ import annotations

import math
import struct
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

EXPONENTS: Final = (-3, -2, -1, 0, 1, 2, 3)
SERIAL_NUMBER: Final = 1_234_567
_LAYOUTS: Final = {
    "uint16": ">H",
    "int16": ">h",
    "uint32": ">I",
    "int32": ">i",
    "uint64": ">Q",
    "int64": ">q",
    "float32": ">f",
    "float64": ">d",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantities:
    """What a meter measures now. Tuples are L1, L2, L3; ``soc_pct``: what the car says, ``None`` nothing."""

    voltage_v: tuple[float, float, float]
    current_a: tuple[float, float, float]
    energy_wh: float
    frequency_hz: float
    soc_pct: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One value: in which table (3 holding, 4 input), where, and how."""

    table: int
    address: int
    kind: str
    scale: float = 1.0
    count: int = 0
    exponent_address: int | None = None
    nan: int = -1
    rollover: float | None = None

    @property
    def length(self) -> int:
        """Return how many registers it takes."""
        sizes = {"string": self.count, "bcd16": 1, "bcd32": 2, "t5": 2, "t6": 2}
        return sizes[self.kind] if self.kind in sizes else struct.calcsize(_LAYOUTS[self.kind]) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterMap:
    """The map of one meter. ``words`` are registers whose content is fixed: by table, by address."""

    function_code: int
    max_block: int
    registers: Mapping[str, Entry]
    phases: int = 3
    low_word_first: bool = False
    low_byte_first: bool = False
    words: Mapping[int, Mapping[int, int]]

    @classmethod
    def load(cls, path: Path) -> RegisterMap:
        """Read a meter file. Raises ``OSError``, ``tomllib.TOMLDecodeError``, ``KeyError``."""
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        function_code = int(document.get("function_code", 4))
        marks: dict[int, dict[int, int]] = {3: {}, 4: {}}
        for mark in document.get("identity", ()):
            for offset, word in enumerate(mark["one_of"][0]):
                marks[mark.get("fc", function_code)][mark["addr"] + offset] = word
        return cls(
            function_code=function_code,
            max_block=int(document.get("max_block", 125)),
            registers={
                name: _entry(each, function_code, document.get("nan", {}))
                for name, each in document["registers"].items()
            },
            phases=int(document.get("phases", 3)),
            low_word_first=document.get("word_order") == "little",
            low_byte_first=document.get("byte_order") == "little",
            words=marks,
        )

    @property
    def rollover_wh(self) -> float | None:
        """Return where the import register starts again at 0, Wh; ``None`` for a float, which does not say."""
        entry = self.registers["energy_import"]
        if entry.rollover is not None or entry.exponent_address is not None or entry.kind not in _LAYOUTS:
            return entry.rollover
        bits = 16 * entry.length - entry.kind.startswith("int")
        return None if entry.kind.startswith("float") else 2.0**bits * entry.scale

    @property
    def step_wh(self) -> float:
        """Return the least difference of the import register, Wh; 1 for a float."""
        entry = self.registers["energy_import"]
        return 1.0 if entry.kind.startswith("float") else entry.scale

    def register_wh(self, energy_wh: float) -> int:
        """Return what a reader of the import register sees, in whole Wh."""
        entry = self.registers["energy_import"]
        if entry.kind in ("float32", "float64"):
            layout = _LAYOUTS[entry.kind]
            raw: float = struct.unpack(layout, struct.pack(layout, energy_wh / entry.scale))[0]
            return round(raw * entry.scale)
        return round(round(energy_wh / entry.scale) * entry.scale)

    def encode(self, quantities: Quantities, function_code: int) -> dict[int, int]:
        """Return the 16-bit registers of one table, by address."""
        values = values_of(quantities, self.phases)
        entries = {name: each for name, each in self.registers.items() if each.table == function_code}
        words: dict[int, int] = {}
        exponents = _exponents(entries, values)
        for address, exponent in exponents.items():
            words[address] = exponent & 0xFFFF
        for name, entry in entries.items():
            if entry.kind == "string":
                row = _text_words(name, entry.count)
            else:
                exponent = 0 if entry.exponent_address is None else exponents[entry.exponent_address]
                number = values[name] / entry.scale / 10.0**exponent
                row = self._row(entry, entry.nan if math.isnan(number) else number)
            words.update({entry.address + offset: word for offset, word in enumerate(row)})
        return words | dict(self.words.get(function_code, {}))

    def _row(self, entry: Entry, number: float) -> list[int]:
        packed = _packed(entry.kind, number)
        words = [
            int.from_bytes(packed[i : i + 2], "little" if self.low_byte_first else "big")
            for i in range(0, len(packed), 2)
        ]
        return words[::-1] if self.low_word_first else words


def _entry(row: Mapping[str, Any], function_code: int, nans: Mapping[str, int]) -> Entry:
    return Entry(
        table=int(row.get("fc", function_code)),
        address=int(row["addr"]),
        kind=str(row["type"]),
        scale=float(row.get("scale", 1.0)),
        count=int(row.get("count", 0)),
        exponent_address=row.get("exponent_addr"),
        rollover=row.get("rollover"),
        nan=int(nans.get(row["type"], -1)),
    )


def _packed(kind: str, number: float) -> bytes:
    whole = round(number)
    match kind:
        case "float32" | "float64":
            return struct.pack(_LAYOUTS[kind], number)
        case "bcd16" | "bcd32":
            digits = 4 if kind == "bcd16" else 8
            return bytes.fromhex(f"{whole % 10**digits:0{digits}d}")
        case "t5" | "t6":
            return _iskra(number, signed=kind == "t6")
    size = 8 * struct.calcsize(_LAYOUTS[kind])
    return (whole % (1 << size)).to_bytes(size // 8, "big")


def _iskra(number: float, *, signed: bool) -> bytes:
    """Return a power of ten in the first byte and as many digits as fit into the other three."""
    most = (1 << 23 if signed else 1 << 24) - 1
    exponent = -3
    while abs(number) / 10.0**exponent > most:
        exponent += 1
    mantissa = round(number / 10.0**exponent)
    return bytes((exponent & 0xFF,)) + (mantissa & 0xFFFFFF).to_bytes(3, "big")


def _exponents(entries: Mapping[str, Entry], values: Mapping[str, float]) -> dict[int, int]:
    """Return for each address the finest power of ten with which every value that shares it fits."""
    sharing: dict[int, list[tuple[Entry, float]]] = {}
    for name, entry in entries.items():
        if entry.exponent_address is not None:
            sharing.setdefault(entry.exponent_address, []).append((entry, values[name]))
    return {
        address: next(e for e in EXPONENTS if all(_fits(*each, e) for each in rows))
        for address, rows in sharing.items()
    }


def _fits(entry: Entry, value: float, exponent: int) -> bool:
    bits = 16 * entry.length - entry.kind.startswith("int")
    return abs(value / entry.scale / 10.0**exponent) < 2.0**bits - 1


def _text_words(name: str, count: int) -> list[int]:
    text = ("WM3M4" if name == "model" else str(SERIAL_NUMBER)).encode("ascii").ljust(2 * count, b"\0")[: 2 * count]
    return [int.from_bytes(text[i : i + 2], "big") for i in range(0, len(text), 2)]


def values_of(quantities: Quantities, phases: int = 3) -> dict[str, float]:
    """Return every value by its name in a profile. The car's power factor is 1; a one-phase meter sees L1."""
    voltages, currents = quantities.voltage_v[:phases], quantities.current_a[:phases]
    powers = [u * i for u, i in zip(voltages, currents, strict=True)]
    power_w = math.fsum(powers)
    values: dict[str, float] = {
        "power": power_w,
        "power_import": power_w,
        "power_export": 0.0,
        "apparent_power": power_w,
        "reactive_power": 0.0,
        "pf": 1.0,
        "frequency": quantities.frequency_hz,
        "current_n": 0.0,
        "energy_import": quantities.energy_wh,
        "energy_export": 0.0,
        "energy_total": quantities.energy_wh,
        "serial_number": float(SERIAL_NUMBER),
        "soc": math.nan if quantities.soc_pct is None else quantities.soc_pct,
    }
    for index, phase in enumerate(("l1", "l2", "l3")[:phases]):
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
