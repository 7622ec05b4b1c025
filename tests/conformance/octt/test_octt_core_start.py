"""Core profile: booting, and the ways in which a charge begins."""

from __future__ import annotations

import pytest

from hil.actuators import LockMode
from tests.conformance.octt.cases import case
from tests.conformance.octt.whole_station import BAD_CARD, CARD, bench


@case("TC_001_CS")
async def test_tc_001_cs_cold_boot() -> None:
    """Boot, statuses of every connector, heartbeats at the interval that the CSMS gave."""
    async with bench(evses=2) as station:
        csms = station.csms
        boot = await csms.frame("BootNotification")
        statuses = [await csms.status(connector, "Available") for connector in (0, 1, 2)]
        assert boot.seq < min(each.seq for each in statuses)
        first = await csms.frame("Heartbeat", within_s=301)
        second = await csms.frame("Heartbeat", within_s=301)
        assert second.at_s - first.at_s == pytest.approx(300, abs=1)


@case("TC_002_CS")
async def test_tc_002_cs_cold_boot_pending() -> None:
    """While pending it answers, says nothing by itself, and boots again after the interval."""
    async with bench(boot="Pending") as station:
        csms = station.csms
        csms.script(interval_s=30)
        first = await csms.frame("BootNotification")
        answer = await csms.call("GetConfiguration", key=["HeartbeatInterval"])
        assert answer["configurationKey"][0]["key"] == "HeartbeatInterval"
        await csms.configure(MeterValueSampleInterval=60)
        csms.script(boot="Accepted")
        second = await csms.frame("BootNotification")
        assert second.at_s - first.at_s >= 30
        assert [each.action for each in csms.calls() if each.seq < second.seq] == ["BootNotification"]
        await csms.status(0, "Available")
        await csms.status(1, "Available")


@case("TC_003_CS")
async def test_tc_003_cs_plug_in_first() -> None:
    """Cable, card, charge."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await station.plug()
        await csms.status(1, "Preparing")
        await station.tap()
        asked = await csms.frame("Authorize", idTag=CARD)
        started = await csms.frame("StartTransaction", connectorId=1, idTag=CARD)
        assert asked.seq < started.seq
        await csms.status(1, "Charging")
        await station.until(lambda: station.evse().live)


@case("TC_004_1_CS")
async def test_tc_004_1_cs_identification_first() -> None:
    """Card, cable, charge."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await station.tap()
        await csms.expect("Authorize", idTag=CARD)
        await csms.status(1, "Preparing")
        await station.plug()
        await csms.expect("StartTransaction", connectorId=1, idTag=CARD)
        await csms.status(1, "Charging")


@case("TC_004_2_CS")
async def test_tc_004_2_cs_identification_first_connection_time_out() -> None:
    """Card, and no cable until ConnectionTimeOut: available again, nothing started."""
    async with bench() as station:
        csms = station.csms
        await station.booted(ConnectionTimeOut=30)
        await station.tap()
        await csms.expect("Authorize", idTag=CARD)
        preparing = await csms.status(1, "Preparing")
        available = await csms.status(1, "Available")
        assert available.at_s - preparing.at_s == pytest.approx(30, abs=2)
        assert csms.calls("StartTransaction") == []


@case("TC_007_CS")
@pytest.mark.parametrize("way", ["card", "remote"])
async def test_tc_007_cs_start_with_a_cached_id(way: str) -> None:
    """A cached idTag starts without a question, also where remote starts are checked."""
    async with bench() as station:
        csms = station.csms
        await station.booted(AuthorizationCacheEnabled=True, LocalPreAuthorize=True, AuthorizeRemoteTxRequests=True)
        await station.charging()
        await station.tap()
        await csms.expect("StopTransaction")
        await station.unplug()
        await csms.status(1, "Available")
        csms.forget()
        await station.identify(way)
        await csms.status(1, "Preparing")
        await station.plug()
        await csms.expect("StartTransaction", idTag=CARD)
        await csms.status(1, "Charging")
        assert csms.calls("Authorize", since=csms.forgotten) == []


@case("TC_061_CS")
@pytest.mark.parametrize("way", ["card", "remote"])
async def test_tc_061_cs_clear_cache(way: str) -> None:
    """After ClearCache a card of before is asked about again."""
    async with bench() as station:
        csms = station.csms
        await station.booted(AuthorizationCacheEnabled=True, LocalPreAuthorize=True, AuthorizeRemoteTxRequests=True)
        await station.charging()
        await station.tap()
        await csms.expect("StopTransaction")
        await station.unplug()
        await csms.accepted("ClearCache")
        csms.forget()
        await station.plug()
        await station.identify(way)
        await csms.expect("Authorize", idTag=CARD)


@case("TC_010_CS")
@pytest.mark.parametrize("checked", [True, False], ids=["checked", "unchecked"])
async def test_tc_010_cs_remote_start_cable_first(checked: bool) -> None:
    """Cable, then a remote start; it is asked about only where the key says so."""
    async with bench() as station:
        csms = station.csms
        await station.booted(AuthorizeRemoteTxRequests=checked)
        await station.plug()
        await csms.status(1, "Preparing")
        await csms.accepted("RemoteStartTransaction", idTag=CARD, connectorId=1)
        await csms.expect("StartTransaction", connectorId=1, idTag=CARD)
        await csms.status(1, "Charging")
        assert len(csms.calls("Authorize")) == int(checked)


@case("TC_011_1_CS")
async def test_tc_011_1_cs_remote_start_first() -> None:
    """A remote start, then the cable."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await csms.accepted("RemoteStartTransaction", idTag=CARD, connectorId=1)
        await csms.status(1, "Preparing")
        await station.plug()
        await csms.expect("StartTransaction", connectorId=1, idTag=CARD)
        await csms.status(1, "Charging")


@case("TC_011_2_CS")
async def test_tc_011_2_cs_remote_start_time_out() -> None:
    """A remote start that nobody plugs in for ends with ConnectionTimeOut."""
    async with bench() as station:
        csms = station.csms
        await station.booted(ConnectionTimeOut=20)
        await csms.accepted("RemoteStartTransaction", idTag=CARD, connectorId=1)
        preparing = await csms.status(1, "Preparing")
        available = await csms.status(1, "Available")
        assert available.at_s - preparing.at_s == pytest.approx(20, abs=2)
        assert csms.calls("StartTransaction") == []


@case("TC_023_CS")
@pytest.mark.parametrize("status", ["Invalid", "Blocked", "Expired"])
@pytest.mark.parametrize("way", ["card", "remote"])
async def test_tc_023_cs_start_authorize_invalid(status: str, way: str) -> None:
    """A card that the CSMS refuses starts nothing."""
    async with bench() as station:
        csms = station.csms
        csms.tag(BAD_CARD, status)
        await station.booted(AuthorizeRemoteTxRequests=True)
        await station.plug()
        await csms.status(1, "Preparing")
        await station.identify(way, BAD_CARD)
        await csms.expect("Authorize", idTag=BAD_CARD)
        await csms.silence("StartTransaction", 5)
        assert not station.evse().live


@case("TC_024_CS")
async def test_tc_024_cs_start_lock_failure() -> None:
    """A socket that cannot lock the cable says so and starts nothing."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await station.do(lambda: station.evse().lock.set_mode(LockMode.JAMMED, station.now_s()))
        await station.plug()
        await station.tap()
        await csms.status(1, "Faulted", errorCode="ConnectorLockFailure")
        await csms.silence("StartTransaction", 5)
        assert not station.evse().live


@case("TC_026_CS")
async def test_tc_026_cs_remote_start_rejected() -> None:
    """A connector that charges takes no second start."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await station.charging()
        answer = await csms.call("RemoteStartTransaction", idTag=CARD, connectorId=1)
        assert answer == {"status": "Rejected"}
        await csms.silence("StopTransaction", 3)


@case("TC_027_CS")
async def test_tc_027_cs_remote_start_connector_0() -> None:
    """Nobody charges on connector 0."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        assert await csms.call("RemoteStartTransaction", idTag=CARD, connectorId=0) == {"status": "Rejected"}
        await csms.silence("StartTransaction", 3)
