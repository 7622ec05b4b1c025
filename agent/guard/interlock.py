"""May the contactor be closed? A pure function of all permissions, asked anew when anything may differ.

There is no state here and no way around: whatever the scan remembers, it closes or keeps closed only what
``missing`` has nothing against. The reasons are the strings of ``Report.waiting_for``, in this order.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from agent.guard.pilot import MIN_OFFER_A, READY_STATES, VEHICLE_STATES
from agent.guard.wire import PilotState


class Reason(Enum):
    """Why the contactor may not be closed, most important first."""

    STOPPING = "guard_stopping"  # the guard was told to end
    FAULT = "fault"  # one is present or latched; Report.faults says which
    SIBLING = "sibling_in_use"  # another connector of this EVSE offers, or is not confirmed open
    EMERGENCY_STOP = "emergency_stop"
    RCD = "rcd"
    RCM = "rcm"
    GROUND = "ground"  # no protective earth
    DOOR = "door"
    TILT = "tilt"
    TEMPERATURE = "temperature"  # too hot
    RCD_TEST = "rcd_test"  # the sensor's self-test runs, is due, or has failed
    INPUT_UNKNOWN = "input_unknown"  # an input without a fresh value
    DIODE_MISSING = "diode_missing"
    CABLE = "cable"  # the cable's rating is unknown or below 6 A
    CABLE_REFUSED = "cable_13_a"  # a cable for 13 A, which the station file refuses
    SIMPLIFIED = "simplified_vehicle"  # one without a variable S2, which the station file refuses
    LOCK = "lock"  # the plug is not confirmed locked
    NO_PERMIT = "no_permit"
    PERMIT_BELOW_MINIMUM = "permit_below_6_a"
    CONTACTOR_NOT_OPEN = "contactor_not_open"  # not confirmed open before closing
    RECLOSE_WAIT = "reclose_wait"  # the last closing is too recent
    PHASES = "phase_switch"  # the second contactor does not yet stand as the permit's phases ask
    PILOT_HELD = "pilot_held"  # state F on purpose: after a fault, or to wake the vehicle
    NO_VEHICLE = "no_vehicle"  # pilot A
    NO_PILOT = "no_pilot"  # pilot E, F, of no state, or unknown
    VENTILATION = "ventilation"  # pilot D without ventilation
    VEHICLE_NOT_READY = "vehicle_not_ready"  # pilot B
    VEHICLE_PULSE = "vehicle_settling"  # pilot C or D for less than READY_S
    NO_OFFER = "no_offer"  # the pilot signals no current
    DIODE_UNSEEN = "diode_unseen"  # the negative peak was not yet checked


class Permissions(NamedTuple):
    """Everything that must be right; each ``True`` is a permission given. A tuple, since every scan makes one.

    Attributes:
        closed: the coil is on now (some conditions count only for closing).
        guard_running: the guard was not told to end.
        fault_free: no fault, present or latched.
        emergency_stop_released, rcd_closed, inputs_known: by this scan's inputs.
        pilot: the believed state.
        ventilation: the room is ventilated, state D may charge.
        diode_seen, diode_present: seen since the vehicle came; not seen to be missing.
        cable_ok: the rating is known and 6 A or more, or the cable is tethered.
        cable_accepted: not a cable that the station file refuses.
        vehicle_accepted: not a simplified vehicle, or the station file serves these.
        locked: confirmed locked, or there is no lock.
        permit_a: the permit in force for this plan, A; ``None`` without one.
        contactor_open: confirmed open by the mirror contact.
        reclose_over: the minimum time between two closings has passed.
        phases_ready: the second contactor is confirmed as the permit asks, or there is none.
        pilot_free: nothing but the offer decides about the pilot.
        vehicle_steady: the vehicle has been ready for longer than a pulse.
        rcm_closed, ground_present, door_closed, upright, cool: by watched inputs and temperatures, latches included.
        rcd_tested: the residual current sensor has passed its self-test, or has none.
        siblings_idle: no other connector of this EVSE offers current, each one's contactor is commanded and confirmed
            open, and none is latched as welded. siblings_dead: none is confirmed closed.
    """

    closed: bool
    guard_running: bool
    fault_free: bool
    emergency_stop_released: bool
    rcd_closed: bool
    inputs_known: bool
    pilot: PilotState
    ventilation: bool
    diode_seen: bool
    diode_present: bool
    cable_ok: bool
    cable_accepted: bool
    vehicle_accepted: bool
    locked: bool
    permit_a: float | None
    contactor_open: bool
    reclose_over: bool
    phases_ready: bool
    pilot_free: bool
    vehicle_steady: bool
    rcm_closed: bool = True
    ground_present: bool = True
    door_closed: bool = True
    upright: bool = True
    cool: bool = True
    rcd_tested: bool = True
    siblings_idle: bool = True
    siblings_dead: bool = True


# These do not end an offer: the vehicle answers the offer with state C, the diode shows only under PWM, and a
# contactor that has just dropped out needs its feedback time (after which it is a fault).
_NOT_AGAINST_OFFER: Final = frozenset(
    {
        Reason.VENTILATION,
        Reason.VEHICLE_NOT_READY,
        Reason.VEHICLE_PULSE,
        Reason.NO_OFFER,
        Reason.DIODE_UNSEEN,
        Reason.CONTACTOR_NOT_OPEN,
    }
)
# The vehicle is asked to stop before these open the contactor under load.
_GRACE: Final = frozenset(
    {Reason.STOPPING, Reason.NO_PERMIT, Reason.PERMIT_BELOW_MINIMUM, Reason.PHASES, Reason.NO_OFFER}
)


@lru_cache(maxsize=256)  # equal permissions have equal reasons; most scans ask what the scan before asked
def missing(given: Permissions, offer_on: bool, stop_grace: bool) -> tuple[Reason, ...]:
    """Return every reason against a closed contactor; empty: it may close, or stay closed.

    Args:
        given: the permissions of this scan.
        offer_on: the pilot is known to signal an offer (state C2, D2).
        stop_grace: the offer has ended and the vehicle still has time to stop; counts only while closed.

    Source: IEC 61851-1:2017 Annex A: closed only in C2 or ventilated D2, negative peak checked (table A.4), time to
    stop (table A.6, sequence 10).
    """
    reasons = _against(given, offer_on)
    if reasons and given.closed and stop_grace:
        return tuple(reason for reason in reasons if reason not in _GRACE)
    return reasons


@lru_cache(maxsize=256)
def against_offer(given: Permissions) -> bool:
    """Return whether anything speaks against offering current now."""
    return any(reason not in _NOT_AGAINST_OFFER for reason in _against(given, True))


def _against(given: Permissions, offer_on: bool) -> tuple[Reason, ...]:
    closed, permit_a, pilot = given.closed, given.permit_a, given.pilot
    held = (
        (given.guard_running, Reason.STOPPING),
        (given.fault_free, Reason.FAULT),
        (given.siblings_dead and (closed or given.siblings_idle), Reason.SIBLING),
        (given.emergency_stop_released, Reason.EMERGENCY_STOP),
        (given.rcd_closed, Reason.RCD),
        (given.rcm_closed, Reason.RCM),
        (given.ground_present, Reason.GROUND),
        (given.door_closed, Reason.DOOR),
        (given.upright, Reason.TILT),
        (given.cool, Reason.TEMPERATURE),
        (closed or given.rcd_tested, Reason.RCD_TEST),
        (given.inputs_known, Reason.INPUT_UNKNOWN),
        (given.diode_present, Reason.DIODE_MISSING),
        (given.cable_ok, Reason.CABLE),
        (given.cable_accepted, Reason.CABLE_REFUSED),
        (given.vehicle_accepted, Reason.SIMPLIFIED),
        (given.locked, Reason.LOCK),
        (permit_a is not None, Reason.NO_PERMIT),
        (permit_a is None or permit_a >= MIN_OFFER_A, Reason.PERMIT_BELOW_MINIMUM),
        (closed or given.contactor_open, Reason.CONTACTOR_NOT_OPEN),
        (closed or given.reclose_over, Reason.RECLOSE_WAIT),
        (given.phases_ready, Reason.PHASES),
        (given.pilot_free, Reason.PILOT_HELD),
        (pilot is not PilotState.A, Reason.NO_VEHICLE),
        (pilot is PilotState.A or pilot in VEHICLE_STATES, Reason.NO_PILOT),
        (pilot is not PilotState.D or given.ventilation, Reason.VENTILATION),
        (pilot is not PilotState.B, Reason.VEHICLE_NOT_READY),
        (closed or given.vehicle_steady or pilot not in READY_STATES, Reason.VEHICLE_PULSE),
        (offer_on, Reason.NO_OFFER),
        (given.diode_seen, Reason.DIODE_UNSEEN),
    )
    return tuple(reason for given_now, reason in held if not given_now)
