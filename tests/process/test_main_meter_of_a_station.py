"""A main meter and a car that tells its state of charge, with the real processes: from the wire to the CSMS."""

from __future__ import annotations

from typing import Any

import pytest

from agent.console.knock import ask
from hil.house import House, HouseOptions
from hil.station_toml import StationOptions
from tests.process.charges import PATIENT_S, Houses, book_of, status_json, stop_charge, tap, wait_registered
from tests.process.test_meters_of_a_charge import meter

pytestmark = pytest.mark.process

MAIN = 'driver = "modbus"\nprofile = "eastron_sdm630"\nbus = "meters"\nunit = 100\n'


def told(house: House) -> dict[str, Any]:
    return dict(ask(house.directory / "run" / "agent.sock", "status"))


@pytest.mark.req("OCPP 1.6 §3.16.2, §5.17; SoC of §7.31")
async def test_the_main_meter_and_the_cars_state_of_charge_reach_the_csms(houses: Houses) -> None:
    station = StationOptions(
        card_hold_off_s=0.0,
        talks=True,
        extra={"main_meter": MAIN, "charging": "meter_poll_s = 0.3\nmeter_stale_s = 2.0\n"},
        variables={
            "MeterValueSampleInterval": "1",
            "MeterValuesSampledData": '"SoC,Energy.Active.Import.Register,Power.Active.Import"',
            "ClockAlignedDataInterval": "2",
            "MeterValuesAlignedData": '"Power.Active.Import"',
        },
    )
    house = await houses(HouseOptions(station=station))
    await wait_registered(house)
    await house.bench.main_meter(base_w=1500)
    since = await house.csms.last_seq()
    [frame, *_] = await house.csms.wait("MeterValues", where={"connectorId": 0}, since=since, timeout_s=PATIENT_S)
    value, *_phases = frame["payload"]["meterValue"][0]["sampledValue"]
    assert value["context"] == "Sample.Clock"
    assert value["location"] == "Inlet"
    assert "transactionId" not in frame["payload"]
    read = await meter(house, "read", "--evse", "0")
    assert read["evse"] == 0
    assert read["reading"]["power_w"] == pytest.approx(1500, abs=5)  # type: ignore[index]
    assert told(house)["main_meter"]["fresh"] is True

    await house.bench.tell_soc(tells="yes")
    await house.bench.car(evse=1, soc_pct=61.0)
    await house.bench.plug(evse=1)
    await tap(house)
    await house.bench.wait("evse1.load", "==", True, timeout_s=PATIENT_S)
    charged = "a state of charge"
    await house.until(lambda: told(house)["evses"][0]["soc_pct"] is not None, what=charged, timeout_s=PATIENT_S)
    since = await house.csms.last_seq()
    frames = await house.csms.wait("MeterValues", where={"connectorId": 1}, since=since, count=5, timeout_s=PATIENT_S)
    values = [each for frame in frames for each in frame["payload"]["meterValue"][0]["sampledValue"]]
    socs = [each for each in values if each["measurand"] == "SoC"]
    assert socs
    assert {(each["location"], each["unit"], round(float(each["value"]))) for each in socs} == {("EV", "Percent", 61)}

    await house.bench.main_meter(mode="silent")
    await house.until(lambda: "main_meter_lost" in str(told(house)["faults"]), what="the fault", timeout_s=PATIENT_S)
    status = await status_json(house)
    assert status["main_meter"]["fresh"] is False
    assert status["evses"][0]["contactor"] == "closed", "charging goes on without it"
    wanted = {"requestedMessage": "MeterValues", "connectorId": 0}
    assert (await house.csms.call("TriggerMessage", wanted))["payload"]["status"] == "Rejected"
    await house.bench.main_meter(mode="ok")
    await house.until(lambda: told(house)["main_meter"]["fresh"], what="the meter again", timeout_s=PATIENT_S)
    assert (await house.csms.call("TriggerMessage", wanted))["payload"]["status"] == "Accepted"
    await house.csms.wait("MeterValues", where={"connectorId": 0}, timeout_s=PATIENT_S)
    await stop_charge(house)
    await book_of(house, closed=1)
    assert await house.csms.problems() == []
