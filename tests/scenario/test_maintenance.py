"""Firmware updates and uploads of a whole station in virtual time: outages, power cuts, charges and second thoughts."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from agent.maintenance.update import KEY, Phase, decode_update
from tests.conformance.octt.cases import case
from tests.conformance.octt.csms_side import IDENTITY, Csms
from tests.conformance.octt.file_server import FileServer, file_server
from tests.conformance.octt.test_octt_firmware import states
from tests.conformance.octt.virtual_time import in_virtual_time
from tests.conformance.octt.whole_station import Bench, bench

IMAGE = b"version=2.0.0\n" + b"firmware" * 4096
UNSIGNED, SIGNED = "FirmwareStatusNotification", "SignedFirmwareStatusNotification"
MAKER = trustme.CA(organization_name="Manufacturer")
SIGNER = MAKER.issue_cert("firmware.example", common_name="Firmware")


@asynccontextmanager
async def place(plan: str = "", **options: Any) -> AsyncIterator[tuple[Bench, Csms, FileServer]]:
    """Give a booted station, its CSMS and a file server; ``plan`` of the bench's installer."""
    async with file_server(**{"firmware.bin": IMAGE}) as host, bench(epoch_utc_s=time.time(), **options) as station:
        (station.folder / "firmware").mkdir()
        if plan:
            write(station, plan=plan)
        await station.booted()
        yield station, station.csms, host


def write(station: Bench, **files: str) -> None:
    for name, text in files.items():
        (station.folder / "firmware" / name).write_text(text)


def read(station: Bench, name: str) -> str:
    try:
        return (station.folder / "firmware" / name).read_text()
    except FileNotFoundError:
        return ""


def told(csms: Csms, action: str) -> list[str]:
    """Return the states that were told; a repetition with the same id, whose answer got lost, is not another one."""
    found = {frame.message_id: frame.payload["status"] for frame in csms.calls(action)}
    return list(found.values())


async def trust(csms: Csms) -> None:
    root = MAKER.cert_pem.bytes().decode()
    await csms.accepted("InstallCertificate", certificateType="ManufacturerRootCertificate", certificate=root)


def order(
    host: FileServer,
    csms: Csms,
    request_id: int = 5,
    *,
    content: bytes = IMAGE,
    certificate: str = "",
    signature: bytes | None = None,
    install_s: float | None = None,
    retrieve_s: float = 0.0,
    **more: Any,
) -> dict[str, Any]:
    """Return a SignedUpdateFirmware."""
    key = serialization.load_pem_private_key(SIGNER.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = signature or key.sign(content, ec.ECDSA(hashes.SHA256()))
    firmware = {
        "location": host.url("/firmware.bin"),
        "retrieveDateTime": csms.at(retrieve_s),
        "signingCertificate": certificate or SIGNER.cert_chain_pems[0].bytes().decode(),
        "signature": base64.b64encode(signature).decode(),
    }
    if install_s is not None:
        firmware["installDateTime"] = csms.at(install_s)
    return {"requestId": request_id, "firmware": firmware, **more}


def virtual(test: Any) -> Any:
    return case()(test)


# ---- unsigned updates ------------------------------------------------------------------------------------------------


@pytest.mark.req("OCPP 1.6 §5.19, §4.5, errata 3.47-3.49")
@case("TC_044_1_CS")
async def test_an_update_over_a_restart_is_told_in_order_and_the_new_version_boots() -> None:
    async with place() as (station, csms, host):
        assert await csms.call("UpdateFirmware", location=host.url("/firmware.bin"), retrieveDate=csms.at()) == {}
        await states(csms, UNSIGNED, "Downloading", "Downloaded", "Installing")
        await csms.status(1, "Unavailable")
        assert (await csms.expect("BootNotification"))["firmwareVersion"] == "2.0.0"
        await csms.status(1, "Available")
        await csms.expect(UNSIGNED, status="Installed")
        assert told(csms, UNSIGNED) == ["Downloading", "Downloaded", "Installing", "Installed"]
        await csms.expect("SecurityEventNotification", type="FirmwareUpdated")
        assert "confirm 2.0.0" in read(station, "log")
        assert not list((station.folder / "state" / "maintenance").iterdir())
        await csms.accepted("TriggerMessage", requestedMessage="FirmwareStatusNotification")
        await csms.expect(UNSIGNED, status="Idle")


@pytest.mark.req("OCPP 1.6 §5.19: the device waits until a running charge has ended; free connectors are Unavailable")
@virtual
async def test_an_installation_waits_for_a_charge_and_lets_nothing_new_begin() -> None:
    async with place(evses=2) as (station, csms, host):
        await station.charging(evse=1)
        await csms.call("UpdateFirmware", location=host.url("/firmware.bin"), retrieveDate=csms.at())
        await states(csms, UNSIGNED, "Downloading", "Downloaded")
        await csms.status(2, "Unavailable")
        await csms.silence(UNSIGNED, 20)
        assert station.evse(1).contactor.closed
        await station.unplug()
        await csms.expect("StopTransaction")
        await csms.status(1, "Unavailable")
        await csms.expect(UNSIGNED, status="Installing")
        await csms.status(1, "Available")
        await csms.status(2, "Available")
        await csms.expect(UNSIGNED, status="Installed")


@pytest.mark.req("OCPP 1.6 §5.19: connectors are given back after an installation that failed")
@case("TC_044_3_CS")
async def test_an_installation_that_fails_gives_the_connectors_back() -> None:
    async with place("fail") as (station, csms, host):
        await csms.call("UpdateFirmware", location=host.url("/firmware.bin"), retrieveDate=csms.at())
        await csms.status(1, "Unavailable")
        await csms.status(1, "Available")
        await csms.expect(UNSIGNED, status="InstallationFailed")
        assert station.restarts == 0
        write(station, plan="fallback")  # the new image does not come up
        await csms.call("UpdateFirmware", location=host.url("/firmware.bin"), retrieveDate=csms.at())
        await csms.expect("BootNotification")
        await csms.expect(UNSIGNED, status="InstallationFailed")
        await csms.status(1, "Available")


@pytest.mark.req("OCPP 1.6 §5.19: retrieveDate, retries, retryInterval")
@case("TC_044_2_CS")
async def test_a_download_is_tried_as_often_as_asked_from_its_date_on_and_told_once() -> None:
    async with place() as (_, csms, host):
        order = {"location": host.url("/firmware.bin"), "retrieveDate": csms.at(30), "retries": 2, "retryInterval": 10}
        host.refuse = True
        await csms.call("UpdateFirmware", order)
        await csms.silence(UNSIGNED, 25)
        began = (await csms.frame(UNSIGNED, status="Downloading")).at_s
        ended = (await csms.frame(UNSIGNED, status="DownloadFailed", within_s=300)).at_s
        assert 19 < ended - began < 25
        host.refuse = False
        await csms.call("UpdateFirmware", location=host.url("/firmware.bin"), retrieveDate=csms.at(), retries=2)
        await csms.expect(UNSIGNED, status="Installed")
        assert told(csms, UNSIGNED)[2:] == ["Downloading", "Downloaded", "Installing", "Installed"]


@pytest.mark.req("quirk T19: probing with requests that cannot be meant")
@virtual
async def test_a_probe_with_an_address_that_cannot_be_meant_fails_at_once_and_harms_nothing() -> None:
    async with place() as (_, csms, host):
        for location in ("dummy://dummy", "file:///etc/passwd", "nonsense"):
            assert await csms.call("UpdateFirmware", location=location, retrieveDate=csms.at()) == {}
            await states(csms, UNSIGNED, "Downloading", "DownloadFailed")
            assert await csms.call("GetDiagnostics", location=location) == {}
            await csms.expect("DiagnosticsStatusNotification", status="UploadFailed")
        assert host.uploads == {}


@pytest.mark.req("OCPP 1.6 §4.5: states are told after an outage and over power cuts, once, in order")
@virtual
async def test_power_cuts_at_every_step_lose_no_state_and_repeat_none() -> None:
    async with place("wait") as (station, csms, host):
        host.refuse = True
        fetch = {"location": host.url("/firmware.bin"), "retrieveDate": csms.at(), "retries": 9, "retryInterval": 30}
        await csms.call("UpdateFirmware", fetch)
        await csms.expect(UNSIGNED, status="Downloading")
        await station.power_cut()
        await csms.expect("BootNotification")
        host.refuse = False
        await csms.expect(UNSIGNED, status="Installing")
        await station.until(lambda: read(station, "log").count("install ") == 1)  # told first, begun then
        for begun in (2, 3):
            await station.power_cut()  # in the middle of the installation
            await csms.expect("BootNotification")
            await station.until(lambda so_often=begun: read(station, "log").count("install ") == so_often)
        write(station, plan="reboot")
        await csms.expect(UNSIGNED, status="Installed")
        assert told(csms, UNSIGNED) == ["Downloading", "Downloaded", "Installing", "Installed"]


@pytest.mark.req("OCPP 1.6 §4.5")
@virtual
async def test_an_update_goes_on_without_the_csms_and_is_told_when_it_is_back() -> None:
    async with place() as (station, csms, host):
        await csms.call("UpdateFirmware", location=host.url("/firmware.bin"), retrieveDate=csms.at(10))
        csms.cut()
        await station.rest(60)
        assert "installed" in read(station, "log")
        assert "confirm" not in read(station, "log")  # an image that has not reached the CSMS is not kept for good yet
        csms.mend()
        await states(csms, UNSIGNED, "Downloading", "Downloaded", "Installing", "Installed")
        assert "confirm 2.0.0" in read(station, "log")


@pytest.mark.req("security whitepaper L01.FR.20: CALLERROR NotSupported for unsigned firmware where it must be signed")
@virtual
async def test_unsigned_firmware_is_refused_once_a_root_of_the_manufacturer_is_known() -> None:
    async with place() as (_, csms, host):
        await trust(csms)
        code = await csms.error("UpdateFirmware", location=host.url("/firmware.bin"), retrieveDate=csms.at())
        assert code == "NotSupported"
        await csms.silence(UNSIGNED, 5)


# ---- signed updates --------------------------------------------------------------------------------------------------


@pytest.mark.req("security whitepaper L01: DownloadScheduled, InstallScheduled, requestId with every state")
@case("TC_080_CS")
async def test_a_signed_update_waits_for_its_dates_and_says_so() -> None:
    async with place() as (_, csms, host):
        await trust(csms)
        await csms.accepted("SignedUpdateFirmware", order(host, csms, retrieve_s=20, install_s=40))
        await csms.expect(SIGNED, status="DownloadScheduled", requestId=5)
        await csms.silence(SIGNED, 15)
        await states(csms, SIGNED, "Downloading", "Downloaded", "SignatureVerified", "InstallScheduled", requestId=5)
        await csms.silence(SIGNED, 12)
        await states(csms, SIGNED, "Installing", "InstallRebooting", requestId=5)
        await csms.expect("BootNotification")
        await csms.expect(SIGNED, status="Installed", requestId=5)
        await csms.accepted("ExtendedTriggerMessage", requestedMessage="FirmwareStatusNotification")
        assert await csms.expect(SIGNED) == {"status": "Idle"}


@pytest.mark.req("security whitepaper L01.FR.02, .22: InvalidCertificate, event InvalidFirmwareSigningCertificate")
@virtual
async def test_a_signing_certificate_that_is_not_the_manufacturers_is_refused_before_anything_is_fetched() -> None:
    async with place() as (_, csms, host):
        stranger = trustme.CA().issue_cert("firmware.example").cert_chain_pems[0].bytes().decode()
        assert await csms.call("SignedUpdateFirmware", order(host, csms)) == {"status": "InvalidCertificate"}
        await csms.expect("SecurityEventNotification", type="InvalidFirmwareSigningCertificate")
        await trust(csms)
        for certificate in (stranger, "nonsense", aged(-2), aged(400)):
            answer = await csms.call("SignedUpdateFirmware", order(host, csms, certificate=certificate))
            assert answer == {"status": "InvalidCertificate"}, certificate
            await csms.expect("SecurityEventNotification", type="InvalidFirmwareSigningCertificate")
        await csms.silence(SIGNED, 5)


def aged(begins_in_days: int) -> str:
    """Return a certificate of the manufacturer that is not valid now."""
    issuer = x509.load_pem_x509_certificate(MAKER.cert_pem.bytes())
    maker: Any = serialization.load_pem_private_key(MAKER.private_key_pem.bytes(), None)
    begins = datetime.now(UTC) + timedelta(days=begins_in_days)
    builder = x509.CertificateBuilder().subject_name(issuer.subject).issuer_name(issuer.subject)
    builder = builder.public_key(ec.generate_private_key(ec.SECP256R1()).public_key()).serial_number(7)
    made = builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=1)).sign(maker, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.req("security whitepaper L01.FR.21: RevokedCertificate")
@virtual
async def test_a_revoked_signing_certificate_is_refused_as_such() -> None:
    maker: Any = serialization.load_pem_private_key(MAKER.private_key_pem.bytes(), None)
    issuer = x509.load_pem_x509_certificate(MAKER.cert_pem.bytes())
    leaf = x509.load_pem_x509_certificate(SIGNER.cert_chain_pems[0].bytes())
    now = datetime.now(UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number).revocation_date(now).build()
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject).last_update(now)
    revoked = builder.next_update(now + timedelta(days=30)).add_revoked_certificate(entry).sign(maker, hashes.SHA256())
    beside = {
        "maker.crl": revoked.public_bytes(serialization.Encoding.PEM),
        "maker.pem": MAKER.cert_pem.bytes(),
    }
    lines = 'firmware_roots = ["maker.pem"]\nfirmware_crl = "maker.crl"\n'
    async with (
        file_server() as host,
        bench(epoch_utc_s=time.time(), files=beside, extra={"maintenance": lines}) as station,
    ):
        await station.booted()
        answer = await station.csms.call("SignedUpdateFirmware", order(host, station.csms))
        assert answer == {"status": "RevokedCertificate"}
        await station.csms.expect("SecurityEventNotification", type="InvalidFirmwareSigningCertificate")


@pytest.mark.req("security whitepaper L01.FR.03: InvalidSignature; the state is told until the next update")
@case("TC_081_CS")
async def test_a_signature_of_another_file_ends_the_update_and_stays_told() -> None:
    async with place() as (station, csms, host):
        await trust(csms)
        await csms.accepted("SignedUpdateFirmware", order(host, csms, content=b"another"))
        await states(csms, SIGNED, "Downloading", "Downloaded", "InvalidSignature", requestId=5)
        await csms.expect("SecurityEventNotification", type="InvalidFirmwareSignature")
        await csms.accepted("ExtendedTriggerMessage", requestedMessage="FirmwareStatusNotification")
        await csms.expect(SIGNED, status="InvalidSignature", requestId=5)
        assert read(station, "log") == ""
        assert not list((station.folder / "state" / "maintenance").iterdir())


@pytest.mark.req("security whitepaper L01: InstallVerificationFailed")
@virtual
async def test_an_image_that_the_installer_refuses_fails_its_verification() -> None:
    async with place("reject") as (_, csms, host):
        await trust(csms)
        await csms.accepted("SignedUpdateFirmware", order(host, csms))
        wanted = ("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallVerificationFailed")
        await states(csms, SIGNED, *wanted, requestId=5)
        await csms.status(1, "Available")


@pytest.mark.req("security whitepaper L01.FR.24: AcceptedCanceled; nothing may be cancelled once it is being installed")
@virtual
async def test_a_newer_request_takes_the_place_of_one_that_is_not_being_installed() -> None:
    async with place("wait") as (station, csms, host):
        await trust(csms)
        await csms.accepted("SignedUpdateFirmware", order(host, csms, 1, install_s=3600))
        await csms.expect(SIGNED, status="InstallScheduled", requestId=1)
        assert await csms.call("SignedUpdateFirmware", order(host, csms, 2)) == {"status": "AcceptedCanceled"}
        await csms.expect(SIGNED, status="Installing", requestId=2)
        assert await csms.call("SignedUpdateFirmware", order(host, csms, 3)) == {"status": "Rejected"}
        write(station, plan="installed")
        await csms.expect(SIGNED, status="Installed", requestId=2)
        assert [frame.payload["requestId"] for frame in csms.calls(SIGNED)][-3:] == [2, 2, 2]
        await csms.accepted("SignedUpdateFirmware", order(host, csms, 4))
        await csms.expect(SIGNED, status="Installed", requestId=4)
        assert station.restarts == 0


@pytest.mark.req("security whitepaper L01.FR.12: a file that was changed after it was fetched is not installed")
@virtual
async def test_a_file_that_was_changed_on_the_disk_meanwhile_is_not_installed() -> None:
    async with place() as (station, csms, host):
        await trust(csms)
        await csms.accepted("SignedUpdateFirmware", order(host, csms, install_s=20))
        await csms.expect(SIGNED, status="InstallScheduled")
        image = station.folder / "state" / "maintenance" / "firmware.bin"
        image.write_bytes(IMAGE + b"!")
        await station.power_cut()
        await csms.expect(SIGNED, status="InvalidSignature", requestId=5, within_s=900)
        await csms.expect("SecurityEventNotification", type="InvalidFirmwareSignature")
        assert read(station, "log") == ""


@pytest.mark.req("security whitepaper L01.FR.11: RSA-PSS, and PKCS #1 v1.5 as many sign")
@pytest.mark.parametrize("way", ["pss", "pkcs1"])
def test_signatures_of_rsa_keys_are_understood_both_ways(way: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    maker: Any = serialization.load_pem_private_key(MAKER.private_key_pem.bytes(), None)
    issuer = x509.load_pem_x509_certificate(MAKER.cert_pem.bytes())
    now = datetime.now(UTC) - timedelta(hours=1)
    builder = x509.CertificateBuilder().subject_name(issuer.subject).issuer_name(issuer.subject)
    builder = builder.public_key(key.public_key()).serial_number(9).not_valid_before(now)
    leaf = builder.not_valid_after(now + timedelta(days=9)).sign(maker, hashes.SHA256())
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    signature = key.sign(IMAGE, pss if way == "pss" else padding.PKCS1v15(), hashes.SHA256())
    certificate = leaf.public_bytes(serialization.Encoding.PEM).decode()

    async def play() -> None:
        async with place("installed") as (_, csms, host):
            await trust(csms)
            request = order(host, csms, certificate=certificate, signature=signature)
            await csms.accepted("SignedUpdateFirmware", request)
            await csms.expect(SIGNED, status="Installed")

    in_virtual_time(play())


# ---- diagnostics and logs --------------------------------------------------------------------------------------------


def bundle_of(host: FileServer, name: str) -> dict[str, str]:
    """Return the files of an uploaded bundle."""
    [content] = [body for path, body in host.uploads.items() if path.endswith(name)]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {each.name.partition("/")[2]: archive.extractfile(each) for each in archive.getmembers()}
        return {name: file.read().decode() for name, file in members.items() if file is not None}


@pytest.mark.req("OCPP 1.6 §5.9, §4.4: one file; id tokens and secrets stay on the station")
@case("TC_045_1_CS")
async def test_diagnostics_hold_what_support_needs_and_nothing_that_must_not_leave() -> None:
    password = "correct horse battery"
    extra = {"csms": 'password_file = "csms-password"\n'}
    async with place(extra=extra, files={"csms-password": password.encode()}) as (station, csms, host):
        await station.charging()
        await station.unplug()
        await csms.expect("StopTransaction")
        await csms.configure(MeterValueSampleInterval=30)
        toml = station.folder / "station.toml"
        toml.write_text('[maintenance]\nmax_bundle_mb = 1\n[csms]\npassword = "hunter22"\n')
        location = host.url("/in/").replace("http://", "http://bob:s3cret@")
        answer = await csms.call("GetDiagnostics", location=location)
        await states(csms, "DiagnosticsStatusNotification", "Uploading", "Uploaded")
        found = bundle_of(host, answer["fileName"])
        charges = json.loads(found["charges.json"])["rows"]
        assert [row["token"].startswith("id:") for row in charges] == [True]
        assert json.loads(found["status.json"])["station"]["id"] == IDENTITY
        assert "[maintenance]" in found["station.toml"]
        assert "StartTransaction" in found["frames.json"]
        assert json.loads(found["manifest.json"])["station"] == IDENTITY
        assert {"why.json", "queue.json", "versions.json", "security.jsonl", "agent.log"} <= found.keys()
        everything = "\n".join(found.values())
        for secret in (password, "s3cret", "hunter22", "A1A1A1A1"):
            assert secret not in everything
        await csms.accepted("TriggerMessage", requestedMessage="DiagnosticsStatusNotification")
        await csms.expect("DiagnosticsStatusNotification", status="Idle")


@pytest.mark.req("security whitepaper N01: only events of the time that is asked about")
@case("TC_079_CS")
async def test_a_security_log_holds_the_events_of_its_time() -> None:
    async with place() as (station, csms, host):
        await station.rest(5)
        since = csms.at()
        await trust(csms)
        for oldest, expected in ((None, "startup"), (since, "parameters_changed")):
            log = {"remoteLocation": host.url("/")} | ({} if oldest is None else {"oldestTimestamp": oldest})
            answer = await csms.accepted("GetLog", logType="SecurityLog", requestId=3, log=log)
            await states(csms, "LogStatusNotification", "Uploading", "Uploaded", requestId=3)
            found = bundle_of(host, answer["filename"])
            events = [json.loads(line)["event"] for line in found["security.jsonl"].splitlines()]
            assert expected in events
            assert ("startup" in events) == (oldest is None)
            assert found.keys() == {"security.jsonl", "manifest.json"}
            host.uploads.clear()


@pytest.mark.req("security whitepaper N01: AcceptedCanceled; the state names the newer request")
@virtual
async def test_a_newer_log_request_takes_the_older_ones_place_and_a_restart_repeats_nothing() -> None:
    async with place() as (station, csms, host):
        host.refuse = True
        log = {"remoteLocation": host.url("/")}
        ask = {"logType": "DiagnosticsLog", "log": log, "retries": 20, "retryInterval": 30}
        await csms.accepted("GetLog", ask, requestId=1)
        await csms.expect("LogStatusNotification", status="Uploading", requestId=1)
        answer = await csms.call("GetLog", ask, requestId=2)
        assert answer["status"] == "AcceptedCanceled"
        await csms.expect("LogStatusNotification", status="Uploading", requestId=2)
        await csms.accepted("ExtendedTriggerMessage", requestedMessage="LogStatusNotification")
        await csms.expect("LogStatusNotification", status="Uploading", requestId=2)
        await station.power_cut()
        await csms.expect("BootNotification")
        host.refuse = False
        await csms.expect("LogStatusNotification", status="Uploaded", requestId=2, within_s=300)
        assert [path.rpartition("/")[2] for path in host.uploads] == [answer["filename"]]
        assert told(csms, "LogStatusNotification") == ["Uploading", "Uploading", "Uploading", "Uploaded"]
        await csms.accepted("ExtendedTriggerMessage", requestedMessage="LogStatusNotification")
        assert await csms.expect("LogStatusNotification") == {"status": "Idle"}


@pytest.mark.req("security whitepaper N01: UploadFailure after the retries")
@case("TC_045_2_CS")
async def test_uploads_that_fail_are_told_once_and_a_log_that_cannot_go_anywhere_is_refused() -> None:
    async with place() as (_, csms, host):
        host.refuse = True
        log = {"remoteLocation": host.url("/")}
        await csms.accepted("GetLog", logType="DiagnosticsLog", requestId=1, log=log, retries=1, retryInterval=5)
        await states(csms, "LogStatusNotification", "Uploading", "UploadFailure", requestId=1)
        odd = {"remoteLocation": "gopher://x/"}
        answer = await csms.call("GetLog", logType="DiagnosticsLog", requestId=2, log=odd)
        assert answer == {"status": "Rejected"}
        await csms.silence("LogStatusNotification", 5)


@pytest.mark.req("OCPP 1.6 §9, errata 3.90: SupportedFileTransferProtocols; SupportedFeatureProfiles")
@virtual
async def test_the_keys_say_what_the_station_can() -> None:
    async with place() as (_, csms, _host):
        answer = await csms.call("GetConfiguration", key=["SupportedFileTransferProtocols", "SupportedFeatureProfiles"])
        keys = {row["key"]: (row["value"], row["readonly"]) for row in answer["configurationKey"]}
        assert keys["SupportedFileTransferProtocols"] == ("FTP,FTPS,HTTP,HTTPS", True)
        assert "FirmwareManagement" in keys["SupportedFeatureProfiles"][0].split(",")


def test_an_ended_update_keeps_no_address_and_no_signature() -> None:
    from agent.maintenance.update import Update, encode_update
    from agent.model.maintenance import UpdateFirmware

    request = UpdateFirmware(
        location="http://bob:s3cret@x/", retrieve_utc_s=0.0, certificate_pem="PEM", signature="SIG"
    )
    kept = encode_update(Update(request=request, phase=Phase.DONE))
    assert KEY
    assert all(word not in kept for word in (b"s3cret", b"PEM", b"SIG"))
    assert decode_update(kept).request.signed
