"""The WebSocket over loopback, plain and with TLS: what is accepted, what is refused, and what the installer reads."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from agent.ocpp.tls import Dates, TlsOptions, TlsTrouble, client_context, trouble_of
from agent.ocpp.transport import CsmsEndpoint, Link, LinkClosed, LinkFailure, password_bytes

Handler = Callable[[ServerConnection], Awaitable[None]]


async def echo(connection: ServerConnection) -> None:
    async for text in connection:
        await connection.send(text)


@asynccontextmanager
async def csms(handler: Handler = echo, **options: Any) -> AsyncIterator[int]:
    """Serve on a free port of the loopback interface."""
    options.setdefault("subprotocols", [Subprotocol("ocpp1.6")])
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def endpoint(port: int, scheme: str = "ws", host: str = "127.0.0.1", **changes: Any) -> CsmsEndpoint:
    fields: dict[str, Any] = {
        "url": f"{scheme}://{host}:{port}/ocpp",
        "identity": "CS 1",
        "subprotocol": "ocpp1.6",
        "allow_insecure": scheme == "ws",
        "open_timeout_s": 5.0,
    }
    return CsmsEndpoint(**(fields | changes))


async def refusal(target: CsmsEndpoint) -> LinkClosed:
    with pytest.raises(LinkClosed) as caught:
        await Link.connect(target, ping_s=0)
    return caught.value


@pytest.mark.req("OCPP-J 1.6 §3.1.1, §3.1.2")
async def test_messages_go_both_ways_and_the_path_names_the_station() -> None:
    seen: list[str] = []

    async def remember(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.path)
        await echo(connection)

    async with csms(remember) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        await link.send('[2,"1","Heartbeat",{}]')
        assert await link.recv() == '[2,"1","Heartbeat",{}]'
        assert link.subprotocol == "ocpp1.6"
    assert seen == ["/ocpp/CS%201"]


@pytest.mark.req("quirk T3")
@pytest.mark.parametrize(
    ("url", "identity", "slash", "address"),
    [
        ("wss://h", "A", False, "wss://h/A"),
        ("wss://h/", "A", False, "wss://h/A"),
        ("wss://h/steve/websocket", "A/B:ü", False, "wss://h/steve/websocket/A%2FB%3A%C3%BC"),
        ("wss://h:1/x/", "A", True, "wss://h:1/x/A/"),
    ],
)
@pytest.mark.req("OCPP-J 1.6 §3.1.1")
def test_the_path_is_kept_and_the_identity_encoded(url: str, identity: str, slash: bool, address: str) -> None:
    target = CsmsEndpoint(url=url, identity=identity, subprotocol="ocpp1.6", trailing_slash=slash)
    assert target.address == address


@pytest.mark.req("quirk T1")
@pytest.mark.req("OCPP-J 1.6 §3.1.2")
async def test_a_server_that_names_no_subprotocol_is_taken_at_its_word() -> None:
    async with csms(subprotocols=None) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        assert link.subprotocol is None


@pytest.mark.req("OCPP-J 1.6 §3.1.2, §3.2")
async def test_a_server_that_chooses_something_else_is_refused() -> None:
    def choose(_connection: ServerConnection, _offers: Any) -> Subprotocol:
        return Subprotocol("ocpp2.0.1")

    async with csms(select_subprotocol=choose) as port:
        assert (await refusal(endpoint(port))).failure is LinkFailure.SUBPROTOCOL


@pytest.mark.req("OCPP-J 1.6 §3.2, errata 3.4")
@pytest.mark.parametrize(
    ("status", "word"), [(404, "unknown"), (401, "password"), (302, "redirects"), (500, "500"), (503, "503")]
)
async def test_a_refused_upgrade_tells_its_status_and_no_redirect_is_followed(status: int, word: str) -> None:
    visits: list[str] = []

    def refuse(_connection: ServerConnection, request: Request) -> Response:
        visits.append(request.path)
        return Response(status, HTTPStatus(status).phrase, Headers([("Location", "/elsewhere")]), b"")

    async with csms(process_request=refuse) as port:
        error = await refusal(endpoint(port))
    assert (error.failure, error.code) == (LinkFailure.HTTP_STATUS, status)
    assert word in error.text
    assert visits == ["/ocpp/CS%201"]


@pytest.mark.req("quirk T31")
@pytest.mark.parametrize(("text", "hexadecimal"), [("Pässword", False), ("00ff41", True)])
async def test_basic_authentication_sends_identity_and_password(text: str, hexadecimal: bool) -> None:
    headers: list[str] = []

    async def remember(connection: ServerConnection) -> None:
        assert connection.request is not None
        headers.append(connection.request.headers["Authorization"])

    password = password_bytes(text, hexadecimal=hexadecimal)
    target = endpoint(0, password=password)
    assert text not in repr(target)
    assert str(password) not in repr(target)
    async with csms(remember) as port, await Link.connect(endpoint(port, password=password), ping_s=0) as link:
        with pytest.raises(LinkClosed):
            await link.recv()
    assert base64.b64decode(headers[0].removeprefix("Basic ")) == b"CS 1:" + password


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011])
async def test_a_close_frame_is_told_with_its_code_and_reason(code: int) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(code, "Unknown station")

    async with csms(close) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        with pytest.raises(LinkClosed, match="Unknown station") as caught:
            await link.recv()
        assert (caught.value.failure, caught.value.code) == (LinkFailure.CLOSED, code)
        with pytest.raises(LinkClosed):
            await link.send("x")
        await link.close()


async def test_a_connection_that_breaks_without_a_close_frame_is_lost() -> None:
    async def vanish(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with csms(vanish) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        with pytest.raises(LinkClosed) as caught:
            await link.recv()
    assert (caught.value.failure, caught.value.code) == (LinkFailure.LOST, None)


@pytest.mark.req("OCPP-J 1.6 §5.3")
async def test_a_half_open_link_is_noticed_by_its_missing_pong() -> None:
    silent = asyncio.Event()

    async def pause(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await silent.wait()
        connection.transport.resume_reading()

    async with csms(pause, ping_interval=None) as port:
        link = await Link.connect(endpoint(port, ping_timeout_s=0.3), ping_s=0.1)
        with pytest.raises(LinkClosed) as caught:
            async with asyncio.timeout(2.0):
                await link.recv()
        silent.set()
    assert caught.value.failure is LinkFailure.LOST


async def test_a_message_that_is_too_long_ends_the_connection() -> None:
    async def flood(connection: ServerConnection) -> None:
        await connection.send("x" * 1_100_000)
        await connection.wait_closed()

    async with csms(flood) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        with pytest.raises(LinkClosed):
            await link.recv()


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = await refusal(endpoint(unused.getsockname()[1]))
    assert error.failure is LinkFailure.UNREACHABLE
    assert "127.0.0.1" in error.text


async def test_a_server_that_never_answers_the_upgrade_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        error = await refusal(endpoint(mute.getsockname()[1], open_timeout_s=0.2))
    assert error.failure is LinkFailure.TIMED_OUT


@pytest.mark.parametrize("url", ["http://h/x", "h/x", "ftp://h"])
async def test_another_kind_of_address_is_refused_before_anything_is_sent(url: str) -> None:
    assert (await refusal(endpoint(1, url=url))).failure is LinkFailure.BAD_URL


@pytest.mark.req("security whitepaper A00")
async def test_plain_text_needs_permission() -> None:
    async with csms() as port:
        error = await refusal(endpoint(port, allow_insecure=False))
    assert error.failure is LinkFailure.REFUSED_INSECURE
    assert "wss://" in error.text


# ---- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def root_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(path)
    return path


def server_tls(authority: trustme.CA, name: str, **options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **options).configure_cert(context)
    return context


@contextmanager
def alerting(context: ssl.SSLContext) -> Iterator[int]:
    """Serve one handshake that fails, with the alert that asyncio's own servers do not send."""

    def fail() -> None:
        plain, _ = listener.accept()
        with plain, contextlib.suppress(ssl.SSLError, OSError):
            context.wrap_socket(plain, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=fail)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.req("OCPP-J 1.6 §5.3")
async def test_the_period_of_the_pings_changes_on_the_connection_as_it_is() -> None:
    pinged = asyncio.Event()

    async def listen(connection: ServerConnection) -> None:
        heard = connection.protocol.recv_frame

        def notice(frame: Frame) -> None:
            heard(frame)
            if frame.opcode is Opcode.PING:
                pinged.set()

        connection.protocol.recv_frame = notice  # type: ignore[method-assign]
        await echo(connection)

    async with csms(listen) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        link.ping_every(0.02)
        await asyncio.wait_for(pinged.wait(), 5.0)
        link.ping_every(0)
        await link.send("still the same")
        assert await link.recv() == "still the same"


@pytest.mark.req("security whitepaper A00.FR.307")
async def test_a_private_root_is_trusted_where_the_file_names_it(authority: trustme.CA, root_file: Path) -> None:
    async with csms(ssl=server_tls(authority, "localhost")) as port:
        target = endpoint(port, "wss", "localhost", root_files=(root_file,))
        async with await Link.connect(target, ping_s=0) as link:
            await link.send("hello")
            assert await link.recv() == "hello"


@pytest.mark.req("security whitepaper A00.FR.307-322")
async def test_a_private_root_is_not_trusted_otherwise(authority: trustme.CA, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    async with csms(ssl=server_tls(authority, "localhost")) as port:
        for roots in ((), (other,)):
            error = await refusal(endpoint(port, "wss", "localhost", root_files=roots))
            assert error.failure is LinkFailure.TLS_UNTRUSTED


@pytest.mark.req("security whitepaper A00.FR.307")
async def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, root_file: Path) -> None:
    async with csms(ssl=server_tls(authority, "elsewhere.example")) as port:
        for host in ("localhost", "127.0.0.1"):
            error = await refusal(endpoint(port, "wss", host, root_files=(root_file,)))
            assert error.failure is LinkFailure.TLS_WRONG_NAME


@pytest.mark.req("security whitepaper A00.FR.307-322")
async def test_an_expired_certificate_is_refused(authority: trustme.CA, root_file: Path) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    async with csms(ssl=server_tls(authority, "localhost", not_after=past)) as port:
        error = await refusal(endpoint(port, "wss", "localhost", root_files=(root_file,)))
    assert error.failure is LinkFailure.TLS_EXPIRED
    assert "expired" in error.text


async def test_there_is_no_way_back_to_plain_text(root_file: Path) -> None:
    visits: list[str] = []

    async def remember(connection: ServerConnection) -> None:
        visits.append("visited")

    async with csms(remember) as port:
        target = endpoint(port, "wss", "localhost", root_files=(root_file,), allow_insecure=True)
        assert (await refusal(target)).failure in (LinkFailure.TLS_FAILED, LinkFailure.UNREACHABLE)
    assert not visits


async def test_a_redirect_from_tls_is_not_followed_either(authority: trustme.CA, root_file: Path) -> None:
    def refuse(_connection: ServerConnection, _request: Request) -> Response:
        return Response(301, "Moved", Headers([("Location", "ws://127.0.0.1:1/")]), b"")

    async with csms(ssl=server_tls(authority, "localhost"), process_request=refuse) as port:
        error = await refusal(endpoint(port, "wss", "localhost", root_files=(root_file,)))
    assert (error.failure, error.code) == (LinkFailure.HTTP_STATUS, 301)


@pytest.mark.req("security whitepaper A00.FR.311")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_tls_1_1_is_refused(authority: trustme.CA, root_file: Path) -> None:
    old = server_tls(authority, "localhost")
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with alerting(old) as port:
        error = await refusal(endpoint(port, "wss", "localhost", root_files=(root_file,)))
    assert error.failure is LinkFailure.TLS_VERSION


@pytest.mark.req("security whitepaper A00.FR.317-322")
async def test_a_server_without_a_prescribed_suite_is_refused(authority: trustme.CA, root_file: Path) -> None:
    weak = server_tls(authority, "localhost")
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256")
    with alerting(weak) as port:
        error = await refusal(endpoint(port, "wss", "localhost", root_files=(root_file,)))
    assert error.failure is LinkFailure.TLS_CIPHER


@pytest.mark.req("security whitepaper A00.FR.317-322")
@pytest.mark.octt("TC_086_CS")
async def test_every_prescribed_suite_is_offered_and_nothing_weaker(authority: trustme.CA, root_file: Path) -> None:
    offered = {each["name"] for each in client_context(TlsOptions(root_files=(root_file,))).get_ciphers()}
    prescribed = {
        *("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        *("AES128-GCM-SHA256", "AES256-GCM-SHA384"),
    }
    assert prescribed <= offered
    assert all("GCM" in name or name.startswith("TLS_") for name in offered)
    async with csms(ssl=server_tls(authority, "localhost")) as port:
        link = await Link.connect(endpoint(port, "wss", "localhost", root_files=(root_file,)), ping_s=0)
        assert link.tls is not None
        assert link.tls.version in ("TLSv1.2", "TLSv1.3")
        await link.close()


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> None:
    """Let two contexts agree in memory; raises what the client thinks."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(down, up, server_hostname=host)
    theirs = server.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()


@pytest.mark.req("security whitepaper A00.FR.307")
def test_a_wildcard_certificate_is_refused_where_none_is_allowed(authority: trustme.CA, root_file: Path) -> None:
    wild, exact = (server_tls(authority, name) for name in ("*.example.com", "csms.example.com"))
    strict = client_context(TlsOptions(root_files=(root_file,), allow_wildcards=False))
    shake_hands(client_context(TlsOptions(root_files=(root_file,))), wild, "csms.example.com")
    shake_hands(strict, exact, "csms.example.com")
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        shake_hands(strict, wild, "csms.example.com")
    assert trouble_of(caught.value) is TlsTrouble.WRONG_NAME


@pytest.mark.parametrize(
    ("begins", "ends", "utc", "trouble"),
    [
        (2040, 2050, None, None),  # nobody knows what day it is: the CSMS will tell
        (2020, 2025, None, TlsTrouble.EXPIRED),  # but not before this software was written
        (2040, 2050, 2045, None),  # the machine's clock is not asked
        (2040, 2050, 2035, TlsTrouble.NOT_YET_VALID),
        (2040, 2050, 2051, TlsTrouble.EXPIRED),
    ],
)
def test_a_board_without_a_battery_judges_dates_by_what_it_knows(
    authority: trustme.CA, root_file: Path, begins: int, ends: int, utc: int | None, trouble: TlsTrouble | None
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    dated = [datetime(year, 1, 1, tzinfo=UTC) for year in (begins, ends)]
    authority.issue_cert("localhost", not_before=dated[0], not_after=dated[1]).configure_cert(server)
    known = None if utc is None else datetime(utc, 1, 1, tzinfo=UTC).timestamp()
    dates = Dates(utc_s=known, floor_utc_s=datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    client = client_context(TlsOptions(root_files=(root_file,), dates=dates))
    if trouble is None:
        shake_hands(client, server, "localhost")
        return
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        shake_hands(client, server, "localhost")
    assert trouble_of(caught.value) is trouble


@pytest.mark.req("security whitepaper A00.FR.401-403")
@pytest.mark.octt("TC_087_CS")
async def test_a_client_certificate_is_shown_and_a_missing_one_is_told(
    authority: trustme.CA, root_file: Path, tmp_path: Path
) -> None:
    issuer = trustme.CA()
    shown: list[Any] = []

    async def look(connection: ServerConnection) -> None:
        shown.append(connection.transport.get_extra_info("ssl_object").getpeercert())
        await echo(connection)

    own = issuer.issue_cert("station.example", common_name="SN-1")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "chain.pem")
    server = server_tls(authority, "localhost")
    server.verify_mode = ssl.CERT_REQUIRED
    issuer.configure_trust(server)
    mine = TlsOptions(root_files=(root_file,), client_chain=tmp_path / "chain.pem", client_key=tmp_path / "key.pem")
    async with csms(look, ssl=server) as port:
        async with await Link.connect(endpoint(port, "wss", "localhost", tls=mine), ping_s=0) as link:
            await link.send("hello")
            assert await link.recv() == "hello"
        assert (("commonName", "SN-1"),) in shown[0]["subject"]
    server.maximum_version = ssl.TLSVersion.TLSv1_2  # a missing one is an alert of the handshake there
    with alerting(server) as port:
        error = await refusal(endpoint(port, "wss", "localhost", root_files=(root_file,)))
        assert error.failure is LinkFailure.TLS_CIPHER
    broken = TlsOptions(root_files=(root_file,), client_chain=root_file, client_key=tmp_path / "key.pem")
    assert (await refusal(endpoint(1, "wss", "localhost", tls=broken))).failure is LinkFailure.TLS_CLIENT_CERTIFICATE


async def test_a_root_file_that_is_none_is_said_to_be_so(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    for path in (broken, tmp_path / "missing.pem"):
        error = await refusal(endpoint(1, "wss", "localhost", root_files=(path,)))
        assert error.failure is LinkFailure.TLS_FAILED
        assert path.name in error.text
