"""``charge-agent doctor`` opposite every kind of broken link: the step that failed, its cause, its exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from agent.cli import main
from agent.model.station import EvseLayout
from agent.ocpp.dialect import StationIdentity
from agent.ocpp.tls import TlsOptions
from agent.ocpp.transport import CsmsEndpoint, LinkClosed, LinkFailure
from agent.ocpp.v16.dialect import Dialect16
from agent.runtime.doctor import EXIT_CODE, Beside, Doctor, Examination, Finding, Step
from tests.scenario.secured_world import STATION, Csms, pem_file, server_tls

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def root(authority: trustme.CA, tmp_path: Path) -> Path:
    return pem_file(tmp_path, authority)


async def examine(
    url: str,
    *,
    root: Path | None = None,
    utc: Callable[[], float | None] = lambda: NOW.timestamp(),
    password: bytes | None = None,
    patience_s: float = 10.0,
    **more: Any,
) -> Examination:
    """Examine an address; ``patience_s`` is short where silence is the point."""
    endpoint = CsmsEndpoint(
        url=url,
        identity="CP-0001",
        subprotocol="ocpp1.6",
        tls=TlsOptions(root_files=() if root is None else (root,)),
        allow_insecure=True,
        password=password,
        open_timeout_s=patience_s,
    )
    said: list[Finding] = []
    doctor = Doctor(
        url=url,
        endpoint=lambda: endpoint,
        dialect=Dialect16((EvseLayout(evse_id=1),)),
        identity=StationIdentity(vendor="Example", model="Wallbox"),
        utc=utc,
        say=said.append,
        boot_within_s=patience_s,
        **more,
    )
    examination = await doctor.examine()
    assert tuple(said) == examination.findings, "progress is shown as it is made"
    return examination


def failed_at(examination: Examination, step: Step, *words: str) -> None:
    """The last finding is the only failure, at this step, with cause and fix in words."""
    last = examination.findings[-1]
    assert [each.step for each in examination.findings if each.ok is False] == [step], examination.findings
    assert examination.exit_code == EXIT_CODE[step]
    assert last.cause
    assert last.fix
    for word in words:
        assert word in f"{last.text} {last.cause} {last.fix}", last


@asynccontextmanager
async def answering(reply: Any, **options: Any) -> AsyncIterator[int]:
    """Serve a CSMS that gives ``reply`` to every CALL; ``None``: it says nothing."""

    async def take(connection: ServerConnection) -> None:
        async for text in connection:
            if reply is not None:
                kind, *rest = reply
                await connection.send(json.dumps([kind, json.loads(text)[1], *rest]))

    options.setdefault("subprotocols", [Subprotocol("ocpp1.6")])
    async with serve(take, "127.0.0.1", 0, close_timeout=0.2, **options) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def registration(status: str) -> list[Any]:
    return [3, {"status": status, "currentTime": NOW.isoformat(), "interval": 300}]


async def test_a_good_link_is_examined_to_the_end(authority: trustme.CA, root: Path) -> None:
    async with answering(registration("Accepted"), ssl=server_tls(authority)) as port:
        examination = await examine(f"wss://localhost:{port}/ocpp", root=root, password=b"secret of mine")
    assert examination.exit_code == 0
    assert [each.step for each in examination.findings] == [each for each in Step if each is not None]
    told = " ".join(each.text for each in examination.findings)
    assert "TLSv1." in told
    assert "secret of mine" not in told


async def test_every_step_has_an_exit_code_of_its_own() -> None:
    assert len(set(EXIT_CODE.values())) == len(Step) == len(EXIT_CODE)
    assert not set(EXIT_CODE.values()) & {0, 1, 2, 69, 78, 130}


async def test_a_name_that_nobody_knows() -> None:
    failed_at(await examine("wss://csms.invalid/ocpp"), Step.DNS, "csms.invalid")


async def test_no_way_there() -> None:
    failed_at(await examine("ws://255.255.255.255:9/ocpp"), Step.ROUTE, "255.255.255.255")


async def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        failed_at(await examine(f"ws://127.0.0.1:{unused.getsockname()[1]}/"), Step.TCP, "refused")


async def test_a_certificate_for_another_name(authority: trustme.CA, root: Path) -> None:
    async with answering(None, ssl=server_tls(authority, name="elsewhere.example")) as port:
        failed_at(await examine(f"wss://localhost:{port}/", root=root), Step.NAME, "localhost")


async def test_a_root_that_the_station_does_not_know(authority: trustme.CA) -> None:
    async with answering(None, ssl=server_tls(authority)) as port:
        failed_at(await examine(f"wss://localhost:{port}/"), Step.CHAIN, "root_certificates")


@pytest.mark.parametrize(
    ("begins", "ends", "known", "step", "word"),
    [
        (-9, -2, True, Step.EXPIRY, "expired"),
        (-9, -2, False, Step.CLOCK, "time server"),
        (2, 9, True, Step.CLOCK, "valid"),
    ],
)
async def test_a_certificate_whose_time_is_not_now(
    authority: trustme.CA, root: Path, begins: int, ends: int, known: bool, step: Step, word: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = authority.issue_cert(
        "localhost", not_before=NOW + timedelta(days=begins), not_after=NOW + timedelta(days=ends)
    )
    leaf.configure_cert(context)
    async with answering(None, ssl=context) as port:
        url = f"wss://localhost:{port}/"
        failed_at(await examine(url, root=root, utc=lambda: NOW.timestamp() if known else None), step, word)


async def test_a_server_that_speaks_plain_text(root: Path) -> None:
    async with answering(None) as port:
        failed_at(await examine(f"wss://localhost:{port}/", root=root), Step.TLS, "does not speak TLS")


@contextmanager
def shaking_hands(context: ssl.SSLContext) -> Iterator[int]:
    """Serve handshakes one after the other, with the alerts that asyncio's own servers do not send."""

    def serve_all() -> None:
        while True:
            plain, _address = listener.accept()
            with plain, contextlib.suppress(ssl.SSLError, OSError):
                if done.is_set():
                    return
                plain.settimeout(2.0)
                context.wrap_socket(plain, server_side=True)

    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_all)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_a_server_that_is_too_old(authority: trustme.CA, root: Path) -> None:
    context = server_tls(authority)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with shaking_hands(context) as port:
        failed_at(await examine(f"wss://localhost:{port}/", root=root), Step.TLS, "only speaks TLSv1.1")


async def test_a_server_without_a_prescribed_suite(authority: trustme.CA, root: Path) -> None:
    weak = server_tls(authority)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256")
    with shaking_hands(weak) as port:
        failed_at(await examine(f"wss://localhost:{port}/", root=root), Step.TLS, "cipher suites")


@pytest.mark.parametrize(
    ("status", "step", "word"),
    [
        (401, Step.AUTHENTICATION, "password"),
        (403, Step.AUTHENTICATION, "not registered"),
        (404, Step.UPGRADE, "unknown"),
        (302, Step.UPGRADE, "exact address"),
        (429, Step.UPGRADE, "overloaded"),
        (500, Step.UPGRADE, "500"),
        (503, Step.UPGRADE, "try again later"),
    ],
)
async def test_an_upgrade_that_is_refused(status: int, step: Step, word: str) -> None:
    def refuse(connection: ServerConnection, _request: Request) -> Response:
        return connection.respond(status, "no")

    async with answering(None, process_request=refuse) as port:
        failed_at(await examine(f"ws://127.0.0.1:{port}/", password=b"x" * 16), step, word)


async def test_a_csms_that_speaks_another_version() -> None:
    def choose(_connection: ServerConnection, _offers: Any) -> Subprotocol:
        return Subprotocol("ocpp2.0.1")

    async with answering(None, select_subprotocol=choose) as port:
        failed_at(await examine(f"ws://127.0.0.1:{port}/"), Step.SUBPROTOCOL, "version")


async def test_a_server_that_takes_the_connection_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"ws://127.0.0.1:{mute.getsockname()[1]}/"
        failed_at(await examine(url, patience_s=0.3), Step.UPGRADE, "did not answer")


@pytest.mark.parametrize(
    ("reply", "step", "word"),
    [
        (None, Step.BOOT, "no answer"),
        ([4, "InternalError", "no", {}], Step.BOOT, "InternalError"),
        (registration("Rejected"), Step.REGISTRATION, "rejected"),
        (registration("Pending"), Step.REGISTRATION, "pending"),
        ([3, {"status": "Perhaps"}], Step.REGISTRATION, "read"),
    ],
)
async def test_a_csms_that_does_not_register_the_station(reply: Any, step: Step, word: str) -> None:
    async with answering(reply) as port:
        patience_s = 0.5 if reply is None else 10.0
        failed_at(await examine(f"ws://127.0.0.1:{port}/", patience_s=patience_s), step, word)


async def test_a_csms_that_closes_on_a_stranger() -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(1008, "Unknown station")

    async with serve(close, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        failed_at(await examine(f"ws://127.0.0.1:{port}/"), Step.AUTHENTICATION, "Unknown station")


async def at_home(state: str) -> Beside:
    """Return what an agent says that holds the connection."""
    return Beside(text=f"the running agent is connected, {state}", state=state)


@pytest.mark.parametrize(
    ("state", "step"),
    [
        ("accepted", None),
        ("connected", None),
        ("pending", Step.REGISTRATION),
        ("rejected", Step.REGISTRATION),
        ("", None),
    ],
)
async def test_beside_a_running_agent_no_second_connection_is_made(state: str, step: Step | None) -> None:
    csms = Csms()
    async with csms.listen() as port:
        examination = await examine(f"ws://127.0.0.1:{port}/", beside=lambda: at_home(state))
    assert csms.visits == []
    if step is not None:
        failed_at(examination, step, state, "register the station")
        return
    assert examination.exit_code == 0
    assert examination.findings[-1].ok is (True if state == "accepted" else None)


async def test_missing_credentials_come_first() -> None:
    def none() -> CsmsEndpoint:
        raise LinkClosed(LinkFailure.NO_CREDENTIALS, "security profile 1 needs a password")

    doctor = Doctor(
        url="ws://127.0.0.1:1/",
        endpoint=none,
        dialect=Dialect16((EvseLayout(evse_id=1),)),
        identity=StationIdentity(vendor="Example", model="Wallbox"),
        utc=lambda: None,
        say=lambda _finding: None,
    )
    failed_at(await doctor.examine(), Step.CREDENTIALS, "secret set")


# ---- the command -----------------------------------------------------------------------------------------------------


async def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = await asyncio.to_thread(main, ["doctor", *arguments])
    return code, capsys.readouterr().out


async def test_the_command_says_step_cause_and_fix_and_gives_the_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csms = Csms(passwords={b"another password"})
    (tmp_path / "password").write_text("correct horse battery\n")
    async with csms.listen() as port:
        section = f'url = "ws://127.0.0.1:{port}/"\nallow_insecure = true\npassword_file = "password"\n'
        (tmp_path / "station.toml").write_text(STATION.format(csms=section) + '[clock]\ntrust = "always"\n')
        file = str(tmp_path / "station.toml")
        code, shown = await command(capsys, file)
        assert code == EXIT_CODE[Step.AUTHENTICATION]
        assert "authentication     FAILED" in shown
        assert "cause" in shown
        assert "fix" in shown
        code, shown = await command(capsys, file, "--json")
        told = json.loads(shown)
        assert told["exit_code"] == code == EXIT_CODE[Step.AUTHENTICATION]
        assert told["addresses"][0]["steps"][-1]["step"] == "authentication"
        csms.passwords.add(b"correct horse battery")
        code, shown = await command(capsys, file)
        assert (code, "The link is good." in shown) == (0, True)
        assert [name for name, _ in csms.calls] == ["BootNotification"]
        code, shown = await command(capsys, file, "--no-boot")
        assert (code, len(csms.calls)) == (0, 1)
    assert "correct horse" not in shown
    (tmp_path / "station.toml").write_text("nonsense")
    assert (await command(capsys, str(tmp_path / "station.toml")))[0] == 78
