"""Self-test, temperature and door of a whole station on the bench: from its file to status, why and the CSMS."""

from __future__ import annotations

from dataclasses import replace

from tests.process.charges import PATIENT_S, Houses, begin_charge, house_options, status_json

EVSE = """\
rcm = {{ line = "evse{id}.rcm" }}
rcd_test = {{ line = "evse{id}.rcd_test" }}
temperature = [{{ path = "./temperature-{id}", name = "contactor", reduce_c = 60, stop_c = 80 }}]
"""
STATION = 'door = { line = "evse1.door", debounce_ms = 50 }\n'


async def test_the_sensor_is_tested_heat_reduces_and_stops_and_an_open_door_stops(houses: Houses) -> None:
    options = house_options(extra={"inputs": STATION})
    house = await houses(replace(options, station=replace(options.station, evse_extra=EVSE)))
    await begin_charge(house)
    told = (await status_json(house))["evses"][0]["protection"]
    assert (told["rcd_test"], told["temperature_c"]) == ("passed", [25.0])
    assert told["rcd_test_age_s"] < 30.0

    await house.bench.temperature(celsius=70.0)
    await house.bench.wait("evse1.offer_a", "<", 11.1, timeout_s=PATIENT_S)
    limit = (await status_json(house, "why"))["evses"][0]["limits"][0]
    assert (limit["source"], limit["text"]) == ("temperature", "contactor at 70.0 degC: 11 A")

    seq = await house.csms.last_seq()
    await house.bench.temperature(celsius=85.0)
    await house.bench.wait("evse1.load", "==", False, timeout_s=PATIENT_S)
    hot = {"status": "Faulted", "errorCode": "HighTemperature"}
    await house.csms.wait("StatusNotification", since=seq, where=hot, timeout_s=PATIENT_S)

    await house.bench.door(action="open")
    await house.bench.temperature(celsius=25.0)
    opened = {"status": "Faulted", "errorCode": "OtherError", "vendorErrorCode": "door_open"}
    await house.csms.wait("StatusNotification", since=seq, where=opened, timeout_s=PATIENT_S)
    await house.bench.door(action="shut")
    await house.bench.wait("evse1.current_a", ">", 1.0, timeout_s=PATIENT_S)
