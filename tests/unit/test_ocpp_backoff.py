"""Waits between connections."""

from __future__ import annotations

import pytest

from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.variables import VariableBook
from agent.ocpp.backoff import BackOff


def back_off(minimum: int = 3, span: int = 0, doublings: int = 3, chance: float = 0.0) -> BackOff:
    presets = {
        "ocppcommctrlr.retrybackoffwaitminimum": str(minimum),
        "ocppcommctrlr.retrybackoffrandomrange": str(span),
        "ocppcommctrlr.retrybackoffrepeattimes": str(doublings),
    }
    return BackOff(VariableBook(STANDARD_VARIABLES, presets=presets, stored=()), lambda: chance)


@pytest.mark.req("OCPP 2.0.1 part 4 §5.3")
def test_the_wait_doubles_as_often_as_it_may_and_then_stays() -> None:
    waits = back_off()
    assert [waits.wait_s() for _ in range(6)] == [3, 6, 12, 24, 24, 24]


@pytest.mark.req("OCPP 2.0.1 part 4 §5.3")
def test_chance_adds_up_to_the_range() -> None:
    assert back_off(span=10, chance=0.5).wait_s() == 8.0


@pytest.mark.req("quirk T23")
def test_a_station_never_comes_back_at_once() -> None:
    assert back_off(minimum=1, doublings=0).wait_s() >= 1.0


@pytest.mark.req("OCPP 2.0.1 part 4 §5.3, errata 2025-04")
@pytest.mark.parametrize(
    ("registered", "lasted_s", "next_wait_s"), [(True, 60.0, 3.0), (False, 3_600.0, 12.0), (True, 2.0, 12.0)]
)
def test_only_a_useful_connection_starts_over(registered: bool, lasted_s: float, next_wait_s: float) -> None:
    waits = back_off()
    waits.wait_s()
    waits.wait_s()
    waits.ended(registered=registered, lasted_s=lasted_s)
    assert waits.wait_s() == next_wait_s


def test_no_setting_keeps_the_station_away_for_more_than_a_day() -> None:
    waits = back_off(minimum=3_600, doublings=10)
    assert max(waits.wait_s() for _ in range(20)) == 86_400.0
