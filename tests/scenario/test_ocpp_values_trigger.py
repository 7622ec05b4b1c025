"""TriggerMessage for MeterValues in both versions: what the answer promises, and what the station then makes of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agent.model.commands import TriggerKind
from agent.model.effects import SendSample
from agent.model.inputs import ReadingFailed, ReadingTaken, ValuesAsked
from agent.model.station import EvseLayout, MainMeterLayout, StationLayout
from agent.ocpp.session import Session
from agent.ocpp.session_outputs import Triggered
from drivers.api import MeterReading
from tests.scenario.charging_world import World
from tests.scenario.ocpp_desk import IDENTITY, VERSIONS, Desk

EVSES = (EvseLayout(evse_id=1), EvseLayout(evse_id=2))
LAYOUT = StationLayout(evses=EVSES, readers={}, main_meter=MainMeterLayout())


class Linked(Desk):
    """A session that is answered by a core, as in the agent: the core says what may be promised."""

    def __post_init__(self) -> None:
        self.world = World(layout=LAYOUT)
        super().__post_init__()

    def new_session(self, reason: str) -> Session:
        return Session(
            self.dialect,
            IDENTITY,
            self.book,
            new_id=self._new_id,
            utc=self.utc,
            resolve=self.resolve,
            boot_reason=reason,
            values_refusal=lambda *place: self.world.station.values_refusal(*place, self.world.now_s),
        )

    def trigger(self, place: int | None) -> str:
        """Ask for values; hand on what the session passes to the core; return the answer's status."""
        names = {"1.6": {"connectorId": place}, "2.0.1": {"evse": {"id": place}}}[self.version]
        before = len(self.out(Triggered))
        self.ask("TriggerMessage", {"requestedMessage": "MeterValues"} | (names if place is not None else {}))
        for each in self.out(Triggered)[before:]:
            assert each.kind is TriggerKind.METER_VALUES
            self.world.send(ValuesAsked(evse_id=each.evse_id, named=self.dialect.triggered_measurands))
        return str(self.last_answer()["status"])

    def told(self) -> list[int]:
        """Return the places whose values the core wanted sent, each checked as a message."""
        places = []
        for sent in self.world.effects(SendSample):
            assert isinstance(sent, SendSample)
            view = self.world.station.view(sent.evse_id) if sent.evse_id else None
            message = self.dialect.meter_values(view, sent.sample, self.resolve)
            payload: dict[str, Any] = msgspec.json.decode(self.dialect.encode(message))
            assert self.oracle.check("MeterValues", "request", payload) == [], payload
            assert {v["context"] for mv in payload["meterValue"] for v in mv["sampledValue"]} == {"Trigger"}
            places.append(payload["connectorId" if self.version == "1.6" else "evseId"])
        return places

    def read_main(self) -> None:
        for _ in range(2):
            self.world.run(1)
            reading = MeterReading(taken_s=self.world.now_s, energy_import_wh=9_000_000.0)
            self.world.send(ReadingTaken(evse_id=0, reading=reading))


def desk(version: str) -> Linked:
    made = Linked(version=version)
    made.boot()
    return made


both = pytest.mark.parametrize("version", VERSIONS)


@both
@pytest.mark.req("OCPP 1.6 §5.17, errata 3.46; OCPP 2.0.1 F06.FR.04, F06.FR.11")
def test_everything_is_told_where_no_place_is_named_and_the_main_meter_by_0(version: str) -> None:
    station = desk(version)
    station.world.run(5)
    station.read_main()
    assert station.trigger(None) == "Accepted"
    assert sorted(station.told()) == [0, 1, 2]
    assert station.trigger(0) == "Accepted"
    assert sorted(station.told()) == [0, 0, 1, 2]
    assert station.trigger(2) == "Accepted"
    assert sorted(station.told()) == [0, 0, 1, 2, 2]


@both
@pytest.mark.req("OCPP 1.6 §5.17, errata 3.46; OCPP 2.0.1 F06.FR.04: accepted is sent")
def test_what_was_accepted_before_the_first_reading_follows_it(version: str) -> None:
    station = desk(version)
    assert station.trigger(1) == "Accepted"
    assert station.told() == []
    station.world.run(5)
    assert station.told() == [1]


@both
@pytest.mark.req("OCPP 1.6 §5.17, errata 3.46; OCPP 2.0.1 F06.FR.05: what cannot be sent is rejected")
def test_a_silent_meter_and_a_place_that_does_not_exist_are_rejected(version: str) -> None:
    station = desk(version)
    station.world.run(5)
    station.world.send(ReadingFailed(evse_id=0, error="no answer"))
    assert station.trigger(0) == "Rejected"
    station.world.bays[1].meter_silent = True
    station.world.run(15)
    assert station.trigger(1) == "Rejected"
    assert station.trigger(9) == "Rejected"
    assert station.trigger(None) == "Accepted"
    assert station.told() == [2]
