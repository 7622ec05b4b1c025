"""The technician's checks on the bench's world, in virtual time: what is good, and every fault by its name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.trial.findings import Check, Verdict, all_in_order, as_content, from_content
from agent.trial.fitted import Mains
from drivers.api import DriverUnavailable
from hil.actuators import ContactorMode, LockMode
from hil.car import CarState
from hil.evse import Evse
from hil.protection import SensorMode
from tests.scenario.trial_world import TrialBench


def test_a_good_station_passes_and_everything_is_safe_before_and_after() -> None:
    bench = TrialBench()
    bench.answers = lambda question: "Ready?" not in question
    found = bench.run()
    assert all_in_order(found)
    assert [each.what for each in found if each.verdict is not Verdict.PASSED] == ["door", "emergency stop"]
    assert {each.check for each in found} >= {
        Check.INPUTS, Check.PILOT, Check.PROXIMITY, Check.LIGHT, Check.LOCK, Check.SELF_TEST, Check.CONTACTOR
    }  # fmt: skip
    levels = {each.what: each.value for each in bench.of(Check.PILOT)}
    assert levels == {
        "pilot, state A": 12.0, "pilot with PWM, positive": 12.0, "pilot with PWM, negative": -12.0,
        "pilot, state F": -12.0,
    }  # fmt: skip
    assert bench.written[0] == ("evse1.contactor", False)
    assert ("evse1.contactor", True) in bench.written
    assert bench.world.level("evse1.contactor") is False
    assert bench.evse.pilot.high_v == -12.0  # F: not available, until a guard says otherwise
    assert len(bench.evse.energisings) == 1


def broken(act: Callable[[Evse], None]) -> TrialBench:
    bench = TrialBench()
    with bench.happening() as evse:
        act(evse)
    return bench


FAULTS: dict[str, tuple[Callable[[Evse], None], str, str]] = {
    "contactor welded": (lambda evse: evse.contactor.set_mode(ContactorMode.WELDED, 1000.0), "contactor", "WELDED"),
    "stuck open": (
        lambda evse: evse.contactor.set_mode(ContactorMode.STUCK_OPEN, 1000.0), "contactor, closing", "did not follow",
    ),
    "pilot short": (lambda evse: setattr(evse, "pilot_shorted", True), "pilot, state A", "short to earth"),
    "lock jammed": (lambda evse: evse.lock.set_mode(LockMode.JAMMED, 1000.0), "lock, locked", "JAMMED"),
    "self-test dead": (
        lambda evse: evse.protection.set_mode(SensorMode.DEAD, 1000.0),
        "residual current sensor's self-test", "rcm did not trip",
    ),
    "self-test stuck": (
        lambda evse: evse.protection.set_mode(SensorMode.STUCK, 1000.0),
        "residual current sensor's self-test", "no release",
    ),
    "emergency stop": (lambda evse: setattr(evse, "emergency_stop", True), "emergency stop", "pressed"),
    "door": (lambda evse: setattr(evse.protection, "door_open", True), "door", "open"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_named(name: str) -> None:
    act, what, text = FAULTS[name]
    bench = broken(act)
    bench.run()
    assert not all_in_order(bench.found)
    (finding,) = [each for each in bench.found if each.what == what]
    assert finding.verdict is Verdict.FAILED
    assert text in finding.text
    assert finding.hint or name in ("emergency stop", "door")


def test_a_welded_contactor_is_never_driven_and_its_cable_is_not_released() -> None:
    bench = broken(lambda evse: evse.contactor.set_mode(ContactorMode.WELDED, 1000.0))
    bench.run()
    assert ("evse1.contactor", True) not in bench.written
    assert ("evse1.lock", False) not in bench.written


def test_without_a_word_on_the_mains_the_contactor_is_not_driven() -> None:
    bench = TrialBench()
    bench.run(Mains.UNCONFIRMED)
    (finding,) = bench.of(Check.CONTACTOR)
    assert finding.verdict is Verdict.NOT_TESTED
    assert "--mains-off" in finding.hint
    assert ("evse1.contactor", True) not in bench.written
    assert not all_in_order(bench.found)


@pytest.mark.parametrize("state", [CarState.B, CarState.C])
def test_with_a_vehicle_plugged_in_the_contactor_is_not_driven(state: CarState) -> None:
    bench = TrialBench()
    with bench.happening() as evse:
        evse.car.plug_in()
        evse.car.forced = state
    bench.run(Mains.ON)
    assert [each.verdict for each in bench.of(Check.CONTACTOR)] == [Verdict.NOT_TESTED]
    assert "unplug" in bench.of(Check.CONTACTOR)[0].hint
    assert ("evse1.contactor", True) not in bench.written


def while_closed(bench: TrialBench, act: Callable[[Evse], None]) -> Callable[[], None]:
    """Do something 100 ms after the contactor has closed."""
    since: list[float] = []

    def step() -> None:
        if bench.evse.contactor.closed and not since:
            since.append(bench.now_s)
        if since and since[0] > 0.0 and bench.now_s >= since[0] + 0.1:
            since[0] = -1.0
            with bench.happening() as evse:
                act(evse)

    return step


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (lambda evse: setattr(evse, "emergency_stop", True), "emergency stop is active"),
        (lambda evse: setattr(evse, "rcd_tripped", True), "rcd is active"),
        (lambda evse: evse.car.plug_in(), "the pilot is not free"),
    ],
    ids=["emergency stop", "rcd", "vehicle"],
)
def test_the_coil_drops_at_once_when_something_happens_while_it_is_driven(
    act: Callable[[Evse], None], why: str
) -> None:
    bench = TrialBench()
    moments: list[float] = []

    def note(evse: Evse) -> None:
        moments.append(bench.now_s)
        act(evse)

    bench.run(Mains.ON, each_step=while_closed(bench, note))
    assert bench.evse.energisings[0].opened_s is not None
    assert bench.evse.energisings[0].opened_s - moments[0] <= 0.05
    assert any(why in each.text for each in bench.of(Check.CONTACTOR))


def test_a_loop_that_comes_late_opens() -> None:
    bench = TrialBench()

    def slow() -> None:
        bench.step_s = 0.2 if bench.evse.contactor.closed else 0.01

    bench.run(each_step=slow)
    assert any("too busy" in each.text for each in bench.of(Check.CONTACTOR))
    assert bench.world.level("evse1.contactor") is False


def test_a_line_that_cannot_be_driven_is_named_and_everything_else_is_made_safe() -> None:
    bench = TrialBench()

    bench.breaks_s = bench.now_s + 0.05
    with pytest.raises(DriverUnavailable, match=r"EVSE 1: line evse1.led is broken"):
        bench.run()
    assert [each.text for each in bench.of(Check.LIGHT)] == ["line evse1.led is broken"]
    assert [each.verdict for each in bench.of(Check.CONTACTOR)] == [Verdict.PASSED] * 2
    assert bench.world.level("evse1.contactor") is False
    assert bench.evse.pilot.high_v == -12.0


def test_a_person_presses_what_can_be_pressed() -> None:
    bench = TrialBench()
    bench.answers = lambda question: True

    def press() -> None:
        waits = bench.said[-1:] == ["waiting for emergency stop to become active"]
        with bench.happening() as evse:
            evse.emergency_stop = waits

    bench.run(left_out=(Check.CONTACTOR, Check.LOCK), each_step=press)
    by_what = {each.what: each for each in bench.of(Check.INPUTS)}
    assert (by_what["emergency stop"].verdict, by_what["emergency stop"].value) == (Verdict.PASSED, "acts")
    assert by_what["door"].verdict is Verdict.FAILED
    assert "did not become active within 30 s" in by_what["door"].text
    assert [each.verdict for each in bench.of(Check.LOCK)] == [Verdict.LEFT_OUT]


def test_a_dead_pilot_measurement_is_no_value_and_no_contactor() -> None:
    bench = TrialBench()
    bench.broken.add("pilot")
    bench.run()
    assert bench.of(Check.PILOT)[0].text == "the pilot cannot be measured"
    assert ("evse1.contactor", True) not in bench.written


def test_a_pulsed_lock_with_two_lines_is_moved_both_ways() -> None:
    bench = TrialBench(
        lock={
            "line": "evse1.lock", "kind": "pulsed", "pulse_s": 0.6, "unlock": {"line": "evse1.unlock"},
            "feedback": {"line": "evse1.lock_feedback"},
        }
    )  # fmt: skip
    with bench.happening() as evse:
        evse.lock.set_pulsed(True, bench.now_s)
    bench.run()
    assert [(each.what, each.verdict) for each in bench.of(Check.LOCK)] == [
        ("lock, locked", Verdict.PASSED), ("lock, unlocked", Verdict.PASSED)
    ]  # fmt: skip
    assert [bench.world.level(f"evse1.{line}") for line in ("lock", "unlock")] == [False, False]


def test_every_colour_the_buzzer_and_the_button_are_tried() -> None:
    bench = TrialBench(
        led=None,
        lights={name: {"line": f"evse1.led_{name}"} for name in ("red", "green", "blue")},
        buzzer={"line": "evse1.buzzer"},
        button={"line": "evse1.button"},
    )
    seen: dict[str, str] = {}

    def answer(question: str) -> bool:
        seen[question] = bench.evse.people.colour
        return "blue" not in question

    def press() -> None:
        if bench.said[-1:] == ["waiting for the button"]:
            with bench.happening() as evse:
                evse.people.levels["button"] = True

    bench.answers = answer
    bench.run(left_out=(Check.INPUTS, Check.CONTACTOR), each_step=press)
    lights = [(each.what, each.verdict) for each in bench.of(Check.LIGHT)]
    assert lights == [
        ("status light red", Verdict.PASSED),
        ("status light green", Verdict.PASSED),
        ("status light blue", Verdict.FAILED),
    ]
    assert list(seen.values())[:3] == ["red", "green", "blue"]
    assert bench.evse.people.report(bench.now_s)["buzzer"]["heard"] == "long"
    assert [each.verdict for each in bench.of(Check.BUZZER)] == [Verdict.PASSED]
    assert [each.value for each in bench.of(Check.BUTTON)] == ["acts"]


def test_a_finding_survives_its_way_as_json() -> None:
    bench = TrialBench()
    for each in bench.run():
        assert from_content(as_content(each)) == each
