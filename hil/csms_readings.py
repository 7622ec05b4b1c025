"""Reads the import register off meter values of either version. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from hil.ledger_rows import Sample

REGISTER: Final = "Energy.Active.Import.Register"
"""The measurand when none is given. Source: SampledValue in OCPP 1.6 §7.43, SampledValueType in 2.0.1."""

DEFAULT_CONTEXT: Final = "Sample.Periodic"


def read_samples(meter_values: Sequence[Mapping[str, Any]]) -> tuple[Sample, ...]:
    """Turn the ``meterValue`` list of a payload (wire names) into samples, in order."""
    return tuple(
        Sample(
            at_utc=str(entry["timestamp"]),
            context=_context(entry["sampledValue"]),
            register_wh=_register_wh(entry["sampledValue"]),
            values=tuple(entry["sampledValue"]),
        )
        for entry in meter_values
    )


def register_in(samples: Sequence[Sample], context: str) -> float | None:
    """Return the register of the first sample taken in a context, None when there is none."""
    return next(
        (each.register_wh for each in samples if each.context == context and each.register_wh is not None), None
    )


def _context(values: Sequence[Mapping[str, Any]]) -> str | None:
    return next((str(each.get("context", DEFAULT_CONTEXT)) for each in values), None)


def _register_wh(values: Sequence[Mapping[str, Any]]) -> float | None:
    for each in values:
        if each.get("measurand", REGISTER) != REGISTER or each.get("phase") is not None:
            continue
        if each.get("format", "Raw") != "Raw":
            continue  # signed blobs are not numbers
        unit_of_measure = each.get("unitOfMeasure", {})
        unit = each.get("unit", unit_of_measure.get("unit", "Wh"))
        try:
            value = Decimal(str(each["value"]))
        except InvalidOperation:
            return None
        value *= Decimal(10) ** int(unit_of_measure.get("multiplier", 0))
        value *= 1000 if unit == "kWh" else 1
        return int(value) if value == value.to_integral_value() else float(value)
    return None
