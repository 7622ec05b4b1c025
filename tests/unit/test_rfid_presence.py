"""One report for each presentation of a card."""

from __future__ import annotations

import pytest

from drivers.rfid.presence import Presence

FRAME_S = 0.065


@pytest.fixture
def presence() -> Presence:
    return Presence(absence_s=1.0, hold_off_s=3.0)


def _hold(presence: Presence, uid: str, start_s: float, end_s: float) -> list[float]:
    """Hold a card and return when it was reported."""
    times = [start_s + FRAME_S * i for i in range(int((end_s - start_s) / FRAME_S) + 1)]
    return [now_s for now_s in times if presence.is_new(uid, now_s)]


def test_a_card_is_reported_once_however_long_it_is_held(presence: Presence) -> None:
    assert _hold(presence, "A", 0.0, 20.0) == [0.0]


def test_the_same_card_is_reported_again_after_absence_and_hold_off(presence: Presence) -> None:
    assert _hold(presence, "A", 0.0, 0.5) == [0.0]
    assert _hold(presence, "A", 3.5, 4.0) == [3.5]


def test_a_shaking_hand_is_one_presentation(presence: Presence) -> None:
    reports = [report for start_s in range(8) for report in _hold(presence, "A", start_s * 0.9, start_s * 0.9 + 0.2)]
    assert reports == [0.0]


def test_a_card_that_is_back_too_early_counts_when_the_hold_off_ends(presence: Presence) -> None:
    _hold(presence, "A", 0.0, 0.1)
    (again_s,) = _hold(presence, "A", 2.0, 6.0)
    assert 3.0 <= again_s < 3.0 + FRAME_S


def test_a_card_that_went_before_the_hold_off_ended_is_not_reported(presence: Presence) -> None:
    _hold(presence, "A", 0.0, 0.1)
    assert _hold(presence, "A", 2.0, 2.5) == []


def test_a_different_card_is_reported_at_once(presence: Presence) -> None:
    assert presence.is_new("A", 0.0)
    assert presence.is_new("B", 0.1)
    assert not presence.is_new("A", 0.2)


def test_cards_that_left_are_forgotten(presence: Presence) -> None:
    for number in range(100):
        presence.is_new(f"{number}", number * 10.0)
    assert len(presence._visits) == 1
