"""The vehicle's state of charge, where a power path or controller knows it: told to the agent, never acted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from typing import Final

from agent.guard.wire import Report
from drivers.api import DriverError
from drivers.api.vehicle import StateOfCharge, TellsStateOfCharge

FRESH_S: Final = 60.0  # an older word of the vehicle is no word; house rule


class VehicleCharge:
    """Adds the state of charge to reports of one EVSE."""

    def __init__(self, device: object) -> None:
        """Ask ``device``, if it has the capability at all."""
        self._ask: Callable[[], StateOfCharge | None] | None = None
        if isinstance(device, TellsStateOfCharge):
            self._ask = device.state_of_charge
        self._since_s: float | None = None  # when the vehicle that is here now was first seen

    def told(self, report: Report) -> Report:
        """Return ``report`` with what the vehicle said: only while it is here, said since it came, and not long ago."""
        if self._ask is None:
            return report
        if report.plugged is not True:
            if report.plugged is False:
                self._since_s = None
            return report
        if self._since_s is None:
            self._since_s = report.at_s
        try:
            said = self._ask()
        except DriverError:
            return report
        if said is None or not isfinite(said.soc_pct) or not 0.0 <= said.soc_pct <= 100.0:
            return report
        if said.taken_s < self._since_s or report.at_s - said.taken_s > FRESH_S:
            return report
        return replace(report, soc_pct=round(said.soc_pct, 1), soc_taken_s=said.taken_s)
