"""Which EVSE a card belongs to, where one reader serves several.

One presentation is one decision, by the first rule that fits:

1. An EVSE whose transaction was started with this card: stop it. An EVSE that is starting with it, or waits for the
   cable with it: a second tap cancels. A cable that is held for it: release it.
2. An EVSE that is plugged in and waits for an authorization: start there, the most recently plugged one first. After
   these, an EVSE whose transaction is over with the cable still in, if it was this card's or the reader serves no other
   (where a reader serves several, the card of the next customer must not start on the last one's car).
3. A running transaction, or a locked cable, of a group (parent) that this card may belong to: ask the CSMS, and stop
   or release it if the groups are the same; if not, the card goes on to rule 4.
4. Remembered for the next EVSE of this reader that is plugged in within the connection time-out. A second tap of the
   remembered card cancels it, another card replaces it.

While the CSMS is asked about a card for an EVSE, further cards for that EVSE are ignored. An EVSE that LAPSED (OCPP 1.6
B6) takes no card until it is plugged again. Sources: OCPP 1.6 §4.1 and §4.9 (B1, B6, F2), 2.0.1 C01, C09.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import msgspec

from agent.charging.session import SessionState
from agent.model.ids import IdToken


class Deed(Enum):
    """What a card does."""

    STOP = "stop"
    CANCEL = "cancel"
    RELEASE = "release"
    START = "start"
    ASK_GROUP = "ask_group"
    REMEMBER = "remember"
    IGNORE = "ignore"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One EVSE of the reader as the rules see it.

    Attributes:
        token: whose transaction or authorization is there.
        group: group of a running transaction, where known.
        last_token: who charged there before the session finished.
        held_for: whom a locked cable waits for; ``held_group``: or anybody of this group.
        plugged: a vehicle is there, as far as anybody knows.
        asking: the CSMS is being asked about a card for this EVSE.
    """

    evse_id: int
    state: SessionState
    since_s: float
    token: IdToken | None = None
    group: str | None = None
    last_token: IdToken | None = None
    held_for: IdToken | None = None
    held_group: str | None = None
    plugged: bool = True
    asking: bool = False


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The decision; ``evse_id`` ``None`` where it concerns the reader as a whole."""

    deed: Deed
    evse_id: int | None = None
    why: str = ""


_CANCELLABLE = frozenset({SessionState.AUTHORIZED, SessionState.STARTING})
_RUNNING = frozenset({SessionState.CHARGING, SessionState.ENDING, SessionState.RECOVERING})


def choose(token: IdToken, places: Sequence[Place], *, group_asked: bool = False, master: bool = False) -> Choice:
    """Return what ``token`` does at a reader that serves ``places``.

    Args:
        token: the card.
        places: the EVSEs of the reader, in the order of the station file.
        group_asked: rule 3 was tried already and did not fit.
        master: there is a group whose cards end every transaction, so that any unknown card is asked about.
    """
    own = _own(token, places)
    if own is not None:
        return own
    waiting = [each for each in places if each.state is SessionState.PLUGGED]
    free = [each for each in waiting if not each.asking]
    if free:
        return Choice(deed=Deed.START, evse_id=max(free, key=lambda each: each.since_s).evse_id)
    if waiting:
        return Choice(deed=Deed.IGNORE, evse_id=waiting[0].evse_id, why="another card is being checked")
    for each in places:
        if each.state is SessionState.FINISHED and each.plugged and (token.same(each.last_token) or len(places) == 1):
            if each.asking:
                return Choice(deed=Deed.IGNORE, evse_id=each.evse_id, why="another card is being checked")
            return Choice(deed=Deed.START, evse_id=each.evse_id)
    if not group_asked:
        for each in places:
            running = each.state is SessionState.CHARGING and (each.group is not None or master)
            if running or (each.held_for is not None and each.held_group is not None):
                if each.asking:
                    return Choice(deed=Deed.IGNORE, evse_id=each.evse_id, why="another card is being checked")
                return Choice(deed=Deed.ASK_GROUP, evse_id=each.evse_id)
    if len(places) == 1 and places[0].held_for is not None and not places[0].plugged:
        return Choice(deed=Deed.IGNORE, evse_id=places[0].evse_id, why="the locked cable waits for its owner")
    if all(each.state in _RUNNING or each.state is SessionState.STARTING for each in places):
        return Choice(deed=Deed.IGNORE, why="every EVSE of this reader is occupied")
    if len(places) == 1 and places[0].state is SessionState.LAPSED:
        return Choice(deed=Deed.REMEMBER, why="replug to charge")
    return Choice(deed=Deed.REMEMBER)


def _own(token: IdToken, places: Sequence[Place]) -> Choice | None:
    for each in places:
        if token.same(each.held_for):
            return Choice(deed=Deed.RELEASE, evse_id=each.evse_id)
        if not token.same(each.token):
            continue
        if each.state is SessionState.CHARGING:
            return Choice(deed=Deed.STOP, evse_id=each.evse_id)
        if each.state in _CANCELLABLE:
            return Choice(deed=Deed.CANCEL, evse_id=each.evse_id)
        if each.state in _RUNNING:
            return Choice(deed=Deed.IGNORE, evse_id=each.evse_id, why="its transaction is ending already")
    return None
