"""A contactor as commanded and as confirmed by its feedback. Pure: levels in, verdicts and wear out.

The feedback is a mirror contact, or a sense of the voltage behind the contactor; without one the coil's word is taken.
A level counts when it has stood for ``DEBOUNCE_S`` (the first one at once), and must follow the coil within
``FEEDBACK_S``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from agent.guard.timings import CLOCK_STEP_S, DEBOUNCE_S, FEEDBACK_S
from agent.guard.wire import ContactorState, OpenReason

_STATE: Final = {None: ContactorState.UNKNOWN, True: ContactorState.CLOSED, False: ContactorState.OPEN}


class Wear(NamedTuple):
    """What a contactor has been through since it was built in, as far as this station was told.

    Attributes:
        closings: how often it was closed.
        openings_under_load: how often it was opened on a vehicle that had not stopped (pilot not in B).
        slowest_close_ms, slowest_open_ms: from the coil's command to the feedback; ``None`` without one.
    """

    closings: int = 0
    openings_under_load: int = 0
    slowest_close_ms: int | None = None
    slowest_open_ms: int | None = None


class Contactor:
    """One contactor.

    Attributes:
        coil: what is commanded. coil_since_s: when that last changed.
        state: what the feedback confirms; without one, as commanded. since_s: when that last changed.
        welded: confirmed closed while the coil is off. Never cleared here.
        stuck_open: did not close, or dropped out by itself. Cleared by ``forget_stuck``.
        closings: since the start. open_reason: why it was last opened.
        wear: over its life.
    """

    __slots__ = (
        "_has_feedback",
        "_known",
        "_last_closing_s",
        "_level",
        "_level_since_s",
        "closings",
        "coil",
        "coil_since_s",
        "open_reason",
        "since_s",
        "state",
        "stuck_open",
        "wear",
        "welded",
    )

    def __init__(
        self, *, has_feedback: bool, welded: bool, now_s: float, stuck_open: bool = False, wear: Wear | None = None
    ) -> None:
        """Start with the coil off, written at ``now_s``; ``welded``, ``stuck_open``, ``wear``: of an earlier run."""
        self._has_feedback = has_feedback
        self._last_closing_s: float | None = None
        self._known = False
        self._level: bool | None = None
        self._level_since_s = now_s
        self.coil = False
        self.coil_since_s = now_s
        self.state = ContactorState.UNKNOWN
        self.since_s = now_s
        self.welded = welded
        self.stuck_open = stuck_open
        self.closings = 0
        self.open_reason = OpenReason.STARTED
        self.wear = wear or Wear()

    @property
    def confirmed(self) -> bool:
        """Return whether the feedback agrees with the coil."""
        return self.state is (ContactorState.CLOSED if self.coil else ContactorState.OPEN)

    @property
    def confirmed_open(self) -> bool:
        """Return whether the coil is off and the feedback says open."""
        return not self.coil and self.state is ContactorState.OPEN

    @property
    def seen_open(self) -> bool:
        """Return whether it is confirmed open and nothing, not even a bouncing feedback, says otherwise now."""
        return self.confirmed_open and self._level is False

    def observe(self, closed: bool | None, now_s: float) -> None:
        """Take the feedback's word (``None`` unknown, ignored without feedback) and judge it."""
        if not self._has_feedback:
            closed = self.coil
        if closed is not self._level:
            self._level = closed
            self._level_since_s = now_s
        state = _STATE[closed]
        if state is not self.state and self._stands(closed, now_s):
            self._known = True
            self.state = state
            self.since_s = self._level_since_s
            self._time_move()
        if state is not self.state or closed is None or closed is self.coil:
            return
        if now_s - max(self.coil_since_s, self.since_s) > FEEDBACK_S:
            if closed:
                self.welded = True
            else:
                self.stuck_open = True

    def close(self, now_s: float) -> None:
        """Command closing."""
        self.coil = True
        self.coil_since_s = self._last_closing_s = now_s
        self.closings += 1
        self.wear = self.wear._replace(closings=self.wear.closings + 1)

    def open(self, reason: OpenReason, now_s: float, *, under_load: bool = False) -> None:
        """Command opening."""
        self.coil = False
        self.coil_since_s = now_s
        self.open_reason = reason
        if under_load:
            self.wear = self.wear._replace(openings_under_load=self.wear.openings_under_load + 1)

    def assume_closing(self, at_s: float) -> None:
        """Count the time between closings from ``at_s``: an earlier run may have closed until then."""
        self._last_closing_s = at_s

    def forget_stuck(self) -> None:
        """Clear ``stuck_open``: the vehicle has left, and the next one's closing tries again."""
        self.stuck_open = False

    def may_reclose(self, min_reclose_s: float, now_s: float) -> bool:
        """Return whether the last closing is at least ``min_reclose_s`` ago."""
        return self._last_closing_s is None or now_s - self._last_closing_s >= min_reclose_s

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``observe``, ``close`` and ``open`` may change."""
        return (
            self.coil,
            self.coil_since_s,
            self.state,
            self.since_s,
            self.welded,
            self.stuck_open,
            self.closings,
            self.open_reason,
            self._last_closing_s,
            self._level_since_s,
        )

    def limits(self, min_reclose_s: float) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change a verdict."""
        return (
            (max(self.coil_since_s, self.since_s), FEEDBACK_S),
            (self._last_closing_s, min_reclose_s),
            (self._level_since_s, DEBOUNCE_S),
        )

    def _stands(self, closed: bool | None, now_s: float) -> bool:
        if closed is None or not self._known or not self._has_feedback:
            return True
        return now_s - self._level_since_s >= DEBOUNCE_S - CLOCK_STEP_S

    def _time_move(self) -> None:
        if not self._has_feedback or not self.confirmed or self.since_s < self.coil_since_s:
            return
        took_ms = round((self.since_s - self.coil_since_s) * 1000.0)
        wear = self.wear
        if self.coil:
            self.wear = wear._replace(slowest_close_ms=max(took_ms, wear.slowest_close_ms or 0))
        elif self.closings:
            self.wear = wear._replace(slowest_open_ms=max(took_ms, wear.slowest_open_ms or 0))
