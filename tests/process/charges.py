"""Short charges in a house of real processes, as a person at the station would make them, and what must be true."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from agent.console.knock import NobodyHome, Unanswered, ask
from hil.house import House, HouseOptions
from hil.station_toml import StationOptions

CARD: Final = "04A2B3C4D5"
OTHER_CARD: Final = "0511223344"
PATIENT_S: Final = 30.0  # a bound for what takes a second on an idle machine
VERSIONS: Final = ("1.6", "2.0.1")

Houses = Callable[[HouseOptions], Awaitable[House]]


def house_options(
    ocpp: str = "1.6",
    *,
    evses: int = 1,
    sample_s: int = 1,
    min_reclose_s: float = 1.0,
    variables: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
) -> HouseOptions:
    """Return a station with quick samples; ``extra`` are lines by section of the station file."""
    return HouseOptions(
        station=StationOptions(
            ocpp=ocpp,
            evses=evses,
            min_reclose_s=min_reclose_s,
            card_hold_off_s=0.0,
            variables={"SampledDataCtrlr.TxUpdatedInterval": str(sample_s), **(variables or {})},
            extra=extra or {},
        )
    )


async def wait_registered(house: House) -> None:
    """Wait until the station is registered, has told its status, and knows from the guard that nothing is wrong."""
    await house.csms.wait("StatusNotification", timeout_s=PATIENT_S)
    await house.until(lambda: _is_well(house), what="a station that is well", timeout_s=PATIENT_S)


def _is_well(house: House) -> bool:
    try:
        status = ask(house.directory / "run" / "agent.sock", "status")
    except (NobodyHome, Unanswered):
        return False
    evses = status["evses"]
    known = all(each["plugged"] is not None and not each["faults"] for each in evses)
    return bool(status["csms"]["online"] and status["guard"]["connected"] and evses and known)


async def tap(house: House, *, card: str = CARD, reader: int = 0) -> None:
    """Lay a card on a reader until the station has seen it, as a person does who waits for the beep."""
    log = house.directory / "agent.log"
    seen = log.read_text(errors="replace").count('"card.presented"')
    await house.bench.card_present(uid=card, reader=reader)
    await house.until(
        lambda: log.read_text(errors="replace").count('"card.presented"') > seen, what="the card", timeout_s=PATIENT_S
    )
    await house.bench.card_remove(reader=reader)


async def begin_charge(house: House, *, evse: int = 1, card: str = CARD, wh: float = 3.0) -> float:
    """Plug in and tap; return when the contactor closed, after ``wh`` were counted."""
    await wait_registered(house)
    before_wh = (await house.bench.state())["evses"][str(evse)]["energy_wh"]
    await house.bench.plug(evse=evse)
    await tap(house, card=card)
    closed_s = await house.bench.wait(f"evse{evse}.load", "==", True, timeout_s=PATIENT_S)
    await house.bench.wait(f"evse{evse}.energy_wh", ">=", before_wh + wh, timeout_s=PATIENT_S)
    return closed_s


async def count_on(house: House, wh: float, *, evse: int = 1) -> None:
    """Wait until the meter has counted so much more."""
    now_wh = (await house.bench.state())["evses"][str(evse)]["energy_wh"]
    await house.bench.wait(f"evse{evse}.energy_wh", ">=", now_wh + wh, timeout_s=PATIENT_S)


async def stop_charge(house: House, *, evse: int = 1, card: str = CARD) -> float:
    """Tap the same card and return when the contactor opened."""
    await tap(house, card=card)
    return await house.bench.wait(f"evse{evse}.load", "==", False, timeout_s=PATIENT_S)


async def book_of(house: House, *, closed: int) -> dict[str, Any]:
    """Wait until exactly ``closed`` transactions are in the book, all of them ended; return it."""
    book = await house.csms.ask("wait", closed=closed, open=0, timeout_s=PATIENT_S)
    assert len(book["transactions"]) == closed
    return dict(book)


async def energisings_of(house: House, evse: int = 1) -> list[dict[str, Any]]:
    """Return when the load side was live, with the register at both ends."""
    return list((await house.bench.state())["evses"][str(evse)]["energisings"])


async def assert_exact(house: House, *, closed: int, evse: int = 1, of_all: int | None = None) -> list[dict[str, Any]]:
    """Assert that the book of an EVSE shows ``closed`` transactions and exactly what its meter counted; return them.

    Every register at which a transaction begins or ends is that of a moment without a closed contactor, and together
    they cover everything that the meter counted.
    """
    book = await book_of(house, closed=of_all or closed)
    rows = [row for row in book["transactions"] if row["evse_id"] == evse]
    energisings = await energisings_of(house, evse)
    assert len(rows) == closed
    assert book["problems"] == []
    assert rows[0]["start_wh"] == energisings[0]["closed_wh"]
    for row, following in itertools.pairwise(rows):
        assert row["stop_wh"] == following["start_wh"]
    assert rows[-1]["stop_wh"] == energisings[-1]["opened_wh"]
    assert sum(row["energy_wh"] for row in rows) == sum(e["opened_wh"] - e["closed_wh"] for e in energisings)
    for row in rows:
        assert row["doubled"] == {}
        assert any(row["start_wh"] <= e["closed_wh"] and e["opened_wh"] <= row["stop_wh"] for e in energisings)
    return rows


async def load_changes(house: House, since_s: float, evse: int = 1) -> list[bool]:
    """Return what the load side changed to since then."""
    return [value for _, _, value in await house.bench.trace(f"evse{evse}.load", since_s=since_s)]


async def first_since(house: House, signal: str, value: Any, since_s: float) -> float:
    """Return when a signal first took a value at or after ``since_s``."""
    for at_s, _, seen in await house.bench.trace(signal, since_s=since_s):
        if seen == value:
            return at_s
    raise AssertionError(f"{signal} never was {value!r} since {since_s:.3f}")


async def status_json(house: House, command: str = "status") -> dict[str, Any]:
    """Ask ``charge-agent status --json`` (or ``why``, ``queue``)."""
    words = (sys.executable, "-m", "agent.cli", command, "--config", str(house.station_file), "--json")
    answer = json.loads(await run_command(*words))
    assert isinstance(answer, dict)
    return answer


async def run_command(*command: str) -> str:
    """Run a command that must succeed and return what it said."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), PATIENT_S)
    assert process.returncode == 0, said.decode()
    return said.decode()


async def until_status(house: House, claim: Callable[[dict[str, Any]], bool], *, what: str) -> dict[str, Any]:
    """Ask for the status until a claim about it holds; return it."""
    async with asyncio.timeout(PATIENT_S):
        while not claim(status := await status_json(house)):
            await asyncio.sleep(0.1)
    assert claim(status), what
    return status


async def statuses(house: House, since: int = 0, connector: int = 1) -> list[tuple[str, str]]:
    """Return what the station told about a connector in OCPP 1.6: (status, error code), in order."""
    found = await house.csms.ask("messages", since=since, direction="in", action="StatusNotification", kind="call")
    told = [frame["payload"] for frame in found["frames"]]
    return [(each["status"], each["errorCode"]) for each in told if each["connectorId"] == connector]
