"""Every time of the pilot, once: the scan counts with these, the tests prove them, ``docs/guard.md`` shows them.

A row says what the time is for, whom it binds, its clause, and where the number was seen. ``unverified`` in a source
means that it was seen in other stations' software and not in the standard itself. Rows that bind the vehicle are here
because the station must leave it that time. "House rule" is a choice of this station.

Reached by ``python -m agent.guard.timings``, which prints the table.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Timing(NamedTuple):
    """One time: its name in this module, its value, and what must be known of it.

    Attributes:
        value: in ``unit``.
        clause: of IEC 61851-1:2017 unless it says otherwise; "house rule" where no standard asks for it.
        source: where the number was seen.
        binds: who must keep it: ``station``, ``vehicle``, or both.
        kind: ``max`` at the latest, ``min`` at the earliest, ``exact`` as long as that.
        says: what happens within it.
    """

    name: str
    value: float
    unit: str
    kind: str
    clause: str
    source: str
    binds: str
    says: str


_TABLE: Final[list[Timing]] = []
_HOUSE: Final = "house rule"


def _timing(
    name: str, value: float, kind: str, clause: str, source: str, says: str, *, binds: str = "station"
) -> float:
    _TABLE.append(Timing(name, value, "s", kind, clause, source, binds, says))
    return value


# The sequences.

CLOSE_S: Final = _timing(
    "CLOSE_S", 3.0, "max", "table A.6, sequence 4", "EVerest IECStateMachine; Tinkerforge iec61851.c; unverified",
    "the vehicle closes S2 (B2 to C2): the contactor is closed",
)  # fmt: skip
OPEN_S: Final = _timing(
    "OPEN_S", 0.1, "max", "table A.6, sequences 2.2, 8.1, 8.2",
    "EVerest IECStateMachine; Tinkerforge iec61851.c; unverified",
    "the vehicle leaves C or D, with or without PWM, or is unplugged: the contactor is open",
)  # fmt: skip
FOLLOW_S: Final = _timing(
    "FOLLOW_S", 5.0, "max", "table A.6, sequence 5", "EVerest Charger; unverified",
    "the duty cycle changed: the vehicle draws no more than it says", binds="vehicle",
)  # fmt: skip
OFFER_CHANGE_S: Final = _timing(
    "OFFER_CHANGE_S", 5.0, "min", "table A.6, sequence 6", "EVerest Charger; unverified",
    "between two changes of the duty cycle; the end of an offer and a reduction for safety do not wait",
)  # fmt: skip
VEHICLE_STOP_S: Final = _timing(
    "VEHICLE_STOP_S", 3.0, "max", "table A.6, sequence 10.1", "Tinkerforge iec61851.c; unverified",
    "the offer ended (X2 to X1): the vehicle stops drawing and opens S2", binds="vehicle",
)  # fmt: skip
STOP_GRACE_S: Final = _timing(
    "STOP_GRACE_S", 6.0, "max", "table A.6, sequence 10.2",
    "EVerest, SmartEVSE, Tinkerforge, esp32-evse: all 6 s; unverified",
    "the vehicle ignores the end of the offer: the contactor opens under load",
)  # fmt: skip
SHORT_OPEN_S: Final = _timing(
    "SHORT_OPEN_S", 3.0, "max", "table A.6, sequence 12", "SmartEVSE issue 133; unverified",
    "the pilot is shorted (state E) in C or D: the contactor is open; this station opens as for sequence 8",
)  # fmt: skip
F_HOLD_S: Final = _timing(
    "F_HOLD_S", 0.3, "min", "table A.5", "EVerest Charger; unverified",
    "state F after a fault that ended an offer",
)  # fmt: skip
WAKE_UP_AFTER_S: Final = _timing(
    "WAKE_UP_AFTER_S", 30.0, "exact", "Annex A.5.3", "EVerest Charger, SmartEVSE; Tinkerforge takes 90 s; unverified",
    "an offer stands and the vehicle stays in B: then one wake-up pulse",
)  # fmt: skip
WAKE_UP_PULSE_S: Final = _timing(
    "WAKE_UP_PULSE_S", 4.0, "exact", "Annex A.5.3; ISO 15118-3 T_step_EF", "EVerest Charger, Tinkerforge; unverified",
    "length of the wake-up pulse (state F), once for each offer",
)  # fmt: skip
AFTER_F_S: Final = _timing(
    "AFTER_F_S", 0.75, "exact", "ISO 15118-3", "EVerest Charger: 750 ms, vehicles need 0.5-1 s; unverified",
    "X1 after a wake-up pulse, before PWM again",
)  # fmt: skip
READY_S: Final = _timing(
    "READY_S", 0.5, "min", "table A.6, sequence 11", "Tinkerforge and SmartEVSE: 500 ms; unverified",
    "C or D for so long before the contactor closes: a vehicle's short pulse must not close it",
)  # fmt: skip

# What the station believes, and when.

SETTLE_S: Final = _timing(
    "SETTLE_S", 0.02, "min", _HOUSE, "20 periods of the pilot", "PWM for so long before a negative peak counts"
)
PILOT_F_S: Final = _timing(
    "PILOT_F_S", 0.25, "max", _HOUSE, _HOUSE, "-12 V without our wish for so long is a pilot error"
)
PILOT_E_S: Final = _timing(
    "PILOT_E_S", 1.0, "max", _HOUSE, _HOUSE,
    "0 V for so long without a vehicle is a pilot error; with one it is an error at once",
)  # fmt: skip
UNCLEAR_S: Final = _timing(
    "UNCLEAR_S", 0.5, "max", _HOUSE, _HOUSE, "PWM without a usable negative peak for so long is a pilot error"
)
GONE_S: Final = _timing(
    "GONE_S", 1.0, "exact", _HOUSE, _HOUSE, "pilot A for so long: the vehicle has left, the cable is released"
)
PROXIMITY_S: Final = _timing(
    "PROXIMITY_S", 0.5, "max", "Annex B", "chargebyte: checked every 500 ms",
    "a vehicle without cable coding for so long is a fault; while the contactor is closed, at once",
)  # fmt: skip
PROXIMITY_LATCH_S: Final = _timing(
    "PROXIMITY_LATCH_S", 0.5, "exact", "Annex B", "practice: 250-1500 ms",
    "the same cable coding for so long after plug-in is latched until the vehicle leaves",
)  # fmt: skip
START_S: Final = _timing(
    "START_S", 1.0, "exact", _HOUSE, _HOUSE,
    "a missing input is no fault for so long after the start (it is unknown, and open, at once)",
)  # fmt: skip
QUIET_MAX_S: Final = _timing(
    "QUIET_MAX_S", 1.0, "max", _HOUSE, _HOUSE, "between two whole judgements, whatever was seen"
)

# Contactors.

FEEDBACK_S: Final = _timing(
    "FEEDBACK_S", 0.25, "max", _HOUSE, "everest-chargebyte, contactor driver",
    "the feedback follows the coil; later it is a fault",
)  # fmt: skip
DEBOUNCE_S: Final = _timing(
    "DEBOUNCE_S", 0.01, "min", _HOUSE, "everest-chargebyte, contactor driver",
    "the feedback shows the same for so long before it is believed",
)  # fmt: skip
RECLOSE_S: Final = _timing(
    "RECLOSE_S", 10.0, "min", _HOUSE, "everest-chargebyte, contactor driver",
    "between two closings; the offer stays off meanwhile, so that CLOSE_S does not begin",
)  # fmt: skip

# Phases.

PHASE_GUARD_S: Final = _timing(
    "PHASE_GUARD_S", 0.1, "min", _HOUSE, "Tinkerforge phase_control.c",
    "main contactor confirmed open before the pilot is interrupted for a change of phases",
)  # fmt: skip
PHASE_SETTLE_S: Final = _timing(
    "PHASE_SETTLE_S", 3.0, "min", _HOUSE, "as long as a vehicle may take to stop, VEHICLE_STOP_S",
    "state F before the second contactor moves",
)  # fmt: skip
PHASE_PILOT_OFF_S: Final = _timing(
    "PHASE_PILOT_OFF_S", 6.0, "exact", _HOUSE, "SmartEVSE and openWB 5 s, EVerest 10 s",
    "state F altogether, for a change of phases",
)  # fmt: skip
PHASE_WAIT_S: Final = _timing(
    "PHASE_WAIT_S", 15.0, "min", _HOUSE, "EVerest 10 s, Tinkerforge 60 s for vehicles that need 45 s",
    "from the opened main contactor to the next offer, when phases change (phase_wait_s)",
)  # fmt: skip
PHASE_INTERVAL_S: Final = _timing(
    "PHASE_INTERVAL_S", 300.0, "min", _HOUSE, "practice: 5-10 min",
    "between two changes of phases of one vehicle (phase_interval_s)",
)  # fmt: skip

# Devices.

LOST_S: Final = _timing(
    "LOST_S", 1.0, "exact", "table A.5", _HOUSE, "a power path that failed is lost for so long, in state F"
)
REPORT_S: Final = _timing("REPORT_S", 1.0, "max", _HOUSE, _HOUSE, "between two reports of an EVSE")
QUIET_REPORT_S: Final = _timing("QUIET_REPORT_S", 2.0, "max", _HOUSE, _HOUSE, "the same while nothing is permitted")
WEAR_WRITE_S: Final = _timing(
    "WEAR_WRITE_S", 60.0, "min", _HOUSE, "spares the flash", "between two writes of the wear counters"
)

CLOCK_STEP_S: Final = 0.001  # a time limit counts as reached so much earlier: judging once more is harmless
MAX_AGE_SCANS: Final = 3  # an input older than so many scans is unknown; house rule
TIMINGS: Final = tuple(_TABLE)


def as_markdown() -> str:
    """Return the table as ``docs/guard.md`` shows it."""
    rows = [
        f"| `{each.name}` | {'≤ ' if each.kind == 'max' else '≥ ' if each.kind == 'min' else ''}{each.value:g} "
        f"{each.unit} | {each.binds} | {each.says} | {each.clause} | {each.source} |"
        for each in TIMINGS
    ]
    return "\n".join(["| name | value | binds | what | clause | source |", "|---|---|---|---|---|---|", *rows])


if __name__ == "__main__":
    print(as_markdown())
