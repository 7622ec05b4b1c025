"""What the CSMS said about tokens. Every change is an effect; this is the copy in memory.

Source: OCPP 1.6 §3.5.1 and errata 3.4: every idTagInfo received is kept, good or bad, but not that of a token on the
CSMS's list; a full cache gives up what is not valid first, then the oldest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from agent.charging.turn import Turn
from agent.model.effects import CacheToken, ForgetTokens
from agent.model.ids import IdToken, IdTokenKind
from agent.model.variables import VariableBook
from agent.model.verdicts import TokenVerdict, Verdict

CACHE_LIMIT: Final = 1000


class TokenCache:
    """The authorization cache."""

    def __init__(self, variables: VariableBook, limit: int = CACHE_LIMIT) -> None:
        """Begin empty; it keeps ``limit`` tokens at most."""
        self._variables = variables
        self._limit = limit
        self._verdicts: dict[str, TokenVerdict] = {}  # oldest first

    def restore(self, cache: Mapping[str, TokenVerdict]) -> None:
        """Take over what the store kept, by case-folded token, oldest first."""
        self._verdicts = dict(cache)

    def remember(self) -> Callable[[], None]:
        """Return what puts the verdicts back as they are now."""
        verdicts = dict(self._verdicts)

        def put_back() -> None:
            self._verdicts = verdicts

        return put_back

    @property
    def enabled(self) -> bool:
        """Return whether the cache is in use."""
        return self._variables.flag("AuthCacheCtrlr", "Enabled")

    def learn(self, token: IdToken, verdict: TokenVerdict, turn: Turn) -> None:
        """Remember a verdict, good or bad."""
        key = token.value.casefold()
        if not self.enabled or token.kind is IdTokenKind.NO_AUTHORIZATION or self._verdicts.get(key) == verdict:
            return
        self._verdicts.pop(key, None)
        gone = self._least_worth(turn.now.utc_s) if len(self._verdicts) >= self._limit else None
        if gone is not None:
            del self._verdicts[gone]
        self._verdicts[key] = verdict
        turn.add(CacheToken(token=token, verdict=verdict, instead_of=gone))

    def forget_all(self, turn: Turn) -> bool:
        """Empty the cache; return whether there is one (OCPP 1.6 errata 3.23)."""
        if not self.enabled:
            return False
        self._verdicts.clear()
        turn.add(ForgetTokens())
        return True

    def verdict(self, token: IdToken) -> TokenVerdict | None:
        """Return what the CSMS last said, as it said it; ``None`` also while the cache is not in use."""
        return self._verdicts.get(token.value.casefold()) if self.enabled else None

    def _least_worth(self, utc_s: float | None) -> str | None:
        for key, verdict in self._verdicts.items():
            if still(verdict, utc_s).verdict is not Verdict.ACCEPTED:
                return key
        return next(iter(self._verdicts), None)


def still(verdict: TokenVerdict, utc_s: float | None) -> TokenVerdict:
    """Return what a verdict is worth at ``utc_s``: one that has run out is ``EXPIRED``.

    Without a clock nothing is known to have run out.
    """
    if verdict.expires_utc_s is None or utc_s is None or utc_s < verdict.expires_utc_s:
        return verdict
    if verdict.verdict is not Verdict.ACCEPTED:
        return verdict
    return TokenVerdict(verdict=Verdict.EXPIRED, group=verdict.group, expires_utc_s=verdict.expires_utc_s)
