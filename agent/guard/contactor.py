"""The contactor as commanded and as confirmed by its mirror contact. Pure: levels in, verdicts out."""

from __future__ import annotations

from typing import Final

from agent.guard.wire import ContactorState, OpenReason

FEEDBACK_S: Final = 0.25  # the mirror follows the coil within this time. everest-chargebyte, plug and contactor driver


class Contactor:
    """One contactor.

    Attributes:
        coil: what is commanded. coil_since_s: when that last changed.
        state: what the mirror confirms; without one, as commanded. since_s: when that last changed.
        welded: confirmed closed while the coil is off. Never cleared here.
        stuck_open: did not close, or dropped out by itself. Cleared by ``forget_stuck``.
        closings: since the start. open_reason: why it was last opened.
    """

    __slots__ = (
        "_has_mirror",
        "_last_closing_s",
        "closings",
        "coil",
        "coil_since_s",
        "open_reason",
        "since_s",
        "state",
        "stuck_open",
        "welded",
    )

    def __init__(self, *, has_mirror: bool, welded: bool, now_s: float) -> None:
        """Start with the coil off, written at ``now_s``; ``welded`` is the verdict of an earlier run."""
        self._has_mirror = has_mirror
        self._last_closing_s: float | None = None
        self.coil = False
        self.coil_since_s = now_s
        self.state = ContactorState.UNKNOWN
        self.since_s = now_s
        self.welded = welded
        self.stuck_open = False
        self.closings = 0
        self.open_reason = OpenReason.STARTED

    def observe(self, main_closed: bool | None, now_s: float) -> None:
        """Take the mirror's word (``None`` unknown, ignored without a mirror) and judge it."""
        if not self._has_mirror:
            main_closed = self.coil
        if main_closed is None:
            state = ContactorState.UNKNOWN
        else:
            state = ContactorState.CLOSED if main_closed else ContactorState.OPEN
        if state is not self.state:
            self.state = state
            self.since_s = now_s
        if main_closed is None or main_closed is self.coil:
            return
        if now_s - max(self.coil_since_s, self.since_s) > FEEDBACK_S:
            if main_closed:
                self.welded = True
            else:
                self.stuck_open = True

    def close(self, now_s: float) -> None:
        """Command closing."""
        self.coil = True
        self.coil_since_s = self._last_closing_s = now_s
        self.closings += 1

    def open(self, reason: OpenReason, now_s: float) -> None:
        """Command opening."""
        self.coil = False
        self.coil_since_s = now_s
        self.open_reason = reason

    def assume_closing(self, at_s: float) -> None:
        """Count the time between closings from ``at_s``: an earlier run may have closed until then."""
        self._last_closing_s = at_s

    def forget_stuck(self) -> None:
        """Clear ``stuck_open``: the vehicle has left."""
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
        )

    def limits(self, min_reclose_s: float) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change a verdict."""
        return (
            (max(self.coil_since_s, self.since_s), FEEDBACK_S),
            (self._last_closing_s, min_reclose_s),
        )
