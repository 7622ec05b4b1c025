"""The driver that docs/drivers.md shows: installed as a package, found by its name, held against its contract."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.unit.test_docs import REPOSITORY, blocks

GUIDE = REPOSITORY / "docs" / "drivers.md"
LOAD = (
    "import sys\nfrom agent.guard.plan import load_plan\n"
    "print(load_plan(sys.argv[1]).evses[0].power_path.open().read())"
)


def build_wheel(folder: Path, project: dict[str, object], module: str, source: str) -> Path:
    """Return the wheel that a build back end makes of the project. PyPA specification "Binary distribution format"."""
    name, version = f"{project['name']}".replace("-", "_"), project["version"]
    info = f"{name}-{version}.dist-info"
    groups = project["entry-points"]
    assert isinstance(groups, dict)
    entry_points = "".join(
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        for group, entries in groups.items()
    )
    files = {
        module: source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": entry_points,
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in files.items())
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return wheel


def test_the_guide_names_every_driver_that_ships_and_its_group() -> None:
    text = GUIDE.read_text()
    groups = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["entry-points"]
    rows = {row.split("`charge_agent.")[1].split("`")[0]: row for row in text.splitlines() if "`charge_agent." in row}
    for group, drivers in groups.items():
        kind = group.removeprefix("charge_agent.")
        if kind != group:
            assert [name for name in drivers if f"`{name}`" not in rows[kind]] == [], kind


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    """The blocks of the guide by what they are."""
    package, line = blocks(GUIDE, "toml")
    driver, suite = blocks(GUIDE, "python")
    return {"package": package, "line": line, "driver": driver, "suite": suite}


@pytest.fixture(scope="module")
def site(shown: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package was installed."""
    folder = tmp_path_factory.mktemp("acme")
    wheel = build_wheel(folder, tomllib.loads(shown["package"])["project"], "acme_pilot.py", shown["driver"])
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run(
        [*pip, "--disable-pip-version-check", "--target", str(folder / "site"), str(wheel)], check=True, timeout=60
    )
    return folder / "site"


def run(site: Path, *command: str, cwd: Path) -> str:
    """Run a Python command with the package installed; return what it said."""
    environ = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{REPOSITORY}"}
    ran = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_a_station_file_finds_the_driver_by_its_name_and_the_guard_opens_it(
    shown: dict[str, str], site: Path, tmp_path: Path
) -> None:
    adc, pwm = tmp_path / "iio", tmp_path / "pwm1"
    adc.mkdir()
    pwm.mkdir()
    for name, text in (("in_voltage_scale", "0.8"), *((f"in_voltage{n}_raw", "3375") for n in range(3))):
        (adc / name).write_text(text)
    line = shown["line"].replace("/sys/class/pwm/pwmchip0/pwm1", str(pwm)).replace(" }", f', adc = "{adc}" }}')
    (station,) = (block for block in blocks(REPOSITORY / "README.md", "toml") if "[station]" in block)
    pilot = next(each for each in station.splitlines() if each.startswith("pilot"))
    (tmp_path / "csms-password").write_text("0123456789abcdef")
    (tmp_path / "station.toml").write_text(station.replace(pilot, line.strip()))
    assert "good." in run(site, "-m", "agent.cli", "check", "station.toml", cwd=tmp_path)
    run(site, "-m", "agent.settings.compile", "station.toml", "--out", "plan.json", cwd=tmp_path)
    assert "high_v=12.0" in run(site, "-c", LOAD, "plan.json", cwd=tmp_path)


def test_the_driver_meets_its_contract_by_the_suite_that_the_guide_shows(
    shown: dict[str, str], site: Path, tmp_path: Path
) -> None:
    (tmp_path / "test_acme_pilot.py").write_text(shown["suite"])
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(tmp_path)]
    said = run(site, "-m", "pytest", *options, "test_acme_pilot.py", cwd=tmp_path)
    assert "9 passed" in said, said
