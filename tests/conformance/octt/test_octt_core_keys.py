"""Core profile: configuration, meter values and data transfer."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.conformance.octt.cases import case
from tests.conformance.octt.whole_station import NOON_UTC_S, bench


@case("TC_019_CS")
async def test_tc_019_cs_retrieve_configuration() -> None:
    """One key, all keys, and keys that nobody knows."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        one = await csms.call("GetConfiguration", key=["SupportedFeatureProfiles"])
        [row] = one["configurationKey"]
        assert "Core" in row["value"].split(",")
        assert one.get("unknownKey", []) == []
        everything = await csms.call("GetConfiguration", {})
        names = {each["key"] for each in everything["configurationKey"]}
        assert {"HeartbeatInterval", "ConnectionTimeOut", "NumberOfConnectors", "ResetRetries"} <= names
        assert everything.get("unknownKey", []) == []
        some = await csms.call("GetConfiguration", key=["HeartbeatInterval", "NoSuchKey"])
        assert [each["key"] for each in some["configurationKey"]] == ["HeartbeatInterval"]
        assert some["unknownKey"] == ["NoSuchKey"]


@case("TC_021_CS")
async def test_tc_021_cs_change_configuration() -> None:
    """A change is accepted, read back, and works."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await csms.configure(HeartbeatInterval=20)
        answer = await csms.call("GetConfiguration", key=["HeartbeatInterval"])
        assert answer["configurationKey"] == [{"key": "HeartbeatInterval", "readonly": False, "value": "20"}]
        first = await csms.frame("Heartbeat", within_s=25)
        second = await csms.frame("Heartbeat", within_s=25)
        assert second.at_s - first.at_s == pytest.approx(20, abs=1)


@case("TC_040_1_CS")
async def test_tc_040_1_cs_change_of_an_unknown_key() -> None:
    """A key that the station does not have is not supported."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        assert await csms.call("ChangeConfiguration", key="NoSuchKey", value="1") == {"status": "NotSupported"}


@case("TC_040_2_CS")
async def test_tc_040_2_cs_change_to_an_invalid_value() -> None:
    """A value out of range is rejected and changes nothing."""
    async with bench() as station:
        csms = station.csms
        await station.booted(MeterValueSampleInterval=60)
        answer = await csms.call("ChangeConfiguration", key="MeterValueSampleInterval", value="-1")
        assert answer == {"status": "Rejected"}
        answer = await csms.call("GetConfiguration", key=["MeterValueSampleInterval"])
        assert answer["configurationKey"][0]["value"] == "60"


@case("TC_062_CS")
async def test_tc_062_cs_data_transfer_to_the_station() -> None:
    """A vendor that nobody knows gets no data."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        answer = await csms.call("DataTransfer", vendorId="org.example", messageId="x", data="y")
        assert answer == {"status": "UnknownVendorId"}


@case("TC_070_CS")
async def test_tc_070_cs_sampled_meter_values() -> None:
    """Samples come at the interval, with what was configured and nothing else."""
    async with bench() as station:
        csms = station.csms
        measurands = "Energy.Active.Import.Register,Current.Import"
        await station.booted(MeterValueSampleInterval=10, MeterValuesSampledData=measurands)
        transaction = await station.charging()
        told = [await csms.frame("MeterValues", connectorId=1, transactionId=transaction) for _ in range(3)]
        assert told[2].at_s - told[0].at_s == pytest.approx(20, abs=1)
        for each in told:
            samples = [sample for value in each.payload["meterValue"] for sample in value["sampledValue"]]
            assert {sample.get("context", "Sample.Periodic") for sample in samples} == {"Sample.Periodic"}
            assert {sample.get("measurand", "Energy.Active.Import.Register") for sample in samples} == set(
                measurands.split(",")
            )


@case("TC_071_CS")
async def test_tc_071_cs_clock_aligned_meter_values() -> None:
    """Aligned values lie on multiples of the interval since midnight."""
    async with bench(epoch_utc_s=NOON_UTC_S + 7) as station:
        csms = station.csms
        aligned = "Energy.Active.Import.Register"
        await station.booted(ClockAlignedDataInterval=30, MeterValuesAlignedData=aligned, MeterValueSampleInterval=0)
        transaction = await station.charging()
        for _ in range(3):
            told = await csms.expect("MeterValues", connectorId=1, transactionId=transaction)
            [value] = told["meterValue"]
            moment = datetime.fromisoformat(value["timestamp"])
            assert (moment.second % 30, moment.microsecond) == (0, 0)
            assert {sample["context"] for sample in value["sampledValue"]} == {"Sample.Clock"}
