"""Cards of the station's own: whoever runs the station adds them; the CSMS neither sees nor changes them.

They obey the rules of the CSMS's list (LocalPreAuthorize, LocalAuthorizeOffline, expiry, groups); where both know a
token, the CSMS's list wins. They are kept under another kind than that list, and emptying either leaves the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from agent.charging.turn import Turn
from agent.model.commands import Answered, Outcome
from agent.model.effects import SaveDocument
from agent.model.ids import IdToken
from agent.model.local_list import CardCommand, LearnCards, LocalCard, PutCards, RemoveCard
from agent.model.verdicts import TokenVerdict, Verdict

CARDS: Final = "local_card"
CARDS_MAX: Final = 5000
LEARN_MAX_S: Final = 600.0


class LocalCards:
    """The cards, and whether the next unknown one is to be learned."""

    def __init__(self) -> None:
        """Begin without any."""
        self._cards: dict[str, LocalCard] = {}
        self._learn_until_s: float | None = None
        self._label = ""
        self.learned: LocalCard | None = None

    def restore(self, documents: Mapping[str, Mapping[str, bytes]]) -> tuple[str, ...]:
        """Take over what the store kept; return what could not be read, in words."""
        problems = []
        for key, body in documents.get(CARDS, {}).items():
            try:
                self._cards[key] = msgspec.json.decode(body, type=LocalCard)
            except msgspec.DecodeError as error:
                problems.append(f"a local card cannot be read and is not used: {error}")
        return tuple(problems)

    def remember(self) -> Callable[[], None]:
        """Return what puts the cards back as they are now."""
        cards = dict(self._cards)

        def put_back() -> None:
            self._cards = cards

        return put_back

    @property
    def cards(self) -> tuple[LocalCard, ...]:
        """Return every card, in the order of their arrival."""
        return tuple(self._cards.values())

    def verdict(self, token: IdToken) -> TokenVerdict | None:
        """Return what the station's owner says of a token."""
        card = self._cards.get(token.value.casefold())
        return None if card is None else card.verdict

    def learning(self, now_s: float) -> bool:
        """Return whether the next unknown card is learned."""
        return self._learn_until_s is not None and now_s < self._learn_until_s

    def take(self, command: CardCommand, turn: Turn) -> Outcome:
        """Carry out what the console asks."""
        match command:
            case PutCards(cards=cards):
                return self._put(cards, turn)
            case RemoveCard(token=token):
                key = token.value.casefold()
                if self._cards.pop(key, None) is None:
                    return Outcome(answered=Answered.REJECTED, why="no such card of the station's own")
                turn.add(SaveDocument(kind=CARDS, key=key, body=None))
                turn.note("card.removed", token=token)
                return Outcome(answered=Answered.ACCEPTED)
            case LearnCards(seconds=seconds, label=label):
                self._label, self.learned = label, None
                self._learn_until_s = turn.now_s + min(seconds, LEARN_MAX_S) if seconds > 0 else None
                turn.note("cards.learning", seconds=min(seconds, LEARN_MAX_S))
                return Outcome(answered=Answered.ACCEPTED)

    def learn(self, token: IdToken, turn: Turn) -> None:
        """Take ``token`` as the station's own and end the learning."""
        self._learn_until_s = None
        known = self._cards.get(token.value.casefold())
        label = self._label or ("" if known is None else known.label)
        card = LocalCard(token=token, verdict=TokenVerdict(verdict=Verdict.ACCEPTED), label=label)
        if self._put((card,), turn).answered is Answered.ACCEPTED:
            self.learned = card

    def _put(self, cards: tuple[LocalCard, ...], turn: Turn) -> Outcome:
        keys = [each.token.value.casefold() for each in cards]
        if not all(keys):
            return Outcome(answered=Answered.REJECTED, why="a card has no number")
        after = len(self._cards.keys() | set(keys))
        if after > CARDS_MAX:
            return Outcome(answered=Answered.REJECTED, why=f"{after} cards are more than {CARDS_MAX}")
        for key, card in zip(keys, cards, strict=True):
            if self._cards.get(key) != card:
                self._cards[key] = card
                turn.add(SaveDocument(kind=CARDS, key=key, body=msgspec.json.encode(card)))
                turn.note("card.added", token=card.token)
        return Outcome(answered=Answered.ACCEPTED)
