"""Tenths, as decimals."""

from __future__ import annotations

import pytest

from agent.ocpp.decimals import check_tenths, is_in_tenths


def test_every_tenth_up_to_a_thousand_is_one() -> None:
    assert all(is_in_tenths(n / 10) and is_in_tenths(-n / 10) for n in range(10_000))


def test_tenths_far_out_are_still_tenths() -> None:
    assert all(is_in_tenths(number) for number in (1e22, 1e300, 2.0**60, 562949953421312.1, 99999999999.9))


@pytest.mark.parametrize("number", [0.05, 16.15, 0.1 + 0.2, 1e-7, float("nan"), float("inf"), float("-inf")])
def test_anything_finer_is_none(number: float) -> None:
    assert not is_in_tenths(number)
    with pytest.raises(ValueError, match="is not a multiple of"):
        check_tenths(16.1, None, number)
