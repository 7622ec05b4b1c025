"""``python -m tests.acceptance``: play every case against Arthexis and say what passed. Exit code 0: all of them."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from hil.csms_link import CsmsRefused
from hil.house import House, HouseOptions
from hil.launch import LaunchFailed
from hil.station_toml import StationOptions
from tests.acceptance.arthexis_csms import PACKAGE, Arthexis, NotInstalled, install, running
from tests.process.houses import ABSENCE_S, CARD, QUICK, STRANGER, Stay, place

PASSWORD: Final = "acceptance-0123456789"
IDENTITY: Final = "ACCEPT-1"
PATIENT_S: Final = 40.0

Case = Callable[[Stay, Arthexis], Awaitable[None]]


async def boots(stay: Stay, csms: Arthexis) -> None:
    """Boots with its password, registers, and the product knows the connector's status."""
    await stay.online(timeout_s=PATIENT_S)
    await until(csms, lambda seen: seen["connected"] and "available" in str(seen["connectors"].get("1", "")).lower())


async def refuses_a_stranger(stay: Stay, csms: Arthexis) -> None:
    """A card that the product does not know charges nothing."""
    await stay.bench.plug(evse=1)
    await stay.plugged()
    await stay.tap(STRANGER)
    await asyncio.sleep(2.0)
    assert not (await stay.bench.state())["evses"]["1"]["live"], "it charges"
    assert await csms.transactions() == []
    await stay.bench.unplug(evse=1)
    await stay.idle()


async def charges(stay: Stay, csms: Arthexis) -> None:
    """A charge by card is in the product's book to the watt-hour, with its samples."""
    await stay.begin()
    await stay.end()
    await stay.idle()
    row = (await exact(stay, csms, 1))[-1]
    assert row["id_tag"] == CARD, row
    assert row["samples"] > 0, row


async def charges_offline(stay: Stay, csms: Arthexis) -> None:
    """A charge without the network is told afterwards, to the watt-hour."""
    await stay.bench.net(mode="down")
    await stay.until(lambda status: not status["csms"]["online"])
    await stay.begin()
    await stay.end()
    await stay.idle()
    assert len(await csms.transactions()) == 1
    await stay.bench.net(mode="up")
    await exact(stay, csms, 2)


async def starts_and_stops_remotely(stay: Stay, csms: Arthexis) -> None:
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
    await exact(stay, csms, 3)


async def is_reconfigured(stay: Stay, csms: Arthexis) -> None:
    """The product sets a key and reads it back; an unknown and an impossible one are refused."""
    set_key = {"key": "MeterValueSampleInterval", "value": "2"}
    assert await csms.call("ChangeConfiguration", **set_key) == {"status": "Accepted"}
    (row,) = (await csms.call("GetConfiguration", key=["MeterValueSampleInterval"]))["configurationKey"]
    assert row["value"] == "2", row
    assert await csms.call("ChangeConfiguration", key="NoSuchKey", value="1") == {"status": "NotSupported"}
    assert await csms.call("ChangeConfiguration", key="HeartbeatInterval", value="soon") == {"status": "Rejected"}


async def is_taken_out_of_service(stay: Stay, csms: Arthexis) -> None:
    """The product takes the connector out of service and back, and sees both."""
    for kind, word in (("Inoperative", "unavailable"), ("Operative", "available")):
        assert await csms.call("ChangeAvailability", connectorId=1, type=kind) == {"status": "Accepted"}
        await until(csms, lambda seen, word=word: str(seen["connectors"].get("1", "")).lower() == word)  # type: ignore[misc]


async def resets(stay: Stay, csms: Arthexis) -> None:
    """A soft reset is answered, the agent starts again, and a charge follows."""
    assert await csms.call("Reset", type="Soft") == {"status": "Accepted"}
    await stay.house.until(lambda: stay.house.restarts["agent"] == 1, what="the restart", timeout_s=PATIENT_S)
    await stay.online(timeout_s=PATIENT_S)
    await stay.begin()
    await stay.end()
    await stay.idle()
    await exact(stay, csms, 4)


CASES: Final[tuple[Case, ...]] = (
    boots,
    refuses_a_stranger,
    charges,
    charges_offline,
    starts_and_stops_remotely,
    is_reconfigured,
    is_taken_out_of_service,
    resets,
)


async def until(csms: Arthexis, claim: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until what the product knows of the station is so."""
    async with asyncio.timeout(PATIENT_S):
        while not claim(seen := await csms.station()):
            await asyncio.sleep(0.2)
    assert claim(seen)


async def exact(stay: Stay, csms: Arthexis, count: int) -> list[dict[str, Any]]:
    """Wait until so many charges are over in the product's book, and hold them against the meter."""
    async with asyncio.timeout(PATIENT_S):
        while len(rows := await csms.transactions()) < count or not all(row["over"] for row in rows):
            await asyncio.sleep(0.2)
    await stay.until(lambda status: status["store"]["waiting"] == 0)
    counted = (await stay.bench.state())["evses"]["1"]["energisings"]
    told = [(row["meter_start"], row["meter_stop"]) for row in rows]
    assert told == [(each["closed_wh"], each["opened_wh"]) for each in counted], (told, counted)
    return rows


def station() -> StationOptions:
    """Return a station as Arthexis wants it: a slash behind the identity, a password over ws://."""
    return StationOptions(
        identity=IDENTITY,
        url="ws://127.0.0.1:{port}/ws/ocpp",
        card_hold_off_s=0.0,
        card_absence_s=ABSENCE_S,
        variables=QUICK,
        extra={
            "csms": 'trailing_slash = true\npassword_file = "csms-password"\nsecurity_profile = 1\n',
            "charging": "meter_poll_s = 0.3",
        },
    )


async def play(directory: Path, python: Path) -> int:
    """Play every case; one that fails ends the row, because the next ones count on it."""
    house = House(directory, HouseOptions(station=station()))
    async with (
        house.prepared(),
        running(python, directory, identity=IDENTITY, password=PASSWORD, card=CARD) as csms,
    ):
        await house.open_world()
        secret = directory / "csms-password"
        secret.write_text(PASSWORD, encoding="utf-8")
        secret.chmod(0o600)
        await house.bench.net_target(port=csms.port)
        await house.start_station()
        stay = Stay(house)
        for number, case in enumerate(CASES):
            what = (case.__doc__ or "").strip().rstrip(".")
            begin_s = time.monotonic()
            try:
                await case(stay, csms)
            except (AssertionError, TimeoutError, CsmsRefused, LaunchFailed) as error:
                print(f"FAILED  {what}: {error or 'it took too long'}", flush=True)
                for role in ("agent", "arthexis"):
                    print(f"--- {role}.log\n{(directory / f'{role}.log').read_text(errors='replace')[-3000:]}")
                print(f"{number} of {len(CASES)} cases passed against {PACKAGE}")
                return 1
            print(f"passed  {what} ({time.monotonic() - begin_s:.1f} s)", flush=True)
    print(f"{len(CASES)} of {len(CASES)} cases passed against {PACKAGE}")
    return 0


async def main() -> int:
    """Install, run, play."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance", description=(__doc__ or "").splitlines()[0])
    parser.parse_args()
    try:
        python = await asyncio.to_thread(install)
    except NotInstalled as error:
        print(f"Arthexis cannot be installed: {error}", file=sys.stderr)
        return 2
    async with place() as directory:
        return await play(directory, python)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
