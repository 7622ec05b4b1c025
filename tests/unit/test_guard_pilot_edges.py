"""The pilot's table at the very edges of its windows: which side an edge belongs to, found by changing it."""

from __future__ import annotations

import pytest

from agent.guard.pilot import (
    READY_STATES,
    UNKNOWN_VIEW,
    NegativePeak,
    cable_rating,
    classify,
    duty_for_current,
    judge_negative_peak,
    step,
)
from agent.guard.wire import PilotState

pytestmark = pytest.mark.req("IEC 61851-1 table A.4")
S = PilotState


@pytest.mark.parametrize(
    ("high_v", "before", "state"),
    [
        (13.0, S.B, S.A),
        (11.0, S.C, S.A),
        (10.0, S.A, S.A),
        (8.0, S.C, S.B),
        (7.0, S.B, S.B),
        (5.0, S.D, S.C),
        (4.0, S.C, S.C),
        (2.0, S.E, S.D),
        (-1.0, S.FAULT, S.E),
        (-2.0, S.E, S.E),
        (-10.0, S.F, S.F),
        (-11.0, S.FAULT, S.F),
        (-13.0, S.FAULT, S.F),
    ],
)
def test_the_edge_of_a_window_belongs_to_it(high_v: float, before: PilotState, state: PilotState) -> None:
    assert classify(high_v, before) is state


@pytest.mark.parametrize(
    ("ohm", "rating_a"),
    [
        (79.5, None), (80.0, 63.0), (80.5, 63.0), (139.5, 63.0), (140.0, 63.0), (140.5, 32.0), (307.5, 32.0),
        (308.0, 32.0), (308.5, 20.0), (935.5, 20.0), (936.0, 20.0), (936.5, 13.0), (2459.5, 13.0), (2460.0, 13.0),
        (2460.5, None),
    ],
)  # fmt: skip
def test_the_edges_of_the_cable_coding(ohm: float, rating_a: float | None) -> None:
    assert cable_rating(ohm) == rating_a


def test_a_current_that_has_an_exact_code_gets_it() -> None:
    assert [duty_for_current(current_a) for current_a in (6.0, 12.0, 51.0, 60.0)] == [10.0, 20.0, 85.0, 88.0]


def test_a_code_that_would_offer_a_trace_more_is_not_taken() -> None:
    assert duty_for_current(6.036) == 10.059, "0.6 x 10.06 is above 6.036 by the last bit"


def test_the_vehicle_is_ready_in_c_and_in_d() -> None:
    assert {S.C, S.D} == READY_STATES


def test_just_symmetric_is_clamped() -> None:
    assert judge_negative_peak(S.D, 2.4, -1.2, pwm=True) is NegativePeak.CLAMPED
    assert judge_negative_peak(S.D, 2.4, -1.1, pwm=True) is NegativePeak.UNCLEAR


def test_nothing_new_is_the_same_view() -> None:
    assert step(UNKNOWN_VIEW, high_v=None, low_v=None, pwm=False) is UNKNOWN_VIEW
    unclear = UNKNOWN_VIEW
    for _ in range(2):
        unclear = step(unclear, high_v=9.0, low_v=-5.0, pwm=True)
    assert unclear.negative is NegativePeak.UNCLEAR
    assert step(unclear, high_v=9.0, low_v=-5.0, pwm=True) is unclear
