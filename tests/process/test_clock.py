"""A board without a clock: the time comes late, or never, or jumps. Order, durations and intervals hold."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.process.houses import START_ACTION, STARTED, Stay, options, stay, took_s, utc_s, wanted, world

pytestmark = pytest.mark.process

HOUR_S = 3600.0


async def check_durations(house: Stay, row: Mapping[str, Any], closed_s: float, opened_s: float) -> None:
    """The transaction is as long as the contactor says, and its samples are a second apart."""
    assert -0.2 < took_s(row) - (opened_s - closed_s) < 2.0, "start and end lie around the energy, 2 s at most"
    times = [utc_s(each["at_utc"]) for each in row["samples"] if each["context"] == "Sample.Periodic"]
    assert len(times) >= 2
    assert all(0.5 < later - sooner < 2.5 for sooner, later in itertools.pairwise(times))
    assert utc_s(row["start_utc"]) <= times[0]
    assert times[-1] <= utc_s(row["stop_utc"])


async def charge(house: Stay, between: Any = None) -> tuple[float, float]:
    """Charge; return when the contactor closed and opened."""
    closed_s = await house.begin()
    if between is not None:
        await house.charged(1.2)
        await between
    opened_s = await house.end(charged_s=2.6)
    await house.idle()
    return closed_s, opened_s


def wall_s(mono_s: float) -> float:
    """Return the true time of day of a monotonic moment."""
    return time.time() - time.monotonic() + mono_s


@pytest.mark.req("OCPP 1.6 §4.2, errata 3.22")
@pytest.mark.parametrize("ocpp", ["1.6"])
async def test_without_a_clock_the_csms_gives_the_time(ocpp: str) -> None:
    async with world(options(ocpp)) as house:
        await house.bench.clock(mode="unknown")
        await house.house.start_station()
        await house.online()
        closed_s, opened_s = await charge(house)
        (row,) = await house.exact(1)
        await check_durations(house, row, closed_s, opened_s)
        assert abs(utc_s(row["stop_utc"]) - wall_s(opened_s)) < 1.5
        assert (await house.status())["station"]["time_quality"] == "csms"
        log = house.house.child("agent").log_text()
        assert log.index("station.registered") < log.index("agent.started")  # no time that aged while modules load


async def test_facts_wait_for_a_clock_where_the_csms_does_not_know_it_either() -> None:
    async with world() as house:
        await house.csms.ask("script", clock={"text": "half past ten"}, interval_s=1)
        await house.bench.clock(mode="unknown")
        await house.house.start_station()
        await house.until(lambda status: status["csms"]["online"] and house._devices_ready(status))
        closed_s, opened_s = await charge(house)
        assert await house.frames("StartTransaction") == []
        assert (await house.status())["station"]["utc"] is None
        await house.bench.clock(mode="system")
        (row,) = await house.exact(1)
        await check_durations(house, row, closed_s, opened_s)
        assert abs(utc_s(row["stop_utc"]) - wall_s(opened_s)) < 1.5


@pytest.mark.req("OCPP 1.6 §4.2.1, errata 3.11")
@pytest.mark.parametrize("ocpp", ["2.0.1"])
async def test_a_whole_charge_without_clock_and_csms_gets_its_times_afterwards(ocpp: str) -> None:
    async with world(options(ocpp, extra={"authorization": "offline_unknown = true"})) as house:
        await house.bench.clock(mode="unknown")
        await house.bench.net(mode="down")
        await house.house.start_station()
        await house.ready()
        closed_s, opened_s = await charge(house)
        await house.bench.net(mode="up")
        (row,) = await house.exact(1)
        await check_durations(house, row, closed_s, opened_s)
        assert abs(utc_s(row["stop_utc"]) - wall_s(opened_s)) < 1.5


@pytest.mark.parametrize(("ocpp", "jump_s"), [("1.6", 3 * HOUR_S), ("2.0.1", -3 * HOUR_S)], ids=["forward", "back"])
@pytest.mark.req("advice: a clock that is set moves nothing that was recorded")
async def test_a_clock_that_jumps_during_a_charge_bends_no_duration(ocpp: str, jump_s: float) -> None:
    async with stay(options(ocpp)) as house:
        await house.online()
        closed_s, opened_s = await charge(house, house.bench.clock(mode="step", seconds=jump_s))
        (row,) = await house.exact(1)
        await check_durations(house, row, closed_s, opened_s)


@pytest.mark.req("OCPP-J 1.6 errata 3.1")
@pytest.mark.parametrize("ocpp", ["1.6"])
async def test_the_first_rendering_of_a_fact_fixes_its_time(ocpp: str) -> None:
    """Told to a deaf CSMS with one time, told again after the clock was corrected: the same time."""
    variables = {"TransactionMessageAttempts": "5", "TransactionMessageRetryInterval": "1"}
    async with world(options(ocpp, variables=variables, extra={"authorization": "offline_unknown = true"})) as house:
        await house.bench.clock(mode="unknown")
        await house.bench.net(mode="down")
        await house.house.start_station()
        await house.ready()
        await charge(house)
        await house.csms.ask("script", action=START_ACTION[ocpp], reply="callerror", times=1)
        await house.csms.ask("script", action=START_ACTION[ocpp], reply="silent", times=1, booked=False)
        await house.bench.net(mode="up")
        await wanted(house, START_ACTION[ocpp], count=2, where=STARTED[ocpp])
        await house.bench.clock(mode="system")
        await house.bench.clock(mode="step", seconds=HOUR_S)
        await house.bench.net(mode="down")
        await house.bench.net(mode="up")
        told = await wanted(house, START_ACTION[ocpp], count=3, where=STARTED[ocpp])
        assert len({frame["payload"]["timestamp"] for frame in told}) == 1
        assert told[0]["payload"] == told[1]["payload"] == told[2]["payload"]
        assert told[0]["message_id"] != told[1]["message_id"] == told[2]["message_id"]
        await house.exact(1)
