"""What is said about an id token, by whomever."""

from __future__ import annotations

from enum import Enum

import msgspec


class Verdict(Enum):
    """The CSMS's, the cache's or the list's word on an id token."""

    ACCEPTED = "accepted"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    INVALID = "invalid"
    CONCURRENT = "concurrent"
    OTHER = "other"  # no credit, not at this time or location, unknown ...


class TokenVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """An answer about a token. ``group`` is the parent id (1.6) or group id token (2.0.1); expiry in UTC seconds."""

    verdict: Verdict
    group: str | None = None
    expires_utc_s: float | None = None
