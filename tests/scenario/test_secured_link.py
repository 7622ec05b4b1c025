"""Security profiles, passwords, certificates and events, as a CSMS sees them over loopback."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509

from agent.app import dialect_of
from agent.clock import Clock
from agent.model.faults import Fault, FaultCode
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.variables import VariableBook
from agent.secured import Secured
from agent.security.keystore import FileKeyStore
from agent.settings.build import parse_station
from tests.scenario.ocpp_desk import view
from tests.scenario.secured_world import STATION, Csms, Source, pem_file, server_tls, sign, station

OLD = "correct horse battery"
NEW = "staple correct horse 2"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="Operator")


def with_password(folder: Path, text: str = OLD) -> str:
    (folder / "password").write_text(text + "\n")
    return 'password_file = "password"\n'


def plain(port: int) -> str:
    return f'url = "ws://localhost:{port}/ocpp"\nallow_insecure = true\n'


def secure(port: int, root: Path) -> str:
    return f'url = "wss://localhost:{port}/ocpp"\nroot_certificates = ["{root}"]\n'


async def key(csms: Csms, name: str) -> dict[str, Any]:
    answer = await csms.call("GetConfiguration", {"key": [name]})
    return dict(answer["configurationKey"][0])


# ---- profiles --------------------------------------------------------------------------------------------------------


@pytest.mark.req("security whitepaper A00.FR.201-205")
@pytest.mark.octt("TC_085_CS")
@pytest.mark.parametrize(("encoding", "text", "sent"), [("literal", OLD, OLD.encode()), ("hex", "00" * 18, b"\0" * 18)])
async def test_profile_1_sends_identity_and_password(tmp_path: Path, encoding: str, text: str, sent: bytes) -> None:
    csms = Csms(passwords={sent})
    section = with_password(tmp_path, text) + f'password_encoding = "{encoding}"\n'
    async with csms.listen() as port, station(tmp_path, plain(port) + section):
        await csms.heard("BootNotification")
        assert (await key(csms, "SecurityProfile"))["value"] == "1"
    assert (csms.visits[0].user, csms.visits[0].path) == ("CP-0001", "/ocpp/CP-0001")


@pytest.mark.req("security whitepaper A00.FR.301-322")
@pytest.mark.octt("TC_086_CS")
async def test_profile_2_is_a_password_over_tls(tmp_path: Path, authority: trustme.CA) -> None:
    csms = Csms(passwords={OLD.encode()})
    root = pem_file(tmp_path, authority)
    async with (
        csms.listen(server_tls(authority)) as port,
        station(tmp_path, secure(port, root) + with_password(tmp_path)) as living,
    ):
        await csms.heard("BootNotification")
        assert (await key(csms, "SecurityProfile"))["value"] == "2"
        assert living.secured.status(living.link)["tls"]["version"] == csms.visits[0].tls


@pytest.mark.req("security whitepaper A00.FR.401-429")
@pytest.mark.octt("TC_087_CS")
async def test_profile_3_shows_a_certificate_and_no_password(tmp_path: Path, authority: trustme.CA) -> None:
    clients = trustme.CA()
    own = clients.issue_cert("station.example", common_name="SN-0001")
    own.private_key_pem.write_to_path(tmp_path / "client.key")
    own.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    section = 'client_certificate = "client.pem"\nclient_key = "client.key"\n' + with_password(tmp_path)
    csms = Csms()
    root = pem_file(tmp_path, authority)
    async with (
        csms.listen(server_tls(authority, clients=clients)) as port,
        station(tmp_path, secure(port, root) + section),
    ):
        await csms.heard("BootNotification")
        assert (await key(csms, "SecurityProfile"))["value"] == "3"
    assert (csms.visits[0].common_name, csms.visits[0].password) == ("SN-0001", None)


@pytest.mark.req("security whitepaper A05")
@pytest.mark.octt("TC_083_CS")
async def test_a_higher_profile_is_used_from_the_next_connection_on_and_never_left(
    tmp_path: Path, authority: trustme.CA
) -> None:
    csms = Csms(passwords={OLD.encode()})
    root = pem_file(tmp_path, authority)
    async with csms.listen() as port, csms.listen(server_tls(authority)) as tls_port:
        section = (
            f'url = "ws://localhost:{port}/"\nfallback_urls = ["wss://localhost:{tls_port}/"]\nallow_insecure = true\n'
            f'root_certificates = ["{root}"]\n' + with_password(tmp_path)
        )
        async with station(tmp_path, section):
            await csms.heard("BootNotification")
            answer = await csms.call("ChangeConfiguration", {"key": "SecurityProfile", "value": "2"})
            assert answer == {"status": "Accepted"}
            await csms.until(lambda: [each.tls is None for each in csms.visits] == [True, False])
            await csms.until(lambda: [name for name, _ in csms.calls].count("BootNotification") == 2)
            await csms.heard("SecurityEventNotification", type="ReconfigurationOfSecurityParameters")
            assert (await key(csms, "SecurityProfile"))["value"] == "2"
        async with station(tmp_path, section):  # after a restart, too
            await csms.until(lambda: len(csms.visits) == 3)
    assert csms.visits[2].tls is not None


@pytest.mark.req("security whitepaper A05.FR.01-04")
@pytest.mark.octt("TC_084_CS")
async def test_an_equal_lower_or_unprepared_profile_is_rejected(tmp_path: Path, authority: trustme.CA) -> None:
    csms = Csms()
    root = pem_file(tmp_path, authority)
    async with (
        csms.listen(server_tls(authority)) as port,
        station(tmp_path, secure(port, root) + with_password(tmp_path)),
    ):
        for value in ("1", "2", "0", "3", "4", "two", "-1"):
            answer = await csms.call("ChangeConfiguration", {"key": "SecurityProfile", "value": value})
            assert answer == {"status": "Rejected"}, value
        assert len(csms.visits) == 1


@pytest.mark.req("security whitepaper A05.FR.02")
async def test_without_a_named_root_no_profile_with_tls_is_taken(tmp_path: Path) -> None:
    csms = Csms()
    async with csms.listen() as port, station(tmp_path, plain(port) + with_password(tmp_path)):
        answer = await csms.call("ChangeConfiguration", {"key": "SecurityProfile", "value": "2"})
        assert answer == {"status": "Rejected"}


@pytest.mark.req("security whitepaper A05.FR.06")
async def test_a_profile_that_does_not_connect_is_given_up_for_the_old_one(
    tmp_path: Path, authority: trustme.CA
) -> None:
    csms = Csms()
    root = pem_file(tmp_path, authority)
    async with csms.listen() as port:  # TLS is spoken nowhere
        section = plain(port) + f'root_certificates = ["{root}"]\n' + with_password(tmp_path)
        async with station(tmp_path, section) as living:
            await csms.heard("BootNotification")
            await csms.call("ChangeConfiguration", {"key": "SecurityProfile", "value": "2"})
            await csms.until(lambda: len(csms.visits) == 2)
            assert living.secured.vault.profile.pending is None
            assert (await key(csms, "SecurityProfile"))["value"] == "1"


# ---- passwords -------------------------------------------------------------------------------------------------------


@pytest.mark.req("security whitepaper A01")
@pytest.mark.octt("TC_073_CS")
async def test_a_new_password_is_used_at_once_and_the_old_one_forgotten_when_it_works(tmp_path: Path) -> None:
    csms = Csms(passwords={OLD.encode()})
    async with csms.listen() as port, station(tmp_path, plain(port) + with_password(tmp_path)) as living:
        await csms.heard("BootNotification")
        csms.passwords = {OLD.encode(), NEW.encode()}
        answer = await csms.call("ChangeConfiguration", {"key": "AuthorizationKey", "value": NEW})
        assert answer == {"status": "Accepted"}
        await csms.until(lambda: len(csms.visits) == 2)
        assert csms.visits[1].password == NEW.encode()
        assert living.secured.vault.passwords.candidates() == (NEW, OLD)
        await csms.call("GetConfiguration", {"key": []})  # the registered CSMS uses the connection: it is proven
        await living.until(lambda: living.secured.vault.passwords.candidates() == (NEW,))
    async with csms.listen() as port, station(tmp_path, plain(port) + with_password(tmp_path)):
        await csms.until(lambda: len(csms.visits) == 3)
    assert csms.visits[2].password == NEW.encode()


@pytest.mark.req("security whitepaper A01; field failure EVerest/libocpp#826")
async def test_a_password_that_the_csms_does_not_take_locks_nobody_out(tmp_path: Path) -> None:
    csms = Csms(passwords={OLD.encode()})
    async with csms.listen() as port, station(tmp_path, plain(port) + with_password(tmp_path)) as living:
        await csms.heard("BootNotification")
        await csms.call("ChangeConfiguration", {"key": "AuthorizationKey", "value": NEW})
        await csms.until(lambda: len(csms.visits) == 2)
        assert csms.refused == [NEW.encode()]
        assert csms.visits[1].password == OLD.encode()
        await csms.call("GetConfiguration", {"key": []})
        await living.until(lambda: living.secured.vault.passwords.candidates() == (OLD, NEW))
        await csms.heard("SecurityEventNotification", type="FailedToAuthenticateAtCentralSystem")


def check_files(state: Path) -> None:
    """The new password is in one file, which nobody else can read."""
    files = [path for path in state.rglob("*") if path.is_file()]
    holders = [path for path in files if NEW.encode() in path.read_bytes()]
    assert [(path.parent.name, path.stat().st_mode & 0o777) for path in holders] == [("secrets", 0o600)]
    assert len(files) > 2


@pytest.mark.req("security whitepaper A00.FR.205; OCPP 1.6 §5.3")
async def test_a_password_is_never_told_and_a_bad_one_is_rejected(tmp_path: Path, capfd: Any) -> None:
    csms = Csms()
    async with csms.listen() as port, station(tmp_path, plain(port) + with_password(tmp_path)):
        for bad in ("too short", "x" * 41, "tab\tin a password of 20"):
            answer = await csms.call("ChangeConfiguration", {"key": "AuthorizationKey", "value": bad})
            assert answer == {"status": "Rejected"}
        assert await key(csms, "AuthorizationKey") == {"key": "AuthorizationKey", "readonly": False}
        await csms.call("ChangeConfiguration", {"key": "AuthorizationKey", "value": NEW})
        await csms.until(lambda: len(csms.visits) == 2)
        everything = json.dumps(await csms.call("GetConfiguration", {}))
        await csms.heard("SecurityEventNotification", type="ReconfigurationOfSecurityParameters")
    said = capfd.readouterr()
    told = everything + said.out + said.err + json.dumps(csms.calls)
    assert OLD not in told
    assert NEW not in told
    check_files(tmp_path / "state")


# ---- certificates ----------------------------------------------------------------------------------------------------


async def ask_for_certificate(csms: Csms) -> str:
    """Have the station ask for a certificate; return its request."""
    before = len(csms.calls)
    answer = await csms.call("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"})
    assert answer == {"status": "Accepted"}
    await csms.until(lambda: any(name == "SignCertificate" for name, _ in csms.calls[before:]))
    return str((await csms.heard("SignCertificate"))["csr"])


@pytest.mark.req("security whitepaper A00.FR.511, A02, A03, A05")
@pytest.mark.octt("TC_074_CS")
async def test_a_key_made_on_the_station_gets_its_certificate_and_profile_3_with_it(
    tmp_path: Path, authority: trustme.CA
) -> None:
    csms = Csms()
    root = pem_file(tmp_path, authority)
    keys = FileKeyStore(tmp_path / "state" / "security")
    async with (
        csms.listen(server_tls(authority, clients=None)) as port,
        station(tmp_path, secure(port, root) + with_password(tmp_path)),
    ):
        await csms.heard("BootNotification")
        await csms.call("ChangeConfiguration", {"key": "CpoName", "value": "Operator"})
        request = await ask_for_certificate(csms)
        subject = x509.load_pem_x509_csr(request.encode()).subject.rfc4514_string()
        assert subject == "O=Operator,CN=SN-0001"
        assert "PRIVATE" not in json.dumps(csms.calls)
        answer = await csms.call("CertificateSigned", {"certificateChain": sign(request, authority)})
        assert answer == {"status": "Accepted"}
        answer = await csms.call("ChangeConfiguration", {"key": "SecurityProfile", "value": "3"})
        assert answer == {"status": "Accepted"}
        await csms.until(lambda: len(csms.visits) == 2)
    first = keys.identities()[0]
    assert first.key.stat().st_mode & 0o777 == 0o600
    renewed = Csms()
    async with (
        renewed.listen(server_tls(authority, clients=authority), port) as port,
        station(tmp_path, secure(port, root) + with_password(tmp_path)),
    ):
        await renewed.heard("BootNotification")
        assert (await key(renewed, "SecurityProfile"))["value"] == "3"
        chain = sign(await ask_for_certificate(renewed), authority)
        assert await renewed.call("CertificateSigned", {"certificateChain": chain}) == {"status": "Accepted"}
        await renewed.until(lambda: len(renewed.visits) == 2)
        assert [each.common_name for each in renewed.visits] == ["SN-0001", "SN-0001"]
    assert [each.chain.read_text() == chain for each in keys.identities()] == [True, False]


@pytest.mark.req("security whitepaper A00.FR.429, A02.FR.06, A02.FR.07")
@pytest.mark.octt("TC_077_CS")
async def test_a_certificate_that_is_not_ours_is_rejected_and_told(tmp_path: Path, authority: trustme.CA) -> None:
    csms = Csms()
    root = pem_file(tmp_path, authority)
    stranger = trustme.CA()
    async with (
        csms.listen(server_tls(authority)) as port,
        station(tmp_path, secure(port, root) + with_password(tmp_path)) as living,
    ):
        await csms.heard("BootNotification")
        unasked = authority.issue_cert("x", common_name="SN-0001").cert_chain_pems[0].bytes().decode()
        request = await ask_for_certificate(csms)
        for chain in (
            "no certificate",
            unasked,
            sign(request, stranger),
            sign(request, authority, common_name="another station"),
            sign(request, authority, begins_in_days=-9, days=5),
            sign(request, authority, begins_in_days=2),
        ):
            answer = await csms.call("CertificateSigned", {"certificateChain": chain})
            assert answer == {"status": "Rejected"}, chain
        await csms.heard("SecurityEventNotification", type="InvalidChargePointCertificate")
        assert living.secured.vault.keys().identities() == ()
        answer = await csms.call("CertificateSigned", {"certificateChain": sign(request, authority)})
        assert answer == {"status": "Accepted"}


async def roots(csms: Csms, kind: str = "CentralSystemRootCertificate") -> list[Any]:
    answer = await csms.call("GetInstalledCertificateIds", {"certificateType": kind})
    assert (answer["status"] == "NotFound") == ("certificateHashData" not in answer)
    return list(answer.get("certificateHashData", []))


@pytest.mark.req("security whitepaper M03, M04, M05")
@pytest.mark.octt("TC_075_1_CS")
@pytest.mark.octt("TC_075_2_CS")
@pytest.mark.octt("TC_076_CS")
async def test_roots_are_installed_listed_and_deleted_except_what_the_link_needs(
    tmp_path: Path, authority: trustme.CA
) -> None:
    csms = Csms()
    root = pem_file(tmp_path, authority)
    async with (
        csms.listen(server_tls(authority)) as port,
        station(tmp_path, secure(port, root) + with_password(tmp_path)),
    ):
        await csms.heard("BootNotification")
        own = await roots(csms)
        assert len(own) == 1
        assert await roots(csms, "ManufacturerRootCertificate") == []
        for kind in ("CentralSystemRootCertificate", "ManufacturerRootCertificate"):
            before = await roots(csms, kind)
            pem = trustme.CA().cert_pem.bytes().decode()
            for _ in range(2):  # again is the same
                answer = await csms.call("InstallCertificate", {"certificateType": kind, "certificate": pem})
                assert answer == {"status": "Accepted"}
            now = await roots(csms, kind)
            added = [each for each in now if each not in before]
            assert len(now) == len(before) + 1
            for algorithm in ("SHA384", "SHA256"):
                named = added[0] | {"hashAlgorithm": algorithm}
                answer = await csms.call("DeleteCertificate", {"certificateHashData": named})
                assert answer == {"status": "NotFound" if algorithm == "SHA384" else "Accepted"}
            assert await roots(csms, kind) == before
        answer = await csms.call("DeleteCertificate", {"certificateHashData": own[0]})
        assert answer == {"status": "Failed"}  # the station file names it, and the connection rests on it


@pytest.mark.req("security whitepaper M05.FR.07")
@pytest.mark.octt("TC_078_CS")
async def test_a_root_that_is_none_is_rejected_and_told(tmp_path: Path, authority: trustme.CA) -> None:
    csms = Csms()
    root = pem_file(tmp_path, authority)
    async with csms.listen(server_tls(authority)) as port, station(tmp_path, secure(port, root)):
        await csms.heard("BootNotification")
        leaf = authority.issue_cert("localhost").cert_chain_pems[0].bytes().decode()
        broken = authority.cert_pem.bytes().decode().replace("A", "B", 40)
        for bad in ("", leaf, broken):
            payload = {"certificateType": "CentralSystemRootCertificate", "certificate": bad}
            assert await csms.call("InstallCertificate", payload) == {"status": "Rejected"}, bad
        event = await csms.heard("SecurityEventNotification", type="InvalidCentralSystemCertificate")
        assert "authority" in event["techInfo"] or "certificate" in event["techInfo"]


@pytest.mark.req("security whitepaper M05.FR.09-12; AdditionalRootCertificateCheck")
async def test_a_successor_of_the_root_is_tried_alone_and_the_old_one_kept_until_it_works(
    tmp_path: Path, authority: trustme.CA
) -> None:
    csms = Csms()
    first = trustme.CA()
    successor = trustme.CA(parent_cert=first)
    folder = tmp_path / "state" / "security" / "roots"
    section = "additional_root_check = true\nsecurity_profile = 2\n" + with_password(tmp_path)
    async with csms.listen(server_tls(first)) as port:
        async with station(tmp_path, secure(port, pem_file(tmp_path, first)) + section):
            await csms.heard("BootNotification")
            for pem, status in ((trustme.CA().cert_pem, "Rejected"), (successor.cert_pem, "Accepted")):
                payload = {"certificateType": "CentralSystemRootCertificate", "certificate": pem.bytes().decode()}
                assert await csms.call("InstallCertificate", payload) == {"status": status}
        async with station(tmp_path, secure(port, tmp_path / "root.pem") + section):
            await csms.until(lambda: len(csms.visits) == 2)  # by the old one, because the CSMS has not changed over
            await csms.call("GetConfiguration", {"key": []})
            assert (folder / "tentative").exists()
    async with (
        csms.listen(server_tls(successor), port) as port,
        station(tmp_path, secure(port, tmp_path / "root.pem") + section) as living,
    ):
        await csms.until(lambda: len(csms.visits) == 3)
        await csms.call("GetConfiguration", {"key": []})
        await living.until(lambda: not (folder / "tentative").exists())


# ---- events ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("security whitepaper A04")
async def test_critical_events_wait_for_the_csms_and_all_are_in_the_log(tmp_path: Path, authority: trustme.CA) -> None:
    csms = Csms()
    root = pem_file(tmp_path, authority)
    stranger = trustme.CA()
    async with csms.listen(server_tls(stranger)) as port:
        async with station(tmp_path, secure(port, root), boot_reason="remote_reset") as living:
            await living.until(lambda: len(list(living.secured.vault.log.entries())) == 3)
        assert csms.visits == []
    async with csms.listen(server_tls(authority), port) as port, station(tmp_path, secure(port, root)):
        await csms.until(lambda: [name for name, _ in csms.calls].count("SecurityEventNotification") >= 4)
    told = [payload["type"] for name, payload in csms.calls if name == "SecurityEventNotification"]
    assert told[:4] == ["ResetOrReboot", "StartupOfTheDevice", "InvalidCentralSystemCertificate", "StartupOfTheDevice"]


@pytest.mark.req("security whitepaper A04; quirk T15: the extension is unknown there")
@pytest.mark.parametrize(("code", "dead"), [("NotImplemented", 0), ("InternalError", 1)])
async def test_a_csms_without_the_extension_is_left_in_peace(tmp_path: Path, code: str, dead: int) -> None:
    csms = Csms()
    csms.replies["SecurityEventNotification"] = lambda _payload: [4, code, "", {}]
    async with csms.listen() as port, station(tmp_path, plain(port)) as living:
        await csms.heard("SecurityEventNotification")
        async with asyncio.timeout(2.0):
            while (counts := await living.store.counts()).waiting:
                await asyncio.sleep(0.02)
        assert (counts.waiting, counts.dead) == (0, dead)
    assert [name for name, _ in csms.calls].count("SecurityEventNotification") == 1


async def test_security_events_can_be_kept_from_the_csms(tmp_path: Path) -> None:
    csms = Csms()
    async with csms.listen() as port, station(tmp_path, plain(port) + "security_events = false\n") as living:
        await csms.heard("BootNotification")
        await living.until(lambda: len(list(living.secured.vault.log.entries())) == 1)
        await csms.call("GetConfiguration", {"key": []})
    assert "SecurityEventNotification" not in [name for name, _ in csms.calls]


@pytest.mark.req("security whitepaper A04: InvalidMessages")
async def test_malformed_messages_are_told_once_however_many_come(tmp_path: Path) -> None:
    csms = Csms()
    async with csms.listen() as port, station(tmp_path, plain(port)) as living:
        await csms.heard("BootNotification")
        assert csms.connection is not None
        for number in range(30):
            await csms.connection.send(json.dumps([2, f"bad {number}", "Reset", {"type": 7}]))
        await csms.heard("SecurityEventNotification", type="InvalidMessages")
        assert len([each for each in living.secured.vault.log.entries() if "Reset" in each.text]) == 1


# ---- addresses -------------------------------------------------------------------------------------------------------


async def test_the_next_address_is_tried_where_the_first_does_not_answer_and_the_first_comes_first_again(
    tmp_path: Path,
) -> None:
    first, second = Csms(), Csms()
    async with second.listen() as fallback:
        async with first.listen() as port:
            pass
        section = f'{plain(port)}fallback_urls = ["ws://localhost:{fallback}/"]\n'
        async with station(tmp_path, section) as living:
            await second.heard("BootNotification")
            assert str(fallback) in living.secured.dialler.url
            await second.call("GetConfiguration", {"key": []})
            async with first.listen(port=port):
                assert second.connection is not None
                await second.connection.close()
                await first.until(lambda: len(first.visits) == 1)
                assert second.connection is None


@pytest.mark.req("security whitepaper A03.FR.01; field failure SmartEVSE-3.5#363")
async def test_a_certificate_that_ends_soon_is_told_and_renewed(tmp_path: Path, authority: trustme.CA) -> None:
    csms = Csms()
    clients = trustme.CA()
    ends = datetime.now(UTC) + timedelta(days=20, hours=1)
    own = clients.issue_cert("station.example", common_name="SN-0001", not_after=ends)
    own.private_key_pem.write_to_path(tmp_path / "client.key")
    own.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    section = 'client_certificate = "client.pem"\nclient_key = "client.key"\n'
    async with (
        csms.listen(server_tls(authority, clients=clients)) as port,
        station(tmp_path, secure(port, pem_file(tmp_path, authority)) + section) as living,
    ):
        await csms.heard("SignCertificate")
        await living.until(lambda: len(living.secured.status(living.link)["certificates"]) == 3)
        status = living.secured.status(living.link)
    found = {each["what"]: each["days_left"] for each in status["certificates"]}
    assert found["certificate of the station"] == 20
    assert found["root of the station file"] > 60
    assert found["certificate of the CSMS"] > 60


@pytest.mark.req("security whitepaper A04: SettingSystemTime, TamperDetectionActivated, MemoryExhaustion")
async def test_time_tampering_and_a_full_store_are_told(tmp_path: Path) -> None:
    csms = Csms()
    async with csms.listen() as port, station(tmp_path, plain(port)) as living:
        await csms.heard("BootNotification")
        living.secured.time_set(1_800_000_000.0, 7.5)
        open_door = view(1, faults=(Fault(code=FaultCode.DOOR_OPEN, evse_id=1),))
        for views in ((view(1),), (open_door,), (open_door,), (view(1),)):
            living.secured.seen(views)
        living.secured.store_failing("the disk is full")
        told = {
            name: (await csms.heard("SecurityEventNotification", type=name)).get("techInfo")
            for name in ("SettingSystemTime", "TamperDetectionActivated", "MemoryExhaustion")
        }
    assert "+7.5 s" in told["SettingSystemTime"]
    assert told["TamperDetectionActivated"] == "EVSE 1: door_open"
    entries = [each.event.value for each in living.secured.vault.log.entries()]
    assert entries.count("tamper_detection") == 1


def test_the_machines_clock_is_set_only_where_that_is_wanted_and_a_refusal_is_survived(tmp_path: Path) -> None:
    wished: list[float] = []

    def refuse(utc_s: float) -> None:
        wished.append(utc_s)
        raise PermissionError(1, "Operation not permitted")

    for wanted in (False, True):
        text = STATION.format(csms='url = "wss://h/"') + f"[clock]\nset_system_clock = {str(wanted).lower()}\n"
        settings = parse_station(text.encode(), tmp_path / "station.toml")
        dialect = dialect_of(settings.csms.version, settings)
        book = VariableBook((*STANDARD_VARIABLES, *dialect.variables()), presets={})
        Secured(settings, dialect, book, Clock(Source()), set_clock=refuse).time_set(1_800_000_000.0, None)
        assert wished == [1_800_000_000.0] * wanted
