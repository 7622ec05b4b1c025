"""Samples made of readings: the configured measurands as far as the station's parts provide them.

A measurand that a meter knows per phase is given as the total, where there is one, and per phase (OCPP 1.6 §3.16.3: all
that can be measured is reported). A name with a phase behind it (``Voltage.L1``) means that phase alone. What is not
known is left out, never invented. Offered power is the offered current on every phase at the nominal voltage.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import msgspec

from agent.model.measurands import names_for, split
from agent.model.moment import Stamp
from agent.model.sample import Measurand, Phase, Sample, SampleContext, SampledValue, SignedText
from agent.model.station import EvseLayout
from drivers.api import MeterReading

_PHASES: Final = (Phase.L1, Phase.L2, Phase.L3)
_PHASES_N: Final = (Phase.L1_N, Phase.L2_N, Phase.L3_N)
_REGISTERS: Final = {
    Measurand.ENERGY_IMPORT_INTERVAL: Measurand.ENERGY_IMPORT_REGISTER,
    Measurand.ENERGY_EXPORT_INTERVAL: Measurand.ENERGY_EXPORT_REGISTER,
}


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What a sample holds beside the meter's reading.

    Attributes:
        offer_a: current offered to the vehicle, A per phase; 0 while the EVSE offers nothing, ``None`` unknown.
        temperature_c: inside the EVSE, degC. soc_pct: the vehicle's state of charge. ``None`` unknown.
        since: the reading at which the interval of the interval measurands began.
        phases: on which the offer stands, ``None``: all of the EVSE's.
    """

    offer_a: float | None = None
    temperature_c: float | None = None
    soc_pct: float | None = None
    phases: int | None = None
    since: MeterReading | None = None


def whole_wh(reading: MeterReading | None) -> int | None:
    """Return the register of a believed reading in whole Wh, as facts carry it."""
    if reading is None or reading.energy_import_wh is None:
        return None
    return round(reading.energy_import_wh)


def sample_of(
    reading: MeterReading,
    *,
    at: Stamp,
    context: SampleContext,
    measurands: tuple[str, ...],
    layout: EvseLayout,
    beside: Beside,
) -> Sample | None:
    """Return the configured measurands that are known; ``None`` where none of them is."""
    values = tuple(_wanted(measurands, reading, layout, beside))
    return Sample(at=at, context=context, values=values) if values else None


def provided_by(reading: MeterReading, layout: EvseLayout, beside: Beside) -> frozenset[str]:
    """Return the names of what a station whose parts say this can give samples of, those with a phase included."""
    soc_pct = 0.0 if layout.tells_soc else beside.soc_pct
    temperature_c = 0.0 if layout.tells_temperature else beside.temperature_c
    # An offer is known sooner or later, and so is what a part is there for; what it says now does not matter.
    told = msgspec.structs.replace(beside, offer_a=0.0, since=reading, soc_pct=soc_pct, temperature_c=temperature_c)
    values = (value for each in Measurand for value in _values(each, reading, layout, told))
    return frozenset(name for each in values for name in (each.measurand.value, *names_for(each.measurand, each.phase)))


def register_sample(energy_wh: int, *, at: Stamp, context: SampleContext) -> Sample:
    """Return a sample of the register alone."""
    value = SampledValue(measurand=Measurand.ENERGY_IMPORT_REGISTER, value=float(energy_wh))
    return Sample(at=at, context=context, values=(value,))


def _wanted(
    names: tuple[str, ...], reading: MeterReading, layout: EvseLayout, beside: Beside
) -> Iterator[SampledValue]:
    seen: set[tuple[Measurand, Phase | None]] = set()
    for name in names:
        measurand, phase = split(name)
        for value in _values(measurand, reading, layout, beside):
            place = (value.measurand, value.phase)
            if (phase is None or _is(value.phase, phase)) and math.isfinite(value.value) and place not in seen:
                seen.add(place)
                yield value


def _is(phase: Phase | None, wanted: Phase) -> bool:
    """Return whether a value is of the phase that was asked for: ``L1`` also means L1 to neutral."""
    return phase is not None and phase.value.removesuffix("-N") == wanted.value.removesuffix("-N")


def _values(measurand: Measurand, reading: MeterReading, layout: EvseLayout, beside: Beside) -> Iterator[SampledValue]:
    total = _total(measurand, reading, layout, beside)
    if total is not None:
        signed = _signed(reading) if measurand is Measurand.ENERGY_IMPORT_REGISTER else None
        yield SampledValue(measurand=measurand, value=float(total), signed=signed)
    match measurand:
        case Measurand.ENERGY_IMPORT_REGISTER:
            whole = tuple(None if each is None else float(round(each)) for each in reading.energy_phase_wh)
            yield from _per_phase(measurand, whole, _PHASES, layout.phases)
        case Measurand.POWER_IMPORT:
            imported = tuple(_imported(each) for each in reading.power_phase_w)
            yield from _per_phase(measurand, imported, _PHASES, layout.phases)
        case Measurand.CURRENT_IMPORT:
            yield from _per_phase(measurand, reading.current_a, _PHASES, layout.phases)
            if reading.current_neutral_a is not None:
                yield SampledValue(measurand=measurand, value=reading.current_neutral_a, phase=Phase.N)
        case Measurand.VOLTAGE:
            yield from _per_phase(measurand, reading.voltage_v, _PHASES_N, layout.phases)
        case _:
            return


def _per_phase(
    measurand: Measurand, values: tuple[float | None, ...], names: tuple[Phase, ...], phases: int
) -> Iterator[SampledValue]:
    for value, phase in list(zip(values, names, strict=True))[:phases]:
        if value is not None:
            yield SampledValue(measurand=measurand, value=value, phase=phase)


def _total(measurand: Measurand, reading: MeterReading, layout: EvseLayout, beside: Beside) -> float | None:
    offer_a = beside.offer_a
    if measurand in _REGISTERS:
        return _interval(_REGISTERS[measurand], reading, beside.since)
    totals: dict[Measurand, float | None] = {
        Measurand.ENERGY_IMPORT_REGISTER: whole_wh(reading),
        Measurand.ENERGY_EXPORT_REGISTER: None if reading.energy_export_wh is None else round(reading.energy_export_wh),
        Measurand.POWER_IMPORT: _imported(reading.power_w),
        Measurand.POWER_EXPORT: _exported_w(reading),
        Measurand.POWER_OFFERED: None
        if offer_a is None
        else offer_a * (beside.phases or layout.phases) * layout.voltage_v,
        Measurand.POWER_REACTIVE_IMPORT: reading.reactive_power_var,
        Measurand.POWER_FACTOR: reading.power_factor,
        Measurand.CURRENT_OFFERED: offer_a,
        Measurand.FREQUENCY: reading.frequency_hz,
        Measurand.TEMPERATURE: beside.temperature_c,
        Measurand.SOC: beside.soc_pct,
    }
    return totals.get(measurand)


def _imported(power_w: float | None) -> float | None:
    """Return what is imported of a power that is negative where it flows out."""
    return None if power_w is None else max(0.0, power_w)


def _exported_w(reading: MeterReading) -> float | None:
    """Return the power that flows out, W; ``None`` of a meter that does not count what flows out."""
    if reading.power_w is None or reading.energy_export_wh is None:
        return None
    return max(0.0, -reading.power_w)


def _interval(register: Measurand, reading: MeterReading, since: MeterReading | None) -> float | None:
    if since is None:
        return None
    if register is Measurand.ENERGY_IMPORT_REGISTER:
        now_wh, then_wh = reading.energy_import_wh, since.energy_import_wh
    else:
        now_wh, then_wh = reading.energy_export_wh, since.energy_export_wh
    if now_wh is None or then_wh is None:
        return None
    return float(round(now_wh) - round(then_wh))


def _signed(reading: MeterReading) -> SignedText | None:
    signed = reading.signed
    if signed is None:
        return None
    return SignedText(text=signed.text, method=signed.method, encoding=signed.encoding, public_key=signed.public_key)
