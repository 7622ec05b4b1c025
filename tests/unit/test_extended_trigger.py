"""ExtendedTriggerMessage: every message that it may ask for, in the station's words, and the answer back in its own."""

from __future__ import annotations

import json

import pytest

from agent.model.commands import Answered, Outcome, TriggerKind, TriggerMessage
from agent.model.station import EvseLayout
from agent.ocpp.errors import RemoteProtocolError
from agent.ocpp.v16.dialect import Dialect16
from tests.conformance.oracle import V16

DIALECT = Dialect16((EvseLayout(evse_id=1), EvseLayout(evse_id=2)))


@pytest.mark.req("security whitepaper §5: ExtendedTriggerMessage")
@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ("BootNotification", TriggerKind.BOOT),
        ("LogStatusNotification", TriggerKind.LOG_STATUS),
        ("FirmwareStatusNotification", TriggerKind.SIGNED_FIRMWARE_STATUS),
        ("Heartbeat", TriggerKind.HEARTBEAT),
        ("MeterValues", TriggerKind.METER_VALUES),
        ("SignChargePointCertificate", TriggerKind.SIGN_CERTIFICATE),
        ("StatusNotification", TriggerKind.STATUS),
    ],
)
def test_every_message_can_be_asked_for(wanted: str, kind: TriggerKind) -> None:
    for connector in ({}, {"connectorId": 2}):
        payload = json.dumps({"requestedMessage": wanted, **connector}).encode()
        command = DIALECT.command("ExtendedTriggerMessage", payload)
        assert isinstance(command, TriggerMessage)
        assert command.kind is kind
        placed = bool(connector) and kind in (TriggerKind.METER_VALUES, TriggerKind.STATUS)
        assert command.evse_id == (2 if placed else None)
        for answered in Answered:
            message = DIALECT.answer("ExtendedTriggerMessage", command, Outcome(answered=answered))
            answer = json.loads(bytes(DIALECT.encode(message)))
            assert V16.check("ExtendedTriggerMessage", "response", answer) == []


def test_what_nobody_can_send_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        DIALECT.command("ExtendedTriggerMessage", b'{"requestedMessage": "DiagnosticsStatusNotification"}')
