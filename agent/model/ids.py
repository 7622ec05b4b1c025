"""Who pays: id tokens."""

from __future__ import annotations

import hashlib
from enum import Enum

import msgspec


class IdTokenKind(Enum):
    """Kinds of id token, in the words of OCPP 2.0.1 (IdTokenEnumType)."""

    CENTRAL = "Central"
    EMAID = "eMAID"
    ISO14443 = "ISO14443"
    ISO15693 = "ISO15693"
    KEY_CODE = "KeyCode"
    LOCAL = "Local"
    MAC_ADDRESS = "MacAddress"
    NO_AUTHORIZATION = "NoAuthorization"


class IdToken(msgspec.Struct, frozen=True, kw_only=True):
    """A card, an app user or nobody in particular. Values compare without regard to case."""

    value: str
    kind: IdTokenKind = IdTokenKind.CENTRAL

    def same(self, other: IdToken | None) -> bool:
        """Return whether both name the same payer (OCPP: identifiers are case-insensitive)."""
        return other is not None and self.value.casefold() == other.value.casefold()

    def hashed(self) -> str:
        """Return a short stable hash for logs and screens; the value itself is personal data."""
        return "id:" + hashlib.sha256(self.value.casefold().encode()).hexdigest()[:8]


FREE_VEND_TOKEN = IdToken(value="", kind=IdTokenKind.NO_AUTHORIZATION)
