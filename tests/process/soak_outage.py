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
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hil.house import House
from hil.launch import LaunchFailed
from hil.station_toml import station_toml
from tests.process.charges import CARD, house_options, tap
from tests.process.year import Tell, Year, fill
from tests.process.year_csms import OutageFailed, YearCsms

START_WITHIN_S: Final = 3.0
GROWTH_MIB: Final = 8.0
REST_S: Final = 30.0
PATIENT_S: Final = 7_200.0


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
