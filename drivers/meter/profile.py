"""Register profiles of meters: TOML files, read and checked.

A profile says where a meter keeps which value::

    id = "eastron_sdm630"
    vendor = "Eastron"
    models = ["SDM630-Modbus"]
    phases = 3
    function_code = 4          # 3 holding, 4 input; a register may say its own with fc
    byte_order = "big"
    word_order = "big"         # "little": low word first
    min_gap_ms = 100
    max_block = 80             # registers per read
    max_gap = 8                # unused registers that a read may run through, if the meter is known to allow more
    confidence = "high"
    [registers.energy_import]
    addr = 72                  # wire address, counted from 0
    type = "float32"
    scale = 1000.0             # raw times scale is Wh, W, V, A or Hz
"""

from __future__ import annotations

import math
import struct
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from drivers.api import DriverError, RegisterKind
from drivers.config_dir import config_dir

NARROW_GAP: Final = 8  # unused registers that most meters let a read run through


class ProfileError(DriverError):
    """A profile is missing or wrong; the text says where and what was expected."""


class RegisterType(Enum):
    """How a value lies in its registers; the value is the name in a profile."""

    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    UINT64 = "uint64"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"

    @property
    def registers(self) -> int:
        """Return how many 16-bit registers one value takes."""
        return struct.calcsize(_FORMATS[self]) // 2


_FORMATS: Final = {
    RegisterType.UINT16: ">H",
    RegisterType.INT16: ">h",
    RegisterType.UINT32: ">I",
    RegisterType.INT32: ">i",
    RegisterType.UINT64: ">Q",
    RegisterType.INT64: ">q",
    RegisterType.FLOAT32: ">f",
    RegisterType.FLOAT64: ">d",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One value: raw times ``scale`` is in the base unit. ``nan`` is the raw number that means "not available"."""

    name: str
    kind: RegisterKind
    address: int
    type: RegisterType
    scale: float
    nan: int | None = None

    @property
    def end(self) -> int:
        """Return the address behind the value."""
        return self.address + self.type.registers


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Registers that are read at once."""

    kind: RegisterKind
    address: int
    count: int
    registers: tuple[Register, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One meter's map."""

    id: str
    vendor: str
    phases: int
    low_word_first: bool
    low_byte_first: bool
    gap_s: float
    max_block: int
    max_gap: int
    registers: Mapping[str, Register]

    def decode(self, register: Register, words: tuple[int, ...]) -> float | None:
        """Return the value of ``register`` in its base unit, ``None`` where the meter says that it has none."""
        ordered = words[::-1] if self.low_word_first else words
        packed = struct.pack(f"{'<' if self.low_byte_first else '>'}{len(ordered)}H", *ordered)
        (raw,) = struct.unpack(_FORMATS[register.type], packed)
        if register.nan is not None and raw == register.nan:
            return None
        value = _scaled(raw, register)
        return value if math.isfinite(value) else None

    def blocks(self, names: frozenset[str], *, max_gap: int | None = None) -> tuple[Block, ...]:
        """Return the reads that fetch the registers called ``names``, as few as ``max_block`` and ``max_gap`` allow.

        ``max_gap`` may be less than the profile's, for a meter that refuses what its kind is said to allow.
        """
        gap = self.max_gap if max_gap is None else min(max_gap, self.max_gap)
        wanted = [each for each in self.registers.values() if each.name in names]
        blocks: list[list[Register]] = []
        for register in sorted(wanted, key=lambda each: (each.kind.value, each.address)):
            last = blocks[-1] if blocks else None
            if (
                last is not None
                and last[0].kind is register.kind
                and register.address - last[-1].end <= gap
                and register.end - last[0].address <= self.max_block
            ):
                last.append(register)
            else:
                blocks.append([register])
        return tuple(
            Block(
                kind=members[0].kind,
                address=members[0].address,
                count=max(each.end for each in members) - members[0].address,
                registers=tuple(members),
            )
            for members in blocks
        )


def profile_names() -> tuple[str, ...]:
    """Return the names of the shipped profiles."""
    return tuple(sorted(each.stem for each in (config_dir() / "meters").glob("*.toml")))


def load_profile(name: str) -> Profile:
    """Return a profile by name, or from a file if ``name`` holds a slash. Raises ``ProfileError``."""
    path = Path(name) if "/" in name else config_dir() / "meters" / f"{name}.toml"
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ProfileError(
            f"no meter profile {name!r}, expected a file or one of {', '.join(profile_names())}"
        ) from None
    except (OSError, ValueError) as exc:
        raise ProfileError(f"meter profile {path}: {exc}") from exc
    try:
        return _profile(table)
    except ProfileError as exc:
        raise ProfileError(f"meter profile {path}: {exc}") from None


def _profile(table: Mapping[str, Any]) -> Profile:
    function = _whole(table, "function_code", 3, 4, default=4)
    patterns = _typed(table, "nan", dict, default={})
    found = _typed(table, "registers", dict)
    max_block = _whole(table, "max_block", 1, 125, default=125)
    registers = {name: _register(name, _typed(found, name, dict), function, patterns, max_block) for name in found}
    if "energy_import" not in registers:
        raise ProfileError("registers.energy_import is missing: without it nothing can be billed")
    return Profile(
        id=_typed(table, "id", str),
        vendor=_typed(table, "vendor", str, default=""),
        phases=_whole(table, "phases", 1, 3, default=3),
        low_word_first=_order(table, "word_order"),
        low_byte_first=_order(table, "byte_order"),
        gap_s=_whole(table, "min_gap_ms", 0, 10_000, default=0) / 1000,
        max_block=max_block,
        max_gap=_whole(table, "max_gap", 0, 125, default=NARROW_GAP),
        registers=registers,
    )


def _register(name: str, table: Mapping[str, Any], function: int, patterns: Mapping[str, Any], most: int) -> Register:
    try:
        kind = RegisterType(table.get("type"))
    except ValueError:
        known = ", ".join(each.value for each in RegisterType)
        raise ProfileError(f"registers.{name}.type {table.get('type')!r} is not one of {known}") from None
    if kind.registers > most:
        raise ProfileError(f"registers.{name} takes {kind.registers} registers, max_block is {most}")
    scale = table.get("scale", 1.0)
    if type(scale) not in (int, float) or not math.isfinite(scale) or scale == 0:
        raise ProfileError(f"registers.{name}.scale {scale!r} is not a finite number other than 0")
    return Register(
        name=name,
        kind=RegisterKind(_whole(table, "fc", 3, 4, default=function)),
        address=_whole(table, "addr", 0, 0x10000 - kind.registers),
        type=kind,
        scale=float(scale),
        nan=_whole(patterns, kind.value, -(1 << 63), 1 << 64, default=0) if kind.value in patterns else None,
    )


def _scaled(raw: float, register: Register) -> float:
    # 0.1 is not a binary number: dividing by 10 gives the nearest one, multiplying does not.
    inverse = round(1 / register.scale)
    if abs(register.scale) < 1 and math.isclose(inverse * register.scale, 1.0, rel_tol=1e-12):
        return raw / inverse
    return raw * register.scale


def _order(table: Mapping[str, Any], key: str) -> bool:
    order = table.get(key, "big")
    if order not in ("big", "little"):
        raise ProfileError(f"{key} {order!r} is not big or little")
    return bool(order == "little")


def _whole(table: Mapping[str, Any], key: str, low: int, high: int, default: int | None = None) -> int:
    value = table.get(key, default)
    if type(value) is not int or not low <= value <= high:
        raise ProfileError(f"{key} {value!r} is not a whole number in {low}-{high}")
    return value


def _typed(table: Mapping[str, Any], key: str, kind: type, default: Any = None) -> Any:
    value = table.get(key, default)
    if type(value) is not kind:
        raise ProfileError(f"{key} {value!r:.60} is no {'table' if kind is dict else 'text'}")
    return value
