"""What a controlled cycle is given: its settings, one scan's inputs, and what a controller's faults are called here."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agent.guard.inputs import InputRole, Watch
from agent.guard.interlock import Reason
from agent.guard.wire import GuardFault
from drivers.api.controllers import ControllerFault, ControllerReading

FAULT_OF: Final = MappingProxyType(
    {
        ControllerFault.PILOT: GuardFault.PILOT_ERROR,
        ControllerFault.DIODE: GuardFault.DIODE_MISSING,
        ControllerFault.PROXIMITY: GuardFault.PROXIMITY_ERROR,
        ControllerFault.VENTILATION: GuardFault.VENTILATION_MISSING,
        ControllerFault.LOCK: GuardFault.LOCK_FAILED,
        ControllerFault.CONTACTOR_WELDED: GuardFault.CONTACTOR_WELDED,
        ControllerFault.CONTACTOR_STUCK_OPEN: GuardFault.CONTACTOR_STUCK_OPEN,
        ControllerFault.RCD: GuardFault.RCD_TRIPPED,
        ControllerFault.RCD_TEST: GuardFault.RCD_TEST_FAILED,
        ControllerFault.GROUND: GuardFault.GROUND_MISSING,
        ControllerFault.OVER_TEMPERATURE: GuardFault.OVER_TEMPERATURE,
        ControllerFault.OVER_CURRENT: GuardFault.CONTROLLER_FAULT,
        ControllerFault.OTHER: GuardFault.CONTROLLER_FAULT,
    }
)
REASON_OF: Final = MappingProxyType(
    {
        InputRole.EMERGENCY_STOP: Reason.EMERGENCY_STOP,
        InputRole.GROUND: Reason.GROUND,
        InputRole.DOOR: Reason.DOOR,
        InputRole.TILT: Reason.TILT,
    }
)
"""Why a watched input speaks against an offer, most important first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlledSettings:
    """What a cycle knows of its EVSE; see ``plan.ControlledPlan`` and ``plan.Plan`` for the units.

    ``watched``: further inputs, its own and the station's, in the order of ``ControlledInputs.watched``.
    """

    evse_id: int
    phases: int
    max_current_a: float
    ventilation: bool
    has_mirror: bool
    min_reclose_s: float
    permit_max_s: float
    rcd_latches: bool = True
    emergency_stop_latches: bool = False
    watched: tuple[Watch, ...] = ()


@dataclass(slots=True, kw_only=True)
class ControlledInputs:
    """One scan's inputs; refilled in place. ``None`` is unknown; what the EVSE does not have is ``False``."""

    reading: ControllerReading | None = None
    main_closed: bool | None = False
    rcd_tripped: bool | None = False
    emergency_stop: bool | None = False
    watched: tuple[bool | None, ...] = ()

    @property
    def known(self) -> bool:
        """Return whether every input of ours has a level."""
        return None not in (self.main_closed, self.rcd_tripped, self.emergency_stop, *self.watched)


def latched(before: bool, level: bool | None, *, gone: bool, latches: bool) -> bool:
    """Return whether an input counts as tripped: while active, and if it latches until the vehicle has left."""
    if level:
        return True
    return before and (level is None or (latches and not gone))
