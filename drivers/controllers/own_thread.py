"""A controller that has a serial port to itself: the port, the thread, and what every driver of such a one does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Final

from drivers.api import DriverUnavailable
from drivers.api.controllers import ControllerReading, ControllerTraits
from drivers.controllers.polled import Polled
from drivers.controllers.serial_port import SerialPort

REOPEN_FIRST_S: Final = 1.0
REOPEN_MOST_S: Final = 8.0


class Reopening:
    """A serial port that opens when it is needed, and again, with pauses of 1, 2, 4 and 8 s, after it was lost."""

    def __init__(self, path: str, *, baud: int) -> None:
        """Describe the port."""
        self.path = path
        self._baud = baud
        self._port: SerialPort | None = None
        self._due_s = 0.0
        self._pause_s = REOPEN_FIRST_S
        self._why = ""

    def get(self) -> SerialPort:
        """Return the open port. Raises ``DriverUnavailable``."""
        if self._port is not None:
            return self._port
        now_s = monotonic()
        if now_s < self._due_s:
            raise DriverUnavailable(self._why)
        try:
            self._port = SerialPort(self.path, baud=self._baud)
        except DriverUnavailable as problem:
            self._why = str(problem)
            self._due_s = now_s + self._pause_s
            self._pause_s = min(self._pause_s * 2.0, REOPEN_MOST_S)
            raise
        self._pause_s = REOPEN_FIRST_S
        return self._port

    def hang_up(self) -> None:
        """Close the port; the next ``get`` opens it anew."""
        if self._port is not None:
            self._port.close()
            self._port = None


class OwnThread:
    """Calls a controller's ``turn`` for ever: when it asked to be called again, or when it is woken."""

    def __init__(self, name: str, turn: Callable[[], float]) -> None:
        """Start the thread; ``turn()`` returns in how many seconds it wants its next turn."""
        self._turn = turn
        self._woken = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Return whether the thread runs; it ends before ``close`` only by a defect."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Make the next turn due at once."""
        self._woken.set()

    def close(self, timeout_s: float = 2.0) -> None:
        """End the thread and wait for it."""
        self._ending = True
        self._woken.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._ending:
            wait_s = self._turn()
            if wait_s > 0.0:
                self._woken.wait(wait_s)
            self._woken.clear()


class OnOwnPort(Polled[Reopening]):
    """A controller on a serial port of its own. Subclasses set up what they talk with, and then call ``_begin``."""

    def __init__(self, traits: ControllerTraits, *, poll_s: float, port: str, baud: int) -> None:
        """Describe the port; nothing is opened yet."""
        super().__init__(traits, poll_s=poll_s)
        self._line = Reopening(port, baud=baud)

    def _begin(self, name: str) -> None:
        """Start to talk, on a thread with ``name``."""
        self._thread = OwnThread(f"{name} {self._line.path}", lambda: self.turn(self._line))
        self._wake = self._thread.wake

    def read(self) -> ControllerReading | None:
        """See ``Controller``."""
        if not self._thread.alive:
            raise RuntimeError(f"the thread of {self._line.path} has ended")
        return super().read()

    def close(self) -> None:
        """See ``Controller``."""
        self._thread.close()
        self._line.hang_up()
