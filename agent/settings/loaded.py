"""Settings as they were loaded: from the file, or from its last good copy."""

from __future__ import annotations

from enum import Enum

import msgspec

from agent.settings.problems import Problem
from agent.settings.station import Settings


class Origin(Enum):
    """Where the settings came from."""

    FILE = "file"
    LAST_GOOD = "last_good"


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """Settings to run with.

    Attributes:
        problems: why the file itself could not be used; empty with ``Origin.FILE``.
        copy_problem: why the last good copy could not be kept, or empty.
    """

    settings: Settings
    origin: Origin
    problems: tuple[Problem, ...] = ()
    copy_problem: str = ""
