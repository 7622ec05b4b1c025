"""How a process that holds the devices ends: what stopped it in the log, and an exit code. Codes: sysexits(3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from agent.guard.link import LinkError
from agent.guard.log import Log
from agent.guard.plan import PlanError
from drivers.api import DriverError

RETRY_PAUSE_S: Final = 2.0  # as between two attempts at a single line; house rule
_TRIED_AGAIN: Final = (1, 75, 78)


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


def pause_before_exit_s(code: int, environment: Mapping[str, str]) -> float:
    """Return how long a guard that cannot start waits before it ends with ``code``, s.

    Under systemd, which starts it again at once: what is missing is not there 100 ms later, and a program of real time
    that does nothing but start would take a core from the rest of the station. By hand it ends at once.
    """
    return RETRY_PAUSE_S if code in _TRIED_AGAIN and "NOTIFY_SOCKET" in environment else 0.0
