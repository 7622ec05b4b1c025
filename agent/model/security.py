"""Security: events that are told and kept, certificates as they are named, and what the CSMS may ask about them.

Source: whitepaper "Improved security for OCPP 1.6-J" ed. 3; OCPP 2.0.1 part 2 A01-A05, M03-M05, appendix 1.4.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec


class SecurityEventKind(Enum):
    """What happened; the value is the name in the security log. Dialects have their own spelling."""

    FIRMWARE_UPDATED = "firmware_updated"
    FAILED_TO_AUTHENTICATE = "failed_to_authenticate"  # the CSMS refused the station
    CSMS_FAILED_TO_AUTHENTICATE = "csms_failed_to_authenticate"
    SETTING_SYSTEM_TIME = "setting_system_time"
    STARTUP = "startup"
    RESET_OR_REBOOT = "reset_or_reboot"
    LOG_CLEARED = "log_cleared"
    PARAMETERS_CHANGED = "parameters_changed"
    MEMORY_EXHAUSTION = "memory_exhaustion"
    INVALID_MESSAGES = "invalid_messages"
    REPLAY_ATTACKS = "replay_attacks"
    TAMPER_DETECTION = "tamper_detection"
    INVALID_FIRMWARE_SIGNATURE = "invalid_firmware_signature"
    INVALID_FIRMWARE_CERTIFICATE = "invalid_firmware_certificate"
    INVALID_CSMS_CERTIFICATE = "invalid_csms_certificate"
    INVALID_STATION_CERTIFICATE = "invalid_station_certificate"
    INVALID_TLS_VERSION = "invalid_tls_version"
    INVALID_TLS_CIPHER_SUITE = "invalid_tls_cipher_suite"
    MAINTENANCE_LOGIN_ACCEPTED = "maintenance_login_accepted"
    MAINTENANCE_LOGIN_FAILED = "maintenance_login_failed"


CRITICAL: Final = frozenset(
    {
        SecurityEventKind.FIRMWARE_UPDATED,
        SecurityEventKind.SETTING_SYSTEM_TIME,
        SecurityEventKind.STARTUP,
        SecurityEventKind.RESET_OR_REBOOT,
        SecurityEventKind.LOG_CLEARED,
        SecurityEventKind.MEMORY_EXHAUSTION,
        SecurityEventKind.TAMPER_DETECTION,
        # Critical in 2.0.1 only; the certification of 1.6 wants to see them too (TC_077, TC_078, TC_081).
        SecurityEventKind.INVALID_FIRMWARE_SIGNATURE,
        SecurityEventKind.INVALID_FIRMWARE_CERTIFICATE,
        SecurityEventKind.INVALID_CSMS_CERTIFICATE,
        SecurityEventKind.INVALID_STATION_CERTIFICATE,
        SecurityEventKind.INVALID_TLS_VERSION,
        SecurityEventKind.INVALID_TLS_CIPHER_SUITE,
        SecurityEventKind.MAINTENANCE_LOGIN_ACCEPTED,
        SecurityEventKind.MAINTENANCE_LOGIN_FAILED,
    }
)
"""Critical by the standards."""

JOURNALLED: Final = CRITICAL | {SecurityEventKind.PARAMETERS_CHANGED}
"""Events whose delivery is guaranteed: they are facts of the journal. The others are told once the CSMS listens.

A changed parameter is one of them because the connection is usually made anew at that very moment.
"""

REPEATABLE: Final = frozenset(
    {
        SecurityEventKind.FAILED_TO_AUTHENTICATE,
        SecurityEventKind.CSMS_FAILED_TO_AUTHENTICATE,
        SecurityEventKind.INVALID_MESSAGES,
        SecurityEventKind.REPLAY_ATTACKS,
        SecurityEventKind.INVALID_CSMS_CERTIFICATE,
        SecurityEventKind.INVALID_TLS_VERSION,
        SecurityEventKind.INVALID_TLS_CIPHER_SUITE,
        SecurityEventKind.MAINTENANCE_LOGIN_FAILED,
    }
)
"""Events that somebody else can cause as often as they like: folded, so that log, journal and flash stay bounded."""


class RootPurpose(Enum):
    """What a root certificate is trusted for."""

    CSMS = "csms"
    MANUFACTURER = "manufacturer"


class HashAlgorithm(Enum):
    """Digest in a ``CertificateName``."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"


class CertificateName(msgspec.Struct, frozen=True, kw_only=True):
    """How OCPP names a certificate (RFC 6960 CertID): digests as hex digits, the serial number as hex without zeros."""

    algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


class InstallRoot(msgspec.Struct, frozen=True, kw_only=True):
    """Trust another root. ``pem`` is one certificate."""

    purpose: RootPurpose
    pem: str


class DeleteRoot(msgspec.Struct, frozen=True, kw_only=True):
    """Do not trust a root any more."""

    name: CertificateName


class ListRoots(msgspec.Struct, frozen=True, kw_only=True):
    """Name the roots of one purpose, or of all (``None``)."""

    purpose: RootPurpose | None = None


class TakeCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """Use this certificate for a key that the station asked about; PEM, the station's own first, then its issuers."""

    chain_pem: str


SecurityCommand = InstallRoot | DeleteRoot | ListRoots | TakeCertificate


class RootAnswer(Enum):
    """What became of a root or a certificate."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"  # it is not valid, not allowed, or there is no room
    FAILED = "failed"  # the station could not do it
    NOT_FOUND = "not_found"


class CertificateOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``InstallRoot``, ``DeleteRoot`` and ``TakeCertificate``. ``why`` is for logs and people."""

    answer: RootAnswer
    why: str = ""


class RootsOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``ListRoots``."""

    names: tuple[tuple[RootPurpose, CertificateName], ...]


SecurityOutcome = CertificateOutcome | RootsOutcome
