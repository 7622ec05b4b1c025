"""The guard's rig for the scenarios that want the usual station."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenario.guard_rig import Rig


@pytest.fixture
def log_fd() -> Iterator[int]:
    """A log that nobody reads."""
    fd = os.open(os.devnull, os.O_WRONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def rig(tmp_path: Path, log_fd: int) -> Rig:
    """A guard in virtual time with one EVSE."""
    return Rig(str(tmp_path), log_fd)
