"""What the store hands out, apart from the journal's rows (those are ``agent.model.journal``)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import msgspec

from agent.model.effects import CacheToken, SaveAvailability
from agent.model.facts import Fact, TransactionRecord
from agent.model.variables import StoredValue


class StoredState(msgspec.Struct, frozen=True, kw_only=True):
    """What a start needs to know.

    Attributes:
        transactions: those that have not ended, oldest first.
        finished: the newest of each EVSE, where it has ended.
        anchors: boot id -> UTC minus monotonic, s, for boots that learned the time of day.
        waiting: facts to deliver; above 65,536 an upper bound (counting them would read the whole file).
        dead: facts that were given up.
        last_good_utc_s: newest time of day that somebody vouched for: the clock cannot be before it.
        station_id: a UUID made when the file was made.
        notes: small texts that others keep here, by name.
        problems: stored values that could not be read and were left out, in words.
        documents: small values of other rooms: kind -> key -> JSON, in order of arrival.
    """

    transactions: tuple[TransactionRecord, ...] = ()
    finished: tuple[TransactionRecord, ...] = ()
    availability: tuple[SaveAvailability, ...] = ()
    authorizations: tuple[CacheToken, ...] = ()
    variables: tuple[StoredValue, ...] = ()
    anchors: Mapping[str, float] = msgspec.field(default_factory=dict)
    waiting: int = 0
    dead: int = 0
    last_good_utc_s: float | None = None
    station_id: str = ""
    notes: Mapping[str, str] = msgspec.field(default_factory=dict)
    problems: tuple[str, ...] = ()
    documents: Mapping[str, Mapping[str, bytes]] = msgspec.field(default_factory=dict)


class RowState(Enum):
    """What becomes of a fact."""

    WAITING = "waiting"
    DEAD = "dead"


class QueueRow(msgspec.Struct, frozen=True, kw_only=True):
    """One undelivered fact as people look at it. ``fact`` is ``None`` where the stored text cannot be read."""

    seq: int
    state: RowState
    kind: str
    transaction_id: str
    csms_id: str | None
    message_id: str
    attempts: int
    sent: bool
    age_s: float | None
    last_error: str
    fact: Fact | None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much is undelivered. ``oldest_age_s`` is ``None`` with nothing waiting, or across boots without a clock."""

    waiting: int
    dead: int
    oldest_age_s: float | None


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes: the file, its write-ahead log, the part of the file in use, and what the file system has left."""

    file_bytes: int
    wal_bytes: int
    used_bytes: int
    disk_free_bytes: int
