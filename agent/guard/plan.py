"""The compiled plan: what the guard is told about its station, as JSON made from the station file by another process.

The maker has validated everything; the checks here only keep a truncated or foreign file from being obeyed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent.guard.cable_lock import HELD, LockSettings
from agent.guard.checks import flag, number, one_of, text, whole
from agent.guard.plan_indicator import (
    NO_INDICATOR,
    USUALLY_ALONE,
    IndicatorPlan,
    ShownAlone,
    parse_alone,
    parse_indicator,
)
from agent.guard.plan_place import (
    LinePlan,
    Place,
    PlanError,
    Target,
    parse_line,
    parse_optional_line,
    parse_target,
)
from agent.guard.plan_protection import (
    CONTROLLED_ROLES,
    EVSE_ROLES,
    STATION_ROLES,
    RcdTestPlan,
    TemperaturePlan,
    WatchedPlan,
    parse_lock,
    parse_rcd_test,
    parse_temperature,
    parse_watched,
)
from agent.guard.timings import PHASE_INTERVAL_S, PHASE_PILOT_OFF_S, PHASE_WAIT_S, RECLOSE_S, STOP_GRACE_S

__all__ = [
    "ControlledPlan",
    "EvsePlan",
    "LinePlan",
    "Plan",
    "PlanError",
    "RcdTestPlan",
    "Target",
    "TemperaturePlan",
    "load_plan",
    "parse_plan",
]
PLAN_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EvsePlan:
    """One connector of an EVSE, which has its own pilot, contactors and lock.

    Attributes:
        connector_id: of several, 1 and up in the order of the plan; 1 where there is only one.
        phases: that the contactor switches together.
        max_current_a: the most that may be offered, A per phase.
        ventilation: state D may charge.
        tethered: the cable is fixed; there is no proximity resistor to read.
        mirror: the contactor's feedback. mirror_normally_closed: it is active while the contactor is open; otherwise,
            and as a sense of the voltage behind the contactor, it is active while the contactor is closed.
        phase_contactor: the second contactor, for L2 and L3; phase_mirror: its feedback, likewise.
        phase_switching: a permit may ask for 1 or 3 phases. phase_wait_s, phase_interval_s: see ``timings``.
        simplified: vehicles without a variable S2 are served. reject_13a: cables coded for 13 A are not.
        wake_up: a vehicle that sleeps in B is woken once for each offer.
        lock_feedback: active while locked. rcd: active while tripped. emergency_stop: active while pressed.
        unlock: second line of a pulsed lock. watched: further inputs, by role.
        rcd_test: test line of the residual current sensor. temperatures: sensors of this EVSE.
        indicator: the EVSE's status light, buzzer and button; of several connectors, the first one's plan has it.
    """

    evse_id: int
    phases: int
    max_current_a: float
    ventilation: bool
    tethered: bool
    power_path: Target
    contactor: LinePlan
    mirror: LinePlan | None = None
    mirror_normally_closed: bool = True
    lock: LinePlan | None = None
    lock_feedback: LinePlan | None = None
    rcd: LinePlan | None = None
    emergency_stop: LinePlan | None = None
    indicator: IndicatorPlan = NO_INDICATOR
    phase_contactor: LinePlan | None = None
    phase_mirror: LinePlan | None = None
    phase_mirror_normally_closed: bool = True
    phase_switching: bool = False
    phase_wait_s: float = PHASE_WAIT_S
    phase_interval_s: float = PHASE_INTERVAL_S
    simplified: bool = True
    reject_13a: bool = False
    wake_up: bool = True
    lock_settings: LockSettings = HELD
    unlock: LinePlan | None = None
    watched: tuple[WatchedPlan, ...] = ()
    rcd_test: RcdTestPlan | None = None
    temperatures: tuple[TemperaturePlan, ...] = ()
    connector_id: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlledPlan:
    """One EVSE with a bought controller, which runs pilot and contactor itself.

    Attributes:
        phases: that the controller switches together. max_current_a: the most that may be offered, A per phase.
        ventilation: state D may charge.
        controller: opens a ``drivers.api.controllers.Controller``; gets ``bus=`` when ``bus`` names one of the plan's.
        locks: the controller's lock is ours to drive.
        mirror: the contactor's feedback, if we see it. mirror_normally_closed: as for ``EvsePlan``.
        rcd: active while tripped. emergency_stop: active while pressed. watched: further inputs, by role.
    """

    evse_id: int
    phases: int
    max_current_a: float
    ventilation: bool
    controller: Target
    bus: str | None = None
    locks: bool = False
    mirror: LinePlan | None = None
    mirror_normally_closed: bool = True
    rcd: LinePlan | None = None
    emergency_stop: LinePlan | None = None
    watched: tuple[WatchedPlan, ...] = ()
    indicator: IndicatorPlan = NO_INDICATOR

    @property
    def uses_lines(self) -> bool:
        """Return whether it has any line of the board."""
        single = (self.mirror, self.rcd, self.emergency_stop)
        return self.indicator.uses_lines or bool(self.watched) or any(line is not None for line in single)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one guard does.

    Attributes:
        plan_id: names this plan; permits must name the same.
        scan_s: period of the scan, s.
        socket: path of the guard's socket. state_dir: where latched faults are kept.
        allowed_uids: users besides the guard's own and root that may hold permits.
        permit_max_s: longest life of a permit, s.
        min_reclose_s: shortest time between two closings, s.
        stop_grace_s: time for the vehicle to stop after the offer ended, s.
        realtime: ask for a real-time priority and locked memory.
        buses: Modbus lines that the guard owns, by name; a target opens a ``drivers.api.controllers.RegisterLine``.
        evses: every connector of the EVSEs of our own. controlled: the EVSEs that have a bought controller.
        inputs: watched inputs of the station as a whole, by role: each acts on every EVSE.
        heartbeat: output that toggles while the scan is healthy, one wave in ``heartbeat_s``.
    """

    plan_id: str
    scan_s: float
    socket: str
    state_dir: str
    allowed_uids: frozenset[int]
    permit_max_s: float
    min_reclose_s: float
    stop_grace_s: float
    realtime: bool
    lines: Target
    evses: tuple[EvsePlan, ...]
    buses: Mapping[str, Target]
    controlled: tuple[ControlledPlan, ...] = ()
    inputs: tuple[WatchedPlan, ...] = ()
    heartbeat: LinePlan | None = None
    heartbeat_s: float = 0.1
    shown_alone: ShownAlone = USUALLY_ALONE

    @property
    def evse_ids(self) -> tuple[int, ...]:
        """Return the ids of all EVSEs, those of our own first."""
        return tuple(dict.fromkeys(evse_id for evse_id, _ in self.channels))

    @property
    def channels(self) -> tuple[tuple[int, int], ...]:
        """Return EVSE and connector of everything that has a pilot, those of our own first."""
        own = ((evse.evse_id, evse.connector_id) for evse in self.evses)
        return (*own, *((evse.evse_id, 1) for evse in self.controlled))

    def siblings(self, evse_id: int) -> int:
        """Return how many connectors an EVSE has."""
        return sum(channel[0] == evse_id for channel in self.channels)

    @property
    def uses_lines(self) -> bool:
        """Return whether anything uses the board's lines."""
        own = bool(self.evses or self.inputs) or self.heartbeat is not None
        return own or any(evse.uses_lines for evse in self.controlled)


def load_plan(path: str) -> Plan:
    """Return the plan in the file ``path``.

    Raises:
        PlanError: unreadable, not JSON, of another version, or a value of the wrong type or range.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError, RecursionError) as problem:
        raise PlanError(f"plan {path} cannot be read: {problem}") from problem
    return parse_plan(content)


def parse_plan(content: object) -> Plan:
    """Return the plan in ``content`` (decoded JSON). Raises ``PlanError``."""
    top = Place("plan", content)
    top.take("version", one_of(PLAN_VERSION))
    evses = tuple(_parse_evse(place) for place in top.places("evses"))
    controlled = (
        tuple(_parse_controlled(place) for place in top.places("controlled")) if "controlled" in top.content else ()
    )
    if not evses and not controlled:
        raise PlanError("plan.evses is empty, expected at least one EVSE")
    _check_channels(evses, controlled)
    buses = top.content.get("buses") or {}
    return Plan(
        plan_id=top.take("plan_id", text(200)),
        scan_s=top.take("scan_s", number(0.001, 1.0)),
        socket=top.take("socket", text(107)),  # sockaddr_un.sun_path holds 108 bytes. unix(7)
        state_dir=top.take("state_dir", text(4096)),
        allowed_uids=frozenset(top.take_list("allowed_uids", whole(0, 2**32 - 1))),
        permit_max_s=top.take("permit_max_s", number(1.0, 30.0), default=30.0),
        min_reclose_s=top.take("min_reclose_s", number(0.0, 3600.0), default=RECLOSE_S),
        stop_grace_s=top.take("stop_grace_s", number(0.0, STOP_GRACE_S), default=STOP_GRACE_S),
        realtime=top.take("realtime", flag, default=False),
        lines=parse_target(top.place("lines")),
        evses=evses,
        controlled=controlled,
        inputs=parse_watched(top.place("inputs"), STATION_ROLES) if top.content.get("inputs") else (),
        heartbeat=parse_optional_line(top, "heartbeat"),
        heartbeat_s=(top.place("heartbeat") if top.content.get("heartbeat") else top).take(
            "period_s", number(0.004, 2.0), default=0.1
        ),
        shown_alone=parse_alone(top),
        buses={name: parse_target(Place(f"plan.buses.{name}", bus)) for name, bus in buses.items()},
    )


def _check_channels(evses: tuple[EvsePlan, ...], controlled: tuple[ControlledPlan, ...]) -> None:
    bought = [evse.evse_id for evse in controlled]
    ids = [*{evse.evse_id for evse in evses}, *bought]
    connectors = [(evse.evse_id, evse.connector_id) for evse in evses]
    if len(set(ids)) != len(ids) or len(set(connectors)) != len(connectors):
        raise PlanError(f"plan.evses holds an id twice: {[*(evse.evse_id for evse in evses), *bought]}")
    for evse in evses:
        several = sum(each.evse_id == evse.evse_id for each in evses) > 1
        if several and (evse.mirror is None or (evse.phase_contactor is not None and evse.phase_mirror is None)):
            raise PlanError(
                f"plan.evses: connector {evse.connector_id} of EVSE {evse.evse_id} has no mirror, expected one for each"
                " contactor: nobody could see it open before another connector closes"
            )


def _parse_mirror(place: Place, key: str) -> tuple[LinePlan | None, bool]:
    """Return the line of a contactor's feedback, and whether it is active while the contactor is open."""
    mirror = parse_optional_line(place, key)
    if mirror is None:
        return None, True
    return mirror, place.place(key).take("kind", one_of("nc", "no", "sense"), default="nc") == "nc"


def _parse_evse(place: Place) -> EvsePlan:
    mirror, normally_closed = _parse_mirror(place, "mirror")
    phase_mirror, phase_normally_closed = _parse_mirror(place, "phase_mirror")
    lock = parse_optional_line(place, "lock")
    return EvsePlan(
        evse_id=place.take("id", whole(1, 2**31)),
        phases=place.take("phases", one_of(1, 3)),
        max_current_a=place.take("max_current_a", number(6.0, 80.0)),
        ventilation=place.take("ventilation", flag, default=False),
        tethered=place.take("tethered", flag, default=False),
        power_path=parse_target(place.place("power_path")),
        contactor=parse_line(place.place("contactor")),
        mirror=mirror,
        mirror_normally_closed=normally_closed,
        lock=lock,
        lock_feedback=parse_optional_line(place.place("lock"), "feedback") if lock else None,
        rcd=parse_optional_line(place, "rcd", latched=True),
        emergency_stop=parse_optional_line(place, "emergency_stop"),
        indicator=parse_indicator(place),
        phase_contactor=parse_optional_line(place, "phase_contactor"),
        phase_mirror=phase_mirror,
        phase_mirror_normally_closed=phase_normally_closed,
        phase_switching=place.take("phase_switching", flag, default=False),
        phase_wait_s=place.take("phase_wait_s", number(PHASE_PILOT_OFF_S, 600.0), default=PHASE_WAIT_S),
        phase_interval_s=place.take("phase_interval_s", number(0.0, 86400.0), default=PHASE_INTERVAL_S),
        simplified=place.take("simplified", flag, default=True),
        reject_13a=place.take("reject_13a", flag, default=False),
        wake_up=place.take("wake_up", flag, default=True),
        lock_settings=parse_lock(place.place("lock")) if lock else HELD,
        unlock=parse_optional_line(place.place("lock"), "unlock") if lock else None,
        watched=parse_watched(place, EVSE_ROLES),
        rcd_test=parse_rcd_test(place.place("rcd_test")) if place.content.get("rcd_test") else None,
        temperatures=tuple(parse_temperature(each) for each in place.places("temperatures"))
        if place.content.get("temperatures")
        else (),
        connector_id=place.take("connector", whole(1, 64), default=1),
    )


def _parse_controlled(place: Place) -> ControlledPlan:
    mirror, normally_closed = _parse_mirror(place, "mirror")
    bus = place.content.get("bus")
    return ControlledPlan(
        evse_id=place.take("id", whole(1, 2**31)),
        phases=place.take("phases", one_of(1, 3)),
        max_current_a=place.take("max_current_a", number(6.0, 80.0)),
        ventilation=place.take("ventilation", flag, default=False),
        controller=parse_target(place.place("controller")),
        bus=None if bus is None else place.take("bus", text(100)),
        locks=place.take("locks", flag, default=False),
        mirror=mirror,
        mirror_normally_closed=normally_closed,
        rcd=parse_optional_line(place, "rcd", latched=True),
        emergency_stop=parse_optional_line(place, "emergency_stop"),
        watched=parse_watched(place, CONTROLLED_ROLES),
        indicator=parse_indicator(place),
    )
