"""The self-test of the residual current sensor: drive its test line, see its outputs trip and let go. Pure.

It runs after a vehicle was plugged in, before the contactor closes for the first time, and at least every 24 h; never
while the contactor is anything but confirmed open, and never under an offer. While it runs its outputs do not count as
trips. A test that fails is a fault until one passes; it is tried again every minute.

Source of the timings: Tinkerforge/evse-v2-bricklet, software/src/dc_fault.c (test line active 250 ms, the 6 mA output
within 740 ms, the 30 mA output within another 660 ms, both released within 1200 ms). Other sensors differ: their data
sheet decides, and every value is an option. "Before a session or every 24 h": what IEC 62955 asks of an RDC-DD in
the reading of several makers' manuals (unverified against the standard's text).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.guard.inputs import InputRole
from agent.guard.timings import CLOCK_STEP_S
from agent.guard.wire import SelfTest

RETRY_S: Final = 60.0  # after a test that failed; house rule
TESTED_ROLES: Final = (InputRole.RCM, InputRole.RCD)  # in the order in which they trip


@dataclass(frozen=True, slots=True, kw_only=True)
class RcdTestSettings:
    """The timings of one sensor, s. ``before_session``: also after each plug-in, not only every ``every_s``."""

    pulse_s: float = 0.25
    trip_s: float = 0.74
    second_trip_s: float = 0.66
    release_s: float = 1.2
    every_s: float = 86400.0
    before_session: bool = True


class RcdTest:
    """One sensor's test, or none (``settings`` ``None``).

    Attributes:
        drive: the test line's level.
        running: its outputs trip on purpose.
        result: of the last test that came to an end. why: what failed, empty after a pass.
        at_s: monotonic time of that end.
    """

    __slots__ = (
        "_roles",
        "_seen",
        "_seen_s",
        "_settings",
        "_started_s",
        "_stay_tested",
        "_vehicle",
        "at_s",
        "drive",
        "result",
        "running",
        "why",
    )

    def __init__(self, settings: RcdTestSettings | None, roles: Sequence[InputRole]) -> None:
        """Begin untested. ``roles`` are the inputs that there are; those of ``TESTED_ROLES`` are expected to trip."""
        self._settings = settings
        self._roles = tuple(role for role in TESTED_ROLES if role in roles)
        self._started_s = 0.0
        self._seen = 0
        self._seen_s = 0.0
        self._stay_tested = False
        self._vehicle = False
        self.drive = False
        self.running = False
        self.result = SelfTest.NONE if settings is None else SelfTest.DUE
        self.why = ""
        self.at_s: float | None = None

    @property
    def failed(self) -> bool:
        """Return whether the last test failed."""
        return self.result is SelfTest.FAILED

    @property
    def masked(self) -> tuple[InputRole, ...]:
        """Return the roles whose trips are the test's own."""
        return self._roles if self.running else ()

    def passed(self, now_s: float) -> bool:
        """Return whether the contactor may close, as far as the test goes: passed, and not due again."""
        if self._settings is None:
            return True
        return self.result is SelfTest.PASSED and not self.running and not self._due(self._settings, now_s)

    def step(self, levels: Sequence[bool | None], *, may_run: bool, vehicle: bool, now_s: float) -> None:
        """Begin, go on with or end the test.

        Args:
            levels: of the expected roles, RCM before RCD (those that there are); ``None`` unknown.
            may_run: the contactor is confirmed open, its coil off, nothing is offered, the guard is not ending.
            vehicle: one is plugged in.
            now_s: monotonic time.
        """
        settings = self._settings
        if settings is None:
            return
        if vehicle is not self._vehicle:
            self._vehicle = vehicle
            self._stay_tested = self._stay_tested and not vehicle
        if not may_run or None in levels:
            self.running = self.drive = False  # what is not known tells nothing; it begins anew
        elif self.running:
            self._go_on(settings, levels, now_s)
        elif self._due(settings, now_s) and True not in levels:
            self.running = self.drive = True
            self._started_s = self._seen_s = now_s
            self._seen = 0

    def _due(self, settings: RcdTestSettings, now_s: float) -> bool:
        if self.at_s is None or now_s - self.at_s >= settings.every_s:
            return True
        if self.failed:
            return now_s - self.at_s >= RETRY_S
        return settings.before_session and self._vehicle and not self._stay_tested

    def _go_on(self, settings: RcdTestSettings, levels: Sequence[bool | None], now_s: float) -> None:
        self.drive = now_s - self._started_s < settings.pulse_s - CLOCK_STEP_S
        while self._seen < len(self._roles) and levels[self._seen]:
            self._seen += 1
            self._seen_s = now_s
        if self._seen < len(self._roles):
            limit_s = settings.second_trip_s if self._seen else settings.trip_s
            if now_s - self._seen_s >= limit_s - CLOCK_STEP_S:
                self._end(f"{self._roles[self._seen].value} did not trip within {limit_s * 1000:.0f} ms", now_s)
        elif True not in levels and not self.drive:
            self._end("", now_s)
        elif now_s - max(self._seen_s, self._started_s + settings.pulse_s) >= settings.release_s - CLOCK_STEP_S:
            self._end(f"no release within {settings.release_s * 1000:.0f} ms", now_s)

    def _end(self, why: str, now_s: float) -> None:
        self.running = self.drive = False
        self.result = SelfTest.FAILED if why else SelfTest.PASSED
        self.why = why
        self.at_s = now_s
        self._stay_tested = self._vehicle and not why

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``step`` may change."""
        return (self.drive, self.running, self.result, self.at_s, self._seen, self._stay_tested, self._vehicle)

    def limits(self, now_s: float) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change a verdict: now, while it runs."""
        settings = self._settings
        if settings is None:
            return ()
        return (
            (now_s if self.running else None, 0.0),
            (self.at_s, settings.every_s),
            (self.at_s if self.failed else None, RETRY_S),
        )
