"""Whole houses of real processes for tests, and their evidence in the report when one fails."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from hil.client import Bench, BenchError
from hil.house import House, HouseOptions
from tests.process.charges import Houses

HOUSES: Final = pytest.StashKey[list[House]]()
EVIDENCE_SIGNALS: Final = ("*",)
TAIL_CHARACTERS: Final = 6000
ROLES: Final = ("guard", "agent", "csms", "bench")


@pytest.fixture
async def houses(request: pytest.FixtureRequest) -> AsyncIterator[Houses]:
    """Start houses with ``await houses(options)``; all are torn down at the end, evidence stays when the test failed."""
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


FAILED: Final = pytest.StashKey[bool]()


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


def keep_evidence(directory: Path) -> None:
    """Write what bench and CSMS know into their folder, as far as they still answer."""
    try:
        with Bench(directory) as bench:
            (directory / "state.json").write_text(json.dumps(bench.state(), indent=1))
            entries = bench.trace(*EVIDENCE_SIGNALS)
            (directory / "trace.txt").write_text("".join(f"{t:.3f} {name} {value}\n" for t, name, value in entries))
            for ask in ("ledger", "messages"):
                found: Any = bench.csms(ask=ask)
                (directory / f"{ask}.json").write_text(json.dumps(found, indent=1))
    except BenchError as error:
        (directory / "evidence.txt").write_text(f"{error}\n")


def summary_of(directory: Path) -> str:
    """Return the book and the ends of the logs, for a report."""
    parts = []
    book = directory / "ledger.json"
    if book.exists():
        ledger = json.loads(book.read_text())
        for row in ledger["transactions"]:
            told = {key: value for key, value in row.items() if key != "samples"}
            parts.append(f"{told} with {len(row['samples'])} samples")
        parts.append(f"problems: {ledger['problems']}")
    state = directory / "state.json"
    if state.exists():
        for number, evse in json.loads(state.read_text())["evses"].items():
            parts.append(f"EVSE {number} energisings: {evse['energisings']}")
    for role in ROLES:
        log = directory / f"{role}.log"
        if log.exists():
            parts.append(f"--- {role} ---\n{log.read_text(errors='replace')[-TAIL_CHARACTERS:]}")
    return "\n".join(parts)
