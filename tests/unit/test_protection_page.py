"""docs/protection.md against the software: its station files are read, its table and its command are true."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.charging.evse import ENDING_FAULTS
from agent.guard.inputs import FAULT_OF, InputRole
from agent.guard.plan import parse_plan
from agent.model.faults import FaultCode
from agent.ocpp.v16.status import _ERROR_OF
from agent.settings.build import parse_station
from agent.settings.compile import plan_of
from agent.settings.station import Settings
from tests.unit.test_settings_protection import EVSE, HEAD

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "protection.md"
BLOCKS = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def station_of(block: str) -> Settings:
    head, _, evse = block.partition("[[evse]]\n")
    return parse_station(f"{HEAD}{head}{EVSE}{evse}".encode(), Path("/etc/charge-agent/station.toml"))


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_station_file_of_the_page_is_good_and_reaches_the_guard(block: str) -> None:
    assert parse_plan(plan_of(station_of(block)))


def test_the_table_of_inputs_says_what_the_software_does() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    table = {name: [cell.strip() for cell in rest.split("|")] for name, rest in rows}
    lines = "".join(f'{role.value} = {{ line = "GPIO{pin}" }}\n' for pin, role in enumerate(InputRole, 4))
    (evse,) = station_of(f"[[evse]]\n{lines}").evses
    for role in InputRole:
        _, debounce, latched, fault, error, ends = table[role.value]
        line = getattr(evse, role.value)
        code = FaultCode(FAULT_OF[role].value)
        assert f"{line.debounce_ms} ms" == debounce, role
        assert ("yes" if line.latched else "no") == latched, role
        assert (f"`{code.value}`", _ERROR_OF[code].value) == (fault, error)
        assert ("ends" if code in ENDING_FAULTS else "is suspended") == ends


@pytest.mark.skipif(shutil.which("cc") is None or shutil.which("make") is None, reason="there is no compiler or make")
def test_the_program_is_built_by_the_command_of_the_page() -> None:
    subprocess.run(["make", "-B", "-C", str(REPOSITORY), "outputs-safe"], check=True, capture_output=True)
    usage = subprocess.run([str(REPOSITORY / "build" / "outputs-safe")], capture_output=True, text=True)
    assert (usage.returncode, usage.stderr) == (129, "usage: outputs-safe [--root DIR] PLAN\n")
