"""The built wheel, installed where no source is: everything that the commands need came with it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
BUILT_FROM = ("agent", "drivers", "hil", "config", "systemd", "pyproject.toml", "README.md", "LICENSE")

pytestmark = pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="hatchling is not installed")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it of a copy, so that nothing is left in the sources."""
    sources, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for name in BUILT_FROM:
        found = REPOSITORY / name
        if found.is_dir():
            shutil.copytree(found, sources / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(found, sources)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], cwd=sources, check=True)
    (built,) = out.glob("*.whl")
    return built


class Installed:
    """The wheel in a virtual environment of its own, with the dependencies of this one."""

    def __init__(self, wheel: Path, place: Path) -> None:
        self.room = place / "empty"
        self.room.mkdir()
        environment = place / "env"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
        packages = next((environment / "lib").glob("python3*/site-packages"))
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
        subprocess.run([*pip, "--prefix", str(environment), "--ignore-installed", str(wheel)], check=True)
        # Only what is in this folder: no .pth of it is obeyed, so its editable install of the sources stays out.
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        for script in ("charge-agent", "charge-bench"):  # written for the interpreter that installed them
            text = (environment / "bin" / script).read_text()
            (environment / "bin" / script).write_text(
                "\n".join([f"#!{environment}/bin/python", *text.splitlines()[1:], ""])
            )
        self.bin = environment / "bin"

    def run(self, *command: str, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command in the empty folder."""
        plain = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CHARGE", "VIRTUAL"))}
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.room, capture_output=True, text=True, timeout=timeout_s, env=plain,
        )  # fmt: skip


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(wheel, tmp_path_factory.mktemp("installed"))


def test_the_wheel_holds_the_data_and_nothing_that_is_not_ours(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "drivers/_config/station.example.toml",
        "drivers/_config/meters/eastron_sdm630.toml",
        "agent/store/migrations/0001",
        "share/charge-agent/systemd/charge-guard.service",
        "entry_points.txt",
        "LICENSE",
    ):
        assert any(wanted in name for name in names), wanted
    tops = {name.partition("/")[0] for name in names}
    assert {each for each in tops if not each.startswith("charge_agent-")} == {"agent", "drivers", "hil"}


def test_it_runs_from_its_own_files(installed: Installed) -> None:
    asked = "import agent, drivers, hil; print(agent.__file__, drivers.__file__, hil.__file__)"
    said = installed.run("python", "-c", asked)
    assert said.returncode == 0, said.stderr
    assert all(path.startswith(str(installed.bin.parent)) for path in said.stdout.split()), said.stdout


def test_the_shipped_example_is_good_and_a_broken_file_is_not(installed: Installed) -> None:
    where = installed.run("python", "-c", "from drivers.config_dir import config_dir; print(config_dir())")
    example = Path(where.stdout.strip()) / "station.example.toml"
    said = installed.run("charge-agent", "check", str(example))
    assert (said.returncode, said.stderr) == (0, "")
    (installed.room / "broken.toml").write_text("[station]\n")
    for words in (("check", "broken.toml"), ("run", "--config", "broken.toml"), ("guard", "--config", "broken.toml")):
        said = installed.run("charge-agent", *words)
        assert said.returncode == 78, said.stderr
        assert "station has no id" in said.stderr
    (installed.room / "broken.toml").unlink()


def test_the_demonstration_charges_a_car_in_an_empty_folder(installed: Installed) -> None:
    said = installed.run("charge-bench", "demo", "--once", "--charging", "3", timeout_s=60)
    assert said.returncode == 0, said.stdout[-3000:] + said.stderr[-3000:]
