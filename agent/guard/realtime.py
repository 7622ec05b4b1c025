"""What the guard asks of the kernel and of systemd, any of which may be refused: priority, locked memory, watchdog."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import socket
import threading
from math import inf
from typing import Final

from agent.guard.log import Log

FIFO_PRIORITY: Final = 50  # above ordinary work, below the kernel's own threads (99). sched(7)
STACK_B: Final = 256 * 1024  # per thread; locked memory counts against LimitMEMLOCK
WATCHDOG_FRACTION: Final = 4  # pet four times per period; sd_watchdog_enabled(3) asks for at least two
WATCHDOG_MIN_S: Final = 0.25  # at most a few datagrams a second. systemd issue 37288
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4  # mlock(2), asm-generic/mman.h


def settle(log: Log, *, realtime: bool) -> None:
    """Freeze the garbage collector and, with ``realtime``, ask for locked memory and SCHED_FIFO."""
    threading.stack_size(STACK_B)
    if realtime:
        _lock_memory(log)
        _raise_priority(log)
    gc.collect()
    gc.freeze()
    gc.disable()


def _raise_priority(log: Log) -> None:
    """Ask for real-time priority for the scan, and one below it for the drivers' threads that run already.

    A driver's thread left at ordinary priority would be starved by a busy machine, and with it the pilot's readings;
    and while it is starved it may hold the interpreter's lock, for which the scan then waits.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
    except OSError as problem:
        log.warning("priority.refused", priority=FIFO_PRIORITY, problem=problem.strerror)
        return
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.native_id is not None:
            with contextlib.suppress(OSError):  # it has just ended
                os.sched_setscheduler(thread.native_id, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY - 1))


def _lock_memory(log: Log) -> None:
    """Lock the pages that are touched (on-fault), so that a big library does not become resident whole."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
        log.warning("memory_lock.refused", problem=os.strerror(ctypes.get_errno()))


class Notifier:
    """The datagrams of sd_notify(3); silent when systemd did not ask for them.

    Attributes:
        due_s: when ``pet`` has something to do; ``inf`` where nobody asked for it.
    """

    def __init__(self, log: Log) -> None:
        """Read the addresses that systemd left in the environment."""
        address = os.environ.pop("NOTIFY_SOCKET", "")
        period_us = os.environ.pop("WATCHDOG_USEC", "0")
        self._period_s = max(WATCHDOG_MIN_S, int(period_us) / 1e6 / WATCHDOG_FRACTION) if period_us.isdigit() else 0.0
        watched = period_us.isdigit() and int(period_us) > 0
        self.due_s = 0.0 if watched else inf
        self._log = log
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            try:
                self._socket.connect("\0" + address[1:] if address[0] == "@" else address)
            except OSError as problem:
                log.warning("notify.refused", problem=problem.strerror)
                self._socket = None

    def ready(self) -> None:
        """Say that the outputs are safe and the socket answers."""
        self._send(b"READY=1")

    def stopping(self) -> None:
        """Say that the guard is ending in order."""
        self._send(b"STOPPING=1")

    def pet(self, now_s: float) -> None:
        """Call after every healthy scan; sends a few times a second at most."""
        if now_s >= self.due_s:
            self.due_s = now_s + self._period_s
            self._send(b"WATCHDOG=1")

    def _send(self, text: bytes) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(OSError):  # the next one, a moment later, is as good
            self._socket.send(text)
