"""Starting and stopping real child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hil.launch import Launcher, LaunchFailed

SHELL = "/bin/sh"


@pytest.fixture
async def launcher(tmp_path: Path) -> AsyncIterator[Launcher]:
    async with Launcher(tmp_path) as running:
        yield running


async def gone(pid: int) -> None:
    """Wait until a process has ended that need not be our child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(5):
            await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)


async def test_a_child_is_ready_when_the_claim_holds_and_stops_when_asked(launcher: Launcher, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    child = await launcher.start("one", [SHELL, "-c", f"trap 'exit 7' TERM; touch {sign}; sleep 60 & wait"])
    await child.ready(sign.exists, what="the sign", timeout_s=5)
    assert child.running
    assert (tmp_path / "one.pid").read_text() == f"{child.pid}\n"
    assert os.getpgid(child.pid) == child.pid
    assert await child.stop() == 7
    assert not (tmp_path / "one.pid").exists()


async def test_a_child_that_ends_too_early_is_reported_with_the_tail_of_its_log(launcher: Launcher) -> None:
    child = await launcher.start("bad", [SHELL, "-c", "echo first; echo 'no such meter' >&2; exit 3"])
    with pytest.raises(LaunchFailed, match=r"bad ended with 3 before its socket was there(.|\n)*no such meter"):
        await child.ready(lambda: False, what="its socket", timeout_s=5)


async def test_a_child_that_is_never_ready_is_reported_with_the_tail_of_its_log(launcher: Launcher) -> None:
    child = await launcher.start("slow", [SHELL, "-c", "echo thinking; sleep 60"])
    await child.says("thinking", timeout_s=5)
    with pytest.raises(LaunchFailed, match=r"slow: its socket was not there within 0.05 s(.|\n)*thinking"):
        await child.ready(lambda: False, what="its socket", timeout_s=0.05)


async def test_a_child_that_ignores_the_request_is_killed_after_the_grace(launcher: Launcher) -> None:
    child = await launcher.start("deaf", [SHELL, "-c", "trap '' TERM; echo up; while :; do sleep 1; done"])
    await child.says("up", timeout_s=5)
    assert await child.stop(grace_s=0.1) == -signal.SIGKILL


async def test_what_a_child_started_goes_with_it(launcher: Launcher) -> None:
    child = await launcher.start("mother", [SHELL, "-c", "sleep 60 & echo child $!; wait"])
    await child.says("child ", timeout_s=5)
    grandchild = int(child.log_text().split()[1])
    await child.kill()
    await gone(grandchild)


async def test_a_restarted_child_appends_to_its_log_and_reads_only_its_own_run(
    launcher: Launcher, tmp_path: Path
) -> None:
    first = await launcher.start("twice", [SHELL, "-c", "echo one"])
    assert await first.wait(timeout_s=5) == 0
    second = await launcher.start("twice", [SHELL, "-c", "echo two"])
    assert await second.wait(timeout_s=5) == 0
    assert (tmp_path / "twice.log").read_text() == "one\ntwo\n"
    assert second.log_text() == "two\n"


async def test_a_program_that_does_not_exist_is_said_so(launcher: Launcher) -> None:
    with pytest.raises(LaunchFailed, match="nobody: cannot start /no/such/program"):
        await launcher.start("nobody", ["/no/such/program"])


async def test_children_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from hil.launch import Launcher

async def main():
    async with Launcher(Path({str(tmp_path)!r})) as launcher:
        child = await launcher.start("orphan", ["/bin/sleep", "60"])
        print(child.pid, flush=True)
        await child.wait(timeout_s=60)

asyncio.run(main())
"""
    mother = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert mother.stdout is not None
    async with asyncio.timeout(10):
        orphan = int(await mother.stdout.readline())
    mother.kill()
    await mother.wait()
    await gone(orphan)
