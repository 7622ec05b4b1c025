"""The shipped profiles: all there, all valid by reader and schema, every one with its sources and its confidence."""

from __future__ import annotations

import json
import tomllib

import pytest
from jsonschema import Draft202012Validator

from drivers.config_dir import config_dir
from drivers.meter.profile import Confidence, RegisterType
from drivers.meter.profile_file import load_profile
from drivers.meter.profile_schema import text

FOLDER = config_dir() / "meters"
NAMES = sorted(each.stem for each in FOLDER.glob("*.toml"))
SCHEMA = json.loads((FOLDER / "profile.schema.json").read_text())
PLAUSIBLE_SCALES = {
    "energy": {0.1, 1.0, 10.0, 100.0, 1000.0},
    "power": {0.01, 0.1, 1.0, 10.0, 1000.0},
    "voltage": {0.001, 0.01, 0.1, 1.0},
    "current": {0.0001, 0.001, 0.01, 0.1, 1.0},
    "frequency": {0.001, 0.01, 0.1, 1.0},
    "pf": {0.0001, 0.001, 0.01, 1.0},
}
CONTRADICTED = {"sinotimer_dts6619", "solaredge_se_mtr_3y"}


def test_there_are_fifty_two() -> None:
    assert len(NAMES) == 52


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_accepts_every_shipped_profile(name: str) -> None:
    document = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)] == []


def test_the_schema_is_the_one_that_the_reader_keeps() -> None:
    assert (FOLDER / "profile.schema.json").read_text() == text(), (
        "python -m drivers.meter.profile_schema config/meters/profile.schema.json"
    )


@pytest.mark.parametrize(
    "wrong", [{"max_block": 126}, {"registers": {}}, {"parity": "N"}, {"serial": {"parity": "X"}}, {"id": 1}]
)
def test_the_schema_refuses_what_the_reader_refuses(wrong: dict[str, object]) -> None:
    good = tomllib.loads((FOLDER / "eastron_sdm630.toml").read_text())
    assert not Draft202012Validator(SCHEMA).is_valid(good | wrong)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_says_who_what_and_since_when_it_is_believed(name: str) -> None:
    profile = load_profile(name)
    assert profile.id == name
    assert profile.vendor
    assert profile.models
    assert profile.sources
    assert (profile.confidence is Confidence.LOW) is (name in CONTRADICTED)
    assert "confidence" in (FOLDER / f"{name}.toml").read_text()
    assert 0.0 < profile.gap_s <= 0.2


@pytest.mark.parametrize("name", NAMES)
def test_the_values_of_a_shipped_profile_make_sense(name: str) -> None:
    profile = load_profile(name)
    assert "power" in profile.quantities or name == "orno_we504"
    per_phase = {each for each in profile.registers if each.startswith("voltage_l")}
    assert len(per_phase) == (profile.phases if name != "eastron_sdm72dm" else 0)
    for register in profile.registers.values():
        if register.type is RegisterType.STRING or register.name == "serial_number":
            continue
        quantity = register.name.removeprefix("reactive_").removeprefix("apparent_").split("_")[0]
        assert register.scale in PLAUSIBLE_SCALES[quantity], register.name
    energy = profile.registers["energy_import"]
    assert energy.wraps_at is None or energy.wraps_at >= 2_000_000.0


@pytest.mark.parametrize("name", NAMES)
def test_no_two_values_of_a_shipped_profile_overlap(name: str) -> None:
    profile = load_profile(name)
    held: dict[tuple[int, int], str] = {}
    for register in profile.registers.values():
        for address in range(register.address, register.end):
            assert held.setdefault((register.kind.value, address), register.name) == register.name
