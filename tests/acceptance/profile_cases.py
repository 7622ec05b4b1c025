"""The other profiles of OCPP 1.6, for back ends that have them: triggers, limits, reservations, lists, firmware."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import Any, Final

from tests.acceptance.cases import PATIENT_S, Case, exact, sent, shows
from tests.acceptance.depot import depot
from tests.acceptance.products import Desk
from tests.process.houses import CARD, Stay

LIMIT_A: Final = 8.0
ACCEPTED: Final = {"status": "Accepted"}
TRIGGERS: Final = {
    "Heartbeat": "Heartbeat",
    "StatusNotification": "StatusNotification",
    "MeterValues": "MeterValues",
    "FirmwareStatusNotification": "FirmwareStatusNotification",
    "DiagnosticsStatusNotification": "DiagnosticsStatusNotification",
}


async def is_triggered(stay: Stay, csms: Desk) -> None:
    """Every message that may be triggered comes when the product asks for it; a boot after a reconnect alone."""
    for wanted, action in TRIGGERS.items():
        await brings(csms, action, requestedMessage=wanted, connectorId=1)
    boot = {"requestedMessage": "BootNotification"}
    assert await csms.call("TriggerMessage", **boot) == {"status": "Rejected"}, "errata 3.35"
    await stay.bench.net(mode="down")
    await stay.until(lambda status: not status["csms"]["online"])
    await stay.bench.net(mode="up")
    await stay.online(timeout_s=PATIENT_S)
    await brings(csms, "BootNotification", **boot)
    await stay.online(timeout_s=PATIENT_S)


async def brings(csms: Desk, action: str, **trigger: Any) -> None:
    """Send a TriggerMessage and wait for what it asks for."""
    before = len(await csms.seen(action))
    assert await csms.call("TriggerMessage", **trigger) == ACCEPTED, trigger
    await sent(csms, action, lambda seen: len(seen) > before)


async def obeys_limits(stay: Stay, csms: Desk) -> None:
    """A default limit holds from the first ampere on, one for the transaction overrides it, and both can be read."""
    assert await csms.call("SetChargingProfile", connectorId=1, csChargingProfiles=limit(LIMIT_A)) == ACCEPTED
    closed_s = await stay.begin()
    await stay.bench.wait("evse1.offer_a", "<=", LIMIT_A, since_s=closed_s, timeout_s=PATIENT_S)
    assert LIMIT_A - 1 < (await stay.bench.state())["evses"]["1"]["offer_a"] <= LIMIT_A
    number = (await csms.transactions())[-1]["id"]
    own = limit(LIMIT_A + 2, chargingProfileId=2, chargingProfilePurpose="TxProfile", transactionId=number)
    assert await csms.call("SetChargingProfile", connectorId=1, csChargingProfiles=own) == ACCEPTED
    plan = await csms.call("GetCompositeSchedule", connectorId=1, duration=60, chargingRateUnit="A")
    assert plan["status"] == "Accepted", plan
    assert plan["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == LIMIT_A + 2, plan
    await stay.bench.wait("evse1.offer_a", ">=", LIMIT_A + 1.0, since_s=closed_s, timeout_s=PATIENT_S)
    await stay.end()
    await stay.idle()
    await exact(stay, csms)
    assert await csms.call("ClearChargingProfile", id=1) == ACCEPTED
    assert await csms.call("ClearChargingProfile", id=1) == {"status": "Unknown"}


def limit(amperes: float, **more: Any) -> dict[str, Any]:
    """Return a charging profile of one period."""
    return {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amperes}],
        },
        **more,
    }


async def is_reserved(stay: Stay, csms: Desk) -> None:
    """A reservation is kept, seen, and given back; one that is not there is Rejected."""
    order = {"connectorId": 1, "expiryDate": "2037-12-31T23:59:59Z", "idTag": CARD, "reservationId": 7}
    assert await csms.call("ReserveNow", **order) == ACCEPTED
    await shows(csms, "reserved")
    assert await csms.call("CancelReservation", reservationId=7) == ACCEPTED
    await shows(csms, "available")
    assert await csms.call("CancelReservation", reservationId=7) == {"status": "Rejected"}


async def takes_a_list(stay: Stay, csms: Desk) -> None:
    """A list of cards is taken, its version told, an old difference refused."""
    cards = [{"idTag": CARD, "idTagInfo": {"status": "Accepted"}}]
    full = {"listVersion": 3, "updateType": "Full", "localAuthorizationList": cards}
    assert await csms.call("SendLocalList", **full) == ACCEPTED
    assert await csms.call("GetLocalListVersion") == {"listVersion": 3}
    old = {"listVersion": 2, "updateType": "Differential", "localAuthorizationList": cards}
    assert await csms.call("SendLocalList", **old) == {"status": "VersionMismatch"}


async def forgets_its_cards(stay: Stay, csms: Desk) -> None:
    """The cache is cleared."""
    assert await csms.call("ClearCache") == ACCEPTED


async def answers_the_rest(stay: Stay, csms: Desk) -> None:
    """The core profile's small commands are answered as the standard has it."""
    assert await csms.call("UnlockConnector", connectorId=1) == {"status": "Unlocked"}
    assert await csms.call("UnlockConnector", connectorId=9) == {"status": "NotSupported"}
    told = await csms.call("DataTransfer", vendorId="org.example", messageId="hello", data="{}")
    assert told["status"] == "UnknownVendorId", told
    known = await csms.call("GetConfiguration")
    assert len(known["configurationKey"]) > 30, known
    unknown = await csms.call("GetConfiguration", key=["NoSuchKey", "HeartbeatInterval"])
    assert unknown["unknownKey"] == ["NoSuchKey"], unknown


async def is_updated(stay: Stay, csms: Desk) -> None:
    """New firmware is fetched, put into force by a restart, and told in order."""
    before, restarts = len(await csms.seen("FirmwareStatusNotification")), stay.house.restarts["agent"]
    with depot({"/image.bin": b"version=9.9.9\n" + bytes(100_000)}) as files:
        order = {"location": files.url("/image.bin"), "retrieveDate": now(), "retries": 1, "retryInterval": 1}
        assert await csms.call("UpdateFirmware", **order) == {}
        seen = await sent(csms, "FirmwareStatusNotification", lambda told: told[-1:] == [{"status": "Installed"}])
    told = [each["status"] for each in seen[before:]]
    assert told == ["Downloading", "Downloaded", "Installing", "Installed"], told
    assert stay.house.restarts["agent"] > restarts
    await stay.online(timeout_s=PATIENT_S)
    assert (await csms.seen("BootNotification"))[-1]["firmwareVersion"] == "9.9.9"


async def sends_its_diagnostics(stay: Stay, csms: Desk) -> None:
    """Diagnostics are uploaded to where the product wants them, and told in order."""
    before = len(await csms.seen("DiagnosticsStatusNotification"))
    with depot({}) as files:
        name = (await csms.call("GetDiagnostics", location=files.url("/logs/"), retries=1))["fileName"]
        seen = await sent(csms, "DiagnosticsStatusNotification", lambda told: told[-1:] == [{"status": "Uploaded"}])
        assert gzip.decompress(files.put[f"/logs/{name}"]), "an empty bundle"
    assert [each["status"] for each in seen[before:]] == ["Uploading", "Uploaded"]


async def keeps_the_security_extension(stay: Stay, csms: Desk) -> None:
    """The whitepaper's messages: logs, certificates, signed firmware, triggers."""
    with depot({}) as files:
        log = {"remoteLocation": files.url("/security/")}
        answer = await csms.call("GetLog", logType="SecurityLog", requestId=5, log=log)
        assert answer["status"] == "Accepted", answer
        seen = await sent(
            csms, "LogStatusNotification", lambda told: told[-1:] == [{"status": "Uploaded", "requestId": 5}]
        )
        assert [each["status"] for each in seen] == ["Uploading", "Uploaded"]
        assert len(files.put) == 1
    bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    wanted = {"certificateType": "CentralSystemRootCertificate", "certificate": bad}
    assert await csms.call("InstallCertificate", **wanted) == {"status": "Rejected"}
    listed = await csms.call("GetInstalledCertificateIds", certificateType="CentralSystemRootCertificate")
    assert listed["status"] == "NotFound", listed
    firmware = {"location": files.url("/x"), "retrieveDateTime": now(), "signingCertificate": bad, "signature": "AAAA"}
    signed = await csms.call("SignedUpdateFirmware", requestId=6, firmware=firmware)
    assert signed == {"status": "InvalidCertificate"}
    before = len(await csms.seen("LogStatusNotification"))
    assert await csms.call("ExtendedTriggerMessage", requestedMessage="LogStatusNotification") == ACCEPTED
    again = await sent(csms, "LogStatusNotification", lambda told: len(told) > before)
    assert again[-1] == {"status": "Idle"}, again[-1]


def now() -> str:
    """Return the time as a back end writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


PROFILES: Final[tuple[Case, ...]] = (
    is_triggered,
    obeys_limits,
    is_reserved,
    takes_a_list,
    forgets_its_cards,
    answers_the_rest,
    sends_its_diagnostics,
    keeps_the_security_extension,
    is_updated,
)
