"""Registers that start again at 0: a believed one is carried on beyond its end while a transaction needs it.

A meter of seven digits shows 999,999.9 kWh and then 0. Within a transaction the register is told as it would stand with
a digit more (its end is added), so that stop less start is what was delivered; between transactions it is told as the
meter shows it. How wide a register is comes with each reading (``energy_modulus_wh``); where nobody knows, a register
that starts again at 0 is a new base like any other. Nothing is guessed: the energy across the end must be possible.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

from drivers.api import MeterReading

LEAST_MODULUS_WH: Final = 1_000_000.0  # a register that ends within a few charges cannot be told from a new meter


def carried_on(base_wh: float, reading: MeterReading, follows: Callable[[MeterReading], bool]) -> MeterReading:
    """Return ``reading`` with the ends of the register added that it passed since it stood at 0.

    Args:
        base_wh: where the register was believed to be last, ends included.
        reading: as the meter shows it.
        follows: whether a reading can follow the last believed one.

    A register of exactly 0 is not taken for one that just began anew: it is what a failing read shows, too.
    """
    modulus_wh, shown_wh = reading.energy_modulus_wh, reading.energy_import_wh
    if modulus_wh is None or not shown_wh or modulus_wh < LEAST_MODULUS_WH or follows(reading):
        return reading
    ends = base_wh // modulus_wh
    for passed in (ends, ends + 1):
        carried = dataclasses.replace(reading, energy_import_wh=shown_wh + passed * modulus_wh)
        if passed and follows(carried):
            return carried
    return reading
