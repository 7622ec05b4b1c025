"""Every long-lived task lives here. ESSENTIAL: its end ends the process. RESTART: back-off and a raised fault."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from agent.log import get_logger

RESTART_WAIT_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # waits before a failed task is started again
WELL_AFTER_S: Final = 3.0  # a task that was started again counts as well when it has lived for so long
CANCEL_ROUNDS: Final = 16
CANCEL_ROUND_S: Final = 0.5  # together within the 20 s that systemd gives an agent to stop
RESTART_MAX_S: Final = 30.0  # a restart that takes longer has failed; one in order takes 20 s at most
TICK_STALE_S: Final = 20.0  # a critical task that has not ticked for so long stops the watchdog

Start = Callable[[], Coroutine[Any, Any, None]]


class Kind(Enum):
    """What the failure of a task means."""

    ESSENTIAL = "essential"
    RESTART = "restart"
    ONCE = "once"  # ends by itself; its failure ends the process


@dataclass(slots=True)
class _Task:
    name: str
    start: Start
    kind: Kind
    on_failure: Callable[[str, bool], None] | None
    failures: int = 0
    last_tick_s: float | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Supervisor:
    """Runs the tasks, restarts those that may be restarted, and feeds the watchdog while all critical ones tick."""

    def __init__(self, monotonic: Callable[[], float], *, well_after_s: float = WELL_AFTER_S) -> None:
        self._monotonic = monotonic
        self._well_after_s = well_after_s
        self._log = get_logger("supervisor")
        self._tasks: list[_Task] = []
        self._running = False
        self._stopping = asyncio.Event()
        self._failed: BaseException | None = None

    def add(
        self,
        name: str,
        start: Start,
        kind: Kind = Kind.RESTART,
        on_failure: Callable[[str, bool], None] | None = None,
    ) -> None:
        """Add a task, which starts with ``run`` or at once if that runs already.

        ``on_failure(error, raised)`` tells the model of a fault that comes and goes.
        """
        each = _Task(name=name, start=start, kind=kind, on_failure=on_failure)
        self._tasks.append(each)
        if self._running:
            each.task = asyncio.create_task(self._keep(each), name=name)

    def tick(self, name: str) -> None:
        """Note that a critical task makes progress. A task that ever ticked must go on ticking."""
        for each in self._tasks:
            if each.name == name:
                each.last_tick_s = self._monotonic()

    def stop(self) -> None:
        """End ``run``."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Return whether ``stop`` was called."""
        return self._stopping.is_set()

    async def run(self) -> None:
        """Run until ``stop`` or until an essential task fails; its exception is raised then."""
        self._running = True
        for each in self._tasks:
            each.task = asyncio.create_task(self._keep(each), name=each.name)
        dog = asyncio.create_task(self._watchdog(), name="watchdog")
        try:
            await self._stopping.wait()
        finally:
            self._running = False
            await self._end([dog, *(each.task for each in self._tasks if each.task is not None)])
        if self._failed is not None:
            raise self._failed

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        """Cancel until all have ended: a library that waits with ``asyncio.wait_for`` can swallow a cancellation."""
        pending = {task for task in tasks if not task.done()}
        for _ in range(CANCEL_ROUNDS):
            for task in pending:
                task.cancel()
            if not pending:
                return
            _done, pending = await asyncio.wait(pending, timeout=CANCEL_ROUND_S)
        self._log.error("task.unstoppable", tasks=sorted(task.get_name() for task in pending))

    async def _keep(self, each: _Task) -> None:
        well: asyncio.TimerHandle | None = None
        while True:
            began_s = self._monotonic()
            try:
                if each.failures and each.on_failure is not None:
                    well = asyncio.get_running_loop().call_later(self._well_after_s, each.on_failure, "", False)
                try:
                    await each.start()
                finally:
                    if well is not None:
                        well.cancel()
                if each.kind is not Kind.ESSENTIAL:
                    return
                raise RuntimeError(f"essential task {each.name} returned")
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self._log.exception("task.failed", task=each.name, kind=each.kind.value)
                if each.kind is not Kind.RESTART:
                    self._failed = error
                    self._stopping.set()
                    return
                if each.on_failure is not None:
                    each.on_failure(f"{type(error).__name__}: {error}", True)
            if self._monotonic() - began_s > 60.0:
                each.failures = 0
            await asyncio.sleep(RESTART_WAIT_S[min(each.failures, len(RESTART_WAIT_S) - 1)])
            each.failures += 1
            each.last_tick_s = None

    async def _watchdog(self) -> None:
        budget_us = int(os.environ.get("WATCHDOG_USEC", "0") or 0)
        if not budget_us:
            return
        while True:
            late = [
                each.name
                for each in self._tasks
                if each.last_tick_s is not None and self._monotonic() - each.last_tick_s > TICK_STALE_S
            ]
            if late:
                self._log.error("watchdog.starved", tasks=late)
            else:
                notify("WATCHDOG=1")
            await asyncio.sleep(budget_us / 1e6 / 3)


def retry_restart(retries: int, after_s: float = RESTART_MAX_S) -> None:
    """Have a restart that has been begun, and fails because this process does not end, retried by one that cannot fail.

    ``after_s`` from now the kernel ends the process, whatever hangs in it (a task, a thread, a disk); the service is
    started again as after any other end. One retry is enough, so that more of them are the same; 0: only the service's
    own TimeoutStopSec= does it.

    Source: OCPP 1.6 §9.1, ResetRetries; OCPP 2.0.1 B11.
    """
    if retries > 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, after_s)


def notify(text: str) -> None:
    """Tell systemd (``READY=1``, ``STATUS=...``, ``WATCHDOG=1``); nothing happens without it.

    Source: sd_notify(3): one datagram to the Unix socket named by NOTIFY_SOCKET, "@" first for the abstract namespace.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        try:
            out.connect("\0" + address[1:] if address.startswith("@") else address)
            out.send(text.encode())
        except OSError:
            get_logger("supervisor").warning("systemd.unreachable", socket=address)
