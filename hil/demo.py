"""``charge-bench demo``: one charge by real processes, told as a timeline; then the floor is the user's.

It only starts processes, tells the bench what a driver does, and reads what the world saw and what the CSMS booked.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import shutil
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from hil.client import BenchError
from hil.csms_link import CsmsRefused, CsmsUnreachable
from hil.demo_charge import CHARGING_S, Charge, ChargeFailed
from hil.demo_feed import Feed
from hil.demo_parts import add_parts, card_for, too_coarse
from hil.demo_place import NoPlace, choose_place, command_words, leftover_sockets, prepare, ways_to_play
from hil.demo_story import SOURCES, Story
from hil.demo_verdict import Evidence, judge
from hil.house import House, HouseOptions
from hil.launch import LaunchFailed
from hil.picture import draw_charge
from hil.station_toml import FAMILIES, StationOptions
from hil.timeline import Style, Timeline, sayable

READY_S: Final = 20.0
MOST_CHARGING_S: Final = 3600.0
LONGEST_REST_S: Final = 30.0
"""All of a charge but the drawing itself; with the usual 14 s it stays below 45 s."""
SAMPLE_PERIOD_S: Final = 5
PRESETS: Final = {"SampledDataCtrlr.TxUpdatedInterval": f'"{SAMPLE_PERIOD_S}"'}
TAIL_LINES: Final = 12
STEPS: Final = 4
RESTARTS_AT_START: Final = 3
RESTARTS_POLL_S: Final = 0.2
EXIT_INTERRUPTED: Final = 130  # ended by the user before there was a verdict; as shells say it

T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration.

    Returns:
        0: the charge and the ledger were right (and the user ended it); 1: they were not, or it could not be played;
        2: wrong usage or a missing package.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    coarse = too_coarse(options.meter, options.charging)
    if coarse is not None:
        parser.error(coarse)
    if importlib.util.find_spec("ocpp") is None:
        print(
            "charge-bench demo needs the package ocpp for the bench's CSMS, which the extra 'bench' brings:\n"
            f'    {sys.executable} -m pip install "charge-agent[bench]"',
            file=sys.stderr,
        )
        return 2
    try:
        place, why = choose_place(options.dir, once=options.once, environ=os.environ)
        prepare(place, keep=options.keep)
    except NoPlace as exc:
        print(f"charge-bench demo: {exc}", file=sys.stderr)
        return 1
    if why is not None:
        print(f"{why}, so the bench is in {place}")
    private = options.once and options.dir is None
    code = asyncio.run(Demo(options, place).run())
    if private and code == 0 and not options.keep:
        shutil.rmtree(place, ignore_errors=True)
    elif private:
        print(f"Logs and station file are in {place}")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="charge-bench demo",
        description="Play one charge with real processes and print it as a timeline; then stay up for more.",
        allow_abbrev=False,
    )
    parser.add_argument("--ocpp", choices=("1.6", "2.0.1"), default="1.6", help="OCPP version (default %(default)s)")
    parser.add_argument(
        "--once", action="store_true", help="end after the charge: 0 all was right, 1 something was not"
    )
    parser.add_argument(
        "--dir", type=Path, help="folder to live in (default: $CHARGE_BENCH_DIR or ./.bench; with --once a private one)"
    )
    parser.add_argument("--keep", action="store_true", help="keep what an earlier run left there, and this one too")
    parser.add_argument(
        "--charging",
        type=_seconds,
        default=CHARGING_S,
        metavar="S",
        help="let the car draw so long (default %(default)g s)",
    )
    parser.add_argument(
        "--controller", choices=FAMILIES, default="", help="every EVSE has a bought controller of this family"
    )
    add_parts(parser)
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw the charge")
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds <= MOST_CHARGING_S:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 1-{MOST_CHARGING_S:g} s")
    return seconds


class Demo:
    """One demonstration, from the first process to the last."""

    def __init__(self, options: argparse.Namespace, place: Path) -> None:
        columns = shutil.get_terminal_size((100, 24)).columns
        self._options = options
        self._place = place
        self._card = card_for(options.reader)
        self._style = Style.for_stream(sys.stdout, os.environ, columns=columns)
        self._timeline = Timeline(self._style, time.monotonic(), SOURCES)
        self._code = EXIT_INTERRUPTED
        station = StationOptions(
            ocpp=options.ocpp,
            variables=PRESETS,
            controller=options.controller,
            meter=options.meter,
            reader=options.reader,
        )
        self._house = House(place, HouseOptions(station=station, told=self._step))
        self._feed = Feed(self._house, Story(evses=station.evses), self._timeline, self._say)
        self._done = 0
        self._line_open = False

    async def run(self) -> int:
        """Play until it is over or the user ends it; return the exit code."""
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self._say(self._timeline.heading(f"One charge, OCPP {self._options.ocpp}"))
        work = asyncio.create_task(self._live(), name="demo")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not work.done():
            self._say("\nStopping: agent, guard, CSMS, bench ...")
            work.cancel()
        await asyncio.wait({work})
        if work.cancelled():
            self._say("Stopped, nothing is left running.")
        elif (exc := work.exception()) is not None:
            raise exc
        sockets = leftover_sockets(self._place)
        if sockets:
            self._say(self._timeline.verdict(False, f"left behind: {', '.join(map(str, sockets))}"))
            return 1
        return self._code

    async def _live(self) -> None:
        """Bring the house up, play the charge, stay up; set the exit code."""
        self._announce("bench")
        try:
            async with self._house:
                await self._play()
        except (ChargeFailed, LaunchFailed, BenchError, CsmsRefused, CsmsUnreachable) as exc:
            self._broke(str(exc))

    async def _play(self) -> None:
        await self._station_up()
        charge = Charge(self._house, card=self._card, charging_s=self._options.charging)
        await charge.available()
        self._say("")
        await self._feed.take_in()
        self._timeline.start_s = begin_s = time.monotonic()
        following = asyncio.create_task(self._feed.follow(), name="feed")
        try:
            await _first_of(asyncio.create_task(charge.play(), name="charge"), following)
            await self._feed.catch_up(all_of_it=True)
            self._code = 0 if await self._judge(begin_s) else 1
            if not self._options.once:
                self._feed.forget()
                self._invite()
                await following
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _station_up(self) -> None:
        """Wait for guard and agent, and say how long each took."""
        bench, csms = self._house.bench, self._house.csms
        self._announce("guard")
        began = {signal: at_s for at_s, signal, value in await bench.trace("dut.*") if value is not None}
        driven_s = await self._of_the_station(bench.wait("evse1.pilot_mode", "!=", "off", timeout_s=READY_S))
        self._step("guard", driven_s - began["dut.guard"])
        self._announce("agent")
        accepted = {"direction": "out", "kind": "result", "where": {"status": "Accepted"}}
        await self._of_the_station(csms.wait("BootNotification", **accepted, timeout_s=READY_S))
        frames = await csms.wait("BootNotification", timeout_s=READY_S)
        self._step("agent", float(frames[0]["at_s"]) - began["dut.agent"])

    async def _of_the_station(self, awaited: Coroutine[Any, Any, T]) -> T:
        """Await something of a starting station. Raises ``LaunchFailed`` when its processes keep dying instead."""
        work = asyncio.create_task(awaited)
        try:
            while not (await asyncio.wait({work}, timeout=RESTARTS_POLL_S))[0]:
                dying = [role for role, count in self._house.restarts.items() if count >= RESTARTS_AT_START]
                if dying:
                    raise LaunchFailed(f"{' and '.join(dying)} cannot stay up; the log says why")
            return await work
        finally:
            work.cancel()

    async def _judge(self, begin_s: float) -> bool:
        """Print what the charge came to, draw it where wanted, and say whether all was well."""
        state = await self._house.bench.state()
        evidence = Evidence(
            evse=state["evses"]["1"],
            name="evse1",
            trace=self._feed.trace,
            frames=self._feed.frames,
            ledger=await self._house.ledger(),
            max_current_a=self._house.options.station.max_current_a,
        )
        verdict = judge(evidence)
        took_s = time.monotonic() - begin_s
        faults = list(verdict.faults)
        longest_s = LONGEST_REST_S + self._options.charging
        if took_s > longest_s:
            faults.append(f"the charge took {took_s:.1f} s, expected less than {longest_s:g} s")
        self._say("")
        for fault in faults:
            self._say(self._timeline.verdict(False, fault))
        self._say(self._timeline.verdict(not faults, verdict.line))
        if not faults:
            self._say(
                "  one start, one stop, nothing twice, every message valid, contactor open, "
                f"never more current than offered; {took_s:.1f} s"
            )
        if self._options.picture is not None:
            title = f"One charge, OCPP {self._options.ocpp}"
            picture = draw_charge(self._feed.trace, self._feed.frames, begin_s=begin_s, title=title)
            self._options.picture.write_text(picture, encoding="utf-8", errors="backslashreplace")
            self._say(f"The picture is {self._options.picture}")
        return not faults

    def _invite(self) -> None:
        """Say how to play on."""
        bench, agent = command_words(sys.argv[0], os.environ)
        ways = ways_to_play(self._place, bench, agent, card=self._card)
        widest = max(len(what) for what, _ in ways)
        self._say("")
        self._say(self._timeline.heading("It stays up: play on from another terminal, in this folder"))
        for what, command in ways:
            self._say(f"  {what.ljust(widest)}  {command}")
        self._say(f"  {'the end'.ljust(widest)}  Ctrl-C")
        self._say("")

    def _broke(self, why: str) -> None:
        """Say that it does not go on, and show the ends of the station's logs."""
        self._code = 1
        if self._line_open:
            self._say("")
        self._say(self._timeline.verdict(False, why))
        self._show_logs()

    def _announce(self, what: str) -> None:
        """Say what is being started; the line is completed by `_step`."""
        self._done += 1
        self._say(f"[{self._done}/{STEPS}] {what:6}", end="")

    def _step(self, what: str, took_s: float) -> None:
        words = {
            "bench": f"car, meter, card reader and mains on real wires in {self._place}",
            "csms": "listens, with an empty ledger",
            "guard": "holds the pilot, contactor open",
            "agent": f"booted: the CSMS accepted it (OCPP {self._options.ocpp})",
        }
        self._say(f"  {took_s:5.2f} s  {words[what]}")
        if what == "bench":
            self._announce("CSMS")

    def _show_logs(self) -> None:
        """Show the ends of the station's logs: why it did not go on is there."""
        for name in ("guard", "agent"):
            log = self._place / f"{name}.log"
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
            if lines:
                self._say(self._timeline.heading(str(log)))
                self._say("\n".join(lines[-TAIL_LINES:]))

    def _say(self, text: str, *, end: str = "\n") -> None:
        self._line_open = not end
        print(sayable(text, sys.stdout.encoding), end=end, flush=True)


async def _first_of(work: asyncio.Task[None], watch: asyncio.Task[None]) -> None:
    """Await ``work``; when ``watch`` fails before, raise its error and drop the work."""
    try:
        await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            await watch
        await work
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
