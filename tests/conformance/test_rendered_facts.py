"""Facts as messages: every fact in every shape, held against the official schemas, and what each version must say."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.model.evse import Occupancy
from agent.model.facts import ChargingState, Fact, StopReason, Trigger
from agent.model.faults import Fault, FaultCode
from agent.model.ids import FREE_VEND_TOKEN, IdToken, IdTokenKind
from agent.model.journal import JournalRow
from agent.model.moment import Stamp
from agent.model.sample import Measurand, Phase, Sample, SampleContext, SampledValue
from agent.ocpp.dialect import Dialect, StationIdentity
from agent.ocpp.errors import LocalProtocolError
from tests.conformance.oracle import FEW, V16, V201
from tests.scenario.ocpp_desk import NOON_UTC_S, VERSIONS, dialect_of, view
from tests.scenario.ocpp_facts import TRANSACTION, ended, sample, started, updated

AT = Stamp(boot_id="b1", mono_s=100.0, utc_s=NOON_UTC_S)
both = pytest.mark.parametrize("version", VERSIONS)

STAMPS = st.builds(
    Stamp,
    boot_id=st.sampled_from(("b1", "b2")),
    mono_s=st.floats(0, 1e7),
    utc_s=st.none() | st.floats(1.6e9, 4e9),
)
VALUES = st.builds(
    SampledValue,
    measurand=st.sampled_from(Measurand),
    value=st.floats(-1e9, 1e9),
    phase=st.none() | st.sampled_from(Phase),
)
SAMPLES = st.lists(
    st.builds(
        Sample, at=STAMPS, context=st.sampled_from(SampleContext), values=st.lists(VALUES, max_size=3).map(tuple)
    ),
    max_size=3,
).map(tuple)
TOKENS = st.builds(IdToken, value=st.text(max_size=20), kind=st.sampled_from(IdTokenKind))
SHARED: dict[str, Any] = {
    "at": STAMPS,
    "trigger": st.sampled_from(Trigger),
    "samples": SAMPLES,
    "offline": st.booleans(),
}
FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(
        started,
        charging_state=st.sampled_from(ChargingState),
        token=TOKENS,
        meter_start_wh=st.none() | st.integers(0, 10**12),
        remote_start_id=st.none() | st.integers(0, 2**31 - 1),
        **SHARED,
    ),
    st.builds(updated, charging_state=st.sampled_from(ChargingState), token=st.none() | TOKENS, **SHARED),
    st.builds(
        ended,
        reason=st.sampled_from(StopReason),
        token=st.none() | TOKENS,
        meter_stop_wh=st.none() | st.integers(0, 10**12),
        meter_stop_at=st.none() | STAMPS,
        **SHARED,
    ),
)


def resolve(stamp: Stamp) -> float:
    return NOON_UTC_S + stamp.mono_s if stamp.utc_s is None else stamp.utc_s


def say(dialect: Dialect, row: JournalRow) -> tuple[str, dict[str, Any]]:
    message = dialect.render(row, resolve)
    assert message is not None
    payload: dict[str, Any] = msgspec.json.decode(dialect.encode(message))
    return message.action, payload


def row_of(fact: Fact, **changes: Any) -> JournalRow:
    return replace(JournalRow(seq=1, message_id="m", fact=fact, csms_id="7"), **changes)


def rendered(version: str, fact: Fact, **changes: Any) -> dict[str, Any]:
    return say(dialect_of(version), row_of(fact, **changes))[1]


@both
def test_every_fact_in_every_shape_is_a_valid_message_and_the_same_one_each_time(version: str) -> None:
    dialect = dialect_of(version)
    oracle = V16 if version == "1.6" else V201

    @FEW
    @given(fact=FACTS, utc_s=st.none() | st.floats(1.6e9, 4e9))
    def check(fact: Fact, utc_s: float | None) -> None:
        row = row_of(fact, utc_s=utc_s, csms_id=TRANSACTION if version == "2.0.1" else "7")
        message = dialect.render(row, resolve)
        if message is None:
            return
        action, payload = say(dialect, row)
        assert not oracle.check(action, "request", payload)
        assert say(dialect, row) == (action, payload)

    check()


@both
@pytest.mark.req("OCPP 1.6 §4.9; OCPP 2.0.1 G01")
@pytest.mark.parametrize("occupancy", Occupancy)
def test_every_state_with_every_fault_has_a_valid_status(version: str, occupancy: Occupancy) -> None:
    dialect = dialect_of(version)
    oracle = V16 if version == "1.6" else V201
    for code, blocking, evse_id in itertools.product(FaultCode, (True, False), (1, None)):
        fault = Fault(code=code, evse_id=evse_id, blocking=blocking, text="x" * 80)
        views = (view(1, occupancy, faults=(fault,), side_info="y" * 80), view(2))
        for place, text in dialect.statuses(views, True).items():
            payload = msgspec.json.decode(dialect.encode(dialect.status(place, views, True, NOON_UTC_S)))
            assert not oracle.check("StatusNotification", "request", payload)
            assert text.split("|")[0] in payload.values()


@both
def test_a_boot_with_everything_and_one_with_the_least_are_valid(version: str) -> None:
    oracle = V16 if version == "1.6" else V201
    full = StationIdentity(
        vendor="v" * 20,
        model="m" * 20,
        serial_number="s" * 25,
        firmware_version="f" * 50,
        iccid="i" * 20,
        imsi="j" * 20,
        meter_type="t" * 25,
        meter_serial_number="n" * 25,
    )
    dialect = dialect_of(version)
    for identity in (full, StationIdentity(vendor="v", model="m")):
        for reason in ("power_up", "watchdog", "something new"):
            payload = msgspec.json.decode(dialect.encode(dialect.boot(identity, reason)))
            assert not oracle.check("BootNotification", "request", payload)


@pytest.mark.req("OCPP 1.6 errata 3.46")
@both
def test_triggered_meter_values_are_valid(version: str) -> None:
    oracle = V16 if version == "1.6" else V201
    dialect = dialect_of(version)
    running = view(2, Occupancy.CHARGING, transaction_id=TRANSACTION, csms_id="7")
    for each in (view(2), running):
        message = dialect.meter_values(each, sample(AT, SampleContext.TRIGGER), resolve)
        payload = msgspec.json.decode(dialect.encode(message))
        assert not oracle.check("MeterValues", "request", payload)
        assert payload.get("connectorId", payload.get("evseId")) == 2
        assert ("transactionId" in payload) == (version == "1.6" and each is running)


@both
def test_samples_without_a_time_keep_their_distance_to_the_fact(version: str) -> None:
    before = Stamp(boot_id="b1", mono_s=90.0)
    fact = updated(Stamp(boot_id="b1", mono_s=100.0), samples=(sample(before),))
    payload = rendered(version, fact, utc_s=NOON_UTC_S)
    assert payload["meterValue"][0]["timestamp"] == "2026-11-20T11:59:50.000Z"


# ---- 1.6 -------------------------------------------------------------------------------------------------------------


@pytest.mark.req("OCPP 1.6 §4.8")
def test_a_start_in_1_6_names_the_running_connector_number_and_whole_watt_hours() -> None:
    assert rendered("1.6", started(AT, reservation_id=3)) == {
        "connectorId": 2,
        "idTag": "04A1B2C3",
        "meterStart": 4700,
        "timestamp": "2026-11-20T12:00:00.000Z",
        "reservationId": 3,
    }


@pytest.mark.req("OCPP 1.6 §4.7, §3.16.3, errata 3.86")
def test_samples_in_1_6_are_text_with_measurand_context_and_unit() -> None:
    values = rendered("1.6", updated(AT))["meterValue"][0]["sampledValue"]
    assert [(each["value"], each["measurand"], each.get("phase"), each.get("unit")) for each in values] == [
        ("4711", "Energy.Active.Import.Register", None, "Wh"),
        ("3680.25", "Power.Active.Import", None, "W"),
        ("0.3", "Current.Import", "L1", "A"),
        ("16", "Current.Offered", None, "A"),
        ("229.8", "Voltage", "L1-N", "V"),
        ("49.98", "Frequency", None, None),
    ]
    assert {each["context"] for each in values} == {"Sample.Periodic"}


@pytest.mark.req("OCPP-J 1.6 errata 2.1, 2.4, 2.6")
@pytest.mark.req("OCPP 1.6 §4.10")
def test_a_stop_in_1_6_always_gives_its_reason_and_data_only_where_there_is_some() -> None:
    stop = rendered("1.6", ended(AT, token=None))
    assert (stop["reason"], "idTag" in stop, "transactionData" in stop) == ("Local", False, False)
    stop = rendered("1.6", ended(AT, samples=(sample(AT, SampleContext.TRANSACTION_END),)))
    assert stop["transactionData"][0]["sampledValue"][0]["context"] == "Transaction.End"


@pytest.mark.req("OCPP 1.6 errata 3.18")
@pytest.mark.parametrize("row", [{"start_lost": True}, {"csms_id": None}])
def test_a_transaction_that_the_csms_never_named_is_minus_one(row: dict[str, Any]) -> None:
    assert rendered("1.6", ended(AT), **row)["transactionId"] == -1


def test_a_transaction_named_in_another_version_cannot_be_told_in_1_6() -> None:
    with pytest.raises(LocalProtocolError, match="not a number"):
        rendered("1.6", ended(AT), csms_id=TRANSACTION)


def test_free_vend_has_a_tag_of_its_own_in_1_6() -> None:
    assert rendered("1.6", started(AT, token=FREE_VEND_TOKEN))["idTag"] == "FREEVEND"


@pytest.mark.req("OCPP 1.6 §4.9")
@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({}, "Available", "NoError"),
        ({"occupancy": Occupancy.PREPARING}, "Preparing", "NoError"),
        ({"occupancy": Occupancy.CHARGING, "transaction_id": "t"}, "Charging", "NoError"),
        ({"occupancy": Occupancy.SUSPENDED_EV, "transaction_id": "t"}, "SuspendedEV", "NoError"),
        ({"occupancy": Occupancy.SUSPENDED_EVSE, "transaction_id": "t"}, "SuspendedEVSE", "NoError"),
        ({"occupancy": Occupancy.FINISHING}, "Finishing", "NoError"),
        ({"operative": False}, "Unavailable", "NoError"),
        ({"connector_operative": {1: False}}, "Unavailable", "NoError"),
        ({"operative": False, "occupancy": Occupancy.CHARGING, "transaction_id": "t"}, "Charging", "NoError"),
        ({"faults": (Fault(code=FaultCode.CONTACTOR_WELDED, evse_id=1),)}, "Faulted", "PowerSwitchFailure"),
        ({"faults": (Fault(code=FaultCode.PILOT_ERROR, evse_id=1),)}, "Faulted", "OtherError"),
        (
            {
                "occupancy": Occupancy.PREPARING,
                "faults": (Fault(code=FaultCode.PILOT_ERROR, evse_id=1, blocking=False),),
            },
            "Preparing",
            "EVCommunicationError",
        ),
        (
            {
                "occupancy": Occupancy.CHARGING,
                "transaction_id": "t",
                "faults": (Fault(code=FaultCode.METER_SILENT, evse_id=1, blocking=False),),
            },
            "Charging",
            "PowerMeterFailure",
        ),
    ],
)
def test_the_status_of_a_connector_in_1_6(changes: dict[str, Any], status: str, error: str) -> None:
    dialect = dialect_of("1.6")
    payload = msgspec.json.decode(dialect.encode(dialect.status((1, 1), (view(1, **changes), view(2)), True, None)))
    assert (payload["status"], payload["errorCode"]) == (status, error)
    assert ("vendorId" in payload) == ("vendorErrorCode" in payload) == ("faults" in changes)


@pytest.mark.req("OCPP 1.6 §4.9")
def test_connector_0_is_the_station_and_does_not_mirror_a_connectors_fault() -> None:
    dialect = dialect_of("1.6")
    welded = view(1, faults=(Fault(code=FaultCode.CONTACTOR_WELDED, evse_id=1),))
    stopped = view(1, faults=(Fault(code=FaultCode.EMERGENCY_STOP),))
    for views, operative, status in (
        ((view(1), view(2)), True, "Available"),
        ((view(1), view(2)), False, "Unavailable"),
        ((welded, view(2)), True, "Available"),
        ((stopped, view(2)), True, "Faulted"),
    ):
        assert dialect.statuses(views, operative)[0, 0].startswith(status)


# ---- 2.0.1 -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("OCPP 2.0.1 E01, E02, E03")
def test_a_started_event_names_evse_and_token_and_carries_the_register() -> None:
    payload = rendered("2.0.1", started(AT, remote_start_id=9, trigger=Trigger.REMOTE_START, offline=True))
    value = payload.pop("meterValue")[0]["sampledValue"][0]
    assert payload == {
        "eventType": "Started",
        "timestamp": "2026-11-20T12:00:00.000Z",
        "triggerReason": "RemoteStart",
        "seqNo": 0,
        "transactionInfo": {"transactionId": TRANSACTION, "chargingState": "EVConnected", "remoteStartId": 9},
        "offline": True,
        "evse": {"id": 2, "connectorId": 1},
        "idToken": {"idToken": "04A1B2C3", "type": "Central"},
    }
    assert (value["value"], value["context"]) == (4700, "Transaction.Begin")


def test_an_updated_event_names_neither_evse_nor_token_again() -> None:
    payload = rendered("2.0.1", updated(AT))
    assert "evse" not in payload
    assert "idToken" not in payload
    assert "offline" not in payload
    assert payload["triggerReason"] == "MeterValuePeriodic"


@pytest.mark.req("OCPP 2.0.1 E06.FR.08, J02")
def test_an_ended_event_gives_reason_stopper_and_final_register_once() -> None:
    end = Stamp(boot_id="b1", mono_s=99.0, utc_s=NOON_UTC_S - 1)
    payload = rendered("2.0.1", ended(AT, meter_stop_at=end))
    assert payload["transactionInfo"] == {"transactionId": TRANSACTION, "stoppedReason": "Local"}
    assert payload["idToken"]["idToken"] == "04A1B2C3"
    assert payload["meterValue"][0]["timestamp"] == "2026-11-20T11:59:59.000Z"
    payload = rendered("2.0.1", ended(AT, samples=(sample(AT, SampleContext.TRANSACTION_END),)))
    registers = [
        each
        for value in payload["meterValue"]
        for each in value["sampledValue"]
        if each["measurand"] == "Energy.Active.Import.Register"
    ]
    assert len(registers) == 1


def test_without_a_meter_no_register_is_invented() -> None:
    assert "meterValue" not in rendered("2.0.1", started(AT, meter_start_wh=None))


@pytest.mark.req("OCPP 2.0.1 E09")
def test_unplugging_is_a_lost_communication_with_the_ev() -> None:
    fact = ended(AT, trigger=Trigger.EV_DEPARTED, reason=StopReason.EV_DISCONNECTED, token=None)
    payload = rendered("2.0.1", fact)
    assert payload["triggerReason"] == "EVCommunicationLost"
    assert payload["transactionInfo"]["stoppedReason"] == "EVDisconnected"


@pytest.mark.req("OCPP 2.0.1 G01")
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "Available"),
        ({"occupancy": Occupancy.PREPARING, "plugged": False}, "Available"),
        ({"occupancy": Occupancy.PREPARING, "plugged": True}, "Occupied"),
        ({"occupancy": Occupancy.FINISHING, "plugged": None}, "Occupied"),
        ({"operative": False}, "Unavailable"),
        ({"operative": False, "transaction_id": "t"}, "Occupied"),
        ({"faults": (Fault(code=FaultCode.RCD_TRIPPED, evse_id=1),)}, "Faulted"),
    ],
)
def test_the_status_of_a_connector_in_2_0_1(changes: dict[str, Any], status: str) -> None:
    dialect = dialect_of("2.0.1")
    views = (view(1, **changes), view(2))
    assert dialect.statuses(views, True) == {(1, 1): status, (2, 1): "Available"}
    assert dialect.live_variables(views, True, None)["connector#1.1.availabilitystate"] == status
    with pytest.raises(LocalProtocolError, match="time of day"):
        dialect.status((1, 1), views, True, None)
