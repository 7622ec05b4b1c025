"""Every command of a CSMS, end to end: one house of each version, kept busy."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from tests.process.houses import CARD, OTHER_CARD, Stay, options, stay, wanted

pytestmark = pytest.mark.process

Payload = dict[str, Any]


async def say(house: Stay, action: str, **payload: Any) -> Payload:
    """Send a CALL and return the payload of its answer."""
    answer = await house.csms.call(action, payload)
    assert "payload" in answer, (action, payload, answer)
    return dict(answer["payload"])


async def status_of(house: Stay, action: str, **payload: Any) -> str:
    """Send a CALL and return the status in its answer."""
    return str((await say(house, action, **payload))["status"])


async def refusal(house: Stay, action: str, payload: Payload) -> str:
    """Send a CALL that no schema allows and return the code of its CALLERROR."""
    answer = await house.csms.call(action, payload, checked=False)
    return str(answer["error"]["code"])


async def current_flows(house: Stay, since_s: float) -> float:
    """Wait until the car has drawn a few Wh; return when the contactor closed."""
    closed_s = await house.bench.wait("evse1.load", "==", True, since_s=since_s, timeout_s=20)
    await house.bench.wait("evse1.current_a", ">", 10, since_s=closed_s, timeout_s=20)
    await house.charged(1.5)
    return closed_s


async def now_s(house: Stay) -> float:
    """Return the bench's time."""
    return float((await house.bench.state())["now_s"])


async def drive_off(house: Stay, since_s: float) -> None:
    """Wait for the contactor and the lock to open, and unplug."""
    opened_s = await house.bench.wait("evse1.load", "==", False, since_s=since_s, timeout_s=20)
    await house.bench.wait("evse1.lock", "==", False, since_s=opened_s - 5.0, timeout_s=20)
    await house.bench.unplug(evse=1)
    await house.idle()


async def reported(house: Stay, status: str, since: int) -> None:
    """Wait for a status of connector 1."""
    where = (
        {"connectorId": 1, "status": status}
        if house.ocpp == "1.6"
        else {"evseId": 1, "connectorId": 1, "connectorStatus": status}
    )
    await wanted(house, "StatusNotification", since=since, where=where)


# ---- OCPP 1.6 --------------------------------------------------------------------------------------------------------


@pytest.mark.octt("TC_010_CS", "TC_011_1_CS", "TC_012_CS")
async def test_remote_start_and_stop_in_1_6_before_and_after_the_cable() -> None:
    async with stay() as house:
        await house.online()
        assert await status_of(house, "RemoteStartTransaction", idTag=CARD, connectorId=2) == "Rejected"
        assert await status_of(house, "RemoteStopTransaction", transactionId=1) == "Rejected"
        for plugged_first in (False, True):
            since_s, since = await now_s(house), await house.csms.last_seq()
            if plugged_first:
                await house.plug()
                await house.plugged()
            assert await status_of(house, "RemoteStartTransaction", idTag=CARD, connectorId=1) == "Accepted"
            if not plugged_first:
                await house.plug()
            closed_s = await current_flows(house, since_s)
            assert await status_of(house, "RemoteStartTransaction", idTag=OTHER_CARD, connectorId=1) == "Rejected"
            await wanted(house, "StartTransaction", since=since)
            await house.until(lambda status: status["evses"][0]["csms_id"] is not None)
            number = int((await house.csms.transactions())[-1]["transaction_id"])
            assert await status_of(house, "RemoteStopTransaction", transactionId=number) == "Accepted"
            await drive_off(house, closed_s)
        rows = await house.exact(2)
        assert [(row["id_token"], row["stop_reason"]) for row in rows] == [(CARD, "Remote")] * 2


@pytest.mark.req("OCPP 1.6 errata 3.46")
async def test_availability_unlock_and_triggers_in_1_6() -> None:
    async with stay() as house:
        await house.online()
        since = await house.csms.last_seq()
        assert await status_of(house, "ChangeAvailability", connectorId=1, type="Inoperative") == "Accepted"
        await reported(house, "Unavailable", since)
        assert await status_of(house, "RemoteStartTransaction", idTag=CARD, connectorId=1) == "Rejected"
        assert await status_of(house, "ChangeAvailability", connectorId=1, type="Operative") == "Accepted"
        await reported(house, "Available", since)
        closed_s = await house.begin()
        assert await status_of(house, "ChangeAvailability", connectorId=0, type="Inoperative") == "Scheduled"
        since = await house.csms.last_seq()
        assert await status_of(house, "UnlockConnector", connectorId=1) == "Unlocked"
        await house.bench.wait("evse1.load", "==", False, since_s=closed_s)
        await house.bench.unplug(evse=1)
        (row,) = await house.exact(1)
        assert row["stop_reason"] == "UnlockCommand"
        await reported(house, "Unavailable", since)
        assert await status_of(house, "UnlockConnector", connectorId=7) == "NotSupported"
        assert await status_of(house, "ChangeAvailability", connectorId=0, type="Operative") == "Accepted"
        await reported(house, "Available", since)
        since = await house.csms.last_seq()
        assert await status_of(house, "TriggerMessage", requestedMessage="BootNotification") == "Rejected"
        assert await status_of(house, "TriggerMessage", requestedMessage="FirmwareStatusNotification") == "Accepted"
        for message in ("Heartbeat", "StatusNotification"):
            assert await status_of(house, "TriggerMessage", requestedMessage=message) == "Accepted"
            await wanted(house, message, since=since)
        assert await status_of(house, "TriggerMessage", requestedMessage="MeterValues", connectorId=1) == "Accepted"
        (frame,) = await wanted(house, "MeterValues", since=since)
        assert frame["payload"]["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"
        assert await house.csms.problems() == []


@pytest.mark.req("OCPP 1.6 §5.3")
async def test_configuration_in_1_6_survives_a_restart_until_the_file_changes() -> None:
    async with stay(options(variables={"ConnectionTimeOut": "100"})) as house:
        await house.online()
        everything = (await say(house, "GetConfiguration"))["configurationKey"]
        keys = {each["key"]: each for each in everything}
        assert keys["ConnectionTimeOut"] == {"key": "ConnectionTimeOut", "readonly": False, "value": "100"}
        assert keys["NumberOfConnectors"]["readonly"]
        some = await say(house, "GetConfiguration", key=["MeterValueSampleInterval", "Nonsense"])
        assert [each["key"] for each in some["configurationKey"]] == ["MeterValueSampleInterval"]
        assert some["unknownKey"] == ["Nonsense"]
        for key, value, status in (
            ("ConnectionTimeOut", "200", "Accepted"),
            ("ConnectionTimeOut", "often", "Rejected"),
            ("ConnectionTimeOut", "0", "Rejected"),
            ("MeterValuesSampledData", "Energy.Active.Import.Register,Voltage", "Accepted"),
            ("MeterValuesSampledData", "Energy.Active.Import.Register,Nonsense", "Rejected"),
            ("NumberOfConnectors", "3", "Rejected"),
            ("Nonsense", "1", "NotSupported"),
        ):
            assert await status_of(house, "ChangeConfiguration", key=key, value=value) == status, (key, value)
        assert await value_of(house) == "200"
        await house.house.kill("agent")
        since = await house.csms.last_seq()
        await house.boots(since=since)
        await house.online()
        assert await value_of(house) == "200"
        assert "200" in await house.screen("status")
        text = house.house.station_file.read_text()
        since = await house.csms.last_seq()
        house.house.station_file.write_text(text.replace("= 100", "= 150"))
        await house.house.kill("agent")
        await house.boots(since=since)
        await house.online()
        assert await value_of(house) == "150", "the file's own value changed, so it wins again"


async def value_of(house: Stay) -> str:
    """Return ConnectionTimeOut as the CSMS reads it."""
    answer = await say(house, "GetConfiguration", key=["ConnectionTimeOut"])
    return str(answer["configurationKey"][0]["value"])


@pytest.mark.req("OCPP 1.6 §5.14, errata 3.36")
@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
@pytest.mark.octt("TC_015_CS", "TC_016_CS")
async def test_a_reset_in_1_6_ends_the_transaction_and_boots_again(kind: str, reason: str) -> None:
    async with stay() as house:
        await house.online()
        await house.begin()
        await wanted(house, "StartTransaction")
        since = await house.csms.last_seq()
        assert await status_of(house, "Reset", type=kind) == "Accepted"
        await house.boots(since=since)
        (row,) = await house.exact(1)
        assert row["stop_reason"] == reason
        assert house.house.restarts["agent"] == 1
        assert house.house.restarts["guard"] == 0


@pytest.mark.req("OCPP 1.6 §4.10, PowerLoss")
@pytest.mark.octt("TC_032_1_CS")
async def test_a_warning_of_the_back_up_supply_ends_the_transaction_while_that_can_be_told() -> None:
    async with stay() as house:
        await house.online()
        await house.begin()
        await wanted(house, "StartTransaction")
        since = await house.csms.last_seq()
        os.kill(house.house.child("agent").pid, signal.SIGPWR)
        await house.boots(since=since)
        (row,) = await house.exact(1)
        assert row["stop_reason"] == "PowerLoss"
        assert house.house.restarts == {"agent": 1, "guard": 0}


@pytest.mark.req("OCPP 1.6 §4.3")
async def test_vendors_caches_and_unknown_actions_in_1_6() -> None:
    async with stay() as house:
        await house.online()
        await house.learn(CARD)
        assert await status_of(house, "ClearCache") == "Accepted"
        assert await status_of(house, "DataTransfer", vendorId="nobody") == "UnknownVendorId"
        assert await refusal(house, "MakeCoffee", {}) == "NotImplemented"
        assert await refusal(house, "GetDiagnostics", {}) == "OccurenceConstraintViolation"
        await house.cut_off()
        await house.plug()
        await house.plugged()
        await house.tap(CARD)
        await house.house.child("agent").says("authorization.refused", timeout_s=20)


# ---- OCPP 2.0.1 ------------------------------------------------------------------------------------------------------


def token(value: str) -> Payload:
    """Return an idToken of 2.0.1."""
    return {"idToken": value, "type": "Local"}


def variable(component: str, name: str, instance: str | None = None) -> Payload:
    """Return the name of a variable of 2.0.1."""
    named = {"name": name} if instance is None else {"name": name, "instance": instance}
    return {"component": {"name": component}, "variable": named}


async def test_remote_start_stop_and_status_in_2_0_1() -> None:
    async with stay(options("2.0.1")) as house:
        await house.online()
        answer = await say(house, "RequestStartTransaction", idToken=token(CARD), remoteStartId=41, evseId=9)
        assert answer["status"] == "Rejected"
        assert await status_of(house, "RequestStopTransaction", transactionId="nonsense") == "Rejected"
        for number, plugged_first in ((42, False), (43, True)):
            since_s = await now_s(house)
            if plugged_first:
                await house.plug()
                await house.plugged()
            wish = {"idToken": token(CARD), "remoteStartId": number, "evseId": 1}
            assert await status_of(house, "RequestStartTransaction", **wish) == "Accepted"
            if not plugged_first:
                await house.plug()
            closed_s = await current_flows(house, since_s)
            row = (await house.csms.transactions())[-1]
            assert row["remote_start_id"] == number
            name = row["transaction_id"]
            told = await say(house, "GetTransactionStatus", transactionId=name)
            assert told["ongoingIndicator"]
            assert await status_of(house, "RequestStopTransaction", transactionId=name) == "Accepted"
            await drive_off(house, closed_s)
            await house.until(lambda status: status["store"]["waiting"] == 0)
            told = await say(house, "GetTransactionStatus", transactionId=name)
            assert told == {"ongoingIndicator": False, "messagesInQueue": False}
        rows = await house.exact(2)
        assert [row["stop_reason"] for row in rows] == ["Remote", "Remote"]


async def test_availability_unlock_and_triggers_in_2_0_1() -> None:
    async with stay(options("2.0.1")) as house:
        await house.online()
        since = await house.csms.last_seq()
        one = {"id": 1}
        assert await status_of(house, "ChangeAvailability", operationalStatus="Inoperative", evse=one) == "Accepted"
        await reported(house, "Unavailable", since)
        assert await status_of(house, "ChangeAvailability", operationalStatus="Operative", evse=one) == "Accepted"
        await reported(house, "Available", since)
        await house.begin()
        assert await status_of(house, "ChangeAvailability", operationalStatus="Inoperative", evse=one) == "Scheduled"
        unlock = {"evseId": 1, "connectorId": 1}
        assert await status_of(house, "UnlockConnector", **unlock) == "OngoingAuthorizedTransaction"
        since = await house.csms.last_seq()
        await house.end()
        await house.exact(1)
        await reported(house, "Unavailable", since)
        assert await status_of(house, "ChangeAvailability", operationalStatus="Operative", evse=one) == "Accepted"
        assert await status_of(house, "UnlockConnector", **unlock) == "Unlocked"
        assert await status_of(house, "UnlockConnector", evseId=1, connectorId=5) == "UnknownConnector"
        since = await house.csms.last_seq()
        assert await status_of(house, "TriggerMessage", requestedMessage="BootNotification") == "Rejected"
        assert await status_of(house, "TriggerMessage", requestedMessage="LogStatusNotification") == "NotImplemented"
        for message in ("Heartbeat", "StatusNotification"):
            assert await status_of(house, "TriggerMessage", requestedMessage=message) == "Accepted"
            await wanted(house, message, since=since)
        assert await status_of(house, "DataTransfer", vendorId="nobody") == "UnknownVendorId"
        assert await refusal(house, "MakeCoffee", {}) == "NotImplemented"
        assert (
            await refusal(
                house, "GetLog", {"log": {"remoteLocation": "ftp://x"}, "logType": "SecurityLog", "requestId": 1}
            )
            == "NotSupported"
        )
        assert await house.csms.problems() == []


async def test_variables_and_reports_in_2_0_1() -> None:
    async with stay(options("2.0.1")) as house:
        await house.online()
        asked = [
            variable("OCPPCommCtrlr", "OfflineThreshold"),
            variable("OCPPCommCtrlr", "MessageTimeout", "Default"),
            variable("OCPPCommCtrlr", "Nonsense"),
            variable("Nonsense", "Nonsense"),
        ]
        results = (await say(house, "GetVariables", getVariableData=asked))["getVariableResult"]
        states = [each["attributeStatus"] for each in results]
        assert states == ["Accepted", "Accepted", "UnknownVariable", "UnknownComponent"]
        wishes = [
            {**variable("OCPPCommCtrlr", "OfflineThreshold"), "attributeValue": "200"},
            {**variable("OCPPCommCtrlr", "OfflineThreshold"), "attributeValue": "often"},
            {**variable("OCPPCommCtrlr", "MessageTimeout", "Default"), "attributeValue": "9"},
            {**variable("OCPPCommCtrlr", "Nonsense"), "attributeValue": "9"},
        ]
        results = (await say(house, "SetVariables", setVariableData=wishes))["setVariableResult"]
        assert [each["attributeStatus"] for each in results] == ["Accepted", "Rejected", "Rejected", "UnknownVariable"]
        since = await house.csms.last_seq()
        await house.house.kill("agent")
        await house.boots(since=since)
        await house.online()
        (again,) = (await say(house, "GetVariables", getVariableData=asked[:1]))["getVariableResult"]
        assert again["attributeValue"] == "200"
        since = await house.csms.last_seq()
        assert await status_of(house, "GetBaseReport", requestId=77, reportBase="FullInventory") == "Accepted"
        parts: list[Payload] = []
        async with asyncio.timeout(20):
            while not parts or parts[-1].get("tbc"):
                frames = await wanted(house, "NotifyReport", since=since, count=len(parts) + 1)
                parts = [each["payload"] for each in frames]
        assert {part["requestId"] for part in parts} == {77}
        assert [part["seqNo"] for part in parts] == list(range(len(parts)))
        names = [
            (each["component"]["name"], each["variable"]["name"], each["variable"].get("instance"))
            for part in parts
            for each in part["reportData"]
        ]
        assert len(names) > 40
        assert ("OCPPCommCtrlr", "OfflineThreshold", None) in names
        assert ("TxCtrlr", "TxStartPoint", None) in names
        assert await house.csms.problems() == []


@pytest.mark.parametrize("kind", ["Immediate", "OnIdle"])
async def test_a_reset_in_2_0_1_is_done_at_once_or_when_the_car_is_gone(kind: str) -> None:
    async with stay(options("2.0.1")) as house:
        await house.online()
        await house.begin()
        since = await house.csms.last_seq()
        answer = await status_of(house, "Reset", type=kind)
        assert answer == {"Immediate": "Accepted", "OnIdle": "Scheduled"}[kind]
        if kind == "OnIdle":
            await house.end()
        await house.boots(since=since)
        (row,) = await house.exact(1)
        assert row["stop_reason"] in ({"ImmediateReset"} if kind == "Immediate" else {None, "Local"})
        assert house.house.restarts == {"agent": 1, "guard": 0}
