"""The pilot's table, walked through its whole input range."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from agent.guard.pilot import (
    MAX_OFFER_A,
    MIN_OFFER_A,
    UNKNOWN_VIEW,
    DutyRange,
    NegativePeak,
    PilotView,
    cable_rating,
    classify,
    current_for_duty,
    duty_for_current,
    duty_range,
    step,
)
from agent.guard.wire import PilotState

A, B, C, D, E, F = (PilotState(name) for name in "ABCDEF")
FAULT = PilotState.FAULT
VEHICLE_ORDER = [A, B, C, D, E]


@pytest.mark.req("IEC 61851-1:2017 table A.4")
@pytest.mark.parametrize(("high_v", "state"), [(12.0, A), (9.0, B), (6.0, C), (3.0, D), (0.0, E), (-12.0, F)])
def test_every_nominal_level_is_its_state_whatever_came_before(high_v: float, state: PilotState) -> None:
    for previous, deviation_v in itertools.product(PilotState, (-0.5, 0.0, 0.5)):
        assert classify(high_v + deviation_v, previous) is state


@pytest.mark.parametrize(
    ("high_v", "expected"),
    [
        (10.5, {A: A, B: B, C: B, D: B, E: B, F: B}),
        (7.5, {A: B, B: B, C: C, D: C, E: C, F: C}),
        (4.5, {A: C, B: C, C: C, D: D, E: D, F: D}),
        (-1.5, {A: E, B: E, C: E, D: E, E: E, F: FAULT}),
        (-10.5, {A: FAULT, B: FAULT, C: FAULT, D: FAULT, E: FAULT, F: F}),
    ],
)
def test_between_two_windows_the_previous_state_decides(high_v: float, expected: dict[PilotState, PilotState]) -> None:
    for previous, state in expected.items():
        assert classify(high_v, previous) is state


def test_every_voltage_has_a_state_and_none_beyond_the_windows_is_a_vehicle() -> None:
    for tenth in range(-200, 201):
        for previous in PilotState:
            state = classify(tenth / 10, previous)
            if tenth > 130 or tenth < -130 or -100 < tenth < -20:
                assert state is FAULT
            else:
                assert state in (A, B, C, D, E, F, FAULT)
    for odd in (math.nan, math.inf, -math.inf):
        assert classify(odd, B) is FAULT


def test_a_state_is_believed_when_two_samples_in_a_row_agree() -> None:
    view = step(UNKNOWN_VIEW, high_v=9.0, low_v=9.0, pwm=False)
    assert view.state is PilotState.UNKNOWN
    view = step(view, high_v=9.0, low_v=9.0, pwm=False)
    assert view.state is B
    view = step(view, high_v=6.0, low_v=6.0, pwm=False)
    view = step(view, high_v=9.0, low_v=9.0, pwm=False)
    assert view.state is B
    view = step(step(view, high_v=6.0, low_v=6.0, pwm=False), high_v=6.0, low_v=6.0, pwm=False)
    assert view.state is C


def test_an_unknown_voltage_is_believed_at_once_and_keeps_what_is_known_of_the_diode() -> None:
    view = step(
        PilotView(state=C, diode_seen=True, diode_missing=True, sample=(C, NegativePeak.DIODE)),
        high_v=None,
        low_v=None,
        pwm=True,
    )
    assert view.state is PilotState.UNKNOWN
    assert (view.diode_seen, view.diode_missing) == (True, True)


def test_an_unchanged_sample_returns_the_same_view() -> None:
    view = step(step(UNKNOWN_VIEW, high_v=6.0, low_v=-12.0, pwm=True), high_v=6.0, low_v=-12.0, pwm=True)
    assert step(view, high_v=6.1, low_v=-11.9, pwm=True) is view


def test_the_diode_shows_only_under_pwm_with_a_vehicle_and_is_forgotten_without_one() -> None:
    for state_v, low_v, pwm in itertools.product((12.0, 9.0, 6.0, 3.0, 0.0), (-12.0, None, -9.0, -6.0, -3.0), (0, 1)):
        view = UNKNOWN_VIEW
        for _ in range(2):
            view = step(view, high_v=state_v, low_v=low_v, pwm=bool(pwm))
        vehicle = 3.0 <= state_v <= 9.0
        assert view.diode_seen is (bool(pwm) and vehicle and low_v == -12.0)
        assert view.diode_missing is (bool(pwm) and vehicle and low_v == -state_v)
        for _ in range(2):
            view = step(view, high_v=12.0, low_v=-12.0, pwm=True)
        assert not view.diode_seen
        assert not view.diode_missing


def test_a_missing_diode_stays_missing_until_the_vehicle_leaves() -> None:
    view = UNKNOWN_VIEW
    for low_v in (-9.0, -9.0, -12.0, -12.0, -12.0):
        view = step(view, high_v=9.0, low_v=low_v, pwm=True)
    assert view.diode_missing


@pytest.mark.req("IEC 61851-1:2017 Annex A, duty cycle and current")
def test_no_duty_cycle_ever_offers_more_than_asked_nor_much_less() -> None:
    for hundredth in range(600, 8001):
        current_a = hundredth / 100
        duty_pct = duty_for_current(current_a)
        offered_a = current_for_duty(duty_pct)
        assert 10.0 <= duty_pct <= 96.0
        assert offered_a <= current_a + 1e-9
        if 51.0 < current_a <= 52.5:
            assert offered_a == pytest.approx(51.0)
        else:
            assert offered_a > current_a - 0.003


@pytest.mark.parametrize(
    ("current_a", "duty_pct"), [(6, 10.0), (16, 26.666), (32, 53.333), (48, 80.0), (51, 85.0), (63, 89.2), (80, 96.0)]
)
def test_the_duty_cycle_of_well_known_currents(current_a: float, duty_pct: float) -> None:
    assert duty_for_current(current_a) == pytest.approx(duty_pct, abs=0.0011)


@pytest.mark.parametrize("current_a", [5.99, 80.01, 0.0, -6.0, math.nan, math.inf])
def test_a_current_without_a_code_is_refused(current_a: float) -> None:
    with pytest.raises(ValueError, match=f"outside {MIN_OFFER_A:g}-{MAX_OFFER_A:g} A"):
        duty_for_current(current_a)


@pytest.mark.parametrize(
    ("duty_pct", "current_a"),
    [(0, 0), (5, 0), (7.9, 0), (8, 6), (9.9, 6), (10, 6), (85, 51), (96, 80), (97, 80), (97.1, 0), (100, 0)],
)
def test_what_a_vehicle_may_draw_at_the_edges_of_the_table(duty_pct: float, current_a: float) -> None:
    assert current_for_duty(duty_pct) == pytest.approx(current_a)


@pytest.mark.req("IEC 61851-1:2017 Annex B, resistor coding")
@pytest.mark.parametrize(
    ("ohm", "rating_a"),
    [(1500, 13), (680, 20), (220, 32), (100, 63), (math.inf, None), (2700, None), (40, None), (0, None), (None, None)],
)
def test_the_cable_resistor_codes_its_rating_within_three_percent(ohm: float | None, rating_a: float | None) -> None:
    for factor in (0.97, 1.0, 1.03):
        assert cable_rating(None if ohm is None else ohm * factor) == rating_a


def test_an_unreadable_resistor_is_no_rating() -> None:
    assert cable_rating(math.nan) is None


@pytest.mark.req("IEC 61851-1:2017 Annex A, maximum current to be drawn by the vehicle")
def test_every_duty_cycle_has_its_range() -> None:
    """Every thousandth of a percent, against the table written out."""
    for thousandth in range(100_001):
        duty_pct = thousandth / 1000
        if thousandth == 0:
            expected = DutyRange.NOT_AVAILABLE
        elif thousandth == 100_000:
            expected = DutyRange.NO_OFFER
        elif 3000 <= thousandth <= 7000:
            expected = DutyRange.DIGITAL
        elif 8000 <= thousandth < 10_000:
            expected = DutyRange.MINIMUM
        elif 10_000 <= thousandth <= 85_000:
            expected = DutyRange.LOW
        elif 85_000 < thousandth <= 96_000:
            expected = DutyRange.HIGH
        elif 96_000 < thousandth <= 97_000:
            expected = DutyRange.MAXIMUM
        else:
            expected = DutyRange.NO_CHARGING
        assert duty_range(duty_pct) is expected, duty_pct
    for outside in (-0.001, 100.001, math.nan):
        with pytest.raises(ValueError, match="outside 0-100 %"):
            duty_range(outside)


def test_a_sample_that_is_known_by_its_window_is_what_a_judgement_would_have_made_of_it() -> None:
    """Every believed view, and from it every tenth of a volt on both half waves, with and without PWM."""
    levels = [tenth / 10 for tenth in range(-135, 136, 5)]
    believed = {
        step(step(UNKNOWN_VIEW, high_v=high_v, low_v=low_v, pwm=pwm), high_v=high_v, low_v=low_v, pwm=pwm)
        for high_v, low_v, pwm in itertools.product((12.0, 9.0, 6.0, 3.0, 0.0, -12.0), (-12.0, -9.0, None), (0, 1))
    }
    known = [view for view in believed if view.same is not None]
    assert {view.state for view in known} == {A, B, C, D, E, F}
    skipped = 0
    for view in known:
        judged = replace(view, same=None)
        for high_v, low_v, pwm in itertools.product(levels, (*levels, None), (False, True)):
            quick = step(view, high_v=high_v, low_v=low_v, pwm=pwm)
            slow = step(judged, high_v=high_v, low_v=low_v, pwm=pwm)
            assert replace(quick, same=None) == replace(slow, same=None)
            skipped += quick is view
    assert skipped > 1000


def test_the_whole_table_of_states_and_negative_peaks() -> None:
    """Every state before, every tenth of a volt on both half waves, with and without PWM: what two samples make of it.

    The expected answer is written from the standard's words, not from the code.
    """
    levels = [tenth / 10 for tenth in range(-140, 141, 5)]
    for previous, high_v in itertools.product(PilotState, levels):
        state = classify(high_v, previous)
        vehicle = state in (B, C, D)
        for low_v, pwm in itertools.product(levels, (False, True)):
            view = PilotView(state=previous)
            for _ in range(2):
                view = step(view, high_v=high_v, low_v=low_v, pwm=pwm)
            assert view.state is classify(high_v, state)
            mirrored = abs(high_v + low_v) <= 1.2
            judged = pwm and vehicle and view.state is state and high_v > 2.0
            assert view.diode_missing is (judged and mirrored)
            assert view.diode_seen is (judged and not mirrored and -13.0 <= low_v <= -10.0)
