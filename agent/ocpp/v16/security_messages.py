"""Messages of the security whitepaper: certificates, security events, the extended trigger.

Source: whitepaper "Improved security for OCPP 1.6-J" ed. 3 §5 and its JSON schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from agent.ocpp.codec import Direction, MessagePair, Payload
from agent.ocpp.fields import Integer, String40, String50, String128, String255, String5500
from agent.ocpp.wire_time import WireTime, check_times

String10000: TypeAlias = Annotated[str, Meta(max_length=10_000)]


class GenericStatus(Enum):
    """Yes or no."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class CertificateUse(Enum):
    """What a root is for."""

    CENTRAL_SYSTEM_ROOT = "CentralSystemRootCertificate"
    MANUFACTURER_ROOT = "ManufacturerRootCertificate"


class HashAlgorithm(Enum):
    """Digest in a certificate's name."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"


class InstallCertificateStatus(Enum):
    """The answer to an InstallCertificate."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    REJECTED = "Rejected"


class DeleteCertificateStatus(Enum):
    """The answer to a DeleteCertificate."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_FOUND = "NotFound"


class InstalledCertificateStatus(Enum):
    """The answer to a GetInstalledCertificateIds."""

    ACCEPTED = "Accepted"
    NOT_FOUND = "NotFound"


class ExtendedTrigger(Enum):
    """The message that an ExtendedTriggerMessage asks for."""

    BOOT_NOTIFICATION = "BootNotification"
    LOG_STATUS_NOTIFICATION = "LogStatusNotification"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    HEARTBEAT = "Heartbeat"
    METER_VALUES = "MeterValues"
    SIGN_CHARGE_POINT_CERTIFICATE = "SignChargePointCertificate"
    STATUS_NOTIFICATION = "StatusNotification"


class ExtendedTriggerStatus(Enum):
    """The answer to an ExtendedTriggerMessage."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    NOT_IMPLEMENTED = "NotImplemented"


class CertificateHashData(Payload, frozen=True, kw_only=True):
    """The name of a certificate (RFC 6960 CertID)."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: String128
    issuer_key_hash: String128
    serial_number: String40


# From the station to the CSMS


class SignCertificateRequest(Payload, frozen=True, kw_only=True):
    """Ask for a certificate. ``csr`` is PEM (RFC 2986)."""

    csr: String5500


class SignCertificateResponse(Payload, frozen=True, kw_only=True):
    """Whether one will come."""

    status: GenericStatus


class SecurityEventNotificationRequest(Payload, frozen=True, kw_only=True):
    """Something that concerns security has happened."""

    type: String50
    timestamp: WireTime
    tech_info: String255 | None = None

    def __post_init__(self) -> None:
        check_times(self.timestamp)


class SecurityEventNotificationResponse(Payload, frozen=True, kw_only=True):
    """Received."""


# From the CSMS to the station


class CertificateSignedRequest(Payload, frozen=True, kw_only=True):
    """The station's certificate, then the issuers; PEM."""

    certificate_chain: String10000


class CertificateSignedResponse(Payload, frozen=True, kw_only=True):
    """Whether it will be used."""

    status: GenericStatus


class InstallCertificateRequest(Payload, frozen=True, kw_only=True):
    """Trust another root; PEM."""

    certificate_type: CertificateUse
    certificate: String5500


class InstallCertificateResponse(Payload, frozen=True, kw_only=True):
    """Whether it is trusted."""

    status: InstallCertificateStatus


class DeleteCertificateRequest(Payload, frozen=True, kw_only=True):
    """Do not trust a root any more."""

    certificate_hash_data: CertificateHashData


class DeleteCertificateResponse(Payload, frozen=True, kw_only=True):
    """Whether it is gone."""

    status: DeleteCertificateStatus


class GetInstalledCertificateIdsRequest(Payload, frozen=True, kw_only=True):
    """Name the roots of this use."""

    certificate_type: CertificateUse


class GetInstalledCertificateIdsResponse(Payload, frozen=True, kw_only=True):
    """Their names; absent where there are none."""

    status: InstalledCertificateStatus
    certificate_hash_data: tuple[CertificateHashData, ...] | None = None

    def __post_init__(self) -> None:
        if self.certificate_hash_data is not None and not self.certificate_hash_data:
            raise ValueError("Expected `array` of length >= 1")


class ExtendedTriggerMessageRequest(Payload, frozen=True, kw_only=True):
    """Send a message now."""

    requested_message: ExtendedTrigger
    connector_id: Integer | None = None


class ExtendedTriggerMessageResponse(Payload, frozen=True, kw_only=True):
    """Whether it will follow."""

    status: ExtendedTriggerStatus


def _pair(request: type[Payload], response: type[Payload], direction: Direction) -> MessagePair:
    return MessagePair(request=request, response=response, direction=direction)


SECURITY_ACTIONS: Final[Mapping[str, MessagePair]] = MappingProxyType(
    {
        "SignCertificate": _pair(SignCertificateRequest, SignCertificateResponse, Direction.TO_CSMS),
        "SecurityEventNotification": _pair(
            SecurityEventNotificationRequest, SecurityEventNotificationResponse, Direction.TO_CSMS
        ),
        "CertificateSigned": _pair(CertificateSignedRequest, CertificateSignedResponse, Direction.TO_STATION),
        "InstallCertificate": _pair(InstallCertificateRequest, InstallCertificateResponse, Direction.TO_STATION),
        "DeleteCertificate": _pair(DeleteCertificateRequest, DeleteCertificateResponse, Direction.TO_STATION),
        "GetInstalledCertificateIds": _pair(
            GetInstalledCertificateIdsRequest, GetInstalledCertificateIdsResponse, Direction.TO_STATION
        ),
        "ExtendedTriggerMessage": _pair(
            ExtendedTriggerMessageRequest, ExtendedTriggerMessageResponse, Direction.TO_STATION
        ),
    }
)
