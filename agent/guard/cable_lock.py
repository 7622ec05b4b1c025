"""The socket's lock: moved by a held level or by pulses, confirmed by a switch, tried again when it jams. Pure.

Two kinds. *Held*: one line, its level is the position. *Pulsed*: a motor with a line for each way, each driven for
``pulse_s`` and then both off, with ``break_s`` between two pulses. Either way at most ``MOVES_MAX`` moves a minute:
a move beyond that waits. Only locking while the contactor is not confirmed open never waits.

A lock without a switch is believed after its drive time. It is never released while the contactor is not confirmed
open; only a retry of a held lock that does not confirm lets go for a moment, with the contactor confirmed open. A plug
that was confirmed locked and is not any more, unasked, is a fault at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from agent.guard.wire import LockState

DRIVE_S: Final = 0.6  # time of the actuator. everest-chargebyte, plug lock driver: 600 ms
FAILED_S: Final = 3.0  # not confirmed for so long is a fault; house rule
RETRY_S: Final = 1.0  # until then a new attempt so often; house rule
RETRY_FAILED_S: Final = 6.0  # afterwards; house rule, within what MOVES_MAX allows
BACK_OFF_S: Final = 0.2  # how long a retry drives the other way; house rule
MOVES_MAX: Final = 10  # in MOVES_S: what an actuator stands. openWB, socket actuator: 10 moves in 60 s
MOVES_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSettings:
    """How one lock is driven, s.

    Attributes:
        pulsed: a motor with two lines; otherwise one held level.
        pulse_s: length of a pulse (DRV8872 boards and SmartEVSE 0.6 s, OpenEVSE with a Mennekes motor 0.3 s).
        break_s: least pause between two pulses.
        failed_s: not confirmed for so long is a fault.
    """

    pulsed: bool = False
    pulse_s: float = DRIVE_S
    break_s: float = RETRY_S
    failed_s: float = FAILED_S


HELD: Final = LockSettings()


class CableLock:
    """One lock, or none (``has_lock`` false).

    Attributes:
        held: the cable is to be held; true at the start, since an earlier run may have promised it.
        drive: the level of the lock's line: true locks, of a pulsed one only while its pulse lasts.
        drive_back: the level of a pulsed lock's second line: true unlocks while its pulse lasts.
        state: what is confirmed.
        failed: not confirmed for ``failed_s``, or open unasked.
    """

    __slots__ = (
        "_has_feedback",
        "_has_lock",
        "_moves",
        "_pulse",
        "_pulse_s",
        "_settings",
        "_unconfirmed_since_s",
        "_wanted",
        "drive",
        "drive_back",
        "failed",
        "held",
        "state",
    )

    def __init__(self, *, has_lock: bool, has_feedback: bool, now_s: float, settings: LockSettings = HELD) -> None:
        self._has_lock = has_lock
        self._has_feedback = has_feedback
        self._settings = settings
        self._wanted = True
        self._unconfirmed_since_s: float | None = now_s
        self._moves: deque[float] = deque(maxlen=MOVES_MAX)
        self._pulse: bool | None = None  # which way the last pulse went; None before the first
        self._pulse_s: float | None = None  # when it, or the last move of a held level, began
        self.held = True
        self.drive = not settings.pulsed
        self.drive_back = False
        self.failed = False
        self.state = LockState.UNKNOWN if has_lock else LockState.NONE

    @property
    def secure(self) -> bool:
        """Return whether the plug cannot be drawn: confirmed locked and meant to be, or there is no lock."""
        return not self._has_lock or (self.state is LockState.LOCKED and self._wanted)

    def step(self, *, locked: bool | None, needed: bool, may_release: bool, now_s: float) -> None:
        """Judge the switch and choose the levels.

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
        if self._confirm(locked, now_s):
            self._unconfirmed_since_s = None
            self.failed = False
        elif self._unconfirmed_since_s is None:
            self._unconfirmed_since_s = now_s
            self.failed = wanted and locked is False  # it was confirmed, nobody asked: forced open, or a broken switch
        if self._unconfirmed_since_s is not None and now_s - self._unconfirmed_since_s >= self._settings.failed_s:
            self.failed = True
        if self._settings.pulsed:
            self._drive_pulses(may_release, now_s)
        else:
            self._drive_level(may_release, now_s)

    def _drive_level(self, may_release: bool, now_s: float) -> None:
        drive = self._wanted
        if self._unconfirmed_since_s is not None and may_release:
            waited_s = now_s - self._unconfirmed_since_s
            period_s = RETRY_FAILED_S if self.failed else RETRY_S
            if waited_s % period_s >= period_s - BACK_OFF_S:
                drive = not drive
        retry = drive is not self._wanted
        # A retry is two moves: it must not run out of them the wrong way.
        if drive is self.drive:
            return
        if not may_release or self._may_move(2 if retry else 1, now_s):
            self.drive = drive
            self._pulse_s = now_s
            self._moves.append(now_s)
        elif not retry:
            self._unconfirmed_since_s = now_s  # it has to wait for its turn: the time to confirm it begins later

    def _drive_pulses(self, may_release: bool, now_s: float) -> None:
        settings = self._settings
        if self._pulse_s is not None:
            ran_s = now_s - self._pulse_s
            if ran_s < settings.pulse_s and self._pulse is self._wanted:
                return
            if self.drive or self.drive_back:
                if ran_s < settings.pulse_s:
                    self._pulse = None  # cut short: nobody knows where the bolt is
                self.drive = self.drive_back = False
                self._pulse_s = now_s - settings.pulse_s  # cut short or not, the break begins now
                ran_s = settings.pulse_s
            if ran_s < settings.pulse_s + self._pause_s:
                return
        if self._unconfirmed_since_s is None:
            return
        if may_release and not self._may_move(1, now_s):
            if self._pulse is not self._wanted:
                self._unconfirmed_since_s = now_s  # as above
            return
        self.drive, self.drive_back = self._wanted, not self._wanted
        self._pulse, self._pulse_s = self._wanted, now_s
        self._moves.append(now_s)

    @property
    def _pause_s(self) -> float:
        """Return the pause before the next pulse, s."""
        again = self._pulse is self._wanted
        return max(self._settings.break_s, RETRY_FAILED_S if self.failed and again else 0.0)

    def _may_move(self, moves: int, now_s: float) -> bool:
        """Return whether so many more moves stay within ``MOVES_MAX`` a minute."""
        recent = sum(now_s - each < MOVES_S for each in self._moves)
        return recent + moves <= MOVES_MAX

    def _confirm(self, locked: bool | None, now_s: float) -> bool:
        if self._has_feedback:
            if locked is None:
                self.state = LockState.UNKNOWN
            else:
                self.state = LockState.LOCKED if locked else LockState.UNLOCKED
            return locked is self._wanted
        if not self._moved(now_s):
            self.state = LockState.UNKNOWN
            return False
        self.state = LockState.LOCKED if self._wanted else LockState.UNLOCKED
        return True

    def _moved(self, now_s: float) -> bool:
        """Return whether a lock without a switch has had its time."""
        if self._settings.pulsed:
            over = self._pulse_s is not None and now_s - self._pulse_s >= self._settings.pulse_s
            return over and self._pulse is self._wanted
        if self.drive is not self._wanted or self._unconfirmed_since_s is None:
            return self.drive is self._wanted
        since_s = self._unconfirmed_since_s if self._pulse_s is None else self._pulse_s
        return now_s - since_s >= self._settings.pulse_s

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``step`` may change."""
        return (
            self.held,
            self.drive,
            self.drive_back,
            self.failed,
            self.state,
            self._wanted,
            self._unconfirmed_since_s,
            self._pulse,
            self._pulse_s,
        )

    def limits(self, now_s: float) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change a verdict: now, until confirmed."""
        waits = self._has_lock and (self._unconfirmed_since_s is not None or self.drive_back)
        waits = waits or (self._has_lock and self._settings.pulsed and self.drive)
        return ((now_s if waits else None, 0.0),)
