"""What a killed guard left on is switched off by the program that needs no interpreter, on the bench's own wire."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.process.charges import PATIENT_S, Houses, begin_charge, house_options

REPOSITORY = Path(__file__).parents[2]
COMPILER = shutil.which(os.environ.get("CC", "cc"))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    built = tmp_path / "outputs-safe"
    subprocess.run([str(COMPILER), "-o", str(built), str(REPOSITORY / "systemd/outputs-safe.c")], check=True)
    return built


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
async def test_a_contactor_that_a_killed_guard_left_closed_is_opened_and_its_pilot_says_not_available(
    houses: Houses, program: Path
) -> None:
    house = await houses(house_options())
    await begin_charge(house)
    await house.kill("guard", restart=False)
    state = (await house.bench.state())["evses"]["1"]
    assert (state["load"], state["pilot_mode"]) == (True, "pwm"), "outputs keep their level"

    plan = house.directory / "state" / "outputs-safe.plan"
    run = await asyncio.create_subprocess_exec(program, plan, stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(run.communicate(), PATIENT_S)
    assert run.returncode == 0, said.decode()
    await house.bench.wait("evse1.load", "==", False, timeout_s=PATIENT_S)
    assert (await house.bench.state())["evses"]["1"]["pilot_mode"] == "steady_low"
