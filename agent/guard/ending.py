"""How a process that holds the devices ends: what stopped it in the log, and an exit code. Codes: sysexits(3)."""

from __future__ import annotations

from collections.abc import Callable

from agent.guard.link import LinkError
from agent.guard.log import Log
from agent.guard.plan import PlanError
from drivers.api import DriverError


def exit_code(work: Callable[[], int], log: Log) -> int:
    """Return what ``work`` returns; 78: the plan cannot be obeyed; 1: a device failed; 75: another guard runs."""
    try:
        return work()
    except PlanError as problem:
        log.error("plan.refused", problem=str(problem))
        return 78
    except DriverError as problem:
        log.error("device.failed", problem=str(problem))
        return 1
    except LinkError as problem:
        log.error("socket.refused", problem=str(problem))
        return 75
