"""The password for the CSMS, in two slots: nobody is locked out by a change that only one side has heard of.

What the CSMS set wins over what was provisioned (a secret, a password file, the identity file) until that changes; the
one before is kept until the CSMS has accepted the new one on a connection, and only then forgotten.

Source: security whitepaper A01; field failures EVerest/libocpp#826, c-jimenez/open-ocpp#43.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from agent.security.private_files import write_private

FILE: Final = "csms-password.json"
SHORTEST_CHARS: Final = 16
LONGEST_CHARS: Final = 40
SHORTEST_HEX: Final = 32
LONGEST_HEX: Final = 40


class _Slots(msgspec.Struct, frozen=True, kw_only=True):
    """What the CSMS set.

    Attributes:
        new: the newest password. old: the one before, until ``new`` was accepted.
        salt, provisioned: digest of what was provisioned at that time; hexadecimal.
        old_first: the CSMS accepted ``old`` after ``new`` was set.
    """

    new: str
    salt: str
    provisioned: str
    old: str | None = None
    old_first: bool = False


class PasswordSlots:
    """The passwords to try, the likeliest first.

    Args:
        folder: of the station's secrets.
        provisioned: returns the password that was set on the station; ``None`` without one.
    """

    def __init__(self, folder: Path, provisioned: Callable[[], str | None]) -> None:
        self._path = folder / FILE
        self._provisioned = provisioned

    def candidates(self) -> tuple[str, ...]:
        """Return the passwords to try; none where the station has no password.

        Raises whatever ``provisioned`` raises, and ``OSError`` where the slots cannot be read.
        """
        given = self._provisioned()
        slots = self._read()
        if slots is None or not self._holds(slots, given):
            return () if given is None else (given,)
        if slots.old is None:
            return (slots.new,)
        return (slots.old, slots.new) if slots.old_first else (slots.new, slots.old)

    def has_any(self) -> bool:
        """Return whether the CSMS ever set one."""
        try:
            return self._path.exists()
        except OSError:  # it cannot be looked at: reading it says why
            return True

    def change(self, new: str) -> None:
        """Take over a password of the CSMS, durably when this returns. Raises ``OSError``."""
        given = self._provisioned()
        now = self.candidates()
        salt = os.urandom(16).hex()
        old = now[0] if now and now[0] != new else None
        self._write(_Slots(new=new, old=old, salt=salt, provisioned=_digest(salt, given)))

    def proven(self, password: str) -> bool:
        """The CSMS accepted a connection with it: forget an older one. Returns whether one was forgotten."""
        slots = self._read()
        if slots is None or slots.old is None or not self._holds(slots, self._provisioned()):
            return False
        if password == slots.new:
            self._write(msgspec.structs.replace(slots, old=None, old_first=False))
            return True
        if password == slots.old and not slots.old_first:
            self._write(msgspec.structs.replace(slots, old_first=True))
        return False

    def _holds(self, slots: _Slots, given: str | None) -> bool:
        return slots.provisioned == _digest(slots.salt, given)

    def _read(self) -> _Slots | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Slots)
        except FileNotFoundError:
            return None
        except ValueError:  # damaged: what was provisioned is all there is
            return None

    def _write(self, slots: _Slots) -> None:
        write_private(self._path, msgspec.json.encode(slots))


def problem_of(text: str, *, hexadecimal: bool) -> str:
    """Return what is wrong with an AuthorizationKey, "" where nothing is; never the text itself.

    Source: security whitepaper A00.FR.205: 16 to 20 bytes as 32 to 40 hex digits. Taken literally, the same bounds as
    OCPP 2.0.1 has for its BasicAuthPassword.
    """
    if hexadecimal:
        whole = len(text) % 2 == 0 and all(each in "0123456789abcdefABCDEF" for each in text)
        if not whole:
            return "is not pairs of hex digits"
        if not SHORTEST_HEX <= len(text) <= LONGEST_HEX:
            return f"has {len(text)} hex digits, expected {SHORTEST_HEX}-{LONGEST_HEX}"
        return ""
    if not SHORTEST_CHARS <= len(text) <= LONGEST_CHARS:
        return f"has {len(text)} characters, expected {SHORTEST_CHARS}-{LONGEST_CHARS}"
    return "" if text.isprintable() else "holds characters that cannot be printed"


def _digest(salt: str, given: str | None) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + (b"\0" if given is None else b"\1" + given.encode())).hexdigest()
