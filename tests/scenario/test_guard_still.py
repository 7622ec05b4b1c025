"""A scan that is not made again because nothing is new does what it would have done, device for device."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.guard.evse import Evse
from drivers.api import DriverUnavailable
from tests.scenario.guard_rig import SCAN_S, Rig
from tests.scenario.guard_world import Board, Line

Event = tuple[str, int]  # what happens, and how many scans pass after it


class AskedLine:
    """A line of the board that is asked for all it knows in one call, as GPIO lines are."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def poll(self, pulses: bool) -> bool | None:
        if pulses and self._line.take_pulse():
            return True
        if self._line.broken:
            raise DriverUnavailable("the line is broken")
        return self._line.read()

    def read(self) -> bool | None:
        return self._line.read()

    def age_s(self, now_s: float) -> float:
        return 0.0

    def take_pulse(self) -> bool:
        return self._line.take_pulse()


class AskedBoard(Board):
    """The same board with such inputs: only on these may a scan be found to be the one before."""

    def input(self, line: str, *, active_high: bool, pull: str = "none") -> Any:
        return AskedLine(super().input(line, active_high=active_high, pull=pull))


def toggled(line: Callable[[Rig], Line]) -> Callable[[Rig], None]:
    def toggle(rig: Rig) -> None:
        line(rig).active = not line(rig).active

    return toggle


def set_on_world(name: str, value: object) -> Callable[[Rig], None]:
    return lambda rig: setattr(rig.world, name, value)


def pulse(rig: Rig) -> None:
    rig.world.rcd.pulsed = True


def break_line(rig: Rig) -> None:
    rig.world.emergency_stop.broken = not rig.world.emergency_stop.broken


def freeze(rig: Rig) -> None:
    rig.world.frozen_since_s = None if rig.world.frozen_since_s is not None else rig.now_s


HAPPENS: dict[str, Callable[[Rig], object]] = {
    "nothing": lambda rig: None,
    "plug in": lambda rig: rig.world.plug_in(),
    "plug in a 13 A cable": lambda rig: rig.world.plug_in(1500.0),
    "close S2": lambda rig: rig.world.close_s2(),
    "open S2": lambda rig: rig.world.open_s2(),
    "unplug": lambda rig: rig.world.unplug(),
    "short": set_on_world("vehicle", "E"),
    "lose the diode": set_on_world("diode", False),
    "unclear negative peak": set_on_world("negative_v", -8.0),
    "weld": set_on_world("welded", True),
    "stick open": set_on_world("stuck_open", True),
    "jam the lock": set_on_world("lock_jammed", True),
    "bounce": set_on_world("mirror_bounces", True),
    "no bounce": set_on_world("mirror_bounces", False),
    "lose the power path": set_on_world("power_path_lost", True),
    "find the power path": set_on_world("power_path_lost", False),
    "freeze": freeze,
    "pulse of the RCD": pulse,
    "RCD": toggled(lambda rig: rig.world.rcd),
    "emergency stop": toggled(lambda rig: rig.world.emergency_stop),
    "door": toggled(lambda rig: rig.world.extra.setdefault("door", Line())),
    "tilt": toggled(lambda rig: rig.board.extra.setdefault("tilt", Line())),
    "a line breaks": break_line,
    "permit": lambda rig: rig.permit(16.0),
    "smaller permit": lambda rig: rig.permit(8.0),
    "short permit": lambda rig: rig.permit(16.0, valid_for_s=0.4),
    "withdraw": lambda rig: rig.withdraw(),
    "hold": lambda rig: rig.hold(True),
    "release": lambda rig: rig.hold(False),
    "stop": lambda rig: rig.station.stop(),
}
CHARGE: list[Event] = [("nothing", 120), ("plug in", 10), ("permit", 60), ("close S2", 120)]
PLANS: dict[str, dict[str, Any]] = {
    "usual": {},
    "watched": {
        "door": {"line": "evse1.door", "active_high": True, "latched": False, "debounce_s": 0.05},
        "inputs": {"tilt": {"line": "station.tilt", "active_high": True, "latched": True}},
    },
    "tethered": {"tethered": True},
}


@pytest.fixture(scope="module")
def quiet_log() -> Iterator[int]:
    fd = os.open(os.devnull, os.O_WRONLY)
    yield fd
    os.close(fd)


def rigs(log_fd: int, plan: str) -> tuple[Rig, Rig]:
    folder = tempfile.gettempdir() + f"/no-such-folder-{next(_numbers)}"
    return Rig(folder, log_fd, board=AskedBoard, **PLANS[plan]), Rig(folder, log_fd, **PLANS[plan])


_numbers = itertools.count()


def stills(rig: Rig) -> int:
    evse = rig.station.evses[1]
    assert isinstance(evse, Evse)
    return evse.stills


def done(rig: Rig) -> tuple[object, ...]:
    """Everything that a scan may do to the world or tell."""
    world = rig.world
    return (world.coil.writes, world.lock.writes, world.led.writes, world.signals, rig.reports)


@settings(max_examples=100, deadline=None)
@example(plan="usual", script=[*CHARGE, ("nothing", 300), ("open S2", 200), ("withdraw", 800), ("unplug", 200)])
@example(plan="usual", script=[*CHARGE, ("pulse of the RCD", 50), ("unplug", 200), ("plug in", 50)])
@example(plan="usual", script=[*CHARGE, ("freeze", 60), ("freeze", 60), ("a line breaks", 30), ("a line breaks", 90)])
@example(plan="usual", script=[*CHARGE, ("lose the power path", 80), ("find the power path", 200)])
@example(plan="usual", script=[*CHARGE, ("nothing", 60), ("lose the diode", 60)])
@example(plan="usual", script=[*CHARGE, ("nothing", 60), ("unclear negative peak", 200)])
@example(plan="watched", script=[*CHARGE, ("door", 3), ("door", 50), ("door", 50), ("tilt", 50), ("tilt", 50)])
@example(plan="tethered", script=[*CHARGE, ("short permit", 300), ("stop", 900)])
@given(
    plan=st.sampled_from(list(PLANS)),
    script=st.lists(
        st.tuples(st.sampled_from(list(HAPPENS)), st.sampled_from([1, 2, 3, 5, 30, 130])), min_size=2, max_size=12
    ),
)
def test_a_station_that_finds_scans_unchanged_does_in_every_scan_what_one_does_that_never_finds_any(
    quiet_log: int, plan: str, script: list[Event]
) -> None:
    finding, judging = rigs(quiet_log, plan)
    for happens, scans in script:
        HAPPENS[happens](finding)
        HAPPENS[happens](judging)
        for _ in range(scans):
            finding.scan()
            judging.scan()
            assert done(finding) == done(judging)
    assert stills(judging) == 0


@pytest.mark.parametrize("rest", [[("nothing", 200)], CHARGE])
def test_a_station_at_rest_or_in_a_steady_charge_judges_few_scans(quiet_log: int, rest: list[Event]) -> None:
    rig, _ = rigs(quiet_log, "usual")
    for happens, scans in rest:
        HAPPENS[happens](rig)
        rig.run(scans * SCAN_S)
    before = stills(rig)
    rig.run(3.0)
    assert stills(rig) - before > 0.9 * 3.0 / SCAN_S


def test_the_same_measurement_again_is_not_taken_for_a_second_one(quiet_log: int) -> None:
    rig, _ = rigs(quiet_log, "usual")
    rig.run(2.0)
    rig.world.frozen_since_s = rig.now_s
    before = len(rig.reports)
    rig.run(0.02)
    rig.world.vehicle = "C"
    rig.run(0.01)
    assert [each.pilot for each in rig.reports[before:]] == [], "what was measured is as old as before"
