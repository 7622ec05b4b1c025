"""Each suite of TLS that the whitepaper prescribes by a handshake of its own, and that nothing else is agreed on."""

from __future__ import annotations

import datetime
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from agent.ocpp.tls import TlsOptions, TlsTrouble, client_context, trouble_of
from tests.tls_hands import shake_hands

PRESCRIBED = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDSA"),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDSA"),
    ("AES128-GCM-SHA256", "RSA"),
    ("AES256-GCM-SHA384", "RSA"),
    ("ECDHE-RSA-AES128-GCM-SHA256", "RSA"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "RSA"),
]
OTHERS = [
    *("AES128-SHA", "AES256-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384", "AES128-CCM"),
    *("DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305", "NULL-SHA256", "AECDH-AES128-SHA"),
]
OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="the program openssl is not installed")


@cache
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@cache
def issued(kind: str) -> trustme.LeafCert:
    return authority().issue_cert("localhost", common_name="SN-0001", key_type=trustme.KeyType[kind])


def station(folder: Path, own: str | None = None) -> ssl.SSLContext:
    """Return what a station connects with; ``own``: the kind of its key, with a certificate to show."""
    chain = key = None
    if own is not None:
        chain, key = folder / "chain.pem", folder / "key.pem"
        issued(own).cert_chain_pems[0].write_to_path(chain)
        issued(own).private_key_pem.write_to_path(key)
    root = authority().cert_pem.bytes().decode()
    return client_context(TlsOptions(roots_pem=root, only_these=True, client_chain=chain, client_key=key))


def server(kind: str, ciphers: str, *, asks: bool = False) -> ssl.SSLContext:
    """Return a server of TLS 1.2 with these suites only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued(kind).configure_cert(context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        authority().configure_trust(context)
    return context


@pytest.mark.req("security whitepaper A00.FR.317-322, A00.FR.424-427")
@pytest.mark.parametrize(("suite", "kind"), PRESCRIBED)
@pytest.mark.parametrize("own", [None, "ECDSA", "RSA"], ids=["profile 2", "profile 3 EC", "profile 3 RSA"])
def test_each_prescribed_suite_of_tls_1_2_is_agreed_on(tmp_path: Path, suite: str, kind: str, own: str | None) -> None:
    ours, theirs = shake_hands(station(tmp_path, own), server(kind, suite, asks=own is not None))
    cipher = ours.cipher()
    assert cipher is not None
    assert (ours.version(), cipher[0], ours.compression()) == ("TLSv1.2", suite, None)
    assert bool(theirs.getpeercert()) is (own is not None)


@pytest.mark.req("security whitepaper A00.FR.317-322")
def test_where_the_server_takes_all_of_them_forward_secrecy_is_preferred(tmp_path: Path) -> None:
    every = server("RSA", "AES128-GCM-SHA256:AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256")
    every.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    cipher = shake_hands(station(tmp_path), every)[0].cipher()
    assert cipher is not None
    assert cipher[0] == "ECDHE-RSA-AES128-GCM-SHA256"


@pytest.mark.req("security whitepaper A00.FR.320-322")
@pytest.mark.parametrize("suite", OTHERS)
def test_no_other_suite_of_tls_1_2_is_agreed_on(tmp_path: Path, suite: str) -> None:
    try:
        other = server("RSA", f"{suite}:@SECLEVEL=0")
    except ssl.SSLError:
        pytest.skip(f"this OpenSSL has no {suite}")
    with pytest.raises(ssl.SSLError) as caught:
        shake_hands(station(tmp_path), other)
    assert trouble_of(caught.value) is TlsTrouble.CIPHER


def weak(key: Any) -> ssl.SSLContext:
    """Return a server whose certificate, of its own authority's root, is not good enough."""
    issuer = x509.load_pem_x509_certificate(authority().cert_pem.bytes())
    signer: Any = serialization.load_pem_private_key(authority().private_key_pem.bytes(), None)
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().issuer_name(issuer.subject).public_key(key.public_key()).serial_number(7)
    builder = builder.subject_name(x509.Name([])).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    name = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    leaf = builder.add_extension(name, critical=True).sign(signer, hashes.SHA256())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    private = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    text = leaf.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, *private)
    with trustme.Blob(text).tempfile() as path:
        context.load_cert_chain(path)
    return context


@pytest.mark.req("security whitepaper A00.FR.501-506: RSA 2048, EC 224 bits or more")
@pytest.mark.parametrize("what", ["rsa 1024", "ec 192"])
def test_a_server_with_a_weak_certificate_is_refused_whatever_openssl_was_built_for(tmp_path: Path, what: str) -> None:
    key = rsa.generate_private_key(65_537, 1024) if what == "rsa 1024" else ec.generate_private_key(ec.SECP192R1())
    with pytest.raises(ssl.SSLError):
        shake_hands(station(tmp_path), weak(key))


@needs_openssl
@pytest.mark.req("security whitepaper A00.FR.501-506: no SHA-1")
def test_a_server_whose_certificate_is_signed_with_sha_1_is_refused(tmp_path: Path) -> None:
    authority().cert_pem.write_to_path(tmp_path / "ca.pem")
    authority().private_key_pem.write_to_path(tmp_path / "ca.key")
    issued("ECDSA").private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "names").write_text("subjectAltName=DNS:localhost\n")
    assert OPENSSL is not None
    ask = [OPENSSL, "req", "-new", "-key", "key.pem", "-subj", "/CN=localhost", "-out", "csr.pem"]
    sign = [OPENSSL, "x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "7"]
    for command in (ask, [*sign, "-sha1", "-days", "1", "-extfile", "names", "-out", "chain.pem"]):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    with pytest.raises(ssl.SSLCertVerificationError, match="too weak"):
        shake_hands(station(tmp_path), context)


# ---- opposite another implementation's program: suites of TLS 1.3, which Python cannot choose, and renegotiation -----


@contextmanager
def s_server(folder: Path, kind: str, *words: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run openssl s_server(1); return its port and itself."""
    issued(kind).private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    assert OPENSSL is not None
    command = [OPENSSL, "s_server", "-accept", "127.0.0.1:0", "-cert", str(folder / "server.pem"), *words]
    pipe = subprocess.PIPE
    running = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, bufsize=0)
    guard = threading.Timer(20, running.kill)
    guard.start()
    try:
        assert running.stdout is not None
        line = b""
        while not line.startswith(b"ACCEPT 127.0.0.1:"):
            line = running.stdout.readline()
            assert line, "s_server ended"
        yield int(line.rpartition(b":")[2]), running
    finally:
        guard.cancel()
        running.kill()
        running.communicate()


@needs_openssl
@pytest.mark.req("security whitepaper A00.FR.311, A00.FR.317-322")
@pytest.mark.parametrize(
    ("suite", "words"),
    [
        ("TLS_AES_128_GCM_SHA256", ("-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256")),
        ("TLS_AES_256_GCM_SHA384", ("-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384")),
        ("AES256-GCM-SHA384", ("-tls1_2", "-cipher", "AES256-GCM-SHA384")),
    ],
)
def test_openssls_own_server_agrees_on_the_suite_that_it_insists_on(
    tmp_path: Path, suite: str, words: tuple[str, ...]
) -> None:
    with (
        s_server(tmp_path, "RSA", *words) as (port, _),
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        station(tmp_path).wrap_socket(plain, server_hostname="localhost") as link,
    ):
        cipher = link.cipher()
        assert cipher is not None
        assert cipher[0] == suite


@needs_openssl
@pytest.mark.req("RFC 5746 §4.5; RFC 5246 §7.2.2 (no_renegotiation)")
def test_a_server_that_wants_to_negotiate_again_is_refused(tmp_path: Path) -> None:
    with (
        s_server(tmp_path, "RSA", "-tls1_2") as (port, running),
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        station(tmp_path).wrap_socket(plain, server_hostname="localhost") as link,
    ):
        link.settimeout(10)
        assert running.stdin is not None
        running.stdin.write(b"hello\n")
        assert link.recv(100) == b"hello\n"
        running.stdin.write(b"r\n")  # s_server(1): renegotiate
        assert heard(link) == b""


def heard(link: ssl.SSLSocket) -> bytes:
    """Return what still comes before the connection ends."""
    try:
        return link.recv(100)
    except (ssl.SSLError, ConnectionError):
        return b""
