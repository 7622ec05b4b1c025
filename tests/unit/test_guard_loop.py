"""The fixed scan tells the heartbeat which scans were in time."""

from __future__ import annotations

import select
import time
from typing import Any, cast

from agent.guard.link import Link
from agent.guard.loop import ScanStats, StopRequest, scan_until_stopped
from agent.guard.realtime import Notifier
from agent.guard.station import Station

SCAN_S = 0.05


def wait_until(moment_s: float) -> None:
    while (left_s := moment_s - time.monotonic()) > 0:
        select.select([], [], [], left_s)


class Beats:
    """A station, its link and its notifier: notes each beat; some waits and some scans take too long."""

    owns_buses = False
    beats = True
    due_s = 0.0
    held = False
    stopped = True

    def __init__(self, *, late: set[int], slow: set[int], scans: int) -> None:
        self.late, self.slow, self.scans = late, slow, scans
        self.stop_request = StopRequest()
        self.healthy: list[bool] = []

    def scan(self, now_s: float) -> list[object]:
        if len(self.healthy) in self.slow:
            wait_until(now_s + SCAN_S * 1.5)
        return []

    def beat(self, now_s: float, *, healthy: bool) -> None:
        self.healthy.append(healthy)
        if len(self.healthy) >= self.scans:
            self.stop_request.asked = 1

    def wait(self, due_s: float) -> None:
        wait_until(due_s + (SCAN_S * 1.5 if len(self.healthy) in self.late else 0.0))

    def pet(self, now_s: float) -> None:
        """Nothing watches."""


def beats(**how: Any) -> list[bool]:
    world = Beats(**how)
    scan_until_stopped(
        cast(Station, world),
        link=cast(Link, world),
        notifier=cast(Notifier, world),
        stop=world.stop_request,
        scan_s=SCAN_S,
        stats=ScanStats(),
    )
    return world.healthy


def test_a_late_scan_and_one_that_takes_too_long_are_not_healthy() -> None:
    healthy = beats(late={3}, slow={6}, scans=9)
    assert healthy[3] is False, "it came too late"
    assert healthy[6] is False, "it took too long"
    assert any(healthy), "on a busy machine one or the other may be late, too"
