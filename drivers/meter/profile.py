"""What a meter keeps where: register types, their decoding, and the reads that fetch them. Pure.

A profile comes out of a TOML file; how that is written and checked is ``profile_file``'s business.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from drivers.api import DriverError, RegisterKind

NARROW_GAP: Final = 8  # unused registers that most meters let a read run through
MOST_REGISTERS: Final = 125  # of one read; MODBUS Application Protocol V1.1b3 §6.3
EXPONENTS: Final = range(-10, 11)  # a power of ten outside it is no scale (SunSpec: "sunssf", -10 to 10)
_MANTISSA_BITS: Final = {"float32": 24, "float64": 53}


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
    BCD16 = "bcd16"  # four decimal digits
    BCD32 = "bcd32"
    T5 = "t5"  # Iskra: signed power of ten in the first byte, 24 bits unsigned behind it
    T6 = "t6"  # the same with a signed number behind it
    STRING = "string"  # two characters in each register

    @property
    def registers(self) -> int:
        """Return how many 16-bit registers one value takes; 0 for text, whose length the profile says."""
        return struct.calcsize(FORMATS[self]) // 2


FORMATS: Final = {  # as ``struct`` writes them
    RegisterType.UINT16: ">H",
    RegisterType.INT16: ">h",
    RegisterType.UINT32: ">I",
    RegisterType.INT32: ">i",
    RegisterType.UINT64: ">Q",
    RegisterType.INT64: ">q",
    RegisterType.FLOAT32: ">f",
    RegisterType.FLOAT64: ">d",
    RegisterType.BCD16: ">H",
    RegisterType.BCD32: ">I",
    RegisterType.T5: ">I",
    RegisterType.T6: ">I",
    RegisterType.STRING: ">",
}
_UNSIGNED: Final = {RegisterType.UINT16: 16, RegisterType.UINT32: 32, RegisterType.UINT64: 64}
_SIGNED: Final = {RegisterType.INT16: 15, RegisterType.INT32: 31, RegisterType.INT64: 63}
_DIGITS: Final = {RegisterType.BCD16: 4, RegisterType.BCD32: 8}


class Confidence(Enum):
    """How well a profile is backed by its sources."""

    HIGH = "high"  # two independent sources agree, or the maker's own table
    MEDIUM = "medium"  # one source, or parts are inferred from a sister model
    LOW = "low"  # sources contradict each other or leave a unit open


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One value: raw times ``scale`` is in the base unit (Wh, W, V, A, Hz, var, VA, ratio).

    Attributes:
        nan: the raw number that means "not available"; for an unsigned type -1 is all ones.
        length: registers that the value takes.
        exponent_at: address of a signed register with a further power of ten, ``None`` without one.
        rollover: value in the base unit at which the register starts again at 0; ``None`` where nobody knows.
    """

    name: str
    kind: RegisterKind
    address: int
    type: RegisterType
    scale: float = 1.0
    nan: int | None = None
    length: int
    exponent_at: int | None = None
    rollover: float | None = None

    @property
    def end(self) -> int:
        """Return the address behind the value."""
        return self.address + self.length

    @property
    def wraps_at(self) -> float | None:
        """Return where the register starts again at 0, in the base unit: as told, else by the width of its type."""
        if self.rollover is not None or self.exponent_at is not None:
            return self.rollover
        if self.type in _DIGITS:
            return 10.0 ** _DIGITS[self.type] * self.scale
        bits = _UNSIGNED.get(self.type) or _SIGNED.get(self.type)
        return None if bits is None else math.ldexp(self.scale, bits)

    def step(self, value: float) -> float:
        """Return the least difference that the register can show at ``value``, in the base unit."""
        bits = _MANTISSA_BITS.get(self.type.value)
        if bits is None or value == 0:
            return abs(self.scale)
        return math.ldexp(1.0, math.frexp(value / self.scale)[1] - bits) * abs(self.scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A value that no register holds: the sum of some registers less others."""

    plus: tuple[str, ...]
    minus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Registers by which the model is known: they hold one of these rows of words."""

    kind: RegisterKind
    address: int
    one_of: tuple[tuple[int, ...], ...]

    @property
    def count(self) -> int:
        """Return how many registers to read."""
        return len(self.one_of[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialDefaults:
    """How the meter's port is set when it leaves the factory; ``sure`` is whether a source says so."""

    baud: int = 9600
    parity: str = "N"
    stopbits: int = 1
    unit: int = 1
    sure: bool = False
    other_bauds: tuple[int, ...] = ()
    other_parities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpDefaults:
    """How the meter is reached over Modbus TCP."""

    port: int = 502
    unit: int = 1


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
    sums: Mapping[str, Sum] = field(default_factory=dict)
    identity: tuple[Mark, ...] = ()
    models: tuple[str, ...] = ()
    serial: SerialDefaults | None = SerialDefaults()  # None: it speaks TCP alone
    tcp: TcpDefaults | None = None
    confidence: Confidence = Confidence.LOW
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def quantities(self) -> frozenset[str]:
        """Return the name of everything that can be read as a number."""
        texts = {name for name, each in self.registers.items() if each.type is RegisterType.STRING}
        return frozenset(self.registers) - texts | frozenset(self.sums)

    def decode(self, register: Register, words: tuple[int, ...]) -> float | None:
        """Return the value of ``register`` in its base unit, ``None`` where the meter says that it has none.

        A register with an exponent elsewhere gives its value before that power of ten; ``values`` applies it.
        """
        packed = self._packed(words)
        (number,) = struct.unpack(FORMATS[register.type], packed)
        if register.nan is not None and number in (register.nan, register.nan + (1 << 8 * len(packed))):
            return None
        raw = _raw(register.type, number)
        if raw is None:
            return None
        value = _scaled(raw, register.scale)
        return value if math.isfinite(value) else None

    def text(self, register: Register, words: tuple[int, ...]) -> str:
        """Return the characters of a text register, without padding and without what is not printable ASCII."""
        order = "<" if self.low_byte_first else ">"
        characters = struct.pack(f"{order}{len(words)}H", *words).split(b"\0")[0].decode("ascii", "replace")
        return "".join(each for each in characters if each.isprintable() and each != "\ufffd").strip()

    def needs(self, names: Iterable[str]) -> frozenset[str]:
        """Return the registers to read for ``names``; what the meter does not have is left out."""
        wanted: set[str] = set()
        for name in names:
            made_of = self.sums.get(name)
            wanted.update((name,) if made_of is None else (*made_of.plus, *made_of.minus))
        return frozenset(wanted & self.registers.keys())

    def values(
        self, read: Mapping[str, float | None], exponents: Mapping[int, float | None]
    ) -> dict[str, float | None]:
        """Return everything that follows from what was read.

        Args:
            read: decoded registers by name.
            exponents: powers of ten by their address.
        """
        found: dict[str, float | None] = {}
        for name, value in read.items():
            at = self.registers[name].exponent_at
            found[name] = value if at is None else _shifted(value, exponents.get(at))
        for name, made_of in self.sums.items():
            plus, minus = ([found.get(each) for each in part] for part in (made_of.plus, made_of.minus))
            if any(each in found for each in (*made_of.plus, *made_of.minus)):
                known = [*plus, *(None if each is None else -each for each in minus)]
                found[name] = None if None in known else math.fsum(each for each in known if each is not None)
        return found

    def blocks(
        self, names: frozenset[str], *, max_gap: int | None = None, max_block: int | None = None
    ) -> tuple[Block, ...]:
        """Return the reads that fetch the registers called ``names``, as few as ``max_block`` and ``max_gap`` allow.

        Both may be less than the profile's, for a meter that refuses what its kind is said to allow. A gap is a row of
        registers of which the profile says nothing; running through known ones costs less than another request
        (2 ms at 9600 baud each, against 150 ms). A value is never cut in two. The registers that hold a power of ten
        come along under the name of their address.
        """
        gap = self.max_gap if max_gap is None else min(max_gap, self.max_gap)
        most = self.max_block if max_block is None else min(max_block, self.max_block)
        wanted = [each for each in self.registers.values() if each.name in names]
        wanted += {each.exponent_at: _exponent(each) for each in wanted if each.exponent_at is not None}.values()
        blocks: list[list[Register]] = []
        for register in sorted(wanted, key=lambda each: (each.kind.value, each.address)):
            last = blocks[-1] if blocks else None
            if (
                last is not None
                and last[0].kind is register.kind
                and self._hole(last[0].kind, _end(last), register.address) <= gap
                and max(register.end, _end(last)) - last[0].address <= most
            ):
                last.append(register)
            else:
                blocks.append([register])
        return tuple(
            Block(
                kind=members[0].kind,
                address=members[0].address,
                count=_end(members) - members[0].address,
                registers=tuple(members),
            )
            for members in blocks
        )

    def _hole(self, kind: RegisterKind, start: int, end: int) -> int:
        """Return the longest row of unknown registers in ``start`` to ``end``."""
        longest, free = 0, start
        for each in sorted((r.address, r.end) for r in self.registers.values() if r.kind is kind):
            if each[1] <= start or each[0] >= end:
                continue
            longest, free = max(longest, each[0] - free), max(free, each[1])
        return max(longest, end - free)

    def _packed(self, words: tuple[int, ...]) -> bytes:
        ordered = words[::-1] if self.low_word_first else words
        return struct.pack(f"{'<' if self.low_byte_first else '>'}{len(ordered)}H", *ordered)


def exponent_name(address: int) -> str:
    """Return the name under which a block holds the power of ten at ``address``."""
    return f"10^@{address}"


def _exponent(register: Register) -> Register:
    assert register.exponent_at is not None
    return Register(
        name=exponent_name(register.exponent_at),
        kind=register.kind,
        address=register.exponent_at,
        type=RegisterType.INT16,
        length=1,
    )


def _end(members: list[Register]) -> int:
    return max(each.end for each in members)


def _raw(kind: RegisterType, number: float) -> float | None:
    match kind:
        case RegisterType.BCD16 | RegisterType.BCD32:
            digits = f"{int(number):x}"
            return float(digits) if digits.isdecimal() else None
        case RegisterType.T5 | RegisterType.T6:
            exponent, mantissa = int(number) >> 24, int(number) & 0xFFFFFF
            if kind is RegisterType.T6 and mantissa >= 1 << 23:
                mantissa -= 1 << 24
            return _shifted(float(mantissa), float(exponent - 256 if exponent >= 128 else exponent))
    return number


def _shifted(value: float | None, exponent: float | None) -> float | None:
    if value is None or exponent is None or exponent not in EXPONENTS:
        return None
    power = int(exponent)
    return value * float(10**power) if power >= 0 else value / float(10**-power)


def divisor(scale: float) -> int | None:
    """Return what to divide by in place of multiplying by ``scale``; ``None``: multiply.

    0.1 is not a binary number: dividing by 10 gives the nearest one, multiplying does not.
    """
    inverse = round(1 / scale)
    return inverse if abs(scale) < 1 and math.isclose(inverse * scale, 1.0, rel_tol=1e-12) else None


def _scaled(raw: float, scale: float) -> float:
    divide_by = divisor(scale)
    return raw * scale if divide_by is None else raw / divide_by
