"""Child processes that are started in order, logged, waited for, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

STOP_GRACE_S: Final = 3.0
READY_POLL_S: Final = 0.02
TAIL_LINES: Final = 15

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)  # loaded before any fork


class LaunchFailed(Exception):
    """A child did not start, did not become ready, or died too early; the text ends with the tail of its log."""


class Child:
    """One child process, in its own process group; its output goes to ``log_path``."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log_path: Path, log_begin: int) -> None:
        """``log_begin`` is where in the log this run begins, in bytes."""
        self.name = name
        self.log_path = log_path
        self._process = process
        self._pid_path = log_path.with_suffix(".pid")
        self._log_begin = log_begin
        self._forgotten = False
        self._pid_path.write_text(f"{self.pid}\n")

    @property
    def pid(self) -> int:
        """The process id, which is also its process group."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, minus the signal's number when one ended it, None while it runs."""
        return self._process.returncode

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.returncode is None

    def log_text(self) -> str:
        """Return what this run of the child has written."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_begin)
            return log.read().decode(errors="replace")

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    async def ready(self, claim: Callable[[], bool], *, what: str, timeout_s: float) -> None:
        """Wait until a claim about the child holds.

        Args:
            claim: cheap; asked every 20 ms.
            what: what is waited for, for the error ("its socket").
            timeout_s: how long at most.

        Raises:
            LaunchFailed: the child ended, or the claim did not hold in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not claim():
                    if not self.running:
                        raise LaunchFailed(
                            f"{self.name} ended with {self.returncode} before {what} was there{self._evidence()}"
                        )
                    await asyncio.sleep(READY_POLL_S)
        except TimeoutError as exc:
            raise LaunchFailed(f"{self.name}: {what} was not there within {timeout_s:g} s{self._evidence()}") from exc

    async def says(self, text: str, *, timeout_s: float) -> None:
        """Wait until the log of this run contains a text. Raises ``LaunchFailed`` as `ready` does."""
        await self.ready(lambda: text in self.log_text(), what=f"{text!r} in its log", timeout_s=timeout_s)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the child's whole group; nothing happens when it has ended."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def wait(self, *, timeout_s: float) -> int:
        """Wait for the end and return the exit code. Raises ``LaunchFailed`` when it does not end in time."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._process.wait()
        except TimeoutError as exc:
            raise LaunchFailed(f"{self.name} did not end within {timeout_s:g} s{self._evidence()}") from exc

    async def kill(self) -> None:
        """End it at once, as ``kill -9`` does, and wait until it is gone."""
        self.send_signal(signal.SIGKILL)
        await self._process.wait()
        self._forget()

    async def stop(self, *, grace_s: float = STOP_GRACE_S) -> int:
        """Ask it to end (SIGTERM), insist after ``grace_s`` (SIGKILL); return the exit code.

        Whatever it left in its process group goes with it.
        """
        self.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                code = await self._process.wait()
        except TimeoutError:
            self.send_signal(signal.SIGKILL)
            code = await self._process.wait()
        self._forget()
        return code

    def _forget(self) -> None:
        if self._forgotten:
            return  # its number may be somebody else's by now
        self._forgotten = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # what the child started and did not end
        with contextlib.suppress(FileNotFoundError):
            if self._pid_path.read_text() == f"{self.pid}\n":
                self._pid_path.unlink()

    def _evidence(self) -> str:
        tail = self.tail()
        return f"\n--- {self.log_path} ---\n{tail}" if tail else f" ({self.log_path} is empty)"


class Launcher:
    """Starts children and stops them in reverse order when the context ends.

    A child gets SIGKILL from the kernel when the process that started it dies, however it dies. That holds for the
    thread that started it too, so start children in the main thread.
    """

    def __init__(self, directory: Path) -> None:
        """Logs and pid files (``NAME.log``, ``NAME.pid``) go to ``directory``."""
        self._directory = directory
        self._children: list[Child] = []

    async def __aenter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(
        self, name: str, command: Sequence[str | Path], *, environ: Mapping[str, str] | None = None
    ) -> Child:
        """Start a child. Its log is appended to, so that a restarted child's history stays in one file.

        Args:
            environ: variables on top of ours.

        Raises:
            LaunchFailed: the program cannot be started.
        """
        log_path = self._directory / f"{name}.log"
        parent = os.getpid()

        def die_with_parent() -> None:
            if _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0 or os.getppid() != parent:
                os._exit(127)

        with log_path.open("ab") as log:
            begin = log_path.stat().st_size
            try:
                process = await asyncio.create_subprocess_exec(
                    *map(str, command),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
                    process_group=0,
                    preexec_fn=die_with_parent,
                )
            except OSError as exc:
                raise LaunchFailed(f"{name}: cannot start {command[0]}: {exc}") from exc
        child = Child(name, process, log_path, begin)
        self._children.append(child)
        return child

    async def stop(self) -> None:
        """Stop every child, the last started first."""
        while self._children:
            await self._children.pop().stop()
