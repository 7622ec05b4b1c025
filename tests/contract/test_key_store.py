"""The contract of every key store: a key is made where it stays, its certificate comes, the older one is kept.

Files and PKCS #11 tokens make keys; keys that were made elsewhere (systemd credentials) are only shown.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from agent.security.certificates import KeyKind, Rejected, Subject
from agent.security.keystore import FileKeyStore, GivenKeys, KeyStore
from tests.key_tokens import make_token, needs_token, token_store

SUBJECT = Subject(common_name="SN-0001", organization="Operator")
NAMES = ("SN-0001", "CP-0001")
NOW_S = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
Opened = Callable[[], KeyStore]


@pytest.fixture(scope="module")
def authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")])
    start = datetime.fromtimestamp(NOW_S, UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + timedelta(days=900))
    return builder.add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256()), key


@pytest.fixture
def sign(authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey]) -> Callable[..., str]:
    root, key = authority

    def signed(request_pem: str, days: int = 300) -> str:
        request = x509.load_pem_x509_csr(request_pem.encode())
        start = datetime.fromtimestamp(NOW_S, UTC) - timedelta(hours=1)
        builder = x509.CertificateBuilder().subject_name(request.subject).issuer_name(root.subject)
        builder = builder.public_key(request.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=days))
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    return signed


@pytest.fixture(params=["file", pytest.param("pkcs11", marks=needs_token)])
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Return what opens the store as a station does after each start."""
    if request.param == "file":
        return lambda: FileKeyStore(tmp_path / "security")
    place = make_token(tmp_path, monkeypatch)
    return lambda: token_store(tmp_path, place)


def public(pem: str) -> bytes:
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.req("security whitepaper A00.FR.501-511")
@pytest.mark.parametrize("kind", list(KeyKind))
def test_a_request_is_signed_by_the_key_that_it_is_about(opened: Opened, kind: KeyKind) -> None:
    request = x509.load_pem_x509_csr(opened().request(SUBJECT, kind).encode())
    assert request.is_signature_valid
    key = request.public_key()
    if kind is KeyKind.EC:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        assert key.key_size == 2048
    assert request.subject.rfc4514_string() == "O=Operator,CN=SN-0001"


@pytest.mark.req("security whitepaper A02, A03")
def test_the_newest_certificate_comes_first_and_the_one_before_stays(opened: Opened, sign: Callable[..., str]) -> None:
    assert opened().identities() == ()
    assert not opened().waiting()
    chains = []
    for days in (100, 200, 300):
        store = opened()
        chains.append(sign(store.request(SUBJECT, KeyKind.EC), days))
        assert opened().waiting()
        assert len(opened().identities()) == min(len(chains) - 1, 2)  # the old one works while the new one is awaited
        assert store.accept(chains[-1], SUBJECT, NAMES, (), NOW_S) == ()
        assert not opened().waiting()
    found = opened().identities()
    assert [public(each.chain.read_text()) for each in found] == [public(chains[2]), public(chains[1])]
    assert found[0].validity.not_after_s - found[1].validity.not_after_s == 100 * 86_400
    assert all(each.own and each.key.exists() for each in found)


@pytest.mark.req("security whitepaper A02.FR.04-08")
def test_only_the_certificate_of_the_key_that_waits_is_taken(opened: Opened, sign: Callable[..., str]) -> None:
    with pytest.raises(Rejected, match="asked for none"):
        opened().accept("x", SUBJECT, NAMES, (), NOW_S)
    first = sign(opened().request(SUBJECT, KeyKind.EC))
    second = sign(opened().request(SUBJECT, KeyKind.EC))
    with pytest.raises(Rejected, match="not for the key"):
        opened().accept(first, SUBJECT, NAMES, (), NOW_S)
    with pytest.raises(Rejected, match="common name"):
        opened().accept(second, SUBJECT, ("SN-0002",), (), NOW_S)
    assert opened().waiting()
    assert opened().accept(second, SUBJECT, NAMES, (), NOW_S) == ()


def test_nobody_else_can_read_what_is_kept(opened: Opened, sign: Callable[..., str], tmp_path: Path) -> None:
    store = opened()
    store.accept(sign(store.request(SUBJECT, KeyKind.EC)), SUBJECT, NAMES, (), NOW_S)
    for path in (tmp_path / "security").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("damage", ["chain.pem", "key.pem"])
def test_a_damaged_generation_is_left_out_for_the_one_before(
    opened: Opened, sign: Callable[..., str], damage: str
) -> None:
    for _ in range(2):
        store = opened()
        store.accept(sign(store.request(SUBJECT, KeyKind.EC)), SUBJECT, NAMES, (), NOW_S)
    newest, before = opened().identities()
    path = newest.chain.with_name(damage)
    path.unlink() if damage == "key.pem" else path.write_text("x")
    assert [each.chain for each in opened().identities()] == [before.chain]


def test_keys_made_elsewhere_are_shown_and_nothing_else(tmp_path: Path) -> None:
    made = trustme.CA().issue_cert("station.example", common_name="SN-0001")
    chain, key = tmp_path / "client-certificate", tmp_path / "client-key"
    assert GivenKeys(None, None).identities() == ()
    assert GivenKeys(chain, None).identities() == ()
    made.cert_chain_pems[0].write_to_path(chain)
    made.private_key_pem.write_to_path(key)
    (shown,) = GivenKeys(chain, key).identities()
    assert (shown.chain, shown.key, shown.own) == (chain, key, False)
    chain.write_text("damaged")
    assert GivenKeys(chain, key).identities() == ()
