"""Why an EVSE charges at this current, or not at all: a pure function of all circumstances.

``limits_of`` names every limit with its source, the binding one first. What forbids (``current_a`` is ``None``) comes
before what limits. The permit follows from ``permitted_a``: no permit unless nothing of ours forbids it. What the guard
waits for is named too, but forbids nothing here: the guard decides that itself, in every scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from agent.model.evse import EvseCondition, Limit, amperes
from agent.model.faults import Fault, FaultCode

_REASON_OF: Final = {  # the guard's word for what is a fault here
    FaultCode.RCD_TRIPPED: "rcd",
    FaultCode.EMERGENCY_STOP: "emergency_stop",
    FaultCode.DIODE_MISSING: "diode_missing",
    FaultCode.INPUT_UNKNOWN: "input_unknown",
    FaultCode.VENTILATION_MISSING: "ventilation",
    FaultCode.RCM_TRIPPED: "rcm",
    FaultCode.GROUND_MISSING: "ground",
    FaultCode.DOOR_OPEN: "door",
    FaultCode.TILTED: "tilt",
    FaultCode.RCD_TEST_FAILED: "rcd_test",
    FaultCode.OVER_TEMPERATURE: "temperature",
}
_SHARE: Final = "station"
SIMPLIFIED_A: Final = 10.0  # the most for a simplified vehicle. IEC 61851-1:2017 Annex A.2.3
MIN_CURRENT_A: Final = 6.0  # least current that a pilot can offer. IEC 61851-1:2017 Annex A


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides about a permit.

    Attributes:
        transaction: a durable transaction runs and is not ending.
        ours: reasons of the core why no permit may be given, as (source, text).
        faults: present faults; the blocking ones forbid.
        evse_a: the EVSE's own maximum, per phase.
        share_a: this EVSE's share of the station's supply; ``None``: no such limit. share_of: of what it is a share.
        profile_a: what charging profiles allow; ``None``: they say nothing. profile: which one decides.
        condition: the guard's word; ``None`` while it is lost.
    """

    transaction: bool
    ours: tuple[tuple[str, str], ...]
    faults: tuple[Fault, ...]
    evse_a: float
    share_a: float | None
    condition: EvseCondition | None
    permit_a: float | None
    share_of: str = "the station's supply"
    profile_a: float | None = None
    profile: str = ""


def permitted_a(given: Circumstances) -> float | None:
    """Return the current to permit, A per phase; ``None``: no permit."""
    if not given.transaction or given.ours or given.condition is None or given.condition.plugged is not True:
        return None
    if any(stops_energy(fault) for fault in given.faults):
        return None
    current_a = min(limit.current_a for limit in _currents(given) if limit.current_a is not None)
    return current_a if current_a >= MIN_CURRENT_A else None


def capacity_a(given: Circumstances) -> float:
    """Return the most that the EVSE could use if the supply were endless, A per phase."""
    return min(limit.current_a for limit in _currents(given) if limit.current_a is not None and limit.source != _SHARE)


def stops_energy(fault: Fault) -> bool:
    """Return whether the fault ends the permit of a running transaction.

    A store that fails refuses new transactions only: the running one goes on and ends well.
    """
    return fault.blocking and fault.code is not FaultCode.STORE_FAILED


def limits_of(given: Circumstances) -> tuple[Limit, ...]:
    """Return every limit with its source, the binding one first."""
    told = [each for each in given.faults if (stops_energy(each) if given.transaction else each.blocking)]
    forbids = [Limit(source="fault", current_a=None, text=fault.told) for fault in told]
    forbids += [Limit(source=source, current_a=None, text=text) for source, text in given.ours]
    if given.condition is None:
        forbids.append(Limit(source="guard", current_a=None, text="no word from the guard"))
    else:
        if given.condition.plugged is not True:
            text = "no vehicle is plugged in" if given.condition.plugged is False else "the pilot is not understood"
            forbids.append(Limit(source="vehicle", current_a=None, text=text))
        forbids += [
            Limit(source="guard", current_a=None, text=f"the guard waits: {each}")
            for each in _own_words(given.condition, told, permitted=given.permit_a is not None)
        ]
    currents = sorted(_currents(given), key=lambda limit: limit.current_a or 0.0)
    if given.permit_a is not None:
        # Last, because it follows from the others.
        currents.append(Limit(source="permit", current_a=given.permit_a, text=f"permit for {amperes(given.permit_a)}"))
    return (*forbids, *currents)


def _own_words(condition: EvseCondition, told: Sequence[Fault], *, permitted: bool) -> list[str]:
    """Return what the guard waits for, without what follows from a reason that has its own line."""
    mute: set[str] = set()
    if not permitted:
        # Without a permit there is no offer, and nothing that locks the cable.
        mute |= {"no_permit", "no_offer", "vehicle_not_ready", "vehicle_settling", "diode_unseen", "lock"}
    if condition.plugged is False:
        mute |= {"no_vehicle", "cable", "lock"}
    if told:
        mute.add("fault")
        codes = {fault.code for fault in told}
        mute |= {reason for code, reason in _REASON_OF.items() if code in codes}
    return [each for each in condition.waiting_for if each not in mute]


def _currents(given: Circumstances) -> list[Limit]:
    limits = [Limit(source="evse", current_a=given.evse_a, text=f"EVSE maximum {amperes(given.evse_a)}")]
    cable_a = None if given.condition is None else given.condition.cable_a
    if given.condition is not None and given.condition.simplified:
        text = f"simplified vehicle, which cannot be told the current: {amperes(SIMPLIFIED_A)}"
        limits.append(Limit(source="vehicle", current_a=SIMPLIFIED_A, text=text))
    if cable_a is not None:
        limits.append(Limit(source="cable", current_a=cable_a, text=f"cable coded for {amperes(cable_a)}"))
    reduced_a = None if given.condition is None else given.condition.reduced_a
    if given.condition is not None and reduced_a is not None:
        text = f"{given.condition.reduced_why}: {amperes(reduced_a)}"
        limits.append(Limit(source="temperature", current_a=reduced_a, text=text))
    if given.profile_a is not None:
        limits.append(
            Limit(source="profile", current_a=given.profile_a, text=given.profile + _too_little(given.profile_a))
        )
    if given.share_a is not None:
        text = f"share of {given.share_of}: {amperes(given.share_a)}{_too_little(given.share_a)}"
        limits.append(Limit(source=_SHARE, current_a=given.share_a, text=text))
    return limits


def _too_little(current_a: float) -> str:
    return ", less than the 6 A that can be offered" if current_a < MIN_CURRENT_A else ""


def shares_a(total_a: float | None, wanting: Mapping[int, float]) -> dict[int, float]:
    """Return the most that each EVSE may take of the station's supply, A per phase.

    Args:
        total_a: what all EVSEs together may take; ``None``: there is no limit, and the result is empty.
        wanting: EVSEs with a running transaction, the oldest first, and the most that each could use.

    Equal shares; what one cannot use is shared out among the others. Where shares would fall below 6 A, the oldest
    EVSEs are served and the others wait with 0. Who could not use 6 A waits, too.
    """
    if total_a is None or not wanting:
        return {}
    able = [evse_id for evse_id, most_a in wanting.items() if most_a >= MIN_CURRENT_A]
    served = able[: max(1, int(total_a // MIN_CURRENT_A))]
    left_a, level_a = total_a, total_a
    for place, most_a in enumerate(sorted(wanting[each] for each in served)):
        level_a = left_a / (len(served) - place)
        if most_a >= level_a:
            break
        left_a -= most_a
        level_a = left_a + most_a  # the last one served is offered all that the others leave
    return {evse_id: level_a if evse_id in served else 0.0 for evse_id in wanting}
