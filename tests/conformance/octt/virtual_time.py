"""An event loop whose clock jumps to the next thing that is due, but waits for running threads and for open sockets.

Without waiting, every call to a thread would look like a time-out.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, Final

from agent.store.worker import Worker

START_S: Final = 1_000.0
THREAD_S: Final = 10.0  # no thread of the agent works longer


class Stuck(Exception):
    """Nothing is due and nothing is under way: what the test waits for will never come."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module's text.

    Attributes:
        socket_s: how long sockets may take before time jumps, s; not 0 where connections leave the process.
    """

    def __init__(self) -> None:
        super().__init__(_JumpingSelector(self))
        self.now_s = START_S
        self._in_threads = 0
        self._workers: list[Worker] = []
        self.socket_s = 0.0

    def time(self) -> float:
        """Return virtual seconds."""
        return self.now_s

    @property
    def under_way(self) -> int:
        """How much threads have to do."""
        return self._in_threads + sum(worker.under_way for worker in self._workers)

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]  # likewise
        """Watch a descriptor; while the worker behind it works, time stands still."""
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, Worker):
            self._workers.append(owner)
        super().add_reader(fd, callback, *args)

    def run_in_executor(  # type: ignore[override]  # the stub knows more about the arguments than we need
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run in a thread; time stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._came_back)
        return future

    async def shutdown_default_executor(self, *limit: Any) -> None:
        """End the default threads, which are running threads too; from Python 3.12 on within a time ``limit``."""
        self._in_threads += 1
        try:
            await super().shutdown_default_executor(*limit)
        finally:
            self._in_threads -= 1

    def _came_back(self, _future: asyncio.Future[Any]) -> None:
        self._in_threads -= 1


class _JumpingSelector(selectors.EpollSelector):
    """Jumps where another one sleeps."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or timeout == 0:
            return found
        if self._loop.under_way:
            return super().select(THREAD_S)
        if self._loop.socket_s:
            found = super().select(self._loop.socket_s if timeout is not None else THREAD_S)
        if not found and timeout is None:
            raise Stuck("nothing is due and nothing is under way")
        if not found and timeout is not None:
            self._loop.now_s += timeout
        return found


def in_virtual_time(playing: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(playing)
