"""A server that keeps to the rules of frames and not to those of the game; and its own words in what is shown."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response

from agent.ocpp.bounded_connection import PINGS_AT_ONCE
from agent.ocpp.tls import TlsOptions, TlsTrouble, client_context, trouble_of
from agent.ocpp.transport import Link, LinkClosed, LinkFailure
from tests.unit.test_ocpp_transport import csms, endpoint, refusal, shake_hands


async def ending_after(frames: bytes, *, reads: bool) -> LinkClosed:
    """Have a server send frames; return how the connection ended. ``reads``: it takes what the station says."""

    async def talk(connection: ServerConnection) -> None:
        if not reads:
            connection.transport.pause_reading()
        connection.transport.write(frames)
        await asyncio.wait([asyncio.ensure_future(connection.wait_closed())], timeout=5)

    async with csms(talk, close_timeout=0.1) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        with pytest.raises(LinkClosed) as caught:
            async with asyncio.timeout(5):
                await link.recv()
    return caught.value


@pytest.mark.req("RFC 6455 §5.5.2, §10.4")
async def test_who_pings_without_end_is_left_before_the_answers_fill_the_memory() -> None:
    ping = Frame(Opcode.PING, b"x" * 125).serialize(mask=False)
    assert "pings" in (await ending_after(ping * (2 * PINGS_AT_ONCE), reads=False)).text


@pytest.mark.req("RFC 6455 §5.4, §10.4")
async def test_empty_fragments_without_end_are_no_message() -> None:
    first = Frame(Opcode.TEXT, b"", fin=False).serialize(mask=False)
    empty = Frame(Opcode.CONT, b"", fin=False).serialize(mask=False)
    assert "fragment" in (await ending_after(first + empty * 10_000, reads=True)).text


@pytest.mark.req("RFC 6455 §5.4")
async def test_some_pings_and_many_fragments_are_nothing_to_complain_of() -> None:
    async def talk(connection: ServerConnection) -> None:
        for _ in range(PINGS_AT_ONCE // 2):
            await connection.ping()
        await connection.send("x" for _ in range(1_000))
        await connection.wait_closed()

    async with csms(talk) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        assert len(await link.recv()) == 1_000


async def test_a_servers_words_cannot_steer_the_terminal_that_shows_them() -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(1008, "\x1b[2Jno\r\nfact  0 waiting \u202e")

    async with csms(close) as port, await Link.connect(endpoint(port), ping_s=0) as link:
        with pytest.raises(LinkClosed) as caught:
            await link.recv()
    assert caught.value.text.isprintable()
    assert "no" in caught.value.text


@pytest.mark.parametrize("host", ["csms..example", "a" * 64 + ".example"])
async def test_a_name_that_no_host_can_have_is_said_to_be_unknown(host: str) -> None:
    error = await refusal(endpoint(9, host=host))
    assert error.failure is LinkFailure.NAME_UNKNOWN
    assert host[:20] in error.text


async def test_an_extension_that_nobody_offered_is_not_taken_for_another_version() -> None:
    def insist(_connection: ServerConnection, _request: Request, response: Response) -> Response:
        response.headers["Sec-WebSocket-Extensions"] = "permessage-deflate"
        return response

    async with csms(process_response=insist) as port:
        error = await refusal(endpoint(port))
    assert error.failure is LinkFailure.HANDSHAKE
    assert "extension" in error.text


async def test_what_was_wrong_with_an_answer_that_is_no_http_is_told() -> None:
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(old, "127.0.0.1", 0) as server:
        error = await refusal(endpoint(server.sockets[0].getsockname()[1]))
    assert "HTTP/1.0" in error.text


@pytest.mark.req("security whitepaper A00.FR.307")
def test_a_wildcard_that_only_the_common_name_holds_is_one_too(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "*.example.com")])
    pem = make_certificate(name, key)
    (tmp_path / "wild.pem").write_bytes(pem)
    (tmp_path / "wild.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "wild.pem", tmp_path / "wild.key")
    roots = (tmp_path / "wild.pem",)
    shake_hands(client_context(TlsOptions(root_files=roots)), server, "csms.example.com")
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        shake_hands(client_context(TlsOptions(root_files=roots, allow_wildcards=False)), server, "csms.example.com")
    assert trouble_of(caught.value) is TlsTrouble.WRONG_NAME


def make_certificate(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a certificate without names beside its subject, signed by its own key; PEM."""
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)
