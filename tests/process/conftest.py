"""Whole houses of real processes for tests, and their evidence in the report when one fails."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from hil.house import House, HouseOptions
from tests.process.charges import Houses
from tests.process.evidence import keep_evidence, summary_of

HOUSES: Final = pytest.StashKey[list[House]]()
FAILED: Final = pytest.StashKey[bool]()


@pytest.fixture
async def houses(request: pytest.FixtureRequest) -> AsyncIterator[Houses]:
    """Start houses with ``await houses(options)``; all end with the test, and the evidence of a failed one stays."""
    started: list[House] = request.node.stash.setdefault(HOUSES, [])
    async with AsyncExitStack() as stack:

        async def start(options: HouseOptions) -> House:
            # Short, because the paths of Unix sockets are.
            house = House(Path(tempfile.mkdtemp(prefix="ca-")), options)
            started.append(house)
            return await stack.enter_async_context(house)

        yield start
    if not (request.node.stash.get(FAILED, False)):
        for house in started:
            shutil.rmtree(house.directory, ignore_errors=True)


@pytest.fixture
async def worlds(request: pytest.FixtureRequest) -> AsyncIterator[Houses]:
    """As ``houses``, but nothing is started: a test opens the world and starts the station itself."""
    started: list[House] = request.node.stash.setdefault(HOUSES, [])
    async with AsyncExitStack() as stack:

        async def make(options: HouseOptions) -> House:
            house = House(Path(tempfile.mkdtemp(prefix="ca-")), options)
            started.append(house)
            await stack.enter_async_context(house.prepared())
            return house

        yield make
    if not (request.node.stash.get(FAILED, False)):
        for house in started:
            shutil.rmtree(house.directory, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the houses saw to the report of a failed test, and keep their folders."""
    report = yield
    if report.failed and HOUSES in item.stash:
        item.stash[FAILED] = True
        for house in item.stash[HOUSES]:
            keep_evidence(house.directory)
            report.sections.append((f"evidence in {house.directory}", summary_of(house.directory)))
    return report
