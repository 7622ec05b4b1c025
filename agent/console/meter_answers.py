"""Readings and counters of meters as JSON carries them: of the door, of ``status``, of ``charge-agent meter``. Pure."""

from __future__ import annotations

from typing import Any

from drivers.api import MeterReading
from drivers.meter.counters import UnitCounters


def reading_answer(reading: MeterReading) -> dict[str, Any]:
    """Return a reading as JSON carries it."""
    return {
        "energy_import_wh": _round(reading.energy_import_wh, 1),
        "energy_export_wh": _round(reading.energy_export_wh, 1),
        "power_w": _round(reading.power_w, 1),
        "power_phase_w": [_round(each, 1) for each in reading.power_phase_w],
        "current_a": [_round(each, 3) for each in reading.current_a],
        "voltage_v": [_round(each, 2) for each in reading.voltage_v],
        "frequency_hz": _round(reading.frequency_hz, 3),
        "apparent_power_va": _round(reading.apparent_power_va, 1),
        "reactive_power_var": _round(reading.reactive_power_var, 1),
        "power_factor": _round(reading.power_factor, 3),
        "energy_phase_wh": [_round(each, 1) for each in reading.energy_phase_wh],
        "current_neutral_a": _round(reading.current_neutral_a, 3),
        "soc_pct": _round(reading.soc_pct, 1),
    }


def counters_answer(counters: UnitCounters) -> dict[str, Any]:
    """Return counters as JSON carries them; ``UnitCounters(**answer)`` makes them anew."""
    latency_s = counters.latency_s
    rounded = None if latency_s is None else [round(each, 4) for each in latency_s]
    return {**counters._asdict(), "latency_s": rounded}


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
