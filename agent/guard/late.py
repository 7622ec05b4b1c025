"""A power path that could not be opened yet: it raises what a lost one raises, and is tried again beside the scan."""

from __future__ import annotations

import threading
from typing import Final

from agent.guard.plan import Target
from drivers.api import DriverError, DriverUnavailable, PilotSignal, PowerPath, PowerPathReading

RETRY_S: Final = 2.0  # between two attempts to open; house rule


def open_power_path(target: Target) -> PowerPath:
    """Open ``target``, or return a power path that keeps trying. Raises ``PlanError`` when there is no such driver."""
    try:
        power_path: PowerPath = target.open()
    except DriverError as problem:
        return LatePowerPath(target, problem)
    return power_path


class LatePowerPath:
    """Meets ``PowerPath``: every call fails until the device is there, then goes through to it."""

    def __init__(self, target: Target, problem: DriverError) -> None:
        """Keep trying ``target``, which failed with ``problem``."""
        self._target = target
        self._problem = problem
        self._opened: PowerPath | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_trying, name="power path", daemon=True)
        self._thread.start()

    def set_pilot(self, signal: PilotSignal) -> None:
        """See ``PowerPath``."""
        self._device().set_pilot(signal)

    def read(self) -> PowerPathReading:
        """See ``PowerPath``."""
        return self._device().read()

    def close(self) -> None:
        """See ``PowerPath``."""
        self._closed.set()
        if self._opened is not None:
            self._opened.close()

    def join(self, timeout_s: float) -> None:
        """Wait until the attempts have ended: opened, or closed."""
        self._thread.join(timeout_s)

    def _device(self) -> PowerPath:
        if self._opened is None:
            raise DriverUnavailable(f"not opened yet: {self._problem}")
        return self._opened

    def _keep_trying(self) -> None:
        while not self._closed.wait(RETRY_S):
            try:
                self._opened = self._target.open()
            except DriverError as problem:
                self._problem = problem
            else:
                return
