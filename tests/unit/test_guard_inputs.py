"""Watched inputs: debounce, unknown, latch; and the self-test of the residual current sensor."""

from __future__ import annotations

import pytest

from agent.guard.inputs import FAULT_OF, Debounce, InputRole, Watch, Watches
from agent.guard.rcd_test import RETRY_S, RcdTest, RcdTestSettings
from agent.guard.wire import GuardFault, SelfTest

RCD, RCM = InputRole.RCD, InputRole.RCM


# ---- debounce --------------------------------------------------------------------------------------------------------


def counted(debounce_s: float, *levels: bool | None, step_s: float = 0.01) -> list[bool | None]:
    debounce = Debounce(debounce_s)
    return [debounce.step(level, 100.0 + index * step_s) for index, level in enumerate(levels)]


def test_without_a_debounce_every_level_counts_at_once() -> None:
    assert counted(0.0, False, True, False, None, True) == [False, True, False, None, True]


def test_a_level_counts_when_it_has_lasted_either_way() -> None:
    assert counted(0.02, False, True, True, True, True) == [False, False, False, True, True]
    assert counted(0.02, True, False, False, False) == [True, True, True, False]


def test_a_bounce_begins_the_time_anew() -> None:
    assert counted(0.02, False, True, True, False, True, True, True) == [False] * 6 + [True]


def test_the_first_level_counts_at_once_and_an_unknown_one_always_does() -> None:
    assert counted(5.0, True) == [True]
    assert counted(0.02, False, True, None, True, True, True) == [False, False, None, False, False, True]


# ---- the latch -------------------------------------------------------------------------------------------------------


def test_every_role_has_a_fault_of_its_own() -> None:
    assert set(FAULT_OF) == set(InputRole)
    assert len(set(FAULT_OF.values())) == len(InputRole)


@pytest.mark.parametrize("role", list(InputRole))
def test_an_active_input_is_its_fault_as_long_as_it_is_active(role: InputRole) -> None:
    watches = Watches([Watch(role=role)])
    watches.step([True], may_clear=False)
    assert watches.tripped == {role}
    assert watches.faults == (FAULT_OF[role],)
    watches.step([False], may_clear=False)
    assert not watches.tripped
    assert not watches.faults


@pytest.mark.parametrize("role", list(InputRole))
def test_a_latched_input_stays_until_it_is_released_and_the_vehicle_has_left(role: InputRole) -> None:
    watches = Watches([Watch(role=role, latched=True)])
    watches.step([True], may_clear=True)
    for levels, may_clear in (([False], False), ([None], True), ([True], True)):
        watches.step(levels, may_clear=may_clear)
        assert watches.tripped == {role}
    watches.step([False], may_clear=True)
    assert not watches.tripped


def test_one_unknown_input_makes_all_of_it_unknown_and_trips_nothing() -> None:
    watches = Watches([Watch(role=RCD), Watch(role=InputRole.DOOR)])
    assert not watches.known
    watches.step([False, None], may_clear=False)
    assert not watches.known
    assert not watches.tripped
    watches.step([False, False], may_clear=False)
    assert watches.known
    assert Watches([]).known


def test_the_same_role_twice_is_one_fault_and_either_of_them_holds_it() -> None:
    watches = Watches([Watch(role=InputRole.DOOR), Watch(role=InputRole.DOOR, latched=True)])
    watches.step([True, True], may_clear=False)
    assert watches.faults == (GuardFault.DOOR_OPEN,)
    watches.step([False, False], may_clear=False)
    assert watches.faults == (GuardFault.DOOR_OPEN,)


def test_a_masked_trip_neither_counts_nor_latches() -> None:
    watches = Watches([Watch(role=RCD, latched=True)])
    watches.step([True], may_clear=False, masked=(RCD,))
    assert not watches.tripped
    watches.step([None], may_clear=False, masked=(RCD,))
    assert not watches.known


# ---- the self-test ---------------------------------------------------------------------------------------------------


class Sensor:
    """A sensor of a test: its outputs follow the test line after a while, and let go after another."""

    def __init__(self, roles: tuple[InputRole, ...] = (RCM, RCD), *, every_s: float = 86400.0) -> None:
        self.test = RcdTest(RcdTestSettings(every_s=every_s), roles)
        self.now_s = 100.0
        both: list[float | None] = [0.3, 0.5]
        self.trips_s = both[: len(roles)]
        self.release_s: float | None = 0.4
        self.vehicle = False
        self.may_run = True
        self.unknown = False
        self.driven_s: float | None = None
        self.ended_s = 0.0
        self.roles = roles

    def levels(self) -> list[bool | None]:
        if self.unknown:
            return [None for _ in self.roles]
        if self.driven_s is None:
            return [False for _ in self.roles]
        since_s = self.now_s - self.driven_s
        let_go = self.release_s is not None and since_s >= 0.6 + self.release_s
        return [trips_s is not None and since_s >= trips_s and not let_go for trips_s in self.trips_s]

    def run(self, for_s: float) -> None:
        until_s = self.now_s + for_s
        while self.now_s < until_s - 1e-6:
            self.now_s = round(self.now_s + 0.01, 6)
            self.test.step(self.levels(), may_run=self.may_run, vehicle=self.vehicle, now_s=self.now_s)
            if self.test.drive and self.driven_s is None:
                self.driven_s = self.now_s
            elif not self.test.running:
                self.driven_s = None

    @property
    def ready(self) -> bool:
        return self.test.passed(self.now_s)


def test_without_a_test_line_nothing_is_asked_for() -> None:
    test = RcdTest(None, (RCM, RCD))
    test.step([True, True], may_run=True, vehicle=True, now_s=1.0)
    assert (test.result, test.drive, test.passed(1.0), test.limits(1.0)) == (SelfTest.NONE, False, True, ())


def test_a_good_sensor_passes_and_its_trips_are_its_own_only_while_it_runs() -> None:
    sensor = Sensor()
    assert (sensor.test.result, sensor.ready) == (SelfTest.DUE, False)
    sensor.run(0.02)
    assert sensor.test.running
    assert sensor.test.drive
    assert set(sensor.test.masked) == {RCM, RCD}
    sensor.run(0.25)
    assert not sensor.test.drive, "the pulse is over"
    sensor.run(1.5)
    assert (sensor.test.result, sensor.test.why, sensor.ready) == (SelfTest.PASSED, "", True)
    assert not sensor.test.masked


@pytest.mark.parametrize(
    ("trips_s", "release_s", "why"),
    [
        ([None, None], 0.4, "rcm did not trip within 740 ms"),
        ([None, 0.5], 0.4, "rcm did not trip within 740 ms"),
        ([0.75, 0.8], 0.4, "rcm did not trip within 740 ms"),
        ([0.3, None], 0.4, "rcd did not trip within 660 ms"),
        ([0.3, 0.5], None, "no release within 1200 ms"),
    ],
)
def test_a_sensor_that_does_not_do_its_part_in_time_fails_and_says_which(
    trips_s: list[float | None], release_s: float | None, why: str
) -> None:
    sensor = Sensor()
    sensor.trips_s, sensor.release_s = trips_s, release_s
    sensor.run(3.0)
    assert (sensor.test.result, sensor.test.why, sensor.test.failed) == (SelfTest.FAILED, why, True)
    assert not sensor.ready


def test_a_sensor_with_one_output_is_tested_with_that_one() -> None:
    sensor = Sensor((RCD,))
    sensor.run(2.0)
    assert sensor.test.result is SelfTest.PASSED


def test_a_test_that_failed_is_tried_again_after_a_minute_and_passes_when_the_sensor_is_well() -> None:
    sensor = Sensor()
    sensor.trips_s = [None, None]
    sensor.run(2.0)
    failed_s = sensor.test.at_s
    assert failed_s is not None
    sensor.trips_s = [0.3, 0.5]
    sensor.run(RETRY_S - 2.0)
    assert sensor.test.failed
    sensor.run(5.0)
    assert sensor.ready


def test_it_is_due_after_each_plug_in_and_once_a_day() -> None:
    sensor = Sensor(every_s=3600.0)
    sensor.run(2.0)
    first_s = sensor.test.at_s
    sensor.run(60.0)
    assert sensor.test.at_s == first_s, "nothing to do"
    sensor.vehicle = True
    sensor.run(0.02)
    assert sensor.test.running
    sensor.run(2.0)
    assert sensor.ready
    plugged_s = sensor.test.at_s
    assert plugged_s != first_s
    sensor.vehicle = False
    sensor.run(5.0)
    assert sensor.test.at_s == plugged_s, "leaving asks for none"
    sensor.now_s += 3600.0
    assert not sensor.ready
    sensor.run(2.0)
    assert sensor.ready


def test_before_a_session_it_may_be_left_out() -> None:
    sensor = Sensor()
    sensor.test = RcdTest(RcdTestSettings(before_session=False), (RCM, RCD))
    sensor.run(2.0)
    at_s = sensor.test.at_s
    sensor.vehicle = True
    sensor.run(5.0)
    assert sensor.test.at_s == at_s
    assert sensor.ready


def test_it_never_runs_while_it_may_not_and_begins_anew_when_it_was_interrupted() -> None:
    sensor = Sensor()
    sensor.may_run = False
    sensor.run(1.0)
    assert not sensor.test.running
    sensor.may_run = True
    sensor.run(0.1)
    assert sensor.test.running
    sensor.may_run = False
    sensor.run(0.01)
    assert not sensor.test.running
    assert not sensor.test.drive
    assert sensor.test.result is SelfTest.DUE
    sensor.may_run = True
    sensor.unknown = True
    sensor.run(1.0)
    assert not sensor.test.running
    sensor.unknown = False
    sensor.run(2.0)
    assert sensor.ready


def test_an_output_that_is_tripped_already_is_no_beginning() -> None:
    test = RcdTest(RcdTestSettings(), (RCM, RCD))
    test.step([False, True], may_run=True, vehicle=False, now_s=1.0)
    assert not test.running
