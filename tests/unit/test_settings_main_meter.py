"""The station's main meter in a station file, on the screens and in ``charge-agent check``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.console.screens import status_screen
from agent.settings.build import parse_station
from agent.settings.meter_target import meter_target
from agent.settings.problems import SettingsError
from agent.settings.station import Settings
from drivers.api import DriverError

HEAD = """
[station]
id = "CP-1"
vendor = "V"
model = "M"
[csms]
url = "wss://csms.example/"
[lines]
driver = "bench"
socket = "pins.sock"
[bus.rs485]
port = "bus"
[bus.lan]
host = "10.0.0.9"
[[evse]]
id = 1
max_current_a = 16
pilot = { driver = "bench", socket = "pins.sock", evse = 1 }
contactor = { line = "evse1.contactor" }
meter = { driver = "modbus", profile = "eastron_sdm630", bus = "rs485", unit = 1 }
"""


def parse(main: str) -> Settings:
    return parse_station((HEAD + main).encode(), Path("station.toml"))


def problems(main: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(main)
    return [str(each) for each in caught.value.problems]


@pytest.mark.parametrize(
    ("line", "where"), [('bus = "rs485"\nunit = 2', "port"), ('bus = "lan"', "host")], ids=["serial", "tcp"]
)
def test_a_main_meter_has_the_shape_of_any_other(line: str, where: str) -> None:
    settings = parse(f'[main_meter]\ndriver = "modbus"\nprofile = "eastron_sdm630"\n{line}\nmax_current_a = 125\n')
    assert list(settings.meters) == [1, 0]
    layout = settings.layout().main_meter
    assert layout is not None
    assert layout.max_current_a == 125.0
    number, place = meter_target(settings, 0)
    assert number == 0
    assert place is not None
    assert where in place.line
    assert meter_target(settings, None)[0] == 1


def test_without_one_there_is_none() -> None:
    settings = parse("")
    assert settings.main_meter is None
    assert settings.layout().main_meter is None
    with pytest.raises(DriverError, match=r"no \[main_meter\]"):
        meter_target(settings, 0)
    with pytest.raises(DriverError, match="there is no EVSE 3 with a meter, expected one of 1"):
        meter_target(settings, 3)


@pytest.mark.parametrize(
    ("main", "said"),
    [
        ('driver = "modbus"\nprofile = "eastron_sdm630"\nbus = "rs485"\nunit = 1\n', "the same device as evse[1]"),
        ('driver = "modbus"\nprofile = "eastron_sdm72dm"\nbus = "rs485"\nunit = 1\n', "address 1 on bus"),
        ('driver = "modbus"\nprofile = "eastron_sdm630"\nbus = "rs48"\n', "did you mean 'rs485'?"),
        ('driver = "modbus"\nprofile = "eastron_sdm63"\nbus = "rs485"\nunit = 2\n', "eastron_sdm63"),
        ('driver = "modbuz"\n', "did you mean 'modbus'?"),
        ("max_current_a = 125\n", "has no driver"),
        ('driver = "modbus"\nprofile = "eastron_sdm630"\nbus = "lan"\nmax_current_a = 3\n', "outside 6-6000"),
        ('driver = "modbus"\nprofile = "eastron_sdm630"\nbus = "rs485"\nunit = 2\nphases = 3\n', "phases"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_it_is_said(main: str, said: str) -> None:
    assert any(said in each and "main_meter" in each for each in problems(f"[main_meter]\n{main}"))


def test_a_main_meter_that_is_no_table_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected a table"):
        parse_station(("main_meter = 3\n" + HEAD).encode(), Path("station.toml"))


def status(main: dict[str, Any] | None) -> str:
    told: dict[str, Any] = {
        "station": {"id": "CP-1", "vendor": "V", "model": "M", "version": "1", "uptime_s": 5, "utc": None,
                    "time_quality": "unknown", "settings": "file", "problems": []},
        "csms": {"state": "accepted", "since_s": 1, "version": "1.6", "url": "ws://x", "error": ""},
        "guard": {"connected": True, "error": "", "refusals": []},
        "store": {"ok": True, "waiting": 0, "dead": 0, "error": "", "recovered": ""},
        "faults": [], "evses": [], "meters": [], "variables": [], "main_meter": main,
    }  # fmt: skip
    return status_screen(told)


def test_the_status_shows_it_with_its_age_and_its_silence() -> None:
    good = {"energy_wh": 5_000_123.4, "power_w": 8000.0, "current_a": [11.0, 12.0, None], "reading_age_s": 0.5}
    assert "  mains   5000123 Wh  8000 W  11.0/12.0/- A  (0.5 s old)" in status(good | {"fresh": True, "error": ""})
    old = status(good | {"reading_age_s": 40.0, "fresh": False, "error": "no answer"})
    assert "(40.0 s old)  NO GOOD READING NOW: no answer" in old
    nothing = {"energy_wh": None, "power_w": None, "current_a": [None] * 3, "reading_age_s": None}
    assert "  mains   no reading" in status(nothing | {"fresh": False, "error": ""})
    assert "mains" not in status(None)
