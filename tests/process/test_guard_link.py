"""The agent's end of the guard's socket, against a real guard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.model.inputs import GuardLinkChanged, GuardReported, Input
from agent.runtime.guard_bus import GuardBus
from agent.runtime.guard_link import GuardLink
from drivers.api import DriverError, DriverUnavailable, RegisterKind
from tests.process.guard_client import GuardProcess

BUSES = {"rs485": {"target": "tests.process.guard_board:open_bus", "options": {"offset": 7}}}


@asynccontextmanager
async def linked(guard: GuardProcess, plan_id: str) -> AsyncIterator[tuple[GuardLink, asyncio.Queue[Input]]]:
    inputs: asyncio.Queue[Input] = asyncio.Queue()
    link = GuardLink(Path(guard.socket), plan_id, inputs.put_nowait)
    task = asyncio.create_task(link.run())
    try:
        yield link, inputs
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def plan_id_of(guard: GuardProcess) -> str:
    return str(json.loads(guard.plan.read_text())["plan_id"])


async def test_a_meter_on_the_guards_bus_is_read_through_its_socket(tmp_path: Path) -> None:
    guard = GuardProcess(tmp_path, buses=BUSES)
    try:
        guard.start()
        async with linked(guard, plan_id_of(guard)) as (link, inputs), asyncio.timeout(10):
            assert await inputs.get() == GuardLinkChanged(connected=True)
            bus = GuardBus(link, "rs485")
            read = await bus.read_registers(unit=1, kind=RegisterKind.INPUT, address=10, count=3)
            assert read == (17, 18, 19)
            with pytest.raises(DriverError, match="unit 99 does not answer"):
                await bus.read_registers(unit=99, kind=RegisterKind.INPUT, address=10, count=3)
            with pytest.raises(DriverError, match="owns no bus named 'other'"):
                await GuardBus(link, "other").read_registers(unit=1, kind=RegisterKind.INPUT, address=0, count=1)
    finally:
        guard.kill()


async def test_reports_come_in_the_models_words_and_a_dead_guard_is_noticed(tmp_path: Path) -> None:
    guard = GuardProcess(tmp_path, buses=BUSES)
    try:
        guard.start()
        async with linked(guard, plan_id_of(guard)) as (link, inputs), asyncio.timeout(15):
            assert await inputs.get() == GuardLinkChanged(connected=True)
            report = await inputs.get()
            assert isinstance(report, GuardReported)
            assert report.condition.contactor_closed is False
            guard.kill()
            while await inputs.get() != GuardLinkChanged(connected=False):
                pass
            assert not link.connected
            with pytest.raises(DriverUnavailable, match="cannot be reached"):
                await GuardBus(link, "rs485").read_registers(unit=1, kind=RegisterKind.INPUT, address=10, count=1)
    finally:
        guard.kill()


async def test_a_guard_with_another_plan_gets_no_permits(tmp_path: Path) -> None:
    guard = GuardProcess(tmp_path)
    try:
        guard.start()
        async with linked(guard, "another-plan") as (link, inputs):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await inputs.get()
            assert not link.connected
    finally:
        guard.kill()
