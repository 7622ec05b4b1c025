"""What the command line loads before it knows what it is asked for."""

from __future__ import annotations

import subprocess
import sys

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
