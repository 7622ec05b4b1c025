"""Authorizations, statuses, triggers and requests of the CSMS, in both versions."""

from __future__ import annotations

from typing import Any

import pytest

from agent.model.commands import (
    Answered,
    Attribute,
    ChangeAvailability,
    ClearCache,
    GetTransactionStatus,
    GetVariables,
    Outcome,
    ReportVariables,
    RequestStart,
    RequestStop,
    Reset,
    ResetKind,
    SetVariables,
    TransactionStatusOutcome,
    TriggerKind,
    UnlockConnector,
    Unlocked,
    UnlockOutcome,
    VariableRef,
    VariablesOutcome,
    VendorMessage,
    VendorOutcome,
    Verdict,
)
from agent.model.evse import Occupancy
from agent.model.ids import IdToken
from agent.model.inputs import AuthorizationAnswered, CommandReceived
from agent.ocpp.session_outputs import Drop, Triggered
from tests.scenario.ocpp_desk import CARD, VERSIONS, Desk, verdicts, view

both = pytest.mark.parametrize("version", VERSIONS)


def booted(version: str, **presets: str) -> Desk:
    desk = Desk(version=version, presets=presets)
    desk.boot()
    return desk


def token_info(version: str, status: str) -> dict[str, object]:
    if version == "1.6":
        return {"idTagInfo": {"status": status, "parentIdTag": "GROUP", "expiryDate": "2026-11-21T00:00:00Z"}}
    group = {"idToken": "GROUP", "type": "Central"}
    info = {"status": status, "groupIdToken": group, "cacheExpiryDateTime": "2026-11-21T00:00:00Z"}
    return {"idTokenInfo": info}


# ---- authorize -------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(("status", "verdict"), [("Accepted", Verdict.ACCEPTED), ("ConcurrentTx", Verdict.CONCURRENT)])
def test_the_core_hears_the_csmss_word_on_a_token(version: str, status: str, verdict: Verdict) -> None:
    desk = booted(version)
    desk.take(desk.session.authorize(7, CARD, desk.now_s))
    desk.answer(desk.expect("Authorize"), token_info(version, status))
    (heard,) = verdicts(desk)
    assert heard is not None
    assert (heard.verdict, heard.group, heard.expires_utc_s) == (verdict, "GROUP", 1_795_219_200.0)


@both
def test_without_a_link_nobody_is_asked_and_the_core_hears_so_at_once(version: str) -> None:
    desk = Desk(version=version)
    desk.take(desk.session.authorize(7, CARD, desk.now_s))
    assert desk.inputs == [AuthorizationAnswered(request_id=7, verdict=None)]


@both
def test_the_driver_waits_fifteen_seconds_at_most_and_then_the_link_is_judged_by_its_own_time_out(version: str) -> None:
    desk = booted(version)
    desk.take(desk.session.authorize(7, CARD, desk.now_s))
    late = desk.expect("Authorize")
    desk.run(14.9)
    assert not verdicts(desk)
    desk.run(0.1)
    assert verdicts(desk) == [None]
    desk.run(14.9)
    assert not desk.out(Drop)
    desk.run(0.1)
    assert [drop.code for drop in desk.out(Drop)] == [1000]
    desk.answer(late, token_info(version, "Accepted"))
    assert verdicts(desk) == [None]


@both
def test_a_lost_link_answers_every_question_about_tokens(version: str) -> None:
    desk = booted(version)
    desk.take(desk.session.authorize(1, CARD, desk.now_s))
    desk.take(desk.session.authorize(2, IdToken(value="OTHER"), desk.now_s))
    desk.lose()
    assert verdicts(desk) == [None, None]


@both
@pytest.mark.parametrize("answer", [{}, {"idTagInfo": None, "idTokenInfo": None}])
def test_an_answer_without_a_verdict_is_no_verdict(version: str, answer: dict[str, object]) -> None:
    desk = booted(version)
    desk.take(desk.session.authorize(1, CARD, desk.now_s))
    desk.answer(desk.expect("Authorize"), answer)
    desk.take(desk.session.authorize(2, CARD, desk.now_s))
    desk.refuse(desk.expect("Authorize"), "FormatViolation")
    assert verdicts(desk) == [None, None]


@both
def test_a_token_that_the_version_cannot_write_is_answered_for_the_csms(version: str) -> None:
    desk = booted(version)
    desk.take(desk.session.authorize(1, IdToken(value="X" * 40), desk.now_s))
    assert verdicts(desk) == [None]
    assert not desk.calls


@pytest.mark.req("quirk T14")
@both
@pytest.mark.parametrize("wrong", ["", "-1", "null"])
def test_an_error_whose_id_is_missing_belongs_to_the_only_open_call(version: str, wrong: str) -> None:
    desk = booted(version)
    desk.take(desk.session.authorize(1, CARD, desk.now_s))
    desk.say([4, None if wrong == "null" else wrong, "InternalError", "", {}])
    assert verdicts(desk) == [None]


@both
def test_answers_with_a_wrong_id_are_ignored(version: str) -> None:
    desk = booted(version)
    desk.take(desk.session.authorize(1, CARD, desk.now_s))
    desk.say([3, "someone-else", token_info(version, "Accepted")])
    desk.say([4, "someone-else", "InternalError", "", {}])
    assert not verdicts(desk)
    assert len(desk.logged("answer.ignored")) == 2


# ---- statuses --------------------------------------------------------------------------------------------------------


@both
@pytest.mark.req("OCPP 1.6 §4.9; OCPP 2.0.1 G01")
def test_every_change_is_reported_in_order_with_the_time_of_the_change(version: str) -> None:
    desk = booted(version)
    desk.show(view(1, operative=False))
    first = desk.expect("StatusNotification")
    desk.run(5)
    desk.show(view(1, plugged=True, occupancy=Occupancy.PREPARING))
    desk.run(5)
    desk.answer(first)
    second = desk.expect("StatusNotification")
    key = "status" if version == "1.6" else "connectorStatus"
    assert first.payload[key] == "Unavailable"
    assert second.payload[key] == ("Preparing" if version == "1.6" else "Occupied")
    assert second.payload["timestamp"] == "2026-11-20T12:00:05.000Z"


@pytest.mark.req("OCPP 1.6 §4.9, table A1-I9")
@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"occupancy": Occupancy.PREPARING}, {"plugged": True, "operative": False}, ["Finishing", "Unavailable"]),
        ({"occupancy": Occupancy.PREPARING, "plugged": False}, {"operative": False}, ["Available", "Unavailable"]),
        ({"occupancy": Occupancy.PREPARING, "plugged": False}, {"reserved": True}, ["Available", "Reserved"]),
        ({"occupancy": Occupancy.FINISHING}, {"reserved": True}, ["Available", "Reserved"]),
        ({"operative": False}, {"occupancy": Occupancy.FINISHING}, ["Preparing", "Finishing"]),
        ({"reserved": True}, {"occupancy": Occupancy.CHARGING}, ["Preparing", "Charging"]),
        ({"occupancy": Occupancy.FINISHING}, {"occupancy": Occupancy.CHARGING}, ["Preparing", "Charging"]),
        ({"occupancy": Occupancy.CHARGING}, {"occupancy": Occupancy.SUSPENDED_EV}, ["SuspendedEV"]),
    ],
)
def test_a_move_that_the_table_does_not_have_is_told_as_the_two_that_it_has(
    before: dict[str, Any], after: dict[str, Any], told: list[str]
) -> None:
    desk = booted("1.6")
    desk.show(view(1, **before))
    desk.answer_all("StatusNotification")
    desk.show(view(1, **after))
    assert [each["status"] for each in desk.answer_all("StatusNotification")] == told
    desk.run(5)
    assert not desk.calls


@pytest.mark.req("OCPP 1.6 §4.9, §9.1.18")
def test_a_status_on_the_way_is_shorter_than_any_minimum_and_no_history_follows_an_outage() -> None:
    desk = booted("1.6", **{"OCPPCommCtrlr.MinimumStatusDuration": "3"})
    desk.show(view(1, occupancy=Occupancy.PREPARING))
    desk.run(4)
    desk.answer_all("StatusNotification")
    desk.show(view(1, plugged=True, operative=False))
    desk.run(4)
    assert [each["status"] for each in desk.answer_all("StatusNotification")] == ["Unavailable"]
    desk.lose()
    desk.show(view(1, occupancy=Occupancy.FINISHING))
    desk.open()
    assert [each["status"] for each in desk.answer_all("StatusNotification")] == ["Finishing"]


@both
@pytest.mark.req("OCPP 1.6 errata 3.19")
def test_a_status_shorter_than_the_minimum_duration_is_not_reported(version: str) -> None:
    desk = booted(version, **{"OCPPCommCtrlr.MinimumStatusDuration": "3"})
    desk.show(view(1, operative=False))
    desk.run(2)
    desk.show(view(1))
    desk.run(10)
    assert not desk.calls
    desk.show(view(1, operative=False))
    desk.run(3)
    assert desk.expect("StatusNotification").payload["timestamp"] == "2026-11-20T12:00:12.000Z"


@pytest.mark.req("OCPP 1.6 §4.9")
@both
def test_a_status_that_was_not_answered_is_told_again_after_the_reconnect(version: str) -> None:
    desk = booted(version)
    desk.show(view(1, operative=False))
    desk.expect("StatusNotification")
    desk.lose()
    desk.open()
    assert len(desk.answer_all("StatusNotification")) == 1


@both
def test_a_status_that_the_csms_refuses_does_not_come_back_for_ever(version: str) -> None:
    desk = booted(version)
    desk.show(view(1, operative=False))
    desk.refuse(desk.expect("StatusNotification"))
    desk.lose()
    desk.open()
    assert not desk.calls


# ---- triggers --------------------------------------------------------------------------------------------------------


@both
@pytest.mark.req("OCPP 1.6 §5.17; OCPP 2.0.1 F06")
def test_a_triggered_status_follows_the_answer(version: str) -> None:
    desk = booted(version)
    before = len(desk.outputs)
    desk.ask("TriggerMessage", {"requestedMessage": "StatusNotification"})
    sent = [each for each in desk.outputs[before:] if type(each).__name__ == "Send"]
    assert '[3,"' in sent[0].text  # type: ignore[union-attr]
    assert len(desk.answer_all("StatusNotification")) == (3 if version == "1.6" else 2)


@pytest.mark.req("OCPP 1.6 §5.17")
@both
def test_a_trigger_for_one_connector_sends_that_one_and_an_unknown_one_is_rejected(version: str) -> None:
    desk = booted(version)
    one = {"connectorId": 2} if version == "1.6" else {"evse": {"id": 2, "connectorId": 1}}
    desk.ask("TriggerMessage", {"requestedMessage": "StatusNotification"} | one)
    assert len(desk.answer_all("StatusNotification")) == 1
    none = {"connectorId": 9} if version == "1.6" else {"evse": {"id": 9, "connectorId": 1}}
    desk.ask("TriggerMessage", {"requestedMessage": "StatusNotification"} | none)
    assert desk.last_answer()["status"] == "Rejected"
    desk.ask("TriggerMessage", {"requestedMessage": "MeterValues"} | none)
    assert desk.last_answer()["status"] == "Rejected"


@both
def test_triggered_meter_values_are_the_runtimes_to_make(version: str) -> None:
    desk = booted(version)
    place = {"connectorId": 2} if version == "1.6" else {"evse": {"id": 2}}
    desk.ask("TriggerMessage", {"requestedMessage": "MeterValues"} | place)
    assert desk.last_answer()["status"] == "Accepted"
    assert desk.out(Triggered) == [Triggered(kind=TriggerKind.METER_VALUES, evse_id=2)]


@pytest.mark.req("OCPP 2.0.1 F06.FR.04, F06.FR.05")
def test_a_triggered_transaction_event_is_promised_only_where_a_transaction_runs() -> None:
    desk = booted("2.0.1")
    desk.show(view(2, Occupancy.CHARGING, transaction_id="tx-1"))
    answers = []
    for place in ({}, {"evse": {"id": 1}}, {"evse": {"id": 2}}, {"evse": {"id": 3}}):
        desk.ask("TriggerMessage", {"requestedMessage": "TransactionEvent"} | place)
        answers.append((desk.last_answer()["status"], desk.last_answer().get("statusInfo", {}).get("additionalInfo")))
    assert answers == [
        ("Accepted", None),
        ("Rejected", "no transaction runs there"),
        ("Accepted", None),
        ("Rejected", "EVSE 3 is unknown"),
    ]


@pytest.mark.req("OCPP 2.0.1 F06.FR.08")
def test_a_trigger_for_a_message_that_we_do_not_have_is_not_implemented() -> None:
    desk = booted("2.0.1")
    desk.ask("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
    assert desk.last_answer()["status"] == "NotImplemented"


@pytest.mark.req("OCPP 1.6 §5.17; security whitepaper L01.FR.25, N01")
@pytest.mark.octt("TC_054_CS")
@pytest.mark.parametrize(
    ("action", "message", "kind"),
    [
        ("TriggerMessage", "DiagnosticsStatusNotification", TriggerKind.DIAGNOSTICS_STATUS),
        ("TriggerMessage", "FirmwareStatusNotification", TriggerKind.FIRMWARE_STATUS),
        ("ExtendedTriggerMessage", "FirmwareStatusNotification", TriggerKind.SIGNED_FIRMWARE_STATUS),
        ("ExtendedTriggerMessage", "LogStatusNotification", TriggerKind.LOG_STATUS),
    ],
)
def test_triggered_states_of_updates_and_uploads_are_the_runtimes_to_tell(
    action: str, message: str, kind: TriggerKind
) -> None:
    desk = booted("1.6")
    desk.ask(action, {"requestedMessage": message, "connectorId": 1})
    assert desk.last_answer()["status"] == "Accepted"
    assert desk.out(Triggered) == [Triggered(kind=kind, evse_id=None)]


# ---- requests --------------------------------------------------------------------------------------------------------


@pytest.mark.req("OCPP-J 1.6 §4.2.3")
@both
def test_an_unknown_action_and_one_that_is_not_offered_have_their_own_codes(version: str) -> None:
    desk = booted(version)
    desk.ask("MakeCoffee", {})
    assert desk.last_error() == "NotImplemented"
    if version == "2.0.1":  # of 1.6 everything is spoken
        desk.ask("SendLocalList", {"versionNumber": 1, "updateType": "Full"})
        assert desk.last_error() == "NotSupported"
    desk.ask("BootNotification", desk.registration())
    assert desk.last_error() == "NotSupported"


@pytest.mark.req("OCPP-J 1.6 §4.2.3")
@both
def test_a_request_that_is_not_valid_is_answered_with_the_rule_that_it_breaks(version: str) -> None:
    desk = booted(version)
    desk.ask("Reset", {})
    assert desk.last_error() == (
        "OccurenceConstraintViolation" if version == "1.6" else "OccurrenceConstraintViolation"
    )
    desk.ask("Reset", {"type": "Sideways"})
    assert desk.last_error() == "PropertyConstraintViolation"


@pytest.mark.req("OCPP-J 1.6 §4.1.3, §4.2")
@both
def test_garbage_is_answered_only_as_the_version_says(version: str) -> None:
    desk = booted(version)
    desk.say("garbage")
    desk.say([9, "id", {}])
    if version == "1.6":
        assert not desk.answers
    else:
        assert [(each[1], each[2]) for each in desk.answers] == [
            ("-1", "RpcFrameworkError"),
            ("id", "MessageTypeNotSupported"),
        ]
    assert desk.session.online


@pytest.mark.req("quirk T30")
@both
@pytest.mark.req("OCPP-J 1.6 §4.1.3")
def test_a_request_that_the_core_does_not_answer_is_answered_after_twenty_seconds(version: str) -> None:
    desk = booted(version)
    desk.ask("ClearCache", {})
    desk.run(19.9)
    assert not desk.answers
    desk.run(0.1)
    assert desk.last_error() == "InternalError"
    desk.take(desk.session.outcome(desk.command().command_id, Outcome(answered=Answered.ACCEPTED), desk.now_s))
    assert len(desk.answers) == 1


@both
@pytest.mark.req("OCPP-J 1.6 §4.1.3")
def test_a_repeated_request_is_not_executed_twice_and_gets_the_same_answer(version: str) -> None:
    desk = booted(version)
    desk.ask("ClearCache", {}, "again")
    desk.ask("ClearCache", {}, "again")
    assert len(desk.heard(CommandReceived)) == 1
    desk.take(desk.session.outcome(desk.command().command_id, Outcome(answered=Answered.ACCEPTED), desk.now_s))
    desk.ask("ClearCache", {}, "again")
    assert len(desk.heard(CommandReceived)) == 1
    assert [each[2] for each in desk.answers] == [{"status": "Accepted"}] * 2
    desk.ask("Reset", {"type": "Hard" if version == "1.6" else "Immediate"}, "again")
    assert len(desk.heard(CommandReceived)) == 2


@both
def test_an_outcome_for_a_connection_that_is_gone_is_forgotten(version: str) -> None:
    desk = booted(version)
    desk.ask("ClearCache", {})
    desk.lose()
    desk.open()
    desk.take(desk.session.outcome(desk.command().command_id, Outcome(answered=Answered.ACCEPTED), desk.now_s))
    assert not desk.answers


@pytest.mark.req("OCPP-J 1.6 §4.1.1; quirk T5")
@both
def test_requests_are_served_while_our_own_call_waits(version: str) -> None:
    desk = booted(version)
    desk.take(desk.session.authorize(1, CARD, desk.now_s))
    desk.ask("ClearCache", {})
    desk.take(desk.session.outcome(desk.command().command_id, Outcome(answered=Answered.REJECTED), desk.now_s))
    assert desk.last_answer() == {"status": "Rejected"}
    desk.answer(desk.expect("Authorize"), token_info(version, "Accepted"))


@both
def test_an_outcome_that_does_not_belong_to_the_request_becomes_an_internal_error(version: str) -> None:
    desk = booted(version)
    desk.ask("ClearCache", {})
    outcome = UnlockOutcome(unlocked=Unlocked.UNLOCKED)
    desk.take(desk.session.outcome(desk.command().command_id, outcome, desk.now_s))
    assert desk.last_error() == "InternalError"


TAG = IdToken(value="A")
ONE = VariableRef(component="OCPPCommCtrlr", variable="HeartbeatInterval")
WISH = ((ONE, Attribute.ACTUAL, "60"),)
COMMANDS_16 = [
    ("RemoteStartTransaction", {"idTag": "A", "connectorId": 2}, RequestStart(token=TAG, evse_id=2, connector_id=1)),
    ("RemoteStartTransaction", {"idTag": "A"}, RequestStart(token=TAG)),
    ("RemoteStartTransaction", {"idTag": "A", "connectorId": 0}, RequestStart(token=TAG, evse_id=0, connector_id=0)),
    ("RemoteStartTransaction", {"idTag": "A", "connectorId": 7}, RequestStart(token=TAG, evse_id=-1, connector_id=-1)),
    ("RemoteStopTransaction", {"transactionId": -3}, RequestStop(transaction="-3")),
    ("Reset", {"type": "Soft"}, Reset(kind=ResetKind.GRACEFUL)),
    ("Reset", {"type": "Hard"}, Reset(kind=ResetKind.IMMEDIATE)),
    ("ChangeAvailability", {"connectorId": 0, "type": "Operative"}, ChangeAvailability(operative=True, flat=True)),
    (
        "ChangeAvailability",
        {"connectorId": 2, "type": "Inoperative"},
        ChangeAvailability(operative=False, evse_id=2, connector_id=1, flat=True),
    ),
    ("ClearCache", {}, ClearCache()),
    ("UnlockConnector", {"connectorId": 2}, UnlockConnector(evse_id=2, connector_id=1, ends_transaction=True)),
    ("ChangeConfiguration", {"key": "heartbeatinterval", "value": "60"}, SetVariables(assignments=WISH)),
    ("GetConfiguration", {"key": ["HeartbeatInterval"]}, GetVariables(queries=((ONE, Attribute.ACTUAL),))),
    (
        "DataTransfer",
        {"vendorId": "v", "messageId": "m", "data": "d"},
        VendorMessage(vendor="v", message="m", content="d"),
    ),
]
VARIABLE = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
COMMANDS_201 = [
    (
        "RequestStartTransaction",
        {"idToken": {"idToken": "A", "type": "Central"}, "remoteStartId": 5, "evseId": 2},
        RequestStart(token=IdToken(value="A"), evse_id=2, remote_start_id=5),
    ),
    ("RequestStopTransaction", {"transactionId": "t"}, RequestStop(transaction="t")),
    ("Reset", {"type": "OnIdle"}, Reset(kind=ResetKind.ON_IDLE)),
    ("Reset", {"type": "Immediate", "evseId": 1}, Reset(kind=ResetKind.IMMEDIATE, evse_id=1)),
    ("ChangeAvailability", {"operationalStatus": "Inoperative"}, ChangeAvailability(operative=False)),
    (
        "ChangeAvailability",
        {"operationalStatus": "Operative", "evse": {"id": 2, "connectorId": 1}},
        ChangeAvailability(operative=True, evse_id=2, connector_id=1),
    ),
    ("ClearCache", {}, ClearCache()),
    (
        "UnlockConnector",
        {"evseId": 2, "connectorId": 1},
        UnlockConnector(evse_id=2, connector_id=1, ends_transaction=False),
    ),
    ("SetVariables", {"setVariableData": [VARIABLE | {"attributeValue": "60"}]}, SetVariables(assignments=WISH)),
    ("GetVariables", {"getVariableData": [VARIABLE]}, GetVariables(queries=((ONE, Attribute.ACTUAL),))),
    ("GetTransactionStatus", {"transactionId": "t"}, GetTransactionStatus(transaction="t")),
    ("DataTransfer", {"vendorId": "v", "data": {"a": 1}}, VendorMessage(vendor="v", content='{"a":1}')),
]


@pytest.mark.parametrize(
    ("version", "action", "payload", "command"),
    [("1.6", *each) for each in COMMANDS_16] + [("2.0.1", *each) for each in COMMANDS_201],
)
def test_a_request_becomes_a_neutral_command(
    version: str, action: str, payload: dict[str, object], command: object
) -> None:
    desk = booted(version)
    desk.ask(action, payload)
    assert desk.command().command == command


@pytest.mark.parametrize(
    ("version", "action", "payload", "outcome", "answer"),
    [
        ("1.6", *COMMANDS_16[0][:2], Outcome(answered=Answered.ACCEPTED), {"status": "Accepted"}),
        ("1.6", *COMMANDS_16[4][:2], Outcome(answered=Answered.REJECTED, why="x"), {"status": "Rejected"}),
        ("1.6", *COMMANDS_16[5][:2], Outcome(answered=Answered.SCHEDULED), {"status": "Accepted"}),
        ("1.6", *COMMANDS_16[8][:2], Outcome(answered=Answered.SCHEDULED), {"status": "Scheduled"}),
        ("1.6", *COMMANDS_16[10][:2], UnlockOutcome(unlocked=Unlocked.NOT_SUPPORTED), {"status": "NotSupported"}),
        ("1.6", *COMMANDS_16[13][:2], VendorOutcome(), {"status": "UnknownVendorId"}),
        ("2.0.1", *COMMANDS_201[2][:2], Outcome(answered=Answered.SCHEDULED), {"status": "Scheduled"}),
        (
            "2.0.1",
            *COMMANDS_201[0][:2],
            Outcome(answered=Answered.ACCEPTED, transaction_id="t"),
            {"status": "Accepted", "transactionId": "t"},
        ),
        (
            "2.0.1",
            *COMMANDS_201[7][:2],
            UnlockOutcome(unlocked=Unlocked.ONGOING_TRANSACTION),
            {"status": "OngoingAuthorizedTransaction"},
        ),
        (
            "2.0.1",
            *COMMANDS_201[10][:2],
            TransactionStatusOutcome(ongoing=True, messages_in_queue=False),
            {"messagesInQueue": False, "ongoingIndicator": True},
        ),
    ],
)
def test_an_outcome_becomes_the_versions_answer(
    version: str, action: str, payload: dict[str, object], outcome: Outcome, answer: dict[str, object]
) -> None:
    desk = booted(version)
    desk.ask(action, payload)
    desk.take(desk.session.outcome(desk.command().command_id, outcome, desk.now_s))
    assert desk.last_answer() == answer


# ---- variables -------------------------------------------------------------------------------------------------------


def answer_from_book(desk: Desk) -> None:
    """Do what the runtime does with a read or a write."""
    command = desk.command().command
    if isinstance(command, GetVariables):
        results = tuple(desk.book.get(ref, attribute) for ref, attribute in command.queries)
    else:
        assert isinstance(command, SetVariables)
        results = tuple(desk.book.check(*each) for each in command.assignments)
    desk.take(desk.session.outcome(desk.command().command_id, VariablesOutcome(results=results), desk.now_s))


@pytest.mark.req("OCPP 1.6 §5.8, §9")
@pytest.mark.parametrize("payload", [{}, {"key": []}])
def test_all_configuration_keys_are_listed_with_their_true_values(payload: dict[str, object]) -> None:
    desk = booted("1.6")
    desk.ask("GetConfiguration", payload)
    answer_from_book(desk)
    keys = {each["key"]: (each["value"], each["readonly"]) for each in desk.last_answer()["configurationKey"]}
    assert "unknownKey" not in desk.last_answer()
    assert keys["NumberOfConnectors"] == ("2", True)
    assert set(keys["SupportedFeatureProfiles"][0].split(",")) >= {"Core", "LocalAuthListManagement", "RemoteTrigger"}
    assert keys["HeartbeatInterval"] == ("300", False)
    assert keys["StopTxnSampledData"] == ("", False)
    assert keys["ConnectorPhaseRotation"] == ("0.Unknown,1.Unknown,2.Unknown", False)
    assert "AuthorizationKey" not in keys
    assert len(keys) <= int(keys["GetConfigurationMaxKeys"][0])


@pytest.mark.req("OCPP 1.6 §5.3, §5.8, §3.16.4")
def test_keys_are_compared_without_case_and_odd_values_are_told_apart() -> None:
    desk = booted("1.6")
    desk.ask("GetConfiguration", {"key": ["connectiontimeout", "Nonsense"]})
    answer_from_book(desk)
    assert desk.last_answer() == {
        "configurationKey": [{"key": "ConnectionTimeOut", "readonly": False, "value": "60"}],
        "unknownKey": ["Nonsense"],
    }
    for key, value, status in (
        ("LocalPreAuthorize", "TRUE ", "Accepted"),
        ("LocalPreAuthorize", "yes", "Rejected"),
        ("MeterValuesSampledData", "Voltage, current.import", "Accepted"),
        ("MeterValuesSampledData", "Voltage,SoC", "Rejected"),
        ("WebSocketPingInterval", "-1", "Rejected"),
        ("NumberOfConnectors", "3", "Rejected"),
        ("NoSuchKey", "00", "NotSupported"),
    ):
        desk.ask("ChangeConfiguration", {"key": key, "value": value})
        answer_from_book(desk)
        assert desk.last_answer() == {"status": status}, key


def variable(component: str, name: str, **extra: object) -> dict[str, object]:
    evse = extra.pop("evse", None)
    instance = extra.pop("instance", None)
    named: dict[str, object] = {"name": name} | ({"instance": instance} if instance else {})
    return {"component": {"name": component} | ({"evse": evse} if evse else {}), "variable": named} | extra


@pytest.mark.req("OCPP 2.0.1 B06")
def test_variables_are_read_item_by_item() -> None:
    desk = booted("2.0.1")
    wanted = [
        variable("ocppcommctrlr", "heartbeatinterval"),
        variable("OCPPCommCtrlr", "MessageTimeout", instance="Default"),
        variable("OCPPCommCtrlr", "MessageTimeout"),
        variable("Nothing", "X"),
        variable("TxCtrlr", "X"),
        variable("TxCtrlr", "TxStartPoint", attributeType="Target"),
        variable("Connector", "ConnectorType", evse={"id": 2, "connectorId": 1}),
        variable("Connector", "Colour", evse={"id": 2, "connectorId": 1}),
        variable("Connector", "ConnectorType", evse={"id": 2, "connectorId": 7}),
        variable("EVSE", "AvailabilityState", evse={"id": 9}),
        variable("EVSE", "AvailabilityState"),
    ]
    desk.ask("GetVariables", {"getVariableData": wanted})
    answer_from_book(desk)
    results = desk.last_answer()["getVariableResult"]
    assert [(each["attributeStatus"], each.get("attributeValue")) for each in results] == [
        ("Accepted", "300"),
        ("Accepted", "30"),
        ("UnknownVariable", None),
        ("UnknownComponent", None),
        ("UnknownVariable", None),
        ("NotSupportedAttributeType", None),
        ("Accepted", "cType2"),
        ("UnknownVariable", None),
        ("UnknownComponent", None),
        ("UnknownComponent", None),
        ("UnknownComponent", None),
    ]


@pytest.mark.req("OCPP 2.0.1 B05")
def test_variables_are_written_item_by_item_and_a_refusal_says_why() -> None:
    desk = booted("2.0.1")
    wished = [
        variable("OCPPCommCtrlr", "HeartbeatInterval", attributeValue="60"),
        variable("OCPPCommCtrlr", "HeartbeatInterval", attributeValue="soon"),
        variable("TxCtrlr", "TxStartPoint", attributeValue="Authorized"),
    ]
    desk.ask("SetVariables", {"setVariableData": wished})
    answer_from_book(desk)
    results = desk.last_answer()["setVariableResult"]
    assert [each["attributeStatus"] for each in results] == ["Accepted", "Rejected", "Rejected"]
    assert results[1]["attributeStatusInfo"]["additionalInfo"] == "'soon' is not a whole number"
    assert results[2]["attributeStatusInfo"]["reasonCode"] == "ReadOnly"


@pytest.mark.req("OCPP 2.0.1 B07.FR.10")
def test_a_base_report_comes_in_numbered_parts_after_its_answer() -> None:
    desk = booted("2.0.1")
    desk.ask("GetBaseReport", {"requestId": 17, "reportBase": "FullInventory"})
    assert isinstance(desk.command().command, ReportVariables)
    accepted = Outcome(answered=Answered.ACCEPTED)
    desk.take(desk.session.outcome(desk.command().command_id, accepted, desk.now_s))
    desk.take(desk.session.report(17, desk.book.entries(), desk.now_s))
    parts = desk.answer_all("NotifyReport")
    assert [each["seqNo"] for each in parts] == list(range(len(parts)))
    assert [each["tbc"] for each in parts] == [True] * (len(parts) - 1) + [False]
    assert {each["requestId"] for each in parts} == {17}
    assert sum(len(each["reportData"]) for each in parts) == len(desk.book.entries())


def test_version_1_6_has_no_reports() -> None:
    desk = booted("1.6")
    desk.take(desk.session.report(17, desk.book.entries(), desk.now_s))
    assert not desk.calls
