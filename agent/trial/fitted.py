"""What there is to test on one EVSE, as the compiled plan says, and what the technician vouches for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.guard.cable_lock import LockSettings
from agent.guard.plan import ControlledPlan, EvsePlan, LinePlan, Plan
from agent.guard.rcd_test import RcdTestSettings
from agent.guard.temperature import SensorSettings


class Mains(Enum):
    """What the technician says of the mains in front of the contactor."""

    OFF = "off"
    ON = "on"  # they are on, and the outlet may carry voltage
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One watched input by its name in ``Seen.levels``. ``pressable``: a person can make it active."""

    name: str
    pressable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """One EVSE, or one of its connectors.

    Attributes:
        connector_id: of an EVSE with several; ``None``: it has one.
        lights: names of the status light's lines, the only one being "light".
        latched: contactor faults that outlived an earlier run of the guard.
        scan_s: period in which it is looked at.
        mains_why: why the mains do not count as off, where something contradicts.
    """

    evse_id: int
    scan_s: float
    mains: Mains
    mains_why: str = ""
    tethered: bool = False
    has_mirror: bool = False
    has_phase_contactor: bool = False
    has_phase_mirror: bool = False
    lock: LockSettings | None = None
    has_lock_feedback: bool = False
    inputs: tuple[Input, ...] = ()
    rcd_test: RcdTestSettings | None = None
    temperatures: tuple[SensorSettings, ...] = ()
    lights: tuple[str, ...] = ()
    has_buzzer: bool = False
    has_button: bool = False
    latched: tuple[str, ...] = ()
    controlled: bool = False
    max_current_a: float = 0.0
    connector_id: int | None = None

    @property
    def name(self) -> str:
        """Return how people call it."""
        which = "" if self.connector_id is None else f", connector {self.connector_id}"
        return f"EVSE {self.evse_id}{which}"


_PRESSABLE = {"emergency_stop", "door"}


def fitted(
    plan: EvsePlan, station: Plan, *, mains: Mains, mains_why: str, latched: tuple[str, ...], first: bool
) -> Fitted:
    """Return what there is of a connector of our own; the station's inputs are looked at with the ``first`` one."""
    before = [each for each in station.evses if each.evse_id == plan.evse_id and each.connector_id < plan.connector_id]
    looked_at = {line for each in before for line in _inputs_of(each).values()}
    own = [name for name, line in _inputs_of(plan).items() if line not in looked_at]  # a common one once
    return Fitted(
        evse_id=plan.evse_id,
        scan_s=station.scan_s,
        mains=mains,
        mains_why=mains_why,
        tethered=plan.tethered,
        has_mirror=plan.mirror is not None,
        has_phase_contactor=plan.phase_contactor is not None,
        has_phase_mirror=plan.phase_mirror is not None,
        lock=None if plan.lock is None else plan.lock_settings,
        has_lock_feedback=plan.lock_feedback is not None,
        inputs=_inputs(own, station, first=first),
        rcd_test=None if plan.rcd_test is None else plan.rcd_test.settings,
        temperatures=tuple(each.settings for each in plan.temperatures),
        lights=tuple(colour or "light" for colour, _ in plan.indicator.lights),
        has_buzzer=plan.indicator.buzzer is not None,
        has_button=plan.indicator.button is not None,
        latched=latched,
        max_current_a=plan.max_current_a,
        connector_id=plan.connector_id if station.siblings(plan.evse_id) > 1 else None,
    )


def _inputs_of(plan: EvsePlan) -> dict[str, LinePlan]:
    found = {role.value: line for role, line in plan.watched}
    named = (("rcd", plan.rcd), ("emergency_stop", plan.emergency_stop))
    return found | {name: line for name, line in named if line is not None}


def fitted_controlled(
    plan: ControlledPlan, station: Plan, *, mains: Mains, mains_why: str, latched: tuple[str, ...], first: bool
) -> Fitted:
    """Return what there is of an EVSE with a bought controller."""
    own = [role.value for role, _ in plan.watched]
    own += [name for name, line in (("rcd", plan.rcd), ("emergency_stop", plan.emergency_stop)) if line is not None]
    return Fitted(
        evse_id=plan.evse_id,
        scan_s=station.scan_s,
        mains=mains,
        mains_why=mains_why,
        has_mirror=plan.mirror is not None,
        inputs=_inputs(own, station, first=first),
        lights=tuple(colour or "light" for colour, _ in plan.indicator.lights),
        has_buzzer=plan.indicator.buzzer is not None,
        has_button=plan.indicator.button is not None,
        latched=latched,
        controlled=True,
        max_current_a=plan.max_current_a,
    )


def _inputs(own: list[str], station: Plan, *, first: bool) -> tuple[Input, ...]:
    shared = [role.value for role, _ in station.inputs] if first else []
    return tuple(Input(name=name, pressable=name in _PRESSABLE) for name in own) + tuple(
        Input(name=f"station {name}", pressable=name in _PRESSABLE) for name in shared
    )
