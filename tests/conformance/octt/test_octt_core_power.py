"""Core profile: resets, power failures, and charging while the CSMS cannot be reached."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.conformance.octt.cases import case
from tests.conformance.octt.whole_station import BAD_CARD, CARD, Bench, bench


async def booted_again(station: Bench, status: str = "Available") -> None:
    """Expect a boot and every status."""
    await station.csms.expect("BootNotification")
    await station.csms.status(0, "Available")
    await station.csms.status(1, status)


@case("TC_013_CS")
async def test_tc_013_cs_hard_reset_idle() -> None:
    """Answered, then restarted."""
    async with bench() as station:
        await station.booted()
        await station.csms.accepted("Reset", type="Hard")
        await booted_again(station)
        assert station.restarts == 1


@case("TC_014_CS")
async def test_tc_014_cs_soft_reset_idle() -> None:
    """Answered, then restarted."""
    async with bench() as station:
        await station.booted()
        await station.csms.accepted("Reset", type="Soft")
        await booted_again(station)
        assert station.restarts == 1


@case("TC_015_CS")
async def test_tc_015_cs_hard_reset_while_charging() -> None:
    """The transaction ends with HardReset, before or after the boot."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        transaction = await station.charging()
        await csms.accepted("Reset", type="Hard")
        await csms.expect("BootNotification")
        await csms.expect("StopTransaction", transactionId=transaction, reason="HardReset")
        ready = await csms.frame("StatusNotification", connectorId=1)
        assert ready.payload["status"] in ("Finishing", "Preparing")


@case("TC_016_CS")
@pytest.mark.req("OCPP 1.6 §5.14, errata 3.36")
async def test_tc_016_cs_soft_reset_while_charging() -> None:
    """The transaction ends with SoftReset before the boot."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        transaction = await station.charging()
        await csms.accepted("Reset", type="Soft")
        stop = await csms.frame("StopTransaction", transactionId=transaction, reason="SoftReset")
        boot = await csms.frame("BootNotification")
        assert stop.seq < boot.seq
        await csms.status(0, "Available")
        await csms.frame("StatusNotification", connectorId=1)


@case("TC_032_1_CS")
@pytest.mark.req("OCPP 1.6 §4.10, PowerLoss")
async def test_tc_032_1_cs_power_failure_stop_before_going_down() -> None:
    """Warned by its back-up supply, the station tells the stop before the power is gone."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        transaction = await station.charging()
        station.warn_of_power()
        stop = await csms.frame("StopTransaction", transactionId=transaction, reason="PowerLoss")
        await csms.status(1, "Finishing")
        await station.rest(2)  # the supply lasts until the answer has come
        csms.forget()
        await station.power_cut()
        boot = await csms.frame("BootNotification")
        assert stop.seq < boot.seq
        await csms.status(0, "Available")
        await csms.frame("StatusNotification", connectorId=1)
        await csms.silence("StopTransaction", 20)


@case("TC_032_1_CS")
async def test_tc_032_1_cs_a_power_failure_that_did_not_come() -> None:
    """Where the power stays, the station is back after a restart."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await station.charging()
        station.warn_of_power()
        await csms.expect("StopTransaction", reason="PowerLoss")
        await csms.expect("BootNotification")
        await station.unplug()
        await csms.status(1, "Available")
        await station.charging()


@case("TC_032_2_CS")
@pytest.mark.parametrize("afterwards", ["end", "resume"])
async def test_tc_032_2_cs_power_failure_stop_afterwards(afterwards: str) -> None:
    """After the boot the transaction is ended with PowerLoss, or it goes on and ends as usual."""
    extra = {"charging": f'meter_poll_s = 5\nmeter_stale_s = 12\non_power_loss = "{afterwards}"\n'}
    async with bench(extra=extra) as station:
        csms = station.csms
        await station.booted()
        transaction = await station.charging()
        await station.power_cut()
        await csms.expect("BootNotification")
        if afterwards == "end":
            await csms.expect("StopTransaction", transactionId=transaction, reason="PowerLoss")
            await csms.frame("StatusNotification", connectorId=1)
            return
        await csms.status(1, "Charging")
        await station.tap()
        await csms.expect("StopTransaction", transactionId=transaction, reason="Local")
        await csms.status(1, "Finishing")


@case("TC_034_CS")
async def test_tc_034_cs_power_failure_while_unavailable() -> None:
    """What the CSMS made unavailable is so after the power cycle, too."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await csms.accepted("ChangeAvailability", connectorId=1, type="Inoperative")
        await csms.status(1, "Unavailable")
        await station.power_cut()
        await booted_again(station, "Unavailable")


@case("TC_036_CS")
async def test_tc_036_cs_connection_loss_in_a_transaction() -> None:
    """It charges on, and every sample of the outage comes afterwards, in order, at its own time."""
    async with bench() as station:
        csms = station.csms
        await station.booted(MeterValueSampleInterval=15)
        transaction = await station.charging()
        await csms.expect("MeterValues")
        csms.cut()
        began = csms.now
        await station.until(lambda: station.now_s() > 1120, 120)
        assert station.evse().live
        csms.mend()
        told = [await csms.expect("MeterValues", transactionId=transaction) for _ in range(8)]
        times = [datetime.fromisoformat(each["meterValue"][0]["timestamp"]) for each in told]
        assert [after - before for before, after in pairwise(times)] == [timedelta(seconds=15)] * 7
        assert csms.calls("BootNotification", since=began) == []


async def known_card(station: Bench) -> None:
    """Have a card in the cache, and the network cut."""
    await station.booted(LocalAuthorizeOffline=True, AuthorizationCacheEnabled=True)
    await station.charging()
    await station.tap()
    await station.csms.expect("StopTransaction")
    await station.unplug()
    await station.csms.status(1, "Available")
    station.csms.cut()
    station.csms.forget()


@case("TC_037_1_CS")
async def test_tc_037_1_cs_offline_start_valid() -> None:
    """A start without the CSMS is told afterwards; it goes on charging."""
    async with bench() as station:
        csms = station.csms
        await known_card(station)
        await station.plug()
        await station.tap()
        await station.until(lambda: station.evse().live)
        csms.mend()
        await csms.expect("StartTransaction", idTag=CARD)
        await csms.status(1, "Charging")
        await csms.silence("StopTransaction", 5)


@case("TC_037_2_CS")
async def test_tc_037_2_cs_offline_start_invalid_not_to_be_stopped() -> None:
    """A card that proves invalid gets no energy; its transaction stays."""
    async with bench() as station:
        csms = station.csms
        csms.tag(BAD_CARD, "Invalid")
        await station.booted(AllowOfflineTxForUnknownId=True, StopTransactionOnInvalidId=False)
        csms.cut()
        await station.plug()
        await station.tap(BAD_CARD)
        await station.until(lambda: station.evse().live)
        csms.mend()
        await csms.expect("StartTransaction", idTag=BAD_CARD)
        await csms.status(1, "SuspendedEVSE")
        await csms.silence("StopTransaction", 10)
        assert not station.evse().live


@case("TC_037_2_CS")
async def test_tc_037_2_cs_energy_that_an_invalid_id_may_have() -> None:
    """MaxEnergyOnInvalidId is given before the energy ends."""
    async with bench() as station:
        csms = station.csms
        csms.tag(BAD_CARD, "Invalid")
        keys = {"AllowOfflineTxForUnknownId": True, "StopTransactionOnInvalidId": False, "MaxEnergyOnInvalidId": 300}
        await station.booted(**keys)
        csms.cut()
        await station.plug()
        before_wh = station.evse().energy_wh
        await station.tap(BAD_CARD)
        await station.until(lambda: station.evse().live)
        csms.mend()
        await csms.expect("StartTransaction", idTag=BAD_CARD)
        await csms.status(1, "SuspendedEVSE", within_s=600)
        assert 280 <= station.evse().energy_wh - before_wh <= 340


@case("TC_037_3_CS")
async def test_tc_037_3_cs_offline_start_invalid_to_be_stopped() -> None:
    """A card that proves invalid ends its transaction."""
    async with bench() as station:
        csms = station.csms
        csms.tag(BAD_CARD, "Invalid")
        await station.booted(AllowOfflineTxForUnknownId=True, StopTransactionOnInvalidId=True)
        csms.cut()
        await station.plug()
        await station.tap(BAD_CARD)
        await station.until(lambda: station.evse().live)
        csms.mend()
        await csms.expect("StartTransaction", idTag=BAD_CARD)
        await csms.expect("StopTransaction", reason="DeAuthorized")
        await csms.status(1, "Finishing")


@case("TC_038_CS")
async def test_tc_038_cs_offline_stop() -> None:
    """A stop without the CSMS is told afterwards, with the status that holds by then."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        transaction = await station.charging()
        csms.cut()
        await station.tap()
        await station.until(lambda: not station.evse().live)
        csms.mend()
        await csms.expect("StopTransaction", transactionId=transaction, reason="Local")
        await csms.status(1, "Finishing")


@case("TC_039_CS")
async def test_tc_039_cs_complete_offline_transaction() -> None:
    """Start and stop both arrive; the stop carries the id that the start was given."""
    async with bench() as station:
        csms = station.csms
        await known_card(station)
        await station.plug()
        await station.tap()
        await station.until(lambda: station.evse().live)
        await station.tap()
        await station.until(lambda: not station.evse().live)
        await station.unplug()
        csms.mend()
        start = await csms.frame("StartTransaction", idTag=CARD)
        stop = await csms.frame("StopTransaction")
        assert start.seq < stop.seq
        assert stop.payload["transactionId"] == station.transaction_id()
        assert stop.payload["meterStop"] >= start.payload["meterStart"]
