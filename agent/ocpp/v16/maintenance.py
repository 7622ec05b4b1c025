"""Firmware, diagnostics and logs between OCPP 1.6's words and the model's. Pure.

1.6 has two of each: the core's messages for what is unsigned and unnumbered, the security whitepaper's for the rest.

Source: OCPP 1.6 §4.4, §4.5, §5.9, §5.19; security whitepaper ed. 3 L01, N01.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.model.commands import TriggerKind
from agent.model.maintenance import (
    FirmwareProgressed,
    FirmwareState,
    LogKind,
    UpdateAnswer,
    UpdateFirmware,
    UpdateOutcome,
    UploadAnswer,
    UploadLog,
    UploadOutcome,
    UploadProgressed,
    UploadState,
)
from agent.ocpp.codec import Payload
from agent.ocpp.dialect import Message
from agent.ocpp.errors import LocalProtocolError, RemoteProtocolError, Violation
from agent.ocpp.v16 import maintenance_messages as wire
from agent.ocpp.wire_time import utc_s

_SIGNED_OF: Final = MappingProxyType({each: wire.SignedFirmwareStatus[each.name] for each in FirmwareState})
_UNSIGNED_OF: Final[Mapping[FirmwareState, wire.FirmwareStatus | None]] = MappingProxyType(
    {
        FirmwareState.IDLE: wire.FirmwareStatus.IDLE,
        FirmwareState.DOWNLOAD_SCHEDULED: None,
        FirmwareState.DOWNLOADING: wire.FirmwareStatus.DOWNLOADING,
        FirmwareState.DOWNLOAD_PAUSED: None,
        FirmwareState.DOWNLOADED: wire.FirmwareStatus.DOWNLOADED,
        FirmwareState.DOWNLOAD_FAILED: wire.FirmwareStatus.DOWNLOAD_FAILED,
        FirmwareState.SIGNATURE_VERIFIED: None,
        FirmwareState.INVALID_SIGNATURE: wire.FirmwareStatus.INSTALLATION_FAILED,
        FirmwareState.INSTALL_SCHEDULED: None,
        FirmwareState.INSTALLING: wire.FirmwareStatus.INSTALLING,
        FirmwareState.INSTALL_REBOOTING: None,
        FirmwareState.INSTALL_VERIFICATION_FAILED: wire.FirmwareStatus.INSTALLATION_FAILED,
        FirmwareState.INSTALLATION_FAILED: wire.FirmwareStatus.INSTALLATION_FAILED,
        FirmwareState.INSTALLED: wire.FirmwareStatus.INSTALLED,
    }
)
_NEAREST: Final[Mapping[FirmwareState, wire.FirmwareStatus]] = MappingProxyType(
    {
        FirmwareState.DOWNLOAD_SCHEDULED: wire.FirmwareStatus.IDLE,
        FirmwareState.DOWNLOAD_PAUSED: wire.FirmwareStatus.DOWNLOADING,
        FirmwareState.SIGNATURE_VERIFIED: wire.FirmwareStatus.DOWNLOADED,
        FirmwareState.INSTALL_SCHEDULED: wire.FirmwareStatus.DOWNLOADED,
        FirmwareState.INSTALL_REBOOTING: wire.FirmwareStatus.INSTALLING,
    }
)
"""What an unsigned status says of a state that it has no word for, when it is asked."""

_LOG_OF: Final[Mapping[UploadState, wire.UploadLogStatus | None]] = MappingProxyType(
    {
        UploadState.IDLE: wire.UploadLogStatus.IDLE,
        UploadState.UPLOADING: wire.UploadLogStatus.UPLOADING,
        UploadState.UPLOADED: wire.UploadLogStatus.UPLOADED,
        UploadState.FAILED: wire.UploadLogStatus.UPLOAD_FAILURE,
        UploadState.BAD_MESSAGE: wire.UploadLogStatus.BAD_MESSAGE,
        UploadState.PERMISSION_DENIED: wire.UploadLogStatus.PERMISSION_DENIED,
        UploadState.NOT_SUPPORTED: wire.UploadLogStatus.NOT_SUPPORTED_OPERATION,
        UploadState.CANCELED: None,  # the answer AcceptedCanceled has said it
    }
)
_DIAGNOSTICS_OF: Final[Mapping[UploadState, wire.DiagnosticsStatus | None]] = MappingProxyType(
    {
        UploadState.IDLE: wire.DiagnosticsStatus.IDLE,
        UploadState.UPLOADING: wire.DiagnosticsStatus.UPLOADING,
        UploadState.UPLOADED: wire.DiagnosticsStatus.UPLOADED,
        UploadState.FAILED: wire.DiagnosticsStatus.UPLOAD_FAILED,
        UploadState.BAD_MESSAGE: wire.DiagnosticsStatus.UPLOAD_FAILED,
        UploadState.PERMISSION_DENIED: wire.DiagnosticsStatus.UPLOAD_FAILED,
        UploadState.NOT_SUPPORTED: wire.DiagnosticsStatus.UPLOAD_FAILED,
        UploadState.CANCELED: None,
    }
)
_UPDATE_ANSWER: Final[Mapping[UpdateAnswer, wire.UpdateFirmwareStatus]] = MappingProxyType(
    {
        UpdateAnswer.ACCEPTED: wire.UpdateFirmwareStatus.ACCEPTED,
        UpdateAnswer.ACCEPTED_CANCELED: wire.UpdateFirmwareStatus.ACCEPTED_CANCELED,
        UpdateAnswer.REJECTED: wire.UpdateFirmwareStatus.REJECTED,
        UpdateAnswer.INVALID_CERTIFICATE: wire.UpdateFirmwareStatus.INVALID_CERTIFICATE,
        UpdateAnswer.REVOKED_CERTIFICATE: wire.UpdateFirmwareStatus.REVOKED_CERTIFICATE,
        UpdateAnswer.SIGNED_ONLY: wire.UpdateFirmwareStatus.REJECTED,
    }
)
_LOG_ANSWER: Final = MappingProxyType({each: wire.LogStatus[each.name] for each in UploadAnswer})
_KIND_OF: Final = MappingProxyType(
    {wire.LogType.DIAGNOSTICS_LOG: LogKind.DIAGNOSTICS, wire.LogType.SECURITY_LOG: LogKind.SECURITY}
)

Request = (
    wire.UpdateFirmwareRequest | wire.SignedUpdateFirmwareRequest | wire.GetDiagnosticsRequest | wire.GetLogRequest
)


def command(request: Request) -> UpdateFirmware | UploadLog:
    """Return what the CSMS asks."""
    match request:
        case wire.UpdateFirmwareRequest():
            return UpdateFirmware(
                location=request.location,
                retrieve_utc_s=utc_s(request.retrieve_date),
                retries=request.retries,
                retry_interval_s=request.retry_interval,
            )
        case wire.SignedUpdateFirmwareRequest(firmware=firmware):
            install = firmware.install_date_time
            return UpdateFirmware(
                location=firmware.location,
                retrieve_utc_s=utc_s(firmware.retrieve_date_time),
                install_utc_s=None if install is None else utc_s(install),
                retries=request.retries,
                retry_interval_s=request.retry_interval,
                request_id=request.request_id,
                certificate_pem=firmware.signing_certificate,
                signature=firmware.signature,
            )
        case wire.GetDiagnosticsRequest():
            return UploadLog(
                kind=LogKind.DIAGNOSTICS,
                location=request.location,
                retries=request.retries,
                retry_interval_s=request.retry_interval,
                oldest_utc_s=None if request.start_time is None else utc_s(request.start_time),
                latest_utc_s=None if request.stop_time is None else utc_s(request.stop_time),
            )
        case wire.GetLogRequest(log=log):
            return UploadLog(
                kind=_KIND_OF[request.log_type],
                location=log.remote_location,
                retries=request.retries,
                retry_interval_s=request.retry_interval,
                oldest_utc_s=None if log.oldest_timestamp is None else utc_s(log.oldest_timestamp),
                latest_utc_s=None if log.latest_timestamp is None else utc_s(log.latest_timestamp),
                request_id=request.request_id,
            )


def response(action: str, outcome: UpdateOutcome | UploadOutcome) -> Payload:
    """Return the response to a request of ``command``.

    Raises:
        RemoteProtocolError: it is refused with a CALLERROR: unsigned firmware where it must be signed (L01.FR.20).
        LocalProtocolError: this outcome does not belong to that action.
    """
    match action, outcome:
        case "UpdateFirmware", UpdateOutcome(answer=UpdateAnswer.SIGNED_ONLY):
            raise RemoteProtocolError(Violation.NOT_SUPPORTED, "this station takes signed firmware only")
        case "UpdateFirmware", UpdateOutcome():
            return wire.UpdateFirmwareResponse()
        case "SignedUpdateFirmware", UpdateOutcome():
            return wire.SignedUpdateFirmwareResponse(status=_UPDATE_ANSWER[outcome.answer])
        case "GetDiagnostics", UploadOutcome():
            return wire.GetDiagnosticsResponse(file_name=outcome.filename)
        case "GetLog", UploadOutcome():
            return wire.GetLogResponse(status=_LOG_ANSWER[outcome.answer], filename=outcome.filename)
    raise LocalProtocolError(f"{type(outcome).__name__} is no outcome of {action}")


def firmware_progress(fact: FirmwareProgressed) -> Message | None:
    """Return the notification of a state; ``None`` where 1.6 has no word for it."""
    if fact.signed:
        return _signed_status(fact.state, fact.request_id)
    status = _UNSIGNED_OF[fact.state]
    return None if status is None else _unsigned_status(status)


def upload_progress(fact: UploadProgressed) -> Message | None:
    """Return the notification of a state; ``None`` where 1.6 has no word for it."""
    return _upload_status(fact.state, fact.request_id, numbered=fact.request_id is not None)


def triggered_status(
    kind: TriggerKind, firmware: FirmwareProgressed | None, upload: UploadProgressed | None
) -> Message | None:
    """Return the status that a trigger asks for.

    Args:
        firmware: the last state that was told; ``None``: nothing to tell. upload: the same.
    """
    match kind:
        case TriggerKind.FIRMWARE_STATUS:
            state = FirmwareState.IDLE if firmware is None else firmware.state
            return _unsigned_status(_NEAREST.get(state) or _UNSIGNED_OF[state] or wire.FirmwareStatus.IDLE)
        case TriggerKind.SIGNED_FIRMWARE_STATUS:
            if firmware is None or not firmware.signed:
                return _signed_status(FirmwareState.IDLE, None)
            return _signed_status(firmware.state, firmware.request_id)
        case TriggerKind.DIAGNOSTICS_STATUS:
            unnumbered = upload is not None and upload.request_id is None
            return _upload_status(upload.state if upload and unnumbered else UploadState.IDLE, None, numbered=False)
        case TriggerKind.LOG_STATUS:
            if upload is None or upload.request_id is None:
                return _upload_status(UploadState.IDLE, None, numbered=True)
            return _upload_status(upload.state, upload.request_id, numbered=True)
    return None


def _signed_status(state: FirmwareState, request_id: int | None) -> Message:
    payload = wire.SignedFirmwareStatusNotificationRequest(status=_SIGNED_OF[state], request_id=request_id)
    return Message(action="SignedFirmwareStatusNotification", payload=payload)


def _unsigned_status(status: wire.FirmwareStatus) -> Message:
    return Message(action="FirmwareStatusNotification", payload=wire.FirmwareStatusNotificationRequest(status=status))


def _upload_status(state: UploadState, request_id: int | None, *, numbered: bool) -> Message | None:
    if numbered:
        log = _LOG_OF[state]
        if log is None:
            return None
        payload = wire.LogStatusNotificationRequest(status=log, request_id=request_id)
        return Message(action="LogStatusNotification", payload=payload)
    diagnostics = _DIAGNOSTICS_OF[state]
    if diagnostics is None:
        return None
    told = wire.DiagnosticsStatusNotificationRequest(status=diagnostics)
    return Message(action="DiagnosticsStatusNotification", payload=told)
