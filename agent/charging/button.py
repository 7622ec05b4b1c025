"""What a press of an EVSE's button does. Pure.

1. ``off``: nothing.
2. A transaction runs: it is stopped, as somebody at the station may (``stop`` and ``start_stop``). OCPP: reason Local.
3. ``start_stop`` where nobody has to be authorised, with a vehicle plugged in: a charge begins. There the button, and
   not the cable, is what says "begin": plugging in alone starts nothing.
4. Otherwise it is refused, with the reason: a card is needed, no vehicle, the EVSE is closed.
"""

from __future__ import annotations

from agent.charging.authorization import Authorization
from agent.charging.evse import Evse
from agent.charging.session import SessionState
from agent.charging.turn import Turn
from agent.model.facts import StopReason
from agent.model.ids import FREE_VEND_TOKEN
from agent.model.station import ButtonUse


def press(evse: Evse, turn: Turn) -> None:
    """Do what a short press at ``evse`` does."""
    use, state = evse.layout.button, evse.session.state
    if use is ButtonUse.OFF:
        turn.note("button.ignored", evse.evse_id, reason="[charging] button is off")
    elif evse.stop(StopReason.LOCAL, None, turn):
        turn.note("button.pressed", evse.evse_id, deed="stop")
    elif state is SessionState.ENDING or evse.authorization is not None:
        turn.note("button.ignored", evse.evse_id, reason=f"the EVSE is {state.value}")
    else:
        why = _why_not(evse, use)
        if why is not None:
            turn.note("button.refused", evse.evse_id, reason=why)
            return
        turn.note("button.pressed", evse.evse_id, deed="start")
        evse.authorize(Authorization(token=FREE_VEND_TOKEN, at_s=turn.now_s, free_vend=True), turn)


def _why_not(evse: Evse, use: ButtonUse) -> str | None:
    """Return why no charge begins by a press, ``None`` where one does."""
    if use is not ButtonUse.START_STOP:
        return "the button only stops"
    if evse.around.layout.authorization_required:
        return "a card is needed"
    if evse.plugged is not True:
        return "no vehicle is plugged in"
    return evse.refusal
