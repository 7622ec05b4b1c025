"""The verbs of the CSMS's control socket."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from hil.csms_control import Verb, VerbRefused
from hil.csms_frames import Direction, FrameKind, Wanted
from hil.csms_peer import CallFailed, Peer
from hil.ledger_rows import Problem, Transaction

if TYPE_CHECKING:
    from hil.csms_server import Csms

Json = Mapping[str, Any]

DEFAULT_TIMEOUT_S: Final = 30.0
SELECTION: Final = ("since", "identity", "direction", "kind", "action", "where")


def csms_verbs(csms: Csms) -> dict[str, Verb]:
    """Return the verbs, each a coroutine function of its arguments that raises ValueError for wrong ones."""
    served = _Verbs(csms)
    return {
        "script": served.script,
        "ledger": served.ledger,
        "messages": served.messages,
        "call": served.call,
        "send": served.send,
        "stations": served.stations,
        "wait": served.wait,
        "disconnect": served.disconnect,
        "password": served.password,
        "clear": served.clear,
        "state": served.state,
        "stop": served.stop,
    }


class _Verbs:
    def __init__(self, csms: Csms) -> None:
        self._csms = csms

    async def script(self, args: Json) -> Any:
        """Change the script; see `Script.order` for the keys. Answers the whole script."""
        self._csms.desk.script.order(args)
        return self._csms.desk.script.snapshot()

    async def ledger(self, args: Json) -> Any:
        """Answer the book: transactions, problems, arrivals (``identity`` for one station only)."""
        _only(args, ("identity",))
        ledger, identity = self._csms.desk.ledger, args.get("identity")
        return {
            "transactions": [row_as_json(row) for row in ledger.transactions(identity)],
            "problems": [problem_as_json(each) for each in ledger.problems(identity)],
            "arrivals": [
                {
                    "identity": each.identity,
                    "action": each.action,
                    "message_id": each.message_id,
                    "at_s": each.at_s,
                    "at_utc": each.at_utc.isoformat(),
                    "times": list(each.times),
                }
                for each in ledger.arrivals(identity)
            ],
        }

    async def messages(self, args: Json) -> Any:
        """Answer the recorded frames that match, and the number of the newest one for the next ``since``."""
        _only(args, SELECTION)
        frames = self._csms.desk.frames
        return {"last_seq": frames.last_seq, "frames": [each.as_json() for each in frames.select(_wanted(args))]}

    async def call(self, args: Json) -> Any:
        """Send a CALL to a station and answer what it said; ``checked`` false sends what the schema forbids."""
        _only(args, ("identity", "action", "payload", "timeout_s", "checked", "queued"))
        if not isinstance(args.get("action"), str):
            raise VerbRefused(f"action {args.get('action')!r} is not the name of an action")
        payload = args.get("payload", {})
        try:
            return await self._peer(args).call(
                args["action"],
                payload,
                timeout_s=_seconds(args, DEFAULT_TIMEOUT_S),
                checked=bool(args.get("checked", True)),
                queued=bool(args.get("queued", True)),
            )
        except CallFailed as exc:
            raise VerbRefused(str(exc)) from exc

    async def send(self, args: Json) -> Any:
        """Send any text to a station as one frame."""
        _only(args, ("identity", "text"))
        await self._peer(args).send(str(args.get("text", "")))
        return {}

    async def stations(self, args: Json) -> Any:
        """Answer every station that was ever seen."""
        _only(args, ())
        return [card.as_json() for card in self._csms.desk.stations.values()]

    async def wait(self, args: Json) -> Any:
        """Wait for recorded frames (``count`` of them; default: CALLs of the station) or for the book.

        ``closed`` and ``open`` wait for at least so many ended and for exactly so many open transactions.
        """
        _only(args, (*SELECTION, "count", "timeout_s", "closed", "open"))
        timeout_s = _seconds(args, DEFAULT_TIMEOUT_S)
        frames = self._csms.desk.frames
        if "closed" in args or "open" in args:
            if not await frames.until(lambda: self._book_stands(args), timeout_s):
                rows = [(row.transaction_id, "ended" if row.ended else "open") for row in self._rows(args)]
                raise VerbRefused(f"the book did not come to that within {timeout_s:g} s: {rows}")
            return await self.ledger({"identity": args["identity"]} if "identity" in args else {})
        wanted = _wanted({"kind": "call", "direction": "in", **args})
        count = int(args.get("count", 1))
        if not await frames.until(lambda: len(frames.select(wanted)) >= count, timeout_s):
            found = len(frames.select(wanted))
            seen = sorted({each.action for each in frames.select(Wanted(since=wanted.since)) if each.action})
            raise VerbRefused(f"{found} of {count} wanted frames within {timeout_s:g} s; seen since: {seen}")
        return {"last_seq": frames.last_seq, "frames": [each.as_json() for each in frames.select(wanted)]}

    async def disconnect(self, args: Json) -> Any:
        """Close a station's connection with ``code``, or drop it without a close frame (``abort``)."""
        _only(args, ("identity", "code", "reason", "abort"))
        peer = self._peer(args)
        if args.get("abort"):
            peer.abort()
        else:
            await peer.close(int(args.get("code", 1000)), str(args.get("reason", "scripted")))
        return {}

    async def password(self, args: Json) -> Any:
        """Set the Basic auth password that is asked for from now on (``text`` null: none)."""
        _only(args, ("text",))
        self._csms.password = None if args.get("text") is None else str(args["text"])
        return {}

    async def clear(self, args: Json) -> Any:
        """Begin a new book and a new script; connections, the record of frames and transaction ids go on."""
        _only(args, ())
        self._csms.desk.clear()
        return {"last_seq": self._csms.desk.frames.last_seq}

    async def state(self, args: Json) -> Any:
        """Answer everything at a glance."""
        _only(args, ())
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

    async def stop(self, args: Json) -> Any:
        """End the process after this answer."""
        _only(args, ())
        self._csms.stopped.set()
        return {}

    def _peer(self, args: Json) -> Peer:
        peers, identity = self._csms.peers, args.get("identity")
        if identity is None and len(peers) == 1:
            return next(iter(peers.values()))
        if identity not in peers:
            raise VerbRefused(f"station {identity!r} is not connected, connected are: {', '.join(peers) or 'none'}")
        return peers[identity]

    def _rows(self, args: Json) -> list[Transaction]:
        return self._csms.desk.ledger.transactions(args.get("identity"))

    def _book_stands(self, args: Json) -> bool:
        rows = self._rows(args)
        closed = sum(row.ended for row in rows)
        return closed >= int(args.get("closed", 0)) and int(args.get("open", len(rows) - closed)) == len(rows) - closed


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


def _wanted(args: Json) -> Wanted:
    """Read a selection of frames; ``direction`` and ``kind`` may be "any"."""
    direction, kind = args.get("direction"), args.get("kind")
    try:
        return Wanted(
            since=int(args.get("since", 0)),
            identity=args.get("identity"),
            direction=None if direction in (None, "any") else Direction(direction),
            kind=None if kind in (None, "any") else FrameKind(kind),
            action=args.get("action"),
            where=args.get("where"),
        )
    except ValueError as exc:
        kinds = ", ".join(each.value for each in FrameKind)
        raise VerbRefused(f"{exc}; expected direction in, out or any; kind {kinds} or any") from exc


def _seconds(args: Json, default_s: float) -> float:
    value = args.get("timeout_s", default_s)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
        raise VerbRefused(f"timeout_s {value!r} is outside 0-3600")
    return float(value)


def _only(args: Json, allowed: tuple[str, ...]) -> None:
    for key in args:
        if key not in allowed:
            raise VerbRefused(f"argument {key!r} is unknown, expected one of: {', '.join(allowed) or 'none'}")
