"""The time of day from the CSMS: taken over, followed, never moving what was recorded."""

from __future__ import annotations

import pytest

from agent.clock import SLEW_S, Clock, TimeQuality

NOON_S = 1_795_176_000.0  # 2026-11-20T12:00:00Z


class Board:
    """A board without a battery; ``known_s`` is what its own clock would be vouched for."""

    def __init__(self) -> None:
        self.mono_s = 100.0
        self.known_s: float | None = None
        self.steps: list[float | None] = []
        self.clock = Clock(self, monotonic=lambda: self.mono_s, on_set=lambda _utc_s, step_s: self.steps.append(step_s))

    def utc_s(self) -> float | None:
        return self.known_s

    def boot_id(self) -> str:
        return "boot"


@pytest.mark.req("OCPP 1.6 §4.2; OCPP 2.0.1 B01, G02")
def test_the_time_of_the_csms_is_taken_over_and_told_once() -> None:
    board = Board()
    assert (board.clock.utc_s(), board.clock.quality) == (None, TimeQuality.UNKNOWN)
    stamp = board.clock.now()
    board.mono_s += 10
    assert board.clock.heard(NOON_S)
    assert (board.clock.utc_s(), board.clock.quality, board.steps) == (NOON_S, TimeQuality.CSMS, [None])
    assert board.clock.resolve(stamp) == NOON_S - 10


def test_small_differences_are_slewed_and_big_ones_are_a_step_that_moves_nothing_recorded() -> None:
    board = Board()
    board.clock.heard(NOON_S)
    board.clock.new_anchor()
    before = board.clock.now()
    for late_s in (1.5, 1.9):
        board.mono_s += 60
        expected_s = board.clock.utc_s()
        assert expected_s is not None
        board.clock.heard(expected_s - late_s)
        assert board.clock.utc_s() == pytest.approx(expected_s - SLEW_S)
    assert board.steps == [None]
    board.clock.heard(NOON_S + 3_600)
    assert board.clock.utc_s() == NOON_S + 3_600
    assert board.steps[1] == pytest.approx(3_600 - 120 + 2 * SLEW_S)
    assert board.clock.resolve(before) == NOON_S


def test_a_clock_that_somebody_vouches_for_is_left_alone() -> None:
    board = Board()
    board.known_s = NOON_S
    board.clock.heard(NOON_S + 3_600)
    assert (board.clock.utc_s(), board.steps, board.clock.quality) == (NOON_S, [], TimeQuality.SYSTEM)


def test_a_csms_that_does_not_know_the_time_is_not_believed() -> None:
    board = Board()
    assert not board.clock.heard(0.0)
    assert board.clock.utc_s() is None
