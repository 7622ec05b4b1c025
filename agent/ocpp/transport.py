"""The WebSocket to the CSMS: the only I/O of this room.

TLS 1.2 or newer with the host's name checked; plain text only where the station file allows it; no redirect is
followed; no proxy is asked. A half-open link is found by our pings (interval + 15 s, less where they are frequent), and
by the kernel where data waits (TCP user time-out).

Source: OCPP-J 1.6 §3.1, §3.2, §5.3; OCPP 2.0.1 part 4 §3.1, §5.3; security whitepaper A00.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote, urlsplit

import agent.ocpp.light_websockets  # noqa: F401  # first: what follows loads less then

# isort: split
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, NegotiationError
from websockets.protocol import State
from websockets.typing import Subprotocol

from agent.model.plain_text import printable
from agent.ocpp.bounded_connection import BoundedConnection
from agent.ocpp.errors import ConnectionLost
from agent.ocpp.tls import TlsFacts, TlsFilesUnusable, TlsOptions, TlsTrouble, client_context, facts_of, trouble_of

MAX_MESSAGE_BYTES: Final = 1_048_576
CLOSE_WITHIN_S: Final = 3.0
SEND_WITHIN_S: Final = 20.0
SHORT_CHARS: Final = 8192  # such a message fits into an empty buffer: nothing has to be waited for
LEAST_PONG_S: Final = 5.0  # no round trip of a mobile network that is worth keeping takes longer
_KEEPALIVE_IDLE_S: Final = 60
_TEXT_CHARS: Final = 300


class LinkFailure(Enum):
    """Why there is no link. For the installer: each has another remedy."""

    REFUSED_INSECURE = "refused_insecure"  # ws:// without allow_insecure
    BAD_URL = "bad_url"
    NAME_UNKNOWN = "name_unknown"  # DNS
    UNREACHABLE = "unreachable"  # refused, no route, reset
    TIMED_OUT = "timed_out"
    TLS_UNTRUSTED = "tls_untrusted"  # the chain ends in no root that we know
    TLS_WRONG_NAME = "tls_wrong_name"
    TLS_EXPIRED = "tls_expired"
    TLS_NOT_YET_VALID = "tls_not_yet_valid"  # or the station's clock is behind
    TLS_VERSION = "tls_version"
    TLS_CIPHER = "tls_cipher"
    TLS_CLIENT_CERTIFICATE = "tls_client_certificate"  # ours is refused, missing or unreadable
    TLS_FAILED = "tls_failed"  # not TLS at all, unreadable root file
    NO_CREDENTIALS = "no_credentials"  # the profile wants a password or certificate that the station does not have
    HTTP_STATUS = "http_status"  # 404 unknown identity, 401 wrong password, 5xx ...
    SUBPROTOCOL = "subprotocol"
    HANDSHAKE = "handshake"
    CLOSED = "closed"  # with a close frame; ``code`` is its code
    LOST = "lost"  # without one


class LinkClosed(ConnectionLost):
    """There is no link, or not any more.

    Attributes:
        failure: the kind of cause.
        code: HTTP status or WebSocket close code, ``None`` where there is none.
        text: the cause in words for the installer.
    """

    def __init__(self, failure: LinkFailure, text: str, code: int | None = None) -> None:
        self.failure = failure
        self.code = code
        self.text = printable(text[:_TEXT_CHARS])  # a server's words, too
        super().__init__(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsmsEndpoint:
    """Where the CSMS is and how to reach it.

    Attributes:
        url: ``ws://`` or ``wss://`` as the CSMS's operator gave it; the identity is appended after exactly one ``/``.
        identity: the station's name, at most 48 characters.
        subprotocol: of the dialect.
        root_files: PEM files of trusted roots; empty: those of the operating system.
        tls: the other options of TLS.
        allow_insecure: permits ``ws://``.
        password: for HTTP Basic authentication with the identity as user; ``None``: no authentication.
        trailing_slash: write a ``/`` after the identity too; a few servers want it.
        ping_timeout_s: time after a ping within which the link is given up without a pong; with pings closer
            together than this, their period, but at least 5 s.
        open_timeout_s: for name, TCP, TLS and upgrade together.
        compression: offer permessage-deflate.
    """

    url: str
    identity: str
    subprotocol: str
    root_files: tuple[Path, ...] = ()
    tls: TlsOptions | None = None
    allow_insecure: bool = False
    password: bytes | None = field(default=None, repr=False)
    trailing_slash: bool = False
    ping_timeout_s: float = 15.0
    open_timeout_s: float = 20.0
    compression: bool = False

    @property
    def address(self) -> str:
        """Return the URL of the connection: path kept exactly, identity percent-encoded."""
        base = self.url if self.url.endswith("/") else self.url + "/"
        return base + quote(self.identity, safe="") + ("/" if self.trailing_slash else "")


def password_bytes(text: str, *, hexadecimal: bool) -> bytes:
    """Return the password that ``text`` means: UTF-8, or the bytes that its hex digits stand for.

    1.6 sets its key as hex digits and means the decoded bytes; many back ends compare the digits literally; 2.0.1 has
    no hex.

    Raises:
        ValueError: ``hexadecimal`` and it is not pairs of hex digits.
    """
    return bytes.fromhex(text) if hexadecimal else text.encode()


class Link:
    """An open WebSocket. Close it, or use it as a context manager."""

    def __init__(self, connection: BoundedConnection, *, ping_timeout_s: float = 15.0) -> None:
        self._connection = connection
        self._ping_timeout_s = ping_timeout_s

    @classmethod
    async def connect(cls, endpoint: CsmsEndpoint, *, ping_s: float) -> Link:
        """Open a link. ``ping_s``: period of our pings, s; 0: none.

        Raises:
            LinkClosed: there is none; its text says why in the installer's words.
        """
        address = endpoint.address
        scheme = urlsplit(address).scheme
        if scheme not in ("ws", "wss"):
            raise LinkClosed(LinkFailure.BAD_URL, f"{endpoint.url!r} does not begin with ws:// or wss://")
        if scheme == "ws" and not endpoint.allow_insecure:
            text = f"{endpoint.url} is not encrypted; use wss://, or allow it in the station file"
            raise LinkClosed(LinkFailure.REFUSED_INSECURE, text)
        pong_within_s, farewell_s = _patience(endpoint.ping_timeout_s, ping_s)
        tls: dict[str, Any] = {"ssl": _tls_context(endpoint)} if scheme == "wss" else {}
        try:
            connection = await _Connect(
                address,
                subprotocols=[Subprotocol(endpoint.subprotocol)],
                compression="deflate" if endpoint.compression else None,
                additional_headers=_authorization(endpoint),
                user_agent_header="charge-agent",
                proxy=None,
                open_timeout=endpoint.open_timeout_s,
                close_timeout=farewell_s,
                ping_interval=ping_s or None,
                ping_timeout=pong_within_s,
                max_size=MAX_MESSAGE_BYTES,
                create_connection=BoundedConnection,
                **tls,
            )
        except (OSError, InvalidHandshake, InvalidURI, ConnectionClosed, EOFError, UnicodeError) as exc:
            raise _unopened(exc, endpoint) from exc
        assert isinstance(connection, BoundedConnection)
        _watch_socket(connection, endpoint.ping_timeout_s)
        return cls(connection, ping_timeout_s=endpoint.ping_timeout_s)

    @property
    def subprotocol(self) -> str | None:
        """Return what the server chose; ``None`` where it did not say."""
        return self._connection.subprotocol

    @property
    def tls(self) -> TlsFacts | None:
        """Return what TLS agreed on; ``None`` on a plain connection."""
        return facts_of(self._connection.transport.get_extra_info("ssl_object"))

    def offer(self, take: Callable[[str], bool]) -> None:
        """Offer messages to ``take`` where they arrive; ``recv`` returns those that it refuses (``False``)."""
        self._connection.offer(take)

    def send_at_once(self, text: str) -> bool:
        """Send one message if that needs no waiting: it is short, and nothing waits before it. Return whether it was
        sent; ``send`` says why it was not.
        """
        return self._flows(text) and self._connection.send_at_once(text)

    def _flows(self, text: str) -> bool:
        return len(text) < SHORT_CHARS and self._connection.transport.get_write_buffer_size() == 0

    async def send(self, text: str) -> None:
        """Send one message. Raises ``LinkClosed`` where the link is gone or does not take it within 20 s."""
        try:
            if self._flows(text):
                await self._connection.send(text)
                return
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._connection.send(text)
        except TimeoutError as exc:
            raise LinkClosed(LinkFailure.TIMED_OUT, f"a message was not taken within {SEND_WITHIN_S:.0f} s") from exc
        except ConnectionClosed as exc:
            raise _closed(exc) from exc

    def ping_every(self, ping_s: float) -> None:
        """Change the period of our pings from now on, s; 0: none. The connection stays as it is."""
        connection = self._connection
        if connection.state is not State.OPEN or connection.ping_interval == (ping_s or None):
            return
        if connection.keepalive_task is not None:
            connection.keepalive_task.cancel()
            connection.keepalive_task = None
        connection.ping_timeout, connection.close_timeout = _patience(self._ping_timeout_s, ping_s)
        connection.ping_interval = ping_s or None
        connection.start_keepalive()

    async def recv(self) -> str | bytes:
        """Return the next message. Raises ``LinkClosed`` when the link ends."""
        try:
            return await self._connection.next_message()
        except ConnectionClosed as exc:
            raise _closed(exc) from exc

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield messages until the link ends, which raises ``LinkClosed``."""
        while True:
            yield await self.recv()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the link, within 3 s even where the peer does not answer. Calling it twice does no harm."""
        await self._connection.close(code, reason.encode()[:120].decode(errors="ignore"))

    async def __aenter__(self) -> Link:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class _Connect(websocket_connect):
    """Follows no redirect: a station talks to the CSMS that its file names, with its password."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _patience(ping_timeout_s: float, ping_s: float) -> tuple[float, float]:
    """Return how long a pong is waited for, and then for the end of the connection, s."""
    within_s = ping_timeout_s
    if ping_s:  # who asks often wants to know soon
        within_s = min(within_s, max(LEAST_PONG_S, ping_s))
    farewell_s = min(CLOSE_WITHIN_S, within_s / 3)  # websockets waits so long after a missing pong
    return within_s - farewell_s, farewell_s


def _authorization(endpoint: CsmsEndpoint) -> dict[str, str] | None:
    if endpoint.password is None:
        return None
    pair = endpoint.identity.encode() + b":" + endpoint.password
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}


def _tls_context(endpoint: CsmsEndpoint) -> ssl.SSLContext:
    options = endpoint.tls or TlsOptions(root_files=endpoint.root_files)
    try:
        return client_context(options)
    except TlsFilesUnusable as exc:
        failure = LinkFailure.TLS_CLIENT_CERTIFICATE if "client" in str(exc)[:6] else LinkFailure.TLS_FAILED
        raise LinkClosed(failure, str(exc)) from exc


def _watch_socket(connection: ClientConnection, unanswered_s: float) -> None:
    """Let the kernel notice a dead peer too: keep-alives, and a limit to unacknowledged data (Linux)."""
    plain = connection.transport.get_extra_info("socket")
    if plain is None:
        return
    with contextlib.suppress(OSError):  # a socket option that this kernel lacks costs nothing but the option
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(max(unanswered_s, 5.0) * 2_000))


def _closed(exc: ConnectionClosed) -> LinkClosed:
    if exc.rcvd is None:
        return LinkClosed(LinkFailure.LOST, f"the connection was lost: {exc.__cause__ or exc}")
    reason = f" ({exc.rcvd.reason})" if exc.rcvd.reason else ""
    return LinkClosed(
        LinkFailure.CLOSED, f"the CSMS closed the connection with code {exc.rcvd.code}{reason}", exc.rcvd.code
    )


def _unopened(exc: Exception, endpoint: CsmsEndpoint) -> LinkClosed:
    """Say why a connection could not be opened."""
    host = urlsplit(endpoint.url).hostname or endpoint.url
    match exc:
        case InvalidStatus():
            status = exc.response.status_code
            return LinkClosed(LinkFailure.HTTP_STATUS, f"{host} answered HTTP {status}{_hint(status)}", status)
        case NegotiationError() if "subprotocol" in str(exc):
            return LinkClosed(LinkFailure.SUBPROTOCOL, f"{host} does not speak {endpoint.subprotocol}: {exc}")
        case InvalidURI():
            return LinkClosed(LinkFailure.BAD_URL, f"{endpoint.url!r} is not a WebSocket URL: {exc}")
        case ssl.SSLCertVerificationError():
            failure = _TLS_FAILURE[trouble_of(exc)]
            return LinkClosed(failure, f"the certificate of {host} is refused: {exc.verify_message}")
        case ssl.SSLError():
            return _tls_failed(host, exc)
        case UnicodeError():  # a label of the name is empty or longer than 63 characters
            return LinkClosed(LinkFailure.NAME_UNKNOWN, f"{host} is no name of a host: {exc.__cause__ or exc}")
        case socket.gaierror():
            return LinkClosed(LinkFailure.NAME_UNKNOWN, f"the name {host} cannot be resolved: {exc.strerror or exc}")
        case TimeoutError():
            return LinkClosed(LinkFailure.TIMED_OUT, f"{host} did not answer within {endpoint.open_timeout_s:.0f} s")
        case OSError():
            return LinkClosed(
                LinkFailure.UNREACHABLE, f"{host} cannot be reached: {exc.strerror or str(exc) or _hung_up(endpoint)}"
            )
        case _ if (hidden := _tls_cause(exc)) is not None:
            return _tls_failed(host, hidden)
        case _:
            more = f" ({exc.__cause__})" if exc.__cause__ is not None and str(exc.__cause__) else ""
            return LinkClosed(LinkFailure.HANDSHAKE, f"{host} did not complete the WebSocket handshake: {exc}{more}")


def _hung_up(endpoint: CsmsEndpoint) -> str:
    return "it hung up during the TLS handshake" if endpoint.url.startswith("wss:") else "it hung up"


def _hint(status: int) -> str:
    match status:
        case 401 | 403:
            return ": identity or password is refused"
        case 404:
            return ": the identity or the path is unknown there"
        case _ if 300 <= status < 400:
            return ": redirects are not followed"
        case _:
            return ""


_TLS_FAILURE: Final = {
    TlsTrouble.UNTRUSTED: LinkFailure.TLS_UNTRUSTED,
    TlsTrouble.WRONG_NAME: LinkFailure.TLS_WRONG_NAME,
    TlsTrouble.EXPIRED: LinkFailure.TLS_EXPIRED,
    TlsTrouble.NOT_YET_VALID: LinkFailure.TLS_NOT_YET_VALID,
    TlsTrouble.VERSION: LinkFailure.TLS_VERSION,
    TlsTrouble.CIPHER: LinkFailure.TLS_CIPHER,
    TlsTrouble.CLIENT_CERTIFICATE: LinkFailure.TLS_CLIENT_CERTIFICATE,
    TlsTrouble.OTHER: LinkFailure.TLS_FAILED,
}


def _tls_failed(host: str, exc: ssl.SSLError) -> LinkClosed:
    return LinkClosed(_TLS_FAILURE[trouble_of(exc)], f"TLS with {host} failed: {exc.reason or exc}")


def _tls_cause(exc: BaseException) -> ssl.SSLError | None:
    """Return the TLS error behind another one: TLS 1.3 tells a client only afterwards that its certificate is bad."""
    cause: BaseException | None = exc
    for _ in range(4):
        if cause is None or isinstance(cause, ssl.SSLError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None
