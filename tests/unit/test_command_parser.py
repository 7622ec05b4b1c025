"""What the command line loads before it knows what it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ASKED = """\
import sys
import agent.cli
first = set(sys.modules)
agent.cli._parser()
print(*sorted(first), ",", *sorted(sys.modules))
"""


def test_the_two_processes_start_without_the_parser_and_help_without_what_the_verbs_need() -> None:
    told = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True).stdout
    first, whole = ({*part.split()} for part in told.split(","))
    assert {name for name in first if name.partition(".")[0] in ("agent", "drivers")} == {"agent", "agent.cli"}
    assert "argparse" not in first
    assert {"argparse", "agent.cli_security"} <= whole
    assert not whole & {"msgspec", "sqlite3", "structlog", "websockets", "asyncio", "agent.settings.station"}
    assert not {name for name in whole if name.startswith("drivers")}


def test_a_reader_that_has_gone_is_no_trouble_also_where_little_was_said(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    arguments = [sys.executable, "-m", "agent.cli", "security-log", "--config", str(tmp_path / "station.toml")]
    with os.fdopen(writing, "wb") as gone:
        ended = subprocess.run(arguments, stdout=gone, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
