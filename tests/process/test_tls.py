"""TLS and passwords with the real processes: who is believed, who is not, and no way back to plain text."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from hil.house import HouseOptions
from hil.raw_server import Manners, RawServer, answering
from tests.process.houses import Stay, options, wanted, world

pytestmark = pytest.mark.process


def tls_house(
    folder: Path, ocpp: str = "1.6", *, name: str = "localhost", root: trustme.CA | None = None, **more: Any
) -> HouseOptions:
    """Return a house whose CSMS shows a certificate for ``name``; the station trusts ``root``, else its signer."""
    authority = trustme.CA()
    authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(folder / "csms.pem")
    (root or authority).cert_pem.write_to_path(folder / "root.pem")
    section = f'root_certificates = ["{folder / "root.pem"}"]\n' + more.pop("section", "")
    return options(
        ocpp,
        url="wss://localhost:{port}/",
        allow_insecure=False,
        csms=("--tls-cert", str(folder / "csms.pem"), *more.pop("csms", ())),
        extra={"csms": section},
        **more,
    )


async def refused(house: Stay, words: str) -> None:
    """The station says why it has no link, and nothing of it ever reached the CSMS."""
    await house.until(lambda status: words in status["csms"]["error"])
    assert not (await house.status())["csms"]["online"]
    assert await house.csms.ask("stations") == []


@pytest.mark.req("OCPP security whitepaper A00; OCPP 2.0.1 A00")
@pytest.mark.octt("TC_086_CS")
async def test_a_charge_over_tls_with_a_private_root(tmp_path: Path) -> None:
    async with world(tls_house(tmp_path, "2.0.1")) as house:
        await house.house.start_station()
        await house.online()
        await house.begin()
        await house.end(charged_s=1.0)
        await house.exact(1)
        assert (await house.status())["csms"]["url"].startswith("wss://")


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    async with world(tls_house(tmp_path, name="csms.example.com")) as house:
        await house.house.start_station()
        await refused(house, "certificate of localhost is refused")
        assert "mismatch" in (await house.status())["csms"]["error"]


async def test_a_root_that_nobody_named_is_refused(tmp_path: Path) -> None:
    async with world(tls_house(tmp_path, root=trustme.CA())) as house:
        await house.house.start_station()
        await refused(house, "certificate of localhost is refused")


async def test_plain_text_is_never_tried_instead_of_tls_and_no_redirect_leads_there(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "root.pem")
    chosen = options(
        url="wss://localhost:{port}/",
        allow_insecure=False,
        extra={"csms": f'root_certificates = ["{tmp_path / "root.pem"}"]'},
    )
    async with world(chosen) as house:  # its CSMS speaks plain text
        await house.house.start_station()
        await refused(house, "localhost")
        async with RawServer(reply=answering()) as plain, RawServer(tls=server_tls(authority, tmp_path)) as server:
            server.manners = Manners(http_status=302, headers=(("Location", plain.url + "BENCH-1"),))
            await house.bench.net_target(port=int(server.url.rstrip("/").rpartition(":")[2]))
            await house.until(lambda status: "redirects are not followed" in status["csms"]["error"])
            assert len(server.requests) >= 1
            assert plain.requests == []
        assert await house.csms.ask("stations") == []


async def test_a_file_that_asks_for_plain_text_without_allowing_it_starts_no_station() -> None:
    async with world(options(allow_insecure=False)) as house:
        command = house.house.options.agent_command
        agent = await house.house._launcher.start("agent", [*command, "run", "--config", str(house.house.station_file)])
        assert await agent.wait(timeout_s=20) != 0
        assert "allow_insecure" in agent.log_text()
        assert await house.csms.ask("stations") == []


@pytest.mark.req("OCPP-J 1.6 §6.2.2; OCPP 2.0.1 A00.FR.204")
async def test_a_wrong_password_is_refused_and_a_corrected_file_is_used_without_a_restart(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("not the one that was agreed on\n")
    chosen = tls_house(
        tmp_path, section=f'password_file = "{password}"\n', csms=("--password", "correct horse battery")
    )
    async with world(chosen) as house:
        await house.house.start_station()
        await house.csms.wait(kind="refused", timeout_s=20)
        await refused(house, "401")
        password.write_text("correct horse battery\n")
        await wanted(house, "BootNotification")
        await house.online()
        assert house.house.restarts["agent"] == 0
        assert "correct horse" not in house.house.child("agent").log_text()
        assert "not the one" not in house.house.child("agent").log_text()


def in_the_open(pid: int, folder: Path) -> list[bytes]:
    """Return what others can see of a process, and every file of the station but its secrets and the CSMS's own."""
    seen = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "secrets"]
    return seen + [path.read_bytes() for path in files if not path.name.startswith("csms")]


def server_tls(authority: trustme.CA, folder: Path) -> ssl.SSLContext:
    """Return a server's TLS context for localhost."""
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "other.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "other.pem")
    return context


@pytest.mark.req("security whitepaper A01, A05; OCPP 1.6 §5.3")
@pytest.mark.octt("TC_073_CS")
@pytest.mark.octt("TC_084_CS")
async def test_a_password_that_the_csms_changed_holds_over_a_restart_and_can_be_read_nowhere(tmp_path: Path) -> None:
    old, new = "correct horse battery", "staple battery horse 7"
    (tmp_path / "password").write_text(old + "\n")
    section = f'password_file = "{tmp_path / "password"}"\n'
    async with world(tls_house(tmp_path, section=section, csms=("--password", old))) as house:
        await house.house.start_station()
        await house.online()
        lower = await house.csms.call("ChangeConfiguration", {"key": "SecurityProfile", "value": "1"})
        assert lower["payload"] == {"status": "Rejected"}
        changed = await house.csms.call("ChangeConfiguration", {"key": "AuthorizationKey", "value": new})
        assert changed["payload"] == {"status": "Accepted"}
        await house.csms.ask("password", text=new)
        await house.house.stop_station()
        assert (await house.csms.ask("stations"))[0]["registration"]
        await house.house.start_station()
        await house.online()
        configuration = await house.csms.call("GetConfiguration", {})
        status = await house.status()
        assert status["security"]["profile"] == 2
        agent = house.house.child("agent")
        told = [str(configuration), str(status), agent.log_text(), await house.screen("status")]
        readable = [*(text.encode() for text in told), *in_the_open(agent.pid, house.house.directory)]
    for secret in (old, new):
        assert not [content for content in readable if secret.encode() in content]
