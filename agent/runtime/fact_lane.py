"""The journal's side of delivery: which fact is next, and what became of the one before.

While the store fails no fact is asked for, because order and attempts would be lost; what has to be written waits here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Final, Protocol

from agent.clock import Clock
from agent.errors import StoreError
from agent.log import Condition, get_logger
from agent.model.journal import JournalRow
from agent.model.moment import Stamp, moved
from agent.ocpp.session_outputs import Acknowledged, Failed, GiveUp, MarkSent

Became = MarkSent | Acknowledged | Failed | GiveUp
STORE_RETRY_S: Final = 1.0


class JournalStore(Protocol):
    """What delivery needs of the store."""

    async def next_row(self) -> JournalRow | None:
        """Return the oldest undelivered row."""

    def row_at_hand(self) -> JournalRow | None:
        """Return the oldest undelivered row where that needs no waiting; ``None`` where the file must be asked."""

    def has_nothing(self) -> bool:
        """Return whether it is known without asking that every row is delivered."""

    def mark_sent(self, seq: int) -> None:
        """Note a transmission, lazily."""

    async def fix_utc(self, seq: int, utc_s: float) -> None:
        """Fix the UTC of a row, durably."""

    async def acknowledge(self, seq: int, csms_id: str | None) -> None:
        """Remove a delivered row; with a CSMS id durably, else lazily."""

    def acknowledge_soon(self, seq: int) -> None:
        """Remove a delivered row lazily."""

    async def failed(self, seq: int, error: str, *, new_message_id: bool, retry_at: Stamp | None = None) -> int:
        """Count a failed attempt durably, and keep from when on the next one may come."""

    async def dead_letter(self, seq: int, error: str, *, attempted: bool) -> None:
        """Give a row up durably; ``attempted``: a transmission that is not counted yet was the last one."""


class FactLane:
    """Facts in the order of the journal.

    Attributes:
        write_at_s: monotonic time at which ``write`` is to be tried again, ``None`` while nothing waits for it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._log = get_logger("csms")
        self._stalled = Condition(self._log, "delivery.stalled")
        self._store: JournalStore | None = None
        self._unwritten: deque[Became] = deque()
        self.write_at_s: float | None = None
        self._maybe_fact = True
        self._told_all = asyncio.Event()

    # ---- which fact is next ---------------------------------------------------------------------------------------

    def attach(self, store: JournalStore) -> None:
        """Name the journal."""
        self._store = store
        self.news()

    def news(self) -> None:
        """The journal has something new."""
        self._maybe_fact = True
        self._told_all.clear()

    @property
    def promises(self) -> bool:
        """Return whether asking for a fact makes sense."""
        return self._maybe_fact and self._store is not None and not self._unwritten

    @property
    def settled(self) -> bool:
        """Return whether everything that became of facts is written, or on its way to it."""
        return not self._unwritten

    async def next_row(self) -> JournalRow | None:
        """Return the next fact; ``None``: there is none, or the journal cannot be read (``promises`` says which)."""
        while self.promises:
            self._maybe_fact = False  # a fact that comes while the journal is asked sets it again
            try:
                row = await self._journal().next_row()
            except StoreError as error:
                self._maybe_fact = True
                self._log.warning("journal.unreadable", error=str(error))
                return None
            if row is not None:
                self._maybe_fact = True
                return row
            if not self._maybe_fact:
                self._told_all.set()
        return None

    def row_at_hand(self) -> JournalRow | None:
        """Return the next fact where that needs no waiting. Without one ``promises`` says whether to ask the file."""
        row = self._journal().row_at_hand()
        if row is None and self._journal().has_nothing():
            self._maybe_fact = False
            self._told_all.set()
        return row

    async def told_all(self) -> None:
        """Return when the journal has nothing more to tell, or nobody to tell it to."""
        await self._told_all.wait()

    def nobody_listens(self) -> None:
        """The connection is gone: nobody waits for the rest."""
        self._told_all.set()

    # ---- what became of one ---------------------------------------------------------------------------------------

    def note_at_once(self, became: Became) -> bool:
        """Take note of what needs no waiting; return whether that was all of it."""
        match became:
            case Acknowledged(seq=seq, csms_id=None) if not self._unwritten:
                try:
                    self._journal().acknowledge_soon(seq)
                except StoreError:
                    return False  # ``note`` will be told, too, and tries again
                self._maybe_fact = True
            case MarkSent(seq=seq, utc_s=None):
                self._journal().mark_sent(seq)
            case _:
                return False
        return True

    async def note(self, became: Became) -> None:
        """Take note of it, durably where it must be."""
        match became:
            case MarkSent(seq=seq, utc_s=utc_s):
                store = self._journal()
                while utc_s is not None and not await self._written(store.fix_utc(seq, utc_s)):
                    await asyncio.sleep(STORE_RETRY_S)  # what it says next time must be what it says now
                store.mark_sent(seq)
            case Acknowledged(seq=seq, csms_id=None) if not self._unwritten:  # written later: this returns at once
                if await self._written(self._journal().acknowledge(seq, None)):
                    self._maybe_fact = True
                else:
                    self._unwritten.append(became)
                    self.write_at_s = self._clock.mono_s() + STORE_RETRY_S
            case _:
                self._unwritten.append(became)
                await self.write()

    async def write(self) -> None:
        """Write down what became of facts."""
        while self._unwritten:
            if not await self._written(self._settle(self._unwritten[0], self._journal())):
                self.write_at_s = self._clock.mono_s() + STORE_RETRY_S
                return
            self._unwritten.popleft()
            self._maybe_fact = True
        self.write_at_s = None

    async def _settle(self, became: Became, store: JournalStore) -> None:
        match became:
            case Acknowledged(seq=seq, csms_id=csms_id):
                await store.acknowledge(seq, csms_id)
            case Failed(seq=seq, error=error, new_message_id=new_id, wait_s=wait_s):
                now = self._clock.now()
                retry_at = moved(now, now.mono_s + wait_s)
                await store.failed(seq, error, new_message_id=new_id, retry_at=retry_at)
                self._log.warning("fact.refused", seq=seq, error=error)
            case GiveUp(seq=seq, error=error, attempted=attempted):
                await store.dead_letter(seq, error, attempted=attempted)
                self._log.error("fact.given_up", seq=seq, error=error)
            case MarkSent():
                raise AssertionError(became)

    async def _written(self, write: Awaitable[object]) -> bool:
        try:
            await write
        except StoreError as error:
            self._stalled.set(True, error=str(error))
            return False
        self._stalled.set(False)
        return True

    def _journal(self) -> JournalStore:
        assert self._store is not None  # facts come from it
        return self._store
