"""One message as one packet: what ``wire`` names, as JSON bytes, and back. Sans-I/O, standard library only.

A packet is an object with the message's fields and ``type``, its name; at most ``MAX_PACKET_B`` bytes. Whoever reads
one believes nothing: every field has a rule here, and a field that a message does not have is refused. A new field of a
message needs its rule, or this module cannot be imported.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, NoReturn, get_args

from agent.guard.checks import Check, flag, member, number, one_of, optional, several, shown, text, whole
from agent.guard.indication import BEEPS, BEEPS_MAX, BLINKS_MAX, COLOURS, RHYTHMS
from agent.guard.wire import (
    REASON_CHARS,
    BusError,
    ContactorState,
    GuardFault,
    LockState,
    Message,
    OpenReason,
    PilotState,
    SelfTest,
)

MAX_PACKET_B: Final = 16384


class WireError(Exception):
    """A packet that is not a message of this version; the text says which and what was expected."""


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

_TYPES: Final = MappingProxyType({kind.__name__: kind for kind in get_args(Message)})
_FIELD_NAMES: Final = {kind: tuple(field.name for field in fields(of)) for kind, of in _TYPES.items()}
_RULES: Final = {
    kind: {field.name: (field.default is MISSING, _CHECKS[kind][field.name]) for field in fields(of)}
    for kind, of in _TYPES.items()
}
_ENCODER: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_enum_value)
