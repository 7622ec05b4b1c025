"""The control pilot as a table: voltages to states, currents to duty cycles, resistors to cable ratings. Pure.

Theory of operation (IEC 61851-1:2017 Annex A). The station drives +12 V (X1, no offer) or a 1 kHz square wave between
+12 V and -12 V (X2, its duty cycle is the offer) through 1 kohm. The vehicle loads the positive half with a resistor,
and the voltage that remains shows its state; a diode keeps it off the negative half, so a negative peak of -12 V
proves that a vehicle, and not a puddle, is at the other end.

A sample is one measurement. A sample is believed when the one before it said the same (an A-B-A glitch is dropped);
"not known" is believed at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from agent.guard.wire import PilotState

MIN_OFFER_A: Final = 6.0  # below there is no code. IEC 61851-1:2017 Annex A, duty cycle and current
MAX_OFFER_A: Final = 80.0  # likewise
DUTY_STEP_PCT: Final = 0.001  # the duty cycle is rounded down to 10 ns of the 1 ms period; house rule
SYMMETRY_V: Final = 1.2  # |V+ + V-| up to here: the negative half is clamped too. everest-chargebyte, CPUtils.cpp
SHORT_V: Final = 2.0  # positive peaks below are no vehicle. everest-chargebyte, CPUtils.cpp
NEGATIVE_OK_V: Final = -10.0  # a negative peak from here down is the generator's own -12 V; same window as state F

VEHICLE_STATES: Final = frozenset({PilotState.B, PilotState.C, PilotState.D})
READY_STATES: Final = frozenset({PilotState.C, PilotState.D})


class NegativePeak(Enum):
    """What the negative half wave says about the vehicle's diode."""

    NOT_MEASURED = "not_measured"  # no PWM, no vehicle, or no value
    DIODE = "diode"  # undisturbed: there is a diode
    CLAMPED = "clamped"  # mirrors the positive half: no diode
    UNCLEAR = "unclear"  # neither


class Same(NamedTuple):
    """Samples that change nothing: a positive peak from ``low_v`` below ``high_v``, V, and the same negative one.

    ``no_vehicle``: the state is one in which no negative peak is judged.
    """

    low_v: float
    high_v: float
    negative: NegativePeak
    no_vehicle: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotView:
    """What is believed about the pilot.

    Attributes:
        state: the believed state.
        negative: the believed negative peak.
        diode_seen: the diode was seen since the vehicle came.
        diode_missing: the diode was seen to be missing; latched until state A.
        sample: the newest sample, which the next one must confirm.
        same: which further samples change nothing; ``None``: not known, each is judged.
    """

    state: PilotState = PilotState.UNKNOWN
    negative: NegativePeak = NegativePeak.NOT_MEASURED
    diode_seen: bool = False
    diode_missing: bool = False
    sample: tuple[PilotState, NegativePeak] = (PilotState.UNKNOWN, NegativePeak.NOT_MEASURED)
    same: Same | None = None


UNKNOWN_VIEW: Final = PilotView()


def step(view: PilotView, *, high_v: float | None, low_v: float | None, pwm: bool) -> PilotView:
    """Return the view after one more sample; the same object when nothing changed.

    Most samples say what the one before said: these are known by their windows, without a judgement.

    Args:
        view: the view before.
        high_v: positive peak at the station's output, V; ``None`` unknown.
        low_v: negative peak, V; ``None`` unknown.
        pwm: the generator puts out PWM (and has done so for the whole measurement).
    """
    same = view.same
    if same is not None and high_v is not None and same.low_v <= high_v < same.high_v:
        if same.negative is NegativePeak.NOT_MEASURED:
            if not pwm or same.no_vehicle:
                return view
        elif pwm and low_v is not None and -13.0 <= low_v <= NEGATIVE_OK_V and high_v + low_v < -SYMMETRY_V:
            return view
    if high_v is None:
        if view.state is PilotState.UNKNOWN:
            return view
        return PilotView(diode_seen=view.diode_seen, diode_missing=view.diode_missing)
    state = classify(high_v, view.state)
    sample = (state, judge_negative_peak(state, high_v, low_v, pwm=pwm))
    if sample == view.sample:
        if state is view.state and sample[1] is view.negative:
            return view
        return _believe(view, sample)
    return PilotView(
        state=view.state,
        negative=view.negative,
        diode_seen=view.diode_seen,
        diode_missing=view.diode_missing,
        sample=sample,
        same=_same_as(*sample) if sample == (view.state, view.negative) else None,
    )


def _believe(view: PilotView, sample: tuple[PilotState, NegativePeak]) -> PilotView:
    state, negative = sample
    vehicle_gone = state is PilotState.A
    return PilotView(
        state=state,
        negative=negative,
        diode_seen=not vehicle_gone and (view.diode_seen or negative is NegativePeak.DIODE),
        diode_missing=not vehicle_gone and (view.diode_missing or negative is NegativePeak.CLAMPED),
        sample=sample,
        same=_same_as(state, negative),
    )


def _same_as(state: PilotState, negative: NegativePeak) -> Same | None:
    """Return the samples that would be judged as this one, whatever state came before: the inner windows."""
    window = _INNER_WINDOWS.get(state)
    if window is None or negative not in (NegativePeak.NOT_MEASURED, NegativePeak.DIODE):
        return None
    return Same(*window, negative, state not in VEHICLE_STATES)


def classify(high_v: float, previous: PilotState) -> PilotState:
    """Return the state that the positive peak ``high_v`` (V) shows; between two windows ``previous`` decides.

    Source: IEC 61851-1:2017 table A.4, with the hysteresis of everest-chargebyte, CPUtils.cpp.
    """
    if not -13.0 <= high_v <= 13.0:
        return PilotState.FAULT
    if high_v >= 11.0:
        return PilotState.A
    if high_v >= 10.0:
        return PilotState.A if previous is PilotState.A else PilotState.B
    if high_v >= 8.0:
        return PilotState.B
    if high_v >= 7.0:
        return PilotState.B if previous in _UP_TO_B else PilotState.C
    if high_v >= 5.0:
        return PilotState.C
    if high_v >= 4.0:
        return PilotState.C if previous in _UP_TO_C else PilotState.D
    if high_v >= 2.0:
        return PilotState.D
    if high_v >= -1.0:
        return PilotState.E
    if high_v >= -2.0:
        return PilotState.E if previous in _UP_TO_E else PilotState.FAULT
    if high_v > -10.0:
        return PilotState.FAULT
    if high_v > -11.0:
        return PilotState.F if previous is PilotState.F else PilotState.FAULT
    return PilotState.F


_INNER_WINDOWS: Final = {
    PilotState.A: (11.0, 13.0),
    PilotState.B: (8.0, 10.0),
    PilotState.C: (5.0, 7.0),
    PilotState.D: (2.5, 4.0),
    PilotState.E: (-1.0, 2.0),
    PilotState.F: (-13.0, -11.0),
}
_UP_TO_B: Final = frozenset({PilotState.A, PilotState.B})
_UP_TO_C: Final = _UP_TO_B | {PilotState.C}
_UP_TO_E: Final = _UP_TO_C | {PilotState.D, PilotState.E}


def judge_negative_peak(state: PilotState, high_v: float, low_v: float | None, *, pwm: bool) -> NegativePeak:
    """Return what one sample says about the diode; only a vehicle under PWM can show one.

    Source: IEC 61851-1:2017 table A.4, note on the negative peak; limits from everest-chargebyte, CPUtils.cpp.
    """
    if not pwm or low_v is None or high_v <= SHORT_V or state not in VEHICLE_STATES:
        return NegativePeak.NOT_MEASURED
    if abs(high_v + low_v) <= SYMMETRY_V:
        return NegativePeak.CLAMPED
    return NegativePeak.DIODE if -13.0 <= low_v <= NEGATIVE_OK_V else NegativePeak.UNCLEAR


def duty_for_current(current_a: float) -> float:
    """Return the pilot duty cycle that offers ``current_a`` to the vehicle.

    Args:
        current_a: offered current per phase, 6.0-80.0 A.

    Returns:
        Duty cycle in percent, 10.0-96.0, rounded down so that the offer never exceeds the limit. Between 51 A and
        52.5 A there is no code: 51 A is offered.

    Raises:
        ValueError: outside 6-80 A. To forbid charging, end the offer.

    Source: IEC 61851-1:2017 Annex A, duty cycle and current.
    """
    if not MIN_OFFER_A <= current_a <= MAX_OFFER_A:
        raise ValueError(f"current {current_a} A is outside {MIN_OFFER_A:g}-{MAX_OFFER_A:g} A")
    duty_pct = min(current_a, 51.0) / 0.6 if current_a < 52.5 else current_a / 2.5 + 64.0
    steps = math.floor(duty_pct / DUTY_STEP_PCT)
    if current_for_duty(steps * DUTY_STEP_PCT) > current_a:
        steps -= 1
    return max(10.0, round(steps * DUTY_STEP_PCT, 3))


class DutyRange(Enum):
    """What a duty cycle tells the vehicle."""

    NOT_AVAILABLE = "not_available"  # 0 %: constant -12 V, state F
    NO_CHARGING = "no_charging"  # below 3 %, between 7 and 8 %, above 97 %
    DIGITAL = "digital"  # 3-7 %, nominally 5 %: digital communication (ISO 15118) or no charging
    MINIMUM = "minimum"  # 8-10 %: 6 A
    LOW = "low"  # 10-85 %: 0.6 A for each percent
    HIGH = "high"  # 85-96 %: 2.5 A for each percent above 64 %
    MAXIMUM = "maximum"  # 96-97 %: 80 A
    NO_OFFER = "no_offer"  # 100 %: constant +12 V, X1


def duty_range(duty_pct: float) -> DutyRange:
    """Return what ``duty_pct`` (0-100 %) tells the vehicle.

    Raises:
        ValueError: outside 0-100 %.

    Source: IEC 61851-1:2017 Annex A, maximum current to be drawn by the vehicle.
    """
    if not 0.0 <= duty_pct <= 100.0:
        raise ValueError(f"duty cycle {duty_pct} % is outside 0-100 %")
    if duty_pct in (0.0, 100.0):
        return DutyRange.NO_OFFER if duty_pct else DutyRange.NOT_AVAILABLE
    if duty_pct < 8.0:
        return DutyRange.DIGITAL if 3.0 <= duty_pct <= 7.0 else DutyRange.NO_CHARGING
    if duty_pct < 10.0:
        return DutyRange.MINIMUM
    if duty_pct <= 85.0:
        return DutyRange.LOW
    if duty_pct <= 96.0:
        return DutyRange.HIGH
    return DutyRange.MAXIMUM if duty_pct <= 97.0 else DutyRange.NO_CHARGING


def current_for_duty(duty_pct: float) -> float:
    """Return the current (A, per phase) that a vehicle may draw at ``duty_pct``; 0 where it may not charge.

    Digital communication (3-7 %) counts as 0. Source: IEC 61851-1:2017 Annex A, duty cycle and current.
    """
    match duty_range(duty_pct):
        case DutyRange.LOW:
            return 0.6 * duty_pct
        case DutyRange.HIGH:
            return (duty_pct - 64.0) * 2.5
        case DutyRange.MINIMUM:
            return 6.0
        case DutyRange.MAXIMUM:
            return 80.0
        case _:
            return 0.0


def cable_rating(proximity_ohm: float | None) -> float | None:
    """Return the current rating (A) that the cable's resistor codes; ``None``: no cable, short, or unknown.

    Source: IEC 61851-1:2017 Annex B, resistor coding; windows of EVerest, YetiDriver.
    """
    if proximity_ohm is None or not 80.0 <= proximity_ohm <= 2460.0:
        return None
    if proximity_ohm > 936.0:
        return 13.0
    if proximity_ohm > 308.0:
        return 20.0
    return 32.0 if proximity_ohm > 140.0 else 63.0
