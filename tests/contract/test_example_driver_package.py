"""The example driver package of docs/porting.md: built, installed, found by its entry point, and used by the guard."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.test_driver_guide import run
from tests.unit.test_docs import REPOSITORY, blocks

PACKAGE = "tests/contract/example_driver_package"
LOAD = """\
import sys
from agent.guard.plan import load_plan

lines = load_plan(sys.argv[1]).lines.open()
coil = lines.output("coil", active_high=False, initial=False)
mirror = lines.input("mirror", active_high=True)
print(mirror.read(), type(lines).__module__)
coil.write(True)
"""
STATION = """\
[station]
id = "CP-0001"
vendor = "Example"
model = "Wallbox 11"
state_dir = "state"

[csms]
url = "wss://csms.example.com/ocpp"

[lines]
driver = "folder"
dir = "lines"

[[evse]]
id = 1
pilot = { driver = "bench", socket = "pins.sock", evse = 1 }
contactor = { line = "coil", active_high = false }
mirror = { line = "mirror" }
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the command of the page installed the package; no index was asked."""
    (shown,) = (
        line.removeprefix("$ ").split()
        for block in blocks(REPOSITORY / "docs" / "porting.md", "console")
        for line in block.splitlines()
        if line.startswith("$ pip ")
    )
    folder = tmp_path_factory.mktemp("package")
    assert shown[-3:] == ["--target", "site", PACKAGE]
    shutil.copytree(REPOSITORY / PACKAGE, folder / "package")
    quietly = ["--quiet", "--no-index", "--disable-pip-version-check", "--no-compile"]
    command = [sys.executable, "-m", *shown[:-3], *quietly, "--target", str(folder / "site"), str(folder / "package")]
    subprocess.run(command, check=True, timeout=60)
    return folder / "site"


def test_the_package_is_found_checked_looked_at_and_used_by_the_guard(site: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.mkdir()
    for name in ("coil", "mirror"):
        (lines / name).write_text("1")
    (tmp_path / "station.toml").write_text(STATION)
    checked = json.loads(run(site, "-m", "agent.cli", "check", "--hardware", "--json", "station.toml", cwd=tmp_path))
    assert checked["ok"] is True
    assert f"{lines} has 2 of 2 lines" in checked["seen"]
    run(site, "-m", "agent.settings.compile", "station.toml", "--out", "plan.json", cwd=tmp_path)
    assert run(site, "-c", LOAD, "plan.json", cwd=tmp_path).split() == ["True", "example_folder_lines"]
    assert (lines / "coil").read_text() == "0", "closed: the coil is active low"
    safe = (tmp_path / "outputs-safe.plan").read_text()
    assert f"write\t{lines}/coil\t1" in safe
