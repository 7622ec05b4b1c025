"""The verbs of the CSMS's control socket."""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import ocpp.v16.enums
import ocpp.v201.enums

from hil.control import Verb, VerbError, Verbs
from hil.csms_frames import Direction, Frame, FrameKind, Wanted
from hil.csms_parameters import ANY, PARAMETERS
from hil.csms_peer import CallFailed, Peer
from hil.csms_script import ANY_ACTION
from hil.ledger_rows import Arrival, Problem, Transaction

if TYPE_CHECKING:
    from hil.csms_server import Csms

STOP_AFTER_ANSWER_S: Final = 0.05
ACTIONS: Final = tuple(
    sorted({each.value for each in (*ocpp.v16.enums.Action, *ocpp.v201.enums.Action)} | {ANY_ACTION})
)


def csms_verbs(csms: Csms) -> Verbs:
    """Return the verbs of a CSMS, ready for a control socket."""
    bodies, verbs = CsmsVerbs(csms), Verbs()
    for name, parameters in PARAMETERS.items():
        body = getattr(bodies, name)
        summary = (body.__doc__ or "").partition("\n")[0]
        verbs.add(Verb(name=name, summary=summary, parameters=parameters, run=body))

    async def described() -> Any:
        return verbs.describe()

    verbs.add(Verb(name="verbs", summary="Answer all verbs and their parameters.", parameters=(), run=described))
    return verbs


class CsmsVerbs:
    """The verbs' bodies."""

    def __init__(self, csms: Csms) -> None:
        self._csms = csms

    async def script(self, **orders: Any) -> Any:
        """Change what the CSMS does, and answer the whole script."""
        if orders.get("action") is not None:
            _check_action(str(orders["action"]))
        self._csms.desk.script.order({key: value for key, value in orders.items() if value is not None})
        return self._csms.desk.script.snapshot()

    async def ledger(self, *, identity: str | None) -> Any:
        """Answer the book: transactions, problems, arrivals."""
        ledger = self._csms.desk.ledger
        return {
            "transactions": [row_as_json(row) for row in ledger.transactions(identity)],
            "problems": [problem_as_json(each) for each in ledger.problems(identity)],
            "arrivals": [arrival_as_json(each) for each in ledger.arrivals(identity)],
        }

    async def messages(self, **selection: Any) -> Any:
        """Answer the recorded frames that match, and the number of the newest for the next `since`."""
        frames = self._csms.desk.frames
        found = frames.select(_wanted(selection))
        return {"last_seq": frames.last_seq, "frames": [each.as_json() for each in found]}

    async def call(
        self, *, action: str, payload: Any, identity: str | None, timeout_s: float, checked: bool, queued: bool
    ) -> Any:
        """Send a CALL to a station and answer what it said."""
        if not isinstance(payload, Mapping) and checked:
            raise VerbError(f"call: payload is {payload!r}, expected an object")
        try:
            return await self._peer(identity).call(action, payload, timeout_s=timeout_s, checked=checked, queued=queued)
        except CallFailed as exc:
            raise VerbError(str(exc)) from exc

    async def send(self, *, text: str, identity: str | None) -> Any:
        """Send any text to a station as one frame."""
        await self._peer(identity).send(text)
        return {}

    async def stations(self) -> Any:
        """Answer every station that was ever seen."""
        return [card.as_json() for card in self._csms.desk.stations.values()]

    async def wait(
        self, *, count: int, timeout_s: float, closed: int | None, open: int | None, **selection: Any
    ) -> Any:
        """Wait for recorded frames (by default a CALL of the station), or for the book with `closed` and `open`."""
        frames = self._csms.desk.frames
        if closed is not None or open is not None:
            return await self._wait_for_book(selection["identity"], closed or 0, open, timeout_s)
        if selection["kind"] is None:
            selection["kind"] = FrameKind.CALL.value
        if selection["direction"] is None:
            selection["direction"] = Direction.IN.value
        wanted = _wanted(selection)
        found: list[Frame] = []
        looked_until = wanted.since

        def enough() -> bool:
            nonlocal looked_until
            found.extend(frames.select(replace(wanted, since=looked_until)))
            looked_until = max(looked_until, frames.last_seq)
            return len(found) >= count

        if not await frames.until(enough, timeout_s):
            seen = sorted({each.action for each in frames.select(Wanted(since=wanted.since)) if each.action})
            raise VerbError(f"{len(found)} of {count} wanted frames within {timeout_s:g} s; seen since: {seen}")
        return {"last_seq": frames.last_seq, "frames": [each.as_json() for each in found]}

    async def disconnect(self, *, identity: str | None, code: int, reason: str, abort: bool) -> Any:
        """Close a station's connection, or drop it without a close frame."""
        peer = self._peer(identity)
        if abort:
            peer.abort()
        else:
            await peer.close(code, reason)
        return {}

    async def password(self, *, text: str | None) -> Any:
        """Set the Basic auth password that is asked for from now on; left out: none is asked for."""
        self._csms.password = text
        return {}

    async def clear(self) -> Any:
        """Begin a new book and a new script; connections, the record of frames and transaction ids go on."""
        self._csms.desk.clear()
        return {"last_seq": self._csms.desk.frames.last_seq}

    async def state(self) -> Any:
        """Answer everything at a glance."""
        desk = self._csms.desk
        rows = desk.ledger.transactions()
        return {
            "url": self._csms.url,
            "port": self._csms.port,
            "up_s": time.monotonic() - self._csms.started_s,
            "last_seq": desk.frames.last_seq,
            "script": desk.script.snapshot(),
            "stations": [card.as_json() for card in desk.stations.values()],
            "open": sum(not row.ended for row in rows),
            "closed": sum(row.ended for row in rows),
            "problems": len(desk.ledger.problems()),
        }

    async def stop(self) -> Any:
        """End the process after this answer."""
        asyncio.get_running_loop().call_later(STOP_AFTER_ANSWER_S, self._csms.stopped.set)
        return {}

    async def _wait_for_book(self, identity: str | None, closed: int, still_open: int | None, timeout_s: float) -> Any:
        def stands() -> bool:
            ended = [row.ended for row in self._csms.desk.ledger.transactions(identity)]
            return sum(ended) >= closed and still_open in (None, len(ended) - sum(ended))

        if not await self._csms.desk.frames.until(stands, timeout_s):
            rows = self._csms.desk.ledger.transactions(identity)
            states = [f"{row.transaction_id} {'ended' if row.ended else 'open'}" for row in rows]
            raise VerbError(f"the book did not come to that within {timeout_s:g} s: {', '.join(states) or 'empty'}")
        return await self.ledger(identity=identity)

    def _peer(self, identity: str | None) -> Peer:
        peers = self._csms.peers
        if identity is None and len(peers) == 1:
            return next(iter(peers.values()))
        if identity is None or identity not in peers:
            raise VerbError(f"station {identity!r} is not connected, connected are: {', '.join(peers) or 'none'}")
        return peers[identity]


def _check_action(name: str) -> None:
    """Refuse a rule that nothing would ever meet."""
    if name in ACTIONS:
        return
    close = difflib.get_close_matches(name, ACTIONS, n=1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    raise VerbError(f"script: action is {name[:40]!r}, expected an action of OCPP 1.6 or 2.0.1, or '*'{hint}")


def row_as_json(row: Transaction) -> dict[str, Any]:
    """Return a row of the book for the control socket."""
    found = {name: getattr(row, name) for name in row.__slots__}
    found["samples"] = [
        {
            "at_utc": each.at_utc,
            "context": each.context,
            "register_wh": each.register_wh,
            "values": [dict(value) for value in each.values],
        }
        for each in row.samples
    ]
    return {**found, "energy_wh": row.energy_wh, "gaps": row.gaps}


def problem_as_json(problem: Problem) -> dict[str, Any]:
    """Return a problem for the control socket."""
    return {
        "kind": problem.kind.value,
        "identity": problem.identity,
        "transaction_id": problem.transaction_id,
        "text": problem.text,
        "at_s": problem.at_s,
    }


def arrival_as_json(arrival: Arrival) -> dict[str, Any]:
    """Return one accepted CALL for the control socket."""
    return {
        "identity": arrival.identity,
        "action": arrival.action,
        "message_id": arrival.message_id,
        "at_s": arrival.at_s,
        "at_utc": arrival.at_utc.isoformat(),
        "times": list(arrival.times),
    }


def _wanted(selection: Mapping[str, Any]) -> Wanted:
    direction, kind = selection["direction"], selection["kind"]
    return Wanted(
        since=selection["since"],
        identity=selection["identity"],
        direction=None if direction in (None, ANY) else Direction(direction),
        kind=None if kind in (None, ANY) else FrameKind(kind),
        action=selection["action"],
        where=selection["where"],
    )
