"""Who may charge: the authorization cache and the rules of asking.

Sources: OCPP 1.6 §3.5 and §4.1, OCPP 2.0.1 C01, C10-C15. Tokens compare without regard to case.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import msgspec

from agent.charging.turn import Turn
from agent.model.commands import TokenVerdict, Verdict
from agent.model.effects import CacheToken, ForgetTokens
from agent.model.facts import Trigger
from agent.model.ids import IdToken, IdTokenKind
from agent.model.variables import VariableBook


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody may charge.

    Attributes:
        at_s: monotonic time at which it was given; with the connection time-out it lapses.
        remote: the CSMS asked for it.
        free_vend: nobody in particular; it lives as long as the cable is in.
    """

    token: IdToken
    at_s: float
    group: str | None = None
    remote: bool = False
    remote_start_id: int | None = None
    free_vend: bool = False

    def trigger(self, plugged_s: float) -> Trigger:
        """Return what completed the conditions of a start: the later of authorization and cable."""
        if self.remote:
            return Trigger.REMOTE_START
        if self.free_vend or plugged_s > self.at_s:
            return Trigger.CABLE_PLUGGED_IN
        return Trigger.AUTHORIZED


class Say(Enum):
    """What to do about a token."""

    YES = "yes"
    NO = "no"
    ASK = "ask"


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """The decision about a token, with its reason; ``group`` where it is known."""

    say: Say
    why: str
    group: str | None = None


class TokenCache:
    """What the CSMS said about tokens. Every change is an effect; this is the copy in memory."""

    def __init__(self, variables: VariableBook) -> None:
        """Begin empty."""
        self._variables = variables
        self._verdicts: dict[str, TokenVerdict] = {}

    def restore(self, cache: Mapping[str, TokenVerdict]) -> None:
        """Take over what the store kept, by case-folded token."""
        self._verdicts = dict(cache)

    @property
    def enabled(self) -> bool:
        """Return whether the cache is in use."""
        return self._variables.flag("AuthCacheCtrlr", "Enabled")

    def learn(self, token: IdToken, verdict: TokenVerdict, turn: Turn) -> None:
        """Remember a verdict, good or bad (OCPP 1.6 §3.5.1)."""
        key = token.value.casefold()
        if not self.enabled or token.kind is IdTokenKind.NO_AUTHORIZATION or self._verdicts.get(key) == verdict:
            return
        self._verdicts[key] = verdict
        turn.add(CacheToken(token=token, verdict=verdict))

    def forget_all(self, turn: Turn) -> bool:
        """Empty the cache; return whether there is one."""
        if not self.enabled:
            return False
        self._verdicts.clear()
        turn.add(ForgetTokens())
        return True

    def verdict(self, token: IdToken, utc_s: float | None) -> TokenVerdict | None:
        """Return what is known; an expired one is ``EXPIRED`` (without a clock nothing is known to be)."""
        if not self.enabled:
            return None
        known = self._verdicts.get(token.value.casefold())
        if known is None or known.expires_utc_s is None or utc_s is None or utc_s < known.expires_utc_s:
            return known
        return TokenVerdict(verdict=Verdict.EXPIRED, group=known.group, expires_utc_s=known.expires_utc_s)


def judge(token: IdToken, cache: TokenCache, variables: VariableBook, *, online: bool, utc_s: float | None) -> Word:
    """Return what to do about a token that wants to charge.

    Online: from the cache at once where LocalPreAuthorize is set, else ask (a cached refusal is asked again, OCPP 1.6
    §3.5.1). Offline: the cache where LocalAuthorizeOffline is set; an unknown token where OfflineTxForUnknownIdEnabled
    is set; a token known to be refused or expired never.
    """
    known = cache.verdict(token, utc_s)
    accepted = known is not None and known.verdict is Verdict.ACCEPTED
    group = known.group if known is not None else None
    if online:
        if accepted and variables.flag("AuthCtrlr", "LocalPreAuthorize"):
            return Word(say=Say.YES, why="cache", group=group)
        return Word(say=Say.ASK, why="online")
    if known is not None and not accepted:
        return Word(say=Say.NO, why=f"offline and {known.verdict.value} in the cache")
    if accepted and variables.flag("AuthCtrlr", "LocalAuthorizeOffline"):
        return Word(say=Say.YES, why="offline, cache", group=group)
    if known is None and variables.flag("AuthCtrlr", "OfflineTxForUnknownIdEnabled"):
        return Word(say=Say.YES, why="offline, unknown tokens allowed")
    return Word(say=Say.NO, why="offline and unknown" if known is None else "offline and the cache may not be used")
