"""Every command and station file that the documents show, run as a reader would run them.

Marks in a document: a ``sh`` block is executed, all blocks of a document as one shell session, in a copy of the
repository in front of a running bench; ``make`` targets are looked up instead. A ``toml`` block with a ``[station]``
is checked. A ``console`` block needs root or a board: the files of this repository that it names must exist.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.house import HouseOptions
from tests.process.charges import Houses, wait_registered
from tests.unit.test_docs import DOCUMENTS, REPOSITORY, blocks, is_make

pytestmark = pytest.mark.process

PATIENCE_S = 100.0
COPIED = ("agent", "config", "docs", "drivers", "hil", "systemd", "tests")
SHOWN = {document.relative_to(REPOSITORY).as_posix(): document for document in DOCUMENTS}
WITH_COMMANDS = [
    name
    for name, document in SHOWN.items()
    if any(not is_make(line) for block in blocks(document, "sh") for line in block.splitlines())
]
WITH_STATIONS = [
    name for name, document in SHOWN.items() if any("[station]" in block for block in blocks(document, "toml"))
]


@pytest.fixture
def clone() -> Iterator[Path]:
    """A copy of this repository in which ``make test`` has run, with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="doc-", dir="/tmp"))
    for entry in REPOSITORY.iterdir():
        if entry.is_file():
            shutil.copy2(entry, folder)
        elif entry.name in COPIED:
            shutil.copytree(entry, folder / entry.name)
    (folder / ".venv").symlink_to(sys.prefix)
    yield folder
    shutil.rmtree(folder)


def script_of(document: Path) -> str:
    """Return the session: stops at the first command that fails and says which."""
    lines = [line for block in blocks(document, "sh") for line in block.splitlines()]
    shown = [line for line in lines if not is_make(line)]
    return "\n".join(["set -eE", """trap 'echo "FAILED: $BASH_COMMAND"' ERR""", *shown])


async def run(command: list[str], folder: Path) -> tuple[int, str]:
    """Run a command as a user in ``folder``; return its exit code and what it said."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CHARGE_")}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environ, stdout=PIPE, stderr=STDOUT)
    async with asyncio.timeout(PATIENCE_S):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.parametrize("name", WITH_COMMANDS)
async def test_every_command_that_a_document_shows_works(houses: Houses, clone: Path, name: str) -> None:
    script = script_of(SHOWN[name])
    if ".bench" in script:
        house = await houses(HouseOptions())
        await wait_registered(house)
        (clone / ".bench").symlink_to(house.directory)
    code, said = await run(["bash", "-c", script], clone)
    assert code == 0, said


@pytest.mark.parametrize("name", WITH_STATIONS)
async def test_every_station_file_that_a_document_shows_is_good(clone: Path, name: str) -> None:
    (clone / "csms-password").write_text("0123456789abcdef\n")
    for number, block in enumerate(blocks(SHOWN[name], "toml")):
        if "[station]" in block:
            (clone / f"station{number}.toml").write_text(block)
            code, said = await run(["charge-agent", "check", f"station{number}.toml"], clone)
            assert code == 0, said
            assert "good. Station CP-0001: EVSE 1 3 x 16 A; 1 card reader(s)" in said


def test_the_readmes_station_has_about_twenty_five_lines() -> None:
    (station,) = (block for block in blocks(SHOWN["README.md"], "toml") if "[station]" in block)
    assert len([line for line in station.splitlines() if line]) <= 25
