"""What a cycle is given and what it gives: its settings, one scan's inputs, the outputs that it wants written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from agent.guard.cable_lock import HELD, LockSettings
from agent.guard.contactor import Wear
from agent.guard.protection import BARE, ProtectionSettings
from agent.guard.timings import PHASE_INTERVAL_S, PHASE_WAIT_S
from drivers.api import PilotSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleSettings:
    """What a cycle knows of its EVSE; see ``plan.EvsePlan`` and ``plan.Plan`` for the units."""

    evse_id: int
    phases: int
    max_current_a: float
    ventilation: bool
    tethered: bool
    has_mirror: bool
    has_lock: bool
    has_lock_feedback: bool
    max_age_s: float
    min_reclose_s: float
    stop_grace_s: float
    permit_max_s: float
    simplified: bool = True
    reject_13a: bool = False
    wake_up: bool = True
    has_phase_contactor: bool = False
    has_phase_mirror: bool = False
    phase_switching: bool = False
    phase_wait_s: float = PHASE_WAIT_S
    phase_interval_s: float = PHASE_INTERVAL_S
    lock: LockSettings = HELD
    protection: ProtectionSettings = BARE
    connector_id: int = 1


class Kept(NamedTuple):
    """What outlives a run of the guard: latched verdicts, and the wear of both contactors."""

    welded: bool = False
    failed_to_close: bool = False
    wear: Wear = Wear()
    phase_wear: Wear = Wear()


@dataclass(slots=True, kw_only=True)
class Inputs:
    """One scan's inputs; refilled in place. ``None`` is unknown; what the EVSE does not have is ``False``.

    ``taken_s`` is when pilot and proximity were measured, ``None`` for not at all; ``power_path_ok``: its driver obeys.
    ``watched`` and ``temperature_c`` are in the order of ``CycleSettings.protection``. ``siblings_idle`` and
    ``siblings_dead`` are as for ``interlock.Permissions``.
    """

    taken_s: float | None = None
    high_v: float | None = None
    low_v: float | None = None
    proximity_ohm: float | None = None
    power_path_ok: bool = True
    main_closed: bool | None = False
    phases_closed: bool | None = False
    locked: bool | None = False
    rcd_tripped: bool | None = False
    emergency_stop: bool | None = False
    watched: tuple[bool | None, ...] = ()
    temperature_c: tuple[float | None, ...] = ()
    siblings_idle: bool = True
    siblings_dead: bool = True


class Outputs(NamedTuple):
    """What a scan wants written; the same object while nothing changes."""

    coil: bool
    signal: PilotSignal
    lock: bool
    phase_coil: bool = False
    unlock: bool = False
    rcd_test: bool = False
