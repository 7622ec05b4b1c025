"""A serial port made of a pseudo-terminal, under a stable name."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Final

_UNREAD_LIMIT_BYTES: Final = 1024


class PtyPort:
    """One end of a serial line; the station opens ``path``. Never blocks; knows no parity (a pty refuses it).

    The bench keeps the station's side open as well, so that a station that dies does not hang up the line.
    """

    def __init__(self, path: Path, receive: Callable[[bytes], None]) -> None:
        """Make the port and its name ``path``; ``receive`` gets what the station sends, once ``attach`` was called."""
        self.path = path
        self._receive = receive
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(path)
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start to receive."""
        self._loop = loop
        loop.add_reader(self._master, self._read)

    def send(self, chunk: bytes) -> None:
        """Send towards the station. What nobody reads is lost, as on a wire."""
        if not chunk:
            return
        if self._unread_bytes() > _UNREAD_LIMIT_BYTES:
            termios.tcflush(self._slave, termios.TCIFLUSH)
        try:
            os.write(self._master, chunk)
        except BlockingIOError:
            termios.tcflush(self._slave, termios.TCIFLUSH)

    def close(self) -> None:
        """Take the port away; an open station sees the line hang up."""
        if self._loop is not None:
            self._loop.remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self.path.unlink(missing_ok=True)

    def _unread_bytes(self) -> int:
        answer = fcntl.ioctl(self._slave, termios.FIONREAD, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])

    def _read(self) -> None:
        try:
            chunk = os.read(self._master, 4096)
        except (BlockingIOError, InterruptedError):
            return
        self._receive(chunk)
