"""Conditions that are raised and cleared."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import msgspec


class FaultCode(Enum):
    """What can be wrong with an EVSE or the station. Dialects translate; texts for people are in ``FAULT_TEXT``."""

    RCD_TRIPPED = "rcd_tripped"
    EMERGENCY_STOP = "emergency_stop"
    PILOT_ERROR = "pilot_error"
    DIODE_MISSING = "diode_missing"
    CONTACTOR_WELDED = "contactor_welded"
    CONTACTOR_STUCK_OPEN = "contactor_stuck_open"
    LOCK_FAILED = "lock_failed"
    VENTILATION_MISSING = "ventilation_missing"
    PROXIMITY_ERROR = "proximity_error"
    INPUT_UNKNOWN = "input_unknown"
    POWER_PATH_LOST = "power_path_lost"
    GUARD_LOST = "guard_lost"
    METER_SILENT = "meter_silent"
    METER_IMPLAUSIBLE = "meter_implausible"
    METER_EXCHANGED = "meter_exchanged"
    READER_LOST = "reader_lost"
    STORE_FAILED = "store_failed"
    SETTINGS_LAST_GOOD = "settings_last_good"
    OVER_CURRENT = "over_current"
    RCM_TRIPPED = "rcm_tripped"
    GROUND_MISSING = "ground_missing"
    DOOR_OPEN = "door_open"
    TILTED = "tilted"
    RCD_TEST_FAILED = "rcd_test_failed"
    OVER_TEMPERATURE = "over_temperature"
    CONTROLLER_DISOBEYS = "controller_disobeys"
    CONTROLLER_FAULT = "controller_fault"
    LOCAL_LIST_CONFLICT = "local_list_conflict"  # the CSMS refuses what its own list accepts
    MAIN_METER_LOST = "main_meter_lost"  # the meter of the whole station is silent or not believed
    WEAK_SIGNAL = "weak_signal"  # told by whoever drives the modem


FAULT_TEXT: Final[Mapping[FaultCode, str]] = MappingProxyType(
    {
        FaultCode.RCD_TRIPPED: "residual alternating current was seen",
        FaultCode.EMERGENCY_STOP: "the emergency stop is pressed",
        FaultCode.PILOT_ERROR: "the pilot shows no state of a vehicle: broken, shorted, or a vehicle in error",
        FaultCode.DIODE_MISSING: "the vehicle's pilot has no diode",
        FaultCode.CONTACTOR_WELDED: "the contactor is closed while its coil is off; a person must look at it",
        FaultCode.CONTACTOR_STUCK_OPEN: "the contactor did not close",
        FaultCode.LOCK_FAILED: "the socket's lock does not confirm its position",
        FaultCode.VENTILATION_MISSING: "the vehicle asks for ventilation, and there is none",
        FaultCode.PROXIMITY_ERROR: "the cable has no coding resistor that is known",
        FaultCode.INPUT_UNKNOWN: "an input has no fresh value",
        FaultCode.POWER_PATH_LOST: "the pilot or the controller cannot be reached",
        FaultCode.GUARD_LOST: "no word from the guard",
        FaultCode.METER_SILENT: "the meter does not answer",
        FaultCode.METER_IMPLAUSIBLE: "the meter's register cannot be believed",
        FaultCode.METER_EXCHANGED: "the meter's register has changed between charges",
        FaultCode.READER_LOST: "a card reader does not answer",
        FaultCode.STORE_FAILED: "the journal cannot be written",
        FaultCode.SETTINGS_LAST_GOOD: "the station file is broken, its last good copy is used",
        FaultCode.OVER_CURRENT: "the vehicle draws more than it is offered",
        FaultCode.RCM_TRIPPED: "residual direct current was seen",
        FaultCode.GROUND_MISSING: "protective earth is missing",
        FaultCode.DOOR_OPEN: "the door is open",
        FaultCode.TILTED: "the station leans, or was hit",
        FaultCode.RCD_TEST_FAILED: "the residual current sensor failed its self-test",
        FaultCode.OVER_TEMPERATURE: "a temperature is too high",
        FaultCode.CONTROLLER_DISOBEYS: "the controller does not do what it was ordered",
        FaultCode.CONTROLLER_FAULT: "the controller reports a fault of its own",
        FaultCode.LOCAL_LIST_CONFLICT: "the CSMS refuses a card that its own list accepts",
        FaultCode.MAIN_METER_LOST: "the main meter does not answer",
        FaultCode.WEAK_SIGNAL: "the modem's signal is weak",
    }
)
"""What each code means, for people, where whoever raised it had nothing more exact to say."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One present fault. ``evse_id`` is ``None`` for the whole station; ``blocking`` forbids charging.

    ``connector_id``: of an EVSE with several it is only this one's.
    """

    code: FaultCode
    evse_id: int | None = None
    blocking: bool = True
    since_s: float = 0.0
    text: str = ""
    connector_id: int | None = None

    @property
    def told(self) -> str:
        """Return code and text for people: ``door_open: the door is open``."""
        where = "" if self.connector_id is None else f" (connector {self.connector_id})"
        return f"{self.code.value}{where}: {self.text or FAULT_TEXT[self.code]}"
