"""The status table of OCPP 1.6 §4.9 (A1-I9), both disconnect keys, connector 0, several connectors, error codes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from agent.charging.session import SessionState
from agent.model.faults import Fault, FaultCode
from agent.model.inputs import FaultChanged
from agent.model.station import EvseLayout, OnPowerLoss
from agent.ocpp.v16.enums import ChargePointErrorCode, ChargePointStatus
from tests.scenario.charging_world import ALICE, BOB, INVALID
from tests.scenario.core16 import Core16, layout
from tests.scenario.ocpp_desk import dialect_of, view

TABLE = {
    "Available": {1: None, 2: "Preparing", 3: "Charging", 4: "SuspendedEV", 5: "SuspendedEVSE", 7: "Reserved",
                  8: "Unavailable", 9: "Faulted"},
    "Preparing": {1: "Available", 3: "Charging", 4: "SuspendedEV", 5: "SuspendedEVSE", 6: "Finishing", 9: "Faulted"},
    "Charging": {1: "Available", 4: "SuspendedEV", 5: "SuspendedEVSE", 6: "Finishing", 8: "Unavailable", 9: "Faulted"},
    "SuspendedEV": {1: "Available", 3: "Charging", 5: "SuspendedEVSE", 6: "Finishing", 8: "Unavailable", 9: "Faulted"},
    "SuspendedEVSE": {1: "Available", 3: "Charging", 4: "SuspendedEV", 6: "Finishing", 8: "Unavailable", 9: "Faulted"},
    "Finishing": {1: "Available", 2: "Preparing", 8: "Unavailable", 9: "Faulted"},
    "Reserved": {1: "Available", 2: "Preparing", 8: "Unavailable", 9: "Faulted"},
    "Unavailable": {1: "Available", 2: "Preparing", 3: "Charging", 4: "SuspendedEV", 5: "SuspendedEVSE", 9: "Faulted"},
    "Faulted": {1: "Available", 2: "Preparing", 3: "Charging", 4: "SuspendedEV", 5: "SuspendedEVSE", 6: "Finishing",
                7: "Reserved", 8: "Unavailable"},
}  # fmt: skip
ALLOWED = {(before, after) for before, row in TABLE.items() for after in row.values() if after is not None}


def available() -> Core16:
    world = Core16(ConnectionTimeOut=20)
    world.run(0.5)
    return world


def preparing() -> Core16:
    world = available()
    world.plug()
    world.run(1)
    return world


def charging() -> Core16:
    world = preparing()
    world.tap()
    world.until(lambda: world.status()["status"] == "Charging")
    return world


def suspended_ev() -> Core16:
    world = charging()
    world.bays[1].ready = False
    world.until(lambda: world.status()["status"] == "SuspendedEV")
    return world


def suspended_evse() -> Core16:
    world = charging()
    limit(world, 0.0)
    world.until(lambda: world.status()["status"] == "SuspendedEVSE")
    return world


def finishing() -> Core16:
    world = charging()
    world.tap()
    world.until(lambda: bool(world.ended))
    world.run(1)
    return world


def reserved() -> Core16:
    world = available()
    reserve(world)
    world.run(0.5)
    return world


def unavailable() -> Core16:
    world = available()
    out_of_service(world)
    return world


def limit(world: Core16, limit_a: float) -> None:
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}]},
    }
    assert world.ask("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}) == {"status": "Accepted"}


def reserve(world: Core16) -> None:
    utc_s = world.stamp().utc_s
    assert utc_s is not None
    from agent.ocpp.wire_time import format_utc

    payload = {"connectorId": 1, "expiryDate": format_utc(utc_s + 30), "idTag": ALICE.value, "reservationId": 1}
    assert world.ask("ReserveNow", payload) == {"status": "Accepted"}


def out_of_service(world: Core16, inoperative: bool = True) -> None:
    kind = "Inoperative" if inoperative else "Operative"
    world.ask("ChangeAvailability", {"connectorId": 1, "type": kind})
    world.run(0.5)


def into_service(world: Core16) -> None:
    out_of_service(world, False)


def faulted(build: Callable[[], Core16], code: FaultCode = FaultCode.POWER_PATH_LOST) -> Core16:
    world = build()
    world.fault(code)
    world.run(0.5)
    world.note_statuses()
    return world


def heal(world: Core16) -> None:
    world.bays[1].faults.clear()


def waits(world: Core16) -> None:
    """Nobody does anything: time alone."""


def stops_energy(world: Core16) -> None:
    limit(world, 0.0)


def gives_energy(world: Core16) -> None:
    limit(world, 16.0)


def pauses(world: Core16) -> None:
    world.bays[1].ready = False


def resumes(world: Core16) -> None:
    world.bays[1].ready = True


def stops_then_out(world: Core16) -> None:
    out_of_service(world)
    world.tap()
    world.until(lambda: bool(world.ended))
    world.unplug()


def unplugs(world: Core16) -> None:
    world.unplug()


def taps(world: Core16) -> None:
    world.tap()


def faults(world: Core16) -> None:
    world.fault(FaultCode.POWER_PATH_LOST)


def plugs_a_car_that_waits(world: Core16) -> None:
    world.plug(ready=False)
    world.tap()


def plugs_where_nothing_may_flow(world: Core16) -> None:
    limit(world, 0.0)
    world.plug()
    world.tap()


def plugs(world: Core16) -> None:
    world.plug()


Verb = Callable[[Core16], None]
MOVES: dict[str, tuple[Callable[[], Core16], Verb, str]] = {
    "A2": (available, plugs, "Preparing"),
    "A7": (available, reserve, "Reserved"),
    "A8": (available, out_of_service, "Unavailable"),
    "A9": (available, faults, "Faulted"),
    "B1": (preparing, unplugs, "Available"),
    "B3": (preparing, taps, "Charging"),
    "B4": (preparing, lambda world: (pauses(world), taps(world))[0], "SuspendedEV"),
    "B5": (preparing, lambda world: (stops_energy(world), taps(world))[0], "SuspendedEVSE"),
    "B6": (preparing, waits, "Finishing"),
    "B9": (preparing, faults, "Faulted"),
    "C4": (charging, pauses, "SuspendedEV"),
    "C5": (charging, stops_energy, "SuspendedEVSE"),
    "C6": (charging, taps, "Finishing"),
    "C9": (charging, faults, "Faulted"),
    "D3": (suspended_ev, resumes, "Charging"),
    "D5": (suspended_ev, stops_energy, "SuspendedEVSE"),
    "D6": (suspended_ev, taps, "Finishing"),
    "D9": (suspended_ev, faults, "Faulted"),
    "E3": (suspended_evse, gives_energy, "Charging"),
    "E4": (suspended_evse, lambda world: (pauses(world), gives_energy(world))[0], "SuspendedEV"),
    "E6": (suspended_evse, taps, "Finishing"),
    "E9": (suspended_evse, faults, "Faulted"),
    "F1": (finishing, unplugs, "Available"),
    "F2": (finishing, taps, "Preparing"),
    "F8": (finishing, out_of_service, "Unavailable"),
    "F9": (finishing, faults, "Faulted"),
    "G1": (reserved, waits, "Available"),
    "G2": (reserved, taps, "Preparing"),
    "G8": (reserved, out_of_service, "Unavailable"),
    "G9": (reserved, faults, "Faulted"),
    "H1": (unavailable, into_service, "Available"),
    "H2": (unavailable, lambda world: (world.plug(), world.run(1), into_service(world))[0], "Preparing"),
    "H9": (unavailable, faults, "Faulted"),
    "I1": (lambda: faulted(available), heal, "Available"),
    "I2": (lambda: faulted(preparing), heal, "Preparing"),
    "I3": (lambda: faulted(charging), heal, "Charging"),
    "I4": (lambda: faulted(suspended_ev), heal, "SuspendedEV"),
    "I5": (lambda: faulted(suspended_evse), heal, "SuspendedEVSE"),
    "I6": (lambda: faulted(finishing), heal, "Finishing"),
    "I8": (lambda: faulted(unavailable), heal, "Unavailable"),
}
THROUGH_SUSPENDED_EVSE = ("I3", "I4")  # the fault is gone and the contactor is still open: no energy yet
NOT_OURS = {
    "A3": "needs a station without any means of authorization: free vend passes through Preparing",
    "A4": "the same",
    "A5": "the same",
    "C1": "the end waits for the register after the opening, which is Finishing",
    "D1": "the same",
    "E1": "the same",
    "C8": "the same: Finishing, then Unavailable (test_a_scheduled_unavailability_comes_after_the_end)",
    "D8": "the same",
    "E8": "the same",
    "H3": "a transaction is never Unavailable: the change is put off until it is over",
    "H4": "the same",
    "H5": "the same",
    "I7": "a fault ends a reservation (OCPP 1.6 §5.13)",
}


@pytest.mark.req("OCPP 1.6 §4.9")
def test_every_move_of_the_table_is_shown_or_has_its_reason() -> None:
    letters = dict(zip("ABCDEFGHI", TABLE, strict=True))
    cells = {f"{letter}{number}" for letter, name in letters.items() for number, to in TABLE[name].items() if to}
    assert cells == MOVES.keys() | NOT_OURS.keys()
    assert not MOVES.keys() & NOT_OURS.keys()


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.req("OCPP 1.6 §4.9, table of status transitions A1-I9")
def test_the_status_moves_as_the_table_says(name: str) -> None:
    build, act, after = MOVES[name]
    world = build()
    world.note_statuses()
    before = world.seen_statuses[1][-1]
    act(world)
    world.until(lambda: len(world.seen_statuses[1]) > 1 and world.seen_statuses[1][-1] == after, 60)
    moves = list(zip(world.seen_statuses[1], world.seen_statuses[1][1:], strict=False))
    if name in THROUGH_SUSPENDED_EVSE:
        assert moves[-2:] == [(before, "SuspendedEVSE"), ("SuspendedEVSE", after)]
    else:
        assert moves[-1] == (before, after)
    assert set(moves) <= ALLOWED, "a move that the table does not have"


@pytest.mark.req("OCPP 1.6 §4.9 C8, §5.2")
@pytest.mark.octt("TC_034_CS")
def test_a_scheduled_unavailability_comes_after_the_end_and_survives_a_restart() -> None:
    world = charging()
    assert world.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}) == {"status": "Scheduled"}
    world.tap()
    world.until(lambda: world.status()["status"] == "Unavailable")
    assert world.seen_statuses[1][-2:] == ["Finishing", "Unavailable"]
    world.power_cycle()
    world.run(1)
    assert world.status()["status"] == "Unavailable"
    assert world.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}) == {"status": "Accepted"}


@pytest.mark.req("OCPP 1.6 §5.2")
def test_connector_0_with_a_mix_is_scheduled_and_changes_the_idle_ones_at_once() -> None:
    world = Core16(layout(EvseLayout(evse_id=1), EvseLayout(evse_id=2)))
    world.charge(ALICE)
    assert world.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}) == {"status": "Scheduled"}
    world.run(1)
    assert [world.status(each)["status"] for each in (1, 2)] == ["Charging", "Unavailable"]
    world.tap(ALICE)
    world.until(lambda: world.status(0)["status"] == "Unavailable")
    assert world.ask("ChangeAvailability", {"connectorId": 0, "type": "Operative"}) == {"status": "Accepted"}
    assert world.ask("ChangeAvailability", {"connectorId": 3, "type": "Operative"}) == {"status": "Rejected"}


@pytest.mark.req("OCPP 1.6 §4.9: the info of a status is about that status")
def test_a_connector_that_was_closed_is_not_unavailable_for_want_of_a_card() -> None:
    world = Core16(ConnectionTimeOut=10)
    world.plug()
    world.run(12)
    assert world.status()["info"] == "not authorised in time"
    world.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    world.run(1)
    assert world.status()["status"] == "Unavailable"
    assert "info" not in world.status()


@pytest.mark.req("OCPP 1.6 §5.2, §6.9: connectorId 0 is the charge point and all its connectors")
def test_connector_0_made_operative_takes_every_connector_along() -> None:
    world = Core16(layout(EvseLayout(evse_id=1), EvseLayout(evse_id=2)))
    world.ask("ChangeAvailability", {"connectorId": 2, "type": "Inoperative"})
    world.ask("ChangeAvailability", {"connectorId": 0, "type": "Operative"})
    world.run(1)
    assert [world.status(each)["status"] for each in (0, 1, 2)] == ["Available"] * 3


@pytest.mark.req("OCPP 1.6 §5.2, §4.9 H1: an accepted change is told when it happened")
def test_one_connector_made_operative_is_so_although_all_were_closed_and_stays_so_over_a_power_cut() -> None:
    world = Core16(layout(EvseLayout(evse_id=1), EvseLayout(evse_id=2)))
    world.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
    assert world.ask("ChangeAvailability", {"connectorId": 1, "type": "Operative"}) == {"status": "Accepted"}
    world.run(1)
    assert [world.status(each)["status"] for each in (0, 1, 2)] == ["Available", "Available", "Unavailable"]
    world.power_cycle()
    world.run(1)
    assert [world.status(each)["status"] for each in (0, 1, 2)] == ["Available", "Available", "Unavailable"]


@pytest.mark.req("OCPP 1.6 §4.9, ConnectorId 0")
def test_connector_0_knows_three_statuses_and_is_independent_of_the_others() -> None:
    world = charging()
    assert world.status(0)["status"] == "Available"
    world.fault(FaultCode.RCD_TRIPPED)
    world.run(1)
    assert (world.status(0)["status"], world.status(1)["status"]) == ("Available", "Faulted")
    heal(world)
    world.send(FaultChanged(code=FaultCode.STORE_FAILED, raised=True, blocking=True))
    assert world.status(0)["status"] == "Faulted"
    world.send(FaultChanged(code=FaultCode.STORE_FAILED, raised=False))
    world.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
    world.tap()
    world.until(lambda: world.status(0)["status"] == "Unavailable")
    assert set(world.seen_statuses[0]) <= {"Available", "Unavailable", "Faulted"}


@pytest.mark.req("OCPP 1.6 §4.9 E3")
@pytest.mark.octt("TC_032_2_CS")
def test_a_transaction_that_is_resumed_after_a_power_cut_was_never_preparing() -> None:
    world = Core16(replace(layout(), on_power_loss=OnPowerLoss.RESUME))
    world.charge()
    world.run(70)
    world.power_cut()
    world.seen_statuses.clear()
    world.start_agent()
    world.note_statuses()
    world.until(world.closed)
    world.run(2)
    assert set(world.seen_statuses[1]) <= {"Faulted", "SuspendedEVSE", "Charging"}
    assert world.seen_statuses[1][-1] == "Charging"


# Both disconnect keys


@pytest.mark.req("OCPP 1.6 §4.10, §9.1.29, §9.1.31, errata 3.84")
@pytest.mark.octt("TC_005_1_CS", "TC_005_2_CS", "TC_005_3_CS")
@pytest.mark.parametrize(
    ("stops", "unlocks", "status", "locked"),
    [
        (True, True, "Available", False),
        (True, False, "Finishing", True),
        (False, False, "SuspendedEV", True),
        (False, True, "SuspendedEV", True),  # the transaction that goes on wins over the unlocking
    ],
)
def test_what_unplugging_at_the_vehicle_does(stops: bool, unlocks: bool, status: str, locked: bool) -> None:
    world = charging()
    world.configure(StopTransactionOnEVSideDisconnect=stops, UnlockConnectorOnEVSideDisconnect=unlocks)
    world.run(1)
    world.unplug()
    world.run(10)
    assert bool(world.ended) is stops
    assert world.status()["status"] == status
    assert world.bays[1].locked is locked
    if stops:
        [stop] = world.messages("StopTransaction")
        assert stop.payload["reason"] == "EVDisconnected"
        assert "idTag" not in stop.payload
        assert "Finishing" in world.seen_statuses[1]
    if status != "Available":
        assert world.status()["info"] == "EV side disconnected"
        world.tap(ALICE)
        world.until(lambda: not world.bays[1].locked)
        world.until(lambda: world.status()["status"] == "Available")
        assert len(world.started) == 1


@pytest.mark.req("OCPP 1.6 §3.5.4, errata 3.5, 3.17")
@pytest.mark.req("OCPP 1.6 errata 3.17")
def test_a_locked_cable_is_let_go_by_a_card_of_the_same_parent_and_by_nobody_else() -> None:
    world = Core16(StopTransactionOnEVSideDisconnect=True, UnlockConnectorOnEVSideDisconnect=False)
    family = {"status": "Accepted", "parentIdTag": "family"}
    payload = {"listVersion": 1, "updateType": "Full"}
    tags = [{"idTag": each.value, "idTagInfo": family} for each in (ALICE, BOB)]
    world.ask("SendLocalList", payload | {"localAuthorizationList": tags})
    world.configure(LocalPreAuthorize=True)
    world.charge(ALICE)
    world.unplug()
    world.until(lambda: bool(world.ended))
    world.csms["STRANGER"] = INVALID
    world.run(2)
    assert world.bays[1].locked
    world.tap(type(ALICE)(value="STRANGER"))
    world.run(2)
    assert world.bays[1].locked
    world.tap(BOB)
    world.until(lambda: not world.bays[1].locked)
    assert len(world.started) == 1


@pytest.mark.req("OCPP 1.6 §4.9, §4.10, errata 3.84")
@pytest.mark.req("OCPP 1.6 §9.1.31, fixed cable")
def test_a_fixed_cable_cannot_be_unlocked_and_the_key_says_so() -> None:
    world = Core16(layout(EvseLayout(evse_id=1, lockable=False)))
    [row] = world.ask("GetConfiguration", {"key": ["UnlockConnectorOnEVSideDisconnect"]})["configurationKey"]
    assert (row["value"], row["readonly"]) == ("false", True)
    change = {"key": "UnlockConnectorOnEVSideDisconnect", "value": "true"}
    assert world.ask("ChangeConfiguration", change) == {"status": "Rejected"}


# One EVSE with several connectors


@pytest.mark.req("OCPP 1.6 §4.9; one EVSE with several connectors")
def test_of_several_connectors_of_one_evse_the_others_are_unavailable_while_one_is_in_use() -> None:
    world = Core16(layout(EvseLayout(evse_id=1, connector_ids=(1, 2)), EvseLayout(evse_id=2)))
    world.run(0.5)
    assert [world.status(each)["status"] for each in (1, 2, 3)] == ["Available"] * 3
    assert world.ask("RemoteStartTransaction", {"idTag": "A", "connectorId": 2}) == {"status": "Accepted"}
    world.run(0.5)
    assert [world.status(each)["status"] for each in (1, 2, 3)] == ["Unavailable", "Preparing", "Available"]
    world.plug(1)
    world.until(world.closed)
    assert world.messages("StartTransaction")[0].payload["connectorId"] == 2
    assert world.ask("RemoteStartTransaction", {"idTag": "B", "connectorId": 1}) == {"status": "Rejected"}
    world.unplug(1)
    world.until(lambda: world.status(1)["status"] == "Available")
    world.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    world.charge(ALICE, 1)
    assert world.messages("StartTransaction")[1].payload["connectorId"] == 2, "the first one is out of service"
    assert world.key("NumberOfConnectors") == "3"


# Error codes


@pytest.mark.req("OCPP 1.6 §4.9; OCPP 1.6 §6.47")
@pytest.mark.req("OCPP 1.6 §7.6")
@pytest.mark.parametrize(
    ("code", "error"),
    [
        (FaultCode.LOCK_FAILED, "ConnectorLockFailure"),
        (FaultCode.RCD_TRIPPED, "GroundFailure"),
        (FaultCode.GROUND_MISSING, "GroundFailure"),
        (FaultCode.OVER_TEMPERATURE, "HighTemperature"),
        (FaultCode.OVER_CURRENT, "OverCurrentFailure"),
        (FaultCode.METER_SILENT, "PowerMeterFailure"),
        (FaultCode.CONTACTOR_WELDED, "PowerSwitchFailure"),
        (FaultCode.CONTACTOR_STUCK_OPEN, "PowerSwitchFailure"),
        (FaultCode.READER_LOST, "ReaderFailure"),
        (FaultCode.WEAK_SIGNAL, "WeakSignal"),
        (FaultCode.GUARD_LOST, "InternalError"),
        (FaultCode.STORE_FAILED, "InternalError"),
        (FaultCode.LOCAL_LIST_CONFLICT, "LocalListConflict"),
        (FaultCode.EMERGENCY_STOP, "OtherError"),
        (FaultCode.SETTINGS_LAST_GOOD, "OtherError"),
    ],
)
def test_every_fault_has_its_error_code_and_its_own_word_for_the_vendor(code: FaultCode, error: str) -> None:
    import msgspec

    dialect = dialect_of("1.6")
    for blocking in (True, False):
        fault = Fault(code=code, evse_id=1, blocking=blocking, text="what happened " * 9)
        views = (view(1, faults=(fault,)), view(2))
        payload = msgspec.json.decode(dialect.encode(dialect.status((1, 1), views, True, None)))
        assert payload["errorCode"] == error
        assert payload["status"] == ("Faulted" if blocking else "Available")
        assert payload["vendorErrorCode"] == code.value
        assert payload["vendorId"]
        assert len(payload["info"]) <= 50


def test_the_info_says_what_happened_and_not_on_which_device_file() -> None:
    import msgspec

    dialect = dialect_of("1.6")
    text = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10KZP3D-if00-port0: no answer to function 16 at 1000 of unit 1"
    views = (view(1, faults=(Fault(code=FaultCode.POWER_PATH_LOST, evse_id=1, blocking=True, text=text),)), view(2))
    payload = msgspec.json.decode(dialect.encode(dialect.status((1, 1), views, True, None)))
    assert payload["info"] == "no answer to function 16 at 1000 of unit 1"


@pytest.mark.req("OCPP 1.6 §4.9, EVCommunicationError")
def test_a_communication_error_of_the_vehicle_goes_only_with_the_statuses_that_allow_it() -> None:
    world = faulted(preparing, FaultCode.DIODE_MISSING)
    assert (world.status()["status"], world.status()["errorCode"]) == ("Faulted", "OtherError")
    assert {each.value for each in ChargePointErrorCode} > {"EVCommunicationError"}


@pytest.mark.req("OCPP 1.6 §4.9")
def test_every_session_state_has_a_status() -> None:
    assert {each.value for each in ChargePointStatus} == set(TABLE)
    assert len(SessionState) == 9
