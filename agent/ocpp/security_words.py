"""Names of security events that both versions of OCPP share. Pure.

Central system and charge point of 1.6 are CSMS and charging station in 2.0.1: names with these words are the dialects'.
Sources: whitepaper "Improved security for OCPP 1.6-J" ed. 3, appendix "security events"; OCPP 2.0.1 part 2, appendix
1.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.model.security import SecurityEventKind

TECH_INFO_CHARS: Final = 255

SAME_EVENT_NAME: Final[Mapping[SecurityEventKind, str]] = MappingProxyType(
    {
        SecurityEventKind.FIRMWARE_UPDATED: "FirmwareUpdated",
        SecurityEventKind.SETTING_SYSTEM_TIME: "SettingSystemTime",
        SecurityEventKind.STARTUP: "StartupOfTheDevice",
        SecurityEventKind.RESET_OR_REBOOT: "ResetOrReboot",
        SecurityEventKind.LOG_CLEARED: "SecurityLogWasCleared",
        SecurityEventKind.PARAMETERS_CHANGED: "ReconfigurationOfSecurityParameters",
        SecurityEventKind.MEMORY_EXHAUSTION: "MemoryExhaustion",
        SecurityEventKind.INVALID_MESSAGES: "InvalidMessages",
        SecurityEventKind.REPLAY_ATTACKS: "AttemptedReplayAttacks",
        SecurityEventKind.TAMPER_DETECTION: "TamperDetectionActivated",
        SecurityEventKind.INVALID_FIRMWARE_SIGNATURE: "InvalidFirmwareSignature",
        SecurityEventKind.INVALID_FIRMWARE_CERTIFICATE: "InvalidFirmwareSigningCertificate",
        SecurityEventKind.INVALID_TLS_VERSION: "InvalidTLSVersion",
        SecurityEventKind.INVALID_TLS_CIPHER_SUITE: "InvalidTLSCipherSuite",
        SecurityEventKind.MAINTENANCE_LOGIN_ACCEPTED: "MaintenanceLoginAccepted",
        SecurityEventKind.MAINTENANCE_LOGIN_FAILED: "MaintenanceLoginFailed",
    }
)
