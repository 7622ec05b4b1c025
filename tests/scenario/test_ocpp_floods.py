"""More than anybody can mean: what the station keeps of it is bounded, and its own messages go on."""

from __future__ import annotations

import json

import pytest

from agent.model.commands import Answered, Outcome
from agent.model.inputs import CommandReceived
from agent.ocpp.inbox import MOST_OPEN
from agent.ocpp.reticence import LINES_AT_ONCE
from agent.ocpp.session import TRIGGERS_AT_ONCE
from agent.ocpp.session_outputs import LogLine, Triggered
from tests.scenario.ocpp_desk import VERSIONS, Desk
from tests.scenario.ocpp_facts import started

INTERNAL = "InternalError"


def booted(version: str) -> Desk:
    desk = Desk(version=version)
    desk.boot()
    return desk


@pytest.mark.parametrize("version", VERSIONS)
def test_of_a_flood_so_many_requests_wait_for_the_core_and_the_others_are_refused_at_once(version: str) -> None:
    desk = booted(version)
    for _ in range(1_000):
        desk.ask("ClearCache", {})
    assert len(desk.heard(CommandReceived)) == MOST_OPEN
    assert len(desk.answers) == 1_000 - MOST_OPEN
    assert {frame[2] for frame in desk.answers} == {INTERNAL}
    for command in desk.heard(CommandReceived):
        desk.take(desk.session.outcome(command.command_id, Outcome(answered=Answered.ACCEPTED), desk.now_s))
    assert len({frame[1] for frame in desk.answers}) == 1_000, "each is answered once"
    desk.ask("ClearCache", {})
    assert len(desk.heard(CommandReceived)) == MOST_OPEN + 1


def test_large_requests_wait_only_as_long_as_they_are_not_too_large_together() -> None:
    desk = booted("1.6")
    for number in range(20):
        desk.ask("DataTransfer", {"vendorId": "x", "data": f"{number}" * 300_000})
    assert len(desk.heard(CommandReceived)) < 10
    assert desk.last_error() == INTERNAL
    desk.run(21)
    assert len(desk.answers) == 20
    desk.ask("DataTransfer", {"vendorId": "x", "data": "y" * 900_000})
    assert len(desk.answers) == 20, "alone, it may be as large as a frame"


@pytest.mark.parametrize("version", VERSIONS)
def test_our_own_messages_go_on_in_a_flood(version: str) -> None:
    desk = booted(version)
    for number in range(300):
        desk.ask("ClearCache", {})
        if number % 30 == 0:
            desk.record(started(desk.stamp()))
        if desk.calls:
            desk.answer(
                desk.calls[0], {"transactionId": 1, "idTagInfo": {"status": "Accepted"}} if version == "1.6" else {}
            )
    assert desk.journal == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_flood_is_logged_within_a_budget_and_what_was_left_out_is_counted(version: str) -> None:
    desk = booted(version)
    for _ in range(500):
        desk.ask("Nonsense", {})
        desk.say('[3,"nobody",{}]')
    denied = desk.logged("call.denied")
    assert len(denied) == len(desk.logged("answer.ignored")) == LINES_AT_ONCE
    desk.run(60)
    desk.ask("Nonsense", {})
    assert desk.logged("call.denied")[-1].fields["unlogged"] == 500 - LINES_AT_ONCE
    assert len(desk.out(LogLine)) < 100


def test_triggers_have_a_budget_too() -> None:
    desk = booted("1.6")
    for _ in range(200):
        desk.ask("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1})
    said = [frame[2]["status"] for frame in desk.answers]
    assert said == ["Accepted"] * TRIGGERS_AT_ONCE + ["Rejected"] * (200 - TRIGGERS_AT_ONCE)
    assert len(desk.out(Triggered)) == TRIGGERS_AT_ONCE
    desk.run(2)
    desk.ask("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1})
    assert desk.last_answer() == {"status": "Accepted"}


@pytest.mark.req("RFC 8259 §4")
@pytest.mark.parametrize(
    "payload",
    [
        '{"type":"Soft","type":"Hard"}',
        '{"type":"Soft","\\u0074ype":"Hard"}',
        '{"type":"Soft","vendor":[{"a":1,"a":1}]}',
    ],
)
def test_a_request_that_says_two_things_under_one_name_is_refused(payload: str) -> None:
    desk = booted("1.6")
    desk._asked["two"] = "Reset"
    desk.say(f'[2,"two","Reset",{payload}]')
    assert desk.last_error() == "FormationViolation"
    assert not desk.heard(CommandReceived)


def test_a_repeated_request_is_known_again_however_large_it_is() -> None:
    desk = booted("1.6")
    large = {"vendorId": "x", "data": "y" * 200_000}
    for _ in range(2):
        desk.ask("DataTransfer", large, "same")
    assert len(desk.heard(CommandReceived)) == 1
    desk.run(21)
    desk.ask("DataTransfer", large, "same")
    assert [frame[1] for frame in desk.answers] == ["same", "same"]
    assert len(desk.heard(CommandReceived)) == 1


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([2, "i", "Reset", {"type": "x" * 1_100_000}]),
        '[2,"i","Reset",' + '{"a":' * 40 + "1" + "}" * 40 + "]",
        '[2,"i","Reset",{"type":NaN}]',
        '[2,"i","SetChargingProfile",{"connectorId":1e999}]',
        '[2,"i","ChangeAvailability",{"connectorId":' + "9" * 100_000 + ',"type":"Operative"}]',
        b'[2,"i","Reset",{"type":"\xff"}]',
    ],
    ids=["too long", "too deep", "NaN", "infinite", "a number of 100,000 digits", "bad UTF-8"],
)
def test_what_no_parser_should_take_is_answered_with_an_error(text: str | bytes) -> None:
    desk = booted("1.6")
    desk.say(text)
    assert desk.answers[-1][:2] == [4, "i"]
    assert desk.last_error() in ("FormationViolation", "PropertyConstraintViolation", "TypeConstraintViolation")
    assert len(json.dumps(desk.answers[-1])) < 1_000, "nothing of it comes back"
