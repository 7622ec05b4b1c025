"""Broken things: the contactor opens in time, the fault is told, and nothing charges until it is mended."""

from __future__ import annotations

import sys

import pytest

from hil.house import House
from tests.process.charges import (
    OTHER_CARD,
    PATIENT_S,
    Houses,
    assert_exact,
    begin_charge,
    book_of,
    count_on,
    energisings_of,
    first_since,
    house_options,
    load_changes,
    run_command,
    status_json,
    stop_charge,
    tap,
    until_status,
    wait_registered,
)

OPEN_S = 0.1  # IEC 61851-1:2017 table A.6, sequence 8.1; and some for a machine that is busy with other tests
SCANS_S = 0.06  # the pilot's two equal samples, the scan itself, the contactor's mechanics
BUSY_S = 0.1


async def fault_told(house: House, status: str, error: str, *, since: int, connector: int = 1) -> None:
    """Wait for a StatusNotification of a connector."""
    where = {"connectorId": connector, "status": status, "errorCode": error}
    await house.csms.wait("StatusNotification", since=since, where=where, timeout_s=PATIENT_S)


async def opened_after(house: House, since_s: float) -> float:
    """Return how long after ``since_s`` the load side was open, at the latest."""
    await house.bench.wait("evse1.load", "==", False, timeout_s=PATIENT_S)
    return await first_since(house, "evse1.load", False, since_s) - since_s


# ---- the meter -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["silent", "garbage"])
async def test_a_meter_that_says_nothing_useful_ages_is_reported_and_nothing_is_made_up(
    houses: Houses, mode: str
) -> None:
    house = await houses(house_options(extra={"charging": "meter_stale_s = 2\n"}))
    closed_s = await begin_charge(house)
    seq = await house.csms.last_seq()
    await house.bench.meter(evse=1, mode=mode)
    broken_s = (await house.bench.trace("stimulus"))[-1][0]
    await fault_told(house, "Charging", "PowerMeterFailure", since=seq)
    status = await until_status(house, lambda s: (s["evses"][0]["reading_age_s"] or 0) > 3.0, what="an aging reading")
    assert any("meter" in fault for fault in status["evses"][0]["faults"])
    samples = await house.csms.ask("messages", action="MeterValues", since=seq, kind="call")
    book = await house.ledger()
    times = [sample["at_utc"] for sample in book["transactions"][0]["samples"]]
    assert len(times) == len(set(times))  # one reading, one sample
    assert all(frame["at_s"] < broken_s + 1.5 for frame in samples["frames"])
    assert await load_changes(house, closed_s) == [True]  # on_meter_loss = "continue"

    seq = await house.csms.last_seq()
    await house.bench.meter(evse=1, mode="ok")
    await fault_told(house, "Charging", "NoError", since=seq)
    await house.csms.wait("MeterValues", since=seq, timeout_s=PATIENT_S)
    await stop_charge(house)
    await assert_exact(house, closed=1)


async def test_a_silent_meter_suspends_the_charge_where_it_is_to(houses: Houses) -> None:
    house = await houses(house_options(extra={"charging": 'on_meter_loss = "suspend"\nmeter_stale_s = 2\n'}))
    closed_s = await begin_charge(house)
    seq = await house.csms.last_seq()
    await house.bench.meter(evse=1, mode="silent")
    await house.bench.wait("evse1.load", "==", False, timeout_s=PATIENT_S)
    await fault_told(house, "Faulted", "PowerMeterFailure", since=seq)
    await house.bench.meter(evse=1, mode="ok")
    await house.bench.wait("evse1.current_a", ">", 1.0, timeout_s=PATIENT_S)
    await count_on(house, 1.0)
    await stop_charge(house)
    await assert_exact(house, closed=1)
    assert await load_changes(house, closed_s) == [True, False, True, False]


async def test_a_transaction_ends_without_its_meter_with_the_last_register_and_says_so(houses: Houses) -> None:
    house = await houses(house_options())
    await begin_charge(house)
    await house.csms.wait("MeterValues", count=1, timeout_s=PATIENT_S)
    await house.bench.meter(evse=1, mode="silent")
    await stop_charge(house)
    book = await book_of(house, closed=1)
    (row,) = book["transactions"]
    (energising,) = await energisings_of(house)
    assert book["problems"] == []
    assert row["stop_wh"] <= energising["opened_wh"]
    assert "the meter was silent after the contactor opened" in house.child("agent").log_text()


async def test_nothing_starts_until_the_meter_answers(houses: Houses) -> None:
    house = await houses(house_options())
    await house.bench.meter(evse=1, mode="silent")
    await wait_registered(house)
    await house.bench.plug(evse=1)
    await tap(house)
    await house.child("agent").says("session.authorized", timeout_s=PATIENT_S)
    await house.child("agent").says("meter.silent", timeout_s=PATIENT_S)
    why = await status_json(house, "why")
    assert any("meter" in limit["text"] for limit in why["evses"][0]["limits"])
    assert (await house.ledger())["transactions"] == []
    assert await energisings_of(house) == []

    await house.bench.meter(evse=1, mode="ok")
    await house.bench.wait("evse1.current_a", ">", 1.0, timeout_s=PATIENT_S)
    await count_on(house, 1.0)
    await stop_charge(house)
    await assert_exact(house, closed=1)


# ---- the contactor -------------------------------------------------------------------------------------------------


async def test_a_welded_contactor_is_latched_until_somebody_clears_it(houses: Houses) -> None:
    house = await houses(house_options())
    await begin_charge(house)
    seq = await house.csms.last_seq()
    await house.bench.contactor(evse=1, mode="welded")
    await tap(house)
    await house.bench.wait("evse1.coil", "==", False, timeout_s=PATIENT_S)
    await fault_told(house, "Faulted", "PowerSwitchFailure", since=seq)
    assert (await house.bench.state())["evses"]["1"]["lock"]  # nobody draws a live plug

    await house.bench.contactor(evse=1, mode="ok")
    await house.bench.wait("evse1.load", "==", False, timeout_s=PATIENT_S)
    book = await book_of(house, closed=1)
    assert book["transactions"][0]["stop_reason"] in ("Local", "Other")
    await house.bench.unplug(evse=1)
    seq = await house.csms.last_seq()
    await house.kill("guard")
    await house.child("agent").says("guard.lost.raised", timeout_s=PATIENT_S)
    mended_s = await house.bench.wait("evse1.plugged", "==", False, timeout_s=PATIENT_S)
    await house.bench.plug(evse=1)
    await tap(house, card=OTHER_CARD)
    await until_status(house, lambda s: any("welded" in each for each in s["evses"][0]["faults"]), what="the latch")
    assert len((await house.ledger())["transactions"]) == 1
    assert True not in await load_changes(house, mended_s)
    await house.bench.unplug(evse=1)

    plan = house.directory / "state" / "plan.json"
    said = await run_command(sys.executable, "-m", "agent.guard", str(plan), "--clear-faults")
    assert "cleared" in said
    await house.kill("guard")
    await fault_told(house, "Available", "NoError", since=seq)
    await begin_charge(house, wh=1.0)
    await stop_charge(house)
    await book_of(house, closed=2)


async def test_a_contactor_that_does_not_close_is_reported_and_bills_nothing(houses: Houses) -> None:
    house = await houses(house_options())
    await wait_registered(house)
    await house.bench.contactor(evse=1, mode="stuck_open")
    seq = await house.csms.last_seq()
    await house.bench.plug(evse=1)
    await tap(house)
    await house.bench.wait("evse1.coil", "==", True, timeout_s=PATIENT_S)
    await fault_told(house, "Faulted", "PowerSwitchFailure", since=seq)
    assert not (await house.bench.state())["evses"]["1"]["coil"]
    await house.bench.contactor(evse=1, mode="ok")
    await house.bench.unplug(evse=1)
    (row,) = (await book_of(house, closed=1))["transactions"]
    assert row["energy_wh"] == 0
    await fault_told(house, "Available", "NoError", since=seq)


# ---- what must open at once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "on", "off", "error", "reason"),
    [
        ("rcd", {"action": "trip"}, {"action": "clear"}, "GroundFailure", "Other"),
        ("emergency_stop", {"action": "on"}, {"action": "off"}, "OtherError", "EmergencyStop"),
    ],
)
async def test_a_protective_device_opens_at_once_and_ends_the_transaction(
    houses: Houses, verb: str, on: dict[str, str], off: dict[str, str], error: str, reason: str
) -> None:
    house = await houses(house_options())
    since_s = await begin_charge(house)
    seq = await house.csms.last_seq()
    await house.bench.call(verb, evse=1, **on)
    event_s = await first_since(house, f"evse1.{verb}", True, since_s)
    assert await opened_after(house, event_s) <= OPEN_S + SCANS_S + BUSY_S
    await fault_told(house, "Faulted", error, since=seq)
    (row,) = await assert_exact(house, closed=1)
    assert row["stop_reason"] == reason

    await house.bench.call(verb, evse=1, **off)
    await house.bench.unplug(evse=1)
    await fault_told(house, "Available", "NoError", since=seq)
    await begin_charge(house, wh=1.0)
    await stop_charge(house)
    await assert_exact(house, closed=2)


@pytest.mark.parametrize("wire", ["pilot", "diode"])
async def test_a_broken_pilot_wire_opens_and_the_charge_goes_on_when_it_is_whole_again(
    houses: Houses, wire: str
) -> None:
    house = await houses(house_options())
    since_s = await begin_charge(house)
    seq = await house.csms.last_seq()
    await house.bench.call(wire, evse=1, mode="short")
    signal = {"pilot": "evse1.pilot_v", "diode": "evse1.pilot_low_v"}[wire]
    event_s = (await house.bench.trace(signal, since_s=since_s))[-1][0]
    assert await opened_after(house, event_s) <= OPEN_S + SCANS_S + BUSY_S
    await house.csms.wait("StatusNotification", since=seq, where={"status": "Faulted"}, timeout_s=PATIENT_S)
    await house.bench.call(wire, evse=1, mode="ok")
    if wire == "diode":
        await house.bench.unplug(evse=1)
        (row,) = await assert_exact(house, closed=1)
        assert row["stop_reason"] == "EVDisconnected"
        return
    await house.bench.wait("evse1.current_a", ">", 1.0, timeout_s=PATIENT_S)
    await stop_charge(house)
    await assert_exact(house, closed=1)


async def test_a_car_without_a_diode_gets_no_energy(houses: Houses) -> None:
    house = await houses(house_options())
    await wait_registered(house)
    await house.bench.diode(evse=1, mode="short")
    seq = await house.csms.last_seq()
    await house.bench.plug(evse=1)
    await tap(house)
    await house.csms.wait("StatusNotification", since=seq, where={"status": "Faulted"}, timeout_s=PATIENT_S)
    assert await energisings_of(house) == []


async def test_a_jammed_lock_gives_no_energy_and_is_reported(houses: Houses) -> None:
    house = await houses(house_options())
    await wait_registered(house)
    await house.bench.wait("evse1.lock", "==", False, timeout_s=PATIENT_S)
    await house.bench.lock(evse=1, mode="jammed")
    seq = await house.csms.last_seq()
    await house.bench.plug(evse=1)
    await tap(house)
    await fault_told(house, "Faulted", "ConnectorLockFailure", since=seq)
    assert await energisings_of(house) == []
    await house.bench.lock(evse=1, mode="ok")
    await house.bench.wait("evse1.current_a", ">", 1.0, timeout_s=PATIENT_S)
    await count_on(house, 1.0)
    await stop_charge(house)
    await assert_exact(house, closed=1)


async def test_mains_that_go_and_come_during_a_charge_change_no_register(houses: Houses) -> None:
    house = await houses(house_options())
    await begin_charge(house)
    await house.bench.mains(action="off")
    await house.bench.wait("evse1.live", "==", False, timeout_s=PATIENT_S)
    await house.child("agent").says("meter.silent.raised", timeout_s=PATIENT_S)
    await house.bench.mains(action="on")
    await house.child("agent").says("meter.silent.cleared", timeout_s=PATIENT_S)
    await house.bench.wait("evse1.current_a", ">", 1.0, timeout_s=PATIENT_S)
    await count_on(house, 1.0)
    await stop_charge(house)
    await assert_exact(house, closed=1)
    assert len(await energisings_of(house)) == 2


# ---- the car -------------------------------------------------------------------------------------------------------


async def test_a_car_that_is_torn_away_is_dead_in_time_and_billed_to_the_watt_hour(houses: Houses) -> None:
    house = await houses(house_options())
    since_s = await begin_charge(house)
    await house.bench.unplug(evse=1)
    event_s = await first_since(house, "evse1.car_state", "A", since_s)
    assert await opened_after(house, event_s) <= OPEN_S + SCANS_S + BUSY_S
    (row,) = await assert_exact(house, closed=1)
    assert row["stop_reason"] == "EVDisconnected"


async def test_a_car_that_pauses_opens_and_goes_on_in_the_same_transaction(houses: Houses) -> None:
    house = await houses(house_options(min_reclose_s=3.0))
    since_s = await begin_charge(house)
    seq = await house.csms.last_seq()
    await house.bench.car_state(evse=1, state="B")
    event_s = await first_since(house, "evse1.car_state", "B", (await house.bench.trace("stimulus"))[-1][0])
    assert await opened_after(house, event_s) <= OPEN_S + SCANS_S + BUSY_S
    told = {"status": "SuspendedEV"}
    await house.csms.wait("StatusNotification", since=seq, where=told, timeout_s=PATIENT_S)
    await house.bench.car_state(evse=1, state="auto")
    again_s = await house.bench.wait("evse1.load", "==", True, timeout_s=PATIENT_S)
    assert again_s - since_s >= 3.0
    await house.csms.wait("StatusNotification", since=seq, where={"status": "Charging"}, timeout_s=PATIENT_S)
    await house.bench.wait("evse1.current_a", ">", 1.0, timeout_s=PATIENT_S)
    await stop_charge(house)
    await assert_exact(house, closed=1)
