"""The vehicle's state of charge in OCPP 1.6 and 2.0.1: sampled where it is known, absent where it is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from agent.model.inputs import GuardReported, ReadingTaken
from agent.model.journal import JournalRow
from agent.model.measurands import LISTS, expected_measurands, names_of
from agent.model.sample import Measurand
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.station import EvseLayout, StationLayout
from agent.model.variables import StoredValue, ValueSource, VariableBook
from agent.ocpp.v16.dialect import Dialect16
from agent.ocpp.v201.dialect import Dialect201
from drivers.api import MeterReading
from tests.conformance.oracle import V201
from tests.scenario.charging_world import ALICE
from tests.scenario.core16 import Core16, layout


class Talking(Core16):
    """A station one of whose parts may know the state of charge: the controller, or the meter."""

    soc_pct: float | None = None
    meter_soc_pct: float | None = None

    def configure(self, **keys: str | int | bool) -> None:
        """Set keys as where the station's parts are known."""
        for component, variable in LISTS:
            self.variables.offer(component, variable, names_of(expected_measurands(self.layout), with_phases=True))
        super().configure(**keys)

    def send(self, given: Any) -> None:
        if isinstance(given, GuardReported):
            here = given.condition.plugged is True
            given = GuardReported(
                condition=msgspec.structs.replace(given.condition, soc_pct=self.soc_pct if here else None)
            )
        super().send(given)

    def read_meter(self, evse_id: int) -> None:
        bay = self.bays[evse_id]
        reading = MeterReading(taken_s=self.now_s, energy_import_wh=float(int(bay.energy_wh)))
        if not bay.meter_silent:
            self.send(ReadingTaken(evse_id=evse_id, reading=replace(reading, soc_pct=self.meter_soc_pct)))

    def tells(self, soc_pct: float | None) -> None:
        """Let the vehicle say something else from now on."""
        self.soc_pct = soc_pct
        for bay in self.bays.values():
            bay.reported = None


def station() -> Talking:
    world = Talking(
        layout(EvseLayout(evse_id=1, tells_soc=True)),
        MeterValueSampleInterval=10,
        MeterValuesSampledData="SoC,Energy.Active.Import.Register",
        StopTxnSampledData="SoC,Energy.Active.Import.Register",
        ClockAlignedDataInterval=60,
        MeterValuesAlignedData="SoC,Energy.Active.Import.Register",
    )
    world.tells(40.0)
    return world


def socs(payload: dict[str, Any], key: str = "meterValue") -> list[dict[str, Any]]:
    return [v for each in payload[key] for v in each["sampledValue"] if v["measurand"] == "SoC"]


@pytest.mark.req("OCPP 1.6 §7.31, §7.24, §7.35")
def test_a_state_of_charge_is_sampled_in_percent_at_the_vehicle() -> None:
    world = station()
    world.charge(ALICE)
    world.run(5)
    world.tells(41.5)
    world.run(20)
    told = world.messages("MeterValues")[-1].payload
    [value] = socs(told)
    assert value == {
        "value": "41.5", "context": "Sample.Periodic", "measurand": "SoC", "location": "EV", "unit": "Percent",
    }  # fmt: skip
    assert world.station.view(1).soc_pct == 41.5


def test_an_unknown_state_of_charge_is_left_out_and_the_rest_is_told() -> None:
    world = station()
    world.charge(ALICE)
    world.tells(None)
    world.run(25)
    for each in world.messages("MeterValues")[-2:]:
        assert socs(each.payload) == []
        assert each.payload["meterValue"][0]["sampledValue"], "the register is"


def test_no_vehicle_has_no_state_of_charge() -> None:
    world = station()
    world.meter_soc_pct = 77.0
    world.run(130)
    told = world.messages("MeterValues")
    assert len(told) == 2
    assert all(socs(each.payload) == [] for each in told), "a meter may still show what the last vehicle said"
    assert world.station.view(1).soc_pct is None


def test_a_meter_that_knows_it_is_believed_where_nobody_talks_to_the_vehicle() -> None:
    world = station()
    world.tells(None)
    world.meter_soc_pct = 55.0
    world.charge(ALICE)
    world.run(15)
    assert [each["value"] for each in socs(world.messages("MeterValues")[-1].payload)] == ["55"]
    world.tells(54.0)
    world.run(15)
    assert [each["value"] for each in socs(world.messages("MeterValues")[-1].payload)] == ["54"]
    world.tells(None)
    world.meter_soc_pct = 120.0
    world.run(15)
    assert socs(world.messages("MeterValues")[-1].payload) == [], "more than full is no reading"


@pytest.mark.req("OCPP 1.6 §4.10, errata 3.14: begin and end of each measurand")
def test_begin_and_end_of_stop_data_hold_it_too() -> None:
    world = station()
    world.charge(ALICE)
    world.tells(60.0)
    world.run(25)
    world.tap(ALICE)
    world.until(lambda: bool(world.messages("StopTransaction")))
    [stop] = world.messages("StopTransaction")
    told = [(each["context"], each["value"]) for each in socs(stop.payload, "transactionData")]
    assert told[0] == ("Transaction.Begin", "40")
    assert told[-1] == ("Transaction.End", "60")


@pytest.mark.req("OCPP 2.0.1 J02, MeasurandEnumType SoC")
def test_2_0_1_says_it_in_percent_at_the_vehicle() -> None:
    world = station()
    world.charge(ALICE)
    world.run(15)
    dialect = Dialect201(world.layout.evses)
    rows = [JournalRow(seq=n, message_id=f"m{n}", fact=fact) for n, fact in enumerate(world.facts, 1)]
    sent = [message for row in rows if (message := dialect.render(row, world._utc)) is not None]
    payloads = [msgspec.json.decode(dialect.encode(each)) for each in sent]
    assert all(V201.check(m.action, "request", p) == [] for m, p in zip(sent, payloads, strict=True))
    values = [v for p in payloads for mv in p.get("meterValue", ()) for v in mv["sampledValue"]]
    [value, *_] = [each for each in values if each["measurand"] == "SoC"]
    assert (value["location"], value["unitOfMeasure"]["unit"], value["value"]) == ("EV", "Percent", 40.0)


TALKS = layout(EvseLayout(evse_id=1, tells_soc=True, tells_temperature=True))


@pytest.mark.req("OCPP 1.6 §3.16.4")
@pytest.mark.parametrize(
    ("station", "taken"),
    [(TALKS, "Accepted"), (layout(EvseLayout(evse_id=1)), "Rejected")],
    ids=["some part", "no part"],
)
@pytest.mark.parametrize("key", ["MeterValuesSampledData", "MeterValuesAlignedData", "StopTxnSampledData"])
def test_a_list_takes_what_a_part_may_know_before_any_vehicle_came(
    station: StationLayout, taken: str, key: str
) -> None:
    world = Talking(station)
    assert world.ask("ChangeConfiguration", {"key": key, "value": "SoC,Voltage"}) == {"status": taken}
    assert world.ask("ChangeConfiguration", {"key": key, "value": "Temperature"}) == {"status": taken}
    assert world.ask("ChangeConfiguration", {"key": key, "value": "RPM"}) == {"status": "Rejected"}


@pytest.mark.req("OCPP 1.6 §9.1: configuration is kept over restarts")
def test_a_list_that_holds_them_survives_a_restart() -> None:
    """The parts are not known yet when the store is read: what was accepted once may not be lost for that."""
    stored = StoredValue(key="sampleddatactrlr.txupdatedmeasurands", value="Temperature,SoC", source=ValueSource.CSMS)
    dialect = Dialect16(TALKS.evses)
    variables = VariableBook((*STANDARD_VARIABLES, *dialect.variables()), presets={}, stored=[stored])
    assert variables.members("SampledDataCtrlr", "TxUpdatedMeasurands") == ("Temperature", "SoC")
    variables.offer("SampledDataCtrlr", "TxUpdatedMeasurands", names_of({Measurand.VOLTAGE}, with_phases=True))
    assert variables.members("SampledDataCtrlr", "TxUpdatedMeasurands") == ("Temperature", "SoC")


def test_a_list_of_2_0_1_never_offers_what_2_0_1_has_no_word_for() -> None:
    variables = VariableBook((*STANDARD_VARIABLES, *Dialect201(TALKS.evses).variables()), presets={})
    for component, variable in LISTS:
        variables.offer(component, variable, names_of(frozenset(Measurand), with_phases=True))
        [definition] = [
            each.definition
            for each in variables.entries()
            if (each.definition.component, each.definition.variable) == (component, variable)
        ]
        assert "SoC" in definition.options
        assert "Temperature" not in definition.options
        assert not any(each.endswith(".L1") for each in definition.options)
