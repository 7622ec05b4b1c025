"""What a back end of OCPP 2.0.1 plays, as far as the station speaks it."""

from __future__ import annotations

from typing import Any, Final

from tests.acceptance.cases import (
    PATIENT_S,
    Case,
    boots,
    charges,
    charges_offline,
    exact,
    refuses_a_stranger,
    sent,
    shows,
)
from tests.acceptance.products import Desk
from tests.process.houses import CARD, Stay

ACCEPTED: Final = {"status": "Accepted"}
INTERVAL: Final = {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": "TxUpdatedInterval"}}
UNKNOWN: Final = {"component": {"name": "NoSuchCtrlr"}, "variable": {"name": "Nothing"}}
TRIGGERS: Final = {
    "Heartbeat": "Heartbeat",
    "StatusNotification": "StatusNotification",
    "MeterValues": "MeterValues",
}


async def starts_and_stops_remotely(stay: Stay, csms: Desk) -> None:
    """The product starts a charge, knows its number, and stops it by the station's name for it."""
    await stay.online(timeout_s=PATIENT_S)
    await stay.bench.plug(evse=1)
    await stay.plugged()
    token = {"idToken": CARD, "type": "ISO14443"}
    answer = await csms.call("RequestStartTransaction", remoteStartId=71, evseId=1, idToken=token)
    assert answer["status"] == "Accepted", answer
    await stay.bench.wait("evse1.load", "==", True, timeout_s=PATIENT_S)
    await stay.charged(2.2)
    told = [each["transactionInfo"] for each in await csms.seen("TransactionEvent")]
    assert 71 in [each.get("remoteStartId") for each in told], told
    name = told[-1]["transactionId"]
    assert (await csms.call("GetTransactionStatus", transactionId=name))["ongoingIndicator"] is True
    assert (await csms.call("RequestStopTransaction", transactionId="not-this"))["status"] == "Rejected"
    assert (await csms.call("RequestStopTransaction", transactionId=name))["status"] == "Accepted"
    await stay.bench.wait("evse1.load", "==", False, timeout_s=PATIENT_S)
    await stay.bench.unplug(evse=1)
    await stay.idle()
    await exact(stay, csms)


async def is_reconfigured(stay: Stay, csms: Desk) -> None:
    """The product sets a variable and reads it back; an unknown and an impossible one are refused."""
    assert await status(csms, "Set", INTERVAL | {"attributeValue": "2"}) == ["Accepted"]
    (row,) = (await csms.call("GetVariables", getVariableData=[INTERVAL]))["getVariableResult"]
    assert row["attributeValue"] == "2", row
    assert await status(csms, "Get", UNKNOWN, INTERVAL) == ["UnknownComponent", "Accepted"]
    assert await status(csms, "Set", INTERVAL | {"attributeValue": "soon"}) == ["Rejected"]


async def status(csms: Desk, verb: str, *rows: dict[str, Any]) -> list[str]:
    """Send GetVariables or SetVariables and return the rows' statuses."""
    answer = await csms.call(f"{verb}Variables", **{f"{verb.lower()}VariableData": list(rows)})
    return [each["attributeStatus"] for each in answer[f"{verb.lower()}VariableResult"]]


async def reports(stay: Stay, csms: Desk) -> None:
    """A full report comes in parts, the last one says so."""
    assert (await csms.call("GetBaseReport", requestId=9, reportBase="FullInventory"))["status"] == "Accepted"
    parts = await sent(csms, "NotifyReport", lambda seen: bool(seen) and not seen[-1].get("tbc", False))
    assert [each["seqNo"] for each in parts] == list(range(len(parts)))
    assert sum(len(each["reportData"]) for each in parts) > 30


async def is_taken_out_of_service(stay: Stay, csms: Desk) -> None:
    """The product takes the EVSE out of service and back, and sees both."""
    for kind, word in (("Inoperative", "unavailable"), ("Operative", "available")):
        assert await csms.call("ChangeAvailability", evse={"id": 1}, operationalStatus=kind) == ACCEPTED
        await shows(csms, word)


async def is_triggered(stay: Stay, csms: Desk) -> None:
    """Every message that may be triggered comes when the product asks for it."""
    for wanted, action in TRIGGERS.items():
        before = len(await csms.seen(action))
        where = {"evse": {"id": 1, "connectorId": 1}} if wanted == "StatusNotification" else {}
        assert await csms.call("TriggerMessage", requestedMessage=wanted, **where) == ACCEPTED, wanted
        await sent(csms, action, lambda seen, before=before: len(seen) > before)  # type: ignore[misc]
    refused = await csms.call("TriggerMessage", requestedMessage="BootNotification")
    assert refused["status"] == "Rejected", "F06.FR.17"


async def answers_the_rest(stay: Stay, csms: Desk) -> None:
    """Small commands are answered as the standard has it."""
    assert await csms.call("ClearCache") == ACCEPTED
    assert await csms.call("UnlockConnector", evseId=1, connectorId=1) == {"status": "Unlocked"}
    assert await csms.call("UnlockConnector", evseId=9, connectorId=1) == {"status": "UnknownConnector"}
    told = await csms.call("DataTransfer", vendorId="org.example", messageId="hello", data="{}")
    assert told["status"] == "UnknownVendorId", told


async def resets(stay: Stay, csms: Desk) -> None:
    """A reset is answered, the agent starts again, and a charge follows."""
    before = stay.house.restarts["agent"]
    assert await csms.call("Reset", type="Immediate") == ACCEPTED
    await stay.house.until(lambda: stay.house.restarts["agent"] > before, what="the restart", timeout_s=PATIENT_S)
    await stay.online(timeout_s=PATIENT_S)
    await stay.begin()
    await stay.end()
    await stay.idle()
    await exact(stay, csms)


CASES_201: Final[tuple[Case, ...]] = (
    boots,
    refuses_a_stranger,
    charges,
    charges_offline,
    starts_and_stops_remotely,
    is_reconfigured,
    reports,
    is_taken_out_of_service,
    is_triggered,
    answers_the_rest,
    resets,
)
