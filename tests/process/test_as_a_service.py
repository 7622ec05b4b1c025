"""What systemd sees of the two processes: ready, alive, hanging, ending; and that neither needs root."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.process.houses import PATIENCE_S, Stay, options, place, stay, world
from tests.unit.test_systemd import allowed_calls, expanded

REPOSITORY = Path(__file__).parents[2]
WATCHDOG_S = 1.0
NOBODY = 65534


class Notified:
    """The far end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        path.chmod(0o666)
        self.environ = {
            "NOTIFY_SOCKET": str(path),
            "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
            "JOURNAL_STREAM": "8:1",
        }

    async def hears(self, *, timeout_s: float = PATIENCE_S) -> str:
        """Return the next datagram."""
        got = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 4096), timeout_s)
        return got.decode()

    async def hears_word(self, word: str) -> None:
        """Wait for a datagram."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.hears() != word:
                pass

    async def silence(self, for_s: float) -> bool:
        """Return whether nothing comes for so long, after what was sent already."""
        while True:
            try:
                self.socket.recv(4096)
            except BlockingIOError:
                break
        try:
            await self.hears(timeout_s=for_s)
        except TimeoutError:
            return True
        return False


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[Notified]:
    opened = Notified(tmp_path / "notify")
    yield opened
    opened.socket.close()


@pytest.mark.parametrize("word", ["run", "guard"])
async def test_systemd_hears_ready_then_a_pet_in_every_period_and_nothing_from_a_process_that_hangs(
    notified: Notified, word: str
) -> None:
    async with world() as guest:
        child = await guest.house._launcher.start(
            word, [*guest.house.options.agent_command, word, "--config", str(guest.house.station_file)],
            environ=notified.environ,
        )  # fmt: skip
        await notified.hears_word("READY=1")
        last_s = time.monotonic()
        for _ in range(4):
            assert await notified.hears() == "WATCHDOG=1"
            assert time.monotonic() - last_s < WATCHDOG_S
            last_s = time.monotonic()
        child.send_signal(signal.SIGSTOP)
        assert await notified.silence(1.5 * WATCHDOG_S)
        child.send_signal(signal.SIGCONT)
        await notified.hears_word("WATCHDOG=1")
        child.send_signal(signal.SIGTERM)
        await notified.hears_word("STOPPING=1")
        assert await child.wait(timeout_s=PATIENCE_S) == 0
        lines = [line for line in child.log_text().splitlines() if line]
        assert all(line.startswith("{") and line.endswith("}") for line in lines), "JSON under systemd"


@pytest.mark.skipif(None in map(shutil.which, ("strace", "systemd-analyze")), reason="needs strace and systemd-analyze")
async def test_a_charge_needs_no_system_call_that_the_units_forbid(tmp_path: Path) -> None:
    traced = f'exec strace -f -qq -o {tmp_path}/$1 "$0" -m agent.cli "$@"'
    chosen = options()
    async with stay(replace(chosen, agent_command=("/bin/sh", "-c", traced, sys.executable))) as guest:
        await guest.online()
        await guest.begin()
        await guest.end()
        await guest.exact(1)
    asks_for_the_time = "from drivers.clock.system import SystemClock; SystemClock(trust='synchronised').utc_s()"
    command = ("strace", "-f", "-qq", "-A", "-o", f"{tmp_path}/run", sys.executable, "-c", asks_for_the_time)
    await asyncio.to_thread(subprocess.run, command, cwd=REPOSITORY, check=True)
    for word, unit in (("run", "charge-agent.service"), ("guard", "charge-guard.service")):
        calls = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", (tmp_path / word).read_text(errors="replace"), re.MULTILINE))
        assert len(calls) > 30
        forbidden = calls - allowed_calls(unit) - expanded("@default")
        assert forbidden <= {"fchown"}, "SQLite asks for that one only as root"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
async def test_a_whole_charge_needs_no_root() -> None:
    python, paths = everybodys_python()
    setpriv = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    chosen = options(environ={"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"})
    async with place() as directory:
        directory.chmod(0o755)
        plain = replace(chosen, agent_command=(*setpriv, python, "-m", "agent.cli"))
        for name in ("state", "run"):
            (directory / name).mkdir()
            os.chown(directory / name, NOBODY, NOBODY)
        async with stay(plain, directory=directory) as guest:
            await _open_the_world(guest)
            await guest.online()
            await guest.begin()
            for role in ("guard", "agent"):
                assert os.stat(f"/proc/{guest.house.child(role).pid}").st_uid == NOBODY
            await guest.end()
            await guest.exact(1)


def everybodys_python() -> tuple[str, str]:
    """Return an interpreter that every user may start, and where it finds our packages."""
    paths = os.pathsep.join([str(REPOSITORY), *(path for path in sys.path if path.endswith("site-packages"))])
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, shutil.which(version, path="/usr/local/bin:/usr/bin")):
        if candidate is not None and all(
            os.stat(folder).st_mode & 0o001
            for folder in (os.path.realpath(candidate), *Path(os.path.realpath(candidate)).parents)
        ):
            return candidate, paths
    pytest.skip(f"no {version} that every user may start")


async def _open_the_world(guest: Stay) -> None:
    """The wires of the bench belong to root; on a board a group may open them."""
    for each in guest.house.directory.iterdir():
        if not each.is_dir():
            each.chmod(0o666)
