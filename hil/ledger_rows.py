"""The values of the CSMS's book: what is entered, what a row holds, what can be wrong. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

EARLIEST_UTC: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""No station with a known clock reports a time before this; 1970 is a clock that was never set."""


class ProblemKind(Enum):
    """What the book holds against a station."""

    OPEN = "open"  # started, never ended
    MISSING_START = "missing_start"  # something arrived for a transaction that never started
    DOUBLED = "doubled"  # the same content again under a new message id
    OVERLAP = "overlap"  # a start on an outlet whose transaction is still open
    MISSING_REGISTER = "missing_register"  # ended without a start or a stop reading
    NEGATIVE_ENERGY = "negative_energy"  # stop reading below start reading
    REGISTER_BACKWARDS = "register_backwards"  # readings of one transaction fall
    OUT_OF_ORDER = "out_of_order"  # a transaction message is older than the one before it
    CLOCK_UNSET = "clock_unset"  # a time before 2020
    TIME_FORMAT = "time_format"  # not RFC 3339 with a zone
    GAP = "gap"  # sequence numbers missing in an ended transaction
    SEQUENCE = "sequence"  # sequence numbers not rising
    ID_REUSED = "id_reused"  # a message id used again for other content
    SCHEMA = "schema"  # the payload breaks the official JSON schema
    UNREGISTERED = "unregistered"  # a CALL although the last BootNotification was answered Pending or Rejected
    PIPELINED = "pipelined"  # a CALL while the one before was unanswered: allowed only after a time-out
    FRAME = "frame"  # not an OCPP-J frame, or an answer to nothing
    CSMS_FAILED = "csms_failed"  # the CSMS itself broke on a valid message: a defect of the bench


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. ``at_s`` is the monotonic time at which it was seen, None for a conclusion."""

    kind: ProblemKind
    identity: str
    text: str
    transaction_id: str | None = None
    at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A CALL as it arrived and was accepted.

    ``content`` identifies the payload (its canonical JSON). ``times`` are all times inside it, as written.
    ``lane_utc`` is the time by which transaction messages of one ``lane`` are ordered, None for all others.
    """

    identity: str
    message_id: str
    action: str
    at_s: float
    at_utc: datetime
    content: str
    times: tuple[str, ...] = ()
    lane_utc: str | None = None
    lane: str = ""


class Receipt(Enum):
    """Whether a CALL's message id is new to the book."""

    FRESH = "fresh"
    DUPLICATE = "duplicate"  # same id, same content: a retry
    ID_REUSED = "id_reused"  # same id, other content


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One set of meter values. ``register_wh`` is the lifetime import register, None when the set does not hold it."""

    at_utc: str
    context: str | None
    register_wh: float | None
    values: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The beginning of a transaction. ``transaction_id`` None: the book assigns the next number (OCPP 1.6)."""

    transaction_id: str | None
    evse_id: int | None
    connector_id: int | None
    id_token: str | None
    start_wh: float | None
    at_utc: str
    at_s: float
    remote_start_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The end of a transaction. ``reason`` None when the station left it out (Local in both versions)."""

    stop_wh: float | None
    at_utc: str
    at_s: float
    reason: str | None
    id_token: str | None = None


@dataclass(slots=True, kw_only=True)
class Transaction:
    """One row of the book. Times inside (``start_utc``, ``stop_utc``) are kept as the station wrote them."""

    identity: str
    transaction_id: str
    number: int
    evse_id: int | None = None
    connector_id: int | None = None
    id_token: str | None = None
    start_wh: float | None = None
    start_utc: str | None = None
    start_received_s: float | None = None
    stop_wh: float | None = None
    stop_utc: str | None = None
    stop_received_s: float | None = None
    stop_reason: str | None = None
    stop_id_token: str | None = None
    remote_start_id: int | None = None
    samples: list[Sample] = field(default_factory=list)
    seq_nos: list[int] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)
    charging_states: list[str] = field(default_factory=list)
    offline_events: int = 0
    started: bool = False
    ended: bool = False
    duplicates: dict[str, int] = field(default_factory=dict)  # action: retries under the same message id
    doubled: dict[str, int] = field(default_factory=dict)  # action: same content under a new message id
    refused: dict[str, int] = field(default_factory=dict)  # action: answered with CALLERROR by script

    @property
    def energy_wh(self) -> float | None:
        """Billed energy, None while one of the two readings is missing."""
        if self.start_wh is None or self.stop_wh is None:
            return None
        return self.stop_wh - self.start_wh

    @property
    def gaps(self) -> list[int]:
        """Sequence numbers missing between the first and the last received one."""
        if not self.seq_nos:
            return []
        return sorted(set(range(min(self.seq_nos), max(self.seq_nos) + 1)) - set(self.seq_nos))


_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def read_utc(text: str) -> datetime:
    """Read an RFC 3339 time with a zone.

    Raises:
        ValueError: not a time, or without a zone.

    Source: OCPP 1.6 edition 2 section 3.14 and OCPP-J; OCPP 2.0.1 Part 2 section 1.3.
    """
    if _RFC_3339.fullmatch(text) is None:
        raise ValueError(f"time {text!r} is not RFC 3339 with a zone, expected like 2026-03-01T12:00:00.000Z")
    return datetime.fromisoformat(text)
