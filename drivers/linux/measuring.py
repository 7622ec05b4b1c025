"""What raw counts say about pilot and proximity: calibration, two levels of a square wave, coding resistor. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CALIBRATED_AT_V: Final = 12.0  # the generator's own levels, A and F, so that every station can be calibrated in place
ONE_LEVEL_V: Final = 0.5  # peaks closer than this are one steady level; house rule
OPEN_OHM: Final = 10_000.0  # beyond the 3 kilohm window of IEC 61851-1:2017 Annex B nothing is plugged; house rule


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotScale:
    """A straight line through two points: the ADC's voltage with the pilot at +12 V and at -12 V."""

    plus_12_v: float
    minus_12_v: float

    def pilot_v(self, adc_v: float) -> float:
        """Return the voltage of the pilot contact, V."""
        share = (adc_v - self.minus_12_v) / (self.plus_12_v - self.minus_12_v)
        return (2 * share - 1) * CALIBRATED_AT_V


@dataclass(frozen=True, slots=True, kw_only=True)
class ProximityDivider:
    """The pull-up from ``supply_v`` over ``series_ohm`` to the proximity contact.

    Attributes:
        parallel_ohm: a resistor of the board from the contact to earth; ``inf`` for none.
        divider: voltage at the contact / voltage at the ADC, 1 without a divider.
    """

    supply_v: float
    series_ohm: float
    parallel_ohm: float = math.inf
    divider: float = 1.0

    def resistance_ohm(self, adc_v: float) -> float:
        """Return the coding resistor, ohm; ``inf`` for open."""
        contact_v = adc_v * self.divider
        if contact_v <= 0:
            return 0.0
        if contact_v >= self.supply_v:
            return math.inf
        whole_ohm = self.series_ohm * contact_v / (self.supply_v - contact_v)
        if whole_ohm >= self.parallel_ohm:
            return math.inf
        cable_ohm = 1 / (1 / whole_ohm - 1 / self.parallel_ohm)
        return math.inf if cable_ohm >= OPEN_OHM else cable_ohm


def extremes(counts: Sequence[int]) -> tuple[int, int]:
    """Return the second lowest and the second highest of at least three counts: one disturbed conversion is nothing."""
    ordered = sorted(counts)
    return ordered[1], ordered[-2]


def median(counts: Sequence[int]) -> int:
    """Return the middle one."""
    return sorted(counts)[len(counts) // 2]


def levels(one_v: float, other_v: float) -> tuple[float, float]:
    """Return positive and negative peak; the same value twice where they are one steady level within the noise."""
    high_v, low_v = max(one_v, other_v), min(one_v, other_v)
    if high_v - low_v < ONE_LEVEL_V:
        high_v = low_v = (high_v + low_v) / 2
    return high_v, low_v
