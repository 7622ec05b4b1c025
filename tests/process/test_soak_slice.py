"""A slice of the soak: a few random kills over a few charges, in both versions."""

from __future__ import annotations

import pytest

from tests.process.charges import VERSIONS, Houses, house_options
from tests.process.soak_kill import soak


@pytest.mark.parametrize(("ocpp", "seed"), list(zip(VERSIONS, (7, 11), strict=True)))
async def test_random_kills_over_short_charges_leave_a_book_that_equals_the_meter(
    houses: Houses, ocpp: str, seed: int
) -> None:
    house = await houses(house_options(ocpp))
    assert await soak(house, kills=6, charges=2, seed=seed, tell=print) == []
