"""``charge-bench demo`` as its user starts it: one whole charge by real processes, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hil.demo_place import leftover_sockets

pytestmark = pytest.mark.process

PATIENCE_S = 100.0
DEMO = (sys.executable, "-m", "hil.cli", "demo", "--charging", "3")


async def start(*arguments: str, cwd: Path, environ: dict[str, str] | None = None) -> Process:
    return await asyncio.create_subprocess_exec(
        *DEMO, *arguments, cwd=cwd, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, start_new_session=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(environ or {})},
    )  # fmt: skip


async def finish(demo: Process) -> list[str]:
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await demo.communicate()
    return output.decode().replace("\u202f", " ").splitlines()


async def says(demo: Process, text: str) -> list[str]:
    """Read until a line contains ``text``; return what was read."""
    assert demo.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while line := await demo.stdout.readline():
            lines.append(line.decode())
            if text in lines[-1]:
                return lines
    raise AssertionError(f"it ended without saying {text!r}:\n{''.join(lines)}")


def processes_that_know(place: Path) -> list[str]:
    """Return the command lines of all processes that mention a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(place) in command:
            found.append(command)
    return found


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path is short enough for sockets, not there yet."""
    return tmp_path_factory.mktemp("d") / "b"


@pytest.mark.parametrize(
    ("version", "parts", "card"),
    [
        ("1.6", (), "04A2B3C4D5"),
        ("2.0.1", ("--meter", "schneider_iem3x55", "--reader", "pn532"), "04A1B2C3D4E5F6"),
    ],
)
async def test_one_charge_ends_with_the_meters_watt_hours_in_the_ledger(
    version: str, parts: tuple[str, ...], card: str, place: Path
) -> None:
    picture = place.parent / "charge.svg"
    words = ("--once", "--ocpp", version, "--dir", str(place), "--picture", str(picture), *parts)
    demo = await start(*words, cwd=place.parent)
    lines = await finish(demo)
    text = "\n".join(lines)
    assert demo.returncode == 0, text
    found = re.search(r"✓ meter (\d+) Wh = ledger (\d+) Wh  \(register [\d ]+ Wh → [\d ]+ Wh\)", text)
    assert found is not None, text
    assert found[1] == found[2]
    assert int(found[1]) > 5
    took = re.search(r"never more current than offered; (\d+\.\d) s", text)
    assert took is not None
    assert float(took[1]) < 45.0
    for words in (f"Authorize {card} → Accepted", "offers 16 A", "closes S2", "contactor  closed", "unplugged"):
        assert words in text
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    assert processes_that_know(place) == []
    assert leftover_sockets(place) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ended_by_its_user_in_the_middle_it_leaves_nothing_running(number: signal.Signals, place: Path) -> None:
    demo = await start("--dir", str(place), cwd=place.parent)
    await says(demo, "on the reader")
    assert len(processes_that_know(place)) >= 4
    demo.send_signal(number)
    lines = await finish(demo)
    assert demo.returncode == 130, lines
    assert lines[-1] == "Stopped, nothing is left running."
    assert processes_that_know(place) == []
    assert leftover_sockets(place) == []


async def test_after_the_charge_it_stays_up_tells_how_to_play_on_and_gives_power_back(place: Path) -> None:
    demo = await start("--dir", place.name, cwd=place.parent)
    lines = await says(demo, "Ctrl-C")
    commands = [found[0] for line in lines if (found := re.search(rf"{re.escape(sys.executable)}.*|kill -9 .*", line))]
    cut = next(command for command in commands if command.endswith("power_cut"))
    shell = await asyncio.create_subprocess_shell(cut, cwd=place.parent, stdout=DEVNULL)
    assert await shell.wait() == 0
    told = "".join(await says(demo, "power is back"))
    assert "power cut: guard and agent are dead, every output falls" in told
    told = "".join(await says(demo, "BootNotification"))
    assert "guard starts, process" in told
    assert "agent starts, process" in told
    status = next(command for command in commands if " status " in command)
    shell = await asyncio.create_subprocess_shell(status, cwd=place.parent, stdout=PIPE)
    said, _ = await shell.communicate()
    assert b"BENCH-1" in said
    demo.send_signal(signal.SIGINT)
    lines = await finish(demo)
    assert demo.returncode == 0, lines
    assert processes_that_know(place) == []
    assert leftover_sockets(place) == []


async def test_when_nobody_reads_on_it_ends_quietly(place: Path) -> None:
    shell = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m hil.cli demo --once --dir {place} | head -3; echo status ${{PIPESTATUS[0]}}",
        executable="/bin/bash", cwd=place.parent, stdout=PIPE, stderr=STDOUT,
    )  # fmt: skip
    lines = await finish(shell)
    assert len(lines) == 4, lines
    assert lines[-1] == "status 141"
    assert processes_that_know(place) == []


async def test_a_place_that_a_bench_serves_is_refused_at_once(place: Path) -> None:
    serving = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hil.cli", "--dir", str(place), "serve", stdout=PIPE, stderr=STDOUT
    )
    await says(serving, "is ready")
    demo = await start("--once", "--dir", str(place), cwd=place.parent)
    lines = await finish(demo)
    assert demo.returncode == 1
    assert f"a bench already serves {place} (process {serving.pid}): stop it, or use another --dir" in lines[-1]
    serving.terminate()
    await finish(serving)


async def test_without_the_extra_it_says_how_to_install_it(place: Path) -> None:
    script = "import sys; sys.modules['ocpp'] = None; from hil.demo import main; sys.exit(main(['--once']))"
    bare = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=place.parent, stdout=PIPE, stderr=STDOUT
    )
    lines = await finish(bare)
    assert bare.returncode == 2
    assert 'pip install "charge-agent[bench]"' in lines[-1]
