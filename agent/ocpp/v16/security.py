"""Security in the words of OCPP 1.6: the whitepaper's requests, responses and event names. Pure.

Source: whitepaper "Improved security for OCPP 1.6-J" ed. 3 §4, §5, appendix "security events".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.model.commands import Answered, Command, Outcome, TriggerKind, TriggerMessage
from agent.model.facts import SecurityEvent
from agent.model.journal import JournalRow
from agent.model.security import (
    CertificateName,
    CertificateOutcome,
    DeleteRoot,
    HashAlgorithm,
    InstallRoot,
    ListRoots,
    RootAnswer,
    RootPurpose,
    RootsOutcome,
    SecurityEventKind,
    SecurityOutcome,
    TakeCertificate,
)
from agent.ocpp.codec import Payload
from agent.ocpp.dialect import Message, Resolve
from agent.ocpp.errors import LocalProtocolError
from agent.ocpp.fact_time import fact_time
from agent.ocpp.security_words import SAME_EVENT_NAME, TECH_INFO_CHARS
from agent.ocpp.v16 import security_messages as wire
from agent.ocpp.v16.places import Connectors
from agent.ocpp.wire_time import WireTime, format_utc

EVENT_NAME: Final[Mapping[SecurityEventKind, str]] = MappingProxyType(
    {
        **SAME_EVENT_NAME,
        SecurityEventKind.FAILED_TO_AUTHENTICATE: "FailedToAuthenticateAtCentralSystem",
        SecurityEventKind.CSMS_FAILED_TO_AUTHENTICATE: "CentralSystemFailedToAuthenticate",
        SecurityEventKind.INVALID_CSMS_CERTIFICATE: "InvalidCentralSystemCertificate",
        SecurityEventKind.INVALID_STATION_CERTIFICATE: "InvalidChargePointCertificate",
    }
)
_PURPOSE_OF: Final = MappingProxyType(
    {
        wire.CertificateUse.CENTRAL_SYSTEM_ROOT: RootPurpose.CSMS,
        wire.CertificateUse.MANUFACTURER_ROOT: RootPurpose.MANUFACTURER,
    }
)
_TRIGGER_OF: Final[Mapping[wire.ExtendedTrigger, TriggerKind]] = MappingProxyType(
    {
        wire.ExtendedTrigger.BOOT_NOTIFICATION: TriggerKind.BOOT,
        wire.ExtendedTrigger.LOG_STATUS_NOTIFICATION: TriggerKind.LOG_STATUS,
        wire.ExtendedTrigger.FIRMWARE_STATUS_NOTIFICATION: TriggerKind.SIGNED_FIRMWARE_STATUS,
        wire.ExtendedTrigger.HEARTBEAT: TriggerKind.HEARTBEAT,
        wire.ExtendedTrigger.METER_VALUES: TriggerKind.METER_VALUES,
        wire.ExtendedTrigger.SIGN_CHARGE_POINT_CERTIFICATE: TriggerKind.SIGN_CERTIFICATE,
        wire.ExtendedTrigger.STATUS_NOTIFICATION: TriggerKind.STATUS,
    }
)
_HAS_PLACE: Final = (TriggerKind.STATUS, TriggerKind.METER_VALUES)
_TRIGGERED: Final[Mapping[Answered, wire.ExtendedTriggerStatus]] = MappingProxyType(
    {
        Answered.ACCEPTED: wire.ExtendedTriggerStatus.ACCEPTED,
        Answered.SCHEDULED: wire.ExtendedTriggerStatus.ACCEPTED,
        Answered.REJECTED: wire.ExtendedTriggerStatus.REJECTED,
        Answered.NOT_IMPLEMENTED: wire.ExtendedTriggerStatus.NOT_IMPLEMENTED,
        Answered.NOT_SUPPORTED: wire.ExtendedTriggerStatus.NOT_IMPLEMENTED,
    }
)
_INSTALLED: Final[Mapping[RootAnswer, wire.InstallCertificateStatus]] = MappingProxyType(
    {
        RootAnswer.ACCEPTED: wire.InstallCertificateStatus.ACCEPTED,
        RootAnswer.REJECTED: wire.InstallCertificateStatus.REJECTED,
        RootAnswer.FAILED: wire.InstallCertificateStatus.FAILED,
        RootAnswer.NOT_FOUND: wire.InstallCertificateStatus.REJECTED,
    }
)
_DELETED: Final[Mapping[RootAnswer, wire.DeleteCertificateStatus]] = MappingProxyType(
    {
        RootAnswer.ACCEPTED: wire.DeleteCertificateStatus.ACCEPTED,
        RootAnswer.REJECTED: wire.DeleteCertificateStatus.FAILED,
        RootAnswer.FAILED: wire.DeleteCertificateStatus.FAILED,
        RootAnswer.NOT_FOUND: wire.DeleteCertificateStatus.NOT_FOUND,
    }
)


def security_event(row: JournalRow, fact: SecurityEvent, resolve: Resolve) -> Message:
    """Return the SecurityEventNotification for a fact of the journal."""
    return _notification(fact.event, fact_time(row, resolve), fact.text)


def live_security_event(event: SecurityEventKind, at_utc_s: float, text: str) -> Message:
    """Return the SecurityEventNotification for an event outside the journal."""
    return _notification(event, format_utc(at_utc_s), text)


def _notification(event: SecurityEventKind, at: WireTime, text: str) -> Message:
    payload = wire.SecurityEventNotificationRequest(
        type=EVENT_NAME[event], timestamp=at, tech_info=text[:TECH_INFO_CHARS] or None
    )
    return Message(action="SecurityEventNotification", payload=payload)


def sign_certificate(csr_pem: str) -> Message:
    """Return a SignCertificate."""
    return Message(action="SignCertificate", payload=wire.SignCertificateRequest(csr=csr_pem))


def command(request: Payload, connectors: Connectors) -> Command | None:
    """Read a request of the whitepaper; ``None`` for any other."""
    match request:
        case wire.CertificateSignedRequest():
            return TakeCertificate(chain_pem=request.certificate_chain)
        case wire.InstallCertificateRequest():
            return InstallRoot(purpose=_PURPOSE_OF[request.certificate_type], pem=request.certificate)
        case wire.DeleteCertificateRequest():
            return DeleteRoot(name=_name(request.certificate_hash_data))
        case wire.GetInstalledCertificateIdsRequest():
            return ListRoots(purpose=_PURPOSE_OF[request.certificate_type])
        case wire.ExtendedTriggerMessageRequest():
            return _trigger(request, connectors)
    return None


def response(action: str, outcome: SecurityOutcome | Outcome) -> Payload:
    """Return the response to a request of the whitepaper.

    Raises:
        LocalProtocolError: this outcome does not belong to that action.
    """
    match action, outcome:
        case "ExtendedTriggerMessage", Outcome():
            return wire.ExtendedTriggerMessageResponse(status=_TRIGGERED[outcome.answered])
        case "CertificateSigned", CertificateOutcome():
            accepted = outcome.answer is RootAnswer.ACCEPTED
            status = wire.GenericStatus.ACCEPTED if accepted else wire.GenericStatus.REJECTED
            return wire.CertificateSignedResponse(status=status)
        case "InstallCertificate", CertificateOutcome():
            return wire.InstallCertificateResponse(status=_INSTALLED[outcome.answer])
        case "DeleteCertificate", CertificateOutcome():
            return wire.DeleteCertificateResponse(status=_DELETED[outcome.answer])
        case "GetInstalledCertificateIds", RootsOutcome():
            names = tuple(_hash_data(name) for _, name in outcome.names)
            found = wire.InstalledCertificateStatus.ACCEPTED if names else wire.InstalledCertificateStatus.NOT_FOUND
            return wire.GetInstalledCertificateIdsResponse(status=found, certificate_hash_data=names or None)
    raise LocalProtocolError(f"{type(outcome).__name__} is no outcome of {action}")


def _trigger(request: wire.ExtendedTriggerMessageRequest, connectors: Connectors) -> TriggerMessage:
    kind = _TRIGGER_OF[request.requested_message]
    if request.connector_id is None or kind not in _HAS_PLACE:
        return TriggerMessage(kind=kind)
    evse_id, connector_id = connectors.place(request.connector_id)
    return TriggerMessage(kind=kind, evse_id=evse_id, connector_id=connector_id)


def _name(data: wire.CertificateHashData) -> CertificateName:
    return CertificateName(
        algorithm=HashAlgorithm(data.hash_algorithm.value),
        issuer_name_hash=data.issuer_name_hash.lower(),
        issuer_key_hash=data.issuer_key_hash.lower(),
        serial_number=data.serial_number.lower().lstrip("0") or "0",
    )


def _hash_data(name: CertificateName) -> wire.CertificateHashData:
    return wire.CertificateHashData(
        hash_algorithm=wire.HashAlgorithm(name.algorithm.value),
        issuer_name_hash=name.issuer_name_hash,
        issuer_key_hash=name.issuer_key_hash,
        serial_number=name.serial_number,
    )
