"""The guard's scan: its period, how often it came late, what one costs; without a vehicle and while charging.

A guard process on the bench's drivers, as installed. It counts its scans, those that came a whole period late or more
(overruns), the worst delay and the longest scan, on its own thread by its own monotonic clock, and says so when it
ends. The period is the time between its start and its end over the number of scans; the cost is the processor time of
the whole process (the scheduler's, nanoseconds) over the window without start and end, for each period.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any, Final

from bench import counters
from bench.progress import say
from bench.reaction import NOWHERE, Guard, guard_on, load, may_be_realtime
from bench.stage import READY_S, Stage, StageOptions, workplace
from bench.tables import Outcome, at_most, grid

WINDOW_S: Final = 60.0
QUICK_S: Final = 0.5
RENEW_S: Final = 5.0
COLUMNS: Final = ("period ms", "scans", "overruns", "worst delay ms", "longest scan ms", "CPU us/scan")


def run(*, quick: bool) -> Outcome:
    """Measure idle and busy, without a vehicle and while charging."""
    variants = [("idle", False, False), ("busy", True, False)]
    if may_be_realtime():
        variants.append(("busy, SCHED_FIFO", True, True))
    window_s = QUICK_S if quick else WINDOW_S
    rows, verdicts = {}, []
    for name, busy, realtime in variants[:1] if quick else variants:
        for charging in (True,) if quick else (False, True):
            row = f"{name}, {'charging' if charging else 'no vehicle'}"
            say(f"scan: {row}, {window_s:g} s")
            with workplace() as place, load(place) if busy else contextlib.nullcontext():
                said, lasted_s, cost_us = asyncio.run(_watch(place, window_s, realtime=realtime, charging=charging))
            scans = said["scans"]
            rows[row] = (
                f"{1000 * lasted_s / scans:.3f}",
                f"{scans:,}",
                f"{said['overruns']:,}",
                f"{said['worst_late_ms']:.2f}",
                f"{said['worst_scan_ms']:.2f}",
                f"{cost_us:.0f}",
            )
            if not busy or realtime:
                verdicts.append(at_most(f"scan, {row}: overruns", said["overruns"], 0))
    title = f"the guard's scan, each row over {window_s:g} s"
    return Outcome(table=grid(title, COLUMNS, rows), verdicts=verdicts)


async def _watch(
    place: Path, window_s: float, *, realtime: bool, charging: bool
) -> tuple[dict[str, Any], float, float]:
    """Return what the guard said at its end, how long it ran, s, and what a scan costs, us."""
    async with Stage(place, StageOptions(url=NOWHERE, realtime=realtime)) as stage, guard_on(stage) as guard:
        if charging:
            await stage.bench.plug(evse=1, cable_a=32)
            guard.permit()
            await stage.bench.car_state(evse=1, state="C")
            await stage.bench.wait("evse1.coil", "==", True, timeout_s=READY_S)
        pid = guard.welcome.guard_pid
        begun_s, begun_cpu_s = time.monotonic(), counters.cpu_s(pid)
        until_s = begun_s + window_s
        while (left_s := until_s - time.monotonic()) > 0.0:
            if charging:
                guard.permit()
            await asyncio.sleep(min(RENEW_S, left_s))
        used_s = counters.cpu_s(pid) - begun_cpu_s
        cost_us = 1e6 * used_s * guard.welcome.scan_s / (time.monotonic() - begun_s)
        if charging:
            await stage.bench.car_state(evse=1, state="B")  # nothing to wait for when it ends
            await stage.bench.wait("evse1.coil", "==", False, timeout_s=READY_S)
        os.kill(pid, signal.SIGTERM)
        said = await _last_words(guard)
        return said, said["monotonic_s"] - guard.begun_s, cost_us


async def _last_words(guard: Guard) -> dict[str, Any]:
    async with asyncio.timeout(READY_S):
        while True:
            for line in reversed(guard.said):
                said: dict[str, Any] = json.loads(line) if line.startswith(b"{") else {}
                if said.get("event") == "guard.ended":
                    return said
            await asyncio.sleep(0.02)
