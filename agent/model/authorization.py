"""What would happen to a token, for people: the answer to ``charge-agent auth explain``."""

from __future__ import annotations

import msgspec

from agent.model.ids import IdToken


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one source says of a token. ``source``: ``local list``, ``local card`` or ``cache``; expiry in UTC s."""

    source: str
    verdict: str
    group: str | None
    expires_utc_s: float | None


class Prospect(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen. ``say`` is ``yes``, ``no`` or ``ask``; ``text`` and ``why`` are for people."""

    say: str
    text: str
    why: str


class TokenReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides about a token.

    Attributes:
        online_now: which of the two prospects counts now.
        findings: what is known, the one that counts first.
        afterwards: what a later refusal by the CSMS does.
        sources: each source with whether it is in use.
    """

    token: IdToken
    online_now: bool
    findings: tuple[Finding, ...]
    online: Prospect
    offline: Prospect
    afterwards: str
    sources: tuple[tuple[str, bool], ...]
