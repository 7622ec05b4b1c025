"""The processes of the station under test, as far as the bench must know them: to cut their power."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

PID_MAX: Final = 4_194_304
"""Greatest process id there can be. Source: Linux, proc_sys_kernel(5), pid_max."""
_DEATH_TIMEOUT_S: Final = 5.0


@dataclass(slots=True, kw_only=True)
class _Registered:
    pid: int
    pidfd: int
    gone: asyncio.Event


class StationProcesses:
    """Processes by role. A process that ends is forgotten; a pid that was given to another one is never hit."""

    def __init__(self, record: Callable[[str, int | None], None]) -> None:
        """``record(signal, pid)`` is told about every coming and going."""
        self._record = record
        self._by_role: dict[str, _Registered] = {}

    @property
    def pids(self) -> dict[str, int]:
        """The living processes."""
        return {role: registered.pid for role, registered in self._by_role.items()}

    def register(self, role: str, pid: int) -> None:
        """Know a process in place of the former one of this role. Raises ``ValueError``: there is no such process."""
        if pid in (1, os.getpid()):
            raise ValueError(
                f"process {pid} is the {'init' if pid == 1 else 'bench'}, expected a {role} of the station"
            )
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as exc:
            raise ValueError(f"there is no process {pid}: {exc}") from exc
        self.forget(role)
        registered = _Registered(pid=pid, pidfd=pidfd, gone=asyncio.Event())
        self._by_role[role] = registered
        asyncio.get_running_loop().add_reader(pidfd, self._ended, role, registered)
        self._record(f"dut.{role}", pid)

    def forget(self, role: str) -> None:
        """Stop to know a process. Nothing happens to it."""
        registered = self._by_role.pop(role, None)
        if registered is not None:
            self._let_go(registered)
            self._record(f"dut.{role}", None)

    def kill_all(self) -> list[asyncio.Event]:
        """Send SIGKILL to every process at the same instant; the events are set as each one is dead."""
        victims = list(self._by_role.values())
        for victim in victims:
            try:
                signal.pidfd_send_signal(victim.pidfd, signal.SIGKILL)
            except ProcessLookupError:
                victim.gone.set()
        return [victim.gone for victim in victims]

    def close(self) -> None:
        """Forget everything."""
        for role in list(self._by_role):
            self.forget(role)

    def _ended(self, role: str, registered: _Registered) -> None:
        registered.gone.set()
        if self._by_role.get(role) is registered:
            self.forget(role)
        else:
            self._let_go(registered)

    @staticmethod
    def _let_go(registered: _Registered) -> None:
        asyncio.get_running_loop().remove_reader(registered.pidfd)
        if registered.pidfd >= 0:
            os.close(registered.pidfd)
            registered.pidfd = -1


async def all_dead(gone: list[asyncio.Event]) -> None:
    """Wait until every event of ``kill_all`` is set. Raises ``TimeoutError``."""
    async with asyncio.timeout(_DEATH_TIMEOUT_S):
        for event in gone:
            await event.wait()
