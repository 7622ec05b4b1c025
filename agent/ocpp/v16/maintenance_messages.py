"""Messages about firmware, diagnostics and logs, with the limits of the official JSON schemas.

Source: OCPP 1.6 edition 2 §4.4, §4.5, §5.9, §5.19, §6, §7; whitepaper "Improved security for OCPP 1.6-J" ed. 3 §5
(GetLog, LogStatusNotification, SignedUpdateFirmware, SignedFirmwareStatusNotification).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from agent.ocpp.codec import Direction, MessagePair, Payload
from agent.ocpp.fields import Integer, String255, String512, String5500
from agent.ocpp.wire_time import WireTime, check_times

String800: TypeAlias = Annotated[str, Meta(max_length=800)]


class FirmwareStatus(Enum):
    """State of an unsigned update."""

    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    DOWNLOADING = "Downloading"
    IDLE = "Idle"
    INSTALLATION_FAILED = "InstallationFailed"
    INSTALLING = "Installing"
    INSTALLED = "Installed"


class SignedFirmwareStatus(Enum):
    """State of a signed update."""

    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    DOWNLOADING = "Downloading"
    DOWNLOAD_SCHEDULED = "DownloadScheduled"
    DOWNLOAD_PAUSED = "DownloadPaused"
    IDLE = "Idle"
    INSTALLATION_FAILED = "InstallationFailed"
    INSTALLING = "Installing"
    INSTALLED = "Installed"
    INSTALL_REBOOTING = "InstallRebooting"
    INSTALL_SCHEDULED = "InstallScheduled"
    INSTALL_VERIFICATION_FAILED = "InstallVerificationFailed"
    INVALID_SIGNATURE = "InvalidSignature"
    SIGNATURE_VERIFIED = "SignatureVerified"


class UpdateFirmwareStatus(Enum):
    """The answer to a SignedUpdateFirmware."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    ACCEPTED_CANCELED = "AcceptedCanceled"
    INVALID_CERTIFICATE = "InvalidCertificate"
    REVOKED_CERTIFICATE = "RevokedCertificate"


class DiagnosticsStatus(Enum):
    """State of an upload of diagnostics."""

    IDLE = "Idle"
    UPLOADED = "Uploaded"
    UPLOAD_FAILED = "UploadFailed"
    UPLOADING = "Uploading"


class LogType(Enum):
    """What a GetLog asks for."""

    DIAGNOSTICS_LOG = "DiagnosticsLog"
    SECURITY_LOG = "SecurityLog"


class LogStatus(Enum):
    """The answer to a GetLog."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    ACCEPTED_CANCELED = "AcceptedCanceled"


class UploadLogStatus(Enum):
    """State of an upload that a GetLog asked for."""

    BAD_MESSAGE = "BadMessage"
    IDLE = "Idle"
    NOT_SUPPORTED_OPERATION = "NotSupportedOperation"
    PERMISSION_DENIED = "PermissionDenied"
    UPLOADED = "Uploaded"
    UPLOAD_FAILURE = "UploadFailure"
    UPLOADING = "Uploading"


# From the station to the CSMS


class FirmwareStatusNotificationRequest(Payload, frozen=True, kw_only=True):
    """How an unsigned update goes on."""

    status: FirmwareStatus


class FirmwareStatusNotificationResponse(Payload, frozen=True, kw_only=True):
    """Received."""


class SignedFirmwareStatusNotificationRequest(Payload, frozen=True, kw_only=True):
    """How a signed update goes on. ``request_id`` is absent only when idle."""

    status: SignedFirmwareStatus
    request_id: Integer | None = None


class SignedFirmwareStatusNotificationResponse(Payload, frozen=True, kw_only=True):
    """Received."""


class DiagnosticsStatusNotificationRequest(Payload, frozen=True, kw_only=True):
    """How an upload of diagnostics goes on."""

    status: DiagnosticsStatus


class DiagnosticsStatusNotificationResponse(Payload, frozen=True, kw_only=True):
    """Received."""


class LogStatusNotificationRequest(Payload, frozen=True, kw_only=True):
    """How an upload goes on that a GetLog asked for. ``request_id`` is absent only when idle."""

    status: UploadLogStatus
    request_id: Integer | None = None


class LogStatusNotificationResponse(Payload, frozen=True, kw_only=True):
    """Received."""


# From the CSMS to the station


class UpdateFirmwareRequest(Payload, frozen=True, kw_only=True):
    """Fetch a firmware from ``retrieve_date`` on and install it. ``retry_interval`` in s."""

    location: str
    retrieve_date: WireTime
    retries: Integer | None = None
    retry_interval: Integer | None = None

    def __post_init__(self) -> None:
        check_times(self.retrieve_date)


class UpdateFirmwareResponse(Payload, frozen=True, kw_only=True):
    """Received."""


class SignedFirmware(Payload, frozen=True, kw_only=True):
    """A firmware with its signature (base64) and the certificate of who signed it (PEM)."""

    location: String512
    retrieve_date_time: WireTime
    install_date_time: WireTime | None = None
    signing_certificate: String5500
    signature: String800

    def __post_init__(self) -> None:
        check_times(self.retrieve_date_time, self.install_date_time)


class SignedUpdateFirmwareRequest(Payload, frozen=True, kw_only=True):
    """Fetch a signed firmware, check it and install it. ``retry_interval`` in s."""

    request_id: Integer
    firmware: SignedFirmware
    retries: Integer | None = None
    retry_interval: Integer | None = None


class SignedUpdateFirmwareResponse(Payload, frozen=True, kw_only=True):
    """Whether it will be."""

    status: UpdateFirmwareStatus


class GetDiagnosticsRequest(Payload, frozen=True, kw_only=True):
    """Upload diagnostics of this time into the folder ``location``. ``retry_interval`` in s."""

    location: str
    retries: Integer | None = None
    retry_interval: Integer | None = None
    start_time: WireTime | None = None
    stop_time: WireTime | None = None

    def __post_init__(self) -> None:
        check_times(self.start_time, self.stop_time)


class GetDiagnosticsResponse(Payload, frozen=True, kw_only=True):
    """The name of the file that will come; absent where none will."""

    file_name: String255 | None = None


class LogParameters(Payload, frozen=True, kw_only=True):
    """Where a log goes and which time it is about."""

    remote_location: String512
    oldest_timestamp: WireTime | None = None
    latest_timestamp: WireTime | None = None

    def __post_init__(self) -> None:
        check_times(self.oldest_timestamp, self.latest_timestamp)


class GetLogRequest(Payload, frozen=True, kw_only=True):
    """Upload a log. ``retry_interval`` in s."""

    log: LogParameters
    log_type: LogType
    request_id: Integer
    retries: Integer | None = None
    retry_interval: Integer | None = None


class GetLogResponse(Payload, frozen=True, kw_only=True):
    """Whether it will come, and its name."""

    status: LogStatus
    filename: String255 | None = None


def _pair(request: type[Payload], response: type[Payload], direction: Direction) -> MessagePair:
    return MessagePair(request=request, response=response, direction=direction)


_TO_CSMS: Final = Direction.TO_CSMS
_TO_STATION: Final = Direction.TO_STATION

MAINTENANCE_ACTIONS: Final[Mapping[str, MessagePair]] = MappingProxyType(
    {
        "FirmwareStatusNotification": _pair(
            FirmwareStatusNotificationRequest, FirmwareStatusNotificationResponse, _TO_CSMS
        ),
        "SignedFirmwareStatusNotification": _pair(
            SignedFirmwareStatusNotificationRequest, SignedFirmwareStatusNotificationResponse, _TO_CSMS
        ),
        "DiagnosticsStatusNotification": _pair(
            DiagnosticsStatusNotificationRequest, DiagnosticsStatusNotificationResponse, _TO_CSMS
        ),
        "LogStatusNotification": _pair(LogStatusNotificationRequest, LogStatusNotificationResponse, _TO_CSMS),
        "UpdateFirmware": _pair(UpdateFirmwareRequest, UpdateFirmwareResponse, _TO_STATION),
        "SignedUpdateFirmware": _pair(SignedUpdateFirmwareRequest, SignedUpdateFirmwareResponse, _TO_STATION),
        "GetDiagnostics": _pair(GetDiagnosticsRequest, GetDiagnosticsResponse, _TO_STATION),
        "GetLog": _pair(GetLogRequest, GetLogResponse, _TO_STATION),
    }
)
