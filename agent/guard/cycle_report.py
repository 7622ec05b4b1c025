"""What a cycle tells the agent: its report, and what of it is worth telling at once. Pure."""

from __future__ import annotations

from agent.guard.cycle import Cycle
from agent.guard.cycle_values import Inputs
from agent.guard.wire import PilotState, Report


def shown_by(cycle: Cycle) -> tuple[object, ...]:
    """Return what makes a report worth sending at once when it changes."""
    contactor, permit, phases = cycle.contactor, cycle.permit, cycle.phases
    return (
        cycle.view.state,
        cycle.vehicle.cable_a,
        cycle.vehicle.simplified,
        cycle.offer.current_a,
        contactor.coil,
        contactor.state,
        contactor.wear,
        phases and phases.contactor.state,
        cycle.lock.state,
        cycle.faults,
        cycle.waiting_for,
        permit and permit.permit_id,
        permit and permit.max_current_a,
        permit and permit.phases,
        contactor.closings,
        cycle.protection.derating.limit_a,
        cycle.protection.rcd_test.result,
        cycle.protection.rcd_test.at_s,
    )


def report_of(cycle: Cycle, inputs: Inputs, *, seq: int, now_s: float) -> Report:
    """Return the EVSE's state after the scan at ``now_s`` that read ``inputs``."""
    contactor, permit, phases, wear = cycle.contactor, cycle.permit, cycle.phases, cycle.contactor.wear
    derating, test = cycle.protection.derating, cycle.protection.rcd_test
    measured = cycle.view.state is not PilotState.UNKNOWN
    return Report(
        evse_id=cycle.settings.evse_id,
        seq=seq,
        at_s=now_s,
        pilot=cycle.view.state,
        high_v=inputs.high_v if measured else None,
        low_v=inputs.low_v if measured else None,
        plugged=cycle.plugged,
        cable_a=cycle.vehicle.cable_a,
        offer_a=cycle.offer.current_a if inputs.power_path_ok else None,
        coil=contactor.coil,
        contactor=contactor.state,
        contactor_since_s=contactor.since_s,
        lock=cycle.lock.state,
        faults=cycle.faults,
        waiting_for=() if contactor.coil else tuple(reason.value for reason in cycle.waiting_for),
        permit_id=None if permit is None else permit.permit_id,
        permit_left_s=None if permit is None else max(0.0, cycle.permit_until_s - now_s),
        permit_a=None if permit is None else permit.max_current_a,
        permit_phases=None if permit is None else permit.phases,
        open_reason=contactor.open_reason,
        closings=contactor.closings,
        phases=cycle.settings.phases if phases is None else phases.connected,
        simplified=cycle.vehicle.simplified,
        closings_total=wear.closings,
        openings_under_load=wear.openings_under_load,
        slowest_close_ms=wear.slowest_close_ms,
        slowest_open_ms=wear.slowest_open_ms,
        phase_closings_total=None if phases is None else phases.contactor.wear.closings,
        reduced_a=derating.limit_a,
        reduced_why=derating.why,
        temperature_c=inputs.temperature_c,
        rcd_test=test.result,
        rcd_tested_s=test.at_s,
        rcd_test_why=test.why,
        connector_id=cycle.settings.connector_id,
    )
