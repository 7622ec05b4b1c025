"""From words to values: every way in which a profile can say where a number comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.meter.profile import Profile, ProfileError, RegisterType
from drivers.meter.profile_file import load_profile, profile_names, read_profile
from drivers.meter.reading import reading_of
from hil.register_map import Entry, RegisterMap, _packed

ENERGY = {"energy_import": {"addr": 0, "type": "uint32"}}


def profile(**changes: object) -> Profile:
    return read_profile({"id": "x", "registers": ENERGY} | changes)


def value_of(kind: str, *words: int, **changes: object) -> float | None:
    made = profile(registers=ENERGY | {"power": {"addr": 10, "type": kind}}, **changes)
    return made.decode(made.registers["power"], words)


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        ("bcd16", (0x1234,), 1234.0),
        ("bcd16", (0x12A4,), None),
        ("bcd32", (0x0098, 0x7654), 987_654.0),
        ("t5", (0xFF00, 0x08FC), 230.0),  # 2300 x 10^-1
        ("t6", (0x00FF, 0xFF9C), -100.0),
        ("t6", (0x0200, 0x0010), 1600.0),
        ("t6", (0x6400, 0x0010), None),  # a power of ten that no meter means
        ("int64", (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE), -2.0),
        ("float64", (0x4069, 0x0000, 0x0000, 0x0000), 200.0),
    ],
)
def test_a_raw_value_is_decoded(kind: str, words: tuple[int, ...], value: float | None) -> None:
    assert value_of(kind, *words) == value


def test_low_bytes_first_and_low_words_first_are_turned() -> None:
    assert value_of("uint32", 0x7856, 0x3412, byte_order="little", word_order="big") == 0x56781234
    assert value_of("uint32", 0x5678, 0x1234, word_order="little") == 0x12345678


@pytest.mark.parametrize(("pattern", "words"), [(-1, (0xFFFF, 0xFFFF)), (0x80000000, (0x8000, 0)), (0, (0, 0))])
def test_a_pattern_for_not_available_is_unknown(pattern: int, words: tuple[int, ...]) -> None:
    assert value_of("uint32", *words, nan={"uint32": pattern}) is None
    assert value_of("uint32", 0, 1, nan={"uint32": pattern}) == 1


def test_a_text_is_cut_at_its_padding() -> None:
    made = profile(registers=ENERGY | {"model": {"addr": 10, "type": "string", "count": 4}}, word_order="little")
    assert made.text(made.registers["model"], (0x574D, 0x334D, 0x3420, 0)) == "WM3M4"
    assert made.text(made.registers["model"], (0xFFFF, 0x4142, 0x2020, 0x0141)) == "AB  A"


def test_a_power_of_ten_comes_from_its_own_register() -> None:
    made = profile(registers=ENERGY | {"power": {"addr": 10, "type": "int16", "exponent_addr": 14}})
    (block,) = made.blocks(frozenset({"power"}))
    assert (block.address, block.count) == (10, 5)
    assert made.values({"power": 123.0}, {14: -1.0}) == {"power": 12.3}
    for missing in ({}, {14: None}, {14: 11.0}, {14: -32768.0}):
        assert made.values({"power": 123.0}, missing) == {"power": None}


def test_a_sum_is_unknown_where_a_part_is() -> None:
    made = profile(
        registers=ENERGY
        | {"power_import": {"addr": 2, "type": "uint16"}, "power_export": {"addr": 3, "type": "uint16"}},
        derived={"power": {"plus": ["power_import"], "minus": ["power_export"]}},
    )
    assert made.needs(["power", "frequency"]) == {"power_import", "power_export"}
    assert made.values({"power_import": 5.0, "power_export": 7.0}, {})["power"] == -2.0
    assert made.values({"power_import": 5.0, "power_export": None}, {})["power"] is None
    assert made.values({"power_import": 5.0}, {})["power"] is None
    assert "power" not in made.values({"energy_import": 5.0}, {})


@pytest.mark.parametrize(
    ("register", "wraps", "step"),
    [
        ({"type": "uint32", "scale": 10.0}, 4_294_967_296 * 10.0, 10.0),
        ({"type": "int32", "scale": 100.0}, 2_147_483_648 * 100.0, 100.0),
        ({"type": "bcd32", "scale": 10.0}, 1e9, 10.0),
        ({"type": "float32", "scale": 1000.0}, None, 0.9765625),
        ({"type": "float32", "scale": 1000.0, "rollover": 1e9}, 1e9, 0.9765625),
        ({"type": "uint32", "exponent_addr": 9}, None, 1.0),
    ],
)
def test_a_register_knows_where_it_ends_and_how_fine_it_is(
    register: dict[str, object], wraps: float | None, step: float
) -> None:
    energy = profile(registers={"energy_import": {"addr": 0} | register}).registers["energy_import"]
    assert energy.wraps_at == wraps
    assert energy.step(10_000_000.0) == step


def test_an_inverted_meter_and_current_transformers_are_reckoned_with() -> None:
    made = profile(registers=ENERGY | {"energy_export": {"addr": 2, "type": "uint32"}})
    values = {
        "energy_import": 10.0,
        "energy_export": 500.0,
        "power": -100.0,
        "power_l1": -100.0,
        "current_l1": -0.5,
        "voltage_l1": 230.0,
        "pf": 1.005,
        "energy_export_l1": 250.0,
    }
    reading = reading_of(values, made.registers, taken_s=1.0, invert=True, ct_ratio=50.0)
    assert (reading.energy_import_wh, reading.energy_export_wh) == (25_000.0, 500.0)
    assert (reading.power_w, reading.power_phase_w[0], reading.current_a[0]) == (5000.0, 5000.0, 25.0)
    assert (reading.voltage_v[0], reading.power_factor) == (230.0, 1.0)
    assert reading.energy_phase_wh == (12_500.0, None, None)
    assert reading.energy_step_wh == 50.0
    assert reading.energy_modulus_wh == 4_294_967_296 * 50.0


@pytest.mark.parametrize(("shown", "meant"), [(50.0, 50.0), (500.2, 50.02), (4998.0, 49.98), (5.0, None), (70.0, None)])
def test_a_frequency_in_tenths_or_hundredths_is_told_by_its_size(shown: float, meant: float | None) -> None:
    found = reading_of({"frequency": shown}, {}, taken_s=1.0).frequency_hz
    assert found == (None if meant is None else pytest.approx(meant))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"derived": {"power": {"plus": ["nothing"]}}},
            "derived.power is made of 'nothing', expected one of energy_import",
        ),
        ({"derived": {"energy_import": {"plus": ["energy_import"]}}}, "derived.energy_import is a register already"),
        ({"identity": [{"addr": 0, "one_of": [[1], [1, 2]]}]}, "identity[1].one_of is no list of equally long rows"),
        ({"identity": [{"addr": 0, "one_of": [[70000]]}]}, "identity[1].one_of is no list of equally long rows"),
        ({"identity": [5]}, "identity[1] 5 is no table"),
        ({"serial": {"parity": "X"}}, "serial.parity 'X' is not one of N, E, O"),
        (
            {"serial": {"other_bauds": ["9600"]}},
            "serial.other_bauds ['9600'] is no list of whole numbers in 300-1000000",
        ),
        ({"tcp": {"port": 0}}, "tcp.port 0 is not a whole number in 1-65535"),
        ({"confidence": "sure"}, "confidence 'sure' is not one of high, medium, low"),
        ({"models": "A"}, "models 'A' is no list"),
        (
            {"registers": {"energy_import": {"addr": 0, "type": "uint32", "rollover": 0.0}}},
            "rollover 0.0 is not a finite",
        ),
        (
            {"registers": {"energy_import": {"addr": 0, "type": "string", "count": 200}}},
            "count 200 is not a whole number in 1-125",
        ),
    ],
)
def test_what_is_wrong_with_a_profile_is_said(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ProfileError) as caught:
        profile(**changes)
    assert problem in str(caught.value)


def test_the_register_of_energy_is_a_number() -> None:
    with pytest.raises(ProfileError, match="energy_import is a text, expected a number"):
        profile(registers={"energy_import": {"addr": 0, "type": "string", "count": 2}})


def test_a_profile_in_the_stations_own_folder_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGE_AGENT_METERS", str(tmp_path))
    (tmp_path / "acme.toml").write_text('id = "acme"\n[registers.energy_import]\naddr = 1\ntype = "uint32"\n')
    (tmp_path / "eastron_sdm630.toml").write_text('id = "mine"\n[registers.energy_import]\naddr = 1\ntype = "uint32"\n')
    assert load_profile("acme").id == "acme"
    assert load_profile("eastron_sdm630").id == "mine"
    assert "acme" in profile_names()
    assert load_profile("eastron_sdm120").id == "eastron_sdm120"


@given(
    kind=st.sampled_from([each for each in RegisterType if each is not RegisterType.STRING]),
    number=st.integers(min_value=0, max_value=9999),
    little_words=st.booleans(),
    little_bytes=st.booleans(),
)
def test_what_the_bench_encodes_the_driver_decodes(
    kind: RegisterType, number: int, little_words: bool, little_bytes: bool
) -> None:
    orders = ["little" if each else "big" for each in (little_bytes, little_words)]
    made = profile(
        registers=ENERGY | {"power": {"addr": 10, "type": kind.value}}, byte_order=orders[0], word_order=orders[1]
    )
    served = RegisterMap(
        function_code=4,
        max_block=125,
        registers={"power": Entry(table=4, address=10, kind=kind.value)},
        low_word_first=little_words,
        low_byte_first=little_bytes,
        words={},
    )
    row = tuple(served._row(served.registers["power"], float(number)))
    assert made.decode(made.registers["power"], row) == pytest.approx(float(number), rel=1e-6)
    assert len(_packed(kind.value, float(number))) == 2 * kind.registers
