"""Room in the journal when the disk is full: periodic samples are thinned first, starts and ends never.

The store keeps a reserve of 2 MiB, which the first full disk costs. While that is gone, a quarter of the facts (5,000
at most) is looked through for every second periodic sample whenever the file itself has no free pages left, so that
what must be written finds room in the file instead of on the disk.
"""

from __future__ import annotations

from typing import Final, Protocol

from agent.clock import Clock
from agent.errors import StoreError
from agent.log import Condition, get_logger
from agent.store import Counts, FailureKind, Sizes, StoreFailure

LOOK_EVERY_S: Final = 60.0
FREE_WITHIN_BYTES: Final = 64 * 1024
MOST_AT_ONCE: Final = 5_000
PLENTY_BYTES: Final = 16 * 1024 * 1024  # on the disk: the reserve is made again


class ThinStorage(Protocol):
    """What making room needs of the store."""

    @property
    def short(self) -> bool:
        """Return whether the reserve had to be given up."""

    async def sizes(self) -> Sizes:
        """Return how much room is used."""

    async def counts(self) -> Counts:
        """Return how much is undelivered."""

    async def thin(self, max_rows: int) -> int:
        """Give up periodic samples until at most so many facts wait."""

    async def probe(self) -> None:
        """Keep a reserve back again where the disk has room for it."""


class Room:
    """Makes room when there is none."""

    def __init__(self, storage: ThinStorage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._looked_s: float | None = None
        self._log = get_logger("store")
        self._failing = Condition(self._log, "journal.unthinnable")

    async def after_commit(self) -> None:
        """Look whether room is needed, if the store is short of it; cheap otherwise."""
        if not self._storage.short:
            self._looked_s = None
            return
        now_s = self._clock.mono_s()
        if self._looked_s is not None and now_s < self._looked_s + LOOK_EVERY_S:
            return
        self._looked_s = now_s
        try:
            sizes = await self._storage.sizes()
            if sizes.disk_free_bytes >= PLENTY_BYTES:
                await self._storage.probe()
            elif sizes.file_bytes - sizes.used_bytes < FREE_WITHIN_BYTES:
                await self._thin()
        except StoreError as error:
            self._failing.set(True, error=str(error))

    async def after_failure(self, failure: StoreError) -> bool:
        """Make room if that was the matter; return whether anything was given up."""
        if not isinstance(failure, StoreFailure) or failure.kind is not FailureKind.FULL:
            return False
        try:
            return await self._thin() > 0
        except StoreError as error:
            self._failing.set(True, error=str(error))
            return False

    async def _thin(self) -> int:
        waiting = (await self._storage.counts()).waiting
        given_up = await self._storage.thin(waiting - min(waiting // 4, MOST_AT_ONCE))
        self._failing.set(False)
        if given_up:
            self._log.warning("journal.thinned", given_up=given_up, waiting=waiting - given_up)
        return given_up
