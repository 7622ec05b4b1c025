"""What is worked out before the first read means what ``Profile.decode`` means, value by value."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import Any

import pytest

from drivers.config_dir import config_dir
from drivers.meter.decoding import BlockDecoder
from drivers.meter.profile import Block, Profile, RegisterType
from drivers.meter.profile_file import load_profile

NAMES = sorted(each.stem for each in (config_dir() / "meters").glob("*.toml"))
ODD_WORDS = (0x0000, 0x0001, 0x7F80, 0x7FC0, 0x7FF0, 0x7FFF, 0x8000, 0xFF80, 0xFFFE, 0xFFFF)


def rows_of(block: Block, seed: int) -> list[tuple[int, ...]]:
    """Ordinary numbers, anything at all, and what means infinite, no number, or not available."""
    dice = random.Random(seed)
    ordinary = b"".join(struct.pack(">f", dice.uniform(-500.0, 500.0)) for _ in range(block.count))
    return [
        struct.unpack_from(f">{block.count}H", ordinary),
        *(tuple(dice.randrange(0x10000) for _ in range(block.count)) for _ in range(3)),
        *(tuple(dice.choice(ODD_WORDS) for _ in range(block.count)) for _ in range(3)),
        *((word,) * block.count for word in ODD_WORDS),
    ]


def one_by_one(profile: Profile, block: Block, words: tuple[int, ...]) -> dict[str, float | None]:
    return {
        each.name: profile.decode(each, words[each.address - block.address : each.end - block.address])
        for each in block.registers
        if each.type is not RegisterType.STRING
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_every_shipped_profile_decodes_as_the_profile_says(name: str) -> None:
    profile = load_profile(name)
    for block in profile.blocks(frozenset(profile.registers)):
        decoder = BlockDecoder(profile, block)
        for number, words in enumerate(rows_of(block, block.address)):
            values: dict[str, float | None] = {}
            exponents: dict[int, float | None] = {}
            decoder.take(words, values, exponents)
            exponent_names = {each.name: each.address for each in block.registers if each.name not in profile.registers}
            said = values | {each: exponents[at] for each, at in exponent_names.items()}
            assert said == one_by_one(profile, block, words), number


@pytest.mark.parametrize("changes", [{"low_word_first": True}, {"low_byte_first": True}])
def test_a_meter_with_the_low_part_first_decodes_as_the_profile_says(changes: dict[str, Any]) -> None:
    profile = replace(load_profile("eastron_sdm630"), **changes)
    block = profile.blocks(frozenset(profile.registers))[0]
    for words in rows_of(block, 1):
        values: dict[str, float | None] = {}
        BlockDecoder(profile, block).take(words, values, {})
        assert values == one_by_one(profile, block, words)


def test_a_block_without_an_answer_has_every_value_unknown() -> None:
    profile = load_profile("eastron_sdm630")
    block = profile.blocks(frozenset(profile.registers))[0]
    values: dict[str, float | None] = {}
    BlockDecoder(profile, block).take((), values, {})
    assert values == dict.fromkeys(each.name for each in block.registers)
