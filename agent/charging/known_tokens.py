"""What the station knows of tokens, by whom: the CSMS's list, the station's own cards, the cache, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.charging.authorization import Known, Rules, Say, Source, judge
from agent.charging.local_cards import LocalCards
from agent.charging.local_list import LocalList
from agent.charging.token_cache import TokenCache, still
from agent.charging.turn import Turn
from agent.model.authorization import Finding, Prospect, TokenReport
from agent.model.effects import Effect, Notice
from agent.model.ids import IdToken
from agent.model.variables import VariableBook
from agent.model.verdicts import TokenVerdict, Verdict

_SAID: Final = {Say.YES: "charges", Say.NO: "is refused", Say.ASK: "the CSMS is asked"}


class KnownTokens:
    """One question, three sources."""

    def __init__(self, variables: VariableBook) -> None:
        """Begin knowing nothing."""
        self._variables = variables
        self.list = LocalList(variables)
        self.cards = LocalCards()
        self.cache = TokenCache(variables)

    def restore(
        self, cache: Mapping[str, TokenVerdict], documents: Mapping[str, Mapping[str, bytes]]
    ) -> tuple[Effect, ...]:
        """Take over what the store kept; return log lines about what could not be read."""
        self.cache.restore(cache)
        problems = (*self.list.restore(documents), *self.cards.restore(documents))
        return tuple(Notice(event="store.unreadable", level="error", fields={"why": each}) for each in problems)

    @property
    def rules(self) -> Rules:
        """Return the rules in force."""
        return Rules.of(self._variables)

    def find(self, token: IdToken, utc_s: float | None) -> Known | None:
        """Return what the first source says that knows the token."""
        return next(iter(self.findings(token, utc_s)), None)

    def findings(self, token: IdToken, utc_s: float | None) -> tuple[Known, ...]:
        """Return what every source says that knows the token, the one that counts first."""
        said = (
            (Source.LIST, self.list.verdict(token)),
            (Source.CARD, self.cards.verdict(token)),
            (Source.CACHE, self.cache.verdict(token)),
        )
        return tuple(Known(source=source, verdict=still(verdict, utc_s)) for source, verdict in said if verdict)

    def learn(self, token: IdToken, verdict: TokenVerdict, turn: Turn) -> bool:
        """Take the CSMS's word; return whether it contradicts its own list (OCPP 1.6 §3.5.3)."""
        if not self.list.holds(token):
            self.cache.learn(token, verdict, turn)
            return False
        listed = self.list.verdict(token)
        accepted = listed is not None and still(listed, turn.now.utc_s).verdict is Verdict.ACCEPTED
        return accepted and verdict.verdict not in (Verdict.ACCEPTED, Verdict.CONCURRENT)

    def explain(self, token: IdToken, utc_s: float | None, *, online: bool) -> TokenReport:
        """Return what would happen to a token, online and offline, and why: the decisions themselves, not a copy."""
        known = self.find(token, utc_s)
        rules = self.rules
        words = {each: judge(known, rules, online=each) for each in (True, False)}
        return TokenReport(
            token=token,
            online_now=online,
            findings=tuple(
                Finding(
                    source=each.source.value,
                    verdict=each.verdict.verdict.value,
                    group=each.verdict.group,
                    expires_utc_s=each.verdict.expires_utc_s,
                )
                for each in self.findings(token, utc_s)
            ),
            online=Prospect(say=words[True].say.value, text=_SAID[words[True].say], why=words[True].why),
            offline=Prospect(say=words[False].say.value, text=_SAID[words[False].say], why=words[False].why),
            afterwards=_afterwards(rules),
            sources=tuple(
                (source.value, used)
                for source, used in (
                    (Source.LIST, self.list.enabled),
                    (Source.CARD, True),
                    (Source.CACHE, self.cache.enabled),
                )
            ),
        )


def _afterwards(rules: Rules) -> str:
    energy = f" after {rules.max_energy_wh} Wh more" if rules.max_energy_wh else ""
    does = "ends the transaction" if rules.stop_on_invalid else "stops the energy and leaves the transaction open"
    return f"if the CSMS refuses the token in its answer to the start, the station {does}{energy}"
