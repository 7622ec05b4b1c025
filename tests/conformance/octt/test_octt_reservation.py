"""Reservations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.octt.cases import case
from tests.conformance.octt.whole_station import CARD, OTHER_CARD, Bench, bench


async def reserve(station: Bench, connector: int = 1, *, seconds: float = 600, **more: Any) -> str:
    """Reserve a connector for the card; return the status of the answer."""
    payload = {"connectorId": connector, "expiryDate": station.csms.at(seconds), "idTag": CARD, "reservationId": 7}
    return str((await station.csms.call("ReserveNow", payload | more))["status"])


@case("TC_046_1_CS")
@pytest.mark.req("OCPP 1.6 §5.13; §4.8 reservationId")
async def test_tc_046_1_cs_reserve_a_connector_local_start() -> None:
    """Reserved until the right card starts; the start names the reservation."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        assert await reserve(station) == "Accepted"
        await csms.status(1, "Reserved")
        await station.tap()
        await csms.status(1, "Preparing")
        await station.plug()
        await csms.expect("StartTransaction", idTag=CARD, reservationId=7)
        await csms.status(1, "Charging")


@case("TC_046_2_CS")
async def test_tc_046_2_cs_reserve_a_connector_remote_start() -> None:
    """A remote start with the right idTag uses the reservation, too."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        assert await reserve(station) == "Accepted"
        await csms.status(1, "Reserved")
        await csms.accepted("RemoteStartTransaction", idTag=CARD, connectorId=1)
        await csms.status(1, "Preparing")
        await station.plug()
        await csms.expect("StartTransaction", idTag=CARD, reservationId=7)
        await csms.status(1, "Charging")


@case("TC_047_CS")
async def test_tc_047_cs_reservation_expires() -> None:
    """After its expiry the connector is available."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        assert await reserve(station, seconds=60) == "Accepted"
        reserved = await csms.status(1, "Reserved")
        available = await csms.status(1, "Available")
        assert available.at_s - reserved.at_s == pytest.approx(60, abs=2)


async def trip(station: Bench) -> None:
    def change() -> None:
        station.evse().rcd_tripped = True

    await station.do(change)
    await station.csms.status(1, "Faulted")


@case("TC_048_1_CS")
async def test_tc_048_1_cs_reserve_a_faulted_connector() -> None:
    """A faulted connector cannot be reserved."""
    async with bench() as station:
        await station.booted()
        await trip(station)
        assert await reserve(station) == "Faulted"


@case("TC_048_2_CS")
async def test_tc_048_2_cs_reserve_an_occupied_connector() -> None:
    """Nor can one in use."""
    async with bench() as station:
        await station.booted()
        await station.plug()
        await station.csms.status(1, "Preparing")
        assert await reserve(station) == "Occupied"


@case("TC_048_3_CS")
async def test_tc_048_3_cs_reserve_an_unavailable_connector() -> None:
    """Nor one out of service."""
    async with bench() as station:
        await station.booted()
        await station.csms.accepted("ChangeAvailability", connectorId=1, type="Inoperative")
        await station.csms.status(1, "Unavailable")
        assert await reserve(station) == "Unavailable"


@case("TC_048_4_CS")
async def test_tc_048_4_cs_reserve_rejected() -> None:
    """A station that takes no reservations says so and works as ever."""
    async with bench(variables={"ReservationCtrlr.Enabled": "false"}) as station:
        await station.booted()
        assert await reserve(station) == "Rejected"
        await station.charging()


@case("TC_049_CS")
async def test_tc_049_cs_reserve_the_station_and_charge() -> None:
    """A reservation of connector 0 is used on any connector."""
    async with bench(evses=2) as station:
        csms = station.csms
        await station.booted()
        assert await reserve(station, 0) == "Accepted"
        await station.plug(2)
        await csms.status(2, "Preparing")
        await station.tap()
        await csms.expect("StartTransaction", connectorId=2, idTag=CARD, reservationId=7)
        await csms.status(2, "Charging")


@case("TC_050_1_CS")
async def test_tc_050_1_cs_reserve_a_faulted_station() -> None:
    """Where every connector is faulted, connector 0 is."""
    async with bench() as station:
        await station.booted()
        await trip(station)
        assert await reserve(station, 0) == "Faulted"


@case("TC_050_2_CS")
async def test_tc_050_2_cs_reserve_an_occupied_station() -> None:
    """Where every connector is in use, none can be kept free."""
    async with bench() as station:
        await station.booted()
        await station.charging()
        assert await reserve(station, 0) == "Occupied"


@case("TC_050_3_CS")
async def test_tc_050_3_cs_reserve_an_unavailable_station() -> None:
    """A station out of service cannot be reserved."""
    async with bench() as station:
        await station.booted()
        await station.csms.accepted("ChangeAvailability", connectorId=0, type="Inoperative")
        await station.csms.status(0, "Unavailable")
        assert await reserve(station, 0) == "Unavailable"


@case("TC_050_4_CS")
async def test_tc_050_4_cs_reserve_the_station_rejected() -> None:
    """A station that does not reserve connector 0 says so."""
    async with bench(variables={"ReservationCtrlr.NonEvseSpecific": "false"}) as station:
        await station.booted()
        assert await reserve(station, 0) == "Rejected"


@case("TC_051_CS")
async def test_tc_051_cs_cancel_a_reservation() -> None:
    """A cancelled reservation leaves the connector available."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        assert await reserve(station) == "Accepted"
        await csms.status(1, "Reserved")
        await csms.accepted("CancelReservation", reservationId=7)
        await csms.status(1, "Available")


@case("TC_052_CS")
async def test_tc_052_cs_cancel_an_unknown_reservation() -> None:
    """An unknown number cancels nothing."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        assert await reserve(station) == "Accepted"
        await csms.status(1, "Reserved")
        assert await csms.call("CancelReservation", reservationId=8) == {"status": "Rejected"}
        await csms.silence("StatusNotification", 5)


@case("TC_053_CS")
@pytest.mark.parametrize("way", ["card", "remote"])
async def test_tc_053_cs_use_a_reserved_connector_with_the_parent_id_tag(way: str) -> None:
    """Another card of the reservation's parent may use it."""
    async with bench() as station:
        csms = station.csms
        csms.tag(CARD, parent="FLEET")
        csms.tag(OTHER_CARD, parent="FLEET")
        await station.booted()
        assert await reserve(station, parentIdTag="FLEET") == "Accepted"
        await csms.status(1, "Reserved")
        await station.identify(way, OTHER_CARD)
        await csms.expect("Authorize", idTag=OTHER_CARD)
        await csms.status(1, "Preparing")
        await station.plug()
        await csms.expect("StartTransaction", idTag=OTHER_CARD, reservationId=7)
        await csms.status(1, "Charging")
