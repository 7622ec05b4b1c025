"""What a TriggerMessage gets: the answer, and what follows it. Pure.

Source: OCPP 1.6 §5.17, errata 3.35 and 3.40; OCPP 2.0.1 F06.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from agent.model.commands import Answered, Outcome, TriggerKind, TriggerMessage
from agent.ocpp.session_outputs import Triggered
from agent.ocpp.status_board import Place


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a trigger, and what is to be sent after it."""

    outcome: Outcome
    boot: bool = False
    heartbeat: bool = False
    places: tuple[Place, ...] = ()
    triggered: Triggered | None = None


def answer_trigger(
    command: TriggerMessage,
    places: Sequence[Place],
    *,
    may_boot: bool,
    charging: Callable[[int | None], bool],
    values_refusal: Callable[[int | None, int | None], str] = lambda _evse_id, _connector_id: "",
) -> Grant:
    """Decide on a trigger.

    Args:
        command: what the CSMS asks for.
        places: every place that has a status, (EVSE, connector).
        may_boot: a boot notification would be in order now.
        charging: whether a transaction runs at an EVSE (``None``: at any).
        values_refusal: why there can be no meter values of an EVSE (0: main meter, ``None``: all) at one of its
            connectors (``None``: whichever); empty if they can.
    """
    accepted = Outcome(answered=Answered.ACCEPTED)
    match command.kind:
        case TriggerKind.BOOT:
            if not may_boot:
                return Grant(outcome=Outcome(answered=Answered.REJECTED, why="the station is accepted"))
            return Grant(outcome=accepted, boot=True)
        case TriggerKind.HEARTBEAT:
            return Grant(outcome=accepted, heartbeat=True)
        case TriggerKind.STATUS:
            meant = tuple(place for place in places if _means(command, place))
            if not meant:
                return Grant(outcome=_unknown(command))
            return Grant(outcome=accepted, places=meant)
        case TriggerKind.METER_VALUES:
            return _values(command, places, values_refusal)
        case TriggerKind.TRANSACTION_EVENT:
            evse_id = command.evse_id or None
            if evse_id is not None and all(evse_id != place[0] for place in places):
                return Grant(outcome=_unknown(command))
            if not charging(evse_id):  # the answer says whether it will be sent: F06.FR.04, .05
                return Grant(outcome=Outcome(answered=Answered.REJECTED, why="no transaction runs there"))
            return Grant(outcome=accepted, triggered=Triggered(kind=command.kind, evse_id=evse_id))
        case (
            TriggerKind.SIGN_CERTIFICATE
            | TriggerKind.LOG_STATUS
            | TriggerKind.DIAGNOSTICS_STATUS
            | TriggerKind.FIRMWARE_STATUS
            | TriggerKind.SIGNED_FIRMWARE_STATUS
        ):
            return Grant(outcome=accepted, triggered=Triggered(kind=command.kind, evse_id=None))
        case None:
            return Grant(outcome=Outcome(answered=Answered.NOT_IMPLEMENTED, why="no such message here"))


def _values(
    command: TriggerMessage, places: Sequence[Place], refusal: Callable[[int | None, int | None], str]
) -> Grant:
    """Accept what will be sent: the answer says whether it will (OCPP 1.6 §5.17; 2.0.1 F06.FR.04, .05)."""
    evse_id = command.evse_id
    if evse_id and all(evse_id != place[0] for place in places):
        return Grant(outcome=_unknown(command))
    why = refusal(evse_id, command.connector_id)
    if why:
        return Grant(outcome=Outcome(answered=Answered.REJECTED, why=why))
    return Grant(
        outcome=Outcome(answered=Answered.ACCEPTED), triggered=Triggered(kind=TriggerKind.METER_VALUES, evse_id=evse_id)
    )


def _means(command: TriggerMessage, place: Place) -> bool:
    evse_id, connector_id = place
    return command.evse_id in (None, evse_id) and command.connector_id in (None, connector_id)


def _unknown(command: TriggerMessage) -> Outcome:
    connector = "" if command.connector_id is None else f" connector {command.connector_id}"
    return Outcome(answered=Answered.REJECTED, why=f"EVSE {command.evse_id}{connector} is unknown")
