"""What every back end of OCPP 1.6 plays: the charges, the network, and the commands of the core profile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tests.acceptance.products import Desk
from tests.process.houses import CARD, STRANGER, Stay

PATIENT_S: Final = 40.0

NEW_PASSWORD: Final = "another-0123456789abc"

Case = Callable[[Stay, Desk], Awaitable[None]]


async def boots(stay: Stay, csms: Desk) -> None:
    """Boots with its password, registers, and the product knows the connector's status."""
    await stay.online(timeout_s=PATIENT_S)
    await until(csms, lambda seen: seen["connected"] and "available" in str(seen["connectors"].get("1", "")).lower())


async def refuses_a_stranger(stay: Stay, csms: Desk) -> None:
    """A card that the product does not know charges nothing."""
    await stay.bench.plug(evse=1)
    await stay.plugged()
    await stay.tap(STRANGER)
    await asyncio.sleep(2.0)
    assert not (await stay.bench.state())["evses"]["1"]["live"], "it charges"
    assert [row for row in await csms.transactions() if row["meter_start"] is not None] == []
    await stay.bench.unplug(evse=1)
    await stay.idle()


async def charges(stay: Stay, csms: Desk) -> None:
    """A charge by card is in the product's book to the watt-hour, with its samples."""
    await stay.begin()
    await stay.end()
    await stay.idle()
    row = (await exact(stay, csms))[-1]
    assert row["id_tag"] == CARD, row
    assert row["samples"] > 0, row


async def charges_offline(stay: Stay, csms: Desk) -> None:
    """A charge without the network is told afterwards, to the watt-hour."""
    before = len(await csms.transactions())
    await stay.bench.net(mode="down")
    await stay.until(lambda status: not status["csms"]["online"])
    await stay.begin()
    await stay.end()
    await stay.idle()
    assert len(await csms.transactions()) == before
    await stay.bench.net(mode="up")
    await exact(stay, csms)


async def starts_and_stops_remotely(stay: Stay, csms: Desk) -> None:
    """The product starts a charge and stops it by its own number."""
    await stay.online(timeout_s=PATIENT_S)
    await stay.bench.plug(evse=1)
    await stay.plugged()
    assert await csms.call("RemoteStartTransaction", idTag=CARD, connectorId=1) == {"status": "Accepted"}
    await stay.bench.wait("evse1.load", "==", True, timeout_s=PATIENT_S)
    await stay.charged(2.2)
    number = (await csms.transactions())[-1]["id"]
    assert await csms.call("RemoteStopTransaction", transactionId=number + 1_000) == {"status": "Rejected"}
    assert await csms.call("RemoteStopTransaction", transactionId=number) == {"status": "Accepted"}
    await stay.bench.wait("evse1.load", "==", False, timeout_s=PATIENT_S)
    await stay.bench.unplug(evse=1)
    await stay.idle()
    await exact(stay, csms)


async def is_reconfigured(stay: Stay, csms: Desk) -> None:
    """The product sets a key and reads it back; an unknown and an impossible one are refused."""
    set_key = {"key": "MeterValueSampleInterval", "value": "2"}
    assert await csms.call("ChangeConfiguration", **set_key) == {"status": "Accepted"}
    (row,) = (await csms.call("GetConfiguration", key=["MeterValueSampleInterval"]))["configurationKey"]
    assert row["value"] == "2", row
    assert await csms.call("ChangeConfiguration", key="NoSuchKey", value="1") == {"status": "NotSupported"}
    assert await csms.call("ChangeConfiguration", key="HeartbeatInterval", value="soon") == {"status": "Rejected"}


async def is_taken_out_of_service(stay: Stay, csms: Desk) -> None:
    """The product takes the connector out of service and back, and sees both."""
    for kind, word in (("Inoperative", "unavailable"), ("Operative", "available")):
        assert await csms.call("ChangeAvailability", connectorId=1, type=kind) == {"status": "Accepted"}
        await shows(csms, word)


async def is_killed(stay: Stay, csms: Desk) -> None:
    """The agent is killed while it charges without a network: the charge goes on and is booked once."""
    closed_s = await stay.begin()
    await stay.bench.net(mode="down")
    await stay.until(lambda status: not status["csms"]["online"])
    await stay.house.kill("agent")
    await stay.ready(timeout_s=PATIENT_S)
    await stay.end()
    await stay.idle()
    loads = [value for at_s, _, value in await stay.bench.trace("evse1.load") if at_s >= closed_s]
    assert loads == [True, False], f"the charge was interrupted: {loads}"
    await stay.bench.net(mode="up")
    await exact(stay, csms)


async def loses_its_power(stay: Stay, csms: Desk) -> None:
    """A power cut in the middle of a charge ends it with the register that it stopped at."""
    await stay.begin()
    await stay.house.power_cut()
    await stay.bench.unplug(evse=1)
    await stay.online(timeout_s=PATIENT_S)
    await stay.idle()
    await exact(stay, csms)


async def resets(stay: Stay, csms: Desk) -> None:
    """A soft reset is answered, the agent starts again, and a charge follows."""
    before = stay.house.restarts["agent"]
    assert await csms.call("Reset", type="Soft") == {"status": "Accepted"}
    await stay.house.until(lambda: stay.house.restarts["agent"] > before, what="the restart", timeout_s=PATIENT_S)
    await stay.online(timeout_s=PATIENT_S)
    await stay.begin()
    await stay.end()
    await stay.idle()
    await exact(stay, csms)


async def changes_its_password(stay: Stay, csms: Desk) -> None:
    """A new password is taken, and is the one that the station comes back with, also after a restart."""
    await csms.expect_password(NEW_PASSWORD)
    assert await csms.call("ChangeConfiguration", key="AuthorizationKey", value=NEW_PASSWORD) == {"status": "Accepted"}
    await comes_back(stay, csms)
    answer = await csms.call("GetConfiguration", key=["AuthorizationKey"])
    assert NEW_PASSWORD not in str(answer), "it may be written, never read"


async def comes_back(stay: Stay, csms: Desk) -> None:
    """Kill the agent and wait until it has reached the product again."""
    boots = len(await csms.seen("BootNotification"))
    await stay.house.kill("agent")
    await sent(csms, "BootNotification", lambda seen: len(seen) > boots)
    await stay.online(timeout_s=PATIENT_S)


async def until(csms: Desk, claim: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until what the product knows of the station is so."""
    seen: dict[str, Any] = {}
    try:
        async with asyncio.timeout(PATIENT_S):
            while not claim(seen := await csms.station()):
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"the product knows {seen}") from None


async def shows(csms: Desk, word: str) -> None:
    """Wait until the product shows a status of connector 1."""
    await until(csms, lambda seen: str(seen["connectors"].get("1", "")).lower() == word)


async def sent(csms: Desk, action: str, claim: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Wait until what the station has sent of an action is so; return it."""
    seen: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(PATIENT_S):
            while not claim(seen := await csms.seen(action)):
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"of {action} came {seen}") from None
    return seen


async def exact(stay: Stay, csms: Desk) -> list[dict[str, Any]]:
    """Wait until the product's book has as many charges as the bench counted, and hold them against the meter."""
    counted = (await stay.bench.state())["evses"]["1"]["energisings"]
    rows: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(PATIENT_S):
            while len(rows := await booked(csms)) < len(counted) or not all(row["over"] for row in rows):
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"in the book: {rows}; the meter: {counted}") from None
    await stay.until(lambda status: status["store"]["waiting"] == 0)
    told = [(row["meter_start"], row["meter_stop"]) for row in rows]
    assert told == [(each["closed_wh"], each["opened_wh"]) for each in counted], (told, counted)
    return rows


async def booked(csms: Desk) -> list[dict[str, Any]]:
    """Return the transactions with energy, those of 2.0.1 without a charge left out."""
    return [row for row in await csms.transactions() if row["meter_start"] is not None]


CORE: Final[tuple[Case, ...]] = (
    boots,
    refuses_a_stranger,
    charges,
    charges_offline,
    is_killed,
    loses_its_power,
    starts_and_stops_remotely,
    is_reconfigured,
    is_taken_out_of_service,
    resets,
    changes_its_password,
)
