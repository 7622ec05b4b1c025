"""Which parts of a station file may know the vehicle's state of charge, and a meter's own word on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.settings.build import parse_station
from drivers.meter.modbus import WANTED
from drivers.meter.profile_file import load_profile
from drivers.meter.reading import reading_of
from tests.unit.test_settings_main_meter import HEAD

PROFILE = """
id = "acme_dc"
vendor = "Acme"
function_code = 3
[nan]
uint16 = -1
[registers.energy_import]
addr = 0
type = "uint32"
[registers.soc]
addr = 2
type = "uint16"
scale = 0.1
"""
PILOT = 'pilot = { driver = "bench", socket = "pins.sock", evse = 1 }'


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "acme_dc.toml"
    path.write_text(PROFILE)
    return path


def tells(text: str, folder: Path) -> bool:
    (evse,) = parse_station(text.encode(), folder / "station.toml").layout().evses
    return evse.tells_soc


def test_a_station_file_says_which_part_may_know_it(profile: Path) -> None:
    folder = profile.parent
    assert not tells(HEAD, folder)
    assert tells(HEAD.replace(PILOT, PILOT.replace("evse = 1", "evse = 1, soc = true")), folder)
    assert tells(HEAD.replace('"eastron_sdm630"', '"./acme_dc.toml"'), folder)
    contactor = 'contactor = { line = "evse1.contactor" }\n'
    for model, known in (("charx", True), ("em-cp-pp-eth", False)):
        controller = f'controller = {{ driver = "phoenix", model = "{model}", bus = "lan" }}'
        assert tells(HEAD.replace(contactor, "").replace(PILOT, controller), folder) is known


@pytest.mark.parametrize(("words", "soc_pct"), [((613,), 61.3), ((0,), 0.0), ((1001,), None), ((0xFFFF,), None)])
def test_a_meters_register_is_read_with_the_rest_and_what_no_battery_has_is_unknown(
    profile: Path, words: tuple[int, ...], soc_pct: float | None
) -> None:
    loaded = load_profile(str(profile))
    assert "soc" in loaded.needs(WANTED)
    value = loaded.decode(loaded.registers["soc"], words)
    reading = reading_of({"energy_import": 1.0, "soc": value}, loaded.registers, taken_s=1.0)
    assert reading.soc_pct == soc_pct
