"""Security events in the words of OCPP 2.0.1. Pure.

Source: OCPP 2.0.1 part 2 A04, appendix 1.4 (security events).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.model.facts import SecurityEvent
from agent.model.journal import JournalRow
from agent.model.security import SecurityEventKind
from agent.ocpp.dialect import Message, Resolve
from agent.ocpp.fact_time import fact_time
from agent.ocpp.security_words import SAME_EVENT_NAME, TECH_INFO_CHARS
from agent.ocpp.v201.messages import SecurityEventNotificationRequest
from agent.ocpp.wire_time import WireTime, format_utc

EVENT_NAME: Final[Mapping[SecurityEventKind, str]] = MappingProxyType(
    {
        **SAME_EVENT_NAME,
        SecurityEventKind.FAILED_TO_AUTHENTICATE: "FailedToAuthenticateAtCsms",
        SecurityEventKind.CSMS_FAILED_TO_AUTHENTICATE: "CsmsFailedToAuthenticate",
        SecurityEventKind.INVALID_CSMS_CERTIFICATE: "InvalidCsmsCertificate",
        SecurityEventKind.INVALID_STATION_CERTIFICATE: "InvalidChargingStationCertificate",
    }
)


def security_event(row: JournalRow, fact: SecurityEvent, resolve: Resolve) -> Message:
    """Return the SecurityEventNotification for a fact of the journal."""
    return _notification(fact.event, fact_time(row, resolve), fact.text)


def live_security_event(event: SecurityEventKind, at_utc_s: float, text: str) -> Message:
    """Return the SecurityEventNotification for an event outside the journal."""
    return _notification(event, format_utc(at_utc_s), text)


def _notification(event: SecurityEventKind, at: WireTime, text: str) -> Message:
    payload = SecurityEventNotificationRequest(
        type=EVENT_NAME[event], timestamp=at, tech_info=text[:TECH_INFO_CHARS] or None
    )
    return Message(action="SecurityEventNotification", payload=payload)
