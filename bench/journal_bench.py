"""The journal: facts per second committed and drained, and bytes written, against a naive store in the same run.

``python -m bench journal``, or ``python -m bench.journal_bench`` for its options (``--year``: also a year of
undelivered samples, opened by a fresh process).

The baseline is one table with a text key in SQLite's default settings (rollback journal deleted at each commit), an
insert and a commit per message and a delete and a commit per acknowledgement: what a queue table usually is. Both store
the same JSON. "Written" is ``write_bytes`` of /proc/self/io: what the process dirtied. The file system's own journal
comes on top (three to four times as much reaches a flash card behind ext4), so read the ratios, not the absolutes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agent.model.effects import Durable, Record, SaveTransaction
from agent.model.facts import ChargingState, TransactionRecord, TransactionUpdated, Trigger
from agent.model.ids import IdToken
from agent.model.moment import Stamp
from agent.model.sample import Measurand, Sample, SampleContext, SampledValue
from agent.store import Store, StoreThread
from bench import counters
from bench.progress import say
from bench.stage import WORKDIR
from bench.tables import Outcome, at_most

BASELINE: Final = "naive table, DELETE journal"
BY_HUNDREDS: Final = "store, acks by hundreds"
FACTS: Final = 3000
ROUNDS: Final = 5
YEAR_ROWS: Final = 525_600  # one sample a minute
BOOT: Final = "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Facts per second and bytes per fact, committed and drained."""

    committed_per_s: float
    written_per_commit: float
    drained_per_s: float
    written_per_ack: float


class Meter:
    """Time and bytes between two points."""

    def __init__(self) -> None:
        """Start."""
        self._since_s, self._since_bytes = time.perf_counter(), counters.written_bytes()

    def rates(self, count: int) -> tuple[float, float]:
        """Return operations per second and bytes per operation since the start."""
        return count / (time.perf_counter() - self._since_s), (counters.written_bytes() - self._since_bytes) / count


def main() -> int:
    """Run everything and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.journal_bench", description="Measure the journal.")
    parser.add_argument("--facts", type=int, default=FACTS, help=f"facts per round ({FACTS})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds; medians are shown ({ROUNDS})")
    parser.add_argument("--year", action="store_true", help="also a year of samples offline (about a minute)")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open is not None:
        return _open_year(options.open)
    print(table(measure(options.facts, options.rounds), options.facts, options.rounds))
    if options.year:
        with tempfile.TemporaryDirectory(dir=WORKDIR) as directory:
            measure_year(Path(directory, "journal.sqlite"))
    return 0


def run(*, quick: bool) -> Outcome:
    """Measure, for ``python -m bench``."""
    facts, rounds = (50, 1) if quick else (FACTS, ROUNDS)
    runs = measure(facts, rounds)
    written = _median(runs[BY_HUNDREDS], "written_per_ack")
    verdicts = [at_most("journal: written per ack", written, 1500, "B")]
    return Outcome(table=table(runs, facts, rounds), verdicts=verdicts)


def measure(facts: int, rounds: int) -> dict[str, list[Run]]:
    """Run every variant once per round, one after the other."""
    WORKDIR.mkdir(exist_ok=True)
    variants: dict[str, Callable[[Path, int], Run]] = {
        BASELINE: run_naive,
        "store, each ack committed": run_each,
        BY_HUNDREDS: run_hundreds,
        "store thread, asyncio": lambda path, facts: asyncio.run(run_thread(path, facts)),
    }
    runs: dict[str, list[Run]] = {name: [] for name in variants}
    for number in range(rounds):
        for name, variant in variants.items():
            say(f"journal: round {number + 1} of {rounds}, {name}")
            with tempfile.TemporaryDirectory(dir=WORKDIR) as directory:
                runs[name].append(variant(Path(directory, "journal.sqlite"), facts))
    say()
    return runs


def table(runs: dict[str, list[Run]], facts: int, rounds: int) -> str:
    """Return medians, and ratios to the baseline."""
    columns = [
        ("committed/s", "committed_per_s"),
        ("B/commit", "written_per_commit"),
        ("drained/s", "drained_per_s"),
        ("B/ack", "written_per_ack"),
    ]
    lines = [f"journal: {facts} facts of {len(msgspec.json.encode(sample(1)))} bytes, medians of {rounds} rounds"]
    lines.append(f"{'':<30}" + "".join(f"{title:>22}" for title, _name in columns))
    for name, found in runs.items():
        line = f"{name:<30}"
        for _title, attribute in columns:
            median, reference = _median(found, attribute), _median(runs[BASELINE], attribute)
            ratio = f"x{median / reference:.2f}" if reference else "-"
            line += f"{median:>13,.0f} {ratio:>8}"
        lines.append(line)
    return "\n".join(lines)


def sample(number: int) -> TransactionUpdated:
    """Return a periodic sample as a three-phase meter gives it."""
    at = Stamp(boot_id=str(uuid.UUID(int=7)), mono_s=60.0 * number)
    values = (
        SampledValue(measurand=Measurand.ENERGY_IMPORT_REGISTER, value=4711.0 + 180.0 * number),
        SampledValue(measurand=Measurand.POWER_IMPORT, value=10_987.5),
    )
    return TransactionUpdated(
        transaction_id="01HF2Z8J6W3V4X5Y6Z7A8B9C0D",
        evse_id=1,
        connector_id=1,
        seq_no=number,
        at=at,
        trigger=Trigger.METER_PERIODIC,
        charging_state=ChargingState.CHARGING,
        samples=(Sample(at=at, context=SampleContext.PERIODIC, values=values),),
    )


def commits(facts: int) -> Iterator[tuple[Durable, ...]]:
    """Yield what the charging core commits at each sample: the fact, and the transaction as it is now."""
    for number in range(1, facts + 1):
        fact = sample(number)
        record = TransactionRecord(
            transaction_id=fact.transaction_id,
            evse_id=1,
            connector_id=1,
            token=IdToken(value="04A2B3C4"),
            csms_id="4711",
            started_at=fact.at,
            meter_start_wh=4711,
            next_seq_no=number + 1,
            last_wh=4711 + 180 * number,
            last_at=fact.at,
        )
        yield Record(fact=fact), SaveTransaction(record=record)


def run_naive(path: Path, facts: int) -> Run:
    """Run the baseline."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE queue (id TEXT PRIMARY KEY, message TEXT, attempts INTEGER, time TEXT)")
    meter = Meter()
    for number in range(1, facts + 1):
        text = msgspec.json.encode(sample(number)).decode()
        connection.execute("INSERT INTO queue VALUES (?, ?, 0, '')", (str(uuid.uuid4()), text))
        connection.commit()
    committed = meter.rates(facts)
    meter = Meter()
    for _ in range(facts):
        identity, text = connection.execute("SELECT id, message FROM queue ORDER BY rowid LIMIT 1").fetchone()
        json.loads(text)
        connection.execute("DELETE FROM queue WHERE id = ?", (identity,))
        connection.commit()
    drained = meter.rates(facts)
    connection.close()
    return Run(
        committed_per_s=committed[0],
        written_per_commit=committed[1],
        drained_per_s=drained[0],
        written_per_ack=drained[1],
    )


def run_each(path: Path, facts: int) -> Run:
    """Run the store with every acknowledgement committed by itself."""
    return _run_store(path, facts, flush_each=True)


def run_hundreds(path: Path, facts: int) -> Run:
    """Run the store as shipped."""
    return _run_store(path, facts, flush_each=False)


def _run_store(path: Path, facts: int, *, flush_each: bool) -> Run:
    store, _report = Store.open(path, boot_id=BOOT)
    meter = Meter()
    for durables in commits(facts):
        store.commit(durables)
    committed = meter.rates(facts)
    meter = Meter()
    while rows := store.peek(32):
        for row in rows:
            store.acknowledge(row.seq)
            if flush_each:
                store.flush()
    store.flush()
    drained = meter.rates(facts)
    store.close()
    return Run(
        committed_per_s=committed[0],
        written_per_commit=committed[1],
        drained_per_s=drained[0],
        written_per_ack=drained[1],
    )


async def run_thread(path: Path, facts: int) -> Run:
    """Run the store behind its thread, as the agent does."""
    store, _report = await StoreThread.open(path, boot_id=BOOT)
    meter = Meter()
    for durables in commits(facts):
        await store.commit(durables)
    committed = meter.rates(facts)
    meter = Meter()
    while rows := await store.peek(32):
        for row in rows:
            await store.acknowledge(row.seq)
    await store.flush()
    drained = meter.rates(facts)
    await store.close()
    return Run(
        committed_per_s=committed[0],
        written_per_commit=committed[1],
        drained_per_s=drained[0],
        written_per_ack=drained[1],
    )


def measure_year(path: Path) -> None:
    """Fill a year of samples and let a fresh process open them."""
    store, _report = Store.open(path, boot_id=BOOT)
    facts = (Record(fact=sample(number)) for number in itertools.count(1))
    for done in range(0, YEAR_ROWS, 2000):
        say(f"a year offline: {100 * done // YEAR_ROWS} %")
        store.commit(list(itertools.islice(facts, min(2000, YEAR_ROWS - done))))
    store.close()
    say()
    print(f"a year offline: {YEAR_ROWS:,} facts, {path.stat().st_size / 1e6:.0f} MB", flush=True)
    subprocess.run([sys.executable, "-m", "bench.journal_bench", "--open", str(path)], check=True)


def _open_year(path: Path) -> int:
    before_mib = counters.resident_mib()
    began_s = time.perf_counter()
    store, _report = Store.open(path, boot_id=BOOT)
    row = store.next_row()
    opened_s = time.perf_counter() - began_s
    state = store.load()
    print(f"  open and first row {1000 * opened_s:.0f} ms (seq {row.seq if row else None}), {state.waiting:,} waiting")
    drained = 0
    began_s = time.perf_counter()
    while drained < 50_000 and (rows := store.peek(32)):
        for each in rows:
            store.acknowledge(each.seq)
        drained += len(rows)
    rate = drained / (time.perf_counter() - began_s)
    grown_mib = counters.resident_mib() - before_mib
    print(f"  the first {drained:,} drained at {rate:,.0f}/s; resident memory grew by {grown_mib:.1f} MiB in all")
    store.close()
    return 0


def _median(runs: list[Run], attribute: str) -> float:
    return statistics.median(float(getattr(run, attribute)) for run in runs)


if __name__ == "__main__":
    sys.exit(main())
