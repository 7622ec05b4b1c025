"""Which readings of a meter are believed.

A register is believed when it is finite, not negative, measured later than the last one, not below it, and not further
above it than the EVSE could have delivered since (maximum current, all phases, nominal voltage, a quarter more, and the
resolution of coarse registers). A momentary zero or a misread register is dropped and counted; it never reaches a
fact. The first register after a start of the agent is believed when a second one confirms it (three where it is zero).
A register that starts again at 0 because its digits end is carried on (``rollover``).
Outside a transaction a new base that holds for five readings is taken over and reported (the meter was exchanged);
within one never: what flows meanwhile is not billed, and no energy is made up from two meters.
"""

from __future__ import annotations

import dataclasses
import math
from enum import Enum
from typing import Final

from agent.charging.rollover import carried_on
from agent.model.station import EvseLayout
from drivers.api import MeterReading

POWER_MARGIN: Final = 1.25  # over-voltage, tolerance of vehicle and meter
RESOLUTION_WH: Final = 100.0  # of a register that does not say its own: one decimal of a kWh
ROUNDING_WH: Final = 1.0  # stored registers are whole Wh
CONFIRM_FIRST: Final = 2
CONFIRM_ZERO: Final = 3
CONFIRM_NEW_BASE: Final = 5


class Belief(Enum):
    """What became of a reading."""

    BELIEVED = "believed"
    NEW_BASE = "new_base"  # believed, and the register's history starts anew
    UNCONFIRMED = "unconfirmed"  # the first one, or zero: the next one decides
    REFUSED = "refused"
    OLD = "old"  # measured no later than what is known: it tells nothing


def greatest_wh(layout: EvseLayout, seconds: float) -> float:
    """Return the most energy that the EVSE can deliver in ``seconds``, Wh, with margin."""
    power_w = layout.phases * layout.max_current_a * layout.voltage_v * POWER_MARGIN
    return power_w * max(0.0, seconds) / 3600.0


class Meter:
    """The meter of one EVSE as the core knows it.

    Attributes:
        newest: the newest believed reading.
        error: why the last reading was no good; empty while they are.
        refused_s: monotonic time since which every register was refused.
        exchanged: what tells that the meter was exchanged or set, until the next transaction begins.
    """

    def __init__(self, layout: EvseLayout) -> None:
        """Know nothing yet."""
        self._layout = layout
        self.newest: MeterReading | None = None
        self.error = ""
        self._silent = False
        self.exchanged = ""
        self.refused_s: float | None = None
        self._base: tuple[float, float, float] | None = None  # Wh, at s, headroom Wh
        self._doubted: list[MeterReading] = []

    def seed(self, energy_wh: float, at_s: float, headroom_wh: float = 0.0) -> None:
        """Set what the register was last known to be; ``headroom_wh`` covers what nobody saw since."""
        self._base = (energy_wh, at_s, headroom_wh)

    def take(self, reading: MeterReading, *, fixed: bool) -> Belief:
        """Judge a reading and keep it if believed.

        Args:
            reading: what the driver read.
            fixed: a transaction runs, so a new base is never taken over.
        """
        if self._base is not None and reading.taken_s <= self._base[1]:
            return Belief.OLD
        reading = _finite(reading)
        self._silent = False
        energy_wh = reading.energy_import_wh
        if energy_wh is None or energy_wh < 0:
            self.error = "no register" if energy_wh is None else f"register of {energy_wh:.0f} Wh is negative"
            return self._refuse(reading.taken_s)
        if self._base is not None:
            base, base_wh = self._base, self._base[0]
            carried = carried_on(base_wh, reading, lambda each: self._follows(base, each))
            if self._follows(base, carried):
                return self._believe(carried if fixed else reading, Belief.BELIEVED)
            self.error = f"register of {energy_wh:.0f} Wh cannot follow {base_wh:.0f} Wh"
            if fixed:
                return self._refuse(reading.taken_s)
        return self._doubt(reading, energy_wh)

    @property
    def trouble(self) -> str:
        """Return what is the matter while no reading is believed, as in "the meter was silent"."""
        return "was silent" if self._silent or not self.error else f"was not believed ({self.error})"

    def fail(self, error: str) -> None:
        """Note that the meter could not be read."""
        self.error = error
        self._silent = True

    def fresh(self, now_s: float, stale_s: float) -> MeterReading | None:
        """Return the newest believed reading unless it is older than ``stale_s``."""
        if self.newest is None or now_s - self.newest.taken_s > stale_s:
            return None
        return self.newest

    def is_silent(self, now_s: float, stale_s: float) -> bool:
        """Return whether there is no good reading and the last attempt gave none that could become one."""
        confirming = bool(self._doubted) and self.refused_s is None and not self._silent
        return bool(self.error) and not confirming and self.fresh(now_s, stale_s) is None

    def _doubt(self, reading: MeterReading, energy_wh: float) -> Belief:
        last = self._doubted[-1] if self._doubted else None
        if last is not None and reading.taken_s <= last.taken_s:
            return Belief.OLD
        if last is not None and not self._follows((last.energy_import_wh or 0.0, last.taken_s, 0.0), reading):
            self._doubted.clear()
        self._doubted.append(reading)
        first = CONFIRM_ZERO if energy_wh == 0 else CONFIRM_FIRST
        if self._base is None and len(self._doubted) >= first:
            return self._believe(reading, Belief.BELIEVED)
        if self._base is not None and len(self._doubted) >= CONFIRM_NEW_BASE:
            self.exchanged = f"the register went from {self._base[0]:.0f} Wh to {energy_wh:.0f} Wh"
            return self._believe(reading, Belief.NEW_BASE)
        if self._base is None:
            return Belief.UNCONFIRMED
        return self._refuse(reading.taken_s)

    def _follows(self, base: tuple[float, float, float], reading: MeterReading) -> bool:
        base_wh, at_s, headroom_wh = base
        energy_wh = reading.energy_import_wh
        if energy_wh is None or reading.taken_s <= at_s:
            return False
        step_wh = max(RESOLUTION_WH, reading.energy_step_wh or 0.0)
        most_wh = base_wh + headroom_wh + greatest_wh(self._layout, reading.taken_s - at_s) + step_wh
        return base_wh - ROUNDING_WH <= energy_wh <= most_wh

    def _believe(self, reading: MeterReading, belief: Belief) -> Belief:
        self._doubted.clear()
        self.error = ""
        self.refused_s = None
        self.newest = reading
        self._base = (reading.energy_import_wh or 0.0, reading.taken_s, 0.0)
        return belief

    def _refuse(self, at_s: float) -> Belief:
        if self.refused_s is None:
            self.refused_s = at_s
        return Belief.REFUSED


def draws_a(reading: MeterReading | None) -> float | None:
    """Return the greatest current of any phase, A; ``None`` unknown."""
    known = [each for each in reading.current_a if each is not None] if reading else []
    return max(known, default=None)


def _finite(reading: MeterReading) -> MeterReading:
    """Return the reading without what is no number. Nearly every reading is returned as it is."""
    if reading.soc_pct is None and math.isfinite(sum(each for each in _judged(reading) if each is not None)):
        return reading  # one infinite or undefined value would have made the sum so

    def one(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    def three(
        values: tuple[float | None, float | None, float | None],
    ) -> tuple[float | None, float | None, float | None]:
        return one(values[0]), one(values[1]), one(values[2])

    soc_pct = one(reading.soc_pct)
    return dataclasses.replace(
        reading,
        soc_pct=soc_pct if soc_pct is not None and 0.0 <= soc_pct <= 100.0 else None,
        energy_import_wh=one(reading.energy_import_wh),
        power_w=one(reading.power_w),
        current_a=three(reading.current_a),
        voltage_v=three(reading.voltage_v),
        frequency_hz=one(reading.frequency_hz),
        energy_export_wh=one(reading.energy_export_wh),
        energy_phase_wh=three(reading.energy_phase_wh),
        power_phase_w=three(reading.power_phase_w),
        reactive_power_var=one(reading.reactive_power_var),
        power_factor=one(reading.power_factor),
        current_neutral_a=one(reading.current_neutral_a),
    )


def _judged(reading: MeterReading) -> tuple[float | None, ...]:
    return (
        reading.energy_import_wh,
        reading.power_w,
        *reading.current_a,
        *reading.voltage_v,
        reading.frequency_hz,
        reading.energy_export_wh,
        *reading.energy_phase_wh,
        *reading.power_phase_w,
        reading.reactive_power_var,
        reading.power_factor,
        reading.current_neutral_a,
    )
