"""How fast the guard opens for every reason that it has: the vehicle leaves C, an input trips, diode or mirror fail.

Method. A process of its own runs the guard's station, plan and scan on a board of plain values (``plain_board``), on
one thread, at the guard's period, woken as the guard is by a poll that times out. Getting to a closed contactor is done
in leaps of the scan's time; then the world changes at a random moment between two scans, which go on in real time until
the coil is written low. Clock: ``time.monotonic`` of that thread, at the change of the world, at the start of the scan
that decides, and in the coil's ``write``. So scheduling, the collector and the scan's own work are in it; a bus, a
kernel driver and the contactor's mechanics are not. Repetitions of all reasons alternate.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from agent.guard.log import Log
from agent.guard.plan import parse_plan
from agent.guard.realtime import settle
from agent.guard.station import Station
from agent.guard.timings import FEEDBACK_S, MAX_AGE_SCANS
from agent.guard.wire import Permit
from bench.plain_board import BOARD, INPUTS, Board, plan_content
from bench.progress import say
from bench.reaction import load, may_be_realtime
from bench.stage import workplace
from bench.tables import SPREAD_COLUMNS, Outcome, Verdict, at_most, grid, percentile, spread

TOTAL: Final = 10_000  # of the table
QUICK_TOTAL: Final = 9
SCAN_S: Final = 0.01
PERMIT_S: Final = 30.0
LEAP_MAX_S: Final = 60.0  # of the scan's time, to a closed contactor
OPEN_MAX_S: Final = 5.0
MIRROR: Final = "mirror contact"


def _reasons() -> dict[str, Callable[[Board], None]]:
    def trip(name: str) -> Callable[[Board], None]:
        return lambda board: setattr(board.line(name), "active", True)

    return {
        "vehicle, C -> B": lambda board: setattr(board, "vehicle", "B"),
        **{name.replace("_", " "): trip(name) for name in INPUTS},
        "diode": lambda board: setattr(board, "diode", False),
        MIRROR: Board.lose_mirror,
    }


def run(*, quick: bool) -> Outcome:
    """Measure every reason, idle and busy."""
    variants = [("idle", False, False), ("busy", True, False)]
    if quick:
        variants = variants[:1]
    elif may_be_realtime():
        variants.append(("busy, SCHED_FIFO", True, True))
    reasons = _reasons()
    each = max(1, (QUICK_TOTAL if quick else TOTAL) // (len(variants) * len(reasons)))
    rows: dict[str, Sequence[str]] = {}
    verdicts: list[Verdict] = []
    for name, busy, realtime in variants:
        say(f"interlock: {each} of each reason, {name}")
        with workplace() as place, load(place) if busy else contextlib.nullcontext():
            found = _measure(place, each, realtime=realtime)
        for reason, samples in found.items():
            rows[f"{name}: {reason}, deciding scan to coil"] = spread([sample[0] for sample in samples], digits=3)
            rows[f"{name}: {reason}, edge to coil"] = spread([sample[1] for sample in samples])
        deciding = [sample[0] for samples in found.values() for sample in samples]
        rows[f"{name}: all, deciding scan to coil"] = spread(deciding, digits=3)
        verdicts += [
            at_most(f"interlock, {name}: deciding scan to coil, p99.9", percentile(deciding, 0.999), 10, "ms"),
            at_most(f"interlock, {name}: deciding scan to coil, max", max(deciding), 50, "ms"),
        ]
    title = f"reaction of the guard's scan to every reason to open, ms; scan period {1000 * SCAN_S:g} ms"
    notes = [
        "one thread, its monotonic clock, a board of plain values; busy: a process per core and one that flushes",
        f"the {MIRROR} is believed wrong after {1000 * FEEDBACK_S:g} ms; temperatures are read once a second: not here",
    ]
    return Outcome(table=grid(title, SPREAD_COLUMNS, rows, notes), verdicts=verdicts)


def _measure(place: Path, each: int, *, realtime: bool) -> dict[str, list[tuple[float, float]]]:
    """Let a process of its own measure; return (deciding, edge) in ms by reason."""
    command = [sys.executable, "-m", __name__, str(place), str(each), str(int(realtime))]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, list[tuple[float, float]]] = json.loads(done.stdout)
    return found


class Scans:
    """The guard's station in this thread, its time ahead of the clock by ``board.offset_s``."""

    def __init__(self, place: Path) -> None:
        self._plan = parse_plan(plan_content(str(place), SCAN_S))
        self._log = Log(fd=os.open(os.devnull, os.O_WRONLY), as_json=True)
        self.station = Station(self._plan, self._log, now_s=time.monotonic())
        self.board = BOARD
        self.coil = BOARD.line("contactor")
        self._poll = select.poll()
        self._scanned_s = 0.0

    def prepare(self, *, realtime: bool) -> None:
        """Ask for what the guard asks for."""
        settle(self._log, realtime=realtime)

    def react(self, reason: Callable[[Board], None]) -> tuple[float, float]:
        """Close in leaps of time, change the world, scan until the coil is off; return deciding and edge, ms."""
        self._close()
        due_s = time.monotonic() + SCAN_S
        for _ in range(MAX_AGE_SCANS):
            due_s = self._scan_at(due_s)
        self._wait_until(due_s - SCAN_S * random.uniform(0.05, 0.95))
        changed_s = time.monotonic()
        reason(self.board)
        until_s = changed_s + OPEN_MAX_S
        while self.coil.active:
            if time.monotonic() > until_s:
                raise RuntimeError(f"the contactor is still closed after {OPEN_MAX_S:g} s")
            due_s = self._scan_at(due_s)
        return 1000 * (self.coil.low_s - self._scanned_s), 1000 * (self.coil.low_s - changed_s)

    def _scan_at(self, due_s: float) -> float:
        self._wait_until(due_s)
        self._scanned_s = time.monotonic()
        self.station.scan(self._scanned_s + self.board.offset_s)
        return max(due_s + SCAN_S, self._scanned_s)

    def _wait_until(self, due_s: float) -> None:
        left_s = due_s - time.monotonic()
        if left_s > 0.0:
            self._poll.poll(left_s * 1000)

    def _close(self) -> None:
        board = self.board
        board.mend()
        board.vehicle = "A"
        self._leap(2.0)  # what was latched has gone with the vehicle
        board.vehicle = "B"
        self._leap(1.0)
        self._permit()
        self._leap(0.5)
        board.vehicle = "C"
        begin_s = board.offset_s
        while not self.coil.active:
            self._leap(0.1)
            if board.offset_s - begin_s > LEAP_MAX_S:
                raise RuntimeError(f"the contactor does not close: {self.station.evses[1].cycle.waiting_for}")
        self._leap(0.5)  # confirmed by its mirror contact
        self._permit()

    def _leap(self, for_s: float) -> None:
        for _ in range(round(for_s / SCAN_S)):
            self.board.offset_s += SCAN_S
            self.station.scan(time.monotonic() + self.board.offset_s)

    def _permit(self) -> None:
        permit = Permit(
            evse_id=1, permit_id=1, max_current_a=16.0, phases=3, valid_for_s=PERMIT_S, plan_id=self._plan.plan_id
        )
        self.station.handle(permit, 0, time.monotonic() + self.board.offset_s)


def main(arguments: Sequence[str]) -> int:
    """Measure in this process: place, repetitions of each reason, whether SCHED_FIFO is asked for."""
    place, each, realtime = Path(arguments[0]), int(arguments[1]), arguments[2] == "1"
    reasons = _reasons()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in reasons}
    scans = Scans(place)
    scans.prepare(realtime=realtime)
    for _ in range(each):
        for name, reason in reasons.items():
            found[name].append(scans.react(reason))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
