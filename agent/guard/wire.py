"""Messages between the guard and the agent: sans-I/O, standard library only.

One message is one packet on a Unix ``SOCK_SEQPACKET`` socket, JSON, at most ``MAX_PACKET_B`` bytes. Both ends run on
one machine, so every ``*_s`` time stamp is that machine's monotonic clock and may be compared across the socket.

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

import json
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, NoReturn

from agent.guard.checks import Check, flag, member, number, one_of, optional, several, shown, text, whole
from agent.guard.indication import BEEPS, BEEPS_MAX, BLINKS_MAX, COLOURS, RHYTHMS

WIRE_VERSION: Final = 2
REASON_CHARS: Final = 300  # most of a text for people
MAX_PACKET_B: Final = 16384
PERMIT_VALID_S: Final = 30.0  # default life of a permit; house rule: an agent restart takes less


class WireError(Exception):
    """A packet that is not a message of this version; the text says which and what was expected."""


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


def encode(message: Message) -> bytes:
    """Return ``message`` as one packet.

    Raises:
        WireError: longer than ``MAX_PACKET_B``, or a number that is not finite.
    """
    kind = type(message).__name__
    content: dict[str, Any] = {"type": kind}
    for name in _FIELD_NAMES[kind]:
        content[name] = getattr(message, name)
    try:
        packet = _ENCODER.encode(content).encode()
    except ValueError as problem:
        raise WireError(f"{kind} holds a number that is not finite: {problem}") from problem
    if len(packet) > MAX_PACKET_B:
        raise WireError(f"{kind} is {len(packet)} bytes long, at most {MAX_PACKET_B} fit one packet")
    return packet


def decode(packet: bytes) -> Message:
    """Return the message in ``packet``, every field checked: present, of its type, in its range, and no field more.

    Raises:
        WireError: what is wrong, with the value and what was expected.
    """
    if len(packet) > MAX_PACKET_B:
        raise WireError(f"packet is {len(packet)} bytes long, at most {MAX_PACKET_B} are allowed")
    try:
        content = _DECODER.decode(packet.decode())
    except (ValueError, RecursionError) as problem:
        raise WireError(f"packet is not JSON: {problem}") from problem
    if not isinstance(content, dict):
        raise WireError(f"packet holds {shown(content)}, expected an object")
    kind = content.pop("type", None)
    if not isinstance(kind, str) or kind not in _TYPES:
        raise WireError(f"type {shown(kind)} is not one of {', '.join(_TYPES)}")
    rules = _RULES[kind]
    for name in content:
        if name not in rules:
            raise WireError(f"{kind} has no field {name!r}")
    arguments: dict[str, Any] = {}
    for name, (required, check) in rules.items():
        if name in content:
            try:
                arguments[name] = check(content[name])
            except ValueError as problem:
                raise WireError(f"{kind}.{name} {problem}") from None
        elif required:
            raise WireError(f"{kind}.{name} is missing")
    message: Message = _TYPES[kind](**arguments)
    return message


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return content


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)


def _enum_value(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    raise ValueError(f"{shown(value)} cannot be encoded")


_ID: Final = whole(1, 2**31)
_COUNT: Final = whole(0, 2**63)
_TIME_S: Final = number(0.0, 1e12)
_VOLTAGE_V: Final = number(-1000.0, 1000.0)
_CURRENT_A: Final = number(0.0, 80.0)  # the largest offer there is. IEC 61851-1:2017 Annex A, duty cycle and current
_REASON: Final = text(REASON_CHARS)

_CHECKS: Final[dict[str, dict[str, Check]]] = {
    "Hello": {"version": _COUNT, "client": text(100), "holder": flag},
    "Welcome": {
        "plan_id": text(200),
        "guard_pid": _COUNT,
        "scan_s": number(0.0001, 10.0),
        "evse_ids": several(_ID, 64),
        "version": _COUNT,
    },
    "Refused": {"about": text(40), "reason": _REASON, "evse_id": optional(_ID)},
    "Permit": {
        "evse_id": _ID,
        "permit_id": _COUNT,
        "max_current_a": _CURRENT_A,
        "phases": one_of(1, 3),
        "valid_for_s": number(0.0, 86400.0),
        "plan_id": text(200),
        "connector_id": _ID,
    },
    "Withdraw": {"evse_id": _ID, "reason": _REASON, "connector_id": _ID},
    "HoldCable": {"evse_id": _ID, "held": flag, "kept": flag, "connector_id": _ID},
    "ShowState": {"evse_id": _ID, "pattern": one_of(*RHYTHMS), "colour": one_of(*COLOURS)},
    "Beep": {"evse_id": _ID, "beeps": several(one_of(*BEEPS), BEEPS_MAX)},
    "Blink": {"evse_id": _ID, "colour": one_of(*COLOURS), "times": whole(1, BLINKS_MAX)},
    # Ranges of a Modbus read. Source: MODBUS Application Protocol V1.1b3 §6.3, §6.4; serial line guide V1.02 §2.2.
    "BusRead": {
        "request_id": _COUNT,
        "bus": text(100),
        "unit": whole(1, 247),
        "function": one_of(3, 4),
        "address": whole(0, 65535),
        "count": whole(1, 125),
    },
    "BusAnswer": {
        "request_id": _COUNT,
        "registers": several(whole(0, 65535), 125),
        "error": optional(_REASON),
        "taken_s": _TIME_S,
        "kind": member(BusError),
    },
    "Report": {
        "evse_id": _ID,
        "seq": _COUNT,
        "at_s": _TIME_S,
        "pilot": member(PilotState),
        "high_v": optional(_VOLTAGE_V),
        "low_v": optional(_VOLTAGE_V),
        "plugged": optional(flag),
        "cable_a": optional(_CURRENT_A),
        "offer_a": optional(_CURRENT_A),
        "coil": flag,
        "contactor": member(ContactorState),
        "contactor_since_s": _TIME_S,
        "lock": member(LockState),
        "faults": several(member(GuardFault), len(GuardFault)),
        "waiting_for": several(text(60), 32),
        "permit_id": optional(_COUNT),
        "permit_left_s": optional(_TIME_S),
        "permit_a": optional(_CURRENT_A),
        "permit_phases": optional(one_of(1, 3)),
        "open_reason": member(OpenReason),
        "closings": _COUNT,
        "reduced_a": optional(_CURRENT_A),
        "reduced_why": text(100),
        "temperature_c": several(optional(number(-1000.0, 1000.0)), 16),
        "rcd_test": member(SelfTest),
        "rcd_tested_s": optional(_TIME_S),
        "rcd_test_why": text(100),
        "power_path_why": _REASON,
        "phases": optional(one_of(1, 3)),
        "simplified": flag,
        "closings_total": _COUNT,
        "openings_under_load": _COUNT,
        "slowest_close_ms": optional(_COUNT),
        "slowest_open_ms": optional(_COUNT),
        "phase_closings_total": optional(_COUNT),
        "presses": _COUNT,
        "soc_pct": optional(number(0.0, 100.0)),
        "soc_taken_s": optional(_TIME_S),
        "connector_id": _ID,
    },
}

_TYPES: Final[MappingProxyType[str, type[Any]]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            Hello,
            Welcome,
            Refused,
            Permit,
            Withdraw,
            HoldCable,
            ShowState,
            Beep,
            Blink,
            BusRead,
            BusAnswer,
            Report,
        )
    }
)
_FIELD_NAMES: Final = {kind: tuple(field.name for field in fields(of)) for kind, of in _TYPES.items()}
_RULES: Final = {
    kind: {field.name: (field.default is MISSING, _CHECKS[kind][field.name]) for field in fields(of)}
    for kind, of in _TYPES.items()
}
_ENCODER: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_enum_value)
