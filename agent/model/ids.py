"""Who pays: id tokens."""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Final

import msgspec

_UID_DIGITS: Final = (8, 14)


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


def same_group(one: str | None, other: str | None) -> bool:
    """Return whether both are known and name the same group (OCPP 1.6 §7.28: parentIdTag is case-insensitive, too)."""
    return one is not None and other is not None and one.casefold() == other.casefold()


def token_of_card(uid: str, kind: IdTokenKind) -> IdToken:
    """Return the token of a card that a reader read; its kind is that of the reader's cards.

    An ISO14443 token is 4 or 7 bytes in hexadecimal, and some back ends refuse anything else: such a card is local.

    Source: OCPP 2.0.1 part 2, IdTokenEnumType.
    """
    if kind is IdTokenKind.ISO14443 and len(uid) not in _UID_DIGITS:
        kind = IdTokenKind.LOCAL
    return IdToken(value=uid, kind=kind)


FREE_VEND_TOKEN = IdToken(value="", kind=IdTokenKind.NO_AUTHORIZATION)
