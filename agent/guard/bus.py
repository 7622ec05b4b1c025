"""A serial bus that a controller and a meter share: the guard owns the port, on a thread beside the scan.

One request is on the wire at a time. The controller's requests go before the agent's; within one rank, first come first
served. The scan only ever puts a request in and takes an answer out, neither of which blocks.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Final

from agent.guard.plan import PlanError, Target
from agent.guard.wire import BusAnswer, BusRead
from drivers.api import DriverError

WAITING_MAX: Final = 16  # requests that may wait for one bus; house rule

ReadRegisters = Callable[[int, int, int, int], Sequence[int]]
"""``read(unit, function, address, count)`` -> registers; synchronous, bounded by its own time-out, ``DriverError``."""


class Rank(IntEnum):
    """Who goes first."""

    CONTROLLER = 0
    AGENT = 1


class Bus:
    """One bus and its thread, which starts with the first request and opens the port itself."""

    def __init__(self, name: str, target: Target) -> None:
        """Own the bus ``name``, whose port ``target`` opens (a callable like ``ReadRegisters``)."""
        self._name = name
        self._target = target
        self._waiting: queue.PriorityQueue[tuple[int, int, int, BusRead | None]] = queue.PriorityQueue(WAITING_MAX)
        self._answers: deque[tuple[int, BusAnswer]] = deque()
        self._turn = itertools.count()
        self._thread: threading.Thread | None = None
        self._read: ReadRegisters | None = None

    def submit(self, request: BusRead, *, asker: int, rank: Rank = Rank.AGENT) -> BusAnswer | None:
        """Put ``request`` in the queue for ``asker``; return the refusal when too many wait already."""
        try:
            self._waiting.put_nowait((rank, next(self._turn), asker, request))
        except queue.Full:
            error = f"bus {self._name!r} has {WAITING_MAX} requests waiting already"
            return BusAnswer(request_id=request.request_id, error=error, taken_s=time.monotonic())
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=f"bus {self._name}", daemon=True)
            self._thread.start()
        return None

    def take_answers(self) -> list[tuple[int, BusAnswer]]:
        """Return the answers that came since the last call, each with its asker."""
        taken: list[tuple[int, BusAnswer]] = []
        while self._answers:
            taken.append(self._answers.popleft())
        return taken

    def _serve(self) -> None:
        while True:
            _, _, asker, request = self._waiting.get()
            if request is None:
                return
            try:
                if self._read is None:
                    self._read = self._target.open()
                registers = tuple(self._read(request.unit, request.function, request.address, request.count))
                answer = BusAnswer(request_id=request.request_id, registers=registers, taken_s=time.monotonic())
            except (DriverError, PlanError) as problem:
                error = f"bus {self._name!r}: {problem}"[:300]
                answer = BusAnswer(request_id=request.request_id, error=error, taken_s=time.monotonic())
            self._answers.append((asker, answer))
