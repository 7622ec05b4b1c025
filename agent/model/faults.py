"""Conditions that are raised and cleared."""

from __future__ import annotations

from enum import Enum

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
    WEAK_SIGNAL = "weak_signal"  # told by whoever drives the modem


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One present fault. ``evse_id`` is ``None`` for the whole station; ``blocking`` forbids charging."""

    code: FaultCode
    evse_id: int | None = None
    blocking: bool = True
    since_s: float = 0.0
    text: str = ""
