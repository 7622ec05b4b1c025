"""The vehicle's state of charge on its way through the guard, and in samples."""

from __future__ import annotations

from dataclasses import replace as dataclass_replace

import pytest
from msgspec.structs import replace

from agent.charging.samples import Beside, provided_by
from agent.guard.packets import decode, encode
from agent.guard.vehicle_charge import FRESH_S, VehicleCharge
from agent.guard.wire import Report
from agent.model.station import EvseLayout
from agent.runtime.guard_link import condition_of
from drivers.api import DriverUnavailable, MeterReading
from drivers.api.vehicle import StateOfCharge
from tests.unit.test_guard_wire import REPORT


class Modem:
    """A power path or controller that talks to the vehicle."""

    said: StateOfCharge | None = None
    lost = False

    def state_of_charge(self) -> StateOfCharge | None:
        if self.lost:
            raise DriverUnavailable("no modem")
        return self.said


def seen(at_s: float, *, plugged: bool | None = True) -> Report:
    return dataclass_replace(REPORT, at_s=at_s, plugged=plugged)


def test_what_the_vehicle_said_is_told_with_its_time_as_long_as_it_is_here() -> None:
    modem = Modem()
    charge = VehicleCharge(modem)
    assert charge.told(seen(100.0)).soc_pct is None, "it has said nothing"
    modem.said = StateOfCharge(42.04, 101.0)
    told = charge.told(seen(102.0))
    assert (told.soc_pct, told.soc_taken_s) == (42.0, 101.0)
    assert decode(encode(told)) == told
    assert condition_of(told).soc_pct == 42.0
    assert charge.told(seen(103.0, plugged=None)).soc_pct is None, "nobody can say whether it is here"
    assert charge.told(seen(104.0)).soc_pct == 42.0
    assert charge.told(seen(105.0, plugged=False)).soc_pct is None


def test_what_an_earlier_vehicle_said_is_not_told_of_the_next_one() -> None:
    modem = Modem()
    charge = VehicleCharge(modem)
    charge.told(seen(100.0))
    modem.said = StateOfCharge(42.0, 101.0)
    charge.told(seen(102.0, plugged=False))
    assert charge.told(seen(110.0)).soc_pct is None
    modem.said = StateOfCharge(80.0, 111.0)
    assert charge.told(seen(112.0)).soc_pct == 80.0


@pytest.mark.parametrize("value", [-0.1, 100.5, float("nan"), float("inf")])
def test_what_no_battery_can_be_is_unknown(value: float) -> None:
    modem = Modem()
    charge = VehicleCharge(modem)
    charge.told(seen(100.0))
    modem.said = StateOfCharge(value, 101.0)
    assert charge.told(seen(102.0)).soc_pct is None


def test_an_old_word_and_a_lost_modem_are_unknown() -> None:
    modem = Modem()
    charge = VehicleCharge(modem)
    charge.told(seen(100.0))
    modem.said = StateOfCharge(42.0, 101.0)
    assert charge.told(seen(101.0 + FRESH_S)).soc_pct == 42.0
    assert charge.told(seen(101.1 + FRESH_S)).soc_pct is None
    modem.said = StateOfCharge(43.0, 170.0)
    modem.lost = True
    assert charge.told(seen(171.0)).soc_pct is None


def test_a_part_without_the_capability_changes_nothing() -> None:
    report = seen(100.0)
    assert VehicleCharge(object()).told(report) is report


def test_a_state_of_charge_may_be_asked_for_where_a_part_may_know_it() -> None:
    reading = MeterReading(taken_s=1.0, energy_import_wh=1.0)
    deaf = EvseLayout(evse_id=1)
    hears = replace(deaf, tells_soc=True)
    assert "SoC" not in provided_by(reading, deaf, Beside())
    assert "SoC" in provided_by(reading, deaf, Beside(soc_pct=12.0)), "it was told once"
    assert "SoC" in provided_by(reading, hears, Beside()), "also while no vehicle is here"
