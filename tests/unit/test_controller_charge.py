"""A CHARX that talks to the vehicle knows its state of charge; the other Phoenix controllers do not."""

from __future__ import annotations

import pytest

from drivers.api.vehicle import TellsStateOfCharge
from drivers.bench.power_path import SPEC as BENCH
from drivers.controllers import phoenix
from drivers.registry import check_options
from tests.unit.test_controller_drivers import Seat, TableLine, phx

B1, A1 = 0x4231, 0x4131


def charx(soc: int | None, status: int = B1) -> tuple[TableLine, phoenix.Phoenix, Seat]:
    table = {1120: 5, 1299: status, 1300: 0, 1301: 16}
    line = TableLine(table if soc is None else table | {1264: soc})
    controller, seat = phx(line, "charx")
    return line, controller, seat


@pytest.mark.parametrize(("register", "soc_pct"), [(57, 57.0), (100, 100.0), (1, 1.0), (0, None), (101, None)])
def test_the_register_is_percent_and_what_no_battery_has_is_unknown(register: int, soc_pct: float | None) -> None:
    _, controller, seat = charx(register)
    assert isinstance(controller, TellsStateOfCharge)
    assert controller.state_of_charge() is None
    seat.go()
    said = controller.state_of_charge()
    assert (None if said is None else said.soc_pct) == soc_pct


def test_it_is_forgotten_with_the_vehicle_and_asked_for_at_once_when_the_next_one_comes() -> None:
    line, controller, seat = charx(57)
    seat.go()
    line.holding[1299] = A1
    seat.go()
    assert controller.state_of_charge() is None
    line.holding |= {1299: B1, 1264: 12}
    seat.go()
    said = controller.state_of_charge()
    assert said is not None
    assert said.soc_pct == 12.0


def test_firmware_without_the_register_is_a_controller_that_does_not_know_it() -> None:
    _, controller, seat = charx(None)
    seat.go()
    assert controller.state_of_charge() is None
    assert controller.trouble is None


@pytest.mark.parametrize(("model", "tells"), [("charx", True), ("em-cp-pp-eth", False), ("ev-cc-ser", False)])
def test_the_spec_says_which_model_may_know_it(model: str, tells: bool) -> None:
    options, problems = check_options(phoenix.SPEC, {"bus": "b", "model": model})
    assert not problems
    assert phoenix.SPEC.tells_soc is not None
    assert phoenix.SPEC.tells_soc(options) is tells


def test_the_benchs_path_tells_it_where_the_station_file_says_so() -> None:
    for given, tells in ((True, True), (False, False)):
        options, problems = check_options(BENCH, {"socket": "pins.sock", "evse": 1, "soc": given})
        assert not problems
        assert BENCH.tells_soc is not None
        assert BENCH.tells_soc(options) is tells
