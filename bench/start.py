"""From the start of a process to its BootNotification on the wire, as a bare server sees it."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.peers.acking_csms import AckingCsms
from bench.progress import say
from bench.stage import BARE, OCPP, READY_S, Certificates, Stage, StageOptions, peer, workplace
from bench.tables import Outcome, at_most, grid, ratio
from hil.launch import Child, Launcher

AGENT: Final = "charge-agent run"
TARGET: Final = 0.85
ROUNDS: Final = 25
QUICK_ROUNDS: Final = 1


def run(*, quick: bool) -> Outcome:
    """Measure over plain text and over TLS with one root file."""
    return _run(QUICK_ROUNDS if quick else ROUNDS)


def _run(rounds: int) -> Outcome:
    rows: dict[str, Sequence[str]] = {}
    verdicts = []
    with workplace() as place:
        certificates = Certificates(place)
        for scheme in ("ws", "wss"):
            directory = place / scheme
            directory.mkdir()
            found = asyncio.run(_measure(directory, certificates if scheme == "wss" else None, rounds))
            reference = statistics.median(found[OCPP])
            for name, times in found.items():
                median = statistics.median(times)
                rows[f"{name}, {scheme}"] = (f"{median:.0f}", f"{min(times):.0f}", ratio(median, reference))
            share = statistics.median(found[AGENT]) / reference
            verdicts.append(at_most(f"start, {scheme}: agent / {OCPP}", share, TARGET))
    title = f"start of the process to BootNotification on the wire, ms; {rounds} rounds, interleaved"
    notes = ["restarts: journal, settings copy and byte code are there; the agent reads its station file on the way"]
    return Outcome(table=grid(title, ("median", "least", f"/ {OCPP}"), rows, notes), verdicts=verdicts)


async def _measure(directory: Path, certificates: Certificates | None, rounds: int) -> dict[str, list[float]]:
    booted: asyncio.Queue[float] = asyncio.Queue()

    def seen(action: str, at_s: float) -> None:
        if action == "BootNotification":
            booted.put_nowait(at_s)

    root = None if certificates is None else certificates.root_file
    async with AckingCsms(tls=None if certificates is None else certificates.server, seen=seen) as csms:
        trust = [] if root is None else [root]
        async with Stage(directory, StageOptions(url=csms.url, root_file=root)) as stage:
            await (await stage.start("guard")).says("guard.started", timeout_s=READY_S)
            commands = {
                AGENT: stage.command("run"),
                OCPP: peer("ocpp_client", csms.url, *trust),
                BARE: peer("bare_client", csms.url, *trust),
            }
            found: dict[str, list[float]] = {name: [] for name in commands}
            first = 0 if rounds > QUICK_ROUNDS else 1  # round 0 warms the caches and makes the journal
            for number in range(first, rounds + 1):
                for name, command in commands.items():
                    say(f"start over {csms.url.partition(':')[0]}: round {number} of {rounds}, {name}")
                    took_s = await _one(stage.launcher, name, command, booted)
                    if number:
                        found[name].append(1000 * took_s)
            return found


async def _one(launcher: Launcher, name: str, command: Sequence[str], booted: asyncio.Queue[float]) -> float:
    begin_s = time.monotonic()
    child: Child = await launcher.start("measured", command)
    try:
        async with asyncio.timeout(READY_S):
            took_s = await booted.get() - begin_s
        if name == AGENT:
            await child.says("agent.started", timeout_s=READY_S)
        return took_s
    finally:
        await child.stop(grace_s=8.0)
