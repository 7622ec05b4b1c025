"""The pages of the controllers: their station files are valid, and their tables of options are the drivers' own."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agent.settings.build import parse_station
from drivers.api import DriverKind
from drivers.api.controllers import ControllerOrder, VehicleState
from drivers.controllers.phoenix_models import MODELS
from drivers.registry import find
from tests.unit.test_controller_drivers import Seat, TableLine
from tests.unit.test_docs import REPOSITORY, blocks

HEAD = '[station]\nid = "X"\nvendor = "a"\nmodel = "b"\n[csms]\nurl = "wss://x/y"\n'
DRIVERS = ("evse-din", "phoenix", "openevse", "everest-mcu")


def page_of(driver: str) -> Path:
    return REPOSITORY / "docs" / "drivers" / f"{driver}.md"


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_station_file_of_a_page_is_valid_and_uses_the_driver(driver: str) -> None:
    (block,) = blocks(page_of(driver), "toml")
    settings = parse_station((HEAD + block).encode(), Path("/tmp/station.toml"))
    controller = settings.evses[0].controller
    assert controller is not None
    assert controller.driver.driver == driver
    assert tomllib.loads(block)


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_options_of_a_page_are_the_drivers_options_with_their_defaults(driver: str) -> None:
    text = page_of(driver).read_text(encoding="utf-8")
    table = text[text.index("| option |") :].split("\n\n")[0]
    shown = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.MULTILINE))
    for option in find(DriverKind.CONTROLLER, driver).options:
        default = shown.pop(option.name).strip().strip("`")
        if option.required:
            assert default == "required"
        elif option.default is not None:
            assert default == str(option.default).lower()
    assert shown == {}


def test_the_driver_that_is_shown_to_others_obeys_and_reports() -> None:
    (source,) = blocks(page_of("own-controller"), "python")
    shown: dict[str, Any] = {}
    exec(compile(source, "acme_controller.py", "exec"), shown)
    line = TableLine({10: 32}, {20: ord("C"), 21: 13})
    seat = Seat(line)
    controller = shown["Acme"](bus=seat, unit=1)
    seat.go(1)
    assert line.holding[10] == 0
    controller.command(ControllerOrder(current_a=13.9))
    seat.go(1)
    assert line.holding[10] == 13
    reading = controller.read()
    assert (reading.vehicle, reading.offer_a) == (VehicleState.C, 13.0)
    assert controller.settle(0.0)
    assert shown["SPEC"].kind is DriverKind.CONTROLLER


@pytest.mark.parametrize("model", list(MODELS.values()), ids=list(MODELS))
def test_every_register_of_a_phoenix_stands_on_its_page(model: object) -> None:
    text = page_of("phoenix").read_text(encoding="utf-8")
    for name in ("status", "enable", "current", "duty", "duty_current", "cable", "errors"):
        register = getattr(model, name)
        assert register is None or re.search(rf"\b{register}\b", text), (name, register)
