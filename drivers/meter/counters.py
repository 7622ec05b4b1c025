"""How the requests to each device of a bus fared, and the answers that it still owes. Pure, no I/O."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple, Protocol, runtime_checkable

LATENCIES_KEPT: Final = 100


class Trouble(Enum):
    """What came instead of the answer."""

    SILENCE = "nothing"
    CHECKSUM = "wrong checksum"
    SHORT = "an answer that broke off"
    FOREIGN = "an answer of another unit, function or length"
    NOISE = "no frame at all"
    ECHO = "the request itself, from an adapter that echoes"


class UnitCounters(NamedTuple):
    """What became of the requests to one device since its bus was opened.

    Attributes:
        requests: sent, retries included. answers: right ones, refusals included.
        timeouts: nothing came. checksums: a frame with a wrong checksum, or noise. short: an answer broke off.
        foreign: a whole frame of another unit or function, or of another length, came instead.
        late: answers that came when nobody waited for them any more. refusals: exception answers.
        latency_s: from the request to its answer: least, median, greatest of the newest answers; ``None`` without.
        echoes: nothing came but the request itself; counted as time-outs, too.
    """

    requests: int = 0
    answers: int = 0
    timeouts: int = 0
    checksums: int = 0
    short: int = 0
    foreign: int = 0
    late: int = 0
    refusals: int = 0
    latency_s: tuple[float, float, float] | None = None
    echoes: int = 0

    @property
    def failures(self) -> int:
        """Return how many requests got no right answer in time."""
        return self.timeouts + self.checksums + self.short + self.foreign


@runtime_checkable
class CountingBus(Protocol):
    """A bus that counts."""

    def counters(self, unit: int) -> UnitCounters:
        """Return how the requests to ``unit`` fared."""


@runtime_checkable
class CountingMeter(Protocol):
    """A meter whose bus counts; ``None`` where it does not."""

    def counters(self) -> UnitCounters | None:
        """Return how the requests to this meter fared."""


@dataclass(slots=True)
class Tally:
    """The growing counters of one unit."""

    requests: int = 0
    answers: int = 0
    late: int = 0
    refusals: int = 0
    troubles: dict[Trouble, int] = field(default_factory=dict)
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))

    def answered(self, latency_s: float, *, refused: bool) -> None:
        """Count a right answer."""
        self.answers += 1
        self.refusals += refused
        self.latencies_s.append(latency_s)

    def failed(self, trouble: Trouble) -> None:
        """Count a request without a right answer."""
        self.troubles[trouble] = self.troubles.get(trouble, 0) + 1

    def snapshot(self) -> UnitCounters:
        """Return the counters as they are now."""
        known = self.latencies_s
        return UnitCounters(
            requests=self.requests,
            answers=self.answers,
            timeouts=self.troubles.get(Trouble.SILENCE, 0) + self.troubles.get(Trouble.ECHO, 0),
            checksums=self.troubles.get(Trouble.CHECKSUM, 0) + self.troubles.get(Trouble.NOISE, 0),
            short=self.troubles.get(Trouble.SHORT, 0),
            foreign=self.troubles.get(Trouble.FOREIGN, 0),
            late=self.late,
            refusals=self.refusals,
            latency_s=(min(known), statistics.median(known), max(known)) if known else None,
            echoes=self.troubles.get(Trouble.ECHO, 0),
        )


@dataclass(slots=True)
class _Debt:
    answers: int
    until_s: float


class Debts:
    """Answers that units of a serial line still owe: requests that were given up, so that their answer may come late.

    An RTU answer does not say what was asked. While a unit owes one, its next answer could be the old one.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._owed: dict[int, _Debt] = {}

    def __bool__(self) -> bool:
        """Return whether anybody may owe anything."""
        return bool(self._owed)

    def owe(self, unit: int, until_s: float, now_s: float) -> None:
        """Note that a request of ``unit`` was given up; its answer can come until ``until_s``."""
        known = self._owed.get(unit)
        answers = 1 if known is None or known.until_s <= now_s else known.answers + 1
        self._owed[unit] = _Debt(answers, until_s)

    def shorten(self, unit: int, until_s: float) -> None:
        """Note that what ``unit`` owes comes by ``until_s`` or never."""
        if unit in self._owed:
            self._owed[unit].until_s = min(self._owed[unit].until_s, until_s)

    def paid(self, unit: int, answers: int) -> bool:
        """Take what came of ``unit``; return whether it owes nothing any more."""
        debt = self._owed.get(unit)
        if debt is not None and answers >= debt.answers:
            del self._owed[unit]
            return True
        return False

    def due_s(self, unit: int, now_s: float) -> float | None:
        """Return until when an answer of ``unit`` may still come, ``None`` when none may."""
        debt = self._owed.get(unit)
        if debt is not None and now_s >= debt.until_s:
            del self._owed[unit]
            return None
        return None if debt is None else debt.until_s

    def units(self) -> tuple[int, ...]:
        """Return who owes anything."""
        return tuple(self._owed)
