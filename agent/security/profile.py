"""The security profile in use, and the one that is being tried. It only goes up over OCPP.

What the CSMS raised it to wins until the station file's own ``security_profile`` changes. A raised profile is tried
first; it counts only once the CSMS was reached with it, otherwise the old one comes back.

Source: security whitepaper A05.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from agent.security.private_files import write_private

FILE: Final = "security-profile.json"
HIGHEST: Final = 3


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """``profile``: what was proven. ``stated``: what the station file said then. ``pending``: being tried."""

    profile: int
    stated: int | None
    pending: int | None = None


class ProfileRecord:
    """The profile of one station.

    Args:
        folder: where it is kept.
        stated: what the station file says, 0-3, ``None`` where it says nothing.
        implied: what its addresses and the credentials amount to, 0-3; counts where nothing is stated.
    """

    def __init__(self, folder: Path, stated: int | None, implied: int = 0) -> None:
        self._path = folder / FILE
        self._stated = stated
        self._implied = implied
        self._record = self._read()

    @property
    def current(self) -> int:
        """Return the profile that is known to work."""
        return self._record.profile

    @property
    def pending(self) -> int | None:
        """Return the profile that is being tried, ``None`` where none is."""
        return self._record.pending

    def propose(self, profile: int) -> None:
        """Try a higher profile from the next connection on, durably. Raises ``OSError``; ``ValueError`` for a lower."""
        if not self.current < profile <= HIGHEST:
            raise ValueError(f"security profile {profile} is not above {self.current}")
        self._write(_Record(profile=self.current, stated=self._stated, pending=profile))

    def proven(self) -> bool:
        """The CSMS was reached with the pending profile: it is the profile now. Returns whether one was pending."""
        if self._record.pending is None:
            return False
        self._write(_Record(profile=self._record.pending, stated=self._stated))
        return True

    def fall_back(self) -> None:
        """The pending profile does not work: it is not tried any more."""
        self._write(msgspec.structs.replace(self._record, pending=None))

    def _read(self) -> _Record:
        given = self._implied if self._stated is None else self._stated
        fresh = _Record(profile=given, stated=self._stated)
        try:
            record = msgspec.json.decode(self._path.read_bytes(), type=_Record)
        except (OSError, ValueError):
            return fresh
        sane = 0 <= record.profile <= HIGHEST and (record.pending is None or record.profile < record.pending <= HIGHEST)
        return record if sane and record.stated == self._stated else fresh

    def _write(self, record: _Record) -> None:
        write_private(self._path, msgspec.json.encode(record))
        self._record = record
