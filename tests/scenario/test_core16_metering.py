"""Metering of OCPP 1.6 in virtual time: sampled, aligned, stop data, phases, signed values, thinning."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from agent.charging.samples import Beside, provided_by
from agent.model.inputs import ReadingTaken
from agent.model.measurands import split
from agent.model.sample import Measurand
from agent.model.station import EvseLayout
from drivers.api import MeterReading, SignedReading
from tests.scenario.charging_world import ALICE
from tests.scenario.core16 import Core16, layout

FULL = MeterReading(
    taken_s=1.0,
    energy_import_wh=1234.4,
    energy_export_wh=10.0,
    power_w=6900.0,
    current_a=(10.0, 10.1, 10.2),
    voltage_v=(230.0, 231.0, 232.0),
    power_phase_w=(2300.0, 2301.0, 2302.0),
    frequency_hz=50.01,
    reactive_power_var=12.0,
    power_factor=0.99,
    energy_phase_wh=(400.0, 410.0, 424.4),
    current_neutral_a=0.3,
)


class Metered(Core16):
    """A station whose meter says everything."""

    extra: MeterReading = FULL

    def read_meter(self, evse_id: int) -> None:
        bay = self.bays[evse_id]
        if bay.meter_silent:
            super().read_meter(evse_id)
            return
        amps = bay.current_a
        reading = replace(
            self.extra,
            taken_s=self.now_s,
            energy_import_wh=float(int(bay.energy_wh)),
            current_a=(amps, amps, amps),
            power_w=amps * 690.0,
        )
        self.send(ReadingTaken(evse_id=evse_id, reading=reading))


def values_of(payload: dict[str, Any], key: str = "meterValue") -> list[dict[str, Any]]:
    return [value for each in payload[key] for value in each["sampledValue"]]


def register_of(payload: dict[str, Any]) -> float:
    name = "Energy.Active.Import.Register"
    [value] = [each["value"] for each in values_of(payload) if each["measurand"] == name and "phase" not in each]
    return float(value)


def contexts(payload: dict[str, Any], key: str = "transactionData") -> list[str]:
    return [each["sampledValue"][0]["context"] for each in payload[key]]


@pytest.mark.req("OCPP 1.6 §3.16.1, errata 3.15")
@pytest.mark.octt("TC_070_CS")
def test_sampled_values_come_at_their_interval_with_the_transaction_and_nothing_else() -> None:
    world = Metered(MeterValueSampleInterval=30, MeterValuesSampledData="Energy.Active.Import.Register,Voltage")
    world.charge(ALICE)
    world.run(95)
    told = world.messages("MeterValues")
    assert len(told) == 3
    for each in told:
        assert (each.payload["transactionId"], each.payload["connectorId"]) == (7, 1)
        assert {value["context"] for value in values_of(each.payload)} == {"Sample.Periodic"}
        assert {value["measurand"] for value in values_of(each.payload)} == {
            "Energy.Active.Import.Register", "Voltage"
        }  # fmt: skip
    world.configure(MeterValueSampleInterval=0)
    world.run(120)
    assert len(world.messages("MeterValues")) == 3


@pytest.mark.req("OCPP 1.6 §3.16.2; errata 3.16")
@pytest.mark.octt("TC_071_CS")
def test_aligned_values_lie_on_the_clock_for_every_connector_also_without_a_transaction() -> None:
    two = layout(EvseLayout(evse_id=1), EvseLayout(evse_id=2))
    world = Metered(two, MeterValueSampleInterval=0, ClockAlignedDataInterval=60)
    world.charge(ALICE)
    world.run(125)
    told = world.messages("MeterValues")
    assert {each.payload["connectorId"] for each in told} == {1, 2}
    for each in told:
        assert ("transactionId" in each.payload) is (each.payload["connectorId"] == 1)
        [meter_value] = each.payload["meterValue"]
        assert meter_value["timestamp"].endswith(":00.000Z"), "the moment of the grid, not of the reading"
        assert {value["context"] for value in meter_value["sampledValue"]} == {"Sample.Clock"}
    assert len(told) == 4


@pytest.mark.req("OCPP 1.6 §3.16.2")
def test_aligned_values_wait_for_a_clock_and_for_a_meter() -> None:
    world = Metered(ClockAlignedDataInterval=60)
    world.bays[1].meter_silent = True
    world.run(130)
    assert not world.messages("MeterValues")
    world.bays[1].meter_silent = False
    world.utc_offset_s = None
    world.run(130)
    assert not world.messages("MeterValues")


@pytest.mark.req("OCPP 1.6 §9.1.14; errata 3.16.4")
def test_an_empty_list_of_what_is_sent_means_the_register() -> None:
    world = Metered(MeterValueSampleInterval=30, MeterValuesSampledData="", MeterValuesAlignedData="")
    world.configure(ClockAlignedDataInterval=60)
    world.charge(ALICE)
    world.run(70)
    for each in world.messages("MeterValues"):
        assert {value["measurand"] for value in values_of(each.payload)} == {"Energy.Active.Import.Register"}
    assert world.key("MeterValuesSampledData") == ""


@pytest.mark.req("OCPP 1.6 §3.16.3, §7.31-7.35, errata 3.86")
def test_every_measurand_that_the_parts_provide_has_its_unit_and_its_phases() -> None:
    world = Metered(MeterValueSampleInterval=30)
    world.run(3)
    provided = world.station.provided()
    assert provided is not None
    assert {split(each)[0] for each in provided} == set(Measurand) - {Measurand.SOC, Measurand.TEMPERATURE}
    world.configure(MeterValuesSampledData=",".join({split(each)[0].value for each in provided}))
    world.charge(ALICE)
    world.run(62)
    told = values_of(world.messages("MeterValues")[-1].payload)
    seen = {(each["measurand"], each.get("phase")): each.get("unit") for each in told}
    assert seen == {
        ("Energy.Active.Import.Register", None): "Wh",
        ("Energy.Active.Import.Register", "L1"): "Wh",
        ("Energy.Active.Import.Register", "L2"): "Wh",
        ("Energy.Active.Import.Register", "L3"): "Wh",
        ("Energy.Active.Import.Interval", None): "Wh",
        ("Energy.Active.Export.Register", None): "Wh",
        ("Energy.Active.Export.Interval", None): "Wh",
        ("Power.Active.Import", None): "W",
        ("Power.Active.Import", "L1"): "W",
        ("Power.Active.Import", "L2"): "W",
        ("Power.Active.Import", "L3"): "W",
        ("Power.Active.Export", None): "W",
        ("Power.Offered", None): "W",
        ("Power.Reactive.Import", None): "var",
        ("Power.Factor", None): None,
        ("Current.Import", "L1"): "A",
        ("Current.Import", "L2"): "A",
        ("Current.Import", "L3"): "A",
        ("Current.Import", "N"): "A",
        ("Current.Offered", None): "A",
        ("Voltage", "L1-N"): "V",
        ("Voltage", "L2-N"): "V",
        ("Voltage", "L3-N"): "V",
        ("Frequency", None): None,
    }
    by_name = {each["measurand"]: float(each["value"]) for each in told if "phase" not in each}
    assert by_name["Power.Offered"] == by_name["Current.Offered"] * 3 * 230
    periodic = [each.payload for each in world.messages("MeterValues")]
    registers = [register_of(each) for each in periodic]
    assert by_name["Energy.Active.Import.Interval"] == registers[-1] - registers[-2]


@pytest.mark.req("OCPP 1.6 §3.16.4")
def test_a_name_with_a_phase_means_that_phase_and_a_measurand_of_no_part_is_refused() -> None:
    world = Metered(MeterValueSampleInterval=30, MeterValuesSampledData="Current.Import.L1,Voltage.L2")
    world.charge(ALICE)
    world.run(31)
    told = values_of(world.messages("MeterValues")[-1].payload)
    assert [(each["measurand"], each["phase"]) for each in told] == [("Current.Import", "L1"), ("Voltage", "L2-N")]
    for value in ("SoC", "Voltage,RPM", "Voltage,Voltage", "Current.Import.L4", "Nonsense"):
        change = {"key": "MeterValuesSampledData", "value": value}
        assert world.ask("ChangeConfiguration", change) == {"status": "Rejected"}, value
    assert world.key("MeterValuesSampledData") == "Current.Import.L1,Voltage.L2"


@pytest.mark.req("OCPP 1.6 §7.31; SoC and Temperature where a part knows them")
def test_temperature_and_state_of_charge_are_provided_where_a_part_knows_them() -> None:
    told = provided_by(FULL, EvseLayout(evse_id=1), Beside(temperature_c=40.0, soc_pct=50.0))
    assert {"SoC", "Temperature"} <= told


@pytest.mark.req("OCPP 1.6 §7.38, SignedData")
def test_a_value_that_the_meter_signed_is_passed_on_beside_the_plain_one() -> None:
    world = Metered(StopTxnSampledData="Energy.Active.Import.Register", MeterValueSampleInterval=0)
    world.extra = replace(FULL, signed=SignedReading(text="OCMF|{}|{}", method="ECDSA", encoding="OCMF"))
    world.charge(ALICE)
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    [stop] = world.messages("StopTransaction")
    for each in stop.payload["transactionData"]:
        plain, signed = (value for value in each["sampledValue"] if "phase" not in value)
        assert "format" not in plain
        assert (signed["format"], signed["value"]) == ("SignedData", "OCMF|{}|{}")
        assert signed["measurand"] == plain["measurand"]


# Data of the stop


@pytest.mark.req("OCPP 1.6 §3.16.5, errata 3.91")
def test_without_stop_data_there_is_no_transaction_data() -> None:
    world = Metered()
    world.charge(ALICE)
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    assert "transactionData" not in world.messages("StopTransaction")[0].payload


@pytest.mark.req("OCPP 1.6 §3.16.5, errata 3.14")
def test_stop_data_holds_the_begin_the_samples_and_the_end() -> None:
    world = Metered(MeterValueSampleInterval=30, StopTxnSampledData="Energy.Active.Import.Register,Frequency")
    world.charge(ALICE)
    world.run(65)
    world.power_cycle()
    world.run(30)
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    [stop] = world.messages("StopTransaction")
    assert contexts(stop.payload) == ["Transaction.Begin", *["Sample.Periodic"] * 3, "Transaction.End"]
    start = world.messages("StartTransaction")[0].payload
    told = values_of(stop.payload, "transactionData")
    assert float(told[0]["value"]) == start["meterStart"]
    plain = [value for value in told if "phase" not in value and value["measurand"] == "Energy.Active.Import.Register"]
    assert float(plain[-1]["value"]) == stop.payload["meterStop"]
    assert not world.documents.get("stop_value"), "nothing is left behind"


@pytest.mark.req("OCPP 1.6 §3.16.5, StopTxnAlignedData")
def test_aligned_stop_data_holds_begin_and_end_of_its_measurands_too() -> None:
    world = Metered(MeterValueSampleInterval=0, ClockAlignedDataInterval=60, StopTxnAlignedData="Voltage")
    world.charge(ALICE)
    world.run(125)
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    [stop] = world.messages("StopTransaction")
    assert contexts(stop.payload) == ["Transaction.Begin", "Sample.Clock", "Sample.Clock", "Transaction.End"]
    assert {value["measurand"] for value in values_of(stop.payload, "transactionData")} == {"Voltage"}


@pytest.mark.req("OCPP 1.6 §3.16.5, errata 3.14, 3.91")
@pytest.mark.req("OCPP 1.6 errata 3.91, StopTransactionMaxMeterValues")
def test_stop_data_that_grows_too_long_is_thinned_in_the_middle_and_evenly() -> None:
    world = Metered(MeterValueSampleInterval=1, StopTxnSampledData="Energy.Active.Import.Register")
    most = int(world.key("StopTransactionMaxMeterValues"))
    world.charge(ALICE)
    world.run(3 * most)
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    told = world.messages("StopTransaction")[0].payload["transactionData"]
    assert most // 3 < len(told) <= most
    names = contexts({"transactionData": told})
    assert (names[0], names[-1]) == ("Transaction.Begin", "Transaction.End")
    seconds = [float(each["timestamp"][17:23]) + 60 * float(each["timestamp"][14:16]) for each in told[1:-1]]
    steps = {round((after - before) % 3600) for before, after in pairwise(seconds)}
    assert max(steps) - min(steps) <= 1, "evenly"


@pytest.mark.req("OCPP 1.6 §3.16.5, errata 3.91: sampled and aligned stop data; intermediate values may be left out")
def test_thinned_stop_data_keeps_its_share_of_both_kinds() -> None:
    world = Metered(
        MeterValueSampleInterval=10,
        ClockAlignedDataInterval=30,
        StopTxnSampledData="Energy.Active.Import.Register",
        StopTxnAlignedData="Energy.Active.Import.Register",
    )
    most = int(world.key("StopTransactionMaxMeterValues"))
    world.charge(ALICE)
    world.run(10 * most)
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    told = world.messages("StopTransaction")[0].payload["transactionData"]
    names = contexts({"transactionData": told})
    assert most // 3 < len(told) <= most
    assert (names[0], names[-1]) == ("Transaction.Begin", "Transaction.End")
    assert names.count("Sample.Periodic") == pytest.approx(3 * names.count("Sample.Clock"), abs=3)


def test_stop_data_of_a_transaction_that_is_over_is_forgotten_at_the_next_start() -> None:
    world = Metered()
    world.documents["stop_value"] = {"gone/000000": b"[0,1,null]"}
    world.power_cycle()
    assert world.documents["stop_value"] == {}


@pytest.mark.req("OCPP 1.6 errata 3.9, 3.78")
def test_registers_are_whole_and_the_next_start_is_where_the_last_stop_was() -> None:
    world = Metered(MeterValueSampleInterval=30)
    for _ in range(2):
        world.charge(ALICE)
        world.run(40)
        world.unplug()
        world.until(lambda: world.station.quiet())
    (_, second), (first, _) = (
        [each.payload["meterStart"] for each in world.messages("StartTransaction")],
        [each.payload["meterStop"] for each in world.messages("StopTransaction")],
    )
    assert second == first


@pytest.mark.req("OCPP 1.6 §3.7, clock-aligned values while offline")
def test_aligned_values_of_an_outage_are_kept_for_later() -> None:
    world = Metered(online=False, ClockAlignedDataInterval=60)
    world.run(185)
    assert len(world.messages("MeterValues")) == 3
