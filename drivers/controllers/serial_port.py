"""A serial port for a thread: raw, exclusive, every wait bounded. Standard library only."""

from __future__ import annotations

import fcntl
import os
import select
import termios
from time import monotonic
from typing import Final

from drivers.api import DriverTimeout, DriverUnavailable

_WRITE_S: Final = 1.0  # 256 bytes at 9600 baud take 0.3 s
_CHUNK_B: Final = 512


class SerialPort:
    """An open port. Every method raises ``DriverUnavailable`` when the device has gone."""

    def __init__(self, path: str, *, baud: int, parity: str = "N", stopbits: int = 1) -> None:
        """Open ``path``, 8 data bits, without flow control.

        Raises:
            DriverUnavailable: no such file, no permission, no serial port, or somebody else holds it.
        """
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as problem:
            raise DriverUnavailable(f"{path} cannot be opened: {problem.strerror}") from problem
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as pyserial's exclusive=True
            self._set_up(baud, parity, stopbits)
        except BlockingIOError as problem:
            self.close()
            raise DriverUnavailable(f"{path} is in use by another process") from problem
        except (OSError, termios.error, AttributeError) as problem:
            self.close()
            raise DriverUnavailable(f"{path} cannot be used at {baud} baud: {problem}") from problem
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, waiting at most ``timeout_s`` for the first byte; ``b""`` for nothing."""
        events = self._poll.poll(max(timeout_s, 0.0) * 1000.0)
        if not events:
            return b""
        try:
            chunk = os.read(self._fd, _CHUNK_B)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as problem:
            raise DriverUnavailable(f"{self._path} is gone: {problem.strerror}") from problem
        if not chunk:
            raise DriverUnavailable(f"{self._path} is gone: it hung up")
        return chunk

    def write(self, frame: bytes) -> None:
        """Send ``frame``. Raises ``DriverTimeout`` when the port takes no more."""
        deadline_s = monotonic() + _WRITE_S
        rest = frame
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                if monotonic() >= deadline_s:
                    raise DriverTimeout(f"{self._path} took no more within {_WRITE_S:g} s") from None
                select.select([], [self._fd], [], 0.05)
            except OSError as problem:
                raise DriverUnavailable(f"{self._path} is gone: {problem.strerror}") from problem

    def flush_input(self) -> None:
        """Forget what has come and was not read."""
        try:
            termios.tcflush(self._fd, termios.TCIFLUSH)
        except termios.error as problem:
            raise DriverUnavailable(f"{self._path} is gone: {problem}") from problem

    def close(self) -> None:
        """Release the port."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _set_up(self, baud: int, parity: str, stopbits: int) -> None:
        speed = getattr(termios, f"B{baud}")
        control = termios.CS8 | termios.CREAD | termios.CLOCAL
        if parity != "N":
            control |= termios.PARENB | (termios.PARODD if parity == "O" else 0)
        if stopbits == 2:
            control |= termios.CSTOPB
        characters = list(termios.tcgetattr(self._fd)[6])
        characters[termios.VMIN] = characters[termios.VTIME] = 0
        termios.tcsetattr(self._fd, termios.TCSANOW, [0, 0, control, 0, speed, speed, characters])
        termios.tcflush(self._fd, termios.TCIOFLUSH)
