"""What every controller driver has in common: the mailbox between the scan and the thread, and when to talk again.

The scan only puts an order in and takes a snapshot out; both are single references, so nothing waits for anybody. The
thread calls ``turn`` with its line: an order that the device does not hold yet goes first, then one look at the device.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from time import monotonic, sleep
from typing import Final, Generic, TypeVar

from drivers.api import DriverError
from drivers.api.controllers import NO_OFFER, ControllerOrder, ControllerReading, ControllerTraits

MISSED_MAX: Final = 3  # so many failures in a row: the device may have started anew, and knows nothing of the order
RETRY_S: Final = 0.1  # at least so long after a failed exchange
_SETTLE_POLL_S: Final = 0.005

L = TypeVar("L")


class Polled(ABC, Generic[L]):
    """Meets ``drivers.api.controllers.Controller``; subclasses talk to the device over a line ``L``."""

    def __init__(self, traits: ControllerTraits, *, poll_s: float) -> None:
        """Begin with the order "no current", which the device does not hold yet."""
        self._traits = traits
        self._poll_s = poll_s
        self._order = NO_OFFER
        self._held: ControllerOrder | None = None
        self._reading: ControllerReading | None = None
        self._trouble: str | None = "not asked yet"
        self._missed = 0
        self._greeted = False
        self._look_s = 0.0
        self._wake: Callable[[], None] = _nobody

    @property
    def traits(self) -> ControllerTraits:
        """See ``Controller``."""
        return self._traits

    @property
    def trouble(self) -> str | None:
        """See ``Controller``."""
        return self._trouble

    def command(self, order: ControllerOrder) -> None:
        """See ``Controller``."""
        if order != self._order:
            self._order = order
            self._wake()

    def read(self) -> ControllerReading | None:
        """See ``Controller``."""
        return self._reading

    def settle(self, timeout_s: float) -> bool:
        """See ``Controller``."""
        deadline_s = monotonic() + timeout_s
        while self._held is not self._order:
            if monotonic() >= deadline_s:
                return False
            self._wake()
            sleep(_SETTLE_POLL_S)
        return True

    @abstractmethod
    def close(self) -> None:
        """See ``Controller``."""

    def turn(self, line: L) -> float:
        """Write the order if need be, else look at the device; return when to be called again, in seconds.

        Called on the line's thread only. No ``DriverError`` leaves.
        """
        order = self._order
        try:
            if self._held is not order:
                self._obey(line, order)
                self._held = order
                self._look_s = 0.0
            now_s = monotonic()
            if now_s >= self._look_s:
                if not self._greeted:
                    self._greet(line)
                    self._greeted = True
                self._reading = self._look(line)
                self._look_s = monotonic() + self._poll_s
        except DriverError as problem:
            self._failed(str(problem))
            return RETRY_S if self._held is not self._order else max(RETRY_S, self._poll_s)
        self._missed = 0
        self._trouble = None
        if self._held is not self._order:
            return RETRY_S if self._order is order else 0.0  # it held something else; or a new order has come
        return self._look_s - monotonic()

    @abstractmethod
    def _greet(self, line: L) -> None:
        """Learn or set what is needed once after the device was (re)found. Raises ``DriverError``."""

    @abstractmethod
    def _obey(self, line: L, order: ControllerOrder) -> None:
        """Write ``order``. "No current" must need nothing that was learnt before. Raises ``DriverError``."""

    @abstractmethod
    def _look(self, line: L) -> ControllerReading:
        """Return what the device says now; call ``_disobeyed`` when it holds another order. Raises ``DriverError``."""

    def _disobeyed(self) -> None:
        """Have the order written again at the next turn."""
        self._held = None
        self._look_s = 0.0

    def _failed(self, why: str) -> None:
        self._trouble = why
        self._missed += 1
        if self._missed >= MISSED_MAX:
            self._held = None
            self._greeted = False

    @property
    def order(self) -> ControllerOrder:
        """Return the order in force."""
        return self._order


def whole_steps(current_a: float, step_a: float) -> int:
    """Return how many steps of ``step_a`` fit into ``current_a``; a current that is a multiple counts fully."""
    return int(current_a / step_a + 1e-6)


def _nobody() -> None:
    """Nobody waits yet."""
