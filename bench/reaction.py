"""How fast the guard opens when the vehicle leaves state C: idle, and with both cores and the disk busy.

Two times: from the start of the scan that holds the deciding sample to the return of the coil's write (the guard logs
it), and from the world's edge to the coil as the bench sees it, which adds the scan's phase, the two equal samples that
the pilot table asks for, and the bench's own scheduling. Rounds of all variants alternate.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from agent.guard.packets import MAX_PACKET_B, decode, encode
from agent.guard.wire import Hello, Permit, Welcome
from bench.progress import say
from bench.stage import READY_S, Stage, StageOptions, workplace
from bench.tables import SPREAD_COLUMNS, Outcome, Verdict, at_most, grid, percentile, spread
from hil.client import AsyncBench, BenchError

REPETITIONS: Final = 1_000
QUICK_REPETITIONS: Final = 4
ROUNDS: Final = 4
STEP_S: Final = 10.0
WORLD_PRIORITY: Final = 60  # above the guard's, agent.guard.realtime
PERMIT_S: Final = 30.0
NOWHERE: Final = "ws://127.0.0.1:1/"  # the guard knows no CSMS
DISK_LOAD: Final = """
import os, sys
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
while True:
    os.pwrite(file, bytes(65536), 0)
    os.fsync(file)
"""


@dataclass(slots=True, kw_only=True)
class Variant:
    """One row of the table, and what was found, ms."""

    name: str
    busy: bool
    realtime: bool
    deciding_ms: list[float] = field(default_factory=list)
    edge_ms: list[float] = field(default_factory=list)


def run(*, quick: bool) -> Outcome:
    """Measure every variant."""
    variants = [
        Variant(name="idle", busy=False, realtime=False),
        Variant(name="busy", busy=True, realtime=False),
    ]
    realtime_permitted = may_be_realtime()
    if realtime_permitted:
        variants.append(Variant(name="busy, SCHED_FIFO", busy=True, realtime=True))
    rounds = 1 if quick else ROUNDS
    count = (QUICK_REPETITIONS if quick else REPETITIONS) // rounds
    scan_ms = 0.0
    for number in range(rounds):
        for variant in variants:
            with workplace() as place, load(place) if variant.busy else contextlib.nullcontext():
                title = f"reaction: round {number + 1} of {rounds}, {variant.name}"
                scan_ms = asyncio.run(_round(place, variant, count, title, realtime_permitted=realtime_permitted))
    rows = {}
    for variant in variants:
        rows[f"{variant.name}: deciding scan to coil write"] = spread(variant.deciding_ms)
        rows[f"{variant.name}: world's edge to coil"] = spread(variant.edge_ms)
    title = f"reaction of the guard, C -> B to contactor opened, ms; scan period {scan_ms:g} ms, rounds interleaved"
    notes = ["busy: one computing process per core and one that writes 64 KiB and flushes, for ever"]
    if not realtime_permitted:
        notes.append("SCHED_FIFO is not permitted here; the bench's world competes with the load, too")
    verdicts = [verdict for variant in variants for verdict in _verdicts(variant)]
    return Outcome(table=grid(title, SPREAD_COLUMNS, rows, notes), verdicts=verdicts)


def _verdicts(variant: Variant) -> Sequence[Verdict]:
    p999 = percentile(variant.deciding_ms, 0.999)
    return (
        at_most(f"reaction, {variant.name}: deciding scan to coil, p99.9", p999, 10, "ms"),
        at_most(f"reaction, {variant.name}: deciding scan to coil, max", max(variant.deciding_ms), 50, "ms"),
    )


@contextlib.contextmanager
def load(place: Path) -> Iterator[None]:
    """Keep every core and the disk busy."""
    commands = [[sys.executable, "-c", "while True: pass"]] * (os.cpu_count() or 1)
    commands.append([sys.executable, "-c", DISK_LOAD, str(place / "load")])
    children = [subprocess.Popen(command) for command in commands]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


class Guard:
    """A guard whose permits we hold. Its log comes through a pipe, as systemd's would: no file, no disk."""

    def __init__(
        self,
        opened_us: asyncio.Queue[int],
        said: Sequence[bytes],
        holder: socket.socket,
        welcome: Welcome,
        begun_s: float,
    ) -> None:
        self.opened_us = opened_us
        self.said = said
        self.welcome = welcome
        self.begun_s = begun_s  # by its own word, monotonic
        self._holder = holder
        self._granted_s = 0.0

    def permit(self) -> None:
        """Renew the permit where a third of its time is over."""
        if time.monotonic() - self._granted_s < PERMIT_S / 3:
            return
        self._granted_s = time.monotonic()
        permit = Permit(
            evse_id=1,
            permit_id=1,
            max_current_a=16.0,
            phases=3,
            valid_for_s=PERMIT_S,
            plan_id=self.welcome.plan_id,
        )
        self._holder.send(encode(permit))
        with contextlib.suppress(BlockingIOError):
            while self._holder.recv(MAX_PACKET_B):  # its reports, which nobody reads here
                pass


@contextlib.asynccontextmanager
async def guard_on(stage: Stage) -> AsyncIterator[Guard]:
    """Run a guard and hold its permits."""
    opened_us: asyncio.Queue[int] = asyncio.Queue()
    last_lines: deque[bytes] = deque(maxlen=12)
    started = asyncio.Event()
    begun_s: list[float] = []
    process = await asyncio.create_subprocess_exec(
        *stage.command("guard"),
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"JOURNAL_STREAM": "pipe"},
    )

    async def read_log() -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            last_lines.append(line)
            said: dict[str, Any] = json.loads(line) if line.startswith(b"{") else {}
            if said.get("event") == "guard.started":
                begun_s.append(said["monotonic_s"])
                started.set()
            elif said.get("event") == "contactor.opened":
                opened_us.put_nowait(int(said["scan_us"]))

    reading = asyncio.create_task(read_log())
    try:
        async with asyncio.timeout(READY_S):
            await started.wait()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as holder:
            holder.connect(str(stage.directory / "run" / "guard.sock"))
            holder.send(encode(Hello(client="bench", holder=True)))
            holder.settimeout(READY_S)
            welcome = decode(holder.recv(MAX_PACKET_B))
            assert isinstance(welcome, Welcome)
            holder.setblocking(False)
            yield Guard(opened_us, last_lines, holder, welcome, begun_s[0])
    finally:
        with contextlib.suppress(ProcessLookupError):  # it was told to end
            process.kill()
        await process.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _round(place: Path, variant: Variant, count: int, title: str, *, realtime_permitted: bool) -> float:
    options = StageOptions(url=NOWHERE, realtime=variant.realtime)
    async with Stage(place, options) as stage, guard_on(stage) as guard:
        bench = stage.bench
        if realtime_permitted:  # a real contactor does not wait for a processor: late feedback would be a weld
            os.sched_setscheduler(stage.world_pid, os.SCHED_FIFO, os.sched_param(WORLD_PRIORITY))
        await bench.plug(evse=1, cable_a=32)
        for number in range(count):
            if number % 10 == 0:
                say(f"{title}: {number} of {count}")
            guard.permit()
            try:
                variant.edge_ms.append(await _close_and_open(bench))
                async with asyncio.timeout(STEP_S):
                    variant.deciding_ms.append(await guard.opened_us.get() / 1000)
            except (BenchError, TimeoutError) as exc:
                said = b"".join(guard.said).decode(errors="replace")
                raise RuntimeError(f"repetition {number} of {variant.name}: {exc}; the guard said:\n{said}") from exc
        return 1000 * guard.welcome.scan_s


async def _close_and_open(bench: AsyncBench) -> float:
    """Let the vehicle enter state C and leave it; return how long the coil stayed on after that, ms."""
    await bench.car_state(evse=1, state="C")
    await bench.wait("evse1.coil", "==", True, timeout_s=STEP_S)
    await bench.wait("evse1.load", "==", True, timeout_s=STEP_S)
    await asyncio.sleep(random.uniform(0.05, 0.07))  # any phase of the scan
    since_s = time.monotonic()
    await bench.car_state(evse=1, state="B")
    opened_s = await bench.wait("evse1.coil", "==", False, timeout_s=STEP_S, since_s=since_s)
    left_s = await bench.wait("evse1.car_state", "==", "B", timeout_s=STEP_S, since_s=since_s)
    return 1000 * (opened_s - left_s)


def may_be_realtime() -> bool:
    """Return whether SCHED_FIFO is permitted; tried in a child, because the priority would stay."""
    code = "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False).returncode == 0
