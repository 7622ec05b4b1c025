"""What the CSMS was told about every connector, and what it must be told. Pure.

While reporting every change goes out, except states shorter than MinimumStatusDuration. While not reporting changes
fold: afterwards only what differs from what the CSMS confirmed is told, or everything (after a boot, or a long outage
where the version says so). Where the version's table has no direct move, the status on the way is told first. A status
counts as told when its message was answered. The first status of a connector waits a moment for the guard's word on it:
what the store remembers of a cable may be long untrue.

Source: OCPP 1.6 §4.9, errata 3.19; OCPP 2.0.1 G01, B04.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from agent.model.evse import EvseView
from agent.model.variables import VariableBook
from agent.ocpp.dialect import Dialect, Message
from agent.ocpp.heartbeat import TimeOfDay

Place = tuple[int, int]
MOST_WAITING: Final = 200
FIRST_WORD_S: Final = 3.0  # how long a first status waits for the guard; house rule


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """One status that waits for its turn, rendered when it changed."""

    place: Place
    text: str
    message: Message


class StatusBoard:
    """The present statuses, the told ones, and the queue between them."""

    def __init__(self, dialect: Dialect, variables: VariableBook, time: TimeOfDay) -> None:
        self._dialect = dialect
        self._variables = variables
        self._time = time
        self._views: Sequence[EvseView] = ()
        self._operative = True
        self._present: dict[Place, str] = {}
        self._since_s: dict[Place, float] = {}
        self._told: dict[Place, str] = {}
        self._announced: dict[Place, str] = {}  # told, or waiting in the queue
        self._queue: deque[StatusReport] = deque()
        self._reporting = False
        self._awaited: frozenset[int] = frozenset()  # EVSEs that the guard has not spoken of yet
        self._first_until_s = 0.0

    @property
    def waiting(self) -> bool:
        """Return whether a status waits for its turn, or for what it has to say."""
        unsaid = self._reporting and any(self._is_awaited(place) for place in self._present)
        return unsaid or bool(self._queue)

    def places(self) -> tuple[Place, ...]:
        """Return every reportable place, in reporting order."""
        return tuple(self._present)

    def charging(self, evse_id: int | None) -> bool:
        """Return whether a transaction runs at an EVSE, or (``None``) at any."""
        return any(view.transaction_id is not None for view in self._views if evse_id in (None, view.evse_id))

    def see(self, views: Sequence[EvseView], operative: bool, now_s: float) -> None:
        """Take over new views."""
        self._views, self._operative = tuple(views), operative
        self._awaited = frozenset(view.evse_id for view in self._views if view.awaited)
        present = dict(self._dialect.statuses(self._views, operative))
        for place, text in present.items():
            if self._present.get(place) != text:
                self._since_s[place] = now_s
        self._present = present

    def start(self, now_s: float, *, everything: bool) -> None:
        """Report from now on; ``everything``: also what the CSMS knows already."""
        self._reporting = True
        self._first_until_s = now_s + FIRST_WORD_S
        if everything:
            self._told.clear()
        self._queue.clear()
        self._announced = dict(self._told)
        self.settle(now_s, at_once=True)

    def stop(self) -> None:
        """The link is gone, and with it what was not answered."""
        self._reporting = False
        self._queue.clear()

    def settle(self, now_s: float, *, at_once: bool = False) -> None:
        """Queue what changed and lasted."""
        if not self._reporting or self._present == self._announced or not self._time_suffices():
            return
        if now_s >= self._first_until_s:
            self._awaited = frozenset()
        changed = [
            (place, text)
            for place, text in self._present.items()
            if self._announced.get(place) != text and not self._is_awaited(place)
        ]
        minimum_s = self._minimum_s() if changed else 0
        for place, text in changed:
            first = place not in self._announced
            if at_once or first or now_s - self._since_s[place] >= minimum_s:
                at_s = now_s if first else self._since_s[place]
                if not (at_once or first or minimum_s):  # a status on the way is shorter than any minimum
                    self._enqueue_between(place, at_s, now_s)
                self._enqueue(place, text, at_s, now_s)

    def asked(self, places: Sequence[Place], now_s: float) -> list[Message]:
        """Return the present status of these places whatever the CSMS knows (a trigger)."""
        return [self._message(place, now_s, now_s) for place in places] if self._time_suffices() else []

    def take(self) -> StatusReport | None:
        """Return the next status to send."""
        return self._queue.popleft() if self._queue else None

    def told(self, report: StatusReport) -> None:
        """The CSMS answered this one."""
        self._told[report.place] = report.text

    def due_s(self) -> float | None:
        """Return when a status will have lasted long enough; ``None`` also while the missing clock holds all back."""
        if not self._reporting or self._present == self._announced or not self._time_suffices():
            return None
        minimum_s = self._minimum_s()
        return min(
            (
                self._first_until_s if self._is_awaited(place) else self._since_s[place] + minimum_s
                for place, text in self._present.items()
                if self._announced.get(place) != text
            ),
            default=None,
        )

    def _is_awaited(self, place: Place) -> bool:
        return place not in self._announced and place[0] in self._awaited

    def _minimum_s(self) -> int:
        return self._variables.integer("OCPPCommCtrlr", "MinimumStatusDuration")

    def _time_suffices(self) -> bool:
        return self._time.known or not self._dialect.statuses_need_time

    def _message(self, place: Place, at_s: float, now_s: float) -> Message:
        return self._dialect.status(place, self._views, self._operative, self._time.of(at_s, now_s))

    def _enqueue_between(self, place: Place, at_s: float, now_s: float) -> None:
        told, utc_s = self._announced[place], self._time.of(at_s, now_s)
        message = self._dialect.status_between(place, told, self._views, self._operative, utc_s)
        if message is not None:
            self._queue.append(StatusReport(place=place, text=told, message=message))

    def _enqueue(self, place: Place, text: str, at_s: float, now_s: float) -> None:
        if len(self._queue) >= MOST_WAITING:
            self._queue = deque(each for each in self._queue if each.place != place)
        self._queue.append(StatusReport(place=place, text=text, message=self._message(place, at_s, now_s)))
        self._announced[place] = text
