"""More drawn than offered: when it counts, and when the vehicle still has its time."""

from __future__ import annotations

import pytest

from agent.charging.over_current import OverCurrent

pytestmark = pytest.mark.req("IEC 61851-1 table A.6, sequence 5")


def watched(*offers: tuple[float, float | None], readings: list[tuple[float, float | None]]) -> OverCurrent:
    """Return the verdict on offers (since, A) and readings (taken, A), in order of time."""
    over = OverCurrent()
    events: list[tuple[float, int, float | None]] = [(at_s, 0, a) for at_s, a in offers]
    events += [(at_s, 1, a) for at_s, a in readings]
    for at_s, kind, current_a in sorted(events, key=lambda each: each[:2]):
        if kind:
            over.see(current_a, at_s)
        else:
            over.offer(current_a, at_s)
    return over


def every_second(current_a: float | None, from_s: int, until_s: int) -> list[tuple[float, float | None]]:
    return [(float(at_s), current_a) for at_s in range(from_s, until_s + 1)]


def test_more_than_the_tolerance_for_seven_seconds_is_a_verdict_that_says_how_much() -> None:
    over = watched((0.0, 16.0), readings=every_second(18.2, 10, 17))
    assert over.verdict == "18.2 A drawn of 16 A offered, for 7 s"
    assert not watched((0.0, 16.0), readings=every_second(18.2, 10, 16)).verdict


@pytest.mark.parametrize(("offer_a", "most_a"), [(6.0, 7.15), (16.0, 18.15), (32.0, 35.75)])
def test_within_the_tolerance_nothing_is_said(offer_a: float, most_a: float) -> None:
    assert not watched((0.0, offer_a), readings=every_second(most_a - 0.001, 10, 60)).verdict
    assert watched((0.0, offer_a), readings=every_second(most_a + 0.001, 10, 60)).verdict


def test_after_a_reduction_the_old_limit_holds_for_the_time_to_follow() -> None:
    reduced = ((0.0, 32.0), (100.0, 10.0))
    assert not watched(*reduced, readings=every_second(32.0, 90, 112)).verdict
    assert watched(*reduced, readings=every_second(32.0, 90, 113)).verdict
    assert not watched(*reduced, readings=every_second(32.0, 90, 105) + every_second(10.0, 106, 200)).verdict


def test_one_reading_within_the_limit_begins_the_count_anew() -> None:
    readings = [*every_second(20.0, 10, 16), (17.0, 16.0), *every_second(20.0, 18, 24)]
    assert not watched((0.0, 16.0), readings=readings).verdict


def test_an_unknown_current_is_no_proof() -> None:
    readings = [*every_second(20.0, 10, 16), (17.0, None), *every_second(20.0, 18, 24)]
    assert not watched((0.0, 16.0), readings=readings).verdict


def test_two_readings_of_a_slow_meter_are_not_enough_and_a_repeated_one_is_none() -> None:
    assert not watched((0.0, 16.0), readings=[(10.0, 20.0), (20.0, 20.0), (20.0, 20.0)]).verdict
    assert watched((0.0, 16.0), readings=[(10.0, 20.0), (20.0, 20.0), (30.0, 20.0)]).verdict


def test_without_an_offer_the_guard_opens_by_itself_and_nothing_is_said_here() -> None:
    assert not watched((0.0, 16.0), (20.0, None), readings=every_second(16.0, 10, 60)).verdict
    assert not watched(readings=every_second(16.0, 10, 60)).verdict


def test_an_offer_that_has_just_begun_gives_the_vehicle_its_time() -> None:
    begun = ((0.0, None), (20.0, 6.0))
    assert not watched(*begun, readings=every_second(16.0, 20, 32)).verdict
    assert watched(*begun, readings=every_second(16.0, 20, 34)).verdict


def test_the_verdict_stays_until_the_vehicle_has_left() -> None:
    over = watched((0.0, 16.0), readings=every_second(30.0, 10, 20) + every_second(0.0, 21, 100))
    assert over.verdict
    over.forget()
    assert not over.verdict


def test_after_the_offer_was_lost_and_is_known_again_it_counts_from_there() -> None:
    over = watched((0.0, 16.0), readings=every_second(16.0, 1, 9))
    over.lose()
    for at_s, current_a in every_second(30.0, 10, 30):
        over.see(current_a, at_s)
    assert not over.verdict
    over.offer(16.0, 31.0)
    for at_s, current_a in every_second(30.0, 32, 39):
        over.see(current_a, at_s)
    assert over.verdict
