"""The second contactor: it adds L2 and L3 to the main contactor's L1, in series behind it. Pure.

The order is always the same: the second contactor moves only while the main one is confirmed open, so that it closes
first and opens last and never carries load. Without phase switching it follows the permit. With it, the permit's
phases say where it shall stand; it stays there until the vehicle leaves or the permit asks for the other.

Some vehicles' chargers bridge L1 and L2 when they start on one phase; L2 and L3 applied to a closed bridge are a short
between lines, and some have been destroyed so (evcc issues 7175, 33658). A vehicle that has charged is therefore
taken through a whole sequence before phases change, and phase switching is off unless the station file asks for it:

    offer ends, vehicle stops or 6 s pass -> main contactor confirmed open -> PHASE_GUARD_S -> pilot in F ->
    PHASE_SETTLE_S -> second contactor moves and is confirmed -> X1 after PHASE_PILOT_OFF_S -> ``wait_s`` from the
    opening -> offer
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from agent.guard.contactor import Contactor
from agent.guard.cycle_values import CycleSettings, Kept
from agent.guard.timings import CLOCK_STEP_S, PHASE_GUARD_S, PHASE_PILOT_OFF_S, PHASE_SETTLE_S
from agent.guard.wire import OpenReason

ALL_PHASES: Final = 3
ONE_PHASE: Final = 1


class Stage(Enum):
    """Where a change of phases is."""

    RESTING = "resting"  # none under way
    ENDING = "ending"  # the vehicle stops, the main contactor opens
    PILOT_OFF = "pilot_off"  # state F; the second contactor has not moved
    MOVED = "moved"  # state F; it has
    WAITING = "waiting"  # X1, until ``wait_s`` is over


class PhaseSwitch:
    """The second contactor of one EVSE.

    Attributes:
        contactor: it, with its own feedback and faults.
        stage: of a change of phases.
        ready: it stands, confirmed, where the permit allows a closed main contactor.
    """

    __slots__ = (
        "_interval_s",
        "_opened_s",
        "_since_s",
        "_switched_s",
        "_switching",
        "_wait_s",
        "contactor",
        "ready",
        "stage",
    )

    def __init__(self, contactor: Contactor, *, switching: bool, wait_s: float, interval_s: float) -> None:
        """Begin at rest, with the coil off."""
        self.contactor = contactor
        self._switching = switching
        self._wait_s = wait_s
        self._interval_s = interval_s
        self._since_s: float | None = None
        self._opened_s: float | None = None
        self._switched_s: float | None = None
        self.stage = Stage.RESTING
        self.ready = False

    @property
    def connected(self) -> int:
        """Return how many phases a closed main contactor connects."""
        return ALL_PHASES if self.contactor.coil else ONE_PHASE

    @property
    def pilot_off(self) -> bool:
        """Return whether the pilot is to be in state F."""
        return self.stage in (Stage.PILOT_OFF, Stage.MOVED)

    def step(
        self,
        *,
        wanted: int | None,
        main_open: bool,
        vehicle_there: bool,
        charged: bool,
        closed: bool | None,
        now_s: float,
    ) -> None:
        """Judge the feedback, move when it may, and say whether it stands right.

        Args:
            wanted: the permit's phases; ``None`` without a permit.
            main_open: the main contactor is commanded and confirmed open.
            vehicle_there: a vehicle is connected.
            charged: it may have been charged since it came.
            closed: this contactor's feedback; ``None`` unknown.
            now_s: monotonic time.
        """
        self.contactor.observe(closed, now_s)
        if not self._switching:
            self._follow(wanted, main_open, now_s)
        elif not vehicle_there:
            self.stage, self._switched_s = Stage.RESTING, None
            if main_open:
                self._move(wanted == ALL_PHASES, now_s)
        else:
            if self.stage is Stage.RESTING and wanted is not None and wanted != self.connected:
                self._begin(wanted, main_open=main_open, charged=charged, now_s=now_s)
            self._go_on(wanted, main_open=main_open, now_s=now_s)
        self.ready = self.stage is Stage.RESTING and self.contactor.confirmed and self._fits(wanted)

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``step`` may change."""
        return (self.stage, self.ready, self._since_s, self._opened_s, self._switched_s, *self.contactor.remembered())

    def limits(self) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change a verdict."""
        return (
            (self._opened_s, PHASE_GUARD_S),
            (self._since_s, PHASE_SETTLE_S),
            (self._since_s, PHASE_PILOT_OFF_S),
            (self._opened_s, self._wait_s),
            (self._switched_s, self._interval_s),
            *self.contactor.limits(0.0),
        )

    def _fits(self, wanted: int | None) -> bool:
        if wanted is None:
            return True
        return self.connected <= wanted if self._switching else self.connected == ALL_PHASES

    def _follow(self, wanted: int | None, main_open: bool, now_s: float) -> None:
        if main_open:
            self._move(wanted is not None, now_s)

    def _begin(self, wanted: int, *, main_open: bool, charged: bool, now_s: float) -> None:
        waited = self._switched_s is None or now_s - self._switched_s >= self._interval_s - CLOCK_STEP_S
        if not charged and main_open:
            self._move(wanted == ALL_PHASES, now_s)
        elif charged and waited:
            self.stage, self._opened_s, self._since_s = Stage.ENDING, None, None

    def _go_on(self, wanted: int | None, *, main_open: bool, now_s: float) -> None:
        if self.stage is Stage.ENDING and main_open:
            if self._opened_s is None:
                self._opened_s = now_s
            elif _over(self._opened_s, PHASE_GUARD_S, now_s):
                self.stage, self._since_s = Stage.PILOT_OFF, now_s
        elif self.stage is Stage.PILOT_OFF and _over(self._since_s, PHASE_SETTLE_S, now_s):
            self.stage = Stage.MOVED
            if main_open and wanted is not None and wanted != self.connected:
                self._move(wanted == ALL_PHASES, now_s)
                self._switched_s = now_s
        elif self.stage is Stage.MOVED and _over(self._since_s, PHASE_PILOT_OFF_S, now_s):
            self.stage = Stage.WAITING
        elif self.stage is Stage.WAITING and _over(self._opened_s, self._wait_s, now_s):
            self.stage, self._opened_s, self._since_s = Stage.RESTING, None, None

    def _move(self, close: bool, now_s: float) -> None:
        if close and not self.contactor.coil:
            self.contactor.close(now_s)
        elif not close and self.contactor.coil:
            self.contactor.open(OpenReason.PHASE_SWITCH, now_s)


def phase_switch(settings: CycleSettings, kept: Kept, now_s: float) -> PhaseSwitch | None:
    """Return the second contactor of an EVSE as it starts, if it has one."""
    if not settings.has_phase_contactor:
        return None
    contactor = Contactor(
        has_feedback=settings.has_phase_mirror,
        welded=False,  # the main contactor's verdict keeps both open
        wear=kept.phase_wear,
        now_s=now_s,
    )
    return PhaseSwitch(
        contactor,
        switching=settings.phase_switching,
        wait_s=settings.phase_wait_s,
        interval_s=settings.phase_interval_s,
    )


def _over(since_s: float | None, lasts_s: float, now_s: float) -> bool:
    return since_s is not None and now_s - since_s >= lasts_s - CLOCK_STEP_S
