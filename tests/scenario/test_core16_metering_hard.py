"""Metering of OCPP 1.6 as somebody else would examine it: every message against the official schemas, odd settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from agent.model.effects import SendSample
from agent.model.inputs import ReadingTaken, ValuesAsked
from agent.model.measurands import LISTS, in_order
from agent.model.station import EvseLayout
from drivers.api import MeterReading, SignedReading
from tests.scenario.charging_world import ALICE
from tests.scenario.core16 import Core16, Told, layout
from tests.scenario.test_core16_metering import FULL, Metered, contexts, values_of


def known(world: Core16) -> None:
    """Offer what the station's parts provide, as the agent does before a key is set."""
    for component, variable in LISTS:
        provided = world.station.provided(with_main=True)
        assert provided is not None
        world.variables.offer(component, variable, in_order(provided))


def change(world: Core16, key: str, value: str) -> str:
    known(world)
    return str(world.ask("ChangeConfiguration", {"key": key, "value": value})["status"])


def stop(world: Core16) -> dict[str, Any]:
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    return world.messages("StopTransaction")[-1].payload


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.req("OCPP 1.6 §3.16.4; §7.32 phases")
def test_a_phase_may_be_named_with_or_without_the_neutral_and_only_where_there_is_one() -> None:
    world = Metered(layout(EvseLayout(evse_id=1, phases=1)), MeterValueSampleInterval=10)
    world.run(5)
    for name in ("Voltage.L1", "Voltage.L1-N", "Current.Import.N", "Power.Active.Import.L1", "Voltage,Voltage.L1"):
        assert change(world, "MeterValuesSampledData", name) == "Accepted", name
    for name in (
        "Voltage.L2",
        "Voltage.L2-N",
        "Voltage.L1-L2",
        "Voltage.N",
        "Frequency.L1",
        "Current.Import.L1-N",
        "L1",
    ):
        assert change(world, "MeterValuesSampledData", name) == "Rejected", name
    assert world.key("MeterValuesSampledData") == "Voltage,Voltage.L1", "a refused list changes nothing"
    assert change(world, "MeterValuesSampledData", "Current.Import.N,Voltage.L1-N") == "Accepted"
    world.charge(ALICE)
    world.run(11)
    told = values_of(world.messages("MeterValues")[-1].payload)
    assert [(each["measurand"], each["phase"]) for each in told] == [("Current.Import", "N"), ("Voltage", "L1-N")]


@pytest.mark.req("OCPP 1.6 §3.16.4")
def test_a_phase_that_this_meter_does_not_measure_is_refused() -> None:
    world = Metered(MeterValueSampleInterval=10)
    world.extra = MeterReading(taken_s=0.0, voltage_v=(230.0, None, None))
    world.run(5)
    assert change(world, "MeterValuesSampledData", "Voltage.L1") == "Accepted"
    assert change(world, "MeterValuesSampledData", "Voltage.L2") == "Rejected"
    assert change(world, "MeterValuesSampledData", "Energy.Active.Import.Register.L1") == "Rejected"
    assert change(world, "MeterValuesSampledData", "Frequency") == "Rejected"


@pytest.mark.req("OCPP 1.6 §7.31: Power.Active.Import, Power.Active.Export")
def test_power_that_flows_out_is_exported_and_nothing_is_imported_meanwhile() -> None:
    class Both(Metered):
        def read_meter(self, evse_id: int) -> None:
            reading = replace(FULL, taken_s=self.now_s, energy_import_wh=1000.0, energy_export_wh=50.0, power_w=-800.0)
            reading = replace(reading, power_phase_w=(-300.0, -300.0, -200.0))
            self.send(ReadingTaken(evse_id=evse_id, reading=reading))

    world = Both(MeterValueSampleInterval=10, MeterValuesSampledData="Power.Active.Import,Power.Active.Export")
    world.charge(ALICE)
    world.run(11)
    told = {
        (each["measurand"], each.get("phase")): each["value"]
        for each in values_of(world.messages("MeterValues")[-1].payload)
    }
    assert told[("Power.Active.Export", None)] == "800"
    assert told[("Power.Active.Import", None)] == told[("Power.Active.Import", "L1")] == "0"


@pytest.mark.req("OCPP 1.6 §7.31: Power.Offered")
def test_the_power_offered_on_one_phase_is_that_of_one_phase() -> None:
    world = Metered(
        layout(EvseLayout(evse_id=1, phase_switching=True)),
        MeterValueSampleInterval=10,
        MeterValuesSampledData="Current.Offered,Power.Offered",
    )
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0, "numberPhases": 1}],
    }
    profile = {
        "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative", "chargingSchedule": schedule,
    }  # fmt: skip
    assert world.ask("SetChargingProfile", {"connectorId": 0, "csChargingProfiles": profile}) == {"status": "Accepted"}
    world.charge(ALICE)
    world.run(25)
    told = {each["measurand"]: each["value"] for each in values_of(world.messages("MeterValues")[-1].payload)}
    assert told == {"Current.Offered": "10", "Power.Offered": "2300"}


@pytest.mark.req("OCPP 1.6 §3.16.5, errata 3.14: begin and end of each measurand")
def test_begin_and_end_hold_everything_that_is_known_then() -> None:
    names = "Energy.Active.Import.Register,Current.Offered,Power.Offered,Voltage"
    world = Metered(StopTxnSampledData=names, StopTxnAlignedData="Frequency", MeterValueSampleInterval=0)
    world.charge(ALICE)
    world.run(20)
    payload = stop(world)
    assert contexts(payload) == ["Transaction.Begin", "Transaction.End"]
    for each in payload["transactionData"]:
        assert {value["measurand"] for value in each["sampledValue"]} == {*names.split(","), "Frequency"}


@pytest.mark.req("OCPP 1.6 §3.16.5: only what is configured")
def test_an_end_without_a_reading_tells_no_measurand_that_nobody_asked_for() -> None:
    world = Metered(StopTxnSampledData="Voltage", MeterValueSampleInterval=0)
    world.charge(ALICE)
    world.run(5)
    world.bays[1].meter_silent = True
    world.power_cycle()
    world.run(15)
    payload = stop(world)
    assert {each["measurand"] for each in values_of(payload, "transactionData")} == {"Voltage"}
    assert contexts(payload) == ["Transaction.Begin"]
    assert payload["meterStop"] > 0


@pytest.mark.req("OCPP 1.6 errata 3.16: the transaction that runs when the sample is taken")
def test_a_clock_sample_while_the_transaction_ends_is_that_transactions() -> None:
    world = Metered(ClockAlignedDataInterval=60, MeterValueSampleInterval=0)
    world.charge(ALICE)
    world.until(lambda: world.stamp().utc_s % 60.0 > 59.6)  # type: ignore[operator]
    world.bays[1].meter_silent = False
    before = len(world.messages("MeterValues"))
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    told = world.messages()
    assert [each.action for each in told][-2:] == ["MeterValues", "StopTransaction"]
    assert len(world.messages("MeterValues")) == before + 1
    assert told[-2].payload["transactionId"] == 7
    assert moment(told[-2].payload["meterValue"][0]["timestamp"]) <= moment(told[-1].payload["timestamp"])
    world.run(61)
    assert "transactionId" not in world.messages("MeterValues")[-1].payload, "the next one is of no transaction"


@pytest.mark.req("OCPP 1.6 §3.16.5, errata 3.91; §4.10")
def test_stop_data_of_both_lists_is_in_the_order_of_time_and_within_its_bound() -> None:
    world = Metered(
        MeterValueSampleInterval=7,
        ClockAlignedDataInterval=10,
        StopTxnSampledData="Energy.Active.Import.Register",
        StopTxnAlignedData="Voltage",
    )
    most = int(world.key("StopTransactionMaxMeterValues"))
    world.charge(ALICE)
    world.run(900)
    payload = stop(world)
    times = [moment(each["timestamp"]) for each in payload["transactionData"]]
    assert times == sorted(times)
    assert len(times) <= most
    names = contexts(payload)
    assert (names[0], names[-1]) == ("Transaction.Begin", "Transaction.End")
    assert {"Sample.Periodic", "Sample.Clock"} <= set(names)


@pytest.mark.req("OCPP 1.6 §3.16.1, §3.16.2; §4.7")
def test_every_sample_in_a_transaction_is_between_its_start_and_its_stop_and_none_twice() -> None:
    world = Metered(MeterValueSampleInterval=10, ClockAlignedDataInterval=20)
    world.charge(ALICE)
    world.run(95)
    stop(world)
    told: list[Told] = world.messages()
    [start] = [each for each in told if each.action == "StartTransaction"]
    inside = [each.payload for each in told if "transactionId" in each.payload and each.action == "MeterValues"]
    seen = [
        (each["meterValue"][0]["timestamp"], each["meterValue"][0]["sampledValue"][0]["context"]) for each in inside
    ]
    assert len(seen) == len(set(seen))
    at = [moment(when) for when, _ in seen]
    assert at == sorted(at)
    assert moment(start.payload["timestamp"]) <= at[0] + 1.0
    assert at[-1] <= moment(told[-1].payload["timestamp"])
    clock = [when for when, context in seen if context == "Sample.Clock"]
    assert all(moment(when) % 20 == 0 for when in clock)
    periodic = [each for each in inside if each["meterValue"][0]["sampledValue"][0]["context"] == "Sample.Periodic"]
    registers = [float(values_of(each)[0]["value"]) for each in periodic]
    assert registers == sorted(registers)


@pytest.mark.req("OCPP 1.6 §5.17, errata 3.46; §7.38")
def test_a_trigger_in_a_transaction_tells_its_id_the_sampled_list_and_what_the_meter_signed() -> None:
    world = Metered(MeterValueSampleInterval=0, MeterValuesSampledData="Energy.Active.Import.Register,Current.Offered")
    world.extra = replace(FULL, signed=SignedReading(text="OCMF|{}|{}", method="ECDSA", encoding="OCMF"))
    world.charge(ALICE)
    world.run(5)
    world.send(ValuesAsked(evse_id=1, named=world.dialect.triggered_measurands))
    [sent] = world.effects(SendSample)
    assert isinstance(sent, SendSample)
    message = world.dialect.meter_values(world.station.view(1), sent.sample, world._utc)
    told = [value for each in message.payload.meter_value for value in each.sampled_value]
    assert {each.context.value for each in told} == {"Trigger"}
    assert {each.measurand.value for each in told} == {"Energy.Active.Import.Register", "Current.Offered"}
    assert [each.value for each in told if each.format is not None] == ["OCMF|{}|{}"]


@pytest.mark.req("OCPP 1.6 §3.16.2")
@pytest.mark.parametrize("every_s", [7, 3601, 86_400])
def test_an_interval_that_does_not_divide_the_day_begins_anew_at_midnight(every_s: int) -> None:
    world = Core16(ClockAlignedDataInterval=every_s)
    world.run(3)
    midnight_s = (world.stamp().utc_s // 86_400 + 1) * 86_400  # type: ignore[operator]
    world.utc_offset_s = midnight_s - 3.0 - world.now_s
    world.run(2.5)
    world.run(every_s + 3 if every_s < 100 else 3)
    stamps = [moment(each.payload["meterValue"][0]["timestamp"]) - midnight_s for each in world.messages("MeterValues")]
    assert 0.0 in stamps
    assert all(each % every_s == 0 for each in stamps if each >= 0)


@pytest.mark.req("OCPP 1.6 §5.17; one EVSE with several connectors")
def test_values_are_promised_for_the_connector_that_the_meter_speaks_for() -> None:
    world = Metered(layout(EvseLayout(evse_id=1, connector_ids=(1, 2))))
    world.run(5)
    now_s = world.now_s
    in_use = world.station.view(1).connector_id
    assert in_use == 1
    assert world.station.values_refusal(1, 1, now_s) == ""
    assert world.station.values_refusal(1, None, now_s) == ""
    assert world.station.values_refusal(1, 2, now_s) == "the meter speaks for connector 1 of EVSE 1 now"
    assert world.station.values_refusal(None, None, now_s) == ""
