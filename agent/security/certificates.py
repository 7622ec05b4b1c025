"""Certificates looked at closely: made, checked, named. `cryptography` loads inside these functions and nowhere else.

Source: security whitepaper A00.FR.501-511 (keys, digests), A02 (what a signed certificate must satisfy), RFC 5280,
RFC 6960 §4.1.1 (CertID).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

from agent.model.security import CertificateName, HashAlgorithm
from agent.security.validity import after, certificates_in, inside

if TYPE_CHECKING:
    from cryptography import x509

LEAST_RSA_BITS: Final = 2048
LEAST_EC_BITS: Final = 224
WEAK_DIGESTS: Final = frozenset({"md5", "sha1"})
CLOCK_TOLERANCE_S: Final = 300.0  # a CSMS's clock may be ahead of ours by so much
LONGEST_CHAIN: Final = 8


class KeyKind(Enum):
    """Kinds of keys that a station makes."""

    EC = "ec"  # P-256
    RSA = "rsa"  # 2048 bits


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a certificate is for: the station's serial number (CN) and its operator (O, "" where it is not known)."""

    common_name: str
    organization: str = ""


class Rejected(Exception):
    """A certificate is not acceptable; the text says why."""


class Revoked(Rejected):
    """A certificate was revoked by its issuer."""


def make_key(kind: KeyKind) -> str:
    """Return a new private key as PEM (PKCS #8): P-256 for ``EC``, 2048 bits for ``RSA``."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key = (
        rsa.generate_private_key(public_exponent=65_537, key_size=LEAST_RSA_BITS)
        if kind is KeyKind.RSA
        else ec.generate_private_key(ec.SECP256R1())
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def make_request(key_pem: str, subject: Subject) -> str:
    """Return the certificate signing request of a key, PEM (RFC 2986), signed with SHA-256."""
    from cryptography.hazmat.primitives import serialization

    return request_for(serialization.load_pem_private_key(key_pem.encode(), None), subject)


def request_for(key: object, subject: Subject) -> str:
    """Return the same for a key that need not be in this memory: it signs and tells its public key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    names = [x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name[:64])]
    if subject.organization:
        names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organization[:64]))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    request = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]  # only RSA and EC keys get here
    return request.public_bytes(serialization.Encoding.PEM).decode()


def public_pem(key: object) -> str:
    """Return a public key as PEM (SubjectPublicKeyInfo)."""
    from cryptography.hazmat.primitives import serialization

    encode: Callable[..., bytes] = key.public_bytes  # type: ignore[attr-defined]  # every public key has it
    return encode(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def public_of(key_pem: str) -> str:
    """Return the public half of a private key, PEM."""
    from cryptography.hazmat.primitives import serialization

    return public_pem(serialization.load_pem_private_key(key_pem.encode(), None).public_key())


def check_station_chain(
    chain_pem: str,
    *,
    public_pem: str,
    subject: Subject,
    names: Sequence[str],
    roots: Sequence[str],
    now_s: float | None,
) -> str:
    """Check what came for a signing request; return it in the order leaf to issuer, as it is to be shown.

    Args:
        public_pem: the public half of the key that the request was about.
        subject: of the request; its organisation must be the certificate's where both name one.
        names: common names that are the station's: serial number, identity.
        roots: PEM of the roots known for the CSMS; none: the chain is only checked in itself.
        now_s: UTC, ``None`` while unknown: dates are then left to the connection.

    Raises:
        Rejected: key, validity, subject, chain, key size or digest are not what they must be.
    """
    from cryptography.hazmat.primitives import serialization

    chain = _load(chain_pem)
    leaf = chain[0]
    own = serialization.load_pem_public_key(public_pem.encode())
    if _public_bytes(leaf.public_key()) != _public_bytes(own):
        raise Rejected("it is not for the key that the station made")
    for each in chain:
        _check_strength(each)
        _check_dates(each, now_s)
    _check_subject(leaf, subject, names)
    _check_links(chain)
    known = [certificate for pem in roots for certificate in _load(pem)]
    if known and not any(_signed_by(chain[-1], root) or chain[-1] == root for root in known):
        raise Rejected("its chain ends in no root that the station knows")
    return "".join(certificates_in(chain_pem))


def check_root(pem: str, *, signers: Sequence[str], now_s: float | None) -> None:
    """Check a root that is to be trusted.

    Args:
        signers: PEM of roots of which one must have signed it; none: nobody needs to.

    Raises:
        Rejected: it is no single certificate of an authority, not valid now, too weak, or signed by none of them.
    """
    from cryptography import x509

    chain = _load(pem)
    if len(chain) != 1:
        raise Rejected(f"it holds {len(chain)} certificates, expected one")
    root = chain[0]
    try:
        authority = root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        authority = False
    if not authority:
        raise Rejected("it is not the certificate of an authority (basicConstraints CA)")
    _check_strength(root)
    _check_dates(root, now_s)
    if root.issuer == root.subject and not _signed_by(root, root) and not signers:
        raise Rejected("its own signature is wrong")
    if signers and not any(_signed_by(root, each) for pem in signers for each in _load(pem)):
        raise Rejected("it is signed by no root that the station knows (AdditionalRootCertificateCheck)")


def check_signing_chain(chain_pem: str, *, roots: Sequence[str], revoked: str, now_s: float | None) -> None:
    """Check the certificate of who signed firmware.

    Args:
        chain_pem: the signer's own first, then those between it and the root, if any.
        roots: PEM of the manufacturer's roots.
        revoked: PEM of lists of revoked certificates; those that none of the chain's issuers signed say nothing.
        now_s: UTC, ``None`` while unknown: dates are not looked at then.

    Raises:
        Revoked: one of the chain is on a list.
        Rejected: it is none that firmware may be signed with.

    Source: security whitepaper L01.FR.02, RFC 5280 §4.2.1.3 (key usage), §5 (revocation lists).
    """
    from cryptography import x509

    chain = _load(chain_pem)
    for each in chain:
        _check_strength(each)
        _check_dates(each, now_s)
    _check_links(chain)
    try:
        usage = chain[0].extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        usage = None
    if usage is not None and not usage.digital_signature:
        raise Rejected("its key is not for signatures (keyUsage)")
    known = [certificate for pem in roots for certificate in _load(pem)]
    if not known:
        raise Rejected("no root of the manufacturer is known")
    root = next((each for each in known if chain[-1] == each or _signed_by(chain[-1], each)), None)
    if root is None:
        raise Rejected("its chain ends in no root of the manufacturer")
    _check_dates(root, now_s)
    for certificate, issuer in pairwise((*chain, root)):
        _check_revoked(certificate, issuer, revoked)


def _check_revoked(certificate: x509.Certificate, issuer: x509.Certificate, lists_pem: str) -> None:
    from cryptography import x509

    for text in re.findall(r"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", lists_pem, re.DOTALL):
        try:
            found = x509.load_pem_x509_crl(text.encode())
            ours = found.issuer == issuer.subject and found.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # the strength check let only signing keys pass
        except (ValueError, TypeError) as error:
            raise Rejected(f"a list of revoked certificates cannot be read: {error}") from error
        if ours and found.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            raise Revoked(f"certificate {certificate.serial_number:x} was revoked")


def name_of(pem: str, issuers: Sequence[str], algorithm: HashAlgorithm = HashAlgorithm.SHA256) -> CertificateName:
    """Return how OCPP names a certificate.

    Args:
        issuers: PEM among which its issuer may be; a self-signed certificate is its own.

    Raises:
        Rejected: it is no certificate.
    """
    from cryptography.hazmat.primitives import hashes, serialization

    certificate = _load(pem)[0]
    others = [each for text in issuers for each in _load(text)]
    issuer = next((each for each in others if _signed_by(certificate, each)), certificate)
    kinds: dict[HashAlgorithm, Callable[[], hashes.HashAlgorithm]] = {
        HashAlgorithm.SHA256: hashes.SHA256,
        HashAlgorithm.SHA384: hashes.SHA384,
        HashAlgorithm.SHA512: hashes.SHA512,
    }

    def digest(content: bytes) -> str:
        state = hashes.Hash(kinds[algorithm]())
        state.update(content)
        return state.finalize().hex()

    info = issuer.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return CertificateName(
        algorithm=algorithm,
        issuer_name_hash=digest(certificate.issuer.public_bytes()),
        issuer_key_hash=digest(_key_bits(info)),
        serial_number=f"{certificate.serial_number:x}",
    )


def fingerprint_of(pem: str) -> str:
    """Return the SHA-256 of a certificate, hex. Raises ``Rejected``."""
    from cryptography.hazmat.primitives import hashes

    return _load(pem)[0].fingerprint(hashes.SHA256()).hex()


def _load(pem: str) -> list[x509.Certificate]:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    texts = certificates_in(pem)
    if not texts:
        raise Rejected("it is no certificate in PEM form")
    if len(texts) > LONGEST_CHAIN:
        raise Rejected(f"it holds {len(texts)} certificates, at most {LONGEST_CHAIN} are taken")
    try:
        loaded = [x509.load_pem_x509_certificate(text.encode()) for text in texts]
        for each in loaded:  # parsed late by the library: what is broken inside shows here
            _ = each.public_key(), each.subject, each.issuer, each.not_valid_after_utc
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise Rejected(f"it cannot be read: {error}") from error
    return loaded


def _check_strength(certificate: x509.Certificate) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    key = certificate.public_key()
    match key:
        case rsa.RSAPublicKey() if key.key_size < LEAST_RSA_BITS:
            raise Rejected(f"an RSA key of {key.key_size} bits is too short, expected {LEAST_RSA_BITS} or more")
        case ec.EllipticCurvePublicKey() if key.key_size < LEAST_EC_BITS:
            raise Rejected(f"an EC key of {key.key_size} bits is too short, expected {LEAST_EC_BITS} or more")
        case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey() | ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            pass
        case _:
            raise Rejected(f"a key of kind {type(key).__name__} cannot be used")
    digest = certificate.signature_hash_algorithm
    if digest is not None and digest.name in WEAK_DIGESTS:
        raise Rejected(f"its signature uses {digest.name}, which is too weak")


def _check_dates(certificate: x509.Certificate, now_s: float | None) -> None:
    if now_s is None:
        return
    begins_s = certificate.not_valid_before_utc.timestamp()
    ends_s = certificate.not_valid_after_utc.timestamp()
    if now_s > ends_s:
        raise Rejected(f"it expired on {datetime.fromtimestamp(ends_s, UTC):%Y-%m-%d}")
    if now_s + CLOCK_TOLERANCE_S < begins_s:
        raise Rejected(f"it is not valid before {datetime.fromtimestamp(begins_s, UTC):%Y-%m-%d}")


def _check_subject(leaf: x509.Certificate, subject: Subject, names: Sequence[str]) -> None:
    from cryptography.x509.oid import NameOID

    common = [str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if not any(each in names for each in common):
        raise Rejected(f"its common name {', '.join(common) or '(none)'} is not one of {', '.join(names)}")
    organizations = [str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    if subject.organization and organizations and subject.organization not in organizations:
        raise Rejected(f"its organisation {', '.join(organizations)} is not {subject.organization}")


def _check_links(chain: Sequence[x509.Certificate]) -> None:
    for place, (certificate, issuer) in enumerate(pairwise(chain), start=1):
        if not _signed_by(certificate, issuer):
            raise Rejected(f"certificate {place} of its chain is not signed by certificate {place + 1}")


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _public_bytes(key: object) -> bytes:
    from cryptography.hazmat.primitives import serialization

    encode: Callable[..., bytes] = key.public_bytes  # type: ignore[attr-defined]  # every public key has it
    return encode(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _key_bits(info: bytes) -> bytes:
    """Return the key inside a SubjectPublicKeyInfo: the BIT STRING without tag, length and unused bits (RFC 6960)."""
    bits = after(inside(info, 0x30))
    return inside(bits, 0x03)[1:]
