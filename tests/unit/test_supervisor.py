"""Long-lived tasks: what their failure means, and that a stop always comes to an end."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time

import pytest

from agent.runtime.supervisor import Kind, Supervisor


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_task_that_swallows_its_cancellation_does_not_keep_the_station_from_stopping() -> None:
    async def deaf_once() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    supervisor = Supervisor(time.monotonic)
    supervisor.add("deaf", deaf_once)
    asyncio.get_running_loop().call_soon(supervisor.stop)
    async with asyncio.timeout(5):
        await supervisor.run()
    assert supervisor.stopping


async def test_the_failure_of_an_essential_task_ends_the_run_with_its_error() -> None:
    async def broken() -> None:
        raise ValueError("the core is broken")

    supervisor = Supervisor(time.monotonic)
    supervisor.add("core", broken, Kind.ESSENTIAL)
    supervisor.add("other", for_ever)
    with pytest.raises(ValueError, match="the core is broken"):
        await supervisor.run()


async def test_an_essential_task_that_returns_is_a_failure() -> None:
    async def returns() -> None:
        return

    supervisor = Supervisor(time.monotonic)
    supervisor.add("core", returns, Kind.ESSENTIAL)
    with pytest.raises(RuntimeError, match="essential task core returned"):
        await supervisor.run()


async def test_another_task_is_started_again_and_is_well_when_it_has_lived_for_a_while() -> None:
    told: list[tuple[str, bool]] = []
    runs = 0
    supervisor = Supervisor(time.monotonic, well_after_s=0.05)

    async def fails_once() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise OSError("no such port")
        await for_ever()

    def tell(error: str, raised: bool) -> None:
        told.append((error, raised))
        if not raised:
            supervisor.stop()

    supervisor.add("meters", fails_once, on_failure=tell)
    async with asyncio.timeout(5):
        await supervisor.run()
    assert runs == 2
    assert told == [("OSError: no such port", True), ("", False)]


async def test_a_task_that_fails_at_once_again_is_not_called_well_in_between() -> None:
    told: list[bool] = []
    supervisor = Supervisor(time.monotonic, well_after_s=0.05)

    async def fails() -> None:
        if len(told) == 2:
            supervisor.stop()
            await for_ever()
        raise OSError("no such port")

    supervisor.add("reader", fails, on_failure=lambda _error, raised: told.append(raised))
    async with asyncio.timeout(5):
        await supervisor.run()
    assert told == [True, True]


async def test_a_task_added_while_running_starts_at_once() -> None:
    started = asyncio.Event()
    supervisor = Supervisor(time.monotonic)

    async def late() -> None:
        started.set()
        supervisor.stop()

    async def adds() -> None:
        supervisor.add("late", late, Kind.ONCE)

    supervisor.add("assembly", adds, Kind.ONCE)
    async with asyncio.timeout(5):
        await supervisor.run()
    assert started.is_set()


@pytest.mark.req("OCPP 1.6 §9.1, ResetRetries; OCPP 2.0.1 B11")
@pytest.mark.parametrize(("retries", "code"), [(1, -signal.SIGALRM), (3, -signal.SIGALRM), (0, 0)])
def test_a_restart_that_hangs_is_retried_by_the_kernel_where_retries_are_wanted(retries: int, code: int) -> None:
    program = (
        "import select; from agent.runtime.supervisor import retry_restart; "
        f"retry_restart({retries}, after_s=0.05); select.select([], [], [], {30 if retries else 0.1})"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=20).returncode == code
