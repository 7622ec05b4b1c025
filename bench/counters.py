"""What the kernel counts of a process. Source: proc(5)."""

from __future__ import annotations

import os
from pathlib import Path


def resident_mib(pid: int | str = "self") -> float:
    """Return the resident memory of a process, MiB."""
    return int(_line(f"/proc/{pid}/status", "VmRSS")) / 1024


def anonymous_mib(pid: int | str = "self") -> float:
    """Return the part of it that no file backs: what every further process would cost again, MiB."""
    return int(_line(f"/proc/{pid}/status", "RssAnon")) / 1024


def cpu_s(pid: int | str = "self") -> float:
    """Return the CPU time of a process, all threads that live, s. To the nanosecond: ``stat`` counts in 10 ms."""
    return sum(int(_read(f"/proc/{pid}/task/{tid}/schedstat").split()[0]) for tid in _threads(pid)) / 1e9


def wakeups(pid: int | str = "self") -> int:
    """Return how often the threads of a process went to sleep by themselves (and so woke up again)."""
    return sum(int(_line(f"/proc/{pid}/task/{tid}/status", "voluntary_ctxt_switches")) for tid in _threads(pid))


def written_bytes(pid: int | str = "self") -> int:
    """Return how many bytes a process has dirtied for the disk."""
    return int(_line(f"/proc/{pid}/io", "write_bytes"))


def _threads(pid: int | str) -> list[str]:
    return os.listdir(f"/proc/{pid}/task")


def _line(path: str, name: str) -> str:
    for line in _read(path).splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.split()[0]
    raise RuntimeError(f"{path} has no {name}")


def _read(path: str) -> str:
    return Path(path).read_text(encoding="ascii")
