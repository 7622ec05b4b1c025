"""Bought controllers in a station file: what the plan makes of them, and every contradiction that `check` finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.guard.plan import parse_plan
from agent.settings.build import parse_station
from agent.settings.compile import plan_of
from agent.settings.problems import SettingsError
from agent.settings.safe_actions import safe_actions
from agent.trial.fitted import Mains, fitted_controlled
from drivers.api.safe import SafeSerial, SafeTcp

HEAD = """
[station]
id = "X"
vendor = "a"
model = "b"
[csms]
url = "wss://x/y"
[bus.rs485]
port = "bus-0"
[bus.lan]
host = "10.0.0.5"
[bus.meters]
port = "bus-1"
"""
DIN = 'controller = { driver = "evse-din", bus = "rs485", unit = 1 }\n'
METER = 'meter = { driver = "modbus", profile = "eastron_sdm630", bus = "rs485", unit = 2 }\n'


def settings_of(*evses: str) -> object:
    text = HEAD + "".join(f"[[evse]]\nid = {number}\n{evse}" for number, evse in enumerate(evses, 1))
    return parse_station(text.encode(), Path("/tmp/station.toml"))


def problems_of(*evses: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        settings_of(*evses)
    return [str(problem).split(": ", 1)[1] for problem in raised.value.problems]


def test_a_controllers_bus_belongs_to_the_guard_and_its_meter_is_read_through_it() -> None:
    settings = settings_of(DIN + METER)
    plan = parse_plan(plan_of(settings))  # type: ignore[arg-type]
    assert settings.guard_buses == {"rs485"}  # type: ignore[attr-defined]
    assert list(plan.buses) == ["rs485"]
    assert plan.buses["rs485"].options["port"] == "/tmp/bus-0"
    assert plan.evses == ()
    assert plan.controlled[0].bus == "rs485"
    assert "bus" not in plan.controlled[0].controller.options
    assert plan.evse_ids == (1,)
    assert not plan.uses_lines


def test_own_inputs_beside_a_controller_claim_lines() -> None:
    plan = parse_plan(
        plan_of(settings_of(DIN + 'mirror = { line = "GPIO27", kind = "no" }\nrcd = { line = "GPIO24" }\n'))
    )  # type: ignore[arg-type]
    assert plan.uses_lines
    assert plan.controlled[0].mirror_normally_closed is False


def test_earth_door_and_tilt_beside_a_controller_are_watched() -> None:
    lines = "".join(
        f'{name} = {{ line = "GPIO{number}" }}\n' for number, name in enumerate(("ground", "door", "tilt"), 20)
    )
    plan = parse_plan(plan_of(settings_of(DIN + lines)))  # type: ignore[arg-type]
    assert plan.uses_lines
    assert [(role.value, line.latched) for role, line in plan.controlled[0].watched] == [
        ("ground", False),
        ("door", False),
        ("tilt", True),
    ]
    tested = fitted_controlled(plan.controlled[0], plan, mains=Mains.OFF, mains_why="", latched=(), first=True)
    assert [each.name for each in tested.inputs] == ["ground", "door", "tilt"], "the technician's test looks at them"


def test_a_station_without_controllers_has_no_buses_of_the_guard() -> None:
    own = 'pilot = { driver = "bench", socket = "s", evse = 1 }\ncontactor = { line = "GPIO17" }\n'
    plan = plan_of(settings_of(own + METER))  # type: ignore[arg-type]
    assert "buses" not in plan
    assert "controlled" not in plan


def test_only_a_driver_that_drives_a_lock_makes_the_connector_lockable() -> None:
    board = 'controller = { driver = "everest-mcu", port = "tty-1", lock = true }\n'
    layout = settings_of(DIN, board).layout()  # type: ignore[attr-defined]
    assert [evse.lockable for evse in layout.evses] == [False, True]


def test_no_current_is_written_without_an_interpreter_too() -> None:
    phoenix = 'controller = { driver = "phoenix", model = "em-cp-pp-eth", bus = "lan" }\n'
    openevse = 'controller = { driver = "openevse", port = "tty-1" }\n'
    din, tcp, rapi = safe_actions(settings_of(DIN, phoenix, openevse))  # type: ignore[arg-type]
    assert isinstance(din, SafeSerial)
    assert din.frames[0].hex() == "011003e800010200008278"  # unit 1, function 16, register 1000, one, 0
    assert isinstance(tcp, SafeTcp)
    assert tcp.frames[0].hex() == "000100000006b40501900000"  # unit 180, function 5, coil 400, off
    assert isinstance(rapi, SafeSerial)
    assert rapi.frames == (b"$FS^31\r",)


@pytest.mark.parametrize(
    ("evses", "expected"),
    [
        ([""], ["has no pilot, expected control pilot and proximity", "has no contactor, expected coil of the main"]),
        ([DIN + 'contactor = { line = "L" }\n'], ["evse[1].contactor is given beside a controller, which has its own"]),
        (
            [DIN + 'rcm = { line = "L" }\n'],
            ["evse[1].rcm is given beside a controller, whose contactor the guard does not"],
        ),
        ([DIN + 'lock = { line = "L" }\n'], ["evse[1].lock is given beside a controller"]),
        (
            [DIN.replace("rs485", "rs486")],
            ["controller.bus 'rs486' is no bus of this file, there are rs485, lan, meters"],
        ),
        ([DIN, DIN], ["evse[2].controller is the same device as evse[1].controller", "unit 1 is the address of"]),
        (
            [DIN + METER.replace("2 }", "1 }")],
            ["meter.unit 1 is the address of evse[1].controller on bus 'rs485', too"],
        ),
        (
            ['controller = { driver = "openevse", port = "bus-0" }\n'],
            ["controller.port '/tmp/bus-0' is the port of bus 'rs485', too"],
        ),
        (
            ['controller = { driver = "phoenix", model = "ev-cc-eth", bus = "rs485", unit = 255 }\n'],
            ["controller.unit 255 is outside 1-247 on a serial bus"],
        ),
        ([DIN + METER.replace("unit = 2", "unit = 250")], ["evse[1].meter.unit 250 is outside 1-247 on a serial bus"]),
        (
            ['controller = { driver = "phoenix", model = "ev-cc-ser", bus = "rs485", connector = 2 }\n'],
            ["controller.connector 2 is only for charx"],
        ),
        (
            ['controller = { driver = "phoenix", model = "charxx", bus = "rs485" }\n'],
            ["controller.model 'charxx' is not one of em-cp-pp-eth, ev-cc-eth, ev-cc-ser, charx"],
        ),
        (['controller = { driver = "evse_din", bus = "rs485" }\n'], ["'evse_din' is no controller driver"]),
    ],
)
def test_contradictions_are_refused_with_their_place(evses: list[str], expected: list[str]) -> None:
    problems = problems_of(*evses)
    for text in expected:
        assert any(text in problem for problem in problems), problems
