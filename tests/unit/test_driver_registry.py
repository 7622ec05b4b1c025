"""Drivers by name, and their options."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

import pytest

from drivers.api import DriverKind, DriverSpec, DriverUnavailable, Option, OptionProblem
from drivers.registry import (
    UnknownDriver,
    _collect,
    check_options,
    closest,
    driver_names,
    find,
    number_range,
    open_driver,
    resolve,
)


def _no_sevens(options: Mapping[str, Any]) -> list[OptionProblem]:
    return [OptionProblem(option="count", problem="is 7")] if options["count"] == 7 else []


HUGE = 1 << 20000  # Python refuses to print it

SPEC = DriverSpec(
    name="sample",
    kind=DriverKind.METER,
    target="collections:Counter",
    options=(
        Option(name="port", type=str, required=True, help="a device file"),
        Option(name="count", type=int, default=3, minimum=1, maximum=9),
        Option(name="pause_s", type=float, default=0.5, minimum=0.0, unit="s"),
        Option(name="loud", type=bool, default=False),
        Option(name="mode", type=str, choices=("fast", "slow")),
    ),
    summary="for tests",
    check=_no_sevens,
)


@pytest.mark.parametrize("kind", list(DriverKind))
def test_every_installed_driver_is_found_by_its_name(kind: DriverKind) -> None:
    assert driver_names(kind)
    for name in driver_names(kind):
        spec = find(kind, name)
        assert (spec.name, spec.kind) == (name, kind)
        assert callable(resolve(spec.target))
        assert spec.summary


@pytest.mark.parametrize("kind", list(DriverKind))
def test_the_quick_look_finds_what_the_standard_library_finds(kind: DriverKind) -> None:
    slow = {each.name: each.value for each in entry_points(group=f"charge_agent.{kind.value}")}
    script = "import sys; from drivers.registry import _quick_entry_points as q; print(q()[sys.argv[1]])"
    said = subprocess.run(
        [sys.executable, "-c", script, f"charge_agent.{kind.value}"], check=True, capture_output=True, text=True
    )
    assert said.stdout.strip() == str(slow)


def test_an_entry_point_file_is_understood() -> None:
    groups: dict[str, dict[str, str]] = {}
    text = (
        "[console_scripts]\nx = y:z\n\n[charge_agent.meter]\n# no = thing\none = a.b:C\n two=d:E \n[other]\nt = u:v\n"
    )
    _collect(text, groups)
    assert groups == {"charge_agent.meter": {"one": "a.b:C", "two": "d:E"}}


def test_an_unknown_driver_lists_the_known_and_says_what_was_meant() -> None:
    with pytest.raises(UnknownDriver) as caught:
        find(DriverKind.METER, "modbuss")
    assert str(caught.value) == "'modbuss' is no meter driver, expected one of modbus; did you mean 'modbus'?"
    assert caught.value.suggestion == "modbus"


@pytest.mark.parametrize("target", ["no_such_module:x", "collections:no_such_name", "collections", ""])
def test_a_target_that_leads_nowhere_is_unavailable(target: str) -> None:
    with pytest.raises(DriverUnavailable):
        resolve(target)


def test_a_driver_is_opened_with_its_options() -> None:
    assert open_driver(SPEC.target, {"a": 2}) == {"a": 2}


def test_defaults_are_filled_in_and_whole_numbers_may_stand_for_others() -> None:
    options, problems = check_options(SPEC, {"port": "/dev/x", "pause_s": 2})
    assert problems == []
    assert options == {"port": "/dev/x", "count": 3, "pause_s": 2.0, "loud": False}
    assert type(options["pause_s"]) is float


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("count", 10, "10 is outside 1-9"),
        ("count", True, "True is a truth value, expected a whole number"),
        ("count", 2.0, "2.0 is a number, expected a whole number"),
        ("count", "2", "'2' is text, expected a whole number"),
        ("count", HUGE, "a very large number is outside 1-9"),
        ("count", 7, "is 7"),
        ("pause_s", -1, "-1.0 is below 0 s"),
        ("pause_s", float("nan"), "nan is not a finite number"),
        ("pause_s", HUGE, "inf is not a finite number"),
        ("loud", 1, "1 is a number, expected true or false"),
        ("mode", "fsat", "'fsat' is not one of fast, slow; did you mean 'fast'?"),
        ("prot", "x", "is no option of driver 'sample', expected one of port, count, pause_s, loud, mode;"
         " did you mean 'port'?"),
    ],
    ids=[str(index) for index in range(12)],
)  # fmt: skip
def test_a_wrong_option_is_told_with_what_was_expected(option: str, value: Any, problem: str) -> None:
    _, problems = check_options(SPEC, {"port": "/dev/x", option: value})
    assert problems == [OptionProblem(option=option, problem=problem)]


def test_every_wrong_option_is_told_at_once() -> None:
    _, problems = check_options(SPEC, {"count": 0, "x": 1})
    assert [each.option for each in problems] == ["x", "port", "count"]


def test_names_are_compared_without_regard_to_case() -> None:
    assert closest("STYPE2", ["cType1", "sType2"]) == "sType2"
    assert closest("entirely different", ["cType1"]) is None


def test_ranges_are_shown_with_their_unit() -> None:
    assert (number_range(6, 80, "A"), number_range(1, None), number_range(None, 2.5)) == (
        "6-80 A",
        "at least 1",
        "at most 2.5",
    )


def test_finding_a_driver_loads_no_device_library() -> None:
    script = (
        "import sys\nfrom drivers.api import DriverKind\nfrom drivers.registry import driver_names, find\n"
        "[find(kind, name) for kind in DriverKind for name in driver_names(kind)]\n"
        "print({'pymodbus', 'serial', 'gpiozero'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert said.stdout == "set()\n"
