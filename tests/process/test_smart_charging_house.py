"""Smart charging and reservations with the real processes: from the CSMS to the duty cycle, over a killed agent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.process.houses import CARD, Stay, stay, wanted

pytestmark = pytest.mark.process


async def status_of(house: Stay, action: str, **payload: Any) -> str:
    """Send a CALL and return the status in its answer."""
    answer = await house.csms.call(action, payload)
    assert "payload" in answer, answer
    return str(answer["payload"]["status"])


def at(seconds: float) -> str:
    """Return a time from now as OCPP writes it."""
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def limit_of(current_a: float, purpose: str = "TxDefaultProfile", number: int = 1) -> dict[str, Any]:
    """Build a profile of one limit that began a minute ago, as energy controllers send it."""
    schedule = {
        "chargingRateUnit": "A",
        "startSchedule": at(-60),
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": current_a}],
    }
    return {
        "chargingProfileId": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }


@pytest.mark.req("OCPP 1.6 §3.13; §5.13; errata 3.37")
@pytest.mark.octt("TC_046_1_CS")
@pytest.mark.octt("TC_056_CS")
async def test_a_reserved_charge_follows_its_profiles_and_keeps_them_over_a_killed_agent() -> None:
    async with stay() as house:
        await house.online()
        since = await house.csms.last_seq()
        reserved = {"connectorId": 1, "expiryDate": at(300), "idTag": CARD, "reservationId": 77}
        assert await status_of(house, "ReserveNow", **reserved) == "Accepted"
        await wanted(house, "StatusNotification", since=since, where={"connectorId": 1, "status": "Reserved"})
        told = limit_of(10.0)
        assert await status_of(house, "SetChargingProfile", connectorId=1, csChargingProfiles=told) == "Accepted"
        closed_s = await house.begin()
        (start,) = await wanted(house, "StartTransaction", since=since)
        assert start["payload"]["reservationId"] == 77
        await house.bench.wait("evse1.offer_a", "<=", 10.0, since_s=closed_s)
        screen = json.loads(await house.screen("why", "--json"))
        assert "charging profile 1 (default, stack level 0) 10 A" in json.dumps(screen)
        await house.house.kill("agent")
        await house.online()
        state = await house.bench.state()
        assert 9.0 < state["evses"]["1"]["offer_a"] <= 10.0
        paused = limit_of(0.0, "ChargePointMaxProfile", 2)
        since = await house.csms.last_seq()
        assert await status_of(house, "SetChargingProfile", connectorId=0, csChargingProfiles=paused) == "Accepted"
        opened_s = await house.bench.wait("evse1.load", "==", False, since_s=closed_s)
        await wanted(house, "StatusNotification", since=since, where={"status": "SuspendedEVSE"})
        assert await status_of(house, "ClearChargingProfile", id=2) == "Accepted"
        assert await status_of(house, "ClearChargingProfile", id=2) == "Unknown"
        await house.bench.wait("evse1.load", "==", True, since_s=opened_s, timeout_s=20)
        answer = await house.csms.call("GetCompositeSchedule", {"connectorId": 1, "duration": 60})
        periods = answer["payload"]["chargingSchedule"]["chargingSchedulePeriod"]
        assert periods == [{"startPeriod": 0, "limit": 10.0}]
        await house.end()
        await house.exact(1)
