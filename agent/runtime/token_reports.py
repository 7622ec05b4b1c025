"""What the door tells of tokens, and what it does with the station's own cards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from agent.charging.station import Station
from agent.clock import Clock
from agent.console.door import DoorError
from agent.model.authorization import Prospect, TokenReport
from agent.model.commands import Answered, AnyOutcome, Command, Outcome
from agent.model.ids import IdToken
from agent.model.local_list import LearnCards, LocalCard, PutCards, RemoveCard
from agent.model.moment import rfc3339
from agent.model.verdicts import TokenVerdict, Verdict

Answer = Mapping[str, Any]
ANSWER_WITHIN_S: Final = 4.0  # the asker waits for 5 s
TOKEN_CHARS: Final = 36  # OCPP 2.0.1; a token of more than 20 characters cannot be asked about in 1.6


class _Card(msgspec.Struct, forbid_unknown_fields=True):
    token: str
    label: str = ""
    group: str | None = None
    expires_utc_s: float | None = None
    blocked: bool = False


class TokenReports:
    """Answers the door's questions about tokens.

    Args:
        order: hands a command to the charging core; its future holds the outcome, durable by then.
    """

    def __init__(
        self, *, station: Station, clock: Clock, order: Callable[[Command], asyncio.Future[AnyOutcome]]
    ) -> None:
        self._station = station
        self._clock = clock
        self._order = order

    async def auth(self, request: Answer) -> Answer:
        """Return what would happen to a token, online and offline, and why."""
        report = self._station.explain(_token(request.get("token")), self._clock.now())
        evses = [{"id": evse_id, "closed": why} for evse_id, why in self._station.refusals().items()]
        return {**shown_report(report), "evses": evses}

    async def cards(self, request: Answer) -> Answer:
        """List, add, remove or learn cards of the station's own."""
        match request.get("do", "list"):
            case "list":
                return {"cards": [_shown(each) for each in self._station.cards.cards]}
            case "put":
                return await self._do(PutCards(cards=_cards(request.get("cards"))))
            case "remove":
                return await self._do(RemoveCard(token=_token(request.get("token"))))
            case "learn":
                seconds, label = request.get("seconds"), request.get("label", "")
                if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= 600:
                    raise DoorError(f"seconds {seconds!r} is no number from 0 to 600")
                if not isinstance(label, str):
                    raise DoorError(f"label {label!r} is no text")
                return await self._do(LearnCards(seconds=float(seconds), label=label))
            case "learned":
                cards = self._station.cards
                learned = None if cards.learned is None else _shown(cards.learned)
                return {"learning": cards.learning(self._clock.mono_s()), "card": learned}
            case other:
                raise DoorError(f"do {other!r} is not one of learn, learned, list, put, remove")

    async def _do(self, command: Command) -> Answer:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                outcome = await self._order(command)
        except TimeoutError:
            raise DoorError("the charging core did not answer in time") from None
        if not isinstance(outcome, Outcome) or outcome.answered is not Answered.ACCEPTED:
            raise DoorError(outcome.why if isinstance(outcome, Outcome) else "refused")
        return {"done": True, "cards": len(self._station.cards.cards)}


def shown_report(report: TokenReport) -> Answer:
    """Return a report on a token as the door and the command line show it."""
    return {
        "token": report.token.hashed(),
        "online_now": report.online_now,
        "known": [
            {
                "source": each.source,
                "verdict": each.verdict,
                "group": each.group,
                "expires": None if each.expires_utc_s is None else rfc3339(each.expires_utc_s),
            }
            for each in report.findings
        ],
        "online": _prospect(report.online),
        "offline": _prospect(report.offline),
        "afterwards": report.afterwards,
        "sources": dict(report.sources),
    }


def _prospect(prospect: Prospect) -> Answer:
    return {"say": prospect.say, "text": prospect.text, "why": prospect.why}


def _token(value: object) -> IdToken:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= TOKEN_CHARS:
        raise DoorError(f"token {value!r} is no text of 1 to {TOKEN_CHARS} characters")
    return IdToken(value=value.strip())


def _cards(value: object) -> tuple[LocalCard, ...]:
    try:
        read = msgspec.convert(value, tuple[_Card, ...])
    except msgspec.ValidationError as error:
        raise DoorError(f"cards: {error}") from error
    return tuple(
        LocalCard(
            token=_token(each.token),
            verdict=TokenVerdict(
                verdict=Verdict.BLOCKED if each.blocked else Verdict.ACCEPTED,
                group=each.group,
                expires_utc_s=each.expires_utc_s,
            ),
            label=each.label,
        )
        for each in read
    )


def _shown(card: LocalCard) -> Answer:
    expires_s = card.verdict.expires_utc_s
    return {
        "token": card.token.value,
        "label": card.label,
        "group": card.verdict.group,
        "expires": None if expires_s is None else rfc3339(expires_s),
        "blocked": card.verdict.verdict is not Verdict.ACCEPTED,
    }
