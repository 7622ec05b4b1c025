"""Every message of OCPP 1.6 that we speak, held against the official schema of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from agent.ocpp.codec import Payload
from agent.ocpp.errors import RemoteProtocolError, Violation
from agent.ocpp.v16.messages import ACTIONS, CODEC, KNOWN_ACTIONS
from tests.conformance.emitted import messages
from tests.conformance.oracle import FEW, V16

KINDS = [(action, kind) for action in ACTIONS for kind in ("request", "response")]


def _type(action: str, kind: str) -> type[Payload]:
    pair = ACTIONS[action]
    return pair.request if kind == "request" else pair.response


def test_the_known_actions_are_those_of_the_standard() -> None:
    assert V16.actions() == KNOWN_ACTIONS


@pytest.mark.req("OCPP-J 1.6 errata 3.2; quirk T12; quirk T13")
@pytest.mark.parametrize(("action", "kind"), KINDS)
def test_every_message_that_we_emit_is_valid(action: str, kind: str) -> None:
    @FEW
    @given(messages(_type(action, kind)))
    def check(message: Payload) -> None:
        payload = json.loads(bytes(CODEC.encode(message)))
        assert V16.check(action, kind, payload) == []

    check()


@pytest.mark.req("OCPP-J 1.6 errata 3.2")
@pytest.mark.parametrize(("action", "kind"), KINDS)
def test_every_valid_message_is_read_and_written_back_valid(action: str, kind: str) -> None:
    @FEW
    @given(V16.instances(action, kind))
    def check(payload: object) -> None:
        assert V16.check(action, kind, payload, our_times=False) == []
        message = CODEC.decode(_type(action, kind), json.dumps(payload).encode())
        again = json.loads(bytes(CODEC.encode(message)))
        assert V16.check(action, kind, again, our_times=False) == []

    check()


@pytest.mark.parametrize(("action", "kind"), KINDS)
def test_a_message_with_every_member_keeps_them_all(action: str, kind: str) -> None:
    payload = V16.fullest(action, kind)
    assert V16.check(action, kind, payload) == []
    message = CODEC.decode(_type(action, kind), json.dumps(payload).encode())
    assert json.loads(bytes(CODEC.encode(message))) == _without_custom(payload)


@pytest.mark.req("OCPP-J 1.6 §4.2.3")
@pytest.mark.parametrize(("action", "kind"), KINDS)
def test_every_broken_rule_is_refused_with_its_own_violation(action: str, kind: str) -> None:
    for mutation in V16.mutations(action, kind):
        assert _violation(_type(action, kind), mutation.payload) is mutation.violation, mutation.what


def _violation(kind: type[Payload], payload: object) -> Violation | None:
    try:
        CODEC.decode(kind, json.dumps(payload).encode())
    except RemoteProtocolError as exc:
        return exc.violation
    return None


def _without_custom(payload: object) -> object:
    if isinstance(payload, dict):
        return {name: _without_custom(member) for name, member in payload.items() if name != "customData"}
    if isinstance(payload, list):
        return [_without_custom(item) for item in payload]
    return payload
