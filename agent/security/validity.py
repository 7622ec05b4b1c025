"""How long certificates are valid, without a library: a daily look at dates must not load 18 MiB. Pure.

Reads PEM and, of the DER inside, only the way to the two dates. It judges nothing else: whether a certificate is to be
believed is decided by OpenSSL at the connection and by ``certificates`` when one is installed.

Source: RFC 5280 §4.1 (Certificate, Validity), X.690 §8 (length, UTCTime, GeneralizedTime).
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from typing import Final

import msgspec

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----\s*([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """From when to when, seconds since 1970 UTC."""

    not_before_s: float
    not_after_s: float


def certificates_in(pem: str) -> tuple[str, ...]:
    """Return the certificates of a PEM text, each as PEM of its own."""
    return tuple(f"{match[0].strip()}\n" for match in _PEM.finditer(pem))


def validity_of(pem: str) -> Validity:
    """Return the validity of the first certificate of a PEM text. Raises ``ValueError`` where there is none."""
    match = _PEM.search(pem)
    if match is None:
        raise ValueError("no certificate in PEM form")
    try:
        return _validity(binascii.a2b_base64("".join(match[1].split())))
    except (binascii.Error, IndexError, OverflowError) as error:
        raise ValueError(f"the certificate is damaged: {error}") from error


def _validity(der: bytes) -> Validity:
    certificate = inside(der, _SEQUENCE)
    rest = inside(certificate, _SEQUENCE)  # TBSCertificate
    if rest[0] == _VERSION:
        rest = after(rest)
    for _field in ("serial number", "signature", "issuer"):
        rest = after(rest)
    dates = inside(rest, _SEQUENCE)
    return Validity(not_before_s=_time(dates), not_after_s=_time(after(dates)))


def _header(der: bytes) -> tuple[int, int]:
    """Return where the content of the first element starts and ends."""
    length = der[1]
    if length < 0x80:
        return 2, 2 + length
    size = length & 0x7F
    if not 1 <= size <= 4:
        raise ValueError(f"a length of {size} bytes is outside 1-4")
    start = 2 + size
    return start, start + int.from_bytes(der[2:start], "big")


def inside(der: bytes, tag: int) -> bytes:
    """Return the content of the first element of ``der``. Raises ``ValueError`` where it has another tag."""
    if der[0] != tag:
        raise ValueError(f"tag 0x{der[0]:02x} is not 0x{tag:02x}")
    start, end = _header(der)
    return der[start:end]


def after(der: bytes) -> bytes:
    """Return what follows the first element of ``der``."""
    return der[_header(der)[1] :]


def _time(der: bytes) -> float:
    start, end = _header(der)
    text = der[start:end].decode("ascii", errors="replace")
    if der[0] == _UTC_TIME:  # two digits of the year: 1950-2049
        text = ("20" if int(text[:2]) < 50 else "19") + text
    elif der[0] != _GENERALIZED_TIME:
        raise ValueError(f"tag 0x{der[0]:02x} is no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
