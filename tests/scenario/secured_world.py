"""A station's secured link over loopback: the real dialler, desk, watch, renewal, session and journal opposite a CSMS
that looks at what it is shown. Every frame of the station is held against the official schemas."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from agent.app import dialect_of, identity_of
from agent.clock import Clock
from agent.model.commands import TriggerKind
from agent.model.inputs import CommandReceived, Input
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.variables import VariableBook
from agent.ocpp.backoff import BackOff
from agent.ocpp.session import Session
from agent.runtime.csms_link import CsmsLink
from agent.runtime.desk import CommandDesk
from agent.runtime.supervisor import Supervisor
from agent.secured import Secured
from agent.settings.build import parse_station
from agent.store import StoreThread
from tests.conformance.oracle import V16

PATIENCE_S = 20.0
STATION = """\
[station]
id = "CP-0001"
serial_number = "SN-0001"
vendor = "Example"
model = "Wallbox 11"
state_dir = "state"
run_dir = "run"

[csms]
{csms}

[[evse]]
id = 1
pilot = {{ driver = "bench", socket = "pins.sock", evse = 1 }}
contactor = {{ line = "GPIO17" }}
mirror = {{ line = "GPIO27" }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One connection as the CSMS saw it."""

    path: str
    user: str | None
    password: bytes | None
    common_name: str | None
    tls: str | None


@dataclass(slots=True, kw_only=True)
class Csms:
    """A CSMS that answers everything and keeps what it saw. ``passwords`` empty: everybody may come."""

    passwords: set[bytes] = field(default_factory=set)
    visits: list[Visit] = field(default_factory=list)
    refused: list[bytes | None] = field(default_factory=list)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    replies: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    waiting: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    connection: ServerConnection | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def listen(self, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[int]:
        """Serve on a port of the loopback interface."""
        server: Server
        async with serve(
            self._serve,
            "127.0.0.1",
            port,
            ssl=tls,
            subprotocols=[Subprotocol("ocpp1.6")],
            process_request=self._admit,
            close_timeout=0.5,
        ) as server:
            yield next(iter(server.sockets)).getsockname()[1]

    async def call(self, action: str, payload: Any) -> Any:
        """Send a CALL on the newest connection and return the payload of its answer, proven by the schema."""
        await self.until(lambda: self.connection is not None)
        assert self.connection is not None
        message_id = str(uuid.uuid4())
        self.waiting[message_id] = asyncio.get_running_loop().create_future()
        await self.connection.send(json.dumps([2, message_id, action, payload]))
        async with asyncio.timeout(PATIENCE_S):
            answer = await self.waiting[message_id]
        assert V16.check(action, "response", answer) == []
        return answer

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait until something that the CSMS saw makes ``claim`` true."""
        async with asyncio.timeout(PATIENCE_S):
            while not claim():
                self.changed.clear()
                await self.changed.wait()

    async def heard(self, action: str, **members: Any) -> Any:
        """Wait for a CALL of the station and return its payload."""
        found: list[Any] = []

        def seen() -> bool:
            found[:] = [
                payload
                for name, payload in self.calls
                if name == action and all(payload.get(key) == value for key, value in members.items())
            ]
            return bool(found)

        await self.until(seen)
        return found[-1]

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        _, password = _credentials(request)
        if self.passwords and password not in self.passwords:
            self.refused.append(password)
            self.changed.set()
            return connection.respond(401, "no")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        user, password = _credentials(request)
        shown = connection.transport.get_extra_info("ssl_object")
        subject = dict(each[0] for each in (shown.getpeercert() or {}).get("subject", ())) if shown else {}
        name, version = subject.get("commonName"), shown.version() if shown else None
        self.visits.append(Visit(path=request.path, user=user, password=password, common_name=name, tls=version))
        self.connection = connection
        self.changed.set()
        try:
            async for text in connection:
                await self._take(connection, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            if self.connection is connection:
                self.connection = None
            self.changed.set()

    async def _take(self, connection: ServerConnection, frame: Any) -> None:
        if frame[0] == 3 and frame[1] in self.waiting:
            self.waiting.pop(frame[1]).set_result(frame[2])
        elif frame[0] == 4 and frame[1] in self.waiting:
            self.waiting.pop(frame[1]).set_exception(AssertionError(frame))
        elif frame[0] == 2:
            _, message_id, action, payload = frame
            assert V16.check(action, "request", payload) == [], frame
            self.calls.append((action, payload))
            self.changed.set()
            answer = self.replies.get(action, _good)(payload if action in self.replies else action)
            await connection.send(json.dumps([*answer[:1], message_id, *answer[1:]]))


def _good(action: str) -> list[Any]:
    now = datetime.now(UTC).isoformat()
    if action == "BootNotification":
        return [3, {"status": "Accepted", "currentTime": now, "interval": 300}]
    return [3, {"status": "Accepted"} if action == "SignCertificate" else {}]


def _credentials(request: Request) -> tuple[str | None, bytes | None]:
    header = request.headers.get("Authorization")
    if header is None:
        return None, None
    user, _, password = base64.b64decode(header.removeprefix("Basic ")).partition(b":")
    return user.decode(), password


class Quick(BackOff):
    """Waits between connections that a test has time for."""

    def wait_s(self) -> float:
        super().wait_s()
        return 0.01


class Source:
    """A machine whose clock is vouched for."""

    def utc_s(self) -> float | None:
        return time.time()

    def boot_id(self) -> str:
        return "boot"


@dataclass(slots=True, kw_only=True)
class Station:
    """The station's side."""

    secured: Secured
    link: CsmsLink
    store: StoreThread
    book: VariableBook

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait until ``claim`` holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not claim():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def station(folder: Path, csms: str, boot_reason: str = "power_up") -> AsyncIterator[Station]:
    """Run the link of a station whose file has the section ``csms``."""
    settings = parse_station(STATION.format(csms=csms).encode(), folder / "station.toml")
    dialect = dialect_of(settings.csms.version, settings)
    parts: list[Secured] = []
    book = VariableBook((*STANDARD_VARIABLES, *dialect.variables()), presets={}, live=lambda: parts[0].live_variables())
    clock = Clock(Source())
    secured = Secured(settings, dialect, book, clock)
    parts.append(secured)
    session = Session(
        dialect,
        identity_of(settings),
        book,
        new_id=lambda: str(uuid.uuid4()),
        utc=clock.utc_s,
        resolve=clock.resolve,
        boot_reason=boot_reason,
    )
    inbox: asyncio.Queue[Input] = asyncio.Queue()
    link = CsmsLink(
        session=session,
        back_off=Quick(book, lambda: 0.0),
        connect=secured.connect,
        clock=clock,
        views=lambda: ((), True),
        deliver=inbox.put_nowait,
        triggered=lambda kind, _evse: secured.sign() if kind is TriggerKind.SIGN_CERTIFICATE else None,
        registered=lambda _status, _interval: None,
        booted=lambda: None,
        proven=secured.proven,
        ended=secured.dialler.ended,
        suspicious=secured.suspicious,
    )
    (folder / "state").mkdir(exist_ok=True)
    store, _ = await StoreThread.open(folder / "state" / "journal.sqlite", boot_id="boot")
    supervisor = Supervisor(time.monotonic)
    secured.begin(supervisor, clock, link, store, boot_reason)
    others = CommandDesk(
        book, store, changed=secured.variables_changed, running=frozenset, report=lambda _id, _entries: None
    )
    desks = (secured.desk(clock, link, others), others)

    async def answer() -> None:
        while True:
            item = await inbox.get()
            if isinstance(item, CommandReceived):
                desk = next(each for each in desks if each.takes(item.command))
                link.outcome(item.command_id, await desk.handle(item.command))

    link.attach(store)
    supervisor.add("csms", link.run)
    supervisor.add("core", answer)
    running = asyncio.create_task(supervisor.run())
    try:
        yield Station(secured=secured, link=link, store=store, book=book)
    finally:
        supervisor.stop()
        await running
        await link.close()
        await store.close()


def server_tls(authority: trustme.CA, *, clients: trustme.CA | None = None, name: str = "localhost") -> ssl.SSLContext:
    """Return a server's TLS; with ``clients``, one that wants a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        clients.configure_trust(context)
    return context


def sign(
    request_pem: str,
    authority: trustme.CA,
    *,
    common_name: str | None = None,
    days: int = 365,
    begins_in_days: int = 0,
) -> str:
    """Return the chain for a signing request, as a CSMS would make it."""
    request = x509.load_pem_x509_csr(request_pem.encode())
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key: Any = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    subject = request.subject
    if common_name is not None:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    begins = datetime.now(UTC) - timedelta(hours=1) + timedelta(days=begins_in_days)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def pem_file(folder: Path, authority: trustme.CA, name: str = "root.pem") -> Path:
    """Return a file with an authority's root."""
    path = folder / name
    authority.cert_pem.write_to_path(path)
    return path
