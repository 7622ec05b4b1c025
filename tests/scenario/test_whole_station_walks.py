"""Days at a whole station, made by chance: agent, guard, world and CSMS together. Whatever happens, every watt-hour is
billed once, nothing stays open, and nothing is live that must not be."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest

from hil.car import CarState
from tests.conformance.octt.csms_side import IDENTITY, Disconnected
from tests.conformance.octt.virtual_time import in_virtual_time
from tests.conformance.octt.whole_station import BAD_CARD, CARD, OTHER_CARD, Bench, bench
from tests.conformance.oracle import EXAMPLES

SEEDS = range(EXAMPLES or 2)
STEPS = 60
SETTLES_S = 300.0
EVSES = (1, 2)
WORLD = ("plug", "plug", "plug", "unplug", "tap", "tap", "tap", "other card", "bad card", "pause", "go on", "let go")
OUTSIDE = ("cut", "mend", "mend", "rest", "rest", "power cut", "trip", "mend sensor")
CALLS = ("Reset", "RemoteStartTransaction", "RemoteStopTransaction", "UnlockConnector", "ReserveNow", "ClearCache")


@pytest.mark.req(
    "OCPP 1.6 §3.7, §4.8, §4.10: whatever happens, each transaction is told once, from its start to its end"
)
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_at_a_station_every_watt_hour_is_billed_once(seed: int) -> None:
    in_virtual_time(day(random.Random(seed)))


async def day(chance: random.Random) -> None:
    """Play one day and look at the books."""
    async with bench(evses=len(EVSES)) as station:
        station.csms.tag(OTHER_CARD, parent="FLEET")
        station.csms.tag(BAD_CARD, "Invalid")
        stop = chance.random() < 0.5
        await station.booted(
            MeterValueSampleInterval=20,
            AllowOfflineTxForUnknownId=True,
            StopTransactionOnInvalidId=stop,
            ConnectionTimeOut=30,
        )
        for _ in range(STEPS):
            await step(station, chance)
            for evse in station.world.evses.values():
                assert not (evse.rcd_tripped and evse.live)
        await go_home(station)
        await assert_exact(station)


async def step(station: Bench, chance: random.Random) -> None:
    """Let one thing happen."""
    evse, csms = chance.choice(EVSES), station.csms
    world = station.evse(evse)
    match chance.choice((*WORLD, *OUTSIDE, *CALLS)):
        case "plug" if not world.car.plugged:
            await station.plug(evse)
        case "unplug" if world.car.plugged and not world.lock.locked:
            await station.unplug(evse)
        case "tap":
            await station.tap()
        case "other card":
            await station.tap(OTHER_CARD)
        case "bad card":
            await station.tap(BAD_CARD)
        case "pause" | "go on" as wish:
            await station.vehicle(evse, paused=wish == "pause")
        case "let go" if world.car.plugged:
            await station.vehicle(evse, forced=CarState.A)
        case "cut":
            csms.cut()
        case "mend":
            csms.mend()
        case "rest":
            await station.rest(chance.choice((1, 10, 60)))
        case "power cut" if chance.random() < 0.4:
            await station.power_cut(chance.choice((1, 20)))
        case "trip" | "mend sensor" as fault:
            await trip(station, evse, tripped=fault == "trip" and chance.random() < 0.3)
        case action if action in CALLS and csms.connected:
            with suppress(Disconnected):  # it restarts, as it was told to
                await csms.call(action, request(action, evse, station, chance))


def request(action: str, evse: int, station: Bench, chance: random.Random) -> dict[str, Any]:
    """Return the payload of a CALL; its answer may be anything that the schemas allow."""
    match action:
        case "Reset":
            return {"type": chance.choice(("Soft", "Hard"))}
        case "RemoteStartTransaction":
            return {"idTag": chance.choice((CARD, OTHER_CARD, BAD_CARD)), "connectorId": evse}
        case "RemoteStopTransaction":
            return {"transactionId": chance.choice((1001, 1002, 1003))}
        case "UnlockConnector":
            return {"connectorId": evse}
        case "ReserveNow":
            expiry = station.csms.at(40)
            return {"connectorId": evse, "expiryDate": expiry, "idTag": CARD, "reservationId": 3}
        case _:
            return {}


async def trip(station: Bench, evse: int, *, tripped: bool) -> None:
    """Trip or mend the residual current sensor."""

    def change() -> None:
        station.evse(evse).rcd_tripped = tripped

    await station.do(change)


async def go_home(station: Bench) -> None:
    """Mend everything, free every cable, and let every vehicle leave."""
    csms = station.csms
    csms.mend()
    for evse in EVSES:
        await trip(station, evse, tripped=False)
        await station.vehicle(evse, forced=None)
    await station.until(lambda: csms.connected, SETTLES_S)
    await station.rest(SETTLES_S)
    for evse in EVSES:
        if station.evse(evse).car.plugged:
            assert await csms.call("UnlockConnector", connectorId=evse) == {"status": "Unlocked"}
            await station.unplug(evse)
    await station.rest(SETTLES_S)


async def assert_exact(station: Bench) -> None:
    """Compare what was billed with what the meters counted, and look at the last statuses."""
    rows = station.csms.desk.ledger.transactions(IDENTITY)
    assert [row.transaction_id for row in rows if not row.ended] == []
    billed_wh = sum((row.stop_wh or 0) - (row.start_wh or 0) for row in rows)
    counted_wh = sum(
        (each.opened_wh or 0) - each.closed_wh for evse in station.world.evses.values() for each in evse.energisings
    )
    assert abs(billed_wh - counted_wh) <= len(rows)  # registers are whole
    last = {each.payload["connectorId"]: each.payload["status"] for each in station.csms.calls("StatusNotification")}
    assert set(last.values()) == {"Available"}
