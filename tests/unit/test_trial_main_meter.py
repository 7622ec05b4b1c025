"""The technician's test of the main meter: found good, or silent, without a bound on what flows there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent.settings.build import parse_station
from agent.settings.station import DriverSettings, MeterSettings, Settings
from agent.trial.findings import Finding, Verdict
from agent.trial.fitted import Mains
from agent.trial.meters import check_meters
from drivers.api import DriverKind, DriverTimeout, MeterReading
from tests.unit.test_settings_main_meter import HEAD

MAIN = '[main_meter]\ndriver = "modbus"\nprofile = "eastron_sdm630"\nbus = "lan"\n'


class Scripted:
    """A meter that shows a house under load, or says nothing."""

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent

    async def read(self) -> MeterReading:
        if self._silent:
            raise DriverTimeout("no answer")
        volts = (230.0, 231.0, 229.0)
        return MeterReading(
            taken_s=time.monotonic(), energy_import_wh=5e6, current_a=(20.0, 21.0, 19.0), voltage_v=volts
        )

    async def close(self) -> None:
        """Nothing to release."""


def station(options: Mapping[str, Any]) -> Settings:
    settings = parse_station((HEAD + MAIN).encode(), Path("station.toml"))
    assert settings.main_meter is not None
    driver = DriverSettings(kind=DriverKind.METER, driver="x", target=f"{__name__}:Scripted", options=options)
    return replace(settings, main_meter=replace(settings.main_meter, meter=MeterSettings(driver=driver, bus=None)))


@pytest.mark.parametrize(("mains", "verdict"), [(Mains.ON, Verdict.FAILED), (Mains.OFF, Verdict.NOT_TESTED)])
async def test_a_silent_main_meter_is_named(mains: Mains, verdict: Verdict) -> None:
    found: list[Finding] = []
    await check_meters(station({"silent": True}), (), mains, found.append, lambda _text: None)
    [finding] = found
    assert (finding.what, finding.evse_id, finding.verdict) == ("main meter", None, verdict)
    assert "SILENT" in finding.text


async def test_what_flows_through_the_main_meter_is_no_fault_and_no_evse_s_mains() -> None:
    found: list[Finding] = []
    seen = await check_meters(station({}), (), Mains.OFF, found.append, lambda _text: None)
    assert seen == {}, "it may sit before the switch that is off"
    assert {each.what for each in found} >= {"main meter, register", "main meter, voltage L1", "main meter, voltage L3"}
    assert all(each.verdict is Verdict.PASSED for each in found)
    assert not any("current" in each.what for each in found)
