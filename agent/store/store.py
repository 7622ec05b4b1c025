"""The store itself: what is durable, and the journal's lane of delivery. Belongs to one thread."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self, assert_never

from agent.model.effects import (
    CacheToken,
    Durable,
    ForgetTokens,
    Record,
    ReplaceDocuments,
    SaveAvailability,
    SaveDocument,
    SaveTransaction,
)
from agent.model.facts import Fact
from agent.model.journal import JournalRow
from agent.model.moment import Stamp
from agent.model.variables import StoredValue
from agent.store import journal, records, tables
from agent.store.connection import Connect, Connection, connect
from agent.store.database import Database, T
from agent.store.encoding import Unreadable
from agent.store.failures import failure_of_os
from agent.store.journal import StoredRow
from agent.store.lane import Lane, apply_settled, starts_unnamed
from agent.store.opening import Opening, OpenReport
from agent.store.schema import Migration, released_migrations
from agent.store.thinning import Thinning
from agent.store.values import Counts, QueueRow, RowState, Sizes, StoredState

SETTLE_ROWS: Final = (
    100  # acknowledgements committed together at most: one is worth 13 kB of flash alone, 1 kB among 100
)
LOCK_WAIT_S: Final = 30.0


class Store:
    """One file, one connection, one thread.

    Every method that writes is one SQL transaction, durable on return, and takes along lazy acknowledgements. After a
    ``StoreFailure`` nothing of the call is durable, memory is as before, and the same call may be tried again.
    """

    def __init__(self, how: Opening, mono_s: Callable[[], float]) -> None:
        """Use ``open``."""
        self._boot_id = how.boot_id
        self._mono_s = mono_s
        self.on_recovered: Callable[[OpenReport], None] | None = None
        self._database = Database(how)
        self._anchors: dict[str, float] = self._database.read(tables.anchors)
        self._lane = Lane(self._database.read(journal.waiting_at_most))
        self._names: dict[str, tuple[str | None, bool]] = {}
        self._thinning = Thinning(self._database, self._write)
        self._retry: tuple[int, Stamp] | None = self._database.read(journal.retry_of)
        self._database.on_recovered = self._recovered

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        boot_id: str,
        mono_s: Callable[[], float] = time.monotonic,
        lock_wait_s: float = LOCK_WAIT_S,
        on_waiting: Callable[[str], None] | None = None,
        connect: Connect = connect,
        steps: Sequence[Migration] | None = None,
    ) -> tuple[Self, OpenReport]:
        """Open the journal at ``path``, making, migrating or rebuilding it as needed.

        Args:
            path: the database; its directory must exist.
            boot_id: which boot of the machine this is.
            mono_s: the monotonic clock of that boot, for ages.
            lock_wait_s: how long to wait for a process that holds the file, s.
            on_waiting: told once, in words, for whom it waits.
            connect: opens a bare connection; for tests.
            steps: migrations; for tests.

        Returns:
            The store, and what was found.

        Raises:
            StoreFailure: held by another process, written by a newer release, or the disk does not let us.
        """
        how = Opening(
            path=path,
            boot_id=boot_id,
            connect=connect,
            steps=released_migrations() if steps is None else steps,
            lock_wait_s=lock_wait_s,
            on_waiting=on_waiting,
        )
        store = cls(how, mono_s)
        return store, store.report

    @property
    def report(self) -> OpenReport:
        """What opening found."""
        return self._database.report

    def load(self) -> StoredState:
        """Return what a start needs to know."""
        return self._database.read(lambda connection: tables.load(connection, waiting=self._lane.waiting))

    def commit(
        self,
        durables: Sequence[Durable] = (),
        *,
        values: Sequence[StoredValue] = (),
        anchor_utc_minus_mono_s: float | None = None,
        last_good_utc_s: float | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> tuple[int, ...]:
        """Make all of it durable, or none.

        Args:
            durables: effects of the charging core, in order.
            values: variables that the CSMS changed.
            anchor_utc_minus_mono_s: this boot's time anchor; only the first one of a boot is kept.
            last_good_utc_s: a time of day that somebody vouched for; an older one than known is ignored.
            notes: small texts to keep by name (``StoredState.notes``).

        Returns:
            Places of the facts in the journal, in the order of ``durables``.

        Raises:
            StoreFailure: nothing of it is durable.
        """
        facts = [each.fact for each in durables if isinstance(each, Record)]
        ids = [journal.new_message_id() for _ in facts]
        last_seq = self._database.last_seq

        def job(connection: Connection) -> list[StoredRow]:
            rows: list[StoredRow] = []
            for each in durables:
                if isinstance(each, Record):
                    rows.append(journal.append(connection, each.fact, ids[len(rows)]))
                else:
                    _save(connection, each)
            records.note_ended(connection, durables)
            tables.save_values(connection, values)
            if anchor_utc_minus_mono_s is not None:
                tables.set_anchor(connection, self._boot_id, anchor_utc_minus_mono_s)
            tables.save_meta(connection, last_good_utc_s=last_good_utc_s, notes=notes or {})
            return rows

        rows = self._write(job)
        self._lane.waiting += len(rows)
        self._lane.follow(rows, facts, last_seq=last_seq)
        for each in durables:
            if isinstance(each, SaveTransaction) and each.record.csms_id is not None:
                self._rename(each.record.transaction_id, each.record.csms_id)
        if anchor_utc_minus_mono_s is not None:
            self._anchors.setdefault(self._boot_id, anchor_utc_minus_mono_s)
        return tuple(row.seq for row in rows)

    def peek(self, limit: int) -> tuple[JournalRow, ...]:
        """Return the next rows that can be rendered now, in order of delivery, at most ``limit`` and the window's 128.

        They end behind a start that the CSMS has not named yet: what follows may need the name. Rows that cannot be
        read are moved to the dead letters on the way.

        Raises:
            StoreFailure: the journal cannot be read.
        """
        self._fill(limit)
        rows: list[JournalRow] = []
        for held in self._lane.held():
            if len(rows) == limit:
                break
            rows.append(self._journal_row(held.row, held.fact))
            if starts_unnamed(rows[-1]):
                break
        return tuple(rows)

    def next_row(self) -> JournalRow | None:
        """Return the head of the lane, or ``None`` where everything is delivered."""
        rows = self.peek(1)
        return rows[0] if rows else None

    def mark_sent(self, seq: int) -> None:
        """Note that a row was transmitted. Durable with the next commit; losing it loses only the hint."""
        self._lane.sent(seq)

    def acknowledge(self, seq: int, csms_id: str | None = None) -> None:
        """Note that the CSMS has a row: it is never handed out again by this process.

        Lazy, because losing it only costs a duplicate: durable with the next write, ``flush``, or when 100 wait. With
        the CSMS's name for the transaction it is durable on return, because later rows are rendered with that name.

        Raises:
            StoreFailure: the name is not durable, and the row is still at the head of the lane; or, without a name, 100
                acknowledgements are not durable yet, and stay in memory.
        """
        if csms_id is None:
            self.note_delivered(seq)
            if self.unsettled >= SETTLE_ROWS:
                self.flush()
            return

        def job(connection: Connection) -> None:
            row = journal.row_at(connection, seq)
            if row is not None:
                tables.name_transaction(connection, row.transaction_id, csms_id)
                records.name(connection, row.transaction_id, csms_id)
                journal.delete(connection, (seq,))

        self._write(job)
        self._names.clear()
        self._lane.gone(seq)

    def note_delivered(self, seq: int) -> None:
        """The lazy half of ``acknowledge``: in memory only."""
        self._lane.delivered(seq)

    @property
    def unsettled(self) -> int:
        """How many acknowledgements are in memory only."""
        return self._lane.unsettled

    def flush(self) -> None:
        """Make lazy acknowledgements durable.

        Raises:
            StoreFailure: they are not yet; they stay in memory.
        """
        if self._lane.unsettled:
            self._write(lambda _connection: None)

    def failed(self, seq: int, error: str, *, new_message_id: bool, retry_at: Stamp | None = None) -> int:
        """Count a failed attempt and return how many there are now.

        Args:
            seq: the row.
            error: what the CSMS said, for people.
            new_message_id: the next attempt is a new message (after a CALLERROR), not a repetition (after a time-out).
            retry_at: when the next attempt may come at the earliest; kept with the row (``JournalRow.retry_at``).
        """
        message_id = journal.new_message_id() if new_message_id else None

        def job(connection: Connection) -> None:
            journal.note_failure(connection, seq, error, message_id)
            if retry_at is not None:
                journal.note_retry(connection, seq, retry_at)

        self._write(job)
        self._retry = None if retry_at is None else (seq, retry_at)
        stored = self._database.read(lambda connection: journal.row_at(connection, seq))
        held = self._lane.find(seq)
        if stored is None:
            return 0
        if held is not None:
            held.attempts, held.sent, held.last_error = stored.attempts, True, stored.last_error
            held.message_id = stored.message_id
        return stored.attempts

    def dead_letter(self, seq: int, error: str, *, attempted: bool = False) -> None:
        """Give a row up: it is kept and shown, and the next one goes. A start leaves its transaction ``start_lost``.

        ``attempted``: a transmission that is not counted yet was the last one.
        """
        self._write(lambda connection: journal.bury(connection, seq, error, attempted=attempted))
        self._names.clear()
        self._lane.gone(seq)

    def fix_utc(self, seq: int, utc_s: float) -> None:
        """Fix the UTC that a row's first rendering says, so that every later one says the same. The first one stays."""
        self._write(lambda connection: journal.fix_utc(connection, seq, utc_s))
        held = self._lane.find(seq)
        if held is not None and held.utc_s is None:
            held.utc_s = utc_s

    @property
    def short(self) -> bool:
        """Whether a full disk has cost the reserve: room should be made (``thin``), or found again (``probe``)."""
        return self._database.short

    def charge_records(self, limit: int = 100) -> tuple[records.KeptRecord, ...]:
        """Return the newest charges of the station's own book, the newest first."""
        return self._database.read(lambda connection: tuple(records.read(connection, limit)))

    def utc_of(self, at: Stamp) -> float | None:
        """Return the UTC of a stamp as far as this journal knows its boot; ``None`` while nobody does."""
        anchor_s = self._anchors.get(at.boot_id)
        return at.utc_s if anchor_s is None else anchor_s + at.mono_s

    def documents(self, kind: str) -> dict[str, bytes]:
        """Return the documents of ``kind`` by key, in order of arrival; damaged ones are left out."""
        return self._database.read(lambda connection: tables.documents(connection, kind, [])).get(kind, {})

    def queue(self, limit: int = 100, offset: int = 0) -> tuple[QueueRow, ...]:
        """Return undelivered facts for people: waiting ones in order of delivery, then dead letters, oldest first."""
        hidden = self._lane.unsettled  # delivered, still in the file, and at its front
        waiting = self._database.read(lambda connection: journal.page(connection, limit, offset + hidden))
        rows = [self._queue_row(row, RowState.WAITING) for row in waiting]
        if len(rows) < limit:
            skip = max(0, offset + hidden - self._database.read(journal.count))
            dead = self._database.read(lambda connection: journal.dead_page(connection, limit - len(rows), skip))
            rows += [self._queue_row(row, RowState.DEAD) for row in dead]
        return tuple(rows)

    def counts(self) -> Counts:
        """Return how much is undelivered."""
        dead = self._database.read(
            lambda connection: connection.execute("SELECT count(*) FROM dead_letters").fetchone()
        )
        self._fill(1)
        held = next(iter(self._lane.held()), None)
        age_s = None if held is None else self._age_s(held.fact.at)
        return Counts(waiting=self._lane.waiting, dead=int(dead[0]), oldest_age_s=age_s)

    def sizes(self) -> Sizes:
        """Return how much room is used."""
        path = self._database.path

        def pages(connection: Connection, pragma: str) -> int:
            return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])

        used = self._database.read(
            lambda each: (pages(each, "page_count") - pages(each, "freelist_count")) * pages(each, "page_size")
        )
        wal = path.with_name(path.name + "-wal")
        try:
            free = os.statvfs(path.parent)
            return Sizes(
                file_bytes=path.stat().st_size,
                wal_bytes=wal.stat().st_size if wal.exists() else 0,
                used_bytes=used,
                disk_free_bytes=free.f_bavail * free.f_frsize,
            )
        except OSError as error:
            raise failure_of_os(error, path) from error

    def thin(self, max_rows: int) -> int:
        """Give up periodic samples until at most ``max_rows`` facts wait, and return how many were given up.

        Dead letters that are samples go first, and count as if they had waited; then samples of no transaction; then
        every second periodic sample of each transaction, oldest first, in rounds while that helps: a call goes on where
        the last one stopped, so that the oldest are not thinned alone. Starts, ends and everything else stay, even if
        that is more than ``max_rows``.
        """
        self.flush()
        self._database.fold_log()
        given_up, waiting = self._thinning.give_up(max_rows)
        self._lane.reset(waiting)
        return given_up

    def probe(self) -> None:
        """Find out whether writing works again after a failure, by doing it.

        Raises:
            StoreFailure: it does not.
        """
        self._database.probe()
        self.flush()

    def close(self) -> None:
        """Make lazy knowledge durable and close.

        Raises:
            StoreFailure: the last acknowledgements are not durable; the file is closed all the same.
        """
        try:
            if self._lane.unsettled:
                self.flush()
        finally:
            self._database.close()

    def _write(self, job: Callable[[Connection], T]) -> T:
        settled = self._lane.unsettled_now()

        def whole(connection: Connection) -> T:
            apply_settled(connection, settled)
            return job(connection)

        result = self._database.write(whole)
        self._lane.settle(settled)
        return result

    def _recovered(self, report: OpenReport) -> None:
        self._names.clear()
        self._lane.reset(self._database.read(journal.waiting_at_most))
        if self.on_recovered is not None:
            self.on_recovered(report)

    def _fill(self, wanted: int) -> None:
        lane = self._lane
        while len(lane.held()) < wanted and lane.missing and lane.behind < self._database.last_seq:
            rows = self._database.read(lambda connection: journal.rows_after(connection, lane.behind, lane.missing))
            if not rows:
                return
            for row in rows:
                try:
                    lane.take(row, journal.fact_of(row))
                except Unreadable as error:
                    self.dead_letter(row.seq, str(error))
                    break  # it is gone; and if that found the file damaged, the window begins anew

    def _journal_row(self, row: StoredRow, fact: Fact) -> JournalRow:
        csms_id, start_lost = self._name(row.transaction_id)
        return JournalRow(
            seq=row.seq,
            message_id=row.message_id,
            fact=fact,
            attempts=row.attempts,
            sent=row.sent,
            utc_s=row.utc_s,
            csms_id=csms_id,
            start_lost=start_lost,
            age_s=self._age_s(fact.at),
            last_error=row.last_error,
            retry_at=self._retry[1] if self._retry is not None and self._retry[0] == row.seq else None,
        )

    def _queue_row(self, row: StoredRow, state: RowState) -> QueueRow:
        try:
            fact: Fact | None = journal.fact_of(row)
        except Unreadable:
            fact = None
        return QueueRow(
            seq=row.seq,
            state=state,
            kind=row.kind,
            transaction_id=row.transaction_id,
            csms_id=row.csms_id if state is RowState.DEAD else self._name(row.transaction_id)[0],
            message_id=row.message_id,
            attempts=row.attempts,
            sent=row.sent,
            age_s=None if fact is None else self._age_s(fact.at),
            last_error=row.last_error,
            fact=fact,
        )

    def _name(self, transaction_id: str) -> tuple[str | None, bool]:
        known = self._names.get(transaction_id)
        if known is None:
            known = self._database.read(lambda connection: tables.name_of(connection, transaction_id))
            if len(self._names) > 64:
                self._names.clear()
            self._names[transaction_id] = known
        return known

    def _rename(self, transaction_id: str, csms_id: str) -> None:
        """Forget a name in memory where the file has another one now."""
        known = self._names.get(transaction_id)
        if known is not None and known[0] != csms_id:
            del self._names[transaction_id]

    def _age_s(self, at: Stamp) -> float | None:
        if at.boot_id == self._boot_id:
            return max(0.0, self._mono_s() - at.mono_s)
        anchor_s, then_s = self._anchors.get(self._boot_id), self._anchors.get(at.boot_id)
        utc_s = at.utc_s if then_s is None else then_s + at.mono_s
        return None if anchor_s is None or utc_s is None else max(0.0, anchor_s + self._mono_s() - utc_s)


def _save(connection: Connection, durable: Durable) -> None:
    match durable:
        case SaveTransaction():
            tables.save_transaction(connection, durable.record)
        case SaveAvailability():
            tables.save_availability(connection, durable)
        case CacheToken():
            tables.cache_token(connection, durable)
        case ForgetTokens():
            tables.forget_tokens(connection)
        case SaveDocument():
            tables.save_document(connection, durable.kind, durable.key, durable.body)
        case ReplaceDocuments():
            tables.replace_documents(connection, durable.kind, durable.bodies)
        case Record():
            raise AssertionError("facts are appended by commit")
        case _:
            assert_never(durable)
