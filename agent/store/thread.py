"""The store's own thread, for asyncio: a disk that blocks never blocks the event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self, TypeVar

from msgspec.structs import replace

from agent.model.effects import Durable
from agent.model.journal import JournalRow
from agent.model.moment import Stamp
from agent.model.variables import StoredValue
from agent.store.failures import FailureKind, StoreFailure
from agent.store.lane import starts_unnamed
from agent.store.opening import OpenReport
from agent.store.records import KeptRecord
from agent.store.store import LOCK_WAIT_S, SETTLE_ROWS, Store
from agent.store.values import Counts, QueueRow, Sizes, StoredState
from agent.store.worker import Worker

T = TypeVar("T")
V = TypeVar("V")

MOST_UNDER_WAY: Final = 256  # operations handed over and not done; more means that the disk is blocked
SETTLE_WITHIN_S: Final = 1.0  # a lazy acknowledgement is durable after this time
COMMIT_AHEAD_ROWS: Final = 2  # read with a commit: the row itself, and whether there is another
AHEAD_ROWS: Final = 96  # rows read together: a hop to the thread and back costs as much as sending a row


class StoreThread:
    """The same methods as ``Store``, awaited. Operations run one by one, in the order of the calls.

    A cancelled call may still happen. Nothing wakes up while nothing is to do.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_failure: Callable[[StoreFailure], None] | None) -> None:
        """Use ``open``."""
        self._loop = loop
        self._on_failure = on_failure
        self._thread = Worker("store")
        self._store: Store
        self._closing = False
        self._delivered: list[int] = []
        self._sent: list[int] = []
        self._settling: asyncio.TimerHandle | None = None
        self._ahead: deque[JournalRow] = deque()  # the head of the lane, as it is in the file
        self._nothing_behind = False  # ... and all of it
        self._changes = 0

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        boot_id: str,
        mono_s: Callable[[], float] = time.monotonic,
        lock_wait_s: float = LOCK_WAIT_S,
        on_waiting: Callable[[str], None] | None = None,
        on_recovered: Callable[[OpenReport], None] | None = None,
        on_failure: Callable[[StoreFailure], None] | None = None,
    ) -> tuple[Self, OpenReport]:
        """Start the thread and open the journal in it; see ``Store.open``.

        Args:
            path: the database.
            boot_id: which boot of the machine this is.
            mono_s: the monotonic clock of that boot; called in the thread.
            lock_wait_s: how long to wait for a process that holds the file, s.
            on_waiting: told in words for whom it waits.
            on_recovered: told when a damaged file was replaced while running.
            on_failure: told of failures that no call could be told of: those of lazy acknowledgements.

        All callbacks are called in the event loop.

        Raises:
            StoreFailure: it cannot be opened; the thread has ended.
        """
        loop = asyncio.get_running_loop()
        facade = cls(loop, on_failure)

        def in_loop(callback: Callable[[V], None]) -> Callable[[V], None]:
            return lambda news: facade._tell(callback, news)

        def make() -> Store:
            store, _report = Store.open(
                path,
                boot_id=boot_id,
                mono_s=mono_s,
                lock_wait_s=lock_wait_s,
                on_waiting=None if on_waiting is None else in_loop(on_waiting),
            )
            store.on_recovered = in_loop(facade._recovered(on_recovered))
            return store

        try:
            facade._store = await facade._thread.run(make)
        except BaseException:  # also who stops waiting leaves no thread behind
            facade._thread.end()
            raise
        return facade, facade._store.report

    @property
    def report(self) -> OpenReport:
        """What the last opening found: at the start, or when a damaged file was replaced while running."""
        return self._store.report

    @property
    def short(self) -> bool:
        """See ``Store.short``."""
        return self._store.short

    async def load(self) -> StoredState:
        """See ``Store.load``."""
        return await self._call(Store.load)

    async def commit(
        self,
        durables: Sequence[Durable] = (),
        *,
        values: Sequence[StoredValue] = (),
        anchor_utc_minus_mono_s: float | None = None,
        last_good_utc_s: float | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> tuple[int, ...]:
        """See ``Store.commit``."""

        def work(store: Store) -> tuple[tuple[int, ...], tuple[JournalRow, ...]]:
            seqs = store.commit(
                durables,
                values=values,
                anchor_utc_minus_mono_s=anchor_utc_minus_mono_s,
                last_good_utc_s=last_good_utc_s,
                notes=notes,
            )
            try:
                return seqs, store.peek(COMMIT_AHEAD_ROWS) if seqs else ()
            except StoreFailure:  # the commit is durable; who asks for the row is told
                return seqs, ()

        writing = self._call(work)
        changes = self._changes
        seqs, head = await writing
        if seqs:
            self._keep_ahead(head, changes, COMMIT_AHEAD_ROWS)
        return seqs

    async def peek(self, limit: int = 32) -> tuple[JournalRow, ...]:
        """See ``Store.peek``."""
        return await self._call(lambda store: store.peek(limit), changes=False)

    async def next_row(self) -> JournalRow | None:
        """See ``Store.next_row``. Rows are read ahead, and forgotten with every change but their delivery."""
        if not self._ahead:
            if self._nothing_behind and not self._closing:
                return None
            changes = self._changes
            rows = await self.peek(AHEAD_ROWS)
            self._keep_ahead(rows, changes, AHEAD_ROWS)
            return rows[0] if rows else None
        self._refuse_if_closed()
        return self._ahead[0]

    def row_at_hand(self) -> JournalRow | None:
        """Return the next row where it was read ahead; ``None``: ``next_row`` must ask the file."""
        return self._ahead[0] if self._ahead and not self._closing else None

    def has_nothing(self) -> bool:
        """Return whether ``next_row`` would say ``None`` without asking the file."""
        return self._nothing_behind and not self._ahead and not self._closing

    def mark_sent(self, seq: int) -> None:
        """See ``Store.mark_sent``."""
        self._sent.append(seq)
        if self._ahead and self._ahead[0].seq == seq:
            self._ahead[0] = replace(self._ahead[0], sent=True)
        else:
            self._forget_ahead()

    async def acknowledge(self, seq: int, csms_id: str | None = None) -> None:
        """See ``Store.acknowledge``. Without a name it returns at once and is durable within a second."""
        if csms_id is None:
            self.acknowledge_soon(seq)
        else:
            await self._call(lambda store: store.acknowledge(seq, csms_id))

    def acknowledge_soon(self, seq: int) -> None:
        """As ``acknowledge`` without a name.

        Raises:
            StoreFailure: the store is closed.
        """
        self._refuse_if_closed()
        self._delivered.append(seq)
        if self._ahead and self._ahead[0].seq == seq:
            self._ahead.popleft()
        else:
            self._forget_ahead()
        if len(self._delivered) >= SETTLE_ROWS and self._thread.under_way == 0:
            self._settle()
        elif self._settling is None:
            self._settling = self._loop.call_later(SETTLE_WITHIN_S, self._settle)

    async def flush(self) -> None:
        """See ``Store.flush``."""
        await self._call(Store.flush, changes=False)

    async def failed(self, seq: int, error: str, *, new_message_id: bool, retry_at: Stamp | None = None) -> int:
        """See ``Store.failed``."""
        return await self._call(
            lambda store: store.failed(seq, error, new_message_id=new_message_id, retry_at=retry_at)
        )

    async def dead_letter(self, seq: int, error: str, *, attempted: bool = False) -> None:
        """See ``Store.dead_letter``."""
        await self._call(lambda store: store.dead_letter(seq, error, attempted=attempted))

    async def fix_utc(self, seq: int, utc_s: float) -> None:
        """See ``Store.fix_utc``."""
        await self._call(lambda store: store.fix_utc(seq, utc_s))

    async def charge_records(self, limit: int = 100) -> tuple[tuple[KeptRecord, float | None, float | None], ...]:
        """Return the newest charges, each with the UTC of its start and of its end (``None``: nobody knows)."""

        def look(store: Store) -> tuple[tuple[KeptRecord, float | None, float | None], ...]:
            return tuple(
                (each, store.utc_of(each.record.started_at), store.utc_of(each.record.ended_at))
                for each in store.charge_records(limit)
            )

        return await self._call(look, changes=False)

    async def documents(self, kind: str) -> dict[str, bytes]:
        """See ``Store.documents``."""
        return await self._call(lambda store: store.documents(kind), changes=False)

    async def queue(self, limit: int = 100, offset: int = 0) -> tuple[QueueRow, ...]:
        """See ``Store.queue``."""
        return await self._call(lambda store: store.queue(limit, offset), changes=False)

    async def counts(self) -> Counts:
        """See ``Store.counts``."""
        return await self._call(Store.counts, changes=False)

    async def sizes(self) -> Sizes:
        """See ``Store.sizes``."""
        return await self._call(Store.sizes, changes=False)

    async def thin(self, max_rows: int) -> int:
        """See ``Store.thin``."""
        return await self._call(lambda store: store.thin(max_rows))

    async def probe(self) -> None:
        """See ``Store.probe``."""
        await self._call(Store.probe)

    async def close(self) -> None:
        """Finish what was handed over, close the journal and end the thread. Later calls raise ``CLOSED``.

        Raises:
            StoreFailure: the last acknowledgements are not durable; it is closed all the same.
        """
        if self._closing:
            return
        closing = self._call(Store.close)
        self._closing = True
        try:
            await closing
        finally:
            self._stop_settling()
            self._thread.end()

    def _call(self, run: Callable[[Store], T], *, changes: bool = True) -> Awaitable[T]:
        """Hand ``run`` over to the thread, behind everything handed over before; it may change rows that wait."""
        self._refuse_if_closed()
        if self._thread.under_way >= MOST_UNDER_WAY:
            text = f"{self._thread.under_way} operations wait for the disk, at most {MOST_UNDER_WAY} may"
            raise StoreFailure(FailureKind.BUSY, text)
        if changes:
            self._forget_ahead()
        delivered, sent, store = self._delivered, self._sent, self._store
        self._delivered, self._sent = [], []

        def work() -> T:
            for seq in sent:
                store.mark_sent(seq)
            for seq in delivered:
                store.note_delivered(seq)
            try:
                return run(store)
            finally:
                self._settle_many(store)

        return self._thread.run(work)

    def _keep_ahead(self, rows: Sequence[JournalRow], changes: int, asked: int) -> None:
        """Keep what was read when there had been so many changes, unless there were more or somebody else did."""
        if changes == self._changes and not self._ahead:
            self._ahead.extend(rows)
            self._nothing_behind = len(rows) < asked and not (rows and starts_unnamed(rows[-1]))

    def _forget_ahead(self) -> None:
        self._changes += 1
        self._ahead.clear()
        self._nothing_behind = False

    def _recovered(self, tell: Callable[[OpenReport], None] | None) -> Callable[[OpenReport], None]:
        def recovered(report: OpenReport) -> None:
            self._forget_ahead()
            if tell is not None:
                tell(report)

        return recovered

    def _settle_many(self, store: Store) -> None:
        """Commit acknowledgements in the thread once there are many; the call that brought them is not to blame."""
        if store.unsettled < SETTLE_ROWS:
            return
        try:
            store.flush()
        except StoreFailure as failure:
            if self._on_failure is not None:
                self._tell(self._on_failure, failure)

    def _settle(self) -> None:
        self._stop_settling()
        try:
            settling = asyncio.ensure_future(self._call(Store.flush, changes=False))
        except StoreFailure:  # closed, or the disk is blocked: they stay in memory and go with the next write
            return
        settling.add_done_callback(self._settled)

    def _settled(self, settling: asyncio.Future[None]) -> None:
        if settling.cancelled():
            return
        failure = settling.exception()
        if isinstance(failure, StoreFailure) and self._on_failure is not None:
            self._on_failure(failure)

    def _stop_settling(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    def _refuse_if_closed(self) -> None:
        if self._closing:
            raise StoreFailure(FailureKind.CLOSED, "the store is closed")

    def _tell(self, callback: Callable[[V], None], news: V) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, news)
