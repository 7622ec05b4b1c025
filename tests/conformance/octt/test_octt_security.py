"""Security: passwords, certificates, profiles. These cases go over TLS and real sockets."""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import trustme

from tests.conformance.octt.cases import case
from tests.conformance.octt.csms_side import Csms, Listen
from tests.conformance.octt.whole_station import Bench, bench
from tests.scenario.secured_world import server_tls, sign

OLD, NEW = "correct horse battery", "staple correct horse 2"
ALLOWED_CIPHERS = ("ECDHE", "TLS_AES", "TLS_CHACHA20", "AES128-GCM", "AES256-GCM")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="Operator")


def profile_1(password: str = OLD) -> AbstractAsyncContextManager[Bench]:
    """Return a station with a password, without TLS."""
    extra = {"csms": 'password_file = "password"\n'}
    listen = Listen(passwords={OLD.encode(), NEW.encode()})
    return bench(extra=extra, files={"password": password.encode()}, network=[listen])


def profile_2(authority: trustme.CA, server: trustme.CA | None = None) -> AbstractAsyncContextManager[Bench]:
    """Return a station with a password over TLS."""
    extra = {"csms": 'password_file = "password"\nroot_certificates = ["root.pem"]\n'}
    files = {"password": OLD.encode(), "root.pem": authority.cert_pem.bytes()}
    listen = Listen(tls=server_tls(server or authority), passwords={OLD.encode()})
    return bench(extra=extra, files=files, network=[listen], epoch_utc_s=time.time())


def profile_3(authority: trustme.CA) -> AbstractAsyncContextManager[Bench]:
    """Return a station with a certificate of its own."""
    extra = {"csms": 'root_certificates = ["root.pem"]\nclient_certificate = "own.pem"\nclient_key = "own.key"\n'}
    own = authority.issue_cert("station.example", common_name="CP-1")
    files = {
        "root.pem": authority.cert_pem.bytes(),
        "own.pem": own.cert_chain_pems[0].bytes(),
        "own.key": own.private_key_pem.bytes(),
    }
    listen = Listen(tls=server_tls(authority, clients=authority))
    return bench(extra=extra, files=files, network=[listen], epoch_utc_s=time.time())


async def profile_in_use(csms: Csms) -> str:
    answer = await csms.call("GetConfiguration", key=["SecurityProfile"])
    return str(answer["configurationKey"][0]["value"])


async def roots(csms: Csms, kind: str) -> list[Any]:
    answer = await csms.call("GetInstalledCertificateIds", certificateType=kind)
    return list(answer.get("certificateHashData", []))


async def event(csms: Csms, name: str) -> None:
    await csms.expect("SecurityEventNotification", type=name)


@case("TC_073_CS")
async def test_tc_073_cs_update_the_basic_auth_password() -> None:
    """A new password is accepted, and shown on the next connection."""
    async with profile_1() as station:
        csms = station.csms
        await station.booted()
        await csms.configure(AuthorizationKey=NEW)
        await station.until(lambda: len(csms.visits) == 2)
        assert [each.password for each in csms.visits] == [OLD.encode(), NEW.encode()]
        assert await profile_in_use(csms) == "1"


@case("TC_074_CS")
async def test_tc_074_cs_update_the_stations_certificate(authority: trustme.CA) -> None:
    """Asked for, requested, signed, taken, and shown on the next connection."""
    async with profile_3(authority) as station:
        csms = station.csms
        csms.script(action="SignCertificate", reply="result", patch={"status": "Accepted"})
        await station.booted()
        await csms.accepted("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate")
        request = await csms.expect("SignCertificate")
        await csms.accepted("CertificateSigned", certificateChain=sign(request["csr"], authority))
        await station.until(lambda: len(csms.visits) == 2)
        assert csms.visits[1].common_name == "CP-1"


@case("TC_075_1_CS")
async def test_tc_075_1_cs_install_a_manufacturer_root(authority: trustme.CA) -> None:
    """Taken, and listed."""
    await install(authority, "ManufacturerRootCertificate")


@case("TC_075_2_CS")
async def test_tc_075_2_cs_install_a_central_system_root(authority: trustme.CA) -> None:
    """Taken, and listed."""
    await install(authority, "CentralSystemRootCertificate")


async def install(authority: trustme.CA, kind: str) -> None:
    other = trustme.CA(organization_name="Another").cert_pem.bytes().decode()
    async with profile_2(authority) as station:
        csms = station.csms
        await station.booted()
        before = len(await roots(csms, kind))
        await csms.accepted("InstallCertificate", certificateType=kind, certificate=other)
        assert len(await roots(csms, kind)) == before + 1


@case("TC_076_CS")
async def test_tc_076_cs_delete_a_certificate(authority: trustme.CA) -> None:
    """Deleted, and listed no more; the root in use stays."""
    kind = "CentralSystemRootCertificate"
    other = trustme.CA(organization_name="Another").cert_pem.bytes().decode()
    async with profile_2(authority) as station:
        csms = station.csms
        await station.booted()
        [in_use] = await roots(csms, kind)
        await csms.accepted("InstallCertificate", certificateType=kind, certificate=other)
        [added] = [each for each in await roots(csms, kind) if each != in_use]
        await csms.accepted("DeleteCertificate", certificateHashData=added)
        assert await roots(csms, kind) == [in_use]
        assert await csms.call("DeleteCertificate", certificateHashData=in_use) == {"status": "Failed"}
        assert await csms.call("DeleteCertificate", certificateHashData=added) == {"status": "NotFound"}


@case("TC_077_CS")
async def test_tc_077_cs_invalid_certificate_of_the_station(authority: trustme.CA) -> None:
    """A certificate of somebody else's is rejected and told."""
    async with profile_3(authority) as station:
        csms = station.csms
        csms.script(action="SignCertificate", reply="result", patch={"status": "Accepted"})
        await station.booted()
        await csms.accepted("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate")
        request = await csms.expect("SignCertificate")
        answer = await csms.call("CertificateSigned", certificateChain=sign(request["csr"], trustme.CA()))
        assert answer == {"status": "Rejected"}
        await event(csms, "InvalidChargePointCertificate")


@case("TC_078_CS")
async def test_tc_078_cs_invalid_central_system_certificate(authority: trustme.CA) -> None:
    """What is no root is rejected and told."""
    async with profile_2(authority) as station:
        csms = station.csms
        await station.booted()
        leaf = authority.issue_cert("leaf.example").cert_chain_pems[0].bytes().decode()
        kind = "CentralSystemRootCertificate"
        answer = await csms.call("InstallCertificate", certificateType=kind, certificate=leaf)
        assert answer == {"status": "Rejected"}
        await event(csms, "InvalidCentralSystemCertificate")


@case("TC_083_CS")
async def test_tc_083_cs_upgrade_the_security_profile(authority: trustme.CA) -> None:
    """From a password to a password over TLS, and a boot there."""
    extra = {"csms": 'password_file = "password"\nroot_certificates = ["root.pem"]\n'}
    files = {"password": OLD.encode(), "root.pem": authority.cert_pem.bytes()}
    places = [Listen(passwords={OLD.encode()}), Listen(tls=server_tls(authority), passwords={OLD.encode()})]
    async with bench(extra=extra, files=files, network=places, epoch_utc_s=time.time()) as station:
        csms = station.csms
        await station.booted()
        assert await profile_in_use(csms) == "1"
        await csms.configure(SecurityProfile=2)
        await csms.expect("BootNotification")
        assert [each.tls is not None for each in csms.visits] == [False, True]
        assert await profile_in_use(csms) == "2"


@case("TC_084_CS")
async def test_tc_084_cs_downgrade_the_security_profile(authority: trustme.CA) -> None:
    """Never."""
    async with profile_2(authority) as station:
        csms = station.csms
        await station.booted()
        for value in ("1", "0"):
            answer = await csms.call("ChangeConfiguration", key="SecurityProfile", value=value)
            assert answer == {"status": "Rejected"}
        assert await profile_in_use(csms) == "2"


@case("TC_085_CS")
async def test_tc_085_cs_basic_authentication() -> None:
    """Identity and password are in the upgrade request."""
    async with profile_1() as station:
        await station.booted()
        [visit] = station.csms.visits
        assert (visit.user, visit.password) == ("CP-1", OLD.encode())


@case("TC_086_CS")
async def test_tc_086_cs_tls_server_certificate(authority: trustme.CA) -> None:
    """TLS 1.2 or newer with a strong cipher, and a password."""
    async with profile_2(authority) as station:
        await station.booted()
        [visit] = station.csms.visits
        assert visit.tls in ("TLSv1.2", "TLSv1.3")
        assert (visit.cipher or "").startswith(ALLOWED_CIPHERS)
        assert (visit.user, visit.password) == ("CP-1", OLD.encode())


@case("TC_086_CS")
async def test_tc_086_cs_a_server_of_another_root_is_refused(authority: trustme.CA) -> None:
    """A certificate that no known root vouches for is not talked to."""
    async with profile_2(authority, server=trustme.CA()) as station:
        await station.rest(60)
        assert station.csms.calls() == []


@case("TC_087_CS")
async def test_tc_087_cs_tls_client_certificate(authority: trustme.CA) -> None:
    """The station's own certificate, and no password."""
    async with profile_3(authority) as station:
        await station.booted()
        [visit] = station.csms.visits
        assert visit.tls in ("TLSv1.2", "TLSv1.3")
        assert (visit.common_name, visit.password) == ("CP-1", None)
