"""The options of the key store: where the station's own keys are made and kept."""

from __future__ import annotations

from typing import Final

from agent.model.key_store import KeyStoreKind, KeyTokenPlace, parse_key_token
from agent.settings.reading import Clean, Reading
from agent.settings.schema import Field, Kind, Table

KEY_STORE: Final = Field(
    name="key_store",
    kind=Kind.TEXT,
    default=KeyStoreKind.FILE.value,
    choices=(KeyStoreKind.FILE.value, KeyStoreKind.PKCS11.value),
    help="where private keys are that the station makes: files of its own user, or a token that never gives them away",
)
PKCS11: Final = Table(
    name="pkcs11",
    help="the token of key_store = pkcs11; its PIN is the secret token-pin",
    inline=True,
    fields=(
        Field(
            name="module",
            kind=Kind.PATH,
            required=True,
            help="the token's PKCS #11 library",
            example="/usr/lib/aarch64-linux-gnu/pkcs11/libtpm2_pkcs11.so",
        ),
        Field(
            name="token",
            kind=Kind.TEXT,
            required=True,
            maximum=512,
            help="its label, or a URI: pkcs11:serial=1234, pkcs11:token=station;slot-id=3 (RFC 7512)",
            example="station",
        ),
        Field(
            name="key_label",
            kind=Kind.TEXT,
            default="charge-agent",
            maximum=24,
            help="the labels of the station's keys begin so",
        ),
    ),
)


def check_key_store(csms: Clean, reading: Reading) -> None:
    """Note what the options of the key store say against each other."""
    kind, place = csms.get("key_store"), csms.get("pkcs11")
    path = ("csms", "pkcs11")
    if kind == KeyStoreKind.PKCS11.value and place is None and not reading.refused(path):
        reading.refuse(("csms", "key_store"), "pkcs11 is given without pkcs11 = { module, token }")
    if place is None:
        return
    if "token" in place:
        try:
            parse_key_token(place["token"])
        except ValueError as error:
            reading.refuse((*path, "token"), str(error))


def key_token_of(csms: Clean) -> KeyTokenPlace | None:
    """Return the token that the checked table names, ``None`` where keys are files."""
    if csms["key_store"] != KeyStoreKind.PKCS11.value:
        return None
    place = csms["pkcs11"]
    token = parse_key_token(place["token"])
    return KeyTokenPlace(module=place["module"], token=token, key_label=place["key_label"])
