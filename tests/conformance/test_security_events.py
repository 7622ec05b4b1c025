"""Security events in both versions' words: every kind is told, by the name that the standard gives it."""

from __future__ import annotations

import json

import pytest

from agent.model.facts import SecurityEvent
from agent.model.journal import JournalRow
from agent.model.moment import Stamp
from agent.model.security import CRITICAL, JOURNALLED, REPEATABLE, SecurityEventKind
from tests.conformance.oracle import V16, V201
from tests.scenario.ocpp_desk import NOON_UTC_S, VERSIONS, dialect_of

LISTED_16 = [
    "FirmwareUpdated",
    "FailedToAuthenticateAtCentralSystem",
    "CentralSystemFailedToAuthenticate",
    "SettingSystemTime",
    "StartupOfTheDevice",
    "ResetOrReboot",
    "SecurityLogWasCleared",
    "ReconfigurationOfSecurityParameters",
    "MemoryExhaustion",
    "InvalidMessages",
    "AttemptedReplayAttacks",
    "TamperDetectionActivated",
    "InvalidFirmwareSignature",
    "InvalidFirmwareSigningCertificate",
    "InvalidCentralSystemCertificate",
    "InvalidChargePointCertificate",
    "InvalidTLSVersion",
    "InvalidTLSCipherSuite",
]
CRITICAL_16 = [
    "FirmwareUpdated",
    "SettingSystemTime",
    "StartupOfTheDevice",
    "ResetOrReboot",
    "SecurityLogWasCleared",
    "MemoryExhaustion",
    "TamperDetectionActivated",
]
LISTED_201 = [
    "FirmwareUpdated",
    "FailedToAuthenticateAtCsms",
    "CsmsFailedToAuthenticate",
    "SettingSystemTime",
    "StartupOfTheDevice",
    "ResetOrReboot",
    "SecurityLogWasCleared",
    "ReconfigurationOfSecurityParameters",
    "MemoryExhaustion",
    "InvalidMessages",
    "AttemptedReplayAttacks",
    "TamperDetectionActivated",
    "InvalidFirmwareSignature",
    "InvalidFirmwareSigningCertificate",
    "InvalidCsmsCertificate",
    "InvalidChargingStationCertificate",
    "InvalidTLSVersion",
    "InvalidTLSCipherSuite",
    "MaintenanceLoginAccepted",
    "MaintenanceLoginFailed",
]
OTHERS_201 = {
    *("FailedToAuthenticateAtCsms", "CsmsFailedToAuthenticate", "ReconfigurationOfSecurityParameters"),
    *("InvalidMessages", "AttemptedReplayAttacks"),
}


def told(version: str, kind: SecurityEventKind, text: str = "") -> dict[str, str]:
    """Return the proven payload of an event of the journal, the same as that of one outside of it."""
    dialect = dialect_of(version)
    fact = SecurityEvent(event=kind, at=Stamp(boot_id="boot", mono_s=1.0, utc_s=NOON_UTC_S), text=text)
    message = dialect.render(JournalRow(seq=1, message_id="1", fact=fact), lambda stamp: stamp.utc_s or 0.0)
    live = dialect.security_event(kind, NOON_UTC_S, text)
    assert message is not None
    assert live is not None
    assert (live.action, live.payload) == (message.action, message.payload)
    assert message.action == "SecurityEventNotification"
    payload: dict[str, str] = json.loads(bytes(dialect.encode(message)))
    oracle = V16 if version == "1.6" else V201
    assert oracle.check(message.action, "request", payload) == []
    return payload


@pytest.mark.req("security whitepaper A04, list of security events; OCPP 2.0.1 part 2 appendix 1.4")
def test_every_listed_event_has_a_kind_and_every_kind_a_name() -> None:
    names = {version: {told(version, kind)["type"]: kind for kind in SecurityEventKind} for version in VERSIONS}
    assert names["1.6"].keys() >= set(LISTED_16)
    assert names["2.0.1"].keys() == set(LISTED_201)
    assert {names["1.6"][name] for name in CRITICAL_16} <= CRITICAL
    assert {kind for name, kind in names["2.0.1"].items() if name not in OTHERS_201} == CRITICAL
    assert JOURNALLED > CRITICAL
    assert not REPEATABLE & {SecurityEventKind.STARTUP, SecurityEventKind.PARAMETERS_CHANGED}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_long_text_is_cut_and_an_empty_one_left_out(version: str) -> None:
    assert told(version, SecurityEventKind.STARTUP, "x" * 400)["techInfo"] == "x" * 255
    assert "techInfo" not in told(version, SecurityEventKind.STARTUP)
    assert told(version, SecurityEventKind.STARTUP)["timestamp"] == "2026-11-20T12:00:00.000Z"
