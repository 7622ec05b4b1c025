"""What the CSMS orders about charging profiles: set, clear, and the composite schedule."""

from __future__ import annotations

from collections.abc import Mapping

from agent.charging.composite import composite_of_evse, composite_of_station
from agent.charging.composition import Frame
from agent.charging.evse import Evse
from agent.charging.profile_plan import started_s
from agent.charging.profile_rules import CONTROLLER
from agent.charging.surroundings import Surroundings
from agent.charging.turn import Turn
from agent.model.commands import Answered, AnyOutcome, Outcome
from agent.model.effects import Answer
from agent.model.moment import Stamp
from agent.model.profiles import (
    ClearProfiles,
    CompositeOutcome,
    GetComposite,
    ProfilePurpose,
    ProfilesCleared,
    SetProfile,
)


class ProfileOrders:
    """Carries out commands about charging profiles."""

    def __init__(self, around: Surroundings, evses: Mapping[int, Evse]) -> None:
        """Keep nothing of its own: the profiles are the surroundings'."""
        self._around = around
        self._evses = evses

    def take(self, command_id: int, command: SetProfile | ClearProfiles | GetComposite, turn: Turn) -> None:
        """Carry out one command and answer it."""
        outcome: AnyOutcome
        match command:
            case SetProfile():
                outcome = result = self.set(command, turn)
                said = (result.answered.value, result.why)
            case ClearProfiles():
                outcome = cleared = self.clear(command, turn)
                said = (f"{cleared.count} cleared", "")
            case GetComposite():
                outcome = answer = self.composite(command, turn)
                said = ("accepted" if answer.composite is not None else "rejected", answer.why)
        turn.note("command.answered", command=type(command).__name__, answered=said[0], reason=said[1])
        turn.add(Answer(command_id=command_id, outcome=outcome))

    def set(self, command: SetProfile, turn: Turn) -> Outcome:
        """Install a profile, or refuse it (OCPP 1.6 §5.16)."""
        why = self._unknown(command.evse_id, command.connector_id)
        if why is not None:
            return Outcome(answered=Answered.REJECTED, why=why)
        return self._around.profiles.set(command, self._meant(command), turn)

    def clear(self, command: ClearProfiles, turn: Turn) -> ProfilesCleared:
        """Remove profiles (OCPP 1.6 §5.5)."""
        return self._around.profiles.clear(command, turn)

    def composite(self, command: GetComposite, turn: Turn) -> CompositeOutcome:
        """Work out the composite schedule (OCPP 1.6 §5.7)."""
        why = self._unknown(command.evse_id, command.connector_id)
        if why is None and command.duration_s <= 0:
            why = f"a duration of {command.duration_s} s is not above 0"
        allowed = self._around.variables.members(CONTROLLER, "RateUnit")
        if why is None and command.unit is not None and command.unit.value not in allowed:
            why = f"the unit {command.unit.value} is not one of {', '.join(allowed)}"
        if why is not None:
            return CompositeOutcome(composite=None, why=why)
        profiles, layout = self._around.profiles.installed(), self._around.layout
        if command.evse_id is not None:
            evse = self._evses[command.evse_id]
            composite = composite_of_evse(
                profiles,
                evse.layout,
                layout,
                command.connector_id,
                _runs_on(evse, command.connector_id),
                _frame(evse, turn.now),
                command.duration_s,
                command.unit,
            )
        else:
            composite = composite_of_station(
                profiles,
                layout,
                [(each.layout, each.name, _frame(each, turn.now)) for each in self._evses.values()],
                Frame(now_utc_s=turn.now.utc_s),
                command.duration_s,
                command.unit,
            )
        return CompositeOutcome(composite=composite)

    def _unknown(self, evse_id: int | None, connector_id: int | None) -> str | None:
        if evse_id is None:
            return None
        evse = self._evses.get(evse_id)
        if evse is None:
            return f"there is no EVSE {evse_id}"
        if connector_id is not None and connector_id not in evse.layout.connector_ids:
            return f"EVSE {evse_id} has no connector {connector_id}"
        return None

    def _meant(self, command: SetProfile) -> str | None:
        """Return our name of the transaction that a profile is for."""
        evse = None if command.evse_id is None else self._evses.get(command.evse_id)
        if command.profile.purpose is not ProfilePurpose.TX or evse is None or evse.transaction is None:
            return None
        record = evse.transaction.record
        if command.connector_id not in (None, record.connector_id) or record.ending is not None:
            return None
        named = command.transaction in (None, record.transaction_id, record.csms_id)
        return record.transaction_id if named else None


def _runs_on(evse: Evse, connector_id: int | None) -> str | None:
    record = None if evse.transaction is None else evse.transaction.record
    return None if record is None or connector_id not in (None, record.connector_id) else record.transaction_id


def _frame(evse: Evse, now: Stamp) -> Frame:
    record = None if evse.transaction is None else evse.transaction.record
    return Frame(now_utc_s=now.utc_s, started_s=started_s(None if record is None else record.started_at, now))
