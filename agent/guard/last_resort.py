"""What is still made safe when the board cannot be opened as a whole: every pilot says "not available" (F), every
controller is ordered "no current". A contactor whose line cannot be reached is not ours to open.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.guard.bus import Bus
from agent.guard.log import Log
from agent.guard.offer import STEADY_LOW
from agent.guard.plan import ControlledPlan, Plan, PlanError
from drivers.api import DriverError, DriverTimeout
from drivers.api.controllers import STOP_AT_ONCE


def end_offers(plan: Plan, log: Log) -> None:
    """End the offer of every EVSE whose pilot or controller can be reached; log those where it cannot."""
    for evse in plan.evses:
        try:
            evse.power_path.open().set_pilot(STEADY_LOW)
        except (DriverError, PlanError) as problem:
            log.error("offer.not_ended", evse_id=evse.evse_id, problem=str(problem))
    buses = {name: Bus(name, target) for name, target in plan.buses.items()}
    for controlled in plan.controlled:
        try:
            _stop(controlled, buses)
        except (DriverError, PlanError) as problem:
            log.error("offer.not_ended", evse_id=controlled.evse_id, problem=str(problem))
    for bus in buses.values():
        bus.close()


def _stop(evse: ControlledPlan, buses: Mapping[str, Bus]) -> None:
    from agent.guard.controlled import SETTLE_S, open_controller

    controller = open_controller(evse, buses)
    controller.command(STOP_AT_ONCE)
    if not controller.settle(SETTLE_S):
        raise DriverTimeout(f"the controller did not take 'no current': {controller.trouble or 'no answer'}")
