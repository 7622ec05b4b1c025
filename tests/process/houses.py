"""A whole house for one test: real processes in a short-lived folder, a card, a car, and what must hold at the end."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from agent.console.knock import NobodyHome, Unanswered, ask
from hil.csms_link import CsmsRefused
from hil.house import House, HouseOptions
from hil.station_toml import StationOptions

CARD: Final = "04A2B3C4D5"
OTHER_CARD: Final = "2900DEB30A"
STRANGER: Final = "0BADC0FFEE"
VERSIONS: Final = ("1.6", "2.0.1")
METER_RESOLUTION_WH: Final = 1.0
PATIENCE_S: Final = 20.0
POLL_S: Final = 0.05
SHOWN_S: Final = 0.15  # how long a card lies on the reader
ABSENCE_S: Final = 0.4  # how long it must be away to count again
AWAY_S: Final = 0.8  # both, and a busy machine
QUICK: Final[Mapping[str, str]] = {
    "MeterValueSampleInterval": "1",
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "1",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
}
START_ACTION: Final = {"1.6": "StartTransaction", "2.0.1": "TransactionEvent"}
STOP_ACTION: Final = {"1.6": "StopTransaction", "2.0.1": "TransactionEvent"}
STARTED: Final[Mapping[str, Any]] = {"1.6": None, "2.0.1": {"eventType": "Started"}}
ENDED: Final[Mapping[str, Any]] = {"1.6": None, "2.0.1": {"eventType": "Ended"}}


class Stay:
    """A house somebody lives in: the words in which the tests speak to it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.bench = house.bench
        self.csms = house.csms
        self.ocpp = house.options.station.ocpp
        self._shown_s: dict[str, float] = {}

    # ---- the driver ----------------------------------------------------------------------------------------------

    async def online(self, *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the station is registered, has reported itself, and its devices answer."""
        await self.until(
            lambda status: status["csms"]["online"] and status["store"]["waiting"] == 0 and self._devices_ready(status),
            timeout_s=timeout_s,
        )

    async def ready(self, *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until a card and a cable would do something, with or without a CSMS."""
        await self.until(self._devices_ready, timeout_s=timeout_s)

    @staticmethod
    def _devices_ready(status: Mapping[str, Any]) -> bool:
        seen = all(each["energy_wh"] is not None and each["pilot"] != "unknown" for each in status["evses"])
        return seen and status["guard"]["connected"]

    async def begin(self, uid: str = CARD, *, evse: int = 1) -> float:
        """Plug in, tap, and wait for a few Wh; return the moment the contactor closed (monotonic s)."""
        since_s = time.monotonic()
        before_wh = (await self.bench.state())["evses"][str(evse)]["energy_wh"]
        await self.plug(evse=evse)
        await self.plugged(evse=evse)
        await self.tap(uid)
        closed_s = await self.bench.wait(f"evse{evse}.load", "==", True, timeout_s=PATIENCE_S, since_s=since_s)
        await self.bench.wait(f"evse{evse}.energy_wh", ">=", before_wh + 2.0, timeout_s=PATIENCE_S, since_s=closed_s)
        return closed_s

    async def tap(self, uid: str = CARD) -> None:
        """Show a card, not before the reader would take the same one for a new one."""
        await self.clock_at(self._shown_s.get(uid, 0.0) + AWAY_S)
        self._shown_s[uid] = time.monotonic()
        await self.bench.tap(uid=uid, hold_s=SHOWN_S)

    async def plug(self, *, evse: int = 1) -> None:
        """Plug in a car that loses no time."""
        await self.bench.car(evse=evse, s2_close_s=0.1, reaction_s=0.1, stop_s=0.1)
        await self.bench.plug(evse=evse, cable_a=32)

    async def plugged(self, *, evse: int = 1) -> None:
        """Wait until the station has seen the cable."""
        await self.until(lambda status: status["evses"][evse - 1]["plugged"])

    async def learn(self, *cards: str) -> None:
        """Have the CSMS vouch for cards: shown, and shown again, which takes the authorization back."""
        for card in cards:
            await self.tap(card)
            await self.until(lambda status: status["evses"][0]["token"] is not None)
            await self.tap(card)
            await self.until(lambda status: status["evses"][0]["token"] is None)

    async def cut_off(self) -> int:
        """Take the network away and return the number of the last frame before."""
        await self.bench.net(mode="down")
        await self.until(lambda status: not status["csms"]["online"])
        return await self.csms.last_seq()

    async def end(self, uid: str = CARD, *, evse: int = 1, charged_s: float = 2.2) -> float:
        """Stop by card and unplug; return the moment the contactor opened. A card counts again after a while."""
        since_s = await self.charged(charged_s, evse=evse)
        await self.tap(uid)
        opened_s = await self.bench.wait(f"evse{evse}.load", "==", False, timeout_s=PATIENCE_S, since_s=since_s)
        await self.bench.wait(f"evse{evse}.lock", "==", False, timeout_s=PATIENCE_S, since_s=opened_s)
        await self.bench.unplug(evse=evse)
        return opened_s

    async def charged(self, seconds: float, *, evse: int = 1) -> float:
        """Wait until current has flown for so long; return the moment."""
        begun_s = [at_s for at_s, _, value in await self.bench.trace(f"evse{evse}.load") if value][-1]
        await self.clock_at(begun_s + seconds)
        return time.monotonic()

    async def clock_at(self, mono_s: float) -> None:
        """Wait until a monotonic moment."""
        await asyncio.sleep(max(0.0, mono_s - time.monotonic()))

    async def idle(self, *, evse: int = 1, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the station has seen the car leave and has no transaction."""
        await self.until(
            lambda status: (
                status["evses"][evse - 1] | {"transaction": None, "plugged": False} == status["evses"][evse - 1]
            ),
            timeout_s=timeout_s,
        )

    # ---- the technician ------------------------------------------------------------------------------------------

    async def status(self) -> dict[str, Any]:
        """Return what ``charge-agent status --json`` says."""
        return await asyncio.to_thread(ask, self.house.directory / "run" / "agent.sock", "status")

    async def queue(self) -> dict[str, Any]:
        """Return what ``charge-agent queue --json`` prints, by that command."""
        return dict(json.loads(await self.screen("queue", "--json")))

    async def screen(self, question: str, *more: str) -> str:
        """Return what a question of the command line prints."""
        command = [sys.executable, "-m", "agent.cli", question, *more, "--config", str(self.house.station_file)]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        return said.decode()

    async def until(
        self, claim: Callable[[Mapping[str, Any]], bool], *, timeout_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Wait until the status fulfils a claim and return it."""
        status: dict[str, Any] = {}
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    try:
                        status = await self.status()
                    except (NobodyHome, Unanswered):
                        status = {}
                    if status and claim(status):
                        return status
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise AssertionError(f"not within {timeout_s:g} s; status:\n{json.dumps(status, indent=1)}") from None

    # ---- the CSMS ------------------------------------------------------------------------------------------------

    async def frames(self, action: str | None = None, **selection: Any) -> list[dict[str, Any]]:
        """Return recorded frames, by default CALLs of the station."""
        selection = {"kind": "call", "direction": "in", **selection}
        if action is not None:
            selection["action"] = action
        return list((await self.csms.ask("messages", **selection))["frames"])

    async def delivered(self, count: int, *, timeout_s: float = PATIENCE_S) -> list[dict[str, Any]]:
        """Wait until so many transactions have ended in the book and nothing waits; return its rows."""
        await self.csms.ask("wait", closed=count, timeout_s=timeout_s)
        await self.until(lambda status: status["store"]["waiting"] == 0, timeout_s=timeout_s)
        return await self.csms.transactions()

    async def exact(self, count: int, *, without: Sequence[str] = (), evse: int = 1) -> list[dict[str, Any]]:
        """Wait for ``count`` ended transactions and hold them against the meter; nothing else may be wrong."""
        rows = await self.delivered(count)
        energisings = (await self.bench.state())["evses"][str(evse)]["energisings"]
        assert len(rows) == count, rows
        told = 0
        for row in rows:
            # A guard that a busy machine starved for some scans opens and closes again within one transaction.
            own = [each for each in energisings if row["start_wh"] - 1 <= each["closed_wh"] < row["stop_wh"]]
            assert own, (row, energisings)
            assert abs(row["start_wh"] - own[0]["closed_wh"]) <= METER_RESOLUTION_WH, (row, own)
            assert abs(row["stop_wh"] - own[-1]["opened_wh"]) <= METER_RESOLUTION_WH, (row, own)
            assert row["doubled"] == {}
            told += len(own)
        assert told == len(energisings), "energy that no transaction tells"
        found = await self.csms.problems(without=tuple(without))
        assert found == [], found
        return rows

    async def boots(self, *, since: int = 0, timeout_s: float = PATIENCE_S) -> list[dict[str, Any]]:
        """Wait for a boot notification."""
        return await self.csms.wait("BootNotification", since=since, timeout_s=timeout_s)


def utc_s(text: str) -> float:
    """Return seconds since 1970 of a time on the wire."""
    return datetime.fromisoformat(text).timestamp()


def took_s(row: Mapping[str, Any]) -> float:
    """Return how long a transaction took by its own words."""
    return utc_s(row["stop_utc"]) - utc_s(row["start_utc"])


def options(ocpp: str = "1.6", *, variables: Mapping[str, str] | None = None, **more: Any) -> HouseOptions:
    """Return a house of one EVSE that samples each second and reconnects quickly."""
    station_words = {key: more.pop(key) for key in list(more) if key in StationOptions.__dataclass_fields__}
    station_words = {"card_hold_off_s": 0.0, "card_absence_s": ABSENCE_S, **station_words}
    quick = {"guard": "scan_ms = 30", "charging": "meter_poll_s = 0.3"}  # three houses on two cores
    station_words["extra"] = {**quick, **station_words.get("extra", {})}
    station = StationOptions(ocpp=ocpp, variables={**QUICK, **(variables or {})}, **station_words)
    return HouseOptions(station=station, **more)


@asynccontextmanager
async def place() -> AsyncIterator[Path]:
    """A folder whose path is short enough for Unix sockets (108 bytes); gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="house-", dir="/tmp"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def stay(chosen: HouseOptions | None = None, *, directory: Path | None = None) -> AsyncIterator[Stay]:
    """A house with everything started. A test that fails carries the tails of the logs in its notes."""
    async with place() as fresh:
        house = House(directory or fresh, chosen or options())
        with Telling(house):
            async with house:
                yield Stay(house)


@asynccontextmanager
async def world(chosen: HouseOptions | None = None) -> AsyncIterator[Stay]:
    """Bench and CSMS only: ``stay.house.start_station()`` when the scene is set."""
    async with place() as directory:
        house = House(directory, chosen or options())
        with Telling(house):
            await house._launcher.__aenter__()
            try:
                await house.open_world()
                yield Stay(house)
            finally:
                await house.__aexit__()


class Telling:
    """Adds the tails of a house's logs to whatever error leaves the block."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(error, Exception):
            return
        for role in ("guard", "agent", "csms", "bench"):
            path = self._house.directory / f"{role}.log"
            if path.exists():
                error.add_note(f"--- {role}.log ---\n{path.read_text(errors='replace')[-2500:]}")


async def wanted(stay: Stay, action: str, **selection: Any) -> list[dict[str, Any]]:
    """Wait for frames; the error says what came instead."""
    try:
        return await stay.csms.wait(action, timeout_s=selection.pop("timeout_s", PATIENCE_S), **selection)
    except CsmsRefused as error:
        raise AssertionError(str(error)) from error
