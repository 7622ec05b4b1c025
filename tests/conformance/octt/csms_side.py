"""The CSMS of a case: the bench's, on the `ocpp` package, at the other end of a wire within the process."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from agent.ocpp.transport import CsmsEndpoint, Link, LinkClosed, LinkFailure
from hil.csms_desk import Desk
from hil.csms_frames import Direction, Frame, FrameKind, Wanted, contains
from hil.csms_peer import CallFailed, Peer
from hil.csms_server import make_peer
from hil.ledger_rows import ProblemKind
from tests.conformance.octt.virtual_time import VirtualLoop
from tests.conformance.octt.wires import End, connected

PATIENCE_S: Final = 120.0  # virtual seconds
IDENTITY: Final = "CP-1"
SOCKET_S: Final = 0.002  # both ends are in one process: what is sent is there nearly at once


class Disconnected(AssertionError):
    """The station left before it answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where a CSMS listens for real: with TLS, and for whom; ``passwords`` empty: for everybody."""

    tls: ssl.SSLContext | None = None
    passwords: set[bytes] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One connection as the CSMS saw it."""

    user: str | None
    password: bytes | None
    common_name: str | None
    tls: str | None
    cipher: str | None


class Csms:
    """What the certification tool would be. Every frame of the station is checked by the package's schemas.

    ``expect`` and its kin look for the next CALL of the station since the last one that was found so; ``call`` asks.
    """

    def __init__(self, now_s: Callable[[], float], epoch_s: float) -> None:
        self.desk = Desk(mono_s=now_s, utc=lambda: datetime.fromtimestamp(epoch_s + now_s(), UTC))
        self.desk.script.boot_interval_s = 300
        self.reachable = True
        self._now_s, self.epoch_s = now_s, epoch_s
        self._peer: Peer | None = None
        self._wire: End | None = None
        self._serving: asyncio.Task[None] | None = None
        self._servers: list[Server] = []
        self.visits: list[Visit] = []
        self._seen: dict[str, int] = {}
        self.forgotten = 0

    # ---- the wire ------------------------------------------------------------------------------------------------

    async def dial(self, endpoint: CsmsEndpoint, *, ping_s: float) -> Link:
        """Meets ``agent.secured.Dial``."""
        if not self.reachable:
            raise LinkClosed(LinkFailure.UNREACHABLE, "the case has cut the network")
        theirs, ours = connected(endpoint.subprotocol)
        card = self.desk.station(IDENTITY)
        card.connections += 1
        self._peer = make_peer(self.desk, cast(Any, ours), IDENTITY)  # as far as a peer uses a connection
        self.desk.record(IDENTITY, self._peer.number, Direction.IN, FrameKind.CONNECTED, endpoint.subprotocol)
        self._wire = ours
        self._serving = asyncio.create_task(self._serve(self._peer))
        return Link(cast(Any, theirs))  # as far as a link uses a connection

    async def _serve(self, peer: Peer) -> None:
        try:
            await peer.serve()
        finally:
            self.desk.record(IDENTITY, peer.number, Direction.IN, FrameKind.DISCONNECTED, "")

    @property
    def connected(self) -> bool:
        """Return whether the station is here, and registered."""
        here = self._serving is not None and not self._serving.done()
        return here and self.reachable and self.desk.station(IDENTITY).registration == "Accepted"

    def cut(self) -> None:
        """Cut the network; it stays away."""
        self.reachable = False
        if self._wire is not None:
            self._wire.abort()

    def mend(self) -> None:
        """Let the station come back."""
        self.reachable = True

    async def listen(self, place: Listen) -> str:
        """Serve a port of the loopback interface; return its URL. From now on time waits for sockets."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.socket_s = SOCKET_S

        async def admit(connection: ServerConnection, request: Request) -> Response | None:
            if place.passwords and _credentials(request)[1] not in place.passwords:
                return connection.respond(401, "no")
            return None

        server = await serve(
            self._visited,
            "127.0.0.1",
            0,
            ssl=place.tls,
            subprotocols=[Subprotocol("ocpp1.6")],
            process_request=admit,
            ping_interval=None,
            close_timeout=0.5,
        )
        self._servers.append(server)
        port = next(iter(server.sockets)).getsockname()[1]
        return f"{'ws' if place.tls is None else 'wss'}://localhost:{port}/"

    async def _visited(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        user, password = _credentials(connection.request)
        shown = connection.transport.get_extra_info("ssl_object")
        subject = dict(each[0] for each in (shown.getpeercert() or {}).get("subject", ())) if shown else {}
        self.visits.append(
            Visit(
                user=user,
                password=password,
                common_name=subject.get("commonName"),
                tls=shown.version() if shown else None,
                cipher=shown.cipher()[0] if shown else None,
            )
        )
        self.desk.station(IDENTITY).connections += 1
        self._peer = make_peer(self.desk, connection, IDENTITY)
        self.desk.record(IDENTITY, self._peer.number, Direction.IN, FrameKind.CONNECTED, "ocpp1.6")
        await self._serve(self._peer)

    async def close(self) -> None:
        """End the case."""
        for server in self._servers:
            server.close()
            await server.wait_closed()
        self.cut()
        if self._serving is not None:
            await asyncio.gather(self._serving, return_exceptions=True)

    # ---- what the station says -------------------------------------------------------------------------------------

    async def expect(self, action: str, *, within_s: float = PATIENCE_S, **members: Any) -> dict[str, Any]:
        """Wait for the next CALL of an action that contains ``members``; return its payload."""
        frame = await self.frame(action, within_s=within_s, **members)
        payload: dict[str, Any] = frame.payload
        return payload

    async def frame(self, action: str, *, within_s: float = PATIENCE_S, **members: Any) -> Frame:
        """As ``expect``, with its place in the record. Statuses of different connectors are independent."""
        lane = f"{action} {members['connectorId']}" if action == "StatusNotification" and members else action
        wanted = Wanted(
            since=self._seen.get(lane, self.forgotten),
            direction=Direction.IN,
            kind=FrameKind.CALL,
            action=action,
            where=members or None,
        )
        if not await self.desk.frames.until(lambda: bool(self.desk.frames.select(wanted)), within_s):
            raise AssertionError(f"no {action} {members} within {within_s:g} s; since then: {self.told(wanted.since)}")
        found = self.desk.frames.select(wanted)[0]
        self._seen[lane] = found.seq
        return found

    async def status(self, connector: int, status: str, **members: Any) -> Frame:
        """Wait for a StatusNotification."""
        return await self.frame("StatusNotification", connectorId=connector, status=status, **members)

    async def silence(self, action: str, for_s: float, **members: Any) -> None:
        """Let time pass; fail where a CALL of this action, with these members, came in it."""
        before = self.desk.frames.last_seq
        await asyncio.sleep(for_s)
        came = [each.payload for each in self.calls(action, since=before) if contains(each.payload, members)]
        assert not came, came

    def calls(self, action: str | None = None, *, since: int = 0) -> list[Frame]:
        """Return every CALL of the station, in order."""
        return self.desk.frames.select(Wanted(since=since, direction=Direction.IN, kind=FrameKind.CALL, action=action))

    def told(self, since: int = 0) -> list[str]:
        """Return what the station said, for people."""
        return [f"{each.at_s:.1f} {each.action} {each.payload}" for each in self.calls(since=since)]

    def forget(self) -> None:
        """What came until now is over: the next ``expect`` looks for later ones only."""
        self.forgotten, self._seen = self.now, {}

    def at(self, seconds: float = 0.0) -> str:
        """Return the time so many seconds from now, as a CSMS writes it."""
        moment = datetime.fromtimestamp(self.epoch_s + self._now_s() + seconds, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @property
    def now(self) -> int:
        """Number of the newest record."""
        return self.desk.frames.last_seq

    # ---- what the CSMS asks ------------------------------------------------------------------------------------------

    async def call(self, action: str, payload: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
        """Send a CALL; return the payload of its answer, which the schemas allow."""
        answer = await self._ask(action, (payload or {}) | members)
        assert "error" not in answer, answer
        found: dict[str, Any] = answer["payload"]
        return found

    async def error(self, action: str, **members: Any) -> str:
        """Send a CALL that must be refused; return the code of the CALLERROR."""
        answer = await self._ask(action, members)
        assert "error" in answer, answer
        return str(answer["error"]["code"])

    async def _ask(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        assert self._peer is not None, "the station is not connected"
        try:
            return await self._peer.call(action, payload, timeout_s=PATIENCE_S)
        except CallFailed as failed:
            raise (Disconnected if "disconnected" in str(failed) else AssertionError)(str(failed)) from failed

    async def accepted(self, action: str, payload: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
        """Send a CALL that must be Accepted."""
        answer = await self.call(action, payload, **members)
        assert answer.get("status") == "Accepted", (action, answer)
        return answer

    async def configure(self, **keys: str | int | bool) -> None:
        """Change configuration keys; each must be accepted."""
        for key, value in keys.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            await self.accepted("ChangeConfiguration", key=key, value=text)

    def tag(self, id_tag: str, status: str = "Accepted", parent: str | None = None) -> None:
        """Say what the CSMS knows of an idTag."""
        self.desk.script.order({"tokens": {id_tag: {"status": status, "parent": parent}}})

    def script(self, **orders: Any) -> None:
        """Change how the CSMS answers; see ``hil.csms_script``."""
        self.desk.script.order(orders)

    def problems(self) -> list[str]:
        """Return what is held against the station; a transaction may be open when a case ends."""
        found = [each for each in self.desk.ledger.problems() if each.kind is not ProblemKind.OPEN]
        return [f"{each.kind.value}: {each.text}" for each in found]


def _credentials(request: Request) -> tuple[str | None, bytes | None]:
    header = request.headers.get("Authorization")
    if header is None:
        return None, None
    user, _, password = base64.b64decode(header.removeprefix("Basic ")).partition(b":")
    return user.decode(), password
