"""The limits of charging profiles as the core needs them: now, soon, and when they change next.

One plan holds what ``compose`` said for one EVSE, on the monotonic clock, and is asked again in every turn; it is made
anew when the profiles, the transaction or the time of day changed, or when half of it is over. So nothing is polled:
the next change is a deadline.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import takewhile
from math import inf
from typing import Final

import msgspec

from agent.charging.composition import Frame, Rate, Segment, Winner, compose, in_tenths
from agent.model.evse import amperes
from agent.model.moment import Stamp, rfc3339
from agent.model.profiles import InstalledProfile, ProfilePurpose, RateUnit

HORIZON_S: Final = 86_400.0
LEAD_S: Final = (
    1.0  # a lower limit is taken so long before it holds: the permit before it ends with it, and is replaced
)
_CLOCK_S: Final = 0.2  # a time of day that moved by less did not move
_NO_SEGMENTS: Final = (Segment(start_s=0.0, winner=None),)
_NAME_OF: Final = {
    ProfilePurpose.STATION_MAX: "station maximum",
    ProfilePurpose.TX_DEFAULT: "default",
    ProfilePurpose.TX: "of this transaction",
}


class Limited(msgspec.Struct, frozen=True, kw_only=True):
    """What profiles allow: A per phase, and how ``why`` tells it; ``current_a`` ``None``: no limit.

    ``phases``: the fewest that the profiles of this moment ask for; ``None``: they do not.
    """

    current_a: float | None = None
    text: str = ""
    phases: int | None = None


class Plan:
    """The limits of one EVSE, or of the station, over the next hours. All moments are monotonic."""

    def __init__(self, rate: Rate) -> None:
        """Begin without limits. ``rate``: in amperes."""
        self._rate = rate
        self._key: object = None
        self._offset_s: float | None = None
        self._made_s = 0.0
        self._stale_s = inf
        self._steps: tuple[tuple[float, Winner | None], ...] = ((-inf, None),)

    def renew(self, profiles: Sequence[InstalledProfile], key: object, started: Stamp | None, now: Stamp) -> None:
        """Make the plan anew if anything that it follows from has changed.

        Args:
            profiles: those that concern it.
            key: changes with the profiles and with the transaction.
            started: when the transaction started; ``None``: none runs.
            now: the moment.
        """
        offset_s = None if now.utc_s is None else now.utc_s - now.mono_s
        if key == self._key and self._made_s <= now.mono_s < self._stale_s and not self._moved(offset_s):
            return
        frame = Frame(now_utc_s=now.utc_s, started_s=started_s(started, now))
        self._key, self._made_s, self._offset_s = key, now.mono_s, offset_s
        self._stale_s = now.mono_s + HORIZON_S / 2 if profiles else inf
        segments = compose(profiles, frame, self._rate, HORIZON_S) if profiles else _NO_SEGMENTS
        self._steps = tuple((now.mono_s + each.start_s, each.winner) for each in segments)

    def lowest(self, from_s: float, until_s: float) -> Winner | None:
        """Return the lowest limit between two moments; ``None``: none at any of them."""
        winners = [each for each in self._within(from_s, until_s) if each is not None]
        return min(winners, key=lambda each: each.limit, default=None)

    def highest_a(self, from_s: float, until_s: float) -> float:
        """Return the highest limit between two moments, A per phase; infinite where there is none."""
        return max(inf if each is None else each.limit for each in self._within(from_s, until_s))

    def phases(self, from_s: float, until_s: float) -> int | None:
        """Return the fewest phases that are asked for between two moments; ``None``: nothing is."""
        asked = (each.phases for each in self._within(from_s, until_s) if each is not None)
        return min((each for each in asked if each is not None), default=None)

    def edges(self, from_s: float, until_s: float) -> tuple[float, ...]:
        """Return the moments after ``from_s`` and up to ``until_s`` at which the limit changes."""
        first = bisect_right(self._steps, from_s, key=_start_of)
        return tuple(each for each, _ in takewhile(lambda step: step[0] <= until_s, self._steps[first:]))

    def deadline_s(self, now_s: float) -> float | None:
        """Return when the limit that the core takes may change next."""
        due = [each - LEAD_S if each - LEAD_S > now_s else each for each in self.edges(now_s, inf)]
        return min((*due, self._stale_s)) if due or self._stale_s != inf else None

    def limited(self, now: Stamp) -> Limited:
        """Return the limit to keep now: that of this moment, or the lower one that is about to come."""
        winner = self.lowest(now.mono_s, now.mono_s + LEAD_S)
        if winner is None:
            return Limited()
        until_s = next(iter(self.edges(now.mono_s + LEAD_S, inf)), None)
        return Limited(
            current_a=in_tenths(winner.limit),
            text=_told(winner, until_s, now),
            phases=self.phases(now.mono_s, now.mono_s + LEAD_S),
        )

    def _within(self, from_s: float, until_s: float) -> list[Winner | None]:
        first = max(0, bisect_right(self._steps, from_s, key=_start_of) - 1)
        last = max(first + 1, bisect_right(self._steps, until_s, key=_start_of))
        return [winner for _, winner in self._steps[first:last]]

    def _moved(self, offset_s: float | None) -> bool:
        """Return whether the time of day became known or unknown, or was set."""
        if offset_s is None or self._offset_s is None:
            return offset_s is not self._offset_s
        return abs(offset_s - self._offset_s) > _CLOCK_S


def _start_of(step: tuple[float, Winner | None]) -> float:
    return step[0]


def _told(winner: Winner, until_s: float | None, now: Stamp) -> str:
    profile, unit = winner.installed.profile, winner.installed.profile.schedule.unit
    text = f"charging profile {profile.profile_id} ({_NAME_OF[profile.purpose]}, stack level {profile.stack_level})"
    text += f" {amperes(in_tenths(winner.limit))}"
    if unit is RateUnit.WATTS:
        text += " per phase, from watts"
    if winner.guessed:
        return text + ", its lowest limit while the time of day is unknown"
    if until_s is None:
        return text
    if now.utc_s is None:
        return text + f" for {until_s - now.mono_s:.0f} s"
    return text + f" until {rfc3339(now.utc_s + until_s - now.mono_s)}"


def started_s(started: Stamp | None, now: Stamp) -> float | None:
    """Return the start of a transaction in s from now, for ``Frame``; without a transaction 0, ``None`` unknown."""
    if started is None:
        return 0.0
    if started.boot_id == now.boot_id:
        return min(0.0, started.mono_s - now.mono_s)
    if started.utc_s is None or now.utc_s is None:
        return None
    return min(0.0, started.utc_s - now.utc_s)
