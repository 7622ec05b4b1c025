"""Where the station's own keys are kept, and which cryptographic token that is: a smart card, TPM or chip (PKCS #11).

Source: RFC 7512 (the PKCS #11 URI scheme), §2.3; PKCS #11 v2.40 §3.2 (lengths of the fields of CK_TOKEN_INFO).
"""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote_to_bytes

import msgspec

SCHEME: Final = "pkcs11:"
_LONGEST: Final = {"token": 32, "serial": 16, "manufacturer": 32, "model": 16}  # CK_TOKEN_INFO, bytes
_ATTRIBUTES: Final = ("token", "serial", "manufacturer", "model", "slot-id")
_OF_KEYS: Final = ("object", "id", "type")
_PINS: Final = ("pin-value", "pin-source")
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SAFE: Final = "-._~"  # RFC 3986 unreserved, besides letters and digits


class KeyStoreKind(Enum):
    """Who keeps the keys that the station makes."""

    FILE = "file"  # files of the station's user
    CREDENTIALS = "credentials"  # files that systemd-creds(1) encrypted for this machine
    PKCS11 = "pkcs11"  # a token, which never gives them away


class KeyTokenName(msgspec.Struct, frozen=True, kw_only=True):
    """What a token must be called. ``None``: it does not matter; a name without anything fits every token."""

    label: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot_id: int | None = None

    def uri_path(self) -> str:
        """Return the part of a PKCS #11 URI that names the token, without ``pkcs11:``."""
        texts = {
            "token": self.label,
            "serial": self.serial,
            "manufacturer": self.manufacturer,
            "model": self.model,
            "slot-id": None if self.slot_id is None else str(self.slot_id),
        }
        return ";".join(f"{name}={quote(text, safe=_SAFE)}" for name, text in texts.items() if text is not None)

    def __str__(self) -> str:
        return SCHEME + self.uri_path()


class KeyTokenPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A token and the way to it.

    Attributes:
        module: the token's PKCS #11 library. key_label: what the labels of the station's keys begin with.
    """

    module: Path
    token: KeyTokenName
    key_label: str


def parse_key_token(text: str) -> KeyTokenName:
    """Return the name of a token: a label, or a PKCS #11 URI that names a token and nothing else.

    Raises:
        ValueError: it is neither, or says more: a key, a PIN, a module. The text never repeats a PIN.
    """
    if not text.startswith(SCHEME):
        return KeyTokenName(label=_sized("token", text))
    path, question, query = text.removeprefix(SCHEME).partition("?")
    if any(name in query for name in _PINS):
        raise ValueError("holds a PIN; expected it in the secret token-pin, never in a file that is copied")
    if question:
        raise ValueError(f"has a query ({query.partition('=')[0]}); expected the token's attributes alone")
    found: dict[str, str] = {}
    for part in filter(None, path.split(";")):
        name, equals, raw = part.partition("=")
        if name in found:
            raise ValueError(f"says {name} twice")
        if name in _OF_KEYS:
            raise ValueError(f"names a key ({name}); expected a token alone, the station names its keys itself")
        if name in _PINS:
            raise ValueError("holds a PIN; expected it in the secret token-pin, never in a file that is copied")
        if name not in _ATTRIBUTES:
            raise ValueError(f"{name!r} is no attribute that finds a token, expected {', '.join(_ATTRIBUTES)}")
        if not equals or _BROKEN_ESCAPE.search(raw):
            raise ValueError(f"{part!r} is not of the form name=value with %XX for other characters (RFC 7512)")
        found[name] = _sized(name, _decoded(name, raw))
    if not found:
        raise ValueError("names no token, expected pkcs11:token=LABEL or pkcs11:serial=NUMBER")
    return KeyTokenName(
        label=found.get("token"),
        serial=found.get("serial"),
        manufacturer=found.get("manufacturer"),
        model=found.get("model"),
        slot_id=_slot(found.get("slot-id")),
    )


def key_uri(token: KeyTokenName, key_id: bytes, pin_file: str) -> str:
    """Return the PKCS #11 URI of a private key, with the place of the PIN and not the PIN. Source: RFC 7512 §2.4."""
    number = "".join(f"%{byte:02X}" for byte in key_id)
    path = ";".join(part for part in (token.uri_path(), f"id={number}", "type=private") if part)
    return f"{SCHEME}{path}?pin-source=file:{quote(pin_file, safe='/' + _SAFE)}"


def _sized(name: str, text: str) -> str:
    longest = _LONGEST.get(name, 20)
    if not text.strip() or len(text.encode()) > longest or not text.isprintable():
        raise ValueError(f"{name} {text!r} is not 1-{longest} bytes of printable text")
    return text


def _decoded(name: str, raw: str) -> str:
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8") from None


def _slot(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"slot-id {text!r} is no number")
    return int(text)
