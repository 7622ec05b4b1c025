"""How often an agent without a guard looks for one: soon after it went, seldom when it stays away."""

from __future__ import annotations

import pytest

from agent.runtime.guard_link import retry_pause_s


@pytest.mark.parametrize(
    ("without_s", "pause_s"),
    [(0.0, 0.1), (4.99, 0.1), (5.0, 1.0), (29.9, 1.0), (30.0, 3.0), (86400.0, 3.0)],
)
def test_the_longer_a_guard_stays_away_the_less_often_it_is_looked_for(without_s: float, pause_s: float) -> None:
    assert retry_pause_s(without_s) == pause_s


def test_a_restarted_guard_is_found_at_once() -> None:
    assert all(retry_pause_s(tenths / 10) <= 0.1 for tenths in range(50))
