"""A slice of the year without a network: the real agent drains a backlog while a driver comes and charges."""

from __future__ import annotations

import pytest

from tests.process.charges import Houses, house_options
from tests.process.soak_outage import GROWTH_MIB, outage
from tests.process.year import Year


@pytest.mark.req("OCPP 1.6 §3.7; quirk T7")
async def test_a_backlog_is_told_once_in_order_to_the_watt_hour_and_overtaken_by_what_is_live(
    worlds: Houses,
) -> None:
    house = await worlds(house_options())
    figures = await outage(house, Year(samples=2_000, transactions=20), print)
    assert figures.overtaken["StatusNotification"] < 300
    assert figures.overtaken["Authorize"] < 300
    assert figures.rss_most_mib - figures.rss_started_mib < GROWTH_MIB
