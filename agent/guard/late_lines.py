"""On/off lines that could not be claimed: their EVSE is out of service with a fault, the others work.

A wrong name, a busy line or a missing chip at the start must not stop a guard that holds other EVSEs. Such a line fails
every write and reads as unknown, both of which keep its EVSE open, and is claimed again beside the scan until it is
there; an output then starts with its first value, as at any start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from agent.guard.log import Log
from drivers.api import DriverError, DriverUnavailable, InputLine, Lines, OutputLine

RETRY_S: Final = 2.0  # between two rounds of attempts; house rule


class LateLines:
    """Meets ``Lines``: gives what ``lines`` gives, and stands in for what it does not give yet."""

    def __init__(self, lines: Lines, log: Log, *, retry_s: float = RETRY_S) -> None:
        """Claim from ``lines``; the thread that tries again starts with the first line that is missing."""
        self._lines = lines
        self._log = log
        self._retry_s = retry_s
        self._missing: list[LateOutput | LateInput] = []
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def output(self, line: str, *, active_high: bool, initial: bool) -> OutputLine:
        """See ``Lines``; never raises ``DriverError``."""

        def claim() -> OutputLine:
            return self._lines.output(line, active_high=active_high, initial=initial)

        try:
            return claim()
        except DriverError as problem:
            late = LateOutput(line, claim, problem)
            self._wait_for(late, problem)
            return late

    def input(self, line: str, *, active_high: bool, pull: str = "none") -> InputLine:
        """See ``Lines``; never raises ``DriverError``."""

        def claim() -> InputLine:
            return self._lines.input(line, active_high=active_high, pull=pull)

        try:
            return claim()
        except DriverError as problem:
            late = LateInput(line, claim)
            self._wait_for(late, problem)
            return late

    def close(self) -> None:
        """See ``Lines``."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(self._retry_s)
        self._lines.close()

    def try_missing(self) -> None:
        """Try to claim each missing line once."""
        for late in list(self._missing):
            if late.try_claim():
                self._missing.remove(late)
                self._log.info("line.claimed", line=late.line)

    def _wait_for(self, late: LateOutput | LateInput, problem: DriverError) -> None:
        self._log.error("line.unclaimed", line=late.line, problem=str(problem))
        self._missing.append(late)
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_trying, name="lines", daemon=True)
            self._thread.start()

    def _keep_trying(self) -> None:
        while not self._closed.wait(self._retry_s):
            self.try_missing()


class LateOutput:
    """An output that is not there yet, or came late. ``problem`` says why it cannot be driven; ``None``: it can."""

    def __init__(self, line: str, claim: Callable[[], OutputLine], problem: DriverError) -> None:
        self.line = line
        self.problem: str | None = f"line {line} is not claimed yet: {problem}"
        self._claim = claim
        self._claimed: OutputLine | None = None

    def write(self, active: bool) -> None:
        """See ``OutputLine``."""
        if self._claimed is None:
            raise DriverUnavailable(self.problem)
        self._claimed.write(active)

    def try_claim(self) -> bool:
        """Return whether it is there now."""
        try:
            self._claimed = self._claim()
        except DriverError as problem:
            self.problem = f"line {self.line} is not claimed yet: {problem}"
            return False
        self.problem = None
        return True


class LateInput:
    """An input that is not there yet, or came late: unknown until then."""

    def __init__(self, line: str, claim: Callable[[], InputLine]) -> None:
        self.line = line
        self._claim = claim
        self._claimed: InputLine | None = None

    def read(self) -> bool | None:
        """See ``InputLine``."""
        return None if self._claimed is None else self._claimed.read()

    def age_s(self, now_s: float) -> float:
        """See ``InputLine``."""
        return 0.0 if self._claimed is None else self._claimed.age_s(now_s)

    def take_pulse(self) -> bool:
        """See ``InputLine``."""
        return self._claimed is not None and self._claimed.take_pulse()

    def try_claim(self) -> bool:
        """Return whether it is there now."""
        try:
            self._claimed = self._claim()
        except DriverError:
            return False
        return True


def late_outputs(*outputs: OutputLine | None) -> tuple[LateOutput, ...]:
    """Return those of ``outputs`` that were not there at the start."""
    return tuple(each for each in outputs if isinstance(each, LateOutput))
