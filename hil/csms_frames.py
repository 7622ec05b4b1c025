"""The CSMS's record of frames: everything that passed, both ways, with times; and waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any


class Direction(Enum):
    """Seen from the CSMS."""

    IN = "in"
    OUT = "out"


class FrameKind(Enum):
    """What a record stands for: an OCPP-J frame, something unreadable, or the connection itself."""

    CALL = "call"
    RESULT = "result"
    ERROR = "error"
    GARBAGE = "garbage"
    REFUSED = "refused"  # an upgrade; the text is the HTTP status
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One record. ``seq`` counts from 1 over all stations; ``action`` of an answer is that of its CALL.

    ``payload`` is the payload of a CALL or CALLRESULT, [code, text, details] of a CALLERROR, None otherwise.
    """

    seq: int
    at_s: float
    at_utc: datetime
    identity: str
    connection: int
    direction: Direction
    kind: FrameKind
    action: str | None
    message_id: str | None
    payload: Any
    text: str

    def as_json(self) -> dict[str, Any]:
        """Return the record for the control socket."""
        return {
            "seq": self.seq,
            "at_s": self.at_s,
            "at_utc": self.at_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "identity": self.identity,
            "connection": self.connection,
            "direction": self.direction.value,
            "kind": self.kind.value,
            "action": self.action,
            "message_id": self.message_id,
            "payload": self.payload,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records are meant: every given field must match; ``where`` must be contained in the payload."""

    since: int = 0
    identity: str | None = None
    direction: Direction | None = None
    kind: FrameKind | None = None
    action: str | None = None
    where: Any = None

    def matches(self, frame: Frame) -> bool:
        """Say whether a record is meant."""
        return (
            frame.seq > self.since
            and self.identity in (None, frame.identity)
            and self.direction in (None, frame.direction)
            and self.kind in (None, frame.kind)
            and self.action in (None, frame.action)
            and (self.where is None or contains(frame.payload, self.where))
        )


def contains(whole: Any, part: Any) -> bool:
    """Say whether ``part`` is contained in ``whole``: objects by their members, lists by any matching element."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(key in whole and contains(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contains(each, wanted) for each in whole) for wanted in part)
    return bool(whole == part)


class FrameLog:
    """The record, in order. ``changed`` wakes whoever waits, also for changes outside the record (the book)."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def last_seq(self) -> int:
        """Number of the newest record, 0 when there is none."""
        return self._frames[-1].seq if self._frames else 0

    def append(self, frame: Frame) -> None:
        """Add a record and wake the waiting."""
        self._frames.append(frame)
        self.changed()

    def select(self, wanted: Wanted) -> list[Frame]:
        """Return the records that match, in order."""
        # seq is the position from 1 on, so the older ones need not be looked at
        return [frame for frame in self._frames[max(0, wanted.since) :] if wanted.matches(frame)]

    def changed(self) -> None:
        """Wake everybody who waits in `until`."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def until(self, claim: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a claim holds; False when it did not within ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                while not claim():
                    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiters.add(waiter)
                    await waiter
        except TimeoutError:
            return claim()
        return True
