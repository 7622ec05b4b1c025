"""The session of an EVSE: one vehicle's stay, from the first sign of it to the empty socket.

Rules
    1. A session begins with a cable or an authorization, whichever comes first.
    2. A transaction begins when both are there and everything else allows it (STARTING waits for that).
    3. A transaction that was stopped is ENDING until the register after the opening is known; only then is it over.
    4. A cable that stays in after the end is FINISHED: another authorization may start again (OCPP 1.6 F2).
    5. A cable without authorization within the connection time-out is LAPSED (OCPP 1.6 B6, "Finishing"): cards are for
       others until it is plugged again; the CSMS, which names the EVSE, may still start on it.
    6. A transaction that another boot left behind is RECOVERING: nothing is permitted until it is ended or resumed.

The table below is the whole machine. It says where a session stands; it permits nothing. What is permitted is a pure
function of all circumstances (``limits``), asked anew after every input.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from transitions import Machine

from agent.charging.turn import Turn


class SessionState(Enum):
    """Where a session stands."""

    FREE = "free"  # nobody
    AUTHORIZED = "authorized"  # authorised, no cable yet
    PLUGGED = "plugged"  # cable, no authorization yet
    STARTING = "starting"  # both; waiting for a reading, a fault to clear ...
    CHARGING = "charging"  # a transaction runs
    ENDING = "ending"  # stopped; waiting for the opening and the register
    FINISHED = "finished"  # transaction over, cable still in
    LAPSED = "lapsed"  # cable in, nobody authorised in time
    RECOVERING = "recovering"  # a transaction of another boot is being ended or resumed


class Step(Enum):
    """What moves a session."""

    PLUG = "plug"
    UNPLUG = "unplug"
    AUTHORIZE = "authorize"
    FORGET = "forget"
    LAPSE = "lapse"
    BEGIN = "begin"
    STOP = "stop"
    END = "end"
    RESUME = "resume"


_S = SessionState
_TABLE: Final[tuple[tuple[Step, tuple[SessionState, ...], SessionState], ...]] = (
    (Step.PLUG, (_S.FREE,), _S.PLUGGED),
    (Step.PLUG, (_S.AUTHORIZED,), _S.STARTING),
    (Step.AUTHORIZE, (_S.FREE,), _S.AUTHORIZED),
    (Step.AUTHORIZE, (_S.PLUGGED, _S.LAPSED, _S.FINISHED), _S.STARTING),
    (Step.UNPLUG, (_S.PLUGGED, _S.LAPSED, _S.FINISHED), _S.FREE),
    (Step.UNPLUG, (_S.STARTING,), _S.AUTHORIZED),
    (Step.FORGET, (_S.AUTHORIZED,), _S.FREE),
    (Step.FORGET, (_S.STARTING,), _S.PLUGGED),
    (Step.LAPSE, (_S.PLUGGED, _S.STARTING), _S.LAPSED),
    (Step.BEGIN, (_S.STARTING,), _S.CHARGING),
    (Step.STOP, (_S.CHARGING, _S.RECOVERING), _S.ENDING),
    (Step.END, (_S.ENDING, _S.RECOVERING), _S.FINISHED),
    (Step.RESUME, (_S.RECOVERING,), _S.CHARGING),
)


class Session:
    """One EVSE's session machine. Its callbacks only note what happened."""

    state: SessionState
    trigger: Callable[..., bool]  # added by the machine

    def __init__(self, evse_id: int, initial: SessionState = SessionState.FREE, since_s: float = 0.0) -> None:
        """Begin in ``initial``, which a restart may set."""
        self._evse_id = evse_id
        self.since_s = since_s
        table: list[dict[str, Any]] = [
            {"trigger": step.value, "source": list(sources), "dest": dest} for step, sources, dest in _TABLE
        ]
        self._machine = Machine(
            model=self,
            states=SessionState,
            initial=initial,
            transitions=table,
            auto_transitions=False,
            queued=True,
            after_state_change="_moved",
        )

    def take(self, step: Step, turn: Turn) -> None:
        """Move by ``step``.

        Raises:
            transitions.MachineError: the table has no such step from this state; a bug of the caller.
        """
        self.trigger(step.value, turn)

    def _moved(self, turn: Turn) -> None:
        self.since_s = turn.now_s
        turn.note("session.moved", self._evse_id, level="debug", to=self.state.value)
