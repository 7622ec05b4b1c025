"""Running a manufacturer's command: no shell, few variables, its output line by line, its end for certain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Callable, Mapping
from typing import Final

from drivers.api import DriverError, DriverTimeout, DriverUnavailable

LINE_B: Final = 4096
TOLD_LINES: Final = 3  # of what a failing command said last
GRACE_S: Final = 5.0
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def words_of(text: str) -> list[str]:
    """Return the words of a command as a shell would split them; nothing else of a shell. Raises ``ValueError``."""
    return shlex.split(text)


async def run_command(
    words: list[str],
    *,
    variables: Mapping[str, str],
    timeout_s: float,
    said: Callable[[str], None] = lambda _line: None,
) -> tuple[int, str]:
    """Run a command; return its exit code and the end of what it said.

    It runs in a process group of its own, which is ended when the caller is cancelled or the time is up.

    Raises:
        DriverUnavailable: it cannot be started. DriverTimeout: it took longer than ``timeout_s``.
    """
    environment = {"PATH": PATH, "LANG": "C.UTF-8", **variables}
    try:
        child = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            limit=LINE_B,
        )
    except (OSError, ValueError) as error:
        raise DriverUnavailable(f"{words[0]} cannot be started: {error}") from error
    last: list[str] = []
    try:
        async with asyncio.timeout(timeout_s):
            await _listen(child, last, said)
            code = await child.wait()
    except TimeoutError as error:
        raise DriverTimeout(f"{words[0]} took longer than {timeout_s:g} s") from error
    finally:
        await _end(child)
    return code, " / ".join(last)


async def output_of(words: list[str], *, variables: Mapping[str, str], timeout_s: float) -> str:
    """Return the first line that a command says. Raises ``DriverError`` where it fails."""
    lines: list[str] = []
    code, last = await run_command(words, variables=variables, timeout_s=timeout_s, said=lines.append)
    if code != 0:
        raise DriverError(f"{words[0]} ended with {code}: {last or 'it said nothing'}")
    return lines[0] if lines else ""


async def _listen(child: asyncio.subprocess.Process, last: list[str], said: Callable[[str], None]) -> None:
    assert child.stdout is not None
    while True:
        try:
            raw = await child.stdout.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            raw = error.partial
            if not raw:
                return
        except asyncio.LimitOverrunError:  # a line without an end is read in pieces
            raw = await child.stdout.read(LINE_B)
        line = "".join(each for each in raw.decode(errors="replace").strip() if each.isprintable())
        if line:
            said(line)
            last.append(line[:200])
            del last[:-TOLD_LINES]


async def _end(child: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await child.wait()
