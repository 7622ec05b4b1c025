"""Payloads: what is forgiven, how a fault is named, and what we refuse to send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ocpp.codec import Payload, members_of
from agent.ocpp.errors import LocalProtocolError, RemoteProtocolError, Violation
from agent.ocpp.v16 import enums, types
from agent.ocpp.v16 import messages as v16
from agent.ocpp.v16.codes import CODE_OF as CODE_16
from agent.ocpp.v201 import messages as v201
from agent.ocpp.v201.codes import CODE_OF as CODE_201
from agent.ocpp.wire_time import format_utc
from tests.conformance.oracle import EXAMPLES

START: dict[str, Any] = {
    "connectorId": 1,
    "idTag": "04A1B2C3",
    "meterStart": 4711,
    "timestamp": "2026-11-20T13:48:02.125Z",
}


def refused(action: str, payload: object, codec: Any = v16.CODEC) -> RemoteProtocolError:
    octets = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    with pytest.raises(RemoteProtocolError) as caught:
        codec.decode_request(action, octets)
    return caught.value


# In


def test_a_request_is_read_into_its_type() -> None:
    message = v16.CODEC.decode_request("StartTransaction", json.dumps(START).encode())
    assert isinstance(message, v16.StartTransactionRequest)
    assert (message.id_tag, message.meter_start, message.reservation_id) == ("04A1B2C3", 4711, None)


def test_unknown_members_and_nulls_are_ignored_and_never_sent() -> None:
    octets = json.dumps({**START, "reservationId": None, "vendorExtra": {"a": [1]}}).encode()
    message = v16.CODEC.decode_request("StartTransaction", octets)
    assert json.loads(bytes(v16.CODEC.encode(message))) == START


@pytest.mark.parametrize("payload", [b"{}", b"null", b"[]", b"[ ]", b"[\n]"])
def test_an_empty_payload_may_be_null_or_an_empty_list(payload: bytes) -> None:
    assert v16.CODEC.decode_request("Heartbeat", payload) == v16.HeartbeatRequest()
    assert refused("Authorize", payload).violation is Violation.OCCURRENCE


def test_an_integer_may_be_written_with_a_point() -> None:
    answer = b'{"status":"Accepted","currentTime":"2026-11-20T13:48:02Z","interval":300.0}'
    response = v16.CODEC.decode_response("BootNotification", answer)
    assert isinstance(response, v16.BootNotificationResponse)
    assert response.interval == 300
    assert refused("StartTransaction", {**START, "meterStart": 4711.5}).violation is Violation.TYPE


@pytest.mark.parametrize(
    ("change", "violation", "description"),
    [
        ({"idTag": "x" * 21}, Violation.PROPERTY, "idTag: expected str of length <= 20"),
        ({"idTag": 7}, Violation.TYPE, "idTag: expected str, got int"),
        ({"idTag": None}, Violation.TYPE, "idTag: expected str, got null"),
        ({"reservationId": "7"}, Violation.TYPE, "reservationId: expected int, got str"),
        ({"timestamp": "now"}, Violation.PROPERTY, "'now' is not a date-time (RFC 3339)"),
        ({"meterStart": 2**70}, Violation.PROPERTY, "meterStart: expected int <= 9223372036854775807"),
    ],
)
def test_a_fault_is_named_with_its_place(change: dict[str, Any], violation: Violation, description: str) -> None:
    error = refused("StartTransaction", {**START, **change})
    assert (error.violation, error.description) == (violation, description)


def test_a_missing_member_is_named() -> None:
    error = refused("Reset", {})
    assert (error.violation, error.description) == (
        Violation.OCCURRENCE,
        "object missing required field type",
    )


def test_a_place_deep_inside_is_named() -> None:
    variable = {"component": {"name": "A"}, "variable": {"name": "B"}}
    error = refused("GetVariables", {"getVariableData": [variable, {**variable, "component": {}}]}, v201.CODEC)
    assert error.description == "getVariableData[1].component: object missing required field name"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b'{"idTag":"a"}x',
        b'{"idTag":"\xff"}',
        b'{"idTag":"\\ud800"}',
        b'{"idTag":NaN}',
        b'["x"]',
        b"7",
        b'"x"',
    ],
)
def test_what_is_no_json_object_is_a_format_violation(payload: bytes) -> None:
    assert refused("Authorize", payload).violation is Violation.FORMAT


@pytest.mark.parametrize(
    "payload",
    [
        b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b',"vendorId":"x"}',  # Python 3.12 reads some thousands
        b'{"vendorId":"x","data":' + b"9" * 10_000 + b"}",
        b'{"vendorId":"x","data":1e999}',
        b'{"vendorId":"x","messageId":7.0,"data":' + b'{"a":' * 900 + b"1.0" + b"}" * 900 + b"}",
    ],
)
def test_hostile_free_content_is_refused_cleanly(payload: bytes) -> None:
    refused("DataTransfer", payload, v201.CODEC)


def test_a_huge_wrong_value_is_not_echoed_whole() -> None:
    assert len(refused("Reset", {"type": "x" * 100_000}).description) == 255


@pytest.mark.parametrize(
    ("codec", "action", "violation"),
    [
        (v16.CODEC, "TransactionEvent", Violation.NOT_IMPLEMENTED),
        (v201.CODEC, "SetChargingProfile", Violation.NOT_SUPPORTED),
        (v201.CODEC, "RemoteStartTransaction", Violation.NOT_IMPLEMENTED),
        (v201.CODEC, "", Violation.NOT_IMPLEMENTED),
        (v201.CODEC, "reset", Violation.NOT_IMPLEMENTED),
    ],
)
def test_an_action_that_we_do_not_speak_is_told_apart_from_one_that_does_not_exist(
    codec: Any, action: str, violation: Violation
) -> None:
    assert refused(action, {}, codec).violation is violation


def test_a_broken_answer_expects_no_reply() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        v16.CODEC.decode_response("Authorize", b"{}")
    assert (caught.value.violation, caught.value.reply_expected) == (Violation.OCCURRENCE, False)


def test_the_members_of_a_broken_answer_can_still_be_looked_at() -> None:
    assert members_of(b'{"status":"Accepted","heartbeatInterval":300}') == {
        "status": "Accepted",
        "heartbeatInterval": 300,
    }
    assert [members_of(text) for text in (b"[]", b"{", b"null", b"\xff", b"[" * 5000)] == [{}] * 5


def test_every_violation_has_a_code_in_both_spellings() -> None:
    assert set(CODE_16) == set(CODE_201) == set(Violation)
    assert (CODE_16[Violation.OCCURRENCE], CODE_201[Violation.OCCURRENCE]) == (
        "OccurenceConstraintViolation",
        "OccurrenceConstraintViolation",
    )
    assert (CODE_16[Violation.FORMAT], CODE_201[Violation.FORMAT]) == ("FormationViolation", "FormatViolation")


# Out


def test_what_is_sent_has_no_nulls() -> None:
    message = v16.StopTransactionRequest(
        transaction_id=7, meter_stop=5000, timestamp=format_utc(0), reason=enums.StopReason.POWER_LOSS
    )
    assert bytes(v16.CODEC.encode(message)) == (
        b'{"transactionId":7,"meterStop":5000,"timestamp":"1970-01-01T00:00:00.000Z","reason":"PowerLoss"}'
    )


@pytest.mark.parametrize(
    "message",
    [
        v16.AuthorizeRequest(id_tag="x" * 21),
        v16.AuthorizeRequest(id_tag="\ud800"),
        v16.AuthorizeRequest(id_tag=7),  # type: ignore[arg-type]
        v16.AuthorizeRequest(id_tag=None),  # type: ignore[arg-type]
        v16.ResetRequest(type="Hard"),  # type: ignore[arg-type]
        v16.RemoteStopTransactionRequest(transaction_id=2**63),
        v16.RemoteStopTransactionRequest(transaction_id=True),
        v16.GetConfigurationRequest(key=["a"]),  # type: ignore[arg-type]
        v201.TransactionEventResponse(total_cost=float("nan")),
        v201.TransactionEventResponse(total_cost=float("inf")),
        v201.GetVariablesRequest(get_variable_data=()),
        v201.DataTransferRequest(vendor_id="x", data={"a": float("nan")}),
        v201.DataTransferRequest(vendor_id="x", data={"a": object()}),
    ],
)
def test_what_the_standard_forbids_is_never_sent(message: Payload) -> None:
    codec = v16.CODEC if "v16" in type(message).__module__ else v201.CODEC
    with pytest.raises(LocalProtocolError):
        codec.encode(message)


def test_hertz_is_a_unit_of_meter_values_and_not_of_a_stop() -> None:
    value = types.SampledValue(value="50.01", unit=enums.UnitOfMeasure.HERTZ)
    reading = types.MeterValue(timestamp=format_utc(0), sampled_value=(value,))
    assert v16.CODEC.encode(v16.MeterValuesRequest(connector_id=1, meter_value=(reading,)))
    with pytest.raises(ValueError, match="Hertz"):
        v16.StopTransactionRequest(transaction_id=1, meter_stop=0, timestamp=format_utc(0), transaction_data=(reading,))


def test_a_request_knows_its_action() -> None:
    for messages in (v16, v201):
        for action, pair in messages.ACTIONS.items():
            assert messages.CODEC.action_of(pair.request) == action
    with pytest.raises(LocalProtocolError):
        v16.CODEC.action_of(v16.ResetResponse)


# Whatever arrives


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(["idTag", "status", "timestamp", "interval", "meterValue", "chargingProfile", "type", "data"])


@settings(max_examples=5 * EXAMPLES or 200, derandomize=not EXAMPLES, deadline=None, database=None)
@given(st.sampled_from(sorted(v16.KNOWN_ACTIONS | v201.KNOWN_ACTIONS)), st.dictionaries(_NAMES, _JSON) | _JSON)
def test_any_payload_gives_a_message_or_a_refusal(action: str, payload: object) -> None:
    for codec in (v16.CODEC, v201.CODEC):
        for read in (codec.decode_request, codec.decode_response):
            try:
                codec.encode(read(action, json.dumps(payload).encode()))
            except RemoteProtocolError:
                continue
