"""The delivery lane in memory: a short window on the journal, and what was learned about rows but not committed yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from agent.model.facts import Fact, TransactionStarted
from agent.model.journal import JournalRow
from agent.store import journal
from agent.store.connection import Connection
from agent.store.journal import StoredRow

WINDOW_ROWS: Final = 128


class Settled(msgspec.Struct, frozen=True):
    """Lazy knowledge that a commit takes along."""

    delivered: tuple[int, ...]
    sent: tuple[int, ...]


class _Held(msgspec.Struct):
    row: StoredRow
    fact: Fact


class Lane:
    """Rows that may be handed out, in order. Nothing in here is durable; nothing in here may be lost by an error."""

    def __init__(self, waiting: int) -> None:
        """Start before the first row, with ``waiting`` rows in the file."""
        self.waiting = waiting
        self._window: deque[_Held] = deque()
        self._behind = 0  # the last place that was taken into the window
        self._delivered: dict[int, None] = {}  # in order
        self._sent: set[int] = set()

    @property
    def missing(self) -> int:
        """How many rows the window could take."""
        return WINDOW_ROWS - len(self._window)

    @property
    def behind(self) -> int:
        """The place behind which the file has to be read."""
        return self._behind

    @property
    def unsettled(self) -> int:
        """How many acknowledgements are not committed yet."""
        return len(self._delivered)

    def take(self, row: StoredRow, fact: Fact) -> None:
        """Take a row of the file into the window, unless it was acknowledged already."""
        self._behind = row.seq
        if row.seq not in self._delivered:
            self._window.append(_Held(row, fact))

    def follow(self, rows: Sequence[StoredRow], facts: Sequence[Fact], *, last_seq: int) -> None:
        """Take rows that were just appended behind ``last_seq``, the file's last place before, without reading them.

        Only where the window reaches up to there and has room; else the file is read when they are wanted.
        """
        if self._behind == last_seq and len(rows) <= self.missing:
            for row, fact in zip(rows, facts, strict=True):
                self.take(row, fact)

    def reset(self, waiting: int) -> None:
        """Read the file from its start again; acknowledgements that wait for a commit stay."""
        self._window.clear()
        self._behind = 0
        self.waiting = max(0, waiting - len(self._delivered))

    def held(self) -> Sequence[_Held]:
        """Return the window, in order."""
        return self._window

    def find(self, seq: int) -> StoredRow | None:
        """Return a row of the window."""
        if self._window and self._window[0].row.seq == seq:
            return self._window[0].row
        return next((held.row for held in self._window if held.row.seq == seq), None)

    def sent(self, seq: int) -> None:
        """Note a transmission."""
        row = self.find(seq)
        if row is not None and not row.sent:
            row.sent = True
            self._sent.add(seq)

    def delivered(self, seq: int) -> None:
        """Never hand this row out again; the next commit deletes it."""
        if seq not in self._delivered:
            self._delivered[seq] = None
            self.gone(seq)

    def gone(self, seq: int) -> None:
        """Take a row out of the window."""
        self.waiting = max(0, self.waiting - 1)
        self._sent.discard(seq)
        if self._window and self._window[0].row.seq == seq:
            self._window.popleft()
        else:
            self._window = deque(held for held in self._window if held.row.seq != seq)

    def unsettled_now(self) -> Settled:
        """Return what the next commit should take along."""
        return Settled(tuple(self._delivered), tuple(self._sent))

    def settle(self, settled: Settled) -> None:
        """Forget what is durable now."""
        for seq in settled.delivered:
            self._delivered.pop(seq, None)
        self._sent.difference_update(settled.sent)


def apply_settled(connection: Connection, settled: Settled) -> None:
    """Write lazy knowledge into the open SQL transaction."""
    if settled.sent:
        journal.mark_sent(connection, settled.sent)
    if settled.delivered:
        journal.delete(connection, settled.delivered)


def starts_unnamed(row: JournalRow) -> bool:
    """Return whether later rows of this row's transaction must wait for the CSMS to name it."""
    return isinstance(row.fact, TransactionStarted) and row.csms_id is None
