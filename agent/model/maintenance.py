"""Firmware and logs: what the CSMS asks for, what it is answered, and how the work goes on.

Source: OCPP 1.6 §4.4, §4.5, §5.9, §5.19; security whitepaper ed. 3 L01, N01; OCPP 2.0.1 part 2 L01, L02, N01.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from agent.model.moment import Stamp

FIRMWARE_DOCUMENTS: Final = "firmware"
"""Kind of the one document that tells how far an update has come."""

UPLOAD_DOCUMENTS: Final = "upload"
"""Kind of the one document that tells which upload is under way."""


class FirmwareState(Enum):
    """How far an update has come. An unsigned one knows fewer of them; see ``UNSIGNED``."""

    IDLE = "idle"
    DOWNLOAD_SCHEDULED = "download_scheduled"
    DOWNLOADING = "downloading"
    DOWNLOAD_PAUSED = "download_paused"
    DOWNLOADED = "downloaded"
    DOWNLOAD_FAILED = "download_failed"
    SIGNATURE_VERIFIED = "signature_verified"
    INVALID_SIGNATURE = "invalid_signature"
    INSTALL_SCHEDULED = "install_scheduled"
    INSTALLING = "installing"
    INSTALL_REBOOTING = "install_rebooting"
    INSTALL_VERIFICATION_FAILED = "install_verification_failed"
    INSTALLATION_FAILED = "installation_failed"
    INSTALLED = "installed"


FINAL_STATES: Final = frozenset(
    {
        FirmwareState.DOWNLOAD_FAILED,
        FirmwareState.INVALID_SIGNATURE,
        FirmwareState.INSTALL_VERIFICATION_FAILED,
        FirmwareState.INSTALLATION_FAILED,
        FirmwareState.INSTALLED,
    }
)
"""After these nothing follows. Source: security whitepaper L01; OCPP 2.0.1 L01."""


class UploadState(Enum):
    """How far an upload has come."""

    IDLE = "idle"
    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    FAILED = "failed"
    BAD_MESSAGE = "bad_message"  # the server did not understand us
    PERMISSION_DENIED = "permission_denied"
    NOT_SUPPORTED = "not_supported"  # the server does not do that
    CANCELED = "canceled"  # a newer request took its place


class LogKind(Enum):
    """What is uploaded."""

    DIAGNOSTICS = "diagnostics"
    SECURITY = "security"


class UpdateFirmware(msgspec.Struct, frozen=True, kw_only=True):
    """Fetch a firmware and install it.

    Attributes:
        location: its address, as given; it may hold credentials.
        retrieve_utc_s: not before. install_utc_s: installed not before; ``None``: as soon as it may be.
        retries: attempts after the first one; ``None``: the station's own choice. retry_interval_s: between them.
        request_id: the CSMS's number for it, where it gives one.
        certificate_pem, signature: who signed it, and base64 of the signature; both ``None``: it is not signed.
    """

    location: str
    retrieve_utc_s: float
    install_utc_s: float | None = None
    retries: int | None = None
    retry_interval_s: int | None = None
    request_id: int | None = None
    certificate_pem: str | None = None
    signature: str | None = None

    @property
    def signed(self) -> bool:
        """Return whether it has a signature that must be right."""
        return self.signature is not None


class UploadLog(msgspec.Struct, frozen=True, kw_only=True):
    """Upload a log.

    Attributes:
        location: where to, as given; it may hold credentials.
        oldest_utc_s, latest_utc_s: which time it is about; ``None``: no bound.
        request_id: the CSMS's number for it; ``None``: it has none (1.6 GetDiagnostics).
    """

    kind: LogKind
    location: str
    retries: int | None = None
    retry_interval_s: int | None = None
    oldest_utc_s: float | None = None
    latest_utc_s: float | None = None
    request_id: int | None = None


MaintenanceCommand = UpdateFirmware | UploadLog


class UpdateAnswer(Enum):
    """What a request to update is answered."""

    ACCEPTED = "accepted"
    ACCEPTED_CANCELED = "accepted_canceled"  # and the update that was under way is not any more
    REJECTED = "rejected"
    INVALID_CERTIFICATE = "invalid_certificate"
    REVOKED_CERTIFICATE = "revoked_certificate"
    SIGNED_ONLY = "signed_only"  # this station takes signed firmware only


class UpdateOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``UpdateFirmware``. ``why`` is for logs and people."""

    answer: UpdateAnswer
    why: str = ""


class UploadAnswer(Enum):
    """What a request to upload is answered."""

    ACCEPTED = "accepted"
    ACCEPTED_CANCELED = "accepted_canceled"
    REJECTED = "rejected"


class UploadOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``UploadLog``. ``filename`` is ``None`` where nothing will come."""

    answer: UploadAnswer
    filename: str | None = None
    why: str = ""


MaintenanceOutcome = UpdateOutcome | UploadOutcome


class FirmwareProgressed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An update has come to a state. ``request_id`` is that of its request; ``signed``: it has a signature."""

    state: FirmwareState
    at: Stamp
    request_id: int | None = None
    signed: bool = False

    @property
    def transaction_id(self) -> str:
        """Return nothing: it belongs to no transaction."""
        return ""


class UploadProgressed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An upload has come to a state. ``request_id`` ``None``: the request had none."""

    state: UploadState
    at: Stamp
    request_id: int | None = None

    @property
    def transaction_id(self) -> str:
        """Return nothing: it belongs to no transaction."""
        return ""
