"""The doctor's look at TLS: one handshake as the station makes it, and, where that fails, one that only looks.

The second handshake believes anybody and offers everything, sends nothing and is closed at once: it tells which
version the server speaks, whose certificate it shows and until when.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from agent.ocpp.tls import TlsFilesUnusable, TlsOptions, TlsTrouble, client_context, facts_of, trouble_of
from agent.ocpp.transport import CsmsEndpoint
from agent.security.validity import validity_of

HANDSHAKE_WITHIN_S: Final = 10.0
DAY_S: Final = 86_400.0
WARN_DAYS: Final = 30


class TlsFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What TLS is like.

    Attributes:
        agreed: version and cipher suite. texts: chain, name, expiry, clock, in words.
        failed: name of the step that failed, ``None`` where none did. text, cause, fix: about it.
    """

    agreed: str = ""
    texts: tuple[str, str, str, str] = ("", "", "", "")
    failed: str | None = None
    text: str = ""
    cause: str = ""
    fix: str = ""


async def examine_tls(address: Any, host: str, endpoint: CsmsEndpoint, utc_s: float | None) -> TlsFinding:
    """Make the station's handshake with ``address`` and say how it went.

    Args:
        utc_s: the time of day, ``None`` while nobody vouches for the station's clock.
    """
    options = endpoint.tls or TlsOptions(root_files=endpoint.root_files)
    try:
        context = client_context(options)
    except TlsFilesUnusable as error:
        return TlsFinding(failed="tls", text=str(error), cause="a file of the station is damaged", fix="replace it")
    try:
        shown = await _handshake(address, host, context)
    except (OSError, TimeoutError, EOFError) as error:
        return await _why(address, host, error, utc_s)
    facts = facts_of(shown)
    certificate = shown.getpeercert() or {}
    days = None
    if facts is not None and facts.not_after_s is not None and utc_s is not None:
        days = int((facts.not_after_s - utc_s) // DAY_S)
    ends = "end unknown" if days is None else f"ends in {days} days" + (": SOON" if days <= WARN_DAYS else "")
    return TlsFinding(
        agreed="" if facts is None else f"{facts.version} {facts.cipher}",
        texts=(
            f"issued by {_name(certificate.get('issuer', ()))}, which leads to a root that the station trusts",
            f"it is for {host}",
            ends,
            "the station's clock is vouched for" if utc_s is not None else "nobody vouches for the station's clock",
        ),
    )


async def _why(address: Any, host: str, error: BaseException, utc_s: float | None) -> TlsFinding:
    """Look closer at a handshake that failed."""
    version, pem = await _look(address, host)
    trouble = trouble_of(error) if isinstance(error, ssl.SSLError) else TlsTrouble.OTHER
    ends = _dates(pem)
    match trouble:
        case TlsTrouble.UNTRUSTED:
            return TlsFinding(
                failed="tls_chain",
                text=f"the certificate of {host} is refused: {getattr(error, 'verify_message', error)}",
                cause="it leads to no root that the station trusts; a proxy may stand in between",
                fix="put the CSMS's root into [csms] root_certificates (without any, the system's are used)",
            )
        case TlsTrouble.WRONG_NAME:
            return TlsFinding(
                failed="tls_name",
                text=f"the certificate is not for {host}: {getattr(error, 'verify_message', error)}",
                cause="the address names another host than the certificate",
                fix="use the host name that the CSMS's operator gave, not an address",
            )
        case TlsTrouble.EXPIRED if utc_s is not None:
            return TlsFinding(
                failed="tls_expiry",
                text=f"the certificate has expired{ends}",
                cause="the CSMS's operator did not renew it, or the station's clock is ahead",
                fix=f"tell the CSMS's operator; the station thinks it is {_day(utc_s)}",
            )
        case TlsTrouble.NOT_YET_VALID | TlsTrouble.EXPIRED:
            return _clock(ends)
        case _:
            return _no_agreement(host, error, trouble, version)


def _clock(ends: str) -> TlsFinding:
    return TlsFinding(
        failed="tls_clock",
        text=f"by the station's clock the certificate is not valid{ends}",
        cause="the station's clock is wrong: it has no battery, and no time server answered yet",
        fix="give it a time server (systemd-timesyncd), or a battery",
    )


def _no_agreement(host: str, error: BaseException, trouble: TlsTrouble, version: str) -> TlsFinding:
    reason = getattr(error, "reason", None) or str(error) or "it hung up"
    if isinstance(error, TimeoutError):
        reason = f"nothing came within {HANDSHAKE_WITHIN_S:.0f} s"
    if trouble is TlsTrouble.CLIENT_CERTIFICATE:
        cause, fix = "the CSMS does not take the station's certificate", "see docs/security.md, profile 3"
    elif version and version < "TLSv1.2":
        cause, fix = f"the CSMS only speaks {version}; TLS 1.2 is the least", "the CSMS's operator has to renew it"
    elif version:
        cause = f"the CSMS speaks {version}, but none of the prescribed cipher suites, or wants a client certificate"
        fix = "ask the CSMS's operator"
    else:
        cause, fix = "what listens there does not speak TLS", "check the port; plain text would be ws://"
    return TlsFinding(failed="tls", text=f"TLS with {host} failed: {reason}", cause=cause, fix=fix)


async def _handshake(address: Any, host: str, context: ssl.SSLContext) -> Any:
    """Return the `ssl.SSLObject` of a finished handshake; the connection is closed."""
    async with asyncio.timeout(HANDSHAKE_WITHIN_S):
        _, writer = await asyncio.open_connection(
            address[0], address[1], ssl=context, server_hostname=host, ssl_handshake_timeout=HANDSHAKE_WITHIN_S
        )
    shown = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    return shown


async def _look(address: Any, host: str) -> tuple[str, str]:
    """Return which version a server speaks and its certificate as PEM; "" for what it does not show."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(ValueError, ssl.SSLError):
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    try:
        shown = await _handshake(address, host, context)
    except (OSError, TimeoutError, EOFError):
        return "", ""
    der = shown.getpeercert(binary_form=True)
    return shown.version() or "", ssl.DER_cert_to_PEM_cert(der) if der else ""


def _dates(pem: str) -> str:
    try:
        validity = validity_of(pem)
    except ValueError:
        return ""
    return f" (valid {_day(validity.not_before_s)} to {_day(validity.not_after_s)})"


def _day(utc_s: float) -> str:
    return f"{datetime.fromtimestamp(utc_s, UTC):%Y-%m-%d}"


def _name(parts: Any) -> str:
    """Return the common name of a decoded subject or issuer, else its organisation."""
    named = {key: value for part in parts for key, value in part}
    return str(named.get("commonName") or named.get("organizationName") or "somebody without a name")
