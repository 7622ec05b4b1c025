"""What an EVSE must know of the station around it. One object, owned by the station, read by its EVSEs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from agent.charging.availability import Availability
from agent.charging.profiles import Profiles
from agent.charging.reservations import Reservations
from agent.model.commands import ResetKind
from agent.model.faults import Fault, FaultCode
from agent.model.station import StationLayout
from agent.model.variables import VariableBook

GUARD_GRACE_S: Final = 3.0  # a guard that is back within this time was never away; house rule


class Surroundings(msgspec.Struct, kw_only=True):
    """State that every EVSE shares.

    Attributes:
        new_id: gives a new transaction id.
        online: the CSMS can be asked now.
        guard_lost_s: monotonic time since which the guard's link is down; ``None`` while it is up.
        faults: faults of the whole station, by code.
        reset: a restart is pending; no new session begins.
        profiles: the charging profiles that are installed.
        reservations: those that stand.
    """

    layout: StationLayout
    variables: VariableBook
    new_id: Callable[[], str]
    boot_id: str
    availability: Availability
    profiles: Profiles
    reservations: Reservations
    online: bool = False
    guard_lost_s: float | None = 0.0
    faults: dict[FaultCode, Fault] = msgspec.field(default_factory=dict)
    reset: ResetKind | None = None

    @property
    def store_failed(self) -> bool:
        """Return whether nothing can be made durable now."""
        return FaultCode.STORE_FAILED in self.faults

    @property
    def connection_time_out_s(self) -> float | None:
        """Return the time allowed between authorization and plugging, either way round; ``None``: no limit."""
        seconds = self.variables.integer("TxCtrlr", "EVConnectionTimeOut")
        return float(seconds) if seconds > 0 else None
