"""The socket's lock: driven by a level, confirmed by a switch, tried again when it jams. Pure.

A lock without a switch is believed after its drive time. The level is never ``released`` while the contactor is not
confirmed open; only a retry of a lock that does not confirm lets go for a moment, with the contactor confirmed open.
"""

from __future__ import annotations

from typing import Final

from agent.guard.wire import LockState

DRIVE_S: Final = 0.6  # time of the actuator. everest-chargebyte, plug lock driver: 600 ms
FAILED_S: Final = 3.0  # not confirmed for so long is a fault; house rule
RETRY_S: Final = 1.0  # until then a new attempt so often; house rule
RETRY_FAILED_S: Final = 6.0  # afterwards; 10 moves a minute is what actuators allow. openWB, socket actuator
BACK_OFF_S: Final = 0.2  # how long a retry drives the other way; house rule


class CableLock:
    """One lock, or none (``has_lock`` false).

    Attributes:
        held: the cable is to be held; true at the start, since an earlier run may have promised it.
        drive: the level to write; true locks.
        state: what is confirmed.
        failed: not confirmed for ``FAILED_S``.
    """

    __slots__ = ("_has_feedback", "_has_lock", "_unconfirmed_since_s", "_wanted", "drive", "failed", "held", "state")

    def __init__(self, *, has_lock: bool, has_feedback: bool, now_s: float) -> None:
        self._has_lock = has_lock
        self._has_feedback = has_feedback
        self._wanted = True
        self._unconfirmed_since_s: float | None = now_s
        self.held = True
        self.drive = True
        self.failed = False
        self.state = LockState.UNKNOWN if has_lock else LockState.NONE

    @property
    def secure(self) -> bool:
        """Return whether the plug cannot be drawn: confirmed locked and meant to be, or there is no lock."""
        return not self._has_lock or (self.state is LockState.LOCKED and self._wanted)

    def step(self, *, locked: bool | None, needed: bool, may_release: bool, now_s: float) -> None:
        """Judge the switch and choose the level.

        Args:
            locked: the switch; ``None`` unknown, ignored without a switch.
            needed: something else than ``held`` wants the cable locked.
            may_release: the contactor is confirmed open (and not welded).
            now_s: monotonic time.
        """
        if not self._has_lock:
            return
        wanted = self.held or needed or not may_release
        if wanted is not self._wanted:
            self._wanted = wanted
            self._unconfirmed_since_s = now_s
            self.failed = False
            self.drive = wanted
        if self._confirm(locked, now_s):
            self._unconfirmed_since_s = None
            self.failed = False
            self.drive = wanted
            return
        if self._unconfirmed_since_s is None:
            self._unconfirmed_since_s = now_s
        waited_s = now_s - self._unconfirmed_since_s
        self.failed = waited_s >= FAILED_S
        period_s = RETRY_FAILED_S if self.failed else RETRY_S
        backing_off = waited_s % period_s >= period_s - BACK_OFF_S
        self.drive = wanted != (backing_off and may_release)

    def _confirm(self, locked: bool | None, now_s: float) -> bool:
        if self._has_feedback:
            if locked is None:
                self.state = LockState.UNKNOWN
            else:
                self.state = LockState.LOCKED if locked else LockState.UNLOCKED
            return locked is self._wanted
        since_s = self._unconfirmed_since_s
        if since_s is not None and now_s - since_s < DRIVE_S:
            self.state = LockState.UNKNOWN
            return False
        self.state = LockState.LOCKED if self._wanted else LockState.UNLOCKED
        return True

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``step`` may change."""
        return (self.held, self.drive, self.failed, self.state, self._wanted, self._unconfirmed_since_s)

    def limits(self, now_s: float) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change a verdict: now, until confirmed."""
        waits = self._has_lock and self._unconfirmed_since_s is not None
        return ((now_s if waits else None, 0.0),)
