"""From a plan to what the cycle of one connector knows of itself. Pure."""

from __future__ import annotations

from agent.guard.cycle_values import CycleSettings
from agent.guard.inputs import InputRole, Watch
from agent.guard.plan import EvsePlan, Plan
from agent.guard.protection import ProtectionSettings
from agent.guard.timings import MAX_AGE_SCANS


def settings_of(plan: EvsePlan, station: Plan) -> CycleSettings:
    """Return what the cycle of ``plan`` knows; ``station`` is the plan that it stands in."""
    return CycleSettings(
        evse_id=plan.evse_id,
        phases=plan.phases,
        max_current_a=plan.max_current_a,
        ventilation=plan.ventilation,
        tethered=plan.tethered,
        has_mirror=plan.mirror is not None,
        has_lock=plan.lock is not None,
        has_lock_feedback=plan.lock_feedback is not None,
        max_age_s=station.scan_s * MAX_AGE_SCANS,
        min_reclose_s=station.min_reclose_s,
        stop_grace_s=station.stop_grace_s,
        permit_max_s=station.permit_max_s,
        simplified=plan.simplified,
        reject_13a=plan.reject_13a,
        wake_up=plan.wake_up,
        has_phase_contactor=plan.phase_contactor is not None,
        has_phase_mirror=plan.phase_mirror is not None,
        phase_switching=plan.phase_switching,
        phase_wait_s=plan.phase_wait_s,
        phase_interval_s=plan.phase_interval_s,
        lock=plan.lock_settings,
        protection=_protection(plan, station),
        connector_id=plan.connector_id,
    )


def _protection(plan: EvsePlan, station: Plan) -> ProtectionSettings:
    rcd, stop, test = plan.rcd, plan.emergency_stop, plan.rcd_test
    return ProtectionSettings(
        rcd=Watch(role=InputRole.RCD, latched=rcd is not None and rcd.latched),
        emergency_stop=Watch(role=InputRole.EMERGENCY_STOP, latched=stop is not None and stop.latched),
        watched=tuple(Watch(role=role, latched=line.latched) for role, line in (*plan.watched, *station.inputs)),
        has_rcd=rcd is not None,
        rcd_test=None if test is None else test.settings,
        temperatures=tuple(each.settings for each in plan.temperatures),
    )
