"""Messages between the guard and the agent, and the words they use: sans-I/O, standard library only.

One message is one packet on a Unix ``SOCK_SEQPACKET`` socket; ``packets`` writes and reads it. Both ends run on one
machine, so every ``*_s`` time stamp is that machine's monotonic clock and may be compared across the socket.

Order: the client's first packet is ``Hello``; the guard answers ``Welcome`` or ``Refused`` and closes. Versions must be
equal. A ``holder`` may send permits; there is at most one, identified by the kernel's peer credentials (the guard's own
user, root, or a user named in the plan), and a second one is refused while the first is connected. Everybody else is an
onlooker and only receives reports. A permit outlives its holder's connection until it expires: an agent that restarts
finds the car charging.

An EVSE with several connectors has a channel for each: permits, cables and reports name the ``connector_id``, which is
1 where there is only one. Light, buzzer and button are the whole EVSE's; the button shows in connector 1's report.

A serial bus shared by a controller and a meter belongs to the guard: ``BusRead`` asks for registers, ``BusAnswer``
brings them, the controller's own traffic goes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

WIRE_VERSION: Final = 2
REASON_CHARS: Final = 300  # most of a text for people


class PilotState(Enum):
    """Vehicle state by the pilot. Source: IEC 61851-1:2017 Annex A, table A.4."""

    A = "A"  # no vehicle
    B = "B"  # vehicle, not ready
    C = "C"  # ready
    D = "D"  # ready, wants ventilation
    E = "E"  # pilot at 0 V: short or no power
    F = "F"  # EVSE not available: constant -12 V
    FAULT = "fault"  # a voltage that belongs to no state
    UNKNOWN = "unknown"  # no fresh measurement


class ContactorState(Enum):
    """The main contacts as confirmed by the mirror contact; without one, as commanded."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"  # in motion, or the mirror cannot be read


class LockState(Enum):
    """The socket's lock."""

    LOCKED = "locked"
    UNLOCKED = "unlocked"
    UNKNOWN = "unknown"
    NONE = "none"  # tethered cable: there is no lock


class GuardFault(Enum):
    """What the guard can find wrong with an EVSE."""

    RCD_TRIPPED = "rcd_tripped"
    EMERGENCY_STOP = "emergency_stop"
    PILOT_ERROR = "pilot_error"  # voltage of no state, or E while a vehicle was there
    DIODE_MISSING = "diode_missing"
    CONTACTOR_WELDED = "contactor_welded"  # confirmed closed while the coil is off; latched over restarts
    CONTACTOR_STUCK_OPEN = "contactor_stuck_open"  # did not close; latched over restarts until the vehicle leaves
    LOCK_FAILED = "lock_failed"
    VENTILATION_MISSING = "ventilation_missing"  # state D and no ventilation
    PROXIMITY_ERROR = "proximity_error"  # no cable coding while a vehicle is there
    INPUT_UNKNOWN = "input_unknown"  # an input without a fresh value
    POWER_PATH_LOST = "power_path_lost"  # the pilot's driver reports an error
    RCM_TRIPPED = "rcm_tripped"  # residual direct current
    GROUND_MISSING = "ground_missing"  # no protective earth
    DOOR_OPEN = "door_open"
    TILTED = "tilted"
    RCD_TEST_FAILED = "rcd_test_failed"  # until the next test that passes
    OVER_TEMPERATURE = "over_temperature"
    CONTROLLER_DISOBEYS = "controller_disobeys"  # it exceeds its order; latched until the vehicle leaves
    CONTROLLER_FAULT = "controller_fault"  # it reports a fault of its own that has no other name here


class SelfTest(Enum):
    """The residual current sensor's self-test."""

    NONE = "none"  # it has no test line
    DUE = "due"  # not tested since the guard started
    PASSED = "passed"
    FAILED = "failed"


class OpenReason(Enum):
    """Why the contactor was last opened."""

    STARTED = "started"  # the guard's first write
    VEHICLE_LEFT_C = "vehicle_left_c"
    PERMIT_EXPIRED = "permit_expired"
    PERMIT_WITHDRAWN = "permit_withdrawn"
    PHASE_SWITCH = "phase_switch"  # to charge on another number of phases
    FAULT = "fault"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """First packet of a client. ``holder`` asks for the right to send permits."""

    version: int = WIRE_VERSION
    client: str = ""
    holder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The guard's answer. ``plan_id`` names the compiled plan it runs; permits must name the same."""

    plan_id: str
    guard_pid: int
    scan_s: float
    evse_ids: tuple[int, ...]
    version: int = WIRE_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The guard did not do what was asked, and why. ``about`` is the message type that was refused."""

    about: str
    reason: str
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Permission to charge. Renewing is sending it again; each replaces the one before.

    Attributes:
        max_current_a: per phase, A; below 6 A no offer can be signalled, so it means pause.
        phases: 1 or 3.
        valid_for_s: life from its arrival, s; more than 30 s is cut to 30 s. The sender never lets it outlive its own
            next decrease.
        plan_id: the plan for which it was made (from ``Welcome``).
    """

    evse_id: int
    permit_id: int
    max_current_a: float
    phases: int
    valid_for_s: float
    plan_id: str
    connector_id: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """End the permission: stop the offer, give the vehicle up to 6 s, then open."""

    evse_id: int
    reason: str
    connector_id: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCable:
    """Lock (``held``) or release the socket. Released only when the contactor is confirmed open.

    ``kept``: held also when the vehicle has left, until it is released by a message.
    """

    evse_id: int
    held: bool
    kept: bool = False
    connector_id: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowState:
    """What the status light shall show: a rhythm and a colour, words of ``indication``."""

    evse_id: int
    pattern: str
    colour: str = "white"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beep:
    """Sound the buzzer: a row of ``short`` and ``long``."""

    evse_id: int
    beeps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blink:
    """Let the status light signal for a moment: blink ``times`` in ``colour``, then show again what it showed."""

    evse_id: int
    colour: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BusRead:
    """Read Modbus registers through a bus that the guard owns."""

    request_id: int
    bus: str
    unit: int
    function: int
    address: int
    count: int


class BusError(Enum):
    """What went wrong on a bus: the kinds of ``DriverError``."""

    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusAnswer:
    """Answer to ``BusRead``: either ``registers`` or ``error``, with what kind of error it is."""

    request_id: int
    registers: tuple[int, ...] = ()
    error: str | None = None
    taken_s: float = 0.0
    kind: BusError = BusError.UNAVAILABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The state of one connector; sent on every change, and once a second, or every two while nothing is permitted.

    Attributes:
        at_s: monotonic time of the scan.
        high_v, low_v: pilot peaks, V; ``None`` unknown.
        plugged: a vehicle is connected (pilot B, C or D); ``None`` unknown.
        cable_a: current rating of the cable from the proximity resistor, A; ``None`` unknown or tethered.
        offer_a: current signalled by the duty cycle, A; ``None``: no offer.
        coil: what the guard commands.
        contactor: what the mirror contact confirms; ``contactor_since_s`` when that last changed.
        faults: present and latched faults.
        waiting_for: reasons why the contactor is not closed now, in the interlock's order; empty while closed.
        permit_id, permit_left_s: the permit in force; ``None`` without one.
        permit_a, permit_phases: what it allows.
        open_reason: why the contactor was last opened.
        closings: how often it closed since the guard started.
        reduced_a: most that the temperatures allow, A; ``None``: no reduction. reduced_why: which sensor.
        temperature_c: of every sensor, in the station file's order; ``None`` unknown.
        rcd_test: result of the last self-test; ``rcd_tested_s`` when it ended; ``rcd_test_why`` what failed.
        power_path_why: why the pilot's devices or a bought controller cannot be reached, or what the latter does
            against its order, while it does.
        phases: that a closed contactor connects now. simplified: a vehicle without a variable S2 was recognised.
        closings_total, openings_under_load, slowest_close_ms, slowest_open_ms: wear of the main contactor over its
            life; phase_closings_total: of the second one, ``None`` without one.
        presses: short presses of the button since the guard started.
        soc_pct: the vehicle's state of charge, %; ``None`` unknown. soc_taken_s: monotonic time at which it said so.
    """

    evse_id: int
    seq: int
    at_s: float
    pilot: PilotState
    high_v: float | None
    low_v: float | None
    plugged: bool | None
    cable_a: float | None
    offer_a: float | None
    coil: bool
    contactor: ContactorState
    contactor_since_s: float
    lock: LockState
    faults: tuple[GuardFault, ...]
    waiting_for: tuple[str, ...]
    permit_id: int | None
    permit_left_s: float | None
    permit_a: float | None
    permit_phases: int | None
    open_reason: OpenReason
    closings: int
    reduced_a: float | None = None
    reduced_why: str = ""
    temperature_c: tuple[float | None, ...] = ()
    rcd_test: SelfTest = SelfTest.NONE
    rcd_tested_s: float | None = None
    rcd_test_why: str = ""
    power_path_why: str = ""
    phases: int | None = None
    simplified: bool = False
    closings_total: int = 0
    openings_under_load: int = 0
    slowest_close_ms: int | None = None
    slowest_open_ms: int | None = None
    phase_closings_total: int | None = None
    presses: int = 0
    soc_pct: float | None = None
    soc_taken_s: float | None = None
    connector_id: int = 1


Message = (
    Hello | Welcome | Refused | Permit | Withdraw | HoldCable | ShowState | Beep | Blink | BusRead | BusAnswer | Report
)
