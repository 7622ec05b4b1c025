"""The guard's own station, scanned in virtual time, behind a real socket: what its process does, without the process.

It scans closely while anything moves and once a second at rest, so that minutes cost little.
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any, Final

from agent.guard import packets, wire
from agent.guard.log import Log
from agent.guard.plan import parse_plan
from agent.guard.station import Station
from tests.conformance.octt.devices import Place

LIVELY_SCAN_S: Final = 0.05
QUIET_SCAN_S: Final = 1.0
LIVELY_S: Final = 1.5  # after anything happened


class GuardInside:
    """One run of a guard; ``stop`` ends it, opening every contactor."""

    def __init__(self, plan: dict[str, Any], place: Place) -> None:
        self._plan = parse_plan(plan)
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._clients: set[socket.socket] = set()
        self._last: dict[tuple[int, int], bytes] = {}
        self._lively_until_s = 0.0
        self._due: asyncio.TimerHandle | None = None
        self._log_fd = os.open(os.devnull, os.O_WRONLY)
        self.station = Station(self._plan, Log(fd=self._log_fd), now_s=self._loop.time())

    def start(self) -> None:
        """Listen and scan."""
        Path(self._plan.socket).unlink(missing_ok=True)
        self._server.bind(self._plan.socket)
        self._server.listen()
        self._loop.add_reader(self._server, self._accept)
        self._place.changed = self.wake
        self.wake()

    def stop(self) -> None:
        """End as a killed guard does whose outputs the machine makes safe."""
        self._place.changed = lambda: None
        if self._due is not None:
            self._due.cancel()
        self._loop.remove_reader(self._server)
        self._server.close()
        for client in list(self._clients):
            self._leave(client)
        self.station.make_safe(for_good=True)
        os.close(self._log_fd)

    def wake(self) -> None:
        """Something happened: look at once, and closely for a while."""
        now_s = self._loop.time()
        self._lively_until_s = now_s + LIVELY_S
        if self._due is None or self._due.when() > now_s + LIVELY_SCAN_S:
            if self._due is not None:
                self._due.cancel()
            self._due = self._loop.call_at(now_s + LIVELY_SCAN_S, self._scan)

    def _scan(self) -> None:
        now_s = self._loop.time()
        world = self._place.world
        world.step(now_s)
        reports = self.station.scan(now_s)
        for report in reports:
            packet = self._last[report.evse_id, report.connector_id] = packets.encode(report)
            for client in list(self._clients):
                self._send(client, packet)
        period_s = LIVELY_SCAN_S if now_s < self._lively_until_s else QUIET_SCAN_S
        due_s, event_s = now_s + period_s, world.next_event_s()
        if event_s is not None and now_s < event_s < due_s:
            due_s = event_s + 0.001
            self._lively_until_s = max(self._lively_until_s, due_s + LIVELY_S)
        self._due = self._loop.call_at(due_s, self._scan)

    def _accept(self) -> None:
        client, _ = self._server.accept()
        client.setblocking(False)
        self._loop.add_reader(client, self._receive, client)

    def _receive(self, client: socket.socket) -> None:
        packet = client.recv(packets.MAX_PACKET_B)
        if not packet:
            self._leave(client)
            return
        message = packets.decode(packet)
        if isinstance(message, wire.Hello):
            welcome = wire.Welcome(
                plan_id=self._plan.plan_id,
                guard_pid=os.getpid(),
                scan_s=self._plan.scan_s,
                evse_ids=tuple(self.station.evses),
            )
            self._clients.add(client)
            for each in (packets.encode(welcome), *self._last.values()):
                self._send(client, each)
            return
        answer = self.station.handle(message, client.fileno(), self._loop.time())
        if answer is not None:
            self._send(client, packets.encode(answer))
        self.wake()

    def _send(self, client: socket.socket, packet: bytes) -> None:
        try:
            client.send(packet)
        except OSError:
            self._leave(client)

    def _leave(self, client: socket.socket) -> None:
        self._loop.remove_reader(client)
        self._clients.discard(client)
        client.close()
