"""A Modbus line that a controller and a meter share: the guard owns it, on a thread beside the scan.

One request is on the wire at a time, controllers first; among the agent's reads, first come first served. The scan only
ever puts a request in and takes an answer out, neither of which blocks.

A new order waits for at most one read in flight. Looks at a controller go before reads, but leave them every other turn
while one waits: a line that its controllers fill would leave the meter silent.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from agent.guard.plan import PlanError, Target
from agent.guard.wire import BusAnswer, BusError, BusRead
from drivers.api import DriverError, DriverProtocolError, DriverRejected, DriverTimeout
from drivers.api.controllers import RegisterLine

WAITING_MAX: Final = 16  # reads of the agent that may wait for one bus; house rule
OPEN_RETRY_S: Final = 1.0  # a line whose driver cannot be opened is tried again so often

Turn = Callable[[RegisterLine], float]


class _Passenger:
    """A controller on the bus and when its next turn is due."""

    __slots__ = ("due_s", "turn")

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.due_s = 0.0  # 0: it was given an order, or has never talked, and goes before everybody


class Bus:
    """One bus and its thread, which starts with the first request or controller and opens the line itself."""

    def __init__(self, name: str, target: Target) -> None:
        """Own the bus ``name``, whose line ``target`` opens (a ``drivers.api.controllers.RegisterLine``)."""
        self._name = name
        self._target = target
        self._waiting: deque[tuple[int, BusRead]] = deque()
        self._answers: deque[tuple[int, BusAnswer]] = deque()
        self._passengers: list[_Passenger] = []
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self._line: RegisterLine | None = None
        self._problem = ""
        self._agent_next = False
        self._ending = False

    def attach(self, turn: Turn) -> Callable[[], None]:
        """See ``drivers.api.controllers.SharedBus``."""
        passenger = _Passenger(turn)
        self._passengers.append(passenger)

        def wake() -> None:
            passenger.due_s = 0.0
            self._woken.set()

        self._start()
        return wake

    def submit(self, request: BusRead, *, asker: int) -> BusAnswer | None:
        """Put ``request`` in the queue for ``asker``; return the refusal when too many wait already."""
        if len(self._waiting) >= WAITING_MAX:
            error = f"bus {self._name!r} has {WAITING_MAX} requests waiting already"
            return BusAnswer(request_id=request.request_id, error=error, taken_s=time.monotonic())
        self._waiting.append((asker, request))
        self._start()
        self._woken.set()
        return None

    def take_answers(self) -> list[tuple[int, BusAnswer]]:
        """Return the answers that came since the last call, each with its asker.

        Raises:
            RuntimeError: the thread ended by a defect; nobody would write "no current" any more, so the guard must end.
        """
        if self._thread is not None and not self._thread.is_alive():
            raise RuntimeError(f"the thread of bus {self._name!r} has ended")
        taken: list[tuple[int, BusAnswer]] = []
        while self._answers:
            taken.append(self._answers.popleft())
        return taken

    def close(self, timeout_s: float = 2.0) -> None:
        """End the thread and release the line."""
        self._ending = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        if self._line is not None:
            self._line.close()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=f"bus {self._name}", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        while not self._ending:
            line = self._opened()
            if line is None:
                self._refuse_all()
                self._woken.wait(OPEN_RETRY_S)
            else:
                wait_s = self._next_turn(line)
                if wait_s > 0.0:
                    self._woken.wait(wait_s)
            self._woken.clear()

    def _next_turn(self, line: RegisterLine) -> float:
        """Let one of those who are due talk; return how long nobody is due."""
        now_s = time.monotonic()
        first = min(self._passengers, key=_due_s, default=None)
        if (
            first is not None
            and first.due_s <= now_s
            and not (first.due_s > 0.0 and self._agent_next and self._waiting)
        ):
            self._agent_next = True  # controllers that fill the line with looks still leave the meter every other turn
            first.due_s = float("inf")  # an order that comes during the turn makes it due again
            wait_s = first.turn(line)
            first.due_s = min(first.due_s, time.monotonic() + wait_s)
            return 0.0
        if self._waiting:
            self._agent_next = False
            asker, request = self._waiting.popleft()
            self._answers.append((asker, self._read(line, request)))
            return 0.0
        return 3600.0 if first is None else max(first.due_s - now_s, 0.0)

    def _read(self, line: RegisterLine, request: BusRead) -> BusAnswer:
        try:
            found = tuple(line.read_registers(request.unit, request.function, request.address, request.count))
        except (DriverError, ValueError) as problem:
            error = f"bus {self._name!r}: {problem}"[:300]
            return BusAnswer(
                request_id=request.request_id, error=error, taken_s=time.monotonic(), kind=_kind_of(problem)
            )
        return BusAnswer(request_id=request.request_id, registers=found, taken_s=time.monotonic())

    def _opened(self) -> RegisterLine | None:
        if self._line is None:
            try:
                self._line = self._target.open()
            except (DriverError, PlanError) as problem:
                self._problem = f"bus {self._name!r}: {problem}"[:300]
        return self._line

    def _refuse_all(self) -> None:
        while self._waiting:
            asker, request = self._waiting.popleft()
            answer = BusAnswer(request_id=request.request_id, error=self._problem, taken_s=time.monotonic())
            self._answers.append((asker, answer))


def _kind_of(problem: Exception) -> BusError:
    match problem:
        case DriverTimeout():
            return BusError.TIMEOUT
        case DriverRejected():
            return BusError.REJECTED
        case DriverProtocolError():
            return BusError.PROTOCOL
        case _:
            return BusError.UNAVAILABLE


def _due_s(passenger: _Passenger) -> float:
    return passenger.due_s
