"""Journalled messages to the CSMS: draining a backlog, also over slow links, and exchanging one at a time.

Every client is a process of its own with its journal on the same disk, and speaks to the same server in another
process. Same durability: WAL with synchronous=FULL, acknowledgements committed each or by hundreds. The package
``ocpp`` stands twice: as it is shipped, which the verdicts are against, and tuned, with its validation in a thread per
message switched off.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.progress import say
from bench.stage import peer, workplace
from bench.tables import Outcome, Verdict, at_least, at_most, grid, ratio

ROUNDS: Final = 3
PATIENCE_S: Final = 600.0
ROUND_TRIPS: Final = (  # ms, facts, share of the link, %
    (0.0, 4_000, 50.0),
    (20.0, 300, 95.0),
    (50.0, 120, 95.0),
    (100.0, 60, 95.0),
)
TARGETS: Final = ((1, 2.0), (20, 6.0))  # values per message, ours / ocpp
OURS: Final = "ours"
BARE: Final = "bare"
OCPP: Final = "ocpp"
OCPP_TUNED: Final = "ocpp-tuned"
LINK: Final = "the link itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a client is asked to do."""

    mode: str = "drain"
    acks: str = "hundreds"
    count: int
    values: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How it went."""

    per_s: float
    cpu_us: float
    written_per_message: float


@contextlib.contextmanager
def acking_csms(*, delay_ms: float = 0.0) -> Iterator[str]:
    """Run the server, ``delay_ms`` away each way; yield its address."""
    command = peer("acking_csms", "--delay-ms", delay_ms)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"ws://127.0.0.1:{server.stdout.readline().split()[1]}/"
        finally:
            server.kill()


def run_drain(*, quick: bool) -> Outcome:
    """Measure how fast a backlog goes: each acknowledgement committed, by hundreds, and at four round trips."""
    count, rounds = (200, 1) if quick else (10_000, ROUNDS)
    with acking_csms() as url:
        loopback = _drain(url, count, rounds, ("hundreds",) if quick else ("each", "hundreds"))
    links = run_links(quick=quick)
    return Outcome(table=f"{loopback.table}\n\n{links.table}", verdicts=[*loopback.verdicts, *links.verdicts])


def run_exchange(*, quick: bool) -> Outcome:
    """Measure journalling and delivering one message after the other."""
    count, rounds = (50, 1) if quick else (2_000, ROUNDS)
    with acking_csms() as url:
        return _exchange(url, count, rounds, TARGETS[-1:] if quick else TARGETS)


def run_links(*, quick: bool) -> Outcome:
    """Measure draining at 0, 20, 50 and 100 ms round trip, against what the link allows without any journal."""
    rows: dict[str, Sequence[str]] = {}
    verdicts: list[Verdict] = []
    for round_trip_ms, count, target in ROUND_TRIPS[1:2] if quick else ROUND_TRIPS:
        with acking_csms(delay_ms=round_trip_ms / 2) as url:
            task, rounds = (Task(count=10), 1) if quick else (Task(count=count), ROUNDS)
            found = _interleaved(f"{round_trip_ms:g} ms", url, (OURS, OCPP, LINK), task, rounds)
        for client, result in found.items():
            share = f"{100 * result.per_s / found[LINK].per_s:.1f} %"
            rows[f"{round_trip_ms:g} ms, {client}"] = (
                f"{result.per_s:,.1f}",
                share,
                f"{result.written_per_message:,.0f}",
            )
        share_of_link = 100 * found[OURS].per_s / found[LINK].per_s
        verdicts.append(
            at_least(f"drain at {round_trip_ms:g} ms: share of the link's limit", share_of_link, target, "%")
        )
    title = f"drain by round trip, acks by hundreds; medians of {1 if quick else ROUNDS} rounds"
    return Outcome(table=grid(title, ("messages/s", "of the link", "B/fact"), rows), verdicts=verdicts)


def _drain(url: str, count: int, rounds: int, ways: Sequence[str]) -> Outcome:
    rows: dict[str, Sequence[str]] = {}
    verdicts: list[Verdict] = []
    for acks in ways:
        task = Task(acks=acks, count=count)
        found = _interleaved(f"drain, acks {acks}", url, (OURS, BARE, OCPP, OCPP_TUNED), task, rounds)
        for client, result in found.items():
            rows[f"{client}, acks committed {_how(acks)}"] = (
                f"{result.per_s:,.0f}",
                ratio(result.per_s, found[OCPP].per_s),
                ratio(result.per_s, found[OCPP_TUNED].per_s),
                ratio(result.per_s, found[BARE].per_s),
                f"{result.cpu_us:,.0f}",
                f"{result.written_per_message:,.0f}",
            )
        share = found[OURS].per_s / found[OCPP].per_s
        verdicts.append(at_least(f"drain, acks {_how(acks)}: ours / ocpp", share, 3.0))
    verdicts.append(
        at_most("drain: written per ack (by hundreds, as shipped)", found[OURS].written_per_message, 1500, "B")
    )
    title = f"drain of {count:,} journalled MeterValues of one value over loopback; medians of {rounds} rounds"
    return Outcome(
        table=grid(title, ("messages/s", "/ ocpp", "/ tuned", "/ bare", "client CPU µs", "B/ack"), rows),
        verdicts=verdicts,
    )


def _exchange(url: str, count: int, rounds: int, targets: Sequence[tuple[int, float]]) -> Outcome:
    rows: dict[str, Sequence[str]] = {}
    verdicts = []
    for values, target in targets:
        task = Task(mode="exchange", count=count, values=values)
        found = _interleaved(f"exchange, {values} values", url, (OURS, BARE, OCPP, OCPP_TUNED), task, rounds)
        for client, result in found.items():
            name = f"{client}, {values} value{'s' if values > 1 else ''}"
            rows[name] = (
                f"{result.per_s:,.0f}",
                f"{1e6 / result.per_s:,.0f}",
                f"{result.cpu_us:,.0f}",
                ratio(result.per_s, found[OCPP].per_s),
                ratio(result.per_s, found[OCPP_TUNED].per_s),
                ratio(result.per_s, found[BARE].per_s),
            )
        share = found[OURS].per_s / found[OCPP].per_s
        verdicts.append(at_least(f"exchange, {values} value(s): ours / ocpp", share, target))
    title = f"exchange: journal durably, log, send, be answered, acknowledge; {count:,} MeterValues, {rounds} rounds"
    notes = ["bare does not log; ocpp logs both frames itself, ours one line per fact"]
    return Outcome(
        table=grid(title, ("messages/s", "µs each", "client CPU µs", "/ ocpp", "/ tuned", "/ bare"), rows, notes),
        verdicts=verdicts,
    )


def _how(acks: str) -> str:
    return "each" if acks == "each" else "by hundreds"


def _interleaved(what: str, url: str, clients: Sequence[str], task: Task, rounds: int) -> Mapping[str, Result]:
    found: dict[str, list[Result]] = {client: [] for client in clients}
    for number in range(rounds):
        for client in clients:
            say(f"{what}: round {number + 1} of {rounds}, {client}")
            found[client].append(_one(url, client, task))
    return {
        client: Result(
            per_s=statistics.median(each.per_s for each in results),
            cpu_us=statistics.median(each.cpu_us for each in results),
            written_per_message=statistics.median(each.written_per_message for each in results),
        )
        for client, results in found.items()
    }


def _one(url: str, client: str, task: Task) -> Result:
    if client == OURS:
        command = [sys.executable, "-m", "bench.own_drain"]
    else:
        command = peer("drain_client", "--client", "link" if client == LINK else client)
    with workplace() as place:
        log = Path(place, "log")
        command += ["--mode", task.mode, "--acks", task.acks, "--url", url, "--journal", str(place / "journal.sqlite")]
        command += ["--count", str(task.count), "--values", str(task.values)]
        if task.mode == "exchange":
            command.append("--log")
        with log.open("wb") as stderr:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, timeout=PATIENCE_S, check=False)
        if done.returncode:
            tail = log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{client} ended with {done.returncode}: {tail}")
    said = json.loads(done.stdout)
    return Result(
        per_s=task.count / said["seconds"],
        cpu_us=1e6 * said["cpu_s"] / task.count,
        written_per_message=said["written"] / task.count,
    )
