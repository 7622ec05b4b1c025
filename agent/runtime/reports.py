"""What the door tells: the living station, its queue, and why it charges at this current or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from agent.charging.station import Station
from agent.clock import Clock
from agent.console.door import DoorError
from agent.errors import StoreError
from agent.guard.wire import Report
from agent.model.evse import ConnectorView, EvseView, Limit, amperes
from agent.model.facts import MetersSampled, SecurityEvent
from agent.model.faults import FaultCode
from agent.model.maintenance import FirmwareProgressed, UploadProgressed
from agent.model.variables import Access, ValueSource, VariableBook, VariableEntry
from agent.runtime.guard_link import GuardLink
from agent.runtime.headline import Headline
from agent.store import QueueRow, StoreThread

Answer = Mapping[str, Any]
ROWS_MAX: Final = 10_000  # of a queue in one answer


class StationReports:
    """Answers the door's questions from the living parts."""

    def __init__(
        self,
        *,
        headline: Headline,
        station: Station,
        guard: GuardLink,
        store: StoreThread,
        clock: Clock,
        book: VariableBook,
        meters: Callable[[], list[dict[str, Any]]] = list,
    ) -> None:
        self._headline = headline
        self._station = station
        self._guard = guard
        self._store = store
        self._clock = clock
        self._book = book
        self._meters = meters

    async def status(self, _request: Answer) -> Answer:
        """Return the station at a glance."""
        now_s = self._clock.mono_s()
        return {
            **self._headline.parts(),
            "guard": {
                "connected": self._guard.connected,
                "error": self._guard.error,
                "refusals": list(self._guard.refusals),
            },
            "store": await self._store_state(),
            "faults": [each.told for each in self._station.faults],
            "main_meter": self._main_meter(now_s),
            "evses": [self._evse(view, now_s) for view in self._station.views()],
            "meters": self._meters(),
            "variables": [_variable(each) for each in self._changed()],
        }

    async def why(self, request: Answer) -> Answer:
        """Return the limits of every EVSE, or of the one that is asked for."""
        wanted = request.get("evse")
        views = [view for view in self._station.views() if wanted is None or view.evse_id == wanted]
        if not views:
            known = ", ".join(str(view.evse_id) for view in self._station.views())
            raise DoorError(f"there is no EVSE {wanted!r}, expected one of {known}")
        return {
            "evses": [
                {
                    "id": view.evse_id,
                    "connector": view.connector_id if view.connectors else None,
                    "waiting_connectors": [each.connector_id for each in view.connectors if _waits(view, each)],
                    "summary": summary_of(view),
                    "limits": [
                        {"source": each.source, "current_a": each.current_a, "text": each.text} for each in view.limits
                    ],
                }
                for view in views
            ],
            "variables": [_variable(each) for each in self._changed()],
        }

    async def queue(self, request: Answer) -> Answer:
        """Return the undelivered facts, oldest first, and the dead letters."""
        limit, offset = _whole(request, "limit", 1, 100), _whole(request, "offset", 0, 0)
        try:
            counts = await self._store.counts()
            rows = await self._store.queue(limit, offset)
        except StoreError as error:
            raise DoorError(f"the journal cannot be read: {error}") from error
        return {
            "source": "agent",
            "waiting": counts.waiting,
            "dead": counts.dead,
            "rows": [queue_row(each) for each in rows],
        }

    async def _store_state(self) -> Answer:
        try:
            counts = await self._store.counts()
        except StoreError as error:
            return {"ok": False, "waiting": None, "dead": None, "error": str(error), "recovered": self._recovered()}
        failures = [fault.text for fault in self._station.faults if fault.code is FaultCode.STORE_FAILED]
        return {
            "ok": not failures,
            "waiting": counts.waiting,
            "dead": counts.dead,
            "error": "; ".join(failures),
            "recovered": self._recovered(),
        }

    def _recovered(self) -> str:
        """Return what became of a damaged journal since this agent started."""
        return self._store.report.told()

    def _evse(self, view: EvseView, now_s: float) -> Answer:
        seen_at = view.connector_id if view.connectors and view.connector_id is not None else 1
        report = self._guard.reports.get((view.evse_id, seen_at))
        lock = "unknown" if report is None else report.lock.value
        return {
            "id": view.evse_id,
            "occupancy": view.occupancy.value,
            "operative": view.operative,
            "reserved": view.reserved,
            "pilot": view.pilot,
            "plugged": view.plugged,
            "contactor": {True: "closed", False: "open", None: "unknown"}[view.contactor_closed],
            "contactor_wear": None if report is None else _wear(report),
            "phases": None if report is None else report.phases,
            "simplified": None if report is None else report.simplified,
            "lock": lock,
            "protection": None if report is None else _protection(report, now_s),
            "offer_a": view.offer_a,
            "permit_a": view.permit_a,
            "energy_wh": view.energy_wh,
            "power_w": view.power_w,
            "current_a": list(view.current_a),
            "soc_pct": view.soc_pct,
            "soc_age_s": _soc_age_s(view, report, now_s),
            "reading_age_s": None if view.reading_at_s is None else round(now_s - view.reading_at_s, 2),
            "transaction": view.transaction_id,
            "csms_id": view.csms_id,
            "token": None if view.token is None else view.token.hashed(),
            "session_wh": view.session_wh,
            "charging_state": view.charging_state.value,
            "why": summary_of(view),
            "faults": [each.told for each in view.faults],
            "connector": view.connector_id,
            "connectors": [_connector_answer(view, each) for each in view.connectors],
        }

    def _main_meter(self, now_s: float) -> Answer | None:
        """Return the main meter's newest good reading, its age, and what is wrong; ``None`` without such a meter."""
        main = self._station.main
        if main is None:
            return None
        newest = main.meter.newest
        return {
            "energy_wh": None if newest is None else newest.energy_import_wh,
            "power_w": None if newest is None else newest.power_w,
            "current_a": [None, None, None] if newest is None else list(newest.current_a),
            "reading_age_s": None if newest is None else round(now_s - newest.taken_s, 2),
            "fresh": main.is_fresh(now_s),
            "error": main.meter.error,
        }

    def _changed(self) -> list[VariableEntry]:
        return [each for each in self._book.entries() if each.source is not ValueSource.DEFAULT]


def _connector_answer(view: EvseView, connector: ConnectorView) -> Answer:
    """Return one of several connectors; ``used``: the EVSE's own lines are about it."""
    used = connector.connector_id == view.connector_id
    locked = {True: "locked", False: "unlocked", None: "unknown"}[connector.cable_locked]
    return {
        "id": connector.connector_id,
        "used": used,
        "operative": connector.operative,
        "pilot": connector.pilot,
        "plugged": connector.plugged,
        "contactor": {True: "closed", False: "open", None: "unknown"}[connector.contactor_closed],
        "lock": locked,
        "max_current_a": connector.max_current_a,
        "waits": _waits(view, connector),
        "faults": [each.told for each in connector.faults if each.connector_id is not None],
    }


def _waits(view: EvseView, connector: ConnectorView) -> bool:
    """Return whether a vehicle waits there for the one at another connector."""
    return connector.connector_id != view.connector_id and connector.plugged is True and not connector.served


def _soc_age_s(view: EvseView, report: Report | None, now_s: float) -> float | None:
    """Return how long ago the vehicle, or a meter that knows it, said its state of charge; ``None``: none did."""
    if view.soc_pct is None:
        return None
    from_guard = report is not None and report.soc_pct is not None
    said_s = report.soc_taken_s if report is not None and from_guard else view.reading_at_s
    return None if said_s is None else round(now_s - said_s, 1)


def _protection(report: Report, now_s: float) -> Answer:
    """Return temperatures and the sensor's self-test: result, how long ago, and what failed."""
    tested_s = report.rcd_tested_s
    return {
        "temperature_c": list(report.temperature_c),
        "reduced_a": report.reduced_a,
        "reduced_why": report.reduced_why,
        "rcd_test": report.rcd_test.value,
        "rcd_test_age_s": None if tested_s is None else round(now_s - tested_s, 1),
        "rcd_test_why": report.rcd_test_why,
    }


def summary_of(view: EvseView) -> str:
    """Return in one sentence why the EVSE charges at this current or not at all."""
    binding: Limit | None = view.limits[0] if view.limits else None
    if binding is None:
        return "nothing limits it"
    if binding.current_a is None:
        return f"no charging: {binding.text}"
    return f"at most {amperes(binding.current_a)}: {binding.text}"


def _wear(report: Report) -> Answer:
    return {
        "closings": report.closings_total,
        "openings_under_load": report.openings_under_load,
        "slowest_close_ms": report.slowest_close_ms,
        "slowest_open_ms": report.slowest_open_ms,
        "phase_closings": report.phase_closings_total,
    }


def queue_row(row: QueueRow) -> Answer:
    """Return one undelivered fact for people and programs."""
    return {
        "seq": row.seq,
        "kind": _kind(row),
        "transaction": row.transaction_id,
        "csms_id": row.csms_id,
        "message_id": row.message_id,
        "age_s": None if row.age_s is None else round(row.age_s, 1),
        "attempts": row.attempts,
        "state": row.state.value,
        "sent": row.sent,
        "last_error": row.last_error,
        "evse": getattr(row.fact, "evse_id", None),
        "connector": getattr(row.fact, "connector_id", None),
    }


def _kind(row: QueueRow) -> str:
    """Return what kind of fact it is, for people; those of no transaction are told apart."""
    match row.fact:
        case SecurityEvent():
            return "security_event"
        case MetersSampled():
            return "meter_values"
        case FirmwareProgressed(state=state):
            return f"firmware {state.value}"
        case UploadProgressed(state=state):
            return f"upload {state.value}"
    return row.kind


def _whole(request: Answer, name: str, lowest: int, default: int) -> int:
    value = request.get(name, default)
    if type(value) is not int or not lowest <= value <= ROWS_MAX:
        raise DoorError(f"{name} {value!r} is no whole number from {lowest} to {ROWS_MAX}")
    return value


def _variable(entry: VariableEntry) -> Answer:
    definition = entry.definition
    name = f"{definition.component}.{definition.variable}" + (f"[{definition.instance}]" if definition.instance else "")
    hidden = definition.access is Access.WRITE_ONLY
    return {"name": name, "value": "***" if hidden else entry.value, "source": entry.source.value}
