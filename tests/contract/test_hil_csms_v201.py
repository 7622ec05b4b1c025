"""The bench's CSMS on 2.0.1, over TLS and with passwords, proven by third parties."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from ocpp.v201 import ChargePoint, call
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.headers import build_authorization_basic
from websockets.typing import Subprotocol

from hil.csms_link import CsmsLink
from hil.csms_server import Csms, Setting
from tests.contract.csms_client import ReferenceStation

TX = "01HF0000000000000000000001"


def at(minute: int) -> str:
    return f"2026-03-01T10:{minute:02d}:00.000Z"


def event(event_type: str, seq_no: int, register_wh: float | None = None, **rest: Any) -> dict[str, Any]:
    contexts = {"Started": "Transaction.Begin", "Updated": "Sample.Periodic", "Ended": "Transaction.End"}
    payload: dict[str, Any] = {
        "eventType": event_type,
        "timestamp": at(seq_no),
        "triggerReason": "Authorized",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": rest.pop("transaction_id", TX), **rest.pop("transaction", {})},
        **rest,
    }
    if register_wh is not None:
        value = {"value": register_wh, "context": contexts[event_type], "unitOfMeasure": {"unit": "Wh"}}
        payload["meterValue"] = [{"timestamp": at(seq_no), "sampledValue": [value]}]
    return payload


@pytest.fixture
async def csms(tmp_path: Path) -> AsyncIterator[Csms]:
    async with Csms(Setting(directory=tmp_path)) as running:
        yield running


@pytest.fixture
async def link(csms: Csms) -> AsyncIterator[CsmsLink]:
    async with CsmsLink(csms.control_path) as connected:
        yield connected


@pytest.fixture
async def station(csms: Csms) -> AsyncIterator[ReferenceStation]:
    async with ReferenceStation(csms.url, subprotocol="ocpp2.0.1") as connected:
        yield connected


async def test_the_packages_own_charge_point_charges_and_the_book_is_exact(csms: Csms, link: CsmsLink) -> None:
    async with connect(csms.url + "CP7", subprotocols=[Subprotocol("ocpp2.0.1")]) as connection:
        point = ChargePoint("CP7", connection)
        task = asyncio.create_task(point.start())
        boot = call.BootNotification(charging_station={"model": "M", "vendor_name": "V"}, reason="PowerUp")
        assert (await point.call(boot)).status == "Accepted"
        token = {"id_token": "CARD", "type": "ISO14443"}
        for kind, seq_no, register in (("Started", 0, 4711.0), ("Updated", 1, 5000.0), ("Ended", 2, 5711.0)):
            context = {"Started": "Transaction.Begin", "Updated": "Sample.Periodic", "Ended": "Transaction.End"}[kind]
            reading = {"value": register, "context": context, "unit_of_measure": {"unit": "Wh"}}
            await point.call(
                call.TransactionEvent(
                    event_type=kind,
                    timestamp=at(seq_no),
                    trigger_reason="Authorized",
                    seq_no=seq_no,
                    transaction_info={"transaction_id": TX, "charging_state": "Charging"},
                    evse={"id": 1, "connector_id": 1},
                    id_token=token,
                    meter_value=[{"timestamp": at(seq_no), "sampled_value": [reading]}],
                )
            )
        task.cancel()
    (row,) = await link.transactions()
    assert (row["transaction_id"], row["evse_id"], row["connector_id"], row["id_token"]) == (TX, 1, 1, "CARD")
    assert (row["start_wh"], row["stop_wh"], row["energy_wh"]) == (4711, 5711, 1000)
    assert (row["seq_nos"], row["gaps"], row["charging_states"]) == ([0, 1, 2], [], ["Charging"] * 3)
    assert await link.problems() == []


async def test_kilowatt_hours_and_multipliers_are_read_exactly(link: CsmsLink, station: ReferenceStation) -> None:
    started = event("Started", 0, 4711)
    started["meterValue"][0]["sampledValue"] = [
        {"value": 230.1, "measurand": "Voltage", "phase": "L1-N"},
        {"value": 9.9, "phase": "L1"},
        {"value": 4.7111, "unitOfMeasure": {"unit": "kWh"}, "context": "Transaction.Begin"},
    ]
    await station.accepted("TransactionEvent", started)
    ended = event("Ended", 1, 57112, transaction={"stoppedReason": "Local"})
    ended["meterValue"][0]["sampledValue"][0]["unitOfMeasure"] = {"unit": "Wh", "multiplier": -1}
    await station.accepted("TransactionEvent", ended)
    (row,) = await link.transactions()
    assert (row["start_wh"], row["stop_wh"], row["stop_reason"]) == (4711.1, 5711.2, "Local")


async def test_a_missing_sequence_number_is_a_gap_and_an_old_one_is_out_of_sequence(
    link: CsmsLink, station: ReferenceStation
) -> None:
    for each in (event("Started", 0, 100), event("Updated", 3, 200), event("Updated", 2, 210), event("Ended", 4, 300)):
        await station.accepted("TransactionEvent", each)
    (row,) = await link.transactions()
    assert row["gaps"] == [1]
    assert {each["kind"] for each in await link.problems()} == {
        "gap", "sequence", "out_of_order", "register_backwards",
    }  # fmt: skip


async def test_a_retried_event_is_a_duplicate_and_one_with_a_new_message_id_is_doubled(
    link: CsmsLink, station: ReferenceStation
) -> None:
    await station.accepted("TransactionEvent", event("Started", 0, 100), "m0")
    await station.accepted("TransactionEvent", event("Started", 0, 100), "m0")
    await station.accepted("TransactionEvent", event("Ended", 1, 300), "m1")
    await station.accepted("TransactionEvent", event("Ended", 1, 300), "m2")
    (row,) = await link.transactions()
    assert (row["duplicates"], row["doubled"]) == ({"TransactionEvent": 1}, {"TransactionEvent": 1})
    assert [each["kind"] for each in await link.problems()] == ["doubled"]
    assert row["energy_wh"] == 200


async def test_a_doubled_start_is_counted_once_even_with_another_sequence_number(
    link: CsmsLink, station: ReferenceStation
) -> None:
    await station.accepted("TransactionEvent", event("Started", 0, 100))
    await station.accepted("TransactionEvent", event("Started", 0, 100))
    await station.accepted("TransactionEvent", event("Started", 1, 100))
    (row,) = await link.transactions()
    assert row["doubled"] == {"TransactionEvent": 2}


async def test_an_event_for_a_transaction_that_never_started_is_a_problem(
    link: CsmsLink, station: ReferenceStation
) -> None:
    await station.accepted("TransactionEvent", event("Ended", 5, 300))
    assert [each["kind"] for each in await link.problems()] == ["missing_start"]


async def test_tokens_are_answered_with_their_group_only_when_the_event_carries_one(
    link: CsmsLink, station: ReferenceStation
) -> None:
    await link.ask("script", tokens={"CARD": {"status": "Blocked", "parent": "FLEET"}})
    token = {"idToken": "CARD", "type": "ISO14443"}
    assert await station.accepted("Authorize", {"idToken": token}) == {
        "idTokenInfo": {"status": "Blocked", "groupIdToken": {"idToken": "FLEET", "type": "Central"}}
    }
    answer = await station.accepted("TransactionEvent", event("Started", 0, 100, idToken=token))
    assert answer["idTokenInfo"]["status"] == "Blocked"
    assert await station.accepted("TransactionEvent", event("Updated", 1, 100)) == {}


async def test_the_csms_asks_for_variables_and_takes_reports(link: CsmsLink, station: ReferenceStation) -> None:
    asked = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    result = [{**asked, "attributeStatus": "Accepted", "attributeValue": "300"}]
    station.replies["GetVariables"] = [3, None, {"getVariableResult": result}]
    answer = await link.call("GetVariables", {"getVariableData": [asked]})
    assert answer["payload"] == {"getVariableResult": result}
    report = {"requestId": 1, "generatedAt": at(0), "seqNo": 0, "tbc": False}
    assert await station.accepted("NotifyReport", report) == {}
    assert await link.problems() == []


async def test_times_without_a_zone_or_from_1970_are_held_against_the_station(
    link: CsmsLink, station: ReferenceStation
) -> None:
    status = {"connectorStatus": "Available", "evseId": 1, "connectorId": 1}
    await station.accepted("StatusNotification", {**status, "timestamp": "1970-01-01T00:00:09Z"})
    await station.accepted("StatusNotification", {**status, "timestamp": "2026-03-01T10:00:00"})
    assert [each["kind"] for each in await link.problems()] == ["clock_unset", "time_format"]


async def test_the_upgrade_is_refused_as_often_as_scripted(csms: Csms, link: CsmsLink) -> None:
    await link.ask("script", upgrade=503, times=1)
    with pytest.raises(InvalidStatus) as refused:
        await ReferenceStation(csms.url).__aenter__()
    assert refused.value.response.status_code == 503
    assert [each["text"] for each in await link.wait(kind="refused", identity="CP1")] == ["503 scripted"]
    async with ReferenceStation(csms.url) as station:
        await station.accepted("Heartbeat", {})


async def test_the_stations_first_offer_decides_the_version(csms: Csms, link: CsmsLink) -> None:
    for offer in (["ocpp2.0.1", "ocpp1.6"], ["ocpp1.6", "ocpp2.0.1"], ["ocpp9", "ocpp1.6"]):
        async with connect(csms.url + "CP1", subprotocols=[Subprotocol(each) for each in offer]) as connection:
            assert connection.subprotocol == next(each for each in offer if each != "ocpp9")


async def test_tls_with_a_private_root_and_a_password_per_station(tmp_path: Path) -> None:
    root = trustme.CA()
    issued = root.issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    setting = Setting(directory=tmp_path, tls_cert=chain, tls_key=key, password="s3cret")
    trusting = ssl.create_default_context()
    root.configure_trust(trusting)
    async with Csms(setting) as csms:
        assert csms.url.startswith("wss://")
        url = csms.url.replace("127.0.0.1", "localhost")
        right = {"Authorization": build_authorization_basic("CP1", "s3cret")}
        wrong = {"Authorization": build_authorization_basic("CP2", "s3cret")}
        async with ReferenceStation(url, ssl=trusting, additional_headers=right) as station:
            await station.accepted("Heartbeat", {})
        for headers in (wrong, {}):
            with pytest.raises(InvalidStatus) as refused:
                await ReferenceStation(url, ssl=trusting, additional_headers=headers).__aenter__()
            assert refused.value.response.status_code == 401
        with pytest.raises(ssl.SSLCertVerificationError):  # the certificate names localhost, not an address
            await ReferenceStation(csms.url, ssl=trusting, additional_headers=right).__aenter__()


async def test_the_process_says_ready_writes_its_port_and_ends_on_stop(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hil.csms_server", "--dir", str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            ready = (await process.stdout.readline()).decode()
            port = int((tmp_path / "csms.port").read_text())
            assert ready == f"csms ready ws://127.0.0.1:{port}/\n"
            async with CsmsLink(tmp_path / "csms.sock") as link:
                assert (await link.ask("state"))["port"] == port
                await link.ask("stop")
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
    assert not (tmp_path / "csms.port").exists()


async def test_without_the_ocpp_package_the_command_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['ocpp'] = None; from hil.csms_server import main; sys.exit(main())"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "--dir", str(tmp_path), stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert 'pip install "charge-agent[bench]"' in errors.decode()


async def test_a_port_that_is_taken_is_said_so(csms: Csms, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hil.csms_server", "--dir", str(tmp_path / "other"), "--port", str(csms.port),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert f"cannot serve 127.0.0.1:{csms.port}" in errors.decode()


async def test_a_second_csms_in_one_folder_is_refused_and_the_first_goes_on(csms: Csms) -> None:
    port = (csms.setting.directory / "csms.port").read_text()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hil.csms_server", "--dir", str(csms.setting.directory), stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert f"a CSMS already serves {csms.setting.directory} (process {os.getpid()})" in errors.decode()
    assert (csms.setting.directory / "csms.port").read_text() == port
    async with CsmsLink(csms.control_path) as link:
        assert (await link.ask("state"))["port"] == csms.port


async def test_a_csms_that_was_killed_does_not_stop_the_next_one(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hil.csms_server", "--dir", str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert await process.stdout.readline()
        process.kill()
        await process.wait()
    assert (tmp_path / "csms.sock").exists()
    async with Csms(Setting(directory=tmp_path)) as csms, CsmsLink(csms.control_path) as link:
        assert (await link.ask("state"))["port"] == csms.port
