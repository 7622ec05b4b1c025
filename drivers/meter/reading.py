"""From the values of a profile to a ``MeterReading``: what cannot be is unknown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from drivers.api import MeterReading
from drivers.meter.profile import Register

_PHASES_OF: Final = {
    quantity: (f"{quantity}_l1", f"{quantity}_l2", f"{quantity}_l3")
    for quantity in ("voltage", "current", "power", "energy_import", "energy_export")
}
FREQUENCY_HZ: Final = (45.0, 65.0)  # mains; outside it the register holds something else
FREQUENCY_SCALES: Final = (1.0, 10.0, 100.0)  # SDM630, EM3x0, DMG and E2x count finer by firmware
VOLTAGE_MOST_V: Final = 500.0
CURRENT_MOST_A: Final = 10_000.0  # behind current transformers
POWER_MOST_W: Final = 10_000_000.0
ENERGY_MOST_WH: Final = 1e12
POWER_FACTOR_MOST: Final = 1.01  # rounding of the meter

Phases = tuple[float | None, float | None, float | None]


def reading_of(
    values: Mapping[str, float | None],
    registers: Mapping[str, Register],
    *,
    taken_s: float,
    invert: bool = False,
    ct_ratio: float = 1.0,
) -> MeterReading:
    """Return the reading; see ``ModbusMeter`` for ``invert`` and ``ct_ratio``."""
    sign = -1.0 if invert else 1.0

    known = values.get

    def within(name: str, low: float, high: float, factor: float = 1.0) -> float | None:
        value = known(name)
        if value is None:
            return None
        if factor != 1.0:
            value *= factor
        return value if low <= value <= high else None

    def phases(quantity: str, low: float, high: float, factor: float = 1.0) -> Phases:
        l1, l2, l3 = _PHASES_OF[quantity]
        return within(l1, low, high, factor), within(l2, low, high, factor), within(l3, low, high, factor)

    imported, exported = ("energy_export", "energy_import") if invert else ("energy_import", "energy_export")
    energy_wh = within(imported, 0.0, ENERGY_MOST_WH, ct_ratio)
    register = registers.get(imported)
    modulus = None if register is None else register.wraps_at
    currents = phases("current", -CURRENT_MOST_A, CURRENT_MOST_A, ct_ratio)
    power_factor = within("pf", -POWER_FACTOR_MOST, POWER_FACTOR_MOST)
    return MeterReading(
        taken_s=taken_s,
        energy_import_wh=energy_wh,
        energy_export_wh=within(exported, 0.0, ENERGY_MOST_WH, ct_ratio),
        power_w=within("power", -POWER_MOST_W, POWER_MOST_W, sign * ct_ratio),
        current_a=_unsigned(currents) if invert else currents,
        voltage_v=phases("voltage", 0.0, VOLTAGE_MOST_V),
        power_phase_w=phases("power", -POWER_MOST_W, POWER_MOST_W, sign * ct_ratio),
        frequency_hz=_frequency_hz(values.get("frequency")),
        apparent_power_va=within("apparent_power", -POWER_MOST_W, POWER_MOST_W, ct_ratio),
        reactive_power_var=within("reactive_power", -POWER_MOST_W, POWER_MOST_W, sign * ct_ratio),
        power_factor=None if power_factor is None else max(-1.0, min(1.0, power_factor)),
        energy_phase_wh=phases(imported, 0.0, ENERGY_MOST_WH, ct_ratio),
        current_neutral_a=within("current_n", -CURRENT_MOST_A, CURRENT_MOST_A, ct_ratio),
        energy_modulus_wh=None if modulus is None or modulus > ENERGY_MOST_WH else modulus * ct_ratio,
        energy_step_wh=None if register is None or energy_wh is None else register.step(energy_wh) * ct_ratio,
        soc_pct=within("soc", 0.0, 100.0),
    )


def _unsigned(currents: Phases) -> Phases:
    first, second, third = (None if each is None else abs(each) for each in currents)
    return first, second, third


def _frequency_hz(frequency_hz: float | None) -> float | None:
    if frequency_hz is None:
        return None
    low, high = FREQUENCY_HZ
    return next((frequency_hz / each for each in FREQUENCY_SCALES if low <= frequency_hz / each <= high), None)
