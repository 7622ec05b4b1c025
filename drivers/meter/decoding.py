"""One block's registers to numbers, with everything that can be known before the first read worked out once. Pure.

A meter is read once a second for years: what ``Profile.decode`` decides anew for each value (its format, its place, how
its scale is applied) is decided here when the block is known. Where a profile is out of the ordinary (low word or byte
first, digits, Iskra's numbers) ``Profile.decode`` itself is asked: there is one meaning, and a test compares the two.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import isfinite
from typing import Any, Final, NamedTuple

from drivers.meter.profile import FORMATS, Block, Profile, Register, RegisterType, divisor

_PLAIN: Final = frozenset(
    {
        RegisterType.UINT16,
        RegisterType.INT16,
        RegisterType.UINT32,
        RegisterType.INT32,
        RegisterType.UINT64,
        RegisterType.INT64,
        RegisterType.FLOAT32,
        RegisterType.FLOAT64,
    }
)


class _Plain(NamedTuple):
    """One value: its name, how and where to unpack it, what means "not available", how it is scaled."""

    name: str
    unpack_from: Callable[[bytes, int], tuple[Any, ...]]
    offset_b: int
    not_available: tuple[int, ...]
    divide_by: int | None
    scale: float


class BlockDecoder:
    """The numbers of one block.

    Attributes:
        block: what is decoded.
    """

    def __init__(self, profile: Profile, block: Block) -> None:
        """Work out where each value of ``block`` lies; texts are no numbers."""
        self.block = block
        self._profile = profile
        self._words = struct.Struct(f">{block.count}H")
        in_order = not profile.low_word_first and not profile.low_byte_first
        values = [each for each in block.registers if each.type is not RegisterType.STRING]
        self._exponents = tuple(each for each in values if each.name not in profile.registers)
        values = [each for each in values if each.name in profile.registers]
        self._plain = tuple(_plain(each, block.address) for each in values if in_order and each.type in _PLAIN)
        self._others = tuple(each for each in values if not (in_order and each.type in _PLAIN))
        self._names = tuple(each.name for each in values)

    def take(self, words: tuple[int, ...], values: dict[str, float | None], exponents: dict[int, float | None]) -> None:
        """Put every value of ``words`` into ``values`` by name, every power of ten into ``exponents`` by address.

        ``words`` are the block's registers, or none for a block that was not answered: then all of it is ``None``.
        """
        if not words:
            values.update(dict.fromkeys(self._names))
            exponents.update(dict.fromkeys(each.address for each in self._exponents))
            return
        packed = self._words.pack(*words)
        for name, unpack_from, offset_b, not_available, divide_by, scale in self._plain:
            (number,) = unpack_from(packed, offset_b)
            if number in not_available:
                values[name] = None
                continue
            value = number * scale if divide_by is None else number / divide_by
            values[name] = value if isfinite(value) else None
        for register in self._others:
            values[register.name] = self._asked(register, words)
        for register in self._exponents:
            exponents[register.address] = self._asked(register, words)

    def _asked(self, register: Register, words: tuple[int, ...]) -> float | None:
        start = self.block.address
        return self._profile.decode(register, words[register.address - start : register.end - start])


def _plain(register: Register, start: int) -> _Plain:
    nan = register.nan
    return _Plain(
        name=register.name,
        unpack_from=struct.Struct(FORMATS[register.type]).unpack_from,
        offset_b=2 * (register.address - start),
        not_available=() if nan is None else (nan, nan + (1 << 16 * register.length)),
        divide_by=divisor(register.scale),
        scale=register.scale,
    )
