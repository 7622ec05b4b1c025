"""A bought controller and a meter on one serial line, in real processes: a charge, silence, a crash, an exact book."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from hil.house import HouseOptions
from hil.station_toml import StationOptions
from tests.process.charges import (
    PATIENT_S,
    Houses,
    assert_exact,
    begin_charge,
    count_on,
    first_since,
    run_command,
    status_json,
    stop_charge,
    until_status,
)

MEMORY_MOST_MIB = 32
OPTIONS = HouseOptions(
    station=StationOptions(
        controller="evse-din",
        card_hold_off_s=0.0,
        min_reclose_s=1.0,
        variables={"SampledDataCtrlr.TxUpdatedInterval": "1"},
    )
)


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return int(fields["VmRSS"].split()[0]) / 1024


@pytest.mark.process
@pytest.mark.timeout(180)
async def test_an_evse_din_and_its_meter_on_one_line_charge_exactly_through_silence_and_a_crashed_guard(
    houses: Houses,
) -> None:
    house = await houses(OPTIONS)
    await begin_charge(house)
    (evse,) = (await status_json(house))["evses"]
    assert (evse["pilot"], evse["offer_a"], evse["contactor"], evse["faults"]) == ("C", 16.0, "closed", [])
    assert evse["power_w"] == pytest.approx(11040, rel=0.01)  # read through the guard, on the controller's line
    assert resident_mib(house.child("guard").pid) <= MEMORY_MOST_MIB

    await house.bench.call("controller", mode="silent")
    status = await until_status(house, lambda told: bool(told["evses"][0]["faults"]), what="a lost controller")
    (evse,) = status["evses"]
    (fault,) = evse["faults"]
    assert fault.startswith("power_path_lost: ")
    assert "unit 101" in fault  # which unit did not answer
    assert (evse["pilot"], evse["contactor"], evse["offer_a"], evse["plugged"]) == ("unknown", "unknown", None, None)
    why = await run_command(sys.executable, "-m", "agent.cli", "why", "--config", str(house.station_file))
    assert why.startswith("EVSE 1: no charging: power_path_lost: ")
    await house.bench.call("controller", mode="ok")
    await until_status(
        house,
        lambda told: (told["evses"][0]["faults"], told["evses"][0]["offer_a"]) == ([], 16.0),
        what="an offer by the controller that is back",
    )
    await house.bench.wait("evse1.current_a", ">", 1.0, timeout_s=PATIENT_S)

    killed_s = time.monotonic()
    await house.kill("guard")
    await house.bench.wait("evse1.pilot_mode", "==", "steady_high", timeout_s=PATIENT_S, since_s=killed_s)
    taken_back_s = await first_since(house, "evse1.pilot_mode", "steady_high", killed_s)
    assert taken_back_s - killed_s < 6.0  # the next guard's first word to the controller is "no current"
    await house.bench.wait("evse1.current_a", ">", 1.0, timeout_s=PATIENT_S, since_s=taken_back_s)
    await count_on(house, 3.0)

    await stop_charge(house)
    await assert_exact(house, closed=1)
