"""What an EVSE shows and sounds: a projection of what is true, decided nowhere else. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from types import MappingProxyType
from typing import Final

from agent.charging.evse_state import EvseState
from agent.charging.session import SessionState
from agent.model.effects import BlinkLight, Effect, Notice, PlaySound
from agent.model.evse import Occupancy
from agent.model.indications import ShownState, Sound

_RUNNING: Final = MappingProxyType(
    {
        Occupancy.CHARGING: ShownState.CHARGING,
        Occupancy.SUSPENDED_EV: ShownState.SUSPENDED_EV,
        Occupancy.SUSPENDED_EVSE: ShownState.SUSPENDED_EVSE,
    }
)
_SOUNDS: Final = MappingProxyType(
    {
        "session.authorized": Sound.ACCEPTED,
        "card.refused": Sound.REFUSED,
        "authorization.refused": Sound.REFUSED,
        "authorization.unused": Sound.REFUSED,
        "button.refused": Sound.REFUSED,
        "transaction.started": Sound.STARTED,
        "transaction.stop_decided": Sound.STOPPED,
        "fault.raised": Sound.FAULT,
    }
)
_SOUNDED: Final = frozenset(Sound)
_SIGNALLED: Final = frozenset({Sound.ACCEPTED, Sound.REFUSED})


def shown_state(evse: EvseState) -> ShownState:
    """Return what the status light of ``evse`` tells, the first of ``ShownState`` that is true."""
    if any(fault.blocking for fault in evse.faults.present()):
        return ShownState.FAULTED
    occupancy = evse.occupancy
    if evse.transaction is not None and occupancy in _RUNNING:
        return _RUNNING[occupancy]
    if evse.around.availability.held:
        return ShownState.UPDATE
    if not evse.operative:
        return ShownState.UNAVAILABLE
    if evse.asking:
        return ShownState.AUTHORIZING
    if evse.session.state is SessionState.LAPSED or occupancy is Occupancy.FINISHING:
        return ShownState.FINISHING
    if evse.session.state is SessionState.AUTHORIZED:
        return ShownState.AUTHORIZED
    if occupancy is not Occupancy.FREE:
        return ShownState.PREPARING
    if evse.reserved:
        return ShownState.RESERVED
    return ShownState.AVAILABLE if evse.around.online else ShownState.OFFLINE


def sounds_of(effects: Iterable[Effect], evse_ids: Sequence[int]) -> list[PlaySound]:
    """Return what a turn sounds like: for each of ``evse_ids``, which have buzzers, the last thing told of it.

    What is told of no EVSE (a card at a reader that serves several) sounds at all of them.
    """
    return [
        PlaySound(evse_id=evse_id, sound=sound) for evse_id, sound in _last_told(effects, evse_ids, _SOUNDED).items()
    ]


def blinks_of(effects: Iterable[Effect], evse_ids: Sequence[int], times: int) -> list[BlinkLight]:
    """Return what a turn signals with the lights of ``evse_ids``, as for ``sounds_of``: a word on a card or a press.

    Source: OCPP 1.6 §9.1, BlinkRepeat: how often lighting blinks when signalling.
    """
    if times <= 0:
        return []
    return [
        BlinkLight(evse_id=evse_id, accepted=sound is Sound.ACCEPTED, times=times)
        for evse_id, sound in _last_told(effects, evse_ids, _SIGNALLED).items()
    ]


def _last_told(effects: Iterable[Effect], evse_ids: Sequence[int], among: Container[Sound]) -> dict[int, Sound]:
    last: dict[int, Sound] = {}
    if not evse_ids:
        return last
    for effect in effects:
        sound = _SOUNDS.get(effect.event) if isinstance(effect, Notice) else None
        if not isinstance(effect, Notice) or sound is None or sound not in among:
            continue
        if sound is Sound.FAULT and effect.fields.get("blocking") is False:
            continue
        for evse_id in evse_ids:
            if effect.evse_id in (None, evse_id):
                last[evse_id] = sound
    return last
