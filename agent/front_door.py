"""Part of the composition root: the technician's socket, open before the journal is, widened when the core stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from agent.clock import Clock
from agent.model.variables import VariableBook
from agent.runtime.csms_link import CsmsLink
from agent.runtime.supervisor import Supervisor
from agent.secured import Secured
from agent.settings.loaded import Loaded

if TYPE_CHECKING:
    from agent.charging.station import Station
    from agent.console.door import Reply
    from agent.equipment import Equipment
    from agent.maintained import Maintained
    from agent.runtime.core_loop import CoreLoop
    from agent.runtime.guard_link import GuardLink
    from agent.store import StoreThread

HOLD_MOST_S: Final = 120.0


class FrontDoor:
    """What is answered to people on the station's own socket.

    Attributes:
        replies: by question; the door looks them up at every question, so that they may grow.
    """

    def __init__(self, loaded: Loaded, csms: CsmsLink, clock: Clock, book: VariableBook, secured: Secured) -> None:
        self._settings = loaded.settings
        self._problems = loaded.problems
        self._csms = csms
        self._clock = clock
        self._book = book
        self._secured = secured
        self.replies: dict[str, Reply] = {}

    def open(self, supervisor: Supervisor, journal_trouble: Callable[[], str]) -> None:
        """Let the technician in, also while the journal is not open. The modules load here."""
        from agent.console.door import Door
        from agent.runtime.headline import EarlyReports, Headline

        own = self._settings.station
        self._headline = Headline(
            identity=(own.id, own.vendor, own.model),
            csms_url=self._settings.csms.url,
            ocpp=self._settings.csms.version.value,
            problems=self._problems,
            csms=self._csms,
            clock=self._clock,
            security=lambda: self._secured.status(self._csms),
        )
        early = EarlyReports(self._headline, lambda: journal_trouble() or "the journal is being opened")
        not_yet = ("queue", "why", "meter", "auth", "cards", "cards_seen", "cdr")
        self.replies.update({"status": early.status, "hold": self._hold, "frames": self._frames})
        self.replies.update(dict.fromkeys(not_yet, early.refuse))
        supervisor.add("console", Door(own.run_dir / "agent.sock", self.replies).run)

    async def _frames(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the last frames: they need no journal."""
        from agent.runtime.book import frame_rows

        return frame_rows(self._csms.frames, self._clock, request)

    async def _hold(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Dial nobody for ``seconds``, while the doctor looks at the link; return what the link is doing."""
        from agent.console.door import DoorError

        for_s = request.get("seconds")
        if not isinstance(for_s, int | float) or not 0 <= for_s <= HOLD_MOST_S:
            raise DoorError(f"seconds {for_s!r} is not a number from 0 to {HOLD_MOST_S:.0f}")
        self._csms.hold(float(for_s))
        return {"state": self._csms.state}

    def widen(
        self,
        *,
        station: Station,
        core: CoreLoop,
        guard: GuardLink,
        store: StoreThread,
        equipment: Equipment,
        maintained: Maintained,
    ) -> None:
        """Answer everything from now on."""
        from agent.runtime.book import Book
        from agent.runtime.reports import StationReports
        from agent.runtime.token_reports import TokenReports

        reports = StationReports(
            headline=self._headline,
            station=station,
            guard=guard,
            store=store,
            clock=self._clock,
            book=self._book,
            meters=equipment.meter_rows,
        )
        tokens = TokenReports(station=station, clock=self._clock, order=core.order)
        records = Book(store)
        self.replies.update(
            {
                "status": maintained.beside(reports.status),
                "queue": reports.queue,
                "why": reports.why,
                "meter": equipment.meter,
                "auth": tokens.auth,
                "cards": tokens.cards,
                "cards_seen": equipment.cards_seen,
                "cdr": records.cdr,
            }
        )
