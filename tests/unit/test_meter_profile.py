"""Register profiles."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from drivers.meter.profile import Profile, ProfileError
from drivers.meter.profile_file import load_profile, profile_names

GOOD = """\
id = "test"
vendor = "Nobody"
phases = 3
function_code = 3
byte_order = "big"
word_order = "big"
min_gap_ms = 100
max_block = 20
[nan]
uint32 = 4294967295
[registers.energy_import]
addr = 100
type = "uint32"
scale = 10.0
[registers.power]
addr = 106
type = "int32"
scale = 0.1
[registers.frequency]
addr = 50
type = "uint16"
scale = 0.01
fc = 4
"""


def profile_of(tmp_path: Path, text: str) -> Profile:
    path = tmp_path / "test.toml"
    path.write_text(text)
    return load_profile(str(path))


def words_of(format: str, value: float, *, little: bool = False) -> tuple[int, ...]:
    packed = struct.pack(f">{format}", value)
    words = struct.unpack(f">{len(packed) // 2}H", packed)
    return words[::-1] if little else words


@pytest.mark.parametrize("name", profile_names())
def test_every_shipped_profile_is_valid(name: str) -> None:
    profile = load_profile(name)
    assert profile.id == name
    assert profile.blocks(frozenset(profile.registers))


def test_the_sdm630_is_read_in_few_blocks() -> None:
    profile = load_profile("eastron_sdm630")
    names = frozenset(("voltage_l1", "current_l3", "power_l3", "power", "frequency", "energy_import", "energy_export"))
    blocks = profile.blocks(names)
    assert all(block.count <= 80 for block in blocks)
    assert [each.name for block in blocks for each in block.registers] == [
        *("voltage_l1", "current_l3", "power_l3", "power", "frequency", "energy_import", "energy_export")
    ]


def test_blocks_respect_function_gap_and_length(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, GOOD)
    every = frozenset(profile.registers)
    assert [(b.kind.value, b.address, b.count) for b in profile.blocks(every)] == [(3, 100, 8), (4, 50, 1)]
    narrow = profile_of(tmp_path, GOOD.replace("max_block = 20", "max_block = 7"))
    assert [(b.address, b.count) for b in narrow.blocks(every)] == [(100, 2), (106, 2), (50, 1)]
    no_gap = profile_of(tmp_path, GOOD.replace("max_block = 20", "max_block = 20\nmax_gap = 3"))
    assert [(b.address, b.count) for b in no_gap.blocks(every)] == [(100, 2), (106, 2), (50, 1)]


@pytest.mark.parametrize("little", [False, True])
@pytest.mark.parametrize(
    ("kind", "format", "value"),
    [
        ("uint16", "H", 65535),
        ("int16", "h", -2),
        ("uint32", "I", 4_000_000_000),
        ("int32", "i", -123_456_789),
        ("uint64", "Q", 1 << 52),
        ("int64", "q", -(1 << 52)),
        ("float32", "f", 1234.5),
        ("float64", "d", -0.1),
    ],
)
def test_every_type_is_decoded_in_both_word_orders(
    tmp_path: Path, kind: str, format: str, value: float, little: bool
) -> None:
    text = GOOD.replace('type = "uint32"\nscale = 10.0', f'type = "{kind}"\nscale = 1')
    text = text.replace('word_order = "big"', f'word_order = "{"little" if little else "big"}"')
    profile = profile_of(tmp_path, text.partition("[nan]")[0] + text[text.index("[registers.energy") :])
    decoded = profile.decode(profile.registers["energy_import"], words_of(format, value, little=little))
    assert decoded == value


def test_a_scale_of_a_tenth_gives_the_nearest_number(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, GOOD)
    assert profile.decode(profile.registers["power"], words_of("i", 2303)) == 230.3
    assert profile.decode(profile.registers["frequency"], (5001,)) == 50.01


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_float_that_is_no_number_is_unknown(value: float) -> None:
    profile = load_profile("eastron_sdm630")
    assert profile.decode(profile.registers["energy_import"], words_of("f", value)) is None


def test_the_meters_own_pattern_for_not_available_is_unknown(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, GOOD)
    assert profile.decode(profile.registers["energy_import"], (0xFFFF, 0xFFFF)) is None
    assert profile.decode(profile.registers["energy_import"], (0xFFFF, 0xFFFE)) == 42949672940.0


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("function_code = 3", "function_code = 5", "function_code 5 is not a whole number in 3-4"),
        ('"big"\nword', '"middle"\nword', "byte_order 'middle' is not big or little"),
        ("max_block = 20", "max_block = 1", "registers.energy_import takes 2 registers, max_block is 1"),
        ("addr = 100", "addr = 65535", "addr 65535 is not a whole number in 0-65534"),
        ("addr = 100", "addr = true", "addr True is not a whole number in 0-65535"),
        ('type = "uint32"', 'type = "bcd"', "registers.energy_import.type 'bcd' is not one of uint16, "),
        ("scale = 10.0", "scale = 0", "registers.energy_import.scale 0 is not a finite number other than 0"),
        ("scale = 10.0", "scale = nan", "registers.energy_import.scale nan is not a finite number other than 0"),
        ("registers.energy_import", "registers.energy", "registers.energy_import is missing"),
        ('id = "test"', "id = 1", "id 1 is no text"),
        ('[registers.power]\naddr = 106\ntype = "int32"\nscale = 0.1', "[registers]\npower = 1", "power 1 is no table"),
        ("max_block", "max_blok", "max_blok is no key of a profile, expected 'max_block'"),
        ("uint32 = 4294967295", "uint31 = 1", "nan.uint31 is no key of a profile, expected 'uint32'"),
        ("fc = 4", "count = 2", "registers.frequency.count belongs to a register of type string"),
        ("[nan]", "[nan", "at line"),
    ],
)
def test_a_wrong_profile_is_told_with_its_place(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in GOOD
    with pytest.raises(ProfileError) as caught:
        profile_of(tmp_path, GOOD.replace(old, new, 1))
    assert str(caught.value).startswith("meter profile ")
    assert problem in str(caught.value)


def test_a_profile_that_does_not_exist_lists_the_known() -> None:
    with pytest.raises(ProfileError, match=r"no meter profile 'sdm', expected a file or one of .*eastron_sdm630"):
        load_profile("sdm")
