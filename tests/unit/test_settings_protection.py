"""Inputs, self-test, temperatures, pulsed locks and heartbeat in a station file: from the text to the guard's plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.guard.inputs import InputRole
from agent.guard.plan import parse_plan
from agent.settings.build import parse_station
from agent.settings.compile import plan_of
from agent.settings.problems import SettingsError
from agent.settings.safe_actions import safe_actions
from agent.settings.station import Settings
from drivers.api.safe import SafeLine

HEAD = """\
[station]
id = "X"
vendor = "a"
model = "b"
[csms]
url = "wss://x/y"
"""
EVSE = """\
[[evse]]
id = 1
pilot = { driver = "bench", socket = "pins.sock", evse = 1 }
contactor = { line = "GPIO17" }
"""


def settings_of(evse: str = "", head: str = "") -> Settings:
    return parse_station(f"{HEAD}{head}{EVSE}{evse}".encode(), Path("/etc/charge-agent/station.toml"))


def problems_of(evse: str = "", head: str = "") -> list[str]:
    with pytest.raises(SettingsError) as raised:
        settings_of(evse, head)
    return [f"{each.key} {each.text}" for each in raised.value.problems]


EVERYTHING = """\
mirror = { line = "GPIO27", debounce_ms = 15 }
lock = { line = "GPIO22", unlock = { line = "GPIO12" }, pulse_ms = 300, break_ms = 500, confirm_ms = 2000 }
rcd = { line = "GPIO24", debounce_ms = 20, latched = false }
emergency_stop = { line = "GPIO25", latched = true }
rcm = { line = "GPIO16", active_high = false, pull = "up" }
ground = { line = "GPIO26" }
door = { line = "GPIO20", debounce_ms = 0 }
tilt = { line = "GPIO21", latched = false }
rcd_test = { line = "GPIO18", active_high = false, pulse_ms = 300, every_h = 12 }
temperature = [
  { path = "/sys/class/hwmon/hwmon0/temp1_input", name = "contactor", reduce_c = 55, stop_c = 75 },
  { driver = "sysfs", path = "/sys/bus/w1/devices/28-1/w1_slave", shape = "w1_slave" },
]
"""
STATION = """\
[inputs]
emergency_stop = { line = "GPIO5" }
door = { line = "GPIO6", debounce_ms = 300 }
[guard]
heartbeat = { line = "GPIO19", period_ms = 50 }
"""


def test_everything_reaches_the_guard_in_its_units() -> None:
    plan = parse_plan(plan_of(settings_of(EVERYTHING, STATION)))
    (evse,) = plan.evses
    assert evse.mirror is not None
    assert evse.mirror.debounce_s == 0.015
    assert (evse.lock_settings.pulsed, evse.lock_settings.pulse_s, evse.lock_settings.failed_s) == (True, 0.3, 2.0)
    assert evse.unlock is not None
    assert evse.rcd is not None
    assert (evse.rcd.debounce_s, evse.rcd.latched) == (0.02, False)
    assert evse.emergency_stop is not None
    assert evse.emergency_stop.latched
    watched = {role: (line.line, line.active_high, line.debounce_s, line.latched) for role, line in evse.watched}
    assert watched == {
        InputRole.RCM: ("GPIO16", False, 0.0, True),
        InputRole.GROUND: ("GPIO26", True, 0.1, False),
        InputRole.DOOR: ("GPIO20", True, 0.0, False),
        InputRole.TILT: ("GPIO21", True, 0.1, False),
    }
    test = evse.rcd_test
    assert test is not None
    assert (test.line.active_high, test.settings.pulse_s, test.settings.every_s) == (False, 0.3, 43200.0)
    assert (test.settings.trip_s, test.settings.second_trip_s, test.settings.release_s) == (0.74, 0.66, 1.2)
    first, second = evse.temperatures
    assert (first.settings.name, first.settings.reduce_c, first.settings.stop_c) == ("contactor", 55.0, 75.0)
    assert second.settings.name == "temperature 2"
    assert second.sensor.options["shape"] == "w1_slave"
    assert [(role, line.line, line.debounce_s) for role, line in plan.inputs] == [
        (InputRole.EMERGENCY_STOP, "GPIO5", 0.0),
        (InputRole.DOOR, "GPIO6", 0.3),
    ]
    assert plan.heartbeat is not None
    assert (plan.heartbeat.line, plan.heartbeat_s) == ("GPIO19", 0.05)


def test_without_them_nothing_of_it_is_in_the_plan() -> None:
    content = plan_of(settings_of())
    assert not {"inputs", "heartbeat"} & content.keys()
    assert not {"rcm", "ground", "door", "tilt", "rcd_test", "temperatures"} & content["evses"][0].keys()
    plan = parse_plan(content)
    assert (plan.inputs, plan.heartbeat, plan.evses[0].watched, plan.evses[0].rcd_test) == ((), None, (), None)


def test_a_trip_latches_and_a_button_does_not_unless_the_file_says_so() -> None:
    named = {"rcd": "GPIO4", "emergency_stop": "GPIO5", "rcm": "GPIO6", "tilt": "GPIO7"}
    lines = "".join(f'{role} = {{ line = "{line}" }}\n' for role, line in named.items())
    (evse,) = parse_plan(plan_of(settings_of(lines))).evses
    assert evse.rcd is not None
    assert evse.emergency_stop is not None
    assert (evse.rcd.latched, evse.emergency_stop.latched) == (True, False)
    assert [(role, line.latched) for role, line in evse.watched] == [(InputRole.RCM, True), (InputRole.TILT, True)]


def test_motor_test_line_and_heartbeat_are_made_safe_after_the_contactor() -> None:
    lines = [action.line for action in safe_actions(settings_of(EVERYTHING, STATION)) if isinstance(action, SafeLine)]
    assert lines == ["17", "22", "12", "18", "19"]
    test_line = next(each for each in safe_actions(settings_of(EVERYTHING)) if getattr(each, "line", "") == "18")
    assert isinstance(test_line, SafeLine)
    assert test_line.high, "active low: at rest it is high"
    held = settings_of('lock = { line = "GPIO22" }\n')
    assert all(getattr(action, "line", "") != "22" for action in safe_actions(held)), "a cable may be in it"


MANY = "temperature = [" + '{ path = "/x" }, ' * 17 + "]\n"


@pytest.mark.parametrize(
    ("evse", "head", "problem"),
    [
        ('rcd_test = { line = "GPIO4" }\n', "", "evse[1].rcd_test is given without rcd or rcm"),
        (
            'temperature = [{ path = "/x", reduce_c = 80, stop_c = 60 }]\n',
            "",
            "evse[1].temperature[1].reduce_c 80 degC is not below stop_c 60 degC",
        ),
        (
            'temperature = [{ path = "/x", name = "a" }, { path = "/y", name = "a" }]\n',
            "",
            "evse[1].temperature[2].name 'a' is the name of another sensor of this EVSE, too",
        ),
        ('temperature = [{ path = "/x", stop = 3 }]\n', "", "evse[1].temperature[1].stop is no option of driver"),
        ('temperature = { path = "/x" }\n', "", "evse[1].temperature is a table, expected [[temperature]] tables"),
        ('temperature = [{ name = "a" }]\n', "", "evse[1].temperature[1] has no path: it is missing, expected"),
        (
            'temperature = [{ path = "/x", shape = "iio" }]\n',
            "",
            "evse[1].temperature[1].path '/x' does not end in _raw",
        ),
        ('door = { line = "GPIO17" }\n', "", "evse[1].door.line 'GPIO17' is used by evse[1].contactor already"),
        ('door = { line = "GPIO4" }\n', '[inputs]\ntilt = { line = "GPIO4" }\n', "inputs.tilt.line 'GPIO4' is used by"),
        ("", '[guard]\nheartbeat = { line = "GPIO17" }\n', "guard.heartbeat.line 'GPIO17' is used by"),
        (
            "",
            '[guard]\nscan_ms = 20\nheartbeat = { line = "GPIO4", period_ms = 30 }\n',
            "guard.heartbeat.period_ms 30 ms is shorter than two scans of 20 ms",
        ),
        ('door = { line = "GPIO4", debounce_ms = 99999 }\n', "", "evse[1].door.debounce_ms 99999 is outside 0-60000"),
        ("", '[inputs]\nrcd = { line = "GPIO4" }\n', "inputs.rcd is unknown"),
        (MANY, "", "evse[1].temperature has 17 sensors, at most 16"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_with_its_place(evse: str, head: str, problem: str) -> None:
    assert any(said.startswith(problem) for said in problems_of(evse, head)), problems_of(evse, head)


def test_beside_a_controller_what_the_guard_could_not_act_on_is_refused() -> None:
    text = f"""{HEAD}[bus.b]
port = "x"
[[evse]]
id = 1
controller = {{ driver = "evse-din", bus = "b" }}
rcm = {{ line = "GPIO4" }}
temperature = [{{ path = "/x" }}]
"""
    with pytest.raises(SettingsError) as raised:
        parse_station(text.encode(), Path("/etc/x.toml"))
    assert {each.key for each in raised.value.problems} == {"evse[1].rcm", "evse[1].temperature"}
