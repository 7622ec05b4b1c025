"""Firmware updates, diagnostics and logs."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conformance.octt.cases import case
from tests.conformance.octt.csms_side import Csms
from tests.conformance.octt.file_server import file_server
from tests.conformance.octt.whole_station import bench

FIRMWARE = b"firmware" * 4096


async def states(csms: Csms, action: str, *expected: str, **members: Any) -> None:
    """Expect these states one after the other, and nothing between them."""
    found = [(await csms.expect(action, **members))["status"] for _ in expected]
    assert found == list(expected)


@case("TC_044_1_CS")
@pytest.mark.req("OCPP 1.6 §5.19; §4.5; errata 3.47-3.49")
async def test_tc_044_1_cs_firmware_update() -> None:
    """Fetched, installed, booted."""
    async with file_server(firmware=FIRMWARE) as files, bench() as station:
        csms = station.csms
        await station.booted()
        assert await csms.call("UpdateFirmware", location=files.url("/firmware"), retrieveDate=csms.at()) == {}
        await states(csms, "FirmwareStatusNotification", "Downloading", "Downloaded", "Installing", "Installed")
        await csms.expect("BootNotification")
        await csms.status(1, "Available")


@case("TC_044_2_CS")
@pytest.mark.req("OCPP 1.6 §5.19; §4.5")
async def test_tc_044_2_cs_firmware_download_failed() -> None:
    """A file that is not there."""
    async with file_server() as files, bench() as station:
        csms = station.csms
        await station.booted()
        order = {"location": files.url("/nothing"), "retrieveDate": csms.at(), "retries": 1, "retryInterval": 5}
        assert await csms.call("UpdateFirmware", order) == {}
        await states(csms, "FirmwareStatusNotification", "Downloading", "DownloadFailed")


@case("TC_044_3_CS")
@pytest.mark.req("OCPP 1.6 §5.19; §4.5")
async def test_tc_044_3_cs_firmware_installation_failed() -> None:
    """A file that no installer takes."""
    async with file_server(firmware=b"broken") as files, bench() as station:
        csms = station.csms
        await station.booted()
        assert await csms.call("UpdateFirmware", location=files.url("/firmware"), retrieveDate=csms.at()) == {}
        wanted = ("Downloading", "Downloaded", "Installing", "InstallationFailed")
        await states(csms, "FirmwareStatusNotification", *wanted)
        await csms.status(1, "Available")


@case("TC_045_1_CS")
@pytest.mark.req("OCPP 1.6 §5.9; §4.4")
async def test_tc_045_1_cs_get_diagnostics() -> None:
    """Uploaded under the name that was told."""
    async with file_server() as files, bench() as station:
        csms = station.csms
        await station.booted()
        answer = await csms.call("GetDiagnostics", location=files.url("/"))
        await states(csms, "DiagnosticsStatusNotification", "Uploading", "Uploaded")
        assert [path.rpartition("/")[2] for path in files.uploads] == [answer["fileName"]]


@case("TC_045_2_CS")
@pytest.mark.req("OCPP 1.6 §5.9; §4.4")
async def test_tc_045_2_cs_get_diagnostics_upload_failed() -> None:
    """A server that takes nothing."""
    async with file_server() as files, bench() as station:
        csms = station.csms
        files.refuse = True
        await station.booted()
        await csms.call("GetDiagnostics", location=files.url("/"), retries=1, retryInterval=5)
        await states(csms, "DiagnosticsStatusNotification", "Uploading", "UploadFailed")


@case("TC_079_CS")
@pytest.mark.req("security whitepaper N01")
async def test_tc_079_cs_get_security_log() -> None:
    """The security log is uploaded; every state names the request."""
    async with file_server() as files, bench() as station:
        csms = station.csms
        await station.booted()
        log = {"remoteLocation": files.url("/")}
        answer = await csms.accepted("GetLog", logType="SecurityLog", requestId=12, log=log)
        await states(csms, "LogStatusNotification", "Uploading", "Uploaded", requestId=12)
        assert [path.rpartition("/")[2] for path in files.uploads] == [answer["filename"]]


def signed(key: ec.EllipticCurvePrivateKey, content: bytes) -> str:
    """Return a signature over a file, as a manufacturer makes it."""
    return base64.b64encode(key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()


def order(location: str, csms: Csms, maker: trustme.CA, *, right: bool) -> dict[str, Any]:
    """Return a SignedUpdateFirmware with a right or a wrong signature."""
    leaf = maker.issue_cert("firmware.example", common_name="Firmware")
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    firmware = {
        "location": location,
        "retrieveDateTime": csms.at(),
        "signingCertificate": leaf.cert_chain_pems[0].bytes().decode(),
        "signature": signed(key, FIRMWARE if right else b"another file"),
    }
    return {"requestId": 5, "firmware": firmware}


@case("TC_080_CS")
@pytest.mark.req("security whitepaper L01")
async def test_tc_080_cs_secure_firmware_update() -> None:
    """Fetched, verified, installed, and told."""
    maker = trustme.CA(organization_name="Manufacturer")
    async with file_server(firmware=FIRMWARE) as files, bench(epoch_utc_s=time.time()) as station:
        csms = station.csms
        await station.booted()
        root = maker.cert_pem.bytes().decode()
        await csms.accepted("InstallCertificate", certificateType="ManufacturerRootCertificate", certificate=root)
        await csms.accepted("SignedUpdateFirmware", order(files.url("/firmware"), csms, maker, right=True))
        action = "SignedFirmwareStatusNotification"
        await states(csms, action, "Downloading", "Downloaded", "SignatureVerified", requestId=5)
        await csms.expect(action, status="Installing", requestId=5)
        await csms.expect(action, status="Installed", requestId=5)
        await csms.expect("SecurityEventNotification", type="FirmwareUpdated")


@case("TC_081_CS")
@pytest.mark.req("security whitepaper L01")
async def test_tc_081_cs_secure_firmware_update_with_an_invalid_signature() -> None:
    """What is not signed right is not installed, and told."""
    maker = trustme.CA(organization_name="Manufacturer")
    async with file_server(firmware=FIRMWARE) as files, bench(epoch_utc_s=time.time()) as station:
        csms = station.csms
        await station.booted()
        root = maker.cert_pem.bytes().decode()
        await csms.accepted("InstallCertificate", certificateType="ManufacturerRootCertificate", certificate=root)
        await csms.accepted("SignedUpdateFirmware", order(files.url("/firmware"), csms, maker, right=False))
        action = "SignedFirmwareStatusNotification"
        await states(csms, action, "Downloading", "Downloaded", "InvalidSignature", requestId=5)
        await csms.expect("SecurityEventNotification", type="InvalidFirmwareSignature")
        await csms.silence(action, 10, status="Installing")
