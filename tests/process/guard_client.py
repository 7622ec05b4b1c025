"""A client of a guard process, and the process itself, for tests."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from agent.guard.packets import MAX_PACKET_B, decode, encode
from agent.guard.wire import Hello, Message, Permit, Report, Welcome

REPOSITORY = Path(__file__).parents[2]
M = TypeVar("M")


class GuardProcess:
    """``python -m agent.guard`` on a ``guard_board``; everything it wrote is in ``writes``."""

    def __init__(self, directory: Path, *, vehicle: str = "C", **changes: object) -> None:
        self.directory = directory
        self.log = directory / "writes"
        self.socket = str(directory / "guard.sock")
        self.plan = directory / "plan.json"
        self.plan.write_text(json.dumps(_plan(directory, self.log, vehicle) | changes))
        self.process: subprocess.Popen[str] | None = None

    def start(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the guard and wait until its socket answers (or it has ended)."""
        process = subprocess.Popen(
            [sys.executable, "-m", "agent.guard", str(self.plan), *arguments],
            cwd=REPOSITORY,
            env=os.environ | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.process = process
        while process.poll() is None and not self.answers():
            select.select([], [], [], 0.005)
        return process

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            return probe.connect_ex(self.socket) == 0

    def holder(self) -> GuardClient:
        client = GuardClient(self.socket, hello=Hello(client="test", holder=True))
        client.expect(Welcome)
        return client

    def writes(self) -> list[tuple[float, str, str]]:
        """Return ``(time, name, value)`` of every write so far."""
        found = []
        for line in self.log.read_text().splitlines():
            at_s, name, value = line.split(" ", 2)
            found.append((float(at_s), name, value))
        return found

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send ``number``; return exit code and log."""
        assert self.process is not None
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=20)
        return self.process.returncode, log

    def kill(self) -> None:
        """Leave nothing running."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def _plan(directory: Path, log: Path, vehicle: str) -> dict[str, object]:
    board = "tests.process.guard_board"

    def line(name: str) -> dict[str, object]:
        return {"line": f"evse1.{name}", "active_high": True}

    evse: dict[str, object] = {
        "id": 1,
        "phases": 3,
        "max_current_a": 32,
        "power_path": {"target": f"{board}:open_power_path", "options": {"log": str(log), "vehicle": vehicle}},
        "contactor": line("contactor"),
        "mirror": line("mirror") | {"kind": "nc"},
        "lock": line("lock") | {"feedback": line("locked")},
        "rcd": line("rcd"),
        "emergency_stop": line("emergency_stop"),
        "led": None,
    }
    return {
        "version": 1,
        "plan_id": "plan-1",
        "station_file": "station.toml",
        "scan_s": 0.01,
        "socket": str(directory / "guard.sock"),
        "state_dir": str(directory / "state"),
        "allowed_uids": [],
        "permit_max_s": 30,
        "min_reclose_s": 0,
        "stop_grace_s": 0.3,
        "realtime": True,
        "lines": {"target": f"{board}:open_lines", "options": {"log": str(log)}},
        "evses": [evse],
    }


class GuardClient:
    """One connection to a guard."""

    def __init__(self, path: str, *, hello: Hello | bytes | None = None) -> None:
        self.peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.peer.settimeout(10.0)
        self.peer.connect(path)
        if hello is not None:
            self.send(hello)

    def send(self, message: Message | bytes) -> None:
        self.peer.send(message if isinstance(message, bytes) else encode(message))

    def receive(self) -> Message | None:
        """Return the next message, ``None`` when the guard has closed."""
        try:
            packet = self.peer.recv(MAX_PACKET_B)
        except ConnectionResetError:
            return None
        return decode(packet) if packet else None

    def expect(self, kind: type[M]) -> M:
        """Return the next message of ``kind``."""
        while True:
            message = self.receive()
            assert message is not None, f"the guard closed, expected {kind.__name__}"
            if isinstance(message, kind):
                return message

    def report_where(self, claim: Callable[[Report], bool]) -> Report:
        """Return the first report for which ``claim`` holds."""
        while True:
            report = self.expect(Report)
            if claim(report):
                return report

    def permit(self, *, plan_id: str = "plan-1", current_a: float = 16.0, valid_for_s: float = 30.0) -> None:
        self.send(
            Permit(
                evse_id=1,
                permit_id=1,
                max_current_a=current_a,
                phases=3,
                valid_for_s=valid_for_s,
                plan_id=plan_id,
            )
        )

    def close(self) -> None:
        self.peer.close()
