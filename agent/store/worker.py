"""One thread for one event loop: a hand-over there and back that costs half of what an executor's does."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Work = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Worker:
    """Runs what it is given, one after the other. Only for the loop that runs when it is made.

    The thread keeps no process alive: what was not awaited when the process ends may not happen.

    Attributes:
        under_way: how many were given and are not done, as far as the loop has heard.
    """

    def __init__(self, name: str) -> None:
        """Start the thread."""
        self.under_way = 0
        self._loop = asyncio.get_running_loop()
        self._given: SimpleQueue[_Work | None] = SimpleQueue()
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None] | None] = deque()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._mute = weakref.finalize(self, os.close, self._bell)  # also where the loop ends before the thread does
        self._mute.atexit = False  # a thread that a disk holds up rings later, when the number may be another file's
        self._loop.add_reader(self._bell, self._collect)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Hand ``work`` over and return what will hold its result, or its error. Cancelling that changes nothing."""
        future: asyncio.Future[T] = self._loop.create_future()
        self.under_way += 1
        self._given.put((work, future))
        return future

    def end(self) -> None:
        """Let the thread end behind what it was given, without waiting for that."""
        self._given.put(None)

    def _run(self) -> None:
        while (given := self._given.get()) is not None:
            work, future = given
            try:
                self._done.append((future, work(), None))
            except StopIteration as error:  # no future takes that one: who waits would wait for ever
                self._done.append((future, None, RuntimeError(f"the work raised {error!r}")))
            except BaseException as error:  # it is the caller's, whatever it is
                self._done.append((future, None, error))
            del given, work, future  # the next one may be long in coming
            os.eventfd_write(self._bell, 1)
        self._done.append(None)
        os.eventfd_write(self._bell, 1)

    def _collect(self) -> None:
        os.eventfd_read(self._bell)
        while self._done:
            done = self._done.popleft()
            if done is None:
                self._loop.remove_reader(self._bell)
                self._thread.join()  # it is behind its last statement but one
                self._mute()
                return
            self.under_way -= 1
            future, result, error = done
            if future.done():  # cancelled
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
