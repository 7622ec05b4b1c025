"""The agent's time: monotonic for every interval, UTC with its quality, and which boot this is.

Boards have no clock battery. UTC comes from the clock source of the station file; while nobody vouches for that, from
the CSMS; and until then it is unknown. A boot's first known UTC becomes its anchor, is stored, and never changes: it
dates every stamp of that boot that was taken before anybody knew the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final

from agent.model.moment import Stamp

if TYPE_CHECKING:
    from drivers.api import ClockSource

EARLIEST_UTC_S: Final = (
    1_767_225_600.0  # 2026-01-01: this software did not exist before; no earlier time leaves the station
)


STEP_S: Final = 2.0  # the CSMS's time is followed at once from here on; less is the way of a message, and slewed
SLEW_S: Final = 0.25  # most that one word of the CSMS moves the clock by where it does not step


class TimeQuality(Enum):
    """Who vouches for UTC."""

    UNKNOWN = "unknown"
    CSMS = "csms"
    SYSTEM = "system"


class Clock:
    """Monotonic time, UTC and boot identity of this process.

    Args:
        source: the station file's clock driver.
        anchors: UTC minus monotonic seconds of earlier boots (and of this one, if an earlier process of it knew).
        last_known_utc_s: latest UTC that was ever known here; bounds what is guessed for a boot without an anchor.
        on_set: told when the CSMS's time was taken over: UTC now and the step in s, ``None`` for the first time.
    """

    def __init__(
        self,
        source: ClockSource,
        *,
        anchors: Mapping[str, float] | None = None,
        last_known_utc_s: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        on_set: Callable[[float, float | None], None] = lambda _utc_s, _step_s: None,
    ) -> None:
        self._on_set = on_set
        self._source = source
        self._monotonic = monotonic
        self._anchors = dict(anchors or {})
        self._floor_utc_s = max(last_known_utc_s or 0.0, EARLIEST_UTC_S)
        self._csms_offset_s: float | None = None
        self._unsaved = False
        self.boot_id = source.boot_id()

    def remember(self, anchors: Mapping[str, float], last_known_utc_s: float | None) -> None:
        """Take over what the store kept."""
        self._anchors.update(anchors)
        self._floor_utc_s = max(last_known_utc_s or 0.0, self._floor_utc_s)

    def mono_s(self) -> float:
        """Return monotonic seconds."""
        return self._monotonic()

    def utc_s(self) -> float | None:
        """Return UTC now, or ``None`` while nobody vouches for it."""
        system_s = self._source.utc_s()
        if system_s is not None and system_s >= EARLIEST_UTC_S:
            return system_s
        if self._csms_offset_s is not None:
            return self._monotonic() + self._csms_offset_s
        return None

    @property
    def quality(self) -> TimeQuality:
        """Return who vouches for UTC now."""
        system_s = self._source.utc_s()
        if system_s is not None and system_s >= EARLIEST_UTC_S:
            return TimeQuality.SYSTEM
        return TimeQuality.UNKNOWN if self._csms_offset_s is None else TimeQuality.CSMS

    def now(self) -> Stamp:
        """Return this moment."""
        return Stamp(boot_id=self.boot_id, mono_s=self._monotonic(), utc_s=self.utc_s())

    def heard(self, csms_utc_s: float) -> bool:
        """Take the CSMS's time; return whether it was believable. It only counts while the source knows none.

        Every answer of the CSMS comes a little late, so small differences move the clock by 0.25 s at most: what was
        stamped keeps its order. Nothing that was recorded moves.
        """
        if csms_utc_s < EARLIEST_UTC_S:
            return False
        offset_s = csms_utc_s - self._monotonic()
        before_s = self._csms_offset_s
        if before_s is not None and abs(offset_s - before_s) < STEP_S:
            self._csms_offset_s = before_s + min(max(offset_s - before_s, -SLEW_S), SLEW_S)
            return True
        self._csms_offset_s = offset_s
        if self.quality is TimeQuality.CSMS:
            self._on_set(csms_utc_s, None if before_s is None else offset_s - before_s)
        return True

    def new_anchor(self) -> float | None:
        """Return this boot's anchor if it became known just now, once; it must then be stored."""
        self._learn()
        if not self._unsaved:
            return None
        self._unsaved = False
        return self._anchors[self.boot_id]

    def resolve(self, stamp: Stamp) -> float:
        """Return the UTC of a stamp: its own, its boot's anchor, or the best bound (never before this software)."""
        if stamp.utc_s is not None and stamp.utc_s >= EARLIEST_UTC_S:
            return stamp.utc_s
        if stamp.boot_id == self.boot_id:
            self._learn()
        anchor_s = self._anchors.get(stamp.boot_id)
        if anchor_s is not None:
            return max(anchor_s + stamp.mono_s, EARLIEST_UTC_S)
        return self._floor_utc_s + stamp.mono_s

    def _learn(self) -> None:
        """Fix this boot's anchor as soon as anybody knows the time."""
        if self.boot_id not in self._anchors:
            utc_s = self.utc_s()
            if utc_s is not None:
                self._anchors[self.boot_id] = utc_s - self._monotonic()
                self._unsaved = True
