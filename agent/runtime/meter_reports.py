"""What the door tells of meters: how each one's polls go, and a reading at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from agent.console.door import DoorError
from agent.runtime.meters import MeterPoll, PollReport
from agent.settings.meter_target import MeterPlace, meter_of, meter_target
from agent.settings.station import Settings
from drivers.api import DriverError

READ_WITHIN_S: Final = 4.0  # the door's client waits 5 s


class MeterReports:
    """Answers questions about the meters of a running agent."""

    def __init__(self, settings: Settings, polls: Mapping[int, MeterPoll], monotonic: Callable[[], float]) -> None:
        """``polls`` may still fill: meters open after the door does."""
        self._settings = settings
        self._polls = polls
        self._monotonic = monotonic

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each meter that is open, for ``status``."""
        found = (self._report(evse_id) for evse_id in sorted(self._polls))
        return [_row(each) for each in found if each is not None]

    async def meter(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read the meter of ``request["evse"]`` and return the reading, its age and the counters."""
        try:
            evse_id, place = meter_target(self._settings, request.get("evse"))
        except DriverError as error:
            raise DoorError(str(error)) from error
        poll, report = self._polls.get(evse_id), self._report(evse_id)
        if poll is None or report is None:
            raise DoorError(f"{meter_of(evse_id)} is not open yet")
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                await poll.read_now(evse_id)
        except TimeoutError:
            pass  # the line is busy or dead: what is known is told, with its age
        return self._answer(poll.report(evse_id), place)

    def _report(self, evse_id: int) -> PollReport | None:
        try:
            return self._polls[evse_id].report(evse_id)
        except KeyError:
            return None

    def _answer(self, report: PollReport, place: MeterPlace | None) -> dict[str, Any]:
        from agent.console.meter_answers import reading_answer

        options = self._settings.meters[report.evse_id].driver.options
        newest = report.newest
        return {
            **_row(report),
            "source": "agent",
            "line": report.bus or "its own line",
            "serial": place is None or "port" in place.line,
            "unit": options.get("unit"),
            "profile": options.get("profile", "a driver of its own"),
            "timeout_s": options.get("timeout_s", 1.0),
            "reading": None if newest is None else reading_answer(newest),
            "age_s": None if newest is None else round(self._monotonic() - newest.taken_s, 2),
        }


def _row(report: PollReport) -> dict[str, Any]:
    from agent.console.meter_answers import counters_answer

    return {
        "evse": report.evse_id,
        "bus": report.bus,
        "reads": report.reads,
        "failures": report.failures,
        "error": report.error,
        "counters": None if report.counters is None else counters_answer(report.counters),
    }
