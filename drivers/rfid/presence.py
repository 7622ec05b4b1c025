"""One report for each time a card is presented: pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Visit:
    seen_s: float
    reported_s: float
    was_away: bool = False


class Presence:
    """Decides which of the repeated frames of a reader begins a presentation to report.

    A card counts when it comes. The same card counts again only after it was away for ``absence_s`` and at least
    ``hold_off_s`` after its last report, so that a shaking hand does not start and stop; a card that is back too early
    and held there counts when the hold-off ends. A different card counts at once.

    Source: debounce times of EVerest's readers (2-5 s); arduino12/rdm6300 calls a tag gone after 0.3 s.
    """

    def __init__(self, *, absence_s: float, hold_off_s: float) -> None:
        self._absence_s = absence_s
        self._hold_off_s = hold_off_s
        self._visits: dict[str, _Visit] = {}

    def is_new(self, uid: str, now_s: float) -> bool:
        """Return whether the frame of ``uid`` at monotonic ``now_s`` is to be reported."""
        self._forget(now_s)
        visit = self._visits.get(uid)
        if visit is None:
            self._visits[uid] = _Visit(now_s, now_s)
            return True
        visit.was_away = visit.was_away or now_s - visit.seen_s >= self._absence_s
        visit.seen_s = now_s
        if not visit.was_away or now_s - visit.reported_s < self._hold_off_s:
            return False
        visit.reported_s, visit.was_away = now_s, False
        return True

    def _forget(self, now_s: float) -> None:
        for uid, visit in list(self._visits.items()):
            if now_s - visit.seen_s >= self._absence_s and now_s - visit.reported_s >= self._hold_off_s:
                del self._visits[uid]
