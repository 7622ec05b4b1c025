"""A charge on a meter with a profile of its own: its register is exchanged, fails and ends. With the real processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.console.knock import ask
from hil.house import House, HouseOptions
from hil.station_toml import StationOptions
from tests.process.charges import (
    PATIENT_S,
    Houses,
    book_of,
    count_on,
    energisings_of,
    run_command,
    status_json,
    stop_charge,
    tap,
    wait_registered,
)

pytestmark = pytest.mark.process

END_WH = 1_000_000
SMALL = f"""
id = "small"
max_gap = 0
[registers.energy_import]
addr = 0
type = "uint32"
rollover = {END_WH}.0
[registers.power]
addr = 10
type = "int32"
[registers.current_l1]
addr = 20
type = "int32"
scale = 0.001
[registers.voltage_l1]
addr = 30
type = "uint16"
scale = 0.1
"""


def evse_of(house: House) -> dict[str, Any]:
    status = ask(house.directory / "run" / "agent.sock", "status")
    return dict(status["evses"][0])


def faults(house: House) -> str:
    return " ".join(evse_of(house)["faults"])


async def meter(house: House, *words: str) -> dict[str, object]:
    found = await run_command(
        sys.executable, "-m", "agent.cli", "meter", *words, "--config", str(house.station_file), "--json"
    )
    answer = json.loads(found[found.index("{") :])
    assert isinstance(answer, dict)
    return answer


async def test_a_charge_across_the_end_of_an_exchanged_meters_register_is_billed_in_full(
    houses: Houses, tmp_path: Path
) -> None:
    profile = tmp_path / "small.toml"
    profile.write_text(SMALL)
    station = StationOptions(
        meter=str(profile), card_hold_off_s=0.0, max_current_a=32.0, extra={"charging": "meter_poll_s = 0.3\n"}
    )
    house = await houses(HouseOptions(station=station, bench=("--meter", str(profile))))
    await wait_registered(house)
    await house.until(lambda: evse_of(house)["energy_wh"] == 121_000, what="a first reading", timeout_s=PATIENT_S)
    await house.bench.meter(evse=1, mode="rollover")
    await house.until(lambda: "meter_exchanged" in faults(house), what="the exchange", timeout_s=PATIENT_S)
    status = await status_json(house)
    assert status["evses"][0]["energy_wh"] == END_WH - 10
    assert "the register went from 121000 Wh to 999990 Wh" in faults(house)
    read = await meter(house, "read")
    assert read["source"] == "agent"
    await house.bench.plug(evse=1)
    await tap(house)
    await house.bench.wait("evse1.load", "==", True, timeout_s=PATIENT_S)
    await house.bench.meter(evse=1, mode="zero_read")
    await count_on(house, 20.0)
    await house.bench.meter(evse=1, mode="ok")
    assert faults(house) == ""
    await stop_charge(house)
    (row,) = (await book_of(house, closed=1))["transactions"]
    (energising,) = await energisings_of(house)
    assert row["start_wh"] == energising["closed_wh"] == END_WH - 10
    assert row["stop_wh"] == energising["opened_wh"] + END_WH
    assert energising["opened_wh"] >= 10
    examined = await meter(house, "doctor")
    assert examined["hints"] == []
    (counted,) = (await status_json(house))["meters"]
    assert counted["counters"]["answers"] > 20
    assert counted["failures"] == 0
