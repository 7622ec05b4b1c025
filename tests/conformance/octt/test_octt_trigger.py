"""Remote trigger."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.octt.cases import case
from tests.conformance.octt.whole_station import bench


@case("TC_054_CS")
@pytest.mark.parametrize(
    "message",
    [
        "MeterValues",
        "Heartbeat",
        "StatusNotification",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
    ],
)
async def test_tc_054_cs_trigger_message(message: str) -> None:
    """Answered first, then the message comes; where nothing runs, Idle."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await station.rest(10)  # a first reading counts with the second one
        place: dict[str, Any] = {"connectorId": 1} if message in ("MeterValues", "StatusNotification") else {}
        await csms.accepted("TriggerMessage", requestedMessage=message, **place)
        came = await csms.expect(message, within_s=10, **place)
        if message == "MeterValues":
            assert {each["context"] for each in came["meterValue"][0]["sampledValue"]} == {"Trigger"}
        elif message.endswith("StatusNotification") and not place:
            assert came == {"status": "Idle"}


@case("TC_055_CS")
async def test_tc_055_cs_trigger_message_rejected() -> None:
    """A connector that does not exist has nothing to tell."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        answer = await csms.call("TriggerMessage", requestedMessage="StatusNotification", connectorId=99)
        assert answer == {"status": "Rejected"}
