"""The CSMS of a case: the bench's, on the `ocpp` package, at the other end of a wire within the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, cast

from agent.ocpp.transport import CsmsEndpoint, Link, LinkClosed, LinkFailure
from hil.csms_desk import Desk
from hil.csms_frames import Direction, Frame, FrameKind, Wanted, contains
from hil.csms_peer import CallFailed, Peer
from hil.csms_server import make_peer
from hil.ledger_rows import ProblemKind
from tests.conformance.octt.wires import End, connected

PATIENCE_S: Final = 120.0  # virtual seconds
IDENTITY: Final = "CP-1"


class Csms:
    """What the certification tool would be. Every frame of the station is checked by the package's schemas.

    ``expect`` and its kin look for the next CALL of the station since the last one that was found so; ``call`` asks.
    """

    def __init__(self, now_s: Callable[[], float], epoch_s: float) -> None:
        self.desk = Desk(mono_s=now_s, utc=lambda: datetime.fromtimestamp(epoch_s + now_s(), UTC))
        self.desk.script.boot_interval_s = 300
        self.reachable = True
        self._now_s, self._epoch_s = now_s, epoch_s
        self._peer: Peer | None = None
        self._wire: End | None = None
        self._serving: asyncio.Task[None] | None = None
        self._seen: dict[str, int] = {}
        self.forgotten = 0

    # ---- the wire ------------------------------------------------------------------------------------------------

    async def dial(self, endpoint: CsmsEndpoint, *, ping_s: float) -> Link:
        """Meets ``agent.secured.Dial``."""
        if not self.reachable:
            raise LinkClosed(LinkFailure.UNREACHABLE, "the case has cut the network")
        theirs, ours = connected()
        card = self.desk.station(IDENTITY)
        card.connections += 1
        self._peer = make_peer(self.desk, cast(Any, ours), IDENTITY)  # as far as a peer uses a connection
        self.desk.record(IDENTITY, self._peer.number, Direction.IN, FrameKind.CONNECTED, "ocpp1.6")
        self._wire = ours
        self._serving = asyncio.create_task(self._serve(self._peer))
        return Link(cast(Any, theirs))  # as far as a link uses a connection

    async def _serve(self, peer: Peer) -> None:
        try:
            await peer.serve()
        finally:
            self.desk.record(IDENTITY, peer.number, Direction.IN, FrameKind.DISCONNECTED, "")

    def cut(self) -> None:
        """Cut the network; it stays away."""
        self.reachable = False
        if self._wire is not None:
            self._wire.abort()

    def mend(self) -> None:
        """Let the station come back."""
        self.reachable = True

    async def close(self) -> None:
        """End the case."""
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
        moment = datetime.fromtimestamp(self._epoch_s + self._now_s() + seconds, UTC)
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
            raise AssertionError(str(failed)) from failed

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
