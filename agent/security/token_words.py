"""What the agent and the process that touches a key token say to each other: one JSON value each way.

The token's module is foreign code that may hang, print, crash or be finalised by somebody else in the same process (the
OpenSSL provider uses it, too): so every touch is a process of its own that ends.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from agent.model.key_store import KeyTokenName


class TokenTrouble(Enum):
    """What is wrong with a key token."""

    NO_LIBRARY = "no_library"  # python-pkcs11 is not installed
    NO_PROVIDER = "no_provider"  # OpenSSL's provider pkcs11 is not active in this process
    NO_MODULE = "no_module"  # the token's module cannot be loaded
    NO_TOKEN = "no_token"
    SEVERAL_TOKENS = "several_tokens"
    NO_PIN = "no_pin"
    PIN_WRONG = "pin_wrong"
    PIN_FINAL_TRY = "pin_final_try"  # the token allows one more; that one is for a person
    PIN_LOCKED = "pin_locked"
    KEY_MISSING = "key_missing"
    KEY_CAN_LEAVE = "key_can_leave"  # the token made one that is not sensitive, or can be extracted
    REFUSED = "refused"  # the token will not do it
    SILENT = "silent"  # nothing came in time, or the process ended


class TokenError(OSError):
    """A key token cannot be used; the text says where, what, and what to do. It never holds a PIN.

    Attributes:
        trouble: what it is about.
    """

    def __init__(self, trouble: TokenTrouble, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble


class TokenDeed(Enum):
    """What is to be done with the token."""

    CHECK = "check"  # log in and out; where ``key_id`` is given, that key must be there
    MAKE = "make"  # make the key ``key_id`` and sign a request for it
    KEEP = "keep"  # put ``certificate_pem`` beside the key ``key_id``
    DELETE = "delete"  # only what ``delete`` says


class TokenWork(msgspec.Struct, frozen=True, kw_only=True):
    """One deed. Ids are hex.

    Attributes:
        label: of the key and its certificate. key_kind: ``ec`` (P-256) or ``rsa`` (2048 bits).
        delete: ids of keys that go; only keys with exactly these ids and the label that belongs to them.
        label_prefix: a key's label is this, a dash, its id.
    """

    deed: TokenDeed
    module: str
    token: KeyTokenName
    pin: str
    label_prefix: str
    key_id: str = ""
    key_kind: str = "ec"
    common_name: str = ""
    organization: str = ""
    certificate_pem: str = ""
    delete: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"TokenWork({self.deed.value}, {self.token}, pin=***)"


class TokenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        trouble: ``None`` where it was done. text: why not.
        remarks: what could not be done besides, such as a stale key that stays.
    """

    trouble: TokenTrouble | None = None
    text: str = ""
    public_pem: str = ""
    request_pem: str = ""
    deleted: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def key_label(prefix: str, key_id: str) -> str:
    """Return the label of one key."""
    return f"{prefix}-{key_id}"
