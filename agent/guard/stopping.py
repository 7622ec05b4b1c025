"""A closed contactor whose offer has ended: how long the vehicle has to stop, and why it opens in the end. Pure.

Source: IEC 61851-1:2017 table A.6, sequences 8 and 10.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from agent.guard.interlock import Reason
from agent.guard.wire import OpenReason

_VEHICLE: Final = frozenset({Reason.NO_VEHICLE, Reason.VEHICLE_NOT_READY})
_VEHICLE_OR_PERMIT: Final = _VEHICLE | {
    Reason.STOPPING,
    Reason.NO_PERMIT,
    Reason.PERMIT_BELOW_MINIMUM,
    Reason.PHASES,
    Reason.NO_OFFER,
    Reason.CABLE,  # without a proximity fault: it went with the vehicle, and so did
    Reason.DIODE_UNSEEN,
}


class Stopping:
    """The time that a vehicle has to stop.

    Attributes:
        since_s: when the offer ended over a closed contactor; ``None`` while that is not so.
        reason: why it ended.
    """

    __slots__ = ("_grace_s", "reason", "since_s")

    def __init__(self, grace_s: float) -> None:
        """Give a vehicle ``grace_s`` seconds."""
        self._grace_s = grace_s
        self.since_s: float | None = None
        self.reason = OpenReason.PERMIT_WITHDRAWN

    def begins(self, *, closed: bool, offer_on: bool) -> bool:
        """Return whether the offer has ended just now over a ``closed`` contactor; call ``begin`` then."""
        if not closed or offer_on:
            self.since_s = None
            return False
        return self.since_s is None

    def begin(self, reason: OpenReason, now_s: float) -> None:
        """Let the time begin."""
        self.since_s, self.reason = now_s, reason

    def in_grace(self, now_s: float) -> bool:
        """Return whether the vehicle still has time."""
        return self.since_s is not None and now_s - self.since_s < self._grace_s

    def open_reason(self, reasons: Collection[Reason], now_s: float) -> OpenReason:
        """Return why the contactor opens now that ``reasons`` speak against it."""
        if not _VEHICLE_OR_PERMIT.issuperset(reasons):
            return OpenReason.FAULT
        asked_before = self.since_s is not None and self.since_s < now_s
        if asked_before or _VEHICLE.isdisjoint(reasons):
            return self.reason
        return OpenReason.VEHICLE_LEFT_C

    def remembered(self) -> tuple[object, ...]:
        """Return everything that may change."""
        return (self.since_s, self.reason)

    def limits(self) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change a verdict."""
        return ((self.since_s, self._grace_s),)
