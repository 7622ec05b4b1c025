"""The meter of the whole station in virtual time: connector 0 of OCPP 1.6, EVSE 0 of 2.0.1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from agent.model.effects import SendSample
from agent.model.faults import FaultCode
from agent.model.inputs import ReadingFailed, ReadingTaken, ValuesAsked
from agent.model.journal import JournalRow
from agent.model.station import EvseLayout, MainMeterLayout, StationLayout
from agent.ocpp.v201.dialect import Dialect201
from drivers.api import MeterReading, SignedReading
from tests.conformance.oracle import V16, V201
from tests.scenario.charging_world import ALICE
from tests.scenario.core16 import Core16

SAMPLED = ("SampledDataCtrlr", "TxUpdatedMeasurands")


def layout(evses: int = 1, *, metered: bool = True, main: bool = True) -> StationLayout:
    return StationLayout(
        evses=tuple(EvseLayout(evse_id=number + 1, metered=metered) for number in range(evses)),
        readers={"front": tuple(number + 1 for number in range(evses))},
        main_meter=MainMeterLayout() if main else None,
    )


class Station16(Core16):
    """A station with a main meter that sees the EVSEs and a base load."""

    base_w = 1000.0
    main_silent = False
    main_wh = 5_000_000.0
    extra = MeterReading(taken_s=0.0, reactive_power_var=20.0, voltage_v=(230.0, 231.0, 229.0))

    def tick(self, dt_s: float = 0.1) -> None:
        before_s = self.now_s
        self.main_wh += self.total_w() * dt_s / 3600.0
        super().tick(dt_s)
        if self.agent_up and int(self.now_s) != int(before_s):
            self.read_main()

    def total_w(self) -> float:
        return self.base_w + sum(690.0 * bay.current_a for bay in self.bays.values())

    def read_meter(self, evse_id: int) -> None:
        if evse_id:
            super().read_meter(evse_id)
        else:
            self.read_main()

    def read_main(self) -> None:
        if self.layout.main_meter is None:
            return
        if self.main_silent:
            self.send(ReadingFailed(evse_id=0, error="no answer"))
            return
        reading = replace(self.extra, taken_s=self.now_s, energy_import_wh=self.main_wh, power_w=self.total_w())
        self.send(ReadingTaken(evse_id=0, reading=reading))

    def trigger(self, evse_id: int | None) -> str:
        """Ask as the link does: the answer first, then what follows; return why it was refused."""
        why = self.station.values_refusal(evse_id, None, self.now_s)
        if not why:
            self.send(ValuesAsked(evse_id=evse_id, named=SAMPLED))
        return why

    def triggered(self) -> list[dict[str, Any]]:
        """Return the MeterValues that were sent because they were asked for, checked."""
        told = []
        for sent in self.effects(SendSample):
            assert isinstance(sent, SendSample)
            view = self.station.view(sent.evse_id) if sent.evse_id else None
            message = self.dialect.meter_values(view, sent.sample, self._utc)
            payload = msgspec.json.decode(self.dialect.encode(message))
            assert V16.check("MeterValues", "request", payload) == [], payload
            told.append(payload)
        return told


def values(payload: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for meter_value in payload["meterValue"] for each in meter_value["sampledValue"]]


def main_told(world: Station16) -> list[dict[str, Any]]:
    return [each.payload for each in world.messages("MeterValues") if each.payload["connectorId"] == 0]


@pytest.mark.req("OCPP 1.6 §3.16.2, §4.7; errata 3.16")
def test_the_main_meter_is_connector_0_on_the_clock_and_never_of_a_transaction() -> None:
    world = Station16(layout(2), ClockAlignedDataInterval=60, MeterValueSampleInterval=10)
    world.charge(ALICE)
    world.run(125)
    told = main_told(world)
    assert len(told) == 2
    for each in told:
        assert "transactionId" not in each
        [meter_value] = each["meterValue"]
        assert meter_value["timestamp"].endswith(":00.000Z")
        assert {value["context"] for value in meter_value["sampledValue"]} == {"Sample.Clock"}
        assert {value["location"] for value in meter_value["sampledValue"]} == {"Inlet"}
        assert {value["measurand"] for value in meter_value["sampledValue"]} == {"Energy.Active.Import.Register"}
    first, second = (float(values(each)[0]["value"]) for each in told)
    assert 0 < second - first < world.total_w() / 60 * 1.1
    others = {each.payload["connectorId"] for each in world.messages("MeterValues")}
    assert others == {0, 1, 2}


@pytest.mark.req("OCPP 2.0.1 J01.FR.01, J01.FR.14")
def test_the_main_meter_is_evse_0_of_2_0_1() -> None:
    world = Station16(layout(), ClockAlignedDataInterval=60)
    world.run(65)
    facts = [fact for fact in world.facts if getattr(fact, "evse_id", None) == 0]
    dialect = Dialect201(world.layout.evses)
    message = dialect.render(JournalRow(seq=1, message_id="m1", fact=facts[0]), world._utc)
    assert message is not None
    payload = msgspec.json.decode(dialect.encode(message))
    assert V201.check("MeterValues", "request", payload) == []
    assert payload["evseId"] == 0
    assert {each["location"] for each in values(payload)} == {"Inlet"}


@pytest.mark.req("OCPP 1.6 §3.16.4")
def test_aligned_values_may_be_of_what_only_the_main_meter_measures() -> None:
    world = Station16(layout(), ClockAlignedDataInterval=60)
    world.run(5)
    both, own = world.station.provided(with_main=True), world.station.provided()
    assert both is not None
    assert own is not None
    assert both - own == {"Power.Reactive.Import"}
    assert "Current.Offered" not in world.station.main.provided()  # type: ignore[union-attr]
    world.configure(MeterValuesAlignedData="Power.Reactive.Import,Voltage,Power.Active.Import")
    world.run(60)
    [told] = main_told(world)
    assert {(each["measurand"], each.get("phase")) for each in values(told)} == {
        ("Power.Reactive.Import", None), ("Voltage", "L1-N"), ("Voltage", "L2-N"), ("Voltage", "L3-N"),
        ("Power.Active.Import", None),
    }  # fmt: skip


@pytest.mark.req("field: no value is invented")
def test_a_silent_main_meter_is_a_fault_that_blocks_nothing_and_has_no_values() -> None:
    world = Station16(layout(), ClockAlignedDataInterval=60)
    world.run(5)
    world.main_silent = True
    world.run(15)
    [fault] = world.station.faults
    assert (fault.code, fault.blocking, fault.evse_id) == (FaultCode.MAIN_METER_LOST, False, None)
    assert "no answer" in fault.text
    status = world.status(0)
    assert (status["status"], status["errorCode"]) == ("Available", "PowerMeterFailure")
    assert world.status(1)["errorCode"] == "NoError"
    world.charge(ALICE)
    world.run(60)
    assert world.closed()
    assert not main_told(world)
    world.main_silent = False
    world.run(3)
    assert world.station.faults == ()
    assert world.status(0)["errorCode"] == "NoError"
    world.run(60)
    assert main_told(world)


def test_a_main_meter_that_never_answers_is_said_too() -> None:
    world = Station16(layout())
    world.main_silent = True
    world.run(15)
    assert [each.code for each in world.station.faults] == [FaultCode.MAIN_METER_LOST]
    assert len([each for each in world.notices("fault.raised") if each.fields["code"] == "main_meter_lost"]) == 1


def test_a_register_of_the_main_meter_that_jumps_is_not_told() -> None:
    world = Station16(layout(), ClockAlignedDataInterval=60)
    world.run(58)
    world.main_wh += 80_000_000.0
    world.run(3)
    [told] = main_told(world)
    assert float(values(told)[0]["value"]) < 6_000_000
    world.run(10)
    assert world.notices("main_meter.base_changed"), "five readings later it counts as another meter"
    assert world.station.faults == ()


@pytest.mark.req("OCPP 1.6 §5.17; errata 3.46")
@pytest.mark.parametrize(("asked", "connectors"), [(0, {0}), (None, {0, 1, 2}), (2, {2})])
def test_a_trigger_tells_the_main_meter_with_connector_0_or_none(asked: int | None, connectors: set[int]) -> None:
    world = Station16(layout(2), MeterValuesSampledData="Energy.Active.Import.Register,Current.Offered")
    world.run(5)
    assert world.trigger(asked) == ""
    told = world.triggered()
    assert {each["connectorId"] for each in told} == connectors
    for each in told:
        assert {value["context"] for value in values(each)} == {"Trigger"}
        assert "transactionId" not in each
        offered = any(value["measurand"] == "Current.Offered" for value in values(each))
        assert offered is (each["connectorId"] != 0), "the main meter offers nothing"


@pytest.mark.req("OCPP 1.6 §5.17")
def test_connector_0_without_a_main_meter_is_every_connector() -> None:
    world = Station16(layout(2, main=False))
    world.run(5)
    assert world.trigger(0) == ""
    assert {each["connectorId"] for each in world.triggered()} == {1, 2}


@pytest.mark.req("OCPP 1.6 §5.17: what is accepted is sent")
def test_values_asked_for_before_the_first_good_reading_are_sent_with_it() -> None:
    world = Station16(layout())
    assert world.trigger(1) == ""
    assert world.triggered() == []
    world.until(lambda: bool(world.triggered()), 5)
    [told] = world.triggered()
    assert values(told)[0]["context"] == "Trigger"
    world.run(40)
    assert len(world.triggered()) == 1


@pytest.mark.req("OCPP 1.6 §5.17: what is not going to be sent is rejected")
def test_values_of_no_meter_or_of_a_silent_one_are_refused() -> None:
    world = Station16(layout(metered=False, main=False))
    assert world.trigger(None) == "there is no meter"
    assert world.trigger(1) == "there is no meter"
    world = Station16(layout(2))
    world.run(5)
    world.bays[1].meter_silent = True
    world.run(5)
    assert world.trigger(1) == "", "its reading is still good"
    world.run(10)
    assert world.trigger(1) == "the meter is silent"
    assert world.trigger(None) == "", "the others speak"
    world.run(60)
    assert {each["connectorId"] for each in world.triggered()} == {0, 1, 2}
    assert not world.notices("values.not_sent")
    world.bays[2].meter_silent = world.main_silent = True
    world.run(15)
    assert world.trigger(None) == "every meter is silent"


@pytest.mark.req("OCPP 1.6 §5.17")
def test_a_wait_for_values_ends_and_says_so() -> None:
    world = Station16(layout(main=False))
    world.bays[1].meter_silent = True
    assert world.trigger(None) == "", "nobody has tried to read it yet"
    world.run(29)
    assert not world.notices("values.not_sent")
    world.run(2)
    [notice] = world.notices("values.not_sent")
    assert notice.fields["waited_s"] == 30.0
    world.bays[1].meter_silent = False
    world.run(20)
    assert world.triggered() == []
    deadline_s = world.station.next_deadline_s()
    assert deadline_s is None or deadline_s > world.now_s + 5, "nothing keeps the station awake"


def test_a_signed_value_of_the_main_meter_is_passed_on() -> None:
    world = Station16(layout(), ClockAlignedDataInterval=60)
    world.extra = replace(world.extra, signed=SignedReading(text="OCMF|x|y", method="ECDSA", encoding="OCMF"))
    world.run(65)
    [told] = main_told(world)
    assert [(each.get("format"), each["location"]) for each in values(told)] == [
        (None, "Inlet"),
        ("SignedData", "Inlet"),
    ]


def test_a_resting_station_is_not_woken_by_its_main_meter() -> None:
    world = Station16(layout())
    world.run(20)
    turns = len(world.log)
    world.run(10)
    assert all(not effects for _, effects in world.log[turns:])
