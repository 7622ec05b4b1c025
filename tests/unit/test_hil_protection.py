"""The world's sensor with its test line, and its motor lock, in virtual time."""

from __future__ import annotations

import pytest

from hil.actuators import LockMode
from hil.protection import SensorMode
from hil.world import World, WorldSettings


class Place:
    """One EVSE of a world; ``run`` lets time pass."""

    def __init__(self) -> None:
        self.world = World(WorldSettings(), now_s=100.0)
        self.now_s = 100.0
        self.evse = self.world.evses[1]

    def write(self, line: str, level: bool) -> None:
        self.world.write(f"evse1.{line}", level, self.now_s)

    def run(self, for_s: float) -> None:
        self.now_s += for_s
        self.world.step(self.now_s)

    def level(self, line: str) -> bool:
        return self.world.level(f"evse1.{line}")

    @property
    def tripped(self) -> tuple[bool, bool]:
        return self.level("rcm"), self.level("rcd")


def test_a_sensor_answers_its_test_line_and_lets_go_after_it() -> None:
    place = Place()
    place.write("rcd_test", True)
    place.run(0.25)
    place.write("rcd_test", False)
    assert place.tripped == (False, False)
    place.run(0.1)
    assert place.tripped == (True, False)
    place.run(0.2)
    assert place.tripped == (True, True)
    place.run(0.3)
    assert place.tripped == (False, False)


@pytest.mark.parametrize(
    ("mode", "answered", "later"),
    [
        (SensorMode.DEAD, (False, False), (False, False)),
        (SensorMode.HALF, (True, False), (False, False)),
        (SensorMode.STUCK, (True, True), (True, True)),
    ],
)
def test_a_broken_sensor_answers_as_it_is_broken(
    mode: SensorMode, answered: tuple[bool, bool], later: tuple[bool, bool]
) -> None:
    place = Place()
    with place.world.stimulus(place.now_s):
        place.evse.protection.set_mode(mode, place.now_s)
    place.write("rcd_test", True)
    place.run(0.25)
    place.write("rcd_test", False)
    place.run(0.35)
    assert place.tripped == answered
    place.run(5.0)
    assert place.tripped == later
    with place.world.stimulus(place.now_s):
        place.evse.protection.set_mode(SensorMode.OK, place.now_s)
    assert place.tripped == (False, False)


def test_a_motor_lock_moves_while_one_of_its_lines_is_driven_and_stays_otherwise() -> None:
    place = Place()
    with place.world.stimulus(place.now_s):
        place.evse.lock.set_pulsed(True, place.now_s)
    place.write("lock", True)
    place.run(0.2)
    place.write("lock", False)
    place.run(5.0)
    assert not place.level("lock_feedback"), "the pulse was too short"
    place.write("lock", True)
    place.run(0.4)
    place.write("lock", False)
    place.run(5.0)
    assert place.level("lock_feedback")
    place.write("lock", True)
    place.write("unlock", True)
    place.run(1.0)
    assert place.level("lock_feedback"), "both ways at once move nothing"
    place.write("lock", False)
    place.run(0.4)
    assert not place.level("lock_feedback")


def test_a_lock_that_is_forced_opens_at_once_and_is_moved_again_when_it_is_mended() -> None:
    place = Place()
    place.write("lock", True)
    place.run(1.0)
    with place.world.stimulus(place.now_s):
        place.evse.lock.set_mode(LockMode.FORCED, place.now_s)
    assert not place.level("lock_feedback")
    place.run(5.0)
    assert not place.level("lock_feedback")
    with place.world.stimulus(place.now_s):
        place.evse.lock.set_mode(LockMode.OK, place.now_s)
    place.run(1.0)
    assert place.level("lock_feedback")
