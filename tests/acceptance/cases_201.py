"""What a back end of OCPP 2.0.1 plays, as far as the station speaks it."""

from __future__ import annotations

from typing import Any, Final

from tests.acceptance.cases import (
    NEW_PASSWORD,
    PATIENT_S,
    Case,
    boots,
    charges,
    charges_offline,
    comes_back,
    exact,
    is_killed,
    loses_its_power,
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
    """The product starts a charge, sees its number in it, and stops it by the station's name for it."""
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
    assert (await csms.call("RequestStopTransaction", transactionId="not-this"))["status"] == "Rejected"
    assert (await csms.call("RequestStopTransaction", transactionId=name))["status"] == "Accepted"
    await stay.bench.wait("evse1.load", "==", False, timeout_s=PATIENT_S)
    await stay.bench.unplug(evse=1)
    await stay.idle()
    await exact(stay, csms)


async def tells_of_its_transactions(stay: Stay, csms: Desk) -> None:
    """GetTransactionStatus knows a charge that goes on, one that is over, and one that never was."""
    await stay.begin()
    name = (await csms.seen("TransactionEvent"))[-1]["transactionInfo"]["transactionId"]
    assert (await csms.call("GetTransactionStatus", transactionId=name))["ongoingIndicator"] is True
    await stay.end()
    await stay.idle()
    await exact(stay, csms)
    over = {"ongoingIndicator": False, "messagesInQueue": False}
    assert await csms.call("GetTransactionStatus", transactionId=name) == over
    assert await csms.call("GetTransactionStatus", transactionId="never") == over
    assert await csms.call("GetTransactionStatus") == {"messagesInQueue": False}


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


async def forgets_its_cards(stay: Stay, csms: Desk) -> None:
    """The cache is cleared."""
    assert await csms.call("ClearCache") == ACCEPTED


async def answers_the_rest(stay: Stay, csms: Desk) -> None:
    """Small commands are answered as the standard has it."""
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


async def changes_its_password(stay: Stay, csms: Desk) -> None:
    """A new password is taken, and is the one that the station comes back with, also after a restart."""
    password = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    await csms.expect_password(NEW_PASSWORD)
    (told,) = await status(csms, "Set", password | {"attributeValue": NEW_PASSWORD})
    assert told in ("Accepted", "RebootRequired"), told
    await comes_back(stay, csms)
    assert await status(csms, "Get", password) == ["Rejected"], "it may be written, never read"


CASES_201: Final[tuple[Case, ...]] = (
    boots,
    refuses_a_stranger,
    charges,
    charges_offline,
    is_killed,
    loses_its_power,
    starts_and_stops_remotely,
    tells_of_its_transactions,
    is_reconfigured,
    reports,
    is_taken_out_of_service,
    is_triggered,
    forgets_its_cards,
    answers_the_rest,
    resets,
    changes_its_password,
)
