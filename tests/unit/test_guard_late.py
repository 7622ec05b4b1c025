"""A power path that is not there at the start is tried again beside the scan."""

from __future__ import annotations

import threading

import pytest

from agent.guard.late import LatePowerPath, open_power_path
from agent.guard.plan import PlanError, Target
from drivers.api import DriverUnavailable
from tests.scenario.guard_world import World

world = World()
opened = threading.Event()
attempts: list[int] = []


def open_at_the_second_attempt() -> World:
    attempts.append(1)
    if len(attempts) == 1:
        raise DriverUnavailable("nobody there yet")
    opened.set()
    return world


def test_until_it_opens_every_call_fails_and_then_goes_through() -> None:
    path = open_power_path(Target(target=f"{__name__}:open_at_the_second_attempt", options={}))
    assert isinstance(path, LatePowerPath)
    with pytest.raises(DriverUnavailable, match="not opened yet: nobody there yet"):
        path.read()
    assert opened.wait(10.0)
    path.join(10.0)
    assert path.read().high_v == 12.0
    path.close()


def test_a_driver_that_does_not_exist_is_the_plans_problem() -> None:
    with pytest.raises(PlanError, match="cannot be imported"):
        open_power_path(Target(target="drivers.api:open_nothing", options={}))
