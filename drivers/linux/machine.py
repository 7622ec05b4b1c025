"""The system calls that these drivers make, in one place, so that a test can be the kernel on the other side."""

from __future__ import annotations

import fcntl
import os
import time
from array import array
from typing import Protocol


class Machine(Protocol):
    """Files, ioctl and the monotonic clock. Every method but ``pause`` is one system call and raises ``OSError``."""

    def names(self, folder: str) -> list[str]:
        """Return the names in ``folder``."""

    def real_path(self, path: str) -> str:
        """Return ``path`` without links; it need not exist."""

    def open(self, path: str, *, write: bool) -> int:
        """Return a file descriptor, for reading or for both."""

    def read(self, fd: int) -> bytes:
        """Return the content from its begin; of a sysfs attribute, its value now."""

    def write(self, fd: int, content: bytes) -> None:
        """Write to the begin; a sysfs attribute takes it as a whole or refuses it."""

    def ioctl(self, fd: int, request: int, argument: array[int]) -> None:
        """Make a device request whose argument may be changed in place."""

    def close(self, fd: int) -> None:
        """Close a file descriptor."""

    def now_s(self) -> float:
        """Return monotonic time, s."""

    def pause(self, seconds: float) -> None:
        """Wait; only while a device is opened."""


class LinuxMachine:
    """This machine."""

    def names(self, folder: str) -> list[str]:
        """See ``Machine``."""
        return os.listdir(folder)

    def real_path(self, path: str) -> str:
        """See ``Machine``."""
        return os.path.realpath(path)

    def open(self, path: str, *, write: bool) -> int:
        """See ``Machine``."""
        return os.open(path, (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC)

    def read(self, fd: int) -> bytes:
        """See ``Machine``."""
        return os.pread(fd, 128, 0)

    def write(self, fd: int, content: bytes) -> None:
        """See ``Machine``."""
        os.pwrite(fd, content, 0)

    def ioctl(self, fd: int, request: int, argument: array[int]) -> None:
        """See ``Machine``."""
        fcntl.ioctl(fd, request, argument)

    def close(self, fd: int) -> None:
        """See ``Machine``."""
        os.close(fd)

    def now_s(self) -> float:
        """See ``Machine``."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """See ``Machine``."""
        time.sleep(seconds)


def read_text(machine: Machine, path: str) -> str:
    """Return the content of a small file, stripped. Raises ``OSError``."""
    fd = machine.open(path, write=False)
    try:
        return machine.read(fd).decode("ascii", "replace").strip()
    finally:
        machine.close(fd)


def write_text(machine: Machine, path: str, text: str) -> None:
    """Write a small file. Raises ``OSError``."""
    fd = machine.open(path, write=True)
    try:
        machine.write(fd, text.encode("ascii"))
    finally:
        machine.close(fd)


def reason(problem: OSError) -> str:
    """Return what the kernel said, without the path."""
    return problem.strerror or str(problem)
