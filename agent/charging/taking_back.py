"""What an order of the CSMS changed in memory, taken back where the store could not keep it.

What is answered as refused must not count: not in memory, and not later when the store writes again. So each order that
changes what is kept is preceded by a copy of that; the caller asks for it back when the commit fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.charging.known_tokens import KnownTokens
from agent.charging.local_cards import CARDS
from agent.charging.local_list import LIST, VERSION
from agent.charging.surroundings import Surroundings
from agent.model import profiles, reservations
from agent.model.commands import ChangeAvailability, ClearCache, Command
from agent.model.effects import Durable, ForgetTokens, ReplaceDocuments, SaveAvailability, SaveDocument
from agent.model.local_list import PutCards, RemoveCard, SendLocalList
from agent.model.profiles import SetProfile
from agent.model.reservations import CancelReservation, Reserve

_KINDS: Final = frozenset({profiles.DOCUMENTS, reservations.DOCUMENTS, LIST, VERSION, CARDS})
_ORDERS: Final = (
    SetProfile,
    Reserve,
    CancelReservation,
    ChangeAvailability,
    ClearCache,
    SendLocalList,
    PutCards,
    RemoveCard,
)


class TakingBack:
    """The copy that precedes the newest order."""

    def __init__(self, around: Surroundings, known: KnownTokens) -> None:
        """Begin with nothing to take back."""
        self._around = around
        self._known = known
        self._restores: tuple[Callable[[], None], ...] = ()

    def prepare(self, command: Command | None) -> None:
        """Remember how things are before an input: a command, or something else."""
        self._restores = ()
        if isinstance(command, _ORDERS):
            around, known = self._around, self._known
            self._restores = (
                around.profiles.remember(),
                around.reservations.remember(),
                around.availability.remember(),
                known.list.remember(),
                known.cards.remember(),
                known.cache.remember(),
            )

    @property
    def possible(self) -> bool:
        """Return whether the newest input was an order that can be taken back."""
        return bool(self._restores)

    def restore(self) -> None:
        """Take the newest order back."""
        for each in self._restores:
            each()
        self._restores = ()


def covers(durable: Durable) -> bool:
    """Return whether taking back leaves nothing to write of this."""
    match durable:
        case SaveDocument(kind=kind) | ReplaceDocuments(kind=kind):
            return kind in _KINDS
        case _:
            return isinstance(durable, SaveAvailability | ForgetTokens)
