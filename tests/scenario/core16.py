"""A station of OCPP 1.6 in virtual time: charging core and dialect together, without a link.

What the CSMS asks is JSON as on the wire; what it is answered and told is held against the official schemas.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from agent.model.commands import GetVariables, SetVariables, VariablesOutcome, VariableStatus
from agent.model.inputs import VariablesChanged
from agent.model.journal import JournalRow
from agent.model.moment import Stamp
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.station import EvseLayout, StationLayout
from agent.model.variables import VariableBook
from agent.ocpp.v16.dialect import Dialect16
from tests.conformance.oracle import V16
from tests.scenario.charging_world import World


def layout(*evses: EvseLayout, free_vend: bool = False) -> StationLayout:
    """Return a station with one reader for all."""
    return StationLayout(
        evses=evses or (EvseLayout(evse_id=1),),
        readers={"front": tuple(each.evse_id for each in evses or (EvseLayout(evse_id=1),))},
        authorization_required=not free_vend,
    )


@dataclass(frozen=True)
class Told:
    """A message that the station would send: its action and payload."""

    action: str
    payload: dict[str, Any]


class Core16(World):
    """``ask`` is the CSMS; ``messages`` and ``statuses`` are what it is told."""

    def __init__(self, station: StationLayout | None = None, *, online: bool = True, **keys: str | int | bool) -> None:
        station = station or layout()
        self.dialect = Dialect16(station.evses)
        variables = VariableBook((*STANDARD_VARIABLES, *self.dialect.variables()), presets={}, stored=[])
        self.seen_statuses: dict[int, list[str]] = {}
        self._numbered = {place: number for number, place in enumerate(self._places(station))}
        super().__init__(layout=station, variables=variables, online=online)
        self.configure(**({"AuthorizeRemoteTxRequests": False} | keys))

    @staticmethod
    def _places(station: StationLayout) -> list[tuple[int, int]]:
        return [(0, 0), *((evse.evse_id, each) for evse in station.evses for each in evse.connector_ids)]

    def configure(self, **keys: str | int | bool) -> None:
        """Set configuration keys; each must be accepted."""
        for key, value in keys.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            assert self.ask("ChangeConfiguration", {"key": key, "value": text}) == {"status": "Accepted"}, key

    def ask(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a CALL and return its answer (of an unlock: as soon as there is one)."""
        command = self.dialect.command(action, json.dumps(payload).encode())
        if isinstance(command, GetVariables | SetVariables):
            outcome: Any = self._variables(command)
        else:
            number = self.command(command)
            self.until(lambda: number in self.answers, 60)
            outcome = self.answers[number]
        message = self.dialect.answer(action, command, outcome)
        answer: dict[str, Any] = msgspec.json.decode(self.dialect.encode(message))
        assert V16.check(action, "response", answer) == [], answer
        return answer

    def _variables(self, command: GetVariables | SetVariables) -> VariablesOutcome:
        if isinstance(command, GetVariables):
            return VariablesOutcome(results=tuple(self.variables.get(*query) for query in command.queries))
        results = tuple(self.variables.check(*each) for each in command.assignments)
        for result in results:
            good = result.status in (VariableStatus.ACCEPTED, VariableStatus.REBOOT_REQUIRED)
            row = self.variables.changed(result.ref, result.value) if good and result.value is not None else None
            if row is not None:
                self.variables.apply(row)
                self.send(VariablesChanged())
        return VariablesOutcome(results=results)

    def key(self, name: str) -> str:
        """Return the value of a configuration key."""
        [row] = self.ask("GetConfiguration", {"key": [name]})["configurationKey"]
        return str(row["value"])

    # What the CSMS is told

    def tick(self, dt_s: float = 0.1) -> None:
        super().tick(dt_s)
        self.note_statuses()

    def note_statuses(self) -> None:
        """Look at every connector; a status that changed is noted in order."""
        if not self.agent_up:
            return
        texts = self.dialect.statuses(self.station.views(), self.station.station_operative)
        for place, text in texts.items():
            seen = self.seen_statuses.setdefault(self._numbered[place], [])
            if not seen or seen[-1] != text.split("|")[0]:
                seen.append(text.split("|")[0])

    def status(self, connector: int = 1) -> dict[str, Any]:
        """Return the StatusNotification of a connector as it would be sent now."""
        place = next(place for place, number in self._numbered.items() if number == connector)
        message = self.dialect.status(place, self.station.views(), self.station.station_operative, self.stamp().utc_s)
        payload: dict[str, Any] = msgspec.json.decode(self.dialect.encode(message))
        assert V16.check("StatusNotification", "request", payload) == [], payload
        return payload

    def messages(self, action: str | None = None, csms_id: str | None = "7") -> list[Told]:
        """Return everything that the journal would send, in order; transactions are called ``csms_id``."""
        told = []
        for number, fact in enumerate(self.facts, start=1):
            row = JournalRow(seq=number, message_id=f"m{number}", fact=fact, csms_id=csms_id)
            message = self.dialect.render(row, self._utc)
            if message is not None:
                payload = msgspec.json.decode(self.dialect.encode(message))
                assert V16.check(message.action, "request", payload) == [], payload
                told.append(Told(message.action, payload))
        return [each for each in told if action in (None, each.action)]

    def _utc(self, stamp: Stamp) -> float:
        return 1_800_000_000.0 + stamp.mono_s if stamp.utc_s is None else stamp.utc_s

    def power_cycle(self) -> None:
        """Kill the agent and start it again, as a soft reset does."""
        self.kill_agent()
        self.run(1)
        self.start_agent()
