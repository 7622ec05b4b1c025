"""A year without a network: the journal of 525,600 samples and 5,000 transactions is drained by the real agent.

    python -m tests.process.soak_outage --samples 525600 --transactions 5000

The journal is written as the station would have written it, then guard and agent start over it. While it drains a
driver comes, is authorised and charges, and the CSMS asks something: that must not wait for a year's facts. Every fact
is held against what was written, one by one. Exit code 0: everything arrived once, in order, with the right numbers,
the start took at most 3 s, and the memory did not grow. The figures are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
from websockets.asyncio.server import ServerConnection, serve

from agent.model.effects import Durable, Record, SaveTransaction
from agent.model.facts import (
    ChargingState,
    StopReason,
    TransactionEnded,
    TransactionRecord,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from agent.model.ids import IdToken
from agent.model.moment import Stamp
from agent.model.sample import Measurand, Sample, SampleContext, SampledValue
from agent.store import Store
from hil.house import House
from hil.launch import LaunchFailed
from hil.station_toml import station_toml
from tests.process.charges import CARD, house_options, tap

START_WITHIN_S: Final = 3.0
GROWTH_MIB: Final = 8.0
SAMPLE_S: Final = 60.0
YEAR_AGO_UTC_S: Final = 1_763_600_000.0  # 2025-11-20
SAMPLE_WH: Final = 183
FACTS: Final = ("StartTransaction", "MeterValues", "StopTransaction")
SLOW_S: Final = 0.03  # an answer, while the CSMS waits to be overtaken
REST_S: Final = 30.0
BATCH: Final = 2_000
PATIENT_S: Final = 7_200.0

Tell = Callable[[str], None]


class OutageFailed(Exception):
    """Something arrived that was never journalled, twice, or in another order; or a live message had to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """What is in the journal: ``samples`` evenly over ``transactions``, one after the other."""

    samples: int
    transactions: int

    @property
    def facts(self) -> int:
        """How many rows that makes."""
        return self.samples + 2 * self.transactions

    def samples_of(self, number: int) -> int:
        """How many samples transaction ``number`` (from 0) has."""
        return self.samples * (number + 1) // self.transactions - self.samples * number // self.transactions

    def commits(self) -> Iterator[tuple[Durable, ...]]:
        """Yield what the charging core would have committed."""
        at_s, register_wh = 0.0, 1_000
        for number in range(self.transactions):
            name, start_wh = f"01HYEAR{number:019d}", register_wh
            where: dict[str, Any] = {"transaction_id": name, "evse_id": 1, "connector_id": 1}
            begun = _stamp(at_s)
            yield (
                Record(
                    fact=TransactionStarted(
                        **where,
                        seq_no=0,
                        at=begun,
                        trigger=Trigger.AUTHORIZED,
                        charging_state=ChargingState.CONNECTED,
                        token=IdToken(value=CARD),
                        meter_start_wh=start_wh,
                        offline=True,
                    )
                ),
            )
            count = self.samples_of(number)
            for seq_no in range(1, count + 1):
                at_s += SAMPLE_S
                register_wh += SAMPLE_WH
                yield (Record(fact=_sample(where, seq_no, _stamp(at_s), register_wh)),)
            at_s += SAMPLE_S
            ended = TransactionEnded(
                **where,
                seq_no=count + 1,
                at=_stamp(at_s),
                trigger=Trigger.STOP_AUTHORIZED,
                reason=StopReason.LOCAL,
                token=IdToken(value=CARD),
                meter_stop_wh=register_wh,
                offline=True,
            )
            over = TransactionRecord(
                **where,
                token=IdToken(value=CARD),
                started_at=begun,
                meter_start_wh=start_wh,
                next_seq_no=count + 2,
                last_wh=register_wh,
                last_at=_stamp(at_s),
                ended=True,
            )
            yield Record(fact=ended), SaveTransaction(record=over)

    def expected(self) -> Iterator[tuple[str, int]]:
        """Yield what must arrive: the action, and the register that it tells, Wh."""
        register_wh = 1_000
        for number in range(self.transactions):
            yield "StartTransaction", register_wh
            for _ in range(self.samples_of(number)):
                register_wh += SAMPLE_WH
                yield "MeterValues", register_wh
            yield "StopTransaction", register_wh


@dataclass(slots=True, kw_only=True)
class Figures:
    """What was measured."""

    year: Year
    filled_s: float = 0.0
    journal_mb: float = 0.0
    started_s: float = 0.0
    rss_started_mib: float = 0.0
    rss_most_mib: float = 0.0
    drained_s: float = 0.0
    overtaken: dict[str, int] = field(default_factory=dict)
    asked_ms: float = 0.0

    def lines(self) -> list[str]:
        """Return them for people."""
        year = self.year
        return [
            f"{year.samples:,} samples and {year.transactions:,} transactions: {year.facts:,} facts,"
            f" {self.journal_mb:.0f} MB ({1e6 * self.journal_mb / year.facts:.0f} B each), written in"
            f" {self.filled_s:.0f} s",
            f"start to ready {self.started_s:.2f} s; resident then {self.rss_started_mib:.1f} MiB,"
            f" at most {self.rss_most_mib:.1f} MiB while draining",
            f"drained in {self.drained_s:.0f} s: {year.facts / max(self.drained_s, 1e-9):,.0f} facts/s, in order, each"
            " once, every register exact",
            "facts that went before what was live: "
            + ", ".join(f"{what} {count}" for what, count in self.overtaken.items())
            + f"; a question of the CSMS was answered in {self.asked_ms:.0f} ms",
        ]


class YearCsms:
    """Answers, and holds every fact against what was journalled; slow while somebody should overtake."""

    def __init__(self, year: Year) -> None:
        self._expected = year.expected()
        self._number = 0
        self._seen: dict[str, None] = {}
        self._station: ServerConnection | None = None
        self._answered = asyncio.Event()
        self.year = year
        self.facts = 0
        self.live: list[tuple[int, str, dict[str, Any]]] = []
        self.late: list[tuple[str, dict[str, Any]]] = []  # facts of the charge during the drain
        self.wrong: list[str] = []
        self.slow = False
        self.came = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Serve; yield the port."""
        async with serve(
            self._serve,
            "127.0.0.1",
            0,
            subprotocols=["ocpp1.6"],
            compression=None,
            ping_interval=None,  # type: ignore[list-item]
        ) as server:
            yield next(iter(server.sockets)).getsockname()[1]

    async def ask(self, action: str, payload: dict[str, Any]) -> float:
        """Send a CALL and return how long its answer took, s."""
        assert self._station is not None
        self._answered.clear()
        begin_s = time.monotonic()
        await self._station.send(msgspec.json.encode([2, "csms-asks", action, payload]).decode())
        async with asyncio.timeout(REST_S):
            await self._answered.wait()
        return time.monotonic() - begin_s

    async def until(self, claim: Callable[[], bool], timeout_s: float) -> None:
        """Wait until a claim about what came holds, or something is wrong."""
        async with asyncio.timeout(timeout_s), self.came:
            await self.came.wait_for(lambda: bool(self.wrong) or claim())
        if self.wrong:
            raise OutageFailed(self.wrong[0])

    def said(self, action: str, **wanted: Any) -> bool:
        """Whether a live message came."""
        return any(name == action and wanted.items() <= payload.items() for _, name, payload in self.live)

    async def _serve(self, station: ServerConnection) -> None:
        self._station = station
        async for text in station:
            frame = msgspec.json.decode(text)
            if frame[0] != 2:
                self._answered.set()
                continue
            _, message_id, action, payload = frame
            if message_id in self._seen:
                self.wrong.append(f"message {message_id} came twice")
            self._seen[message_id] = None
            if len(self._seen) > 1_000:
                self._seen.pop(next(iter(self._seen)))
            answer = self._take(action, payload)
            if self.slow and action in FACTS:
                await asyncio.sleep(SLOW_S)
            await station.send(msgspec.json.encode([3, message_id, answer]).decode())
            async with self.came:
                self.came.notify_all()

    def _take(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        if action not in FACTS:
            self.live.append((self.facts, action, payload))
            return {
                "BootNotification": {"status": "Accepted", "currentTime": _now(), "interval": 300},
                "Heartbeat": {"currentTime": _now()},
                "Authorize": {"idTagInfo": {"status": "Accepted"}},
            }.get(action, {})
        if self.facts < self.year.facts:
            self._check(action, payload)
            self.facts += 1
        else:
            self.late.append((action, payload))
        if action == "StartTransaction":
            self._number -= 1  # any number is a name
            return {"transactionId": self._number, "idTagInfo": {"status": "Accepted"}}
        return {}

    def _check(self, action: str, payload: dict[str, Any]) -> None:
        expected, register_wh = next(self._expected)
        told = payload.get("meterStart", payload.get("meterStop"))
        if action == "MeterValues" == expected:
            told = int(float(payload["meterValue"][0]["sampledValue"][0]["value"]))
        of = payload.get("transactionId", self._number)
        if (action, told, of) != (expected, register_wh, self._number):
            self.wrong.append(
                f"fact {self.facts + 1} is {action} {told} Wh of {of}, expected {expected} {register_wh} Wh of"
                f" {self._number}"
            )


def _stamp(at_s: float) -> Stamp:
    return Stamp(boot_id="last-year", mono_s=100.0 + at_s, utc_s=YEAR_AGO_UTC_S + at_s)


def _sample(where: dict[str, Any], seq_no: int, at: Stamp, register_wh: int) -> TransactionUpdated:
    values = (
        SampledValue(measurand=Measurand.ENERGY_IMPORT_REGISTER, value=float(register_wh)),
        SampledValue(measurand=Measurand.POWER_IMPORT, value=10_980.0 + seq_no % 7),
    )
    return TransactionUpdated(
        **where,
        seq_no=seq_no,
        at=at,
        trigger=Trigger.METER_PERIODIC,
        charging_state=ChargingState.CHARGING,
        samples=(Sample(at=at, context=SampleContext.PERIODIC, values=values),),
        offline=True,
    )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def fill(path: Path, year: Year, tell: Tell) -> None:
    """Write the journal of the year."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store, _report = Store.open(path, boot_id="last-year")
    commits, done, told_s = year.commits(), 0, time.monotonic()
    while some := [durable for durables in islice(commits, BATCH) for durable in durables]:
        store.commit(some)
        done += BATCH
        if time.monotonic() - told_s > 5.0:
            told_s = time.monotonic()
            tell(f"writing the journal: {min(100, 100 * done // year.facts)} %")
    store.close()


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


async def outage(house: House, year: Year, tell: Tell) -> Figures:
    """Fill, start, drain with a driver in between; return the figures.

    Raises:
        OutageFailed: what was told is not what was journalled, or what is live had to wait for the past.
    """
    figures = Figures(year=year)
    csms = YearCsms(year)
    async with csms.open() as port:
        await house.open_world()
        house.station_file.write_text(station_toml(house.directory, port, house.options.station), encoding="utf-8")
        journal = house.directory / "state" / "journal.sqlite"
        begin_s = time.monotonic()
        await asyncio.to_thread(fill, journal, year, tell)
        figures.filled_s, figures.journal_mb = time.monotonic() - begin_s, journal.stat().st_size / 1e6
        csms.slow = True  # until somebody has overtaken
        begin_s = time.monotonic()
        await house.start_station()
        agent = house.child("agent")
        await agent.says("agent.started", timeout_s=REST_S)
        figures.started_s = time.monotonic() - begin_s
        figures.rss_started_mib = resident_mib(agent.pid)
        watching = asyncio.create_task(_watch(csms, agent.pid, figures, tell))
        try:
            await _drive_up(house, csms, figures)
            csms.slow = False
            await csms.until(lambda: csms.facts == year.facts, PATIENT_S)
            figures.drained_s = time.monotonic() - begin_s
            await _drive_away(house, csms)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    return figures


async def _drive_up(house: House, csms: YearCsms, figures: Figures) -> None:
    """Come, charge and ask, and see that none of it waits for the year."""
    await csms.until(lambda: csms.facts > 3 and csms.said("StatusNotification", connectorId=1), REST_S)
    before = csms.facts
    await house.bench.plug(evse=1)
    await csms.until(lambda: csms.said("StatusNotification", status="Preparing"), REST_S)
    figures.overtaken["StatusNotification"] = csms.facts - before
    before = csms.facts
    await tap(house, card=CARD)
    await csms.until(lambda: csms.said("Authorize"), REST_S)
    figures.overtaken["Authorize"] = csms.facts - before
    figures.asked_ms = 1_000 * await csms.ask("GetConfiguration", {"key": ["HeartbeatInterval"]})
    await house.bench.wait("evse1.load", "==", True, timeout_s=REST_S)
    if csms.facts >= csms.year.facts:
        raise OutageFailed("the driver had to wait until the year was told")


async def _drive_away(house: House, csms: YearCsms) -> None:
    """End the charge; it is told behind the year, to the watt-hour."""
    await house.bench.unplug(evse=1)
    await csms.until(lambda: any(action == "StopTransaction" for action, _ in csms.late), REST_S)
    told = dict(csms.late)
    counted = (await house.bench.state())["evses"]["1"]["energisings"]
    span = (told["StartTransaction"]["meterStart"], told["StopTransaction"]["meterStop"])
    if csms.late[0][0] != "StartTransaction" or span != (counted[0]["closed_wh"], counted[-1]["opened_wh"]):
        raise OutageFailed(f"the charge of today was told as {span}, counted were {counted}")


async def _watch(csms: YearCsms, pid: int, figures: Figures, tell: Tell) -> None:
    begin_s, told_s = time.monotonic(), time.monotonic()
    while True:
        figures.rss_most_mib = max(figures.rss_most_mib, resident_mib(pid))
        await asyncio.sleep(0.5)
        if time.monotonic() - told_s > 5.0:
            told_s = time.monotonic()
            rate = csms.facts / (told_s - begin_s)
            left_s = (csms.year.facts - csms.facts) / max(rate, 1.0)
            tell(
                f"{csms.facts:,}/{csms.year.facts:,} facts, {rate:,.0f}/s, about {left_s:.0f} s left,"
                f" {resident_mib(pid):.1f} MiB"
            )


async def _main(options: argparse.Namespace) -> int:
    directory = options.dir or Path(tempfile.mkdtemp(prefix="year-"))
    year = Year(samples=options.samples, transactions=options.transactions)

    def tell(text: str) -> None:
        print(text, flush=True)

    house = House(directory, house_options())
    try:
        async with house.prepared():
            figures = await outage(house, year, tell)
    except (OutageFailed, LaunchFailed, TimeoutError) as error:
        print(f"{error or 'it took too long'}; evidence in {directory}", file=sys.stderr)
        return 1
    tell("\n".join(figures.lines()))
    if options.dir is None:
        shutil.rmtree(directory, ignore_errors=True)
    grown_mib = figures.rss_most_mib - figures.rss_started_mib
    if figures.started_s > START_WITHIN_S or grown_mib > GROWTH_MIB:
        print(f"at most {START_WITHIN_S:g} s to ready and {GROWTH_MIB:g} MiB of growth are allowed", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.process.soak_outage", description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=525_600)
    parser.add_argument("--transactions", type=int, default=5_000)
    parser.add_argument("--dir", type=Path, help="folder to work in; default: a new one, kept when it fails")
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
