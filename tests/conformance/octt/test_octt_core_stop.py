"""Core profile: the ways in which a charge ends, and unlocking."""

from __future__ import annotations

from typing import Any

from hil.actuators import LockMode
from hil.car import CarState
from tests.conformance.octt.cases import case
from tests.conformance.octt.whole_station import CARD, OTHER_CARD, Bench, bench


@case("TC_068_CS")
async def test_tc_068_cs_stop_with_the_same_id_tag() -> None:
    """The card that started stops without a question."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        transaction = await station.charging()
        await station.tap()
        stop = await csms.expect("StopTransaction", transactionId=transaction, idTag=CARD)
        assert stop.get("reason", "Local") == "Local"
        await csms.status(1, "Finishing")
        assert csms.calls("Authorize", since=csms.forgotten) == []
        await station.unplug()
        await csms.status(1, "Available")


@case("TC_069_CS")
async def test_tc_069_cs_stop_with_the_same_parent_id_tag() -> None:
    """Another card of the same parent stops after a question."""
    async with bench() as station:
        csms = station.csms
        csms.tag(CARD, parent="FLEET")
        csms.tag(OTHER_CARD, parent="FLEET")
        await station.booted()
        await station.charging()
        await station.tap(OTHER_CARD)
        asked = await csms.frame("Authorize", idTag=OTHER_CARD)
        stop = await csms.frame("StopTransaction", idTag=OTHER_CARD)
        assert asked.seq < stop.seq
        await csms.status(1, "Finishing")
        await station.unplug()
        await csms.status(1, "Available")


async def let_go_at_the_vehicle(station: Bench) -> None:
    """Take the plug out of the vehicle; the cable stays in the socket."""
    await station.vehicle(forced=CarState.A)


@case("TC_005_1_CS")
async def test_tc_005_1_cs_vehicle_side_disconnected_stops_and_unlocks() -> None:
    """Both keys true: the transaction ends and the cable is free."""
    async with bench() as station:
        csms = station.csms
        await station.booted(StopTransactionOnEVSideDisconnect=True, UnlockConnectorOnEVSideDisconnect=True)
        await station.charging()
        await let_go_at_the_vehicle(station)
        await csms.expect("StopTransaction", reason="EVDisconnected")
        await csms.status(1, "Finishing", errorCode="NoError")
        await station.until(lambda: not station.evse().lock.locked)
        await station.unplug()
        await csms.status(1, "Available")


@case("TC_005_2_CS")
async def test_tc_005_2_cs_vehicle_side_disconnected_stops_and_stays_locked() -> None:
    """Not to be unlocked: the cable is held until the driver shows the card."""
    async with bench() as station:
        csms = station.csms
        await station.booted(StopTransactionOnEVSideDisconnect=True, UnlockConnectorOnEVSideDisconnect=False)
        await station.charging()
        await let_go_at_the_vehicle(station)
        await csms.expect("StopTransaction", reason="EVDisconnected")
        await csms.status(1, "Finishing", errorCode="NoError")
        await csms.silence("StatusNotification", 20)
        assert station.evse().lock.locked
        await station.tap()
        await station.until(lambda: not station.evse().lock.locked)
        await station.unplug()
        await csms.status(1, "Available")


@case("TC_005_3_CS")
async def test_tc_005_3_cs_vehicle_side_disconnected_goes_on() -> None:
    """Not to be stopped: the transaction waits, and a remote stop ends it."""
    async with bench() as station:
        csms = station.csms
        await station.booted(StopTransactionOnEVSideDisconnect=False, UnlockConnectorOnEVSideDisconnect=False)
        transaction = await station.charging()
        await let_go_at_the_vehicle(station)
        suspended = await csms.status(1, "SuspendedEV", errorCode="NoError")
        assert "disconnected" in suspended.payload["info"]
        await csms.silence("StopTransaction", 20)
        await csms.accepted("RemoteStopTransaction", transactionId=transaction)
        await csms.expect("StopTransaction", transactionId=transaction, reason="Remote")
        await csms.status(1, "Finishing")


@case("TC_012_CS")
async def test_tc_012_cs_remote_stop() -> None:
    """A remote stop ends the transaction and frees the cable."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        transaction = await station.charging()
        await csms.accepted("RemoteStopTransaction", transactionId=transaction)
        await csms.expect("StopTransaction", transactionId=transaction, reason="Remote")
        await csms.status(1, "Finishing")
        await station.unplug()
        await csms.status(1, "Available")


@case("TC_028_CS")
async def test_tc_028_cs_remote_stop_of_an_unknown_transaction() -> None:
    """A number that nobody knows stops nothing."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        transaction = await station.charging()
        answer = await csms.call("RemoteStopTransaction", transactionId=transaction + 1)
        assert answer == {"status": "Rejected"}
        await csms.silence("StopTransaction", 5)
        assert station.evse().live


@case("TC_017_1_CS")
async def test_tc_017_1_cs_unlock_idle_detachable_cable() -> None:
    """A socket unlocks, also without a charge."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        assert await csms.call("UnlockConnector", connectorId=1) == {"status": "Unlocked"}


@case("TC_017_2_CS")
async def test_tc_017_2_cs_unlock_idle_fixed_cable() -> None:
    """A fixed cable has no lock."""
    async with bench(tethered=True) as station:
        csms = station.csms
        await station.booted()
        assert await csms.call("UnlockConnector", connectorId=1) == {"status": "NotSupported"}


@case("TC_018_1_CS")
async def test_tc_018_1_cs_unlock_while_charging_detachable_cable() -> None:
    """Unlocking ends the transaction first."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        transaction = await station.charging()
        assert await csms.call("UnlockConnector", connectorId=1) == {"status": "Unlocked"}
        await csms.expect("StopTransaction", transactionId=transaction, reason="UnlockCommand")
        await csms.status(1, "Finishing")
        assert not station.evse().lock.locked
        await station.unplug()
        await csms.status(1, "Available")


@case("TC_018_2_CS")
async def test_tc_018_2_cs_unlock_while_charging_fixed_cable() -> None:
    """With a fixed cable the charge goes on."""
    async with bench(tethered=True) as station:
        csms = station.csms
        await station.booted()
        await station.charging()
        assert await csms.call("UnlockConnector", connectorId=1) == {"status": "NotSupported"}
        await csms.silence("StopTransaction", 5)
        assert station.evse().live


@case("TC_030_CS")
async def test_tc_030_cs_unlock_failure() -> None:
    """A lock that does not open is a failure after a real try."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await station.charging()
        await station.do(lambda: station.evse().lock.set_mode(LockMode.JAMMED, station.now_s()))
        assert await csms.call("UnlockConnector", connectorId=1) == {"status": "UnlockFailed"}


@case("TC_031_CS")
async def test_tc_031_cs_unlock_unknown_connector() -> None:
    """There is nothing to unlock on a connector that does not exist."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        assert await csms.call("UnlockConnector", connectorId=99) == {"status": "NotSupported"}


@case("TC_041_CS")
async def test_tc_041_cs_fault_behaviour() -> None:
    """A faulted connector says so and starts nothing."""
    async with bench() as station:
        csms = station.csms
        await station.booted()

        def trip() -> Any:
            station.evse().rcd_tripped = True

        await station.do(trip)
        await csms.status(1, "Faulted", errorCode="GroundFailure")
        await station.plug()
        await station.tap()
        answer = await csms.call("RemoteStartTransaction", idTag=CARD, connectorId=1)
        assert answer == {"status": "Rejected"}
        await csms.silence("StartTransaction", 5)
        assert not station.evse().live
