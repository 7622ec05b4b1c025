"""What can be told of a station before its journal is open: who it is, its link, and what it waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent import __version__
from agent.clock import Clock
from agent.console.door import DoorError
from agent.model.moment import rfc3339
from agent.runtime.csms_link import CsmsLink

Answer = Mapping[str, Any]


class Headline:
    """The station and its link to the CSMS, as every status begins.

    Args:
        identity: the station's id, vendor and model.
        security: returns how the link is secured.
        problems: those of a broken station file, nothing where the file itself is in use.
    """

    def __init__(
        self,
        *,
        identity: tuple[str, str, str],
        csms_url: str,
        ocpp: str,
        problems: Sequence[object],
        csms: CsmsLink,
        clock: Clock,
        security: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._identity = identity
        self._csms_url = csms_url
        self._ocpp = ocpp
        self._problems = tuple(str(each) for each in problems)
        self._csms = csms
        self._clock = clock
        self._security = security
        self._started_s = clock.mono_s()

    def parts(self) -> dict[str, Any]:
        """Return the parts ``station`` and ``csms`` of a status."""
        security = dict(self._security())
        now_s, utc_s = self._clock.mono_s(), self._clock.utc_s()
        station_id, vendor, model = self._identity
        return {
            "station": {
                "id": station_id,
                "vendor": vendor,
                "model": model,
                "version": __version__,
                "uptime_s": round(now_s - self._started_s, 1),
                "boot_id": self._clock.boot_id,
                "utc": None if utc_s is None else rfc3339(utc_s),
                "time_quality": self._clock.quality.value,
                "settings": "last_good" if self._problems else "file",
                "problems": list(self._problems),
            },
            "csms": {
                "url": security.pop("url", self._csms_url),
                "version": self._ocpp,
                "state": self._csms.state,
                "online": self._csms.session.online,
                "since_s": round(now_s - self._csms.since_s, 1),
                "error": "" if self._csms.session.online else self._csms.error,
            },
            "security": security,
        }


class EarlyReports:
    """Answers the door while the journal is not open. ``waits_for`` says why, in words."""

    def __init__(self, headline: Headline, waits_for: Callable[[], str]) -> None:
        self._headline = headline
        self._waits_for = waits_for

    async def status(self, _request: Answer) -> Answer:
        """Return the station at a glance: no EVSE can do anything yet."""
        why = self._waits_for()
        return {
            **self._headline.parts(),
            "guard": {"connected": False, "error": "the journal is opened first", "refusals": []},
            "store": {"ok": False, "waiting": None, "dead": None, "error": why, "recovered": ""},
            "faults": [f"store_failed: {why}"],
            "evses": [],
            "variables": [],
        }

    async def refuse(self, _request: Answer) -> Answer:
        """Refuse every other question."""
        raise DoorError(f"the station is not ready: {self._waits_for()}")
