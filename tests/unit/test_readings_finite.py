"""What is no number in a reading is unknown, whichever value it is; the rest of the reading stands."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from agent.charging.readings import Belief, Meter
from agent.model.station import EvseLayout
from drivers.api import MeterReading

WHOLE = MeterReading(
    taken_s=10.0,
    energy_import_wh=1000.0,
    energy_export_wh=2.0,
    power_w=3.0,
    current_a=(4.0, 5.0, None),
    voltage_v=(230.0, 231.0, None),
    power_phase_w=(1.0, 2.0, None),
    frequency_hz=50.0,
    reactive_power_var=-7.0,
    power_factor=0.9,
    energy_phase_wh=(8.0, 9.0, None),
    current_neutral_a=0.1,
)
SINGLE = (
    *("energy_export_wh", "power_w", "frequency_hz"),
    *("reactive_power_var", "power_factor", "current_neutral_a"),
)
BY_PHASE = ("current_a", "voltage_v", "power_phase_w", "energy_phase_wh")


def believed(reading: MeterReading) -> MeterReading:
    meter = Meter(EvseLayout(evse_id=1, phases=3, max_current_a=32.0))
    meter.seed(1000.0, 1.0)
    assert meter.take(reading, fixed=True) is Belief.BELIEVED
    assert meter.newest is not None
    return meter.newest


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", SINGLE)
def test_a_value_that_is_no_number_is_unknown(name: str, odd: float) -> None:
    changes: dict[str, Any] = {name: odd}
    unknown: dict[str, Any] = {name: None}
    assert believed(replace(WHOLE, **changes)) == replace(WHOLE, **unknown)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", BY_PHASE)
def test_a_phase_that_is_no_number_is_unknown_and_its_neighbours_stand(name: str, odd: float) -> None:
    first, second, third = getattr(WHOLE, name)
    odd_one: dict[str, Any] = {name: (first, odd, third)}
    unknown: dict[str, Any] = {name: (first, None, third)}
    assert believed(replace(WHOLE, **odd_one)) == replace(WHOLE, **unknown)
    assert second is not None


def test_two_infinities_that_would_cancel_are_both_unknown() -> None:
    found = believed(replace(WHOLE, power_w=math.inf, reactive_power_var=-math.inf))
    assert found == replace(WHOLE, power_w=None, reactive_power_var=None)


def test_a_reading_of_numbers_is_believed_as_it_is() -> None:
    assert believed(WHOLE) == WHOLE
