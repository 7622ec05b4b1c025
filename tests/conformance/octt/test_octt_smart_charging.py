"""Smart charging. Limits are seen where a vehicle sees them: on the pilot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.octt.cases import case
from tests.conformance.octt.csms_side import Csms
from tests.conformance.octt.whole_station import CARD, Bench, bench

Steps = tuple[tuple[float, float], ...]


def profile(*steps: tuple[float, float], purpose: str = "TxDefaultProfile", **more: Any) -> dict[str, Any]:
    """Build a profile in A; members of the schedule go by their own names."""
    schedule = {name: more.pop(name) for name in ("duration", "startSchedule") if name in more}
    periods = [{"startPeriod": start, "limit": limit} for start, limit in steps]
    return {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute" if "startSchedule" in schedule else "Relative",
        "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": periods, **schedule},
        **more,
    }


async def put(csms: Csms, connector: int, given: dict[str, Any]) -> str:
    """Set a profile; return the status of the answer."""
    return str((await csms.call("SetChargingProfile", connectorId=connector, csChargingProfiles=given))["status"])


async def schedule(csms: Csms, duration_s: int, connector: int = 1) -> Steps:
    """Return the composite schedule in A."""
    told = await csms.accepted("GetCompositeSchedule", connectorId=connector, duration=duration_s, chargingRateUnit="A")
    found = told["chargingSchedule"]["chargingSchedulePeriod"]
    return tuple((each["startPeriod"], each["limit"]) for each in found)


async def offered(station: Bench, current_a: float) -> None:
    """Wait until the pilot offers a current."""
    await station.until(lambda: station.evse().offer_a == pytest.approx(current_a, abs=0.15))


@case("TC_056_CS")
async def test_tc_056_cs_tx_default_profile() -> None:
    """A default profile limits the next transaction."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        given = profile((0, 7.0), (600, 12.0), startSchedule=csms.at(), duration=3600)
        assert await put(csms, 1, given) == "Accepted"
        assert (await schedule(csms, 300))[0] == (0, 7.0)
        await station.charging()
        await offered(station, 7.0)


@case("TC_057_CS")
async def test_tc_057_cs_tx_profile() -> None:
    """A transaction's own profile limits it."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        transaction = await station.charging()
        given = profile((0, 9.0), purpose="TxProfile", transactionId=transaction, startSchedule=csms.at())
        assert await put(csms, 1, given) == "Accepted"
        await offered(station, 9.0)
        assert (await schedule(csms, 300))[0] == (0, 9.0)


@case("TC_058_1_CS")
async def test_tc_058_1_cs_tx_profile_without_a_transaction() -> None:
    """It needs a transaction."""
    async with bench() as station:
        await station.booted()
        given = profile((0, 9.0), purpose="TxProfile", startSchedule=station.csms.at())
        assert await put(station.csms, 1, given) == "Rejected"


@case("TC_058_2_CS")
async def test_tc_058_2_cs_tx_profile_of_another_transaction() -> None:
    """And the right one."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        transaction = await station.charging()
        given = profile((0, 9.0), purpose="TxProfile", transactionId=transaction + 1, startSchedule=csms.at())
        assert await put(csms, 1, given) == "Rejected"


@case("TC_082_CS")
async def test_tc_082_cs_tx_default_profile_in_a_transaction() -> None:
    """A default profile acts on the running transaction, too."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await station.charging()
        await offered(station, 16.0)
        assert await put(csms, 1, profile((0, 8.0), startSchedule=csms.at())) == "Accepted"
        await offered(station, 8.0)


@case("TC_066_CS")
async def test_tc_066_cs_composite_schedule_of_three_purposes() -> None:
    """The least of the station's and the transaction's limit; the default stays displaced while that is valid."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        transaction = await station.charging()
        start = csms.at()
        began_s = station.now_s()
        most = profile((0, 10.0), purpose="ChargePointMaxProfile", startSchedule=start, duration=86_400)
        assert await put(csms, 0, most) == "Accepted"
        valid = {"startSchedule": start, "validFrom": start, "validTo": csms.at(401)}
        default = profile((0, 6), (60, 10), (120, 8), (180, 15), (260, 8), duration=300, chargingProfileId=2, **valid)
        assert await put(csms, 1, default) == "Accepted"
        own = profile((0, 8), (50, 11), (140, 16), (200, 6), (240, 12), purpose="TxProfile", duration=260, **valid)
        assert await put(csms, 1, own | {"chargingProfileId": 3, "transactionId": transaction}) == "Accepted"
        found = await schedule(csms, 400)
        late_s = station.now_s() - began_s
        expected = [(0, 8), (50 - late_s, 10), (200 - late_s, 6), (240 - late_s, 10)]
        assert [limit for _, limit in found] == [limit for _, limit in expected]
        assert [at for at, _ in found] == pytest.approx([at for at, _ in expected], abs=1)


@case("TC_072_CS")
async def test_tc_072_cs_stacked_profiles() -> None:
    """The higher level counts until its schedule runs out."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        start = csms.at()
        began_s = station.now_s()
        low = profile((0, 6), (100, 8), (200, 10), startSchedule=start, duration=400)
        high = profile((0, 7), (100, 9), startSchedule=start, duration=150, stackLevel=1, chargingProfileId=2)
        assert await put(csms, 1, low) == "Accepted"
        assert await put(csms, 1, high) == "Accepted"
        found = await schedule(csms, 350)
        late_s = station.now_s() - began_s
        assert [limit for _, limit in found] == [7, 9, 8, 10]
        assert [at for at, _ in found] == pytest.approx([0, 100 - late_s, 150 - late_s, 200 - late_s], abs=1)


@case("TC_067_CS")
async def test_tc_067_cs_clear_charging_profile() -> None:
    """Profiles go by id, or by what they are; nothing to clear is Unknown."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        start = csms.at()
        assert await put(csms, 1, profile((0, 8), startSchedule=start)) == "Accepted"
        second = profile((0, 9), startSchedule=start, chargingProfileId=2, stackLevel=1)
        assert await put(csms, 1, second) == "Accepted"
        await csms.accepted("ClearChargingProfile", id=1)
        assert await csms.call("ClearChargingProfile", id=1) == {"status": "Unknown"}
        criteria = {"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 1}
        await csms.accepted("ClearChargingProfile", criteria)
        assert await csms.call("ClearChargingProfile", criteria) == {"status": "Unknown"}


@case("TC_059_CS")
async def test_tc_059_cs_remote_start_with_a_profile() -> None:
    """The profile of a remote start is the transaction's own."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        given = profile((0, 7), purpose="TxProfile")
        await csms.accepted("RemoteStartTransaction", idTag=CARD, connectorId=1, chargingProfile=given)
        await station.plug()
        await csms.expect("StartTransaction", idTag=CARD)
        await csms.status(1, "Charging")
        await offered(station, 7.0)


@case("TC_060_CS")
async def test_tc_060_cs_remote_start_with_a_profile_of_another_purpose() -> None:
    """Only a transaction's profile comes with a remote start."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        start = {"idTag": CARD, "connectorId": 1, "chargingProfile": profile((0, 7))}
        assert await csms.call("RemoteStartTransaction", start) == {"status": "Rejected"}
        await csms.silence("StartTransaction", 3)
