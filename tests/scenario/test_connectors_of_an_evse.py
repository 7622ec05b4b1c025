"""One EVSE with a fixed cable and a socket, whole: agent, guard, world and CSMS in virtual time."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hil.actuators import ContactorMode, LockMode
from tests.conformance.octt.csms_side import IDENTITY
from tests.conformance.octt.virtual_time import in_virtual_time
from tests.conformance.octt.whole_station import CARD, OTHER_CARD, Bench, bench

CABLE, SOCKET = 1, 2  # connector 1 has a fixed cable, connector 2 is a socket with a lock


def play(case: Callable[[Bench], Awaitable[None]], *, ocpp: str = "1.6", **more: Any) -> None:
    """Play a case at a station of one EVSE with two connectors."""

    async def whole() -> None:
        async with bench(ocpp=ocpp, connectors=2, fixed_cables=(CABLE,), **more) as station:
            if ocpp == "1.6":
                await station.booted(MeterValueSampleInterval=20, UnlockConnectorOnEVSideDisconnect=True)
            else:
                await station.csms.expect("BootNotification")
                await station.rest(5.0)
                station.csms.forget()
            await case(station)
            assert_exact(station)

    in_virtual_time(whole())


def assert_exact(station: Bench) -> None:
    """Every watt-hour that flowed at either connector is billed once; never was more than one of them live."""
    rows = station.csms.desk.ledger.transactions(IDENTITY)
    assert [row.transaction_id for row in rows if not row.ended] == []
    billed_wh = sum((row.stop_wh or 0) - (row.start_wh or 0) for row in rows)
    spans = sorted((each.closed_s, each.opened_s) for part in station.world.parts for each in part.energisings)
    counted_wh = sum(
        (each.opened_wh or 0) - each.closed_wh for part in station.world.parts for each in part.energisings
    )
    assert abs(billed_wh - counted_wh) <= len(rows)  # registers are whole
    for (_, opened_s), (closed_s, _) in itertools.pairwise(spans):
        assert opened_s is not None
        assert opened_s <= closed_s


def live(station: Bench) -> list[bool]:
    return [part.live for part in station.world.parts]


def offers(station: Bench) -> list[bool]:
    return [part.offer_a > 0.0 for part in station.world.parts]


def last(station: Bench) -> dict[int, str]:
    """Return the newest status of every connector."""
    calls = station.csms.calls("StatusNotification")
    return {each.payload["connectorId"]: each.payload.get("status", "") for each in calls}


async def charge(station: Bench, connector: int, card: str = CARD) -> None:
    """Plug in and tap; return when energy flows."""
    await station.plug(connector=connector)
    await station.tap(card)
    await station.until(lambda: live(station)[connector - 1])
    await station.rest(40.0)


async def finish(station: Bench, connector: int, card: str = CARD) -> None:
    """Tap and unplug."""
    await station.tap(card)
    await station.until(lambda: not live(station)[connector - 1])
    await station.rest(3.0)
    await station.unplug(connector=connector)
    await station.rest(5.0)


@pytest.mark.req("OCPP 1.6 §4.9; one EVSE with several connectors")
def test_both_connectors_charge_one_after_another_and_each_is_told_of() -> None:
    async def case(station: Bench) -> None:
        csms = station.csms
        await charge(station, CABLE)
        await csms.expect("StartTransaction", connectorId=1, idTag=CARD)
        await csms.status(1, "Charging")
        assert last(station)[2] == "Unavailable"
        await csms.status(2, "Unavailable", info="another connector of this EVSE is in use")
        assert [part.lock.locked for part in station.world.parts] == [False, False]
        await finish(station, CABLE)
        await csms.status(1, "Available")
        await csms.status(2, "Available")
        await charge(station, SOCKET, OTHER_CARD)
        await csms.expect("StartTransaction", connectorId=2, idTag=OTHER_CARD)
        await csms.status(2, "Charging")
        assert last(station)[1] == "Unavailable"
        assert station.evse(1, SOCKET).lock.locked
        await csms.expect("MeterValues", connectorId=2)
        await finish(station, SOCKET, OTHER_CARD)
        assert last(station) == {0: "Available", 1: "Available", 2: "Available"}

    play(case)


@pytest.mark.req("OCPP 1.6 §4.9; one EVSE with several connectors")
def test_a_car_that_is_plugged_in_during_a_charge_waits_without_an_offer_and_has_its_turn_afterwards() -> None:
    async def case(station: Bench) -> None:
        csms = station.csms
        await charge(station, CABLE)
        await station.plug(connector=SOCKET)
        await station.rest(60.0)
        assert (offers(station), live(station)) == ([True, False], [True, False])
        assert last(station) == {0: "Available", 1: "Charging", 2: "Unavailable"}
        await station.tap(OTHER_CARD)  # not the card of the transaction, and nobody else may begin
        await station.rest(20.0)
        assert live(station) == [True, False]
        csms.forget()
        await station.tap(CARD)
        await csms.status(1, "Finishing")
        await csms.status(2, "Preparing")
        await station.tap(OTHER_CARD)
        await csms.expect("StartTransaction", connectorId=2, idTag=OTHER_CARD)
        await csms.status(2, "Charging")
        assert last(station)[1] == "Finishing", "its cable is still in"
        await station.rest(60.0)
        await station.unplug(connector=CABLE)
        await station.rest(3.0)
        assert last(station)[1] == "Unavailable"
        await finish(station, SOCKET, OTHER_CARD)
        assert last(station) == {0: "Available", 1: "Available", 2: "Available"}

    play(case)


@pytest.mark.req("OCPP 2.0.1 E01.FR.14; OCPP 2.0.1 G01.FR.08")
def test_in_201_only_the_connector_in_use_is_told_of() -> None:
    async def case(station: Bench) -> None:
        csms = station.csms
        await charge(station, CABLE)
        first = await csms.expect("TransactionEvent", eventType="Started")
        assert first["evse"] == {"id": 1, "connectorId": 1}
        statuses = [each.payload for each in csms.calls("StatusNotification", since=csms.forgotten)]
        assert [(each["connectorId"], each["connectorStatus"]) for each in statuses] == [(1, "Occupied")]
        before = csms.now
        await station.plug(connector=SOCKET)
        await station.rest(30.0)
        assert csms.calls("StatusNotification", since=before) == []
        assert live(station) == [True, False]
        await station.tap(CARD)
        await station.rest(10.0)
        told = [each.payload for each in csms.calls("StatusNotification", since=before)]
        assert [(each["connectorId"], each["connectorStatus"]) for each in told] == [(2, "Occupied")]
        await station.unplug(connector=CABLE)
        await station.tap(OTHER_CARD)
        await station.until(lambda: live(station)[1])
        second = await csms.expect("TransactionEvent", eventType="Started", evse={"id": 1, "connectorId": 2})
        assert second["idToken"]["idToken"] == OTHER_CARD
        await station.rest(60.0)
        await finish(station, SOCKET, OTHER_CARD)
        told = [each.payload for each in csms.calls("StatusNotification", since=before)]
        newest = {each["connectorId"]: each["connectorStatus"] for each in told}
        assert newest == {1: "Available", 2: "Available"}

    play(case, ocpp="2.0.1")


@pytest.mark.req("OCPP 1.6 §5.11; one EVSE with several connectors")
def test_a_remote_start_names_the_connector_and_waits_for_a_car_there() -> None:
    async def case(station: Bench) -> None:
        csms = station.csms
        await csms.accepted("RemoteStartTransaction", idTag=CARD, connectorId=2)
        await csms.status(2, "Preparing")
        assert last(station)[1] == "Unavailable"
        await station.plug(connector=CABLE)
        await station.rest(10.0)
        assert offers(station) == [False, False], "it was for the other connector"
        await station.plug(connector=SOCKET)
        await csms.expect("StartTransaction", connectorId=2, idTag=CARD)
        await station.until(lambda: live(station)[1])
        assert await csms.call("RemoteStartTransaction", idTag=OTHER_CARD, connectorId=1) == {"status": "Rejected"}
        await station.rest(30.0)
        await finish(station, SOCKET)
        await station.unplug(connector=CABLE)

    play(case)


@pytest.mark.req("OCPP 1.6 §5.18; one EVSE with several connectors")
def test_an_unlock_is_of_one_connector_and_leaves_the_transaction_at_the_other_one_alone() -> None:
    async def case(station: Bench) -> None:
        csms = station.csms
        assert await csms.call("UnlockConnector", connectorId=1) == {"status": "NotSupported"}
        await charge(station, CABLE)
        await station.plug(connector=SOCKET)
        assert await csms.call("UnlockConnector", connectorId=2) == {"status": "Unlocked"}
        assert live(station) == [True, False]
        await finish(station, CABLE)
        await station.tap(OTHER_CARD)
        await station.until(lambda: live(station)[1])
        assert station.evse(1, SOCKET).lock.locked
        await station.rest(30.0)
        assert await csms.call("UnlockConnector", connectorId=2) == {"status": "Unlocked"}
        await csms.expect("StopTransaction", reason="UnlockCommand")
        assert not station.evse(1, SOCKET).lock.locked
        await station.unplug(connector=SOCKET)

    play(case)


@pytest.mark.req("OCPP 1.6 §4.9 F2, §5.14; one EVSE with several connectors")
def test_a_reset_leaves_the_turn_with_the_connector_whose_vehicle_has_not_left() -> None:
    async def case(station: Bench) -> None:
        csms = station.csms
        await charge(station, SOCKET)
        await station.tap(CARD)
        await csms.status(2, "Finishing")
        csms.forget()
        await csms.accepted("Reset", type="Soft")
        await csms.expect("BootNotification")
        await station.rest(5.0)
        told = [each.payload for each in csms.calls("StatusNotification", since=csms.forgotten)]
        assert [(each["connectorId"], each["status"]) for each in told] == [
            (0, "Available"),
            (1, "Unavailable"),
            (2, "Finishing"),
        ]
        await station.tap(CARD)
        await csms.expect("StartTransaction", connectorId=2)
        await finish(station, SOCKET)

    play(case)


@pytest.mark.req("OCPP 1.6 §5.2; one EVSE with several connectors")
def test_a_connector_that_was_made_inoperative_serves_nobody_and_its_sibling_does() -> None:
    async def case(station: Bench) -> None:
        csms = station.csms
        await csms.accepted("ChangeAvailability", connectorId=1, type="Inoperative")
        await csms.status(1, "Unavailable")
        await station.plug(connector=CABLE)
        await station.tap(CARD)
        await station.rest(10.0)
        assert offers(station) == [False, False]
        assert last(station)[1] == "Unavailable"
        assert await csms.call("RemoteStartTransaction", idTag=CARD, connectorId=1) == {"status": "Rejected"}
        await station.rest(90.0)
        csms.forget()
        await charge(station, SOCKET, OTHER_CARD)
        await csms.expect("StartTransaction", connectorId=2)
        await finish(station, SOCKET, OTHER_CARD)
        await csms.accepted("ChangeAvailability", connectorId=1, type="Operative")
        await csms.status(1, "Preparing")
        await station.unplug(connector=CABLE)

    play(case)


@pytest.mark.req("OCPP 1.6 §4.9; OCPP 1.6 §6.47")
def test_a_fault_is_told_of_its_own_connector_and_the_other_one_charges_on() -> None:
    async def case(station: Bench) -> None:
        csms = station.csms

        def trip(tripped: bool) -> Callable[[], None]:
            return lambda: setattr(station.evse(1, SOCKET), "rcd_tripped", tripped)

        await charge(station, CABLE)
        await station.do(trip(True))
        await csms.status(2, "Faulted", errorCode="GroundFailure")
        assert last(station)[1] == "Charging"
        assert live(station) == [True, False]
        await finish(station, CABLE)
        assert await csms.call("RemoteStartTransaction", idTag=CARD, connectorId=2) == {"status": "Rejected"}
        await charge(station, CABLE)
        await station.do(trip(False))
        await csms.status(2, "Unavailable", errorCode="NoError")
        await finish(station, CABLE)

    play(case)


@pytest.mark.req("OCPP 1.6 §4.9; OCPP 1.6 §6.47")
def test_a_welded_contactor_of_one_connector_keeps_the_other_one_open() -> None:
    async def case(station: Bench) -> None:
        csms = station.csms
        await charge(station, SOCKET)
        socket = station.evse(1, SOCKET)
        await station.do(lambda: socket.contactor.set_mode(ContactorMode.WELDED, station.now_s()))
        await station.tap(CARD)
        await csms.status(2, "Faulted", errorCode="PowerSwitchFailure")
        await station.rest(30.0)
        await station.unplug(connector=SOCKET)
        await csms.status(1, "Unavailable", info="connector 2: contactor welded")
        assert await csms.call("RemoteStartTransaction", idTag=CARD, connectorId=1) == {"status": "Rejected"}
        await station.plug(connector=CABLE)
        await station.tap(OTHER_CARD)
        await station.rest(30.0)
        assert not live(station)[0]
        assert offers(station) == [False, False]
        await station.do(lambda: socket.contactor.set_mode(ContactorMode.OK, station.now_s()))
        await csms.expect("StopTransaction")

    play(case, blameless=True)


@pytest.mark.req("OCPP 1.6 §5.13, §3.13.3; one EVSE with several connectors")
def test_a_default_profile_and_a_reservation_are_of_one_connector() -> None:
    async def case(station: Bench) -> None:
        csms = station.csms
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "startSchedule": csms.at(-10),
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}],
            },
        }
        await csms.accepted("SetChargingProfile", connectorId=2, csChargingProfiles=profile)
        await csms.accepted("ReserveNow", connectorId=1, expiryDate=csms.at(600), idTag=OTHER_CARD, reservationId=5)
        await csms.status(1, "Reserved")
        await csms.status(2, "Unavailable", info="another connector of this EVSE is reserved")
        await station.tap(OTHER_CARD)
        await station.plug(connector=CABLE)
        await csms.expect("StartTransaction", connectorId=1, reservationId=5)
        await station.until(lambda: live(station)[0])
        assert station.evse(1, CABLE).offer_a == pytest.approx(16.0, abs=0.1)
        await station.rest(30.0)
        await finish(station, CABLE, OTHER_CARD)
        await charge(station, SOCKET)
        assert station.evse(1, SOCKET).offer_a == pytest.approx(8.0, abs=0.1)
        for connector, limit in ((1, 16.0), (2, 8.0)):
            answer = await csms.call("GetCompositeSchedule", connectorId=connector, duration=60, chargingRateUnit="A")
            assert answer["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == limit
        await finish(station, SOCKET)

    play(case)


def test_a_killed_guard_and_a_killed_agent_go_on_at_the_connector_that_charged() -> None:
    async def case(station: Bench) -> None:
        await charge(station, SOCKET)
        await station.plug(connector=CABLE)
        station.kill_guard()
        await station.rest(2.0)
        station.world.step(station.now_s())
        assert live(station) == [False, False]
        await station.switch_off()
        station.switch_on()
        await station.until(lambda: live(station)[1])
        assert live(station) == [False, True]
        await station.rest(30.0)
        await finish(station, SOCKET)
        await station.unplug(connector=CABLE)
        assert len(station.csms.desk.ledger.transactions(IDENTITY)) == 1

    play(case)


def test_a_jammed_lock_of_the_socket_does_not_concern_the_cable() -> None:
    async def case(station: Bench) -> None:
        socket = station.evse(1, SOCKET)
        await station.do(lambda: socket.lock.set_mode(LockMode.JAMMED, station.now_s()))
        await station.plug(connector=SOCKET)
        await station.tap(CARD)
        await station.csms.status(2, "Faulted", errorCode="ConnectorLockFailure")
        assert live(station) == [False, False]
        await station.unplug(connector=SOCKET)
        await station.do(lambda: socket.lock.set_mode(LockMode.OK, station.now_s()))
        await station.rest(90.0)
        await charge(station, CABLE)
        await finish(station, CABLE)

    play(case)


def test_whoever_plugs_in_first_charges_first_where_no_card_is_needed() -> None:
    async def case(station: Bench) -> None:
        await station.plug(connector=SOCKET)
        await station.plug(connector=CABLE)
        await station.until(lambda: live(station)[1])
        await station.rest(30.0)
        assert live(station) == [False, True]
        await station.unplug(connector=SOCKET)
        await station.until(lambda: live(station)[0])
        await station.rest(30.0)
        await station.unplug(connector=CABLE)
        await station.rest(10.0)
        rows = station.csms.desk.ledger.transactions(IDENTITY)
        assert [row.connector_id for row in rows] == [2, 1]

    play(case, extra={"authorization": "required = false\n"})


@pytest.mark.req("OCPP 2.0.1 G03, G01, F05, F01; one EVSE with several connectors")
def test_in_201_a_connector_is_unlocked_made_inoperative_and_faulted_by_itself() -> None:
    async def case(station: Bench) -> None:
        csms = station.csms
        one, two = ({"id": 1, "connectorId": each} for each in (CABLE, SOCKET))
        assert (await csms.call("UnlockConnector", evseId=1, connectorId=3))["status"] == "UnknownConnector"
        await station.plug(connector=SOCKET)
        started = await csms.call(
            "RequestStartTransaction", evseId=1, remoteStartId=9, idToken={"idToken": CARD, "type": "ISO14443"}
        )
        assert started["status"] == "Accepted"
        await csms.expect("TransactionEvent", eventType="Started", evse=two)
        await station.until(lambda: live(station)[1])
        assert (await csms.call("UnlockConnector", evseId=1, connectorId=2))["status"] == "OngoingAuthorizedTransaction"
        await csms.accepted("ChangeAvailability", operationalStatus="Inoperative", evse=one)
        await csms.expect("StatusNotification", connectorId=1, connectorStatus="Unavailable")
        answer = await csms.call("ChangeAvailability", operationalStatus="Inoperative", evse=two)
        assert answer["status"] == "Scheduled"
        await station.rest(60.0)
        await finish(station, SOCKET)
        await csms.expect("TransactionEvent", eventType="Ended")
        await csms.expect("StatusNotification", connectorId=2, connectorStatus="Unavailable")
        await csms.accepted("ChangeAvailability", operationalStatus="Operative", evse=one)
        await csms.expect("StatusNotification", connectorId=1, connectorStatus="Available")
        await station.do(lambda: setattr(station.evse(1, CABLE), "rcd_tripped", True))
        await csms.expect("StatusNotification", connectorId=1, connectorStatus="Faulted")

    play(case, ocpp="2.0.1")
