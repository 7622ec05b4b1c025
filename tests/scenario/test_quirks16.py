"""What real back ends of OCPP 1.6 do although the standard says otherwise, and what the station makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from agent.model.commands import SetVariables, TriggerKind, Verdict
from agent.model.ids import IdToken
from agent.model.inputs import AuthorizationAnswered, CommandReceived, FactAnswered
from agent.ocpp.session_outputs import Registered, Triggered
from tests.scenario.charging_world import ALICE, INVALID
from tests.scenario.core16 import Core16
from tests.scenario.ocpp_desk import CARD, Desk
from tests.scenario.ocpp_facts import ended, started, updated


def booted() -> Desk:
    desk = Desk(version="1.6")
    desk.boot()
    return desk


@pytest.mark.req("quirk T9: members missing, renamed, of another shape, more than there should be")
@pytest.mark.parametrize(
    "answer",
    [
        {"status": "Accepted", "currentTime": "2026-11-20T12:00:00Z", "heartbeatInterval": 120},
        {"status": "accepted", "currentTime": "2026-11-20T12:00:00Z", "interval": "120"},
        {"status": "Accepted", "interval": 120.0},
        {"status": "Accepted", "interval": 120, "currentTime": None, "more": {"than": ["expected"]}},
    ],
)
def test_a_registration_is_read_as_far_as_it_can_be(answer: dict[str, Any]) -> None:
    desk = Desk(version="1.6")
    desk.open()
    desk.answer(desk.expect("BootNotification"), answer)
    assert (desk.out(Registered)[0].status, desk.out(Registered)[0].interval_s) == ("accepted", 120)


@pytest.mark.req("quirk T9: StartTransaction.conf without idTagInfo, or with the status alone")
@pytest.mark.parametrize(
    ("answer", "csms_id", "verdict"),
    [
        ({"transactionId": 5}, "5", None),
        ({"status": "Accepted"}, None, Verdict.ACCEPTED),
        ({"transactionId": "6", "idTagInfo": {"status": "accepted", "expiryDate": "soon"}}, "6", Verdict.ACCEPTED),
        ({"transactionId": 7, "idTagInfo": {"status": "NoCredit"}}, "7", Verdict.OTHER),
        ({"transactionId": 0, "idTagInfo": {"status": "Invalid"}}, "0", Verdict.INVALID),
    ],
)
def test_what_a_start_is_answered_is_used_as_far_as_it_can_be(
    answer: dict[str, Any], csms_id: str | None, verdict: Verdict | None
) -> None:
    desk = booted()
    desk.record(started(desk.stamp()))
    desk.answer(desk.expect("StartTransaction"), answer)
    [heard] = desk.heard(FactAnswered)
    assert heard.csms_id == csms_id
    assert (None if heard.verdict is None else heard.verdict.verdict) is verdict
    assert desk.journal == []


@pytest.mark.req("OCPP 1.6 §4.6; OCPP-J 1.6 §5.3")
@pytest.mark.req("quirk T10: intervals of 0, 1, 10, 3600, missing or huge")
@pytest.mark.parametrize(
    ("interval", "least_s", "most_s"), [(0, 60, 86400), (1, 1, 1), (10, 10, 10), (3600, 3600, 3600), (10**9, 60, 86400)]
)
def test_an_odd_interval_floods_nobody_and_silences_nobody(interval: int, least_s: float, most_s: float) -> None:
    desk = Desk(version="1.6")
    desk.boot(interval=interval)
    due_s = desk.session.next_deadline_s()
    assert due_s is not None
    assert least_s <= due_s - desk.now_s <= most_s


@pytest.mark.req("quirk T14: codes of another version, odd ids, empty or huge details")
@pytest.mark.parametrize(
    "frame",
    [
        ["FormatViolation", "", {}],
        ["InternalError", "x" * 5000, {"huge": "y" * 50_000}],
        ["SomethingOfItsOwn", "no", None],
        ["GenericError"],
    ],
)
@pytest.mark.parametrize("message_id", ["", "-1", None, "own"])
def test_an_odd_error_still_ends_our_call(frame: list[Any], message_id: str | None) -> None:
    desk = booted()
    desk.take(desk.session.authorize(1, CARD, desk.now_s))
    call = desk.expect("Authorize")
    desk.calls.clear()
    desk.say([4, call.message_id if message_id == "own" else message_id, *frame])
    assert [each.verdict for each in desk.heard(AuthorizationAnswered)] == [None]


@pytest.mark.req("quirk T8: CALLERROR for ever on a stop; OCPP 1.6 §3.7.1")
def test_a_stop_that_is_refused_for_ever_leaves_and_the_next_transaction_goes() -> None:
    desk = booted()
    desk.set("OCPPCommCtrlr.MessageAttempts[TransactionEvent]", "3")
    desk.set("OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]", "5")
    desk.record(ended(desk.stamp()), started(desk.stamp(), transaction_id="next"))
    for wait_s in (5, 10, 0):
        desk.refuse(desk.expect("StopTransaction"), "FormationViolation")
        desk.run(wait_s)
    assert desk.dead == [1]
    assert desk.expect("StartTransaction").payload["connectorId"] == 2


@pytest.mark.req("quirk T16: one key per request, thirty times in a row")
def test_thirty_requests_in_a_row_are_all_answered_in_order() -> None:
    desk = booted()
    ids = [desk.ask("GetConfiguration", {"key": ["HeartbeatInterval"]}) for _ in range(30)]
    assert len(desk.heard(CommandReceived)) == 30
    for received in desk.heard(CommandReceived):
        from agent.model.commands import VariablesOutcome

        outcome = VariablesOutcome(results=(desk.book.get(received.command.queries[0][0]),))  # type: ignore[union-attr]
        desk.take(desk.session.outcome(received.command_id, outcome, desk.now_s))
    assert [frame[1] for frame in desk.answers[-30:]] == ids


@pytest.mark.req("quirk T18: triggers every few seconds; a boot asked for after a reconnect")
def test_triggers_are_answered_however_often_they_come_and_a_boot_is_granted_after_a_reconnect() -> None:
    desk = booted()
    for _ in range(20):
        desk.ask("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1})
        assert desk.last_answer() == {"status": "Accepted"}
    assert [each.kind for each in desk.out(Triggered)] == [TriggerKind.METER_VALUES] * 20
    desk.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
    assert desk.last_answer() == {"status": "Rejected"}
    desk.lose()
    desk.open()
    desk.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
    assert desk.last_answer() == {"status": "Accepted"}
    desk.expect("BootNotification")


@pytest.mark.req("quirk T19: probing with requests that cannot be meant")
@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("ChangeConfiguration", {"key": "MeterValuesSampledData", "value": "RPM"}),
        ("ChangeConfiguration", {"key": "", "value": ""}),
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 99}),
        ("UnlockConnector", {"connectorId": -5}),
        ("RemoteStopTransaction", {"transactionId": -1}),
        ("ChangeAvailability", {"connectorId": -1, "type": "Operative"}),
        ("SendLocalList", {"listVersion": -7, "updateType": "Full"}),
        ("DataTransfer", {"vendorId": "com.evtivity", "messageId": "OneShotMessage", "data": "x" * 10_000}),
    ],
)
def test_a_probe_is_answered_like_any_request(action: str, payload: dict[str, Any]) -> None:
    desk = booted()
    desk.ask(action, payload)
    assert desk.answers or isinstance(desk.command().command, object)
    world = Core16()
    if action not in ("TriggerMessage", "DataTransfer"):
        assert world.ask(action, payload)["status"] not in ("Accepted", "Unlocked")


@pytest.mark.req("quirk T25: an invalid tag gets a transaction and a remote stop soon after")
def test_a_refused_tag_with_a_transaction_ends_once_whoever_is_first() -> None:
    world = Core16()
    world.charge(ALICE)
    world.send(FactAnswered(transaction_id=world.started[0].transaction_id, csms_id="9", verdict=INVALID))
    assert world.ask("RemoteStopTransaction", {"transactionId": 9})["status"] in ("Accepted", "Rejected")
    world.until(lambda: bool(world.ended))
    world.run(5)
    assert len(world.messages("StopTransaction")) == 1


@pytest.mark.req("quirk T26: an idTag that the CSMS names need not exist")
def test_a_remote_start_of_an_invented_tag_is_what_the_csms_wants() -> None:
    world = Core16(AuthorizeRemoteTxRequests=True)
    world.plug()
    world.run(1)
    assert world.ask("RemoteStartTransaction", {"idTag": "evcc", "connectorId": 1}) == {"status": "Accepted"}
    world.until(world.closed)
    assert world.messages("StartTransaction")[0].payload["idTag"] == "evcc"


@pytest.mark.req("quirk T29: large frames in both directions")
def test_a_frame_of_a_hundred_kilobytes_is_read_and_answered() -> None:
    desk = booted()
    tags = [{"idTag": f"TAG{number:04d}", "idTagInfo": {"status": "Accepted", "parentIdTag": "P" * 20}}
            for number in range(1200)]  # fmt: skip
    desk.ask("SendLocalList", {"listVersion": 1, "updateType": "Full", "localAuthorizationList": tags})
    assert len(desk.command().command.entries) == 1200  # type: ignore[union-attr]


@pytest.mark.req("quirk T30: a back end that gives up after 5 s; OCPP 1.6 §5.3")
def test_a_change_is_answered_in_the_same_turn_in_which_it_is_durable() -> None:
    desk = booted()
    desk.ask("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "10"})
    command = desk.command().command
    assert isinstance(command, SetVariables)
    assert command.assignments[0][2] == "10"


@pytest.mark.req("OCPP 1.6 errata 3.16")
@pytest.mark.req("OCPP 1.6 §3.7, §4.7: a sample of no transaction has none")
def test_values_of_no_transaction_are_delivered_without_a_number_and_hold_nobody_up() -> None:
    from agent.model.facts import MetersSampled

    desk = booted()
    alone = MetersSampled(evse_id=1, connector_id=1, at=desk.stamp(), samples=updated(desk.stamp()).samples)
    desk.record(alone, started(desk.stamp()))
    call = desk.expect("MeterValues")
    assert "transactionId" not in call.payload
    desk.answer(call)
    desk.expect("StartTransaction")
    assert desk.heard(FactAnswered) == []


@pytest.mark.req("OCPP 1.6 §7.28: an idTag of 1.6 has 20 characters")
def test_a_token_that_1_6_cannot_write_is_decided_offline_and_breaks_nothing() -> None:
    desk = booted()
    desk.take(desk.session.authorize(1, IdToken(value="x" * 36), desk.now_s))
    assert [each.verdict for each in desk.heard(AuthorizationAnswered)] == [None]
    assert not desk.calls
