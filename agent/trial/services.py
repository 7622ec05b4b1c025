"""Nothing else may hold the devices: is there a guard, is there an agent, and may they be stopped?"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from agent.console.knock import NobodyHome, Unanswered, ask
from agent.guard.link import LinkError, check_free
from agent.guard.packets import MAX_PACKET_B, WireError, decode, encode
from agent.guard.wire import Hello, Welcome
from agent.settings.station import Settings

UNITS: Final = ("charge-agent.service", "charge-guard.service")  # in the order in which they are stopped
STOP_S: Final = 30.0  # the guard gives a vehicle its time before it opens
POLL_S: Final = 0.2
ANSWER_S: Final = 1.0
Run = Callable[[Sequence[str]], int]


class InUse(Exception):
    """Something holds the devices; the text says what, and what to do."""


def make_free(settings: Settings, *, stop: bool, run: Run | None = None) -> list[str]:
    """Make sure that no guard and no agent runs; return the services that were stopped for it.

    Args:
        stop: services that run may be stopped.
        run: runs a command and returns its exit code, by default as a child.

    Raises:
        InUse: one runs, and may not or cannot be stopped.
    """
    holders = _holders(settings)
    if not holders:
        return []
    said = " and ".join(holders)
    if not stop:
        raise InUse(
            f"{said} of this station: two that drive one contactor is what this test never does. Say --stop-services "
            "to have the services stopped and started again afterwards, or stop them yourself"
        )
    run = run or _run
    active = [unit for unit in UNITS if run(("systemctl", "is-active", "--quiet", unit)) == 0]
    stopped: list[str] = []
    for unit in active:
        if run(("systemctl", "stop", unit)) != 0:
            start_again(stopped, run=run)
            raise InUse(f"{unit} cannot be stopped; are you root?")
        stopped.append(unit)
    until_s = time.monotonic() + (STOP_S if active else 0.0)
    while holders and time.monotonic() < until_s:
        time.sleep(POLL_S)
        holders = _holders(settings)
    if holders:
        start_again(stopped, run=run)
        raise InUse(f"{' and '.join(holders)}, and it is no service of systemd here: stop it where it was started")
    return stopped


def start_again(stopped: Sequence[str], *, run: Run | None = None) -> list[str]:
    """Start what ``make_free`` stopped, the guard first; return what could not be started."""
    return [unit for unit in reversed(stopped) if (run or _run)(("systemctl", "start", unit)) != 0]


def _holders(settings: Settings) -> list[str]:
    found = []
    try:
        check_free(str(settings.station.guard_socket))
    except LinkError:
        pid = guard_pid(settings.station.guard_socket)
        found.append(f"a guard runs{'' if pid is None else f' (process {pid})'}")
    try:
        ask(settings.station.run_dir / "agent.sock", "status")
        found.append("an agent runs")
    except NobodyHome:
        pass
    except Unanswered as problem:
        found.append(f"an agent runs ({problem})")
    return found


def guard_pid(path: Path) -> int | None:
    """Return the process that listens at a guard's socket, ``None`` where none says."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.settimeout(ANSWER_S)
        try:
            link.connect(str(path))
            link.send(encode(Hello(client="test")))
            welcome = decode(link.recv(MAX_PACKET_B))
        except (OSError, WireError):
            return None
    return welcome.guard_pid if isinstance(welcome, Welcome) else None


def _run(command: Sequence[str]) -> int:
    if shutil.which(command[0]) is None:
        return 127
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
