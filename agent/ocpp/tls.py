"""TLS of the connection to the CSMS: what is offered, whom the station believes, and what a failure means.

Offered are the suites that the whitepaper prescribes for TLS 1.2 (ECDHE preferred) and those of OpenSSL for TLS 1.3,
which Python cannot choose from. No compression, no renegotiation. The host's name is looked for in the certificate's
subjectAltName, and in its common name where there is no such extension.

Source: security whitepaper A00.FR.306-322, A00.FR.402-429, A00.FR.501-506; SSL_CTX_set_security_level(3).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

import msgspec

CIPHERS: Final = ":".join(
    (
        *("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        *("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"),
        *("AES128-GCM-SHA256", "AES256-GCM-SHA384"),
        "@SECLEVEL=2",  # RSA 2048, EC 224 or more, no SHA-1, whatever OpenSSL was built for
    )
)
_MISMATCH: Final = 62  # X509_V_ERR_HOSTNAME_MISMATCH
_NOT_YET_VALID: Final = 9  # X509_V_ERR_CERT_NOT_YET_VALID
_HAS_EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED
_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME, which Python gives no name
_TOLERANCE_S: Final = 300.0
_REFERENCE: Final = b"-----BEGIN PKCS#11 PROVIDER URI-----"  # pkcs11-provider, provider-pkcs11(7)


class TlsTrouble(Enum):
    """What a failed handshake was about."""

    UNTRUSTED = "untrusted"
    WRONG_NAME = "wrong_name"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    VERSION = "version"
    CIPHER = "cipher"
    CLIENT_CERTIFICATE = "client_certificate"  # the CSMS does not take ours
    OTHER = "other"


_BY_VERIFY_CODE: Final = {
    62: TlsTrouble.WRONG_NAME,
    64: TlsTrouble.WRONG_NAME,  # X509_V_ERR_IP_ADDRESS_MISMATCH
    9: TlsTrouble.NOT_YET_VALID,
    10: TlsTrouble.EXPIRED,
}
_BY_REASON: Final = (
    ("PROTOCOL_VERSION", TlsTrouble.VERSION),
    ("UNSUPPORTED_PROTOCOL", TlsTrouble.VERSION),
    ("ALERT_HANDSHAKE_FAILURE", TlsTrouble.CIPHER),
    ("INSUFFICIENT_SECURITY", TlsTrouble.CIPHER),
    ("NO_SHARED_CIPHER", TlsTrouble.CIPHER),
    ("WRONG_CIPHER", TlsTrouble.CIPHER),
    ("DH_KEY_TOO_SMALL", TlsTrouble.CIPHER),
    ("ALERT_BAD_CERTIFICATE", TlsTrouble.CLIENT_CERTIFICATE),
    ("ALERT_CERTIFICATE", TlsTrouble.CLIENT_CERTIFICATE),
    ("ALERT_UNSUPPORTED_CERTIFICATE", TlsTrouble.CLIENT_CERTIFICATE),
    ("ALERT_UNKNOWN_CA", TlsTrouble.CLIENT_CERTIFICATE),
    ("CERTIFICATE_REQUIRED", TlsTrouble.CLIENT_CERTIFICATE),
    ("ALERT_ACCESS_DENIED", TlsTrouble.CLIENT_CERTIFICATE),
)


class TlsFilesUnusable(Exception):
    """A root, certificate or key cannot be used; the text names the file."""


class Dates(msgspec.Struct, frozen=True, kw_only=True):
    """How the server's certificate is dated where nobody vouches for the machine's clock.

    A board without a battery counts from 1970: by that clock no certificate is valid yet, and the CSMS, which could
    tell the time, is never reached.

    Attributes:
        utc_s: the time of day as the CSMS told it before, ``None`` while nobody knows it.
        floor_utc_s: it is later than this in any case: a certificate that ended before has ended.
    """

    utc_s: float | None
    floor_utc_s: float


class TlsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to believe and who to be.

    Attributes:
        root_files: PEM files of trusted roots; without any those of the operating system.
        roots_pem: more roots, as PEM text.
        only_these: ``roots_pem`` alone is trusted.
        client_chain, client_key: PEM files of the station's certificate and key; ``None``: it shows none.
        allow_wildcards: a certificate for ``*.example.com`` will do.
        dates: how the dates of certificates are judged; ``None``: by the machine's clock.
    """

    root_files: tuple[Path, ...] = ()
    roots_pem: str = ""
    only_these: bool = False
    client_chain: Path | None = None
    client_key: Path | None = None
    allow_wildcards: bool = True
    dates: Dates | None = None


class TlsFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A connection's TLS: version and cipher suite as OpenSSL names them, and when the server's certificate ends."""

    version: str
    cipher: str
    not_after_s: float | None
    chain_sha256: tuple[str, ...] = ()


def client_context(options: TlsOptions) -> ssl.SSLContext:
    """Return a context that believes and shows what ``options`` say. Raises ``TlsFilesUnusable``."""
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)  # checks chain and host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # whoever is named as root is one
    context.set_ciphers(CIPHERS)
    context.wanted = options
    context.sslobject_class = _Checked
    if options.dates is not None:
        context.verify_flags |= _NO_CHECK_TIME
    if not options.only_these:
        if not options.root_files:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        for path in options.root_files:
            try:
                context.load_verify_locations(cafile=path)
            except (OSError, ssl.SSLError) as exc:
                raise TlsFilesUnusable(f"root file {path} cannot be read: {exc}") from exc
    if options.roots_pem:
        try:
            context.load_verify_locations(cadata=options.roots_pem)
        except (ValueError, ssl.SSLError) as exc:
            raise TlsFilesUnusable(f"an installed root cannot be read: {exc}") from exc
    if options.client_chain is not None:
        try:
            context.load_cert_chain(options.client_chain, options.client_key, password="")
        except (OSError, ValueError, ssl.SSLError) as exc:
            raise TlsFilesUnusable(_why_no_client(options, exc)) from exc
    return context


def _why_no_client(options: TlsOptions, error: Exception) -> str:
    """Say why certificate and key cannot be used. OpenSSL's own words of a key on a token mislead (no such file)."""
    files = f"{options.client_chain} and {options.client_key}"
    try:
        refers = options.client_key is not None and _REFERENCE in options.client_key.read_bytes()
    except OSError:
        refers = False
    if refers:
        return (
            f"client certificate and key {files} cannot be used: the key is on a token that OpenSSL does not reach;"
            " expected OPENSSL_CONF to activate the provider pkcs11 with the token's module, and the key to be there"
        )
    return f"client certificate and key {files} cannot be used: {error}"


def trouble_of(error: ssl.SSLError) -> TlsTrouble:
    """Return what a failed handshake was about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(error.verify_code, TlsTrouble.UNTRUSTED)
    reason = str(error.reason or "").upper().replace(" ", "_")
    return next((trouble for word, trouble in _BY_REASON if word in reason), TlsTrouble.OTHER)


def facts_of(connection: Any) -> TlsFacts | None:
    """Return the TLS of an open connection: an `ssl.SSLObject`; ``None`` for ``None``."""
    if connection is None:
        return None
    cipher = connection.cipher()
    until = (connection.getpeercert() or {}).get("notAfter")
    return TlsFacts(
        version=connection.version() or "",
        cipher=cipher[0] if cipher else "",
        not_after_s=None if until is None else float(ssl.cert_time_to_seconds(until)),
        chain_sha256=_chain_digests(connection),
    )


def _chain_digests(connection: Any) -> tuple[str, ...]:
    """Return the SHA-256 of every certificate that vouches for the server; nothing where Python does not tell."""
    import hashlib

    holder = connection if hasattr(connection, "get_verified_chain") else getattr(connection, "_sslobj", None)
    ask = getattr(holder, "get_verified_chain", None)  # public from Python 3.13 on
    if ask is None:
        return ()
    return tuple(
        hashlib.sha256(each if isinstance(each, bytes) else ssl.PEM_cert_to_DER_cert(each.public_bytes())).hexdigest()
        for each in ask() or ()
    )


class _Context(ssl.SSLContext):
    """A client's context that remembers what was wanted of it."""

    wanted: TlsOptions


class _Checked(ssl.SSLObject):
    """Looks at the certificate where OpenSSL was not asked to, before anything is sent over the connection."""

    def do_handshake(self) -> None:
        super().do_handshake()
        context, certificate = self.context, self.getpeercert() or {}
        if isinstance(context, _Context):
            if not context.wanted.allow_wildcards:
                _check_name((self.server_hostname or "").casefold().rstrip("."), certificate)
            if context.wanted.dates is not None:
                _check_dates(context.wanted.dates, certificate)


def _check_name(host: str, certificate: Mapping[str, Any]) -> None:
    if _is_address(host):
        return
    names = _dns_names(certificate) or _common_names(certificate)  # as OpenSSL looks: CN where no name stands there
    if host not in names:
        raise _refusal(_MISMATCH, f"it is for {', '.join(names)}: no wildcards")


def _check_dates(dates: Dates, certificate: Mapping[str, Any]) -> None:
    begins, ends = certificate.get("notBefore"), certificate.get("notAfter")
    latest_s = dates.floor_utc_s if dates.utc_s is None else dates.utc_s
    if ends is not None and ssl.cert_time_to_seconds(ends) < latest_s:
        raise _refusal(_HAS_EXPIRED, "certificate has expired")
    if dates.utc_s is not None and begins is not None and ssl.cert_time_to_seconds(begins) > dates.utc_s + _TOLERANCE_S:
        raise _refusal(_NOT_YET_VALID, "certificate is not yet valid")


def _refusal(code: int, why: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, why)
    error.verify_code, error.verify_message = code, why
    return error


def _dns_names(certificate: Mapping[str, Any]) -> list[str]:
    return [str(value).casefold() for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]


def _common_names(certificate: Mapping[str, Any]) -> list[str]:
    parts = [part for group in certificate.get("subject", ()) for part in group]
    return [str(value).casefold() for kind, value in parts if kind == "commonName"]


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdecimal()
