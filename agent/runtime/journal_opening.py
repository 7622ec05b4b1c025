"""Opening the journal at a start, however long the disk takes: nothing charges before it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.clock import Clock
from agent.log import Condition, get_logger

if TYPE_CHECKING:
    from agent.store import StoredState, StoreThread

RETRY_S: Final = 5.0  # pause between attempts


class JournalOpening:
    """Tries until it succeeds.

    Attributes:
        trouble: why the last attempt failed, in words; empty before the first one.
    """

    def __init__(self, path: Path, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._monotonic = monotonic
        self._log = get_logger("app")
        self.trouble = ""

    async def open(self) -> tuple[StoreThread, StoredState]:
        """Return the open store and what a start needs to know of it. Its module loads here."""
        from agent.store import StoreFailure

        failing = Condition(self._log, "store.unusable")
        while True:
            try:
                store, state = await self._attempt()
            except (StoreFailure, OSError) as error:
                self.trouble = str(error)
                failing.set(True, path=str(self._path), error=self.trouble)
                await asyncio.sleep(RETRY_S)
                continue
            failing.set(False)
            if store.report.told():
                self._log.error("store.recovered", report=store.report.told())
            for problem in state.problems:
                self._log.error("store.value_lost", problem=problem)
            return store, state

    async def _attempt(self) -> tuple[StoreThread, StoredState]:
        from agent.store import StoreThread

        self._path.parent.mkdir(parents=True, exist_ok=True)
        store, _report = await StoreThread.open(
            self._path,
            boot_id=self._clock.boot_id,
            mono_s=self._monotonic,
            on_waiting=lambda text: self._log.warning("store.waiting", why=text),
            on_recovered=lambda report: self._log.error("store.recovered", report=report.told()),
            on_failure=lambda failure: self._log.warning("store.lazy_write_failed", error=str(failure)),
        )
        return store, await store.load()
