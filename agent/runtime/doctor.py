"""The doctor of the link: every step from the name to the boot notification, and what is wrong where it ends.

It uses the station's own settings, secrets and roots, changes nothing on the station, and never opens a second
connection beside a running agent's.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from agent.model.plain_text import printable
from agent.ocpp import rpc
from agent.ocpp.dialect import Dialect, StationIdentity
from agent.ocpp.errors import RemoteProtocolError
from agent.ocpp.transport import CsmsEndpoint, Link, LinkClosed, LinkFailure
from agent.runtime.doctor_tls import TlsFinding, examine_tls

NAME_WITHIN_S: Final = 10.0
TCP_WITHIN_S: Final = 8.0
BOOT_WITHIN_S: Final = 30.0
EXIT_OK: Final = 0


class Step(Enum):
    """A step on the way to the CSMS; the value is its name for programs."""

    CREDENTIALS = "credentials"
    DNS = "dns"
    ROUTE = "route"
    TCP = "tcp"
    TLS = "tls"
    CHAIN = "tls_chain"
    NAME = "tls_name"
    EXPIRY = "tls_expiry"
    CLOCK = "tls_clock"
    UPGRADE = "upgrade"
    SUBPROTOCOL = "subprotocol"
    AUTHENTICATION = "authentication"
    BOOT = "boot_notification"
    REGISTRATION = "registration"


EXIT_CODE: Final = {
    Step.CREDENTIALS: 20,
    Step.DNS: 21,
    Step.ROUTE: 22,
    Step.TCP: 23,
    Step.TLS: 24,
    Step.CHAIN: 25,
    Step.NAME: 26,
    Step.EXPIRY: 27,
    Step.CLOCK: 28,
    Step.UPGRADE: 29,
    Step.SUBPROTOCOL: 30,
    Step.AUTHENTICATION: 31,
    Step.BOOT: 32,
    Step.REGISTRATION: 33,
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one step found. ``ok`` ``None``: it was not needed, or could not be looked at."""

    step: Step
    ok: bool | None
    text: str
    cause: str = ""
    fix: str = ""
    took_s: float = 0.0


class Failed(Exception):
    """A step did not work: its finding."""

    def __init__(self, step: Step, text: str, cause: str, fix: str) -> None:
        super().__init__(text)
        self.finding = Finding(step=step, ok=False, text=text, cause=cause, fix=fix)


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What was found on one address."""

    url: str
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """Return 0, or the code of the step that failed."""
        return next((EXIT_CODE[each.step] for each in self.findings if each.ok is False), EXIT_OK)


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What a running agent does with its own connection to the CSMS, which knows one of us.

    Attributes:
        text: in words; "" where it has none and dials nobody now.
        state: ``accepted``, ``pending``, ``rejected``; ``connected`` while its boot notification is not answered; ""
            where it does not speak to this address, or does not say.
    """

    text: str = ""
    state: str = ""


NOBODY: Final = Beside()


class Doctor:
    """Examines one address.

    Args:
        endpoint: makes the endpoint; raises ``LinkClosed`` where credentials are missing.
        dialect, identity: for the boot notification.
        boot: send one. beside: tells of a running agent, and has it dial nobody for a while where it is not connected.
        utc: the time of day, s since 1970, ``None`` while nobody vouches for it.
        keys: where the station's own keys are, in words.
        say: shown each finding as it is made.
    """

    def __init__(
        self,
        *,
        url: str,
        endpoint: Callable[[], CsmsEndpoint],
        dialect: Dialect,
        identity: StationIdentity,
        utc: Callable[[], float | None],
        say: Callable[[Finding], None],
        boot: bool = True,
        beside: Callable[[], Awaitable[Beside]] | None = None,
        keys: str = "in files",
        boot_within_s: float = BOOT_WITHIN_S,
    ) -> None:
        self._url = url
        self._make_endpoint = endpoint
        self._dialect = dialect
        self._identity = identity
        self._utc = utc
        self._say = say
        self._boot = boot
        self._beside = beside
        self._keys = keys
        self._boot_within_s = boot_within_s
        self._findings: list[Finding] = []
        self._since_s = time.monotonic()

    async def examine(self) -> Examination:
        """Take the steps until one fails."""
        try:
            await self._take_steps()
        except Failed as failed:
            self._note(failed.finding)
        return Examination(url=self._url, findings=tuple(self._findings))

    async def _take_steps(self) -> None:
        endpoint = self._credentials()
        parts = urlsplit(self._url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
        addresses = await self._resolve(host, port)
        self._route(addresses)
        address = await self._tcp(host, addresses)
        if parts.scheme == "wss":
            self._tls(await examine_tls(address, host, endpoint, self._utc()))
        else:
            self._good(Step.TLS, "not used: ws:// is not encrypted", skipped=True)
        beside = NOBODY if self._beside is None else await self._beside()
        if beside.text:
            self._look_at(beside)
            return
        link = await self._upgrade(endpoint)
        async with link:
            if self._boot:
                await self._register(link)
            else:
                self._good(Step.BOOT, "not sent (--no-boot)", skipped=True)

    def _look_at(self, beside: Beside) -> None:
        """Say what a running agent's connection shows: a second one would disturb it."""
        known = {"accepted": 5, "pending": 4, "rejected": 4, "connected": 3}.get(beside.state, 0)
        steps = (Step.UPGRADE, Step.SUBPROTOCOL, Step.AUTHENTICATION, Step.BOOT, Step.REGISTRATION)
        for place, step in enumerate(steps):
            if step is Step.REGISTRATION and beside.state in ("pending", "rejected"):
                raise _not_registered(beside.state)
            self._good(step, beside.text, skipped=place >= known)

    def _credentials(self) -> CsmsEndpoint:
        try:
            endpoint = self._make_endpoint()
        except LinkClosed as error:
            fix = "charge-agent secret set csms-password, or see docs/security.md for certificates and key stores"
            raise Failed(Step.CREDENTIALS, error.text, "what the security profile needs is not there", fix) from error
        how = "password" if endpoint.password is not None else "no password"
        certificate = endpoint.tls is not None and endpoint.tls.client_chain is not None
        how += ", client certificate" if certificate else ""
        self._good(Step.CREDENTIALS, f"{how}; the station's own keys are {self._keys}")
        return endpoint

    async def _resolve(self, host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
        try:
            async with asyncio.timeout(NAME_WITHIN_S):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError) as error:
            why = "no answer of the name server" if isinstance(error, TimeoutError) else str(error)
            raise Failed(
                Step.DNS,
                f"{host} has no address: {why}",
                "the name is misspelt, or the station reaches no name server",
                "check the address in [csms]; check /etc/resolv.conf and the network's DHCP",
            ) from error
        addresses: list[tuple[socket.AddressFamily, Any]] = [(each[0], each[4]) for each in found]
        shown = ", ".join(dict.fromkeys(str(address[0]) for _, address in addresses))
        self._good(Step.DNS, f"{host} is an address" if _is_address(host) else f"{host} is {shown}")
        return addresses

    def _route(self, addresses: list[tuple[socket.AddressFamily, Any]]) -> None:
        """Ask the kernel which way a packet would go; nothing is sent."""
        errors = []
        for family, address in addresses:
            try:
                with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
                    probe.connect(address)
                    self._good(Step.ROUTE, f"from {probe.getsockname()[0]}")
                    return
            except OSError as error:
                errors.append(f"{address[0]}: {error.strerror or error}")
        raise Failed(
            Step.ROUTE,
            "no way there: " + "; ".join(errors),
            "the station has no network, or no default route",
            "check cable, SIM or Wi-Fi, and: ip route",
        )

    async def _tcp(self, host: str, addresses: list[tuple[socket.AddressFamily, Any]]) -> Any:
        errors, timed_out = [], False
        for family, address in addresses:
            plain = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            try:
                async with asyncio.timeout(TCP_WITHIN_S):
                    await asyncio.get_running_loop().sock_connect(plain, address)
                self._good(Step.TCP, f"{address[0]} port {address[1]} answers")
                return address
            except TimeoutError:
                timed_out = True
                errors.append(f"{address[0]} port {address[1]}: nothing came back within {TCP_WITHIN_S:.0f} s")
            except OSError as error:
                errors.append(f"{address[0]} port {address[1]}: {os.strerror(error.errno or 0)}")
            finally:
                plain.close()
        cause = (
            "a firewall drops it, or the address is wrong" if timed_out else f"nobody listens at this port of {host}"
        )
        fix = "ask the network's owner to let the port out" if timed_out else "check the port in [csms] url"
        raise Failed(Step.TCP, "; ".join(errors), cause, fix)

    def _tls(self, found: TlsFinding) -> None:
        if found.failed is not None:
            raise Failed(Step(found.failed), found.text, found.cause, found.fix)
        self._good(Step.TLS, found.agreed)
        for step, text in zip((Step.CHAIN, Step.NAME, Step.EXPIRY, Step.CLOCK), found.texts, strict=True):
            self._good(step, text)

    async def _upgrade(self, endpoint: CsmsEndpoint) -> Link:
        try:
            link = await Link.connect(endpoint, ping_s=0)
        except LinkClosed as error:
            raise _why_no_upgrade(error, endpoint) from error
        self._good(Step.UPGRADE, f"{endpoint.address} is a WebSocket")
        named = link.subprotocol
        said = f"{named} is spoken" if named else f"the CSMS names none; {endpoint.subprotocol} is assumed"
        self._good(Step.SUBPROTOCOL, said)
        return link

    async def _register(self, link: Link) -> None:
        message = self._dialect.boot(self._identity, "power_up")
        message_id = str(uuid.uuid4())
        call = rpc.Call(message_id=message_id, action=message.action, payload=self._dialect.encode(message))
        try:
            async with asyncio.timeout(self._boot_within_s):
                await link.send(rpc.encode(call))
                payload = await self._answer(link, message_id)
        except TimeoutError:
            raise Failed(
                Step.BOOT,
                f"no answer within {self._boot_within_s:.0f} s",
                "the CSMS took the connection but does not process messages, or a proxy holds them back",
                "ask the CSMS's operator for its log of this station",
            ) from None
        except LinkClosed as error:
            raise _closed_early(error) from error
        self._good(Step.AUTHENTICATION, "the CSMS takes messages of this station")
        self._good(Step.BOOT, "answered")
        try:
            answer = self._dialect.read_registration(payload)
        except RemoteProtocolError as error:
            raise Failed(
                Step.REGISTRATION, f"the answer cannot be read: {error.description}", "the CSMS breaks the standard",
                "tell the CSMS's operator",
            ) from error  # fmt: skip
        if answer.status != "accepted":
            raise _not_registered(answer.status)
        self._good(Step.REGISTRATION, f"accepted, heartbeat every {answer.interval_s or 0} s")

    async def _answer(self, link: Link, message_id: str) -> bytes:
        while True:
            try:
                frame = rpc.decode(await link.recv())
            except RemoteProtocolError:
                continue
            match frame:
                case rpc.CallResult() if frame.message_id == message_id:
                    return bytes(frame.payload)
                case rpc.CallError() if frame.message_id in (message_id, "-1", ""):
                    raise Failed(
                        Step.BOOT,
                        printable(f"refused: {frame.code} {frame.description}".rstrip()),
                        "the CSMS does not accept the message",
                        "check [csms] version; tell the CSMS's operator",
                    )
                case _:
                    continue

    def _good(self, step: Step, text: str, *, skipped: bool = False) -> None:
        self._note(Finding(step=step, ok=None if skipped else True, text=text))

    def _note(self, finding: Finding) -> None:
        now_s = time.monotonic()
        timed = msgspec.structs.replace(finding, took_s=round(now_s - self._since_s, 3))
        self._since_s = now_s
        self._findings.append(timed)
        self._say(timed)


def _not_registered(status: str) -> Failed:
    return Failed(
        Step.REGISTRATION,
        f"the CSMS says {status}",
        "the station is not released there yet" if status == "pending" else "it does not want this one",
        "register the station in the CSMS with this identity, vendor, model and serial number",
    )


def _why_no_upgrade(error: LinkClosed, endpoint: CsmsEndpoint) -> Failed:
    match error.failure:
        case LinkFailure.HTTP_STATUS if error.code in (401, 403):
            given = (
                "the password it was given is wrong there" if endpoint.password is not None else "it wants a password"
            )
            return Failed(
                Step.AUTHENTICATION,
                error.text,
                f"{given}, or the identity {endpoint.identity!r} is not registered",
                "charge-agent secret set csms-password; try password_encoding = hex or literal",
            )
        case LinkFailure.TLS_CLIENT_CERTIFICATE | LinkFailure.TLS_CIPHER:
            return Failed(
                Step.AUTHENTICATION,
                error.text,
                "the CSMS does not take the station's certificate, or wants one and got none",
                "see docs/security.md, profile 3",
            )
        case LinkFailure.SUBPROTOCOL:
            return Failed(
                Step.SUBPROTOCOL,
                error.text,
                "the CSMS speaks another OCPP version at this address",
                "set [csms] version, or use the address for this version",
            )
        case LinkFailure.HTTP_STATUS if error.code == 404:
            return Failed(
                Step.UPGRADE,
                error.text,
                f"the path is wrong, or the identity {endpoint.identity!r} is unknown there",
                "check [csms] url and [station] id; try trailing_slash = true",
            )
        case LinkFailure.HTTP_STATUS if error.code is not None and 300 <= error.code < 400:
            return Failed(
                Step.UPGRADE,
                error.text,
                "the address has moved; a station only talks to the one that its file names",
                "ask the CSMS's operator for the exact address, and write it into [csms] url",
            )
        case LinkFailure.HTTP_STATUS if error.code is not None and (error.code >= 500 or error.code == 429):
            return Failed(
                Step.UPGRADE,
                error.text,
                "the CSMS, or a proxy before it, is overloaded or out of order",
                "try again later; tell the CSMS's operator",
            )
        case LinkFailure.REFUSED_INSECURE:
            return Failed(Step.UPGRADE, error.text, "ws:// is not allowed", "use wss://, or allow_insecure = true")
        case LinkFailure.TIMED_OUT:
            return Failed(
                Step.UPGRADE,
                error.text,
                "something else than a CSMS listens there, or a proxy waits for nothing",
                "check address and port in [csms] url",
            )
        case LinkFailure.CLOSED:
            return _closed_early(error)
        case _:
            return Failed(
                Step.UPGRADE,
                error.text,
                "no WebSocket server answers at this path",
                "check the path in [csms] url; ask the CSMS's operator for the exact address",
            )


def _closed_early(error: LinkClosed) -> Failed:
    if error.code == 1008:  # RFC 6455 §7.4.1: policy violation; CSMS use it for stations that they do not know
        return Failed(
            Step.AUTHENTICATION,
            error.text,
            "the CSMS does not know this identity, or does not take its credentials",
            "register the station in the CSMS",
        )
    return Failed(
        Step.BOOT, error.text, "the CSMS ended the connection instead of answering", "ask its operator for the log"
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
