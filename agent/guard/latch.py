"""Contactor faults that outlive the guard, in a small file of the state directory.

A file that cannot be read counts as "every contactor welded": unknown is open.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from agent.guard.checks import shown
from agent.guard.kept_file import KeptFile

FILE_NAME: Final = "guard-latched.json"


class Latched(NamedTuple):
    """Ids of the EVSEs with a contactor that is latched as welded, or as failed to close."""

    welded: frozenset[int] = frozenset()
    failed_to_close: frozenset[int] = frozenset()


class LatchFile(KeptFile):
    """The latched faults in one state directory."""

    def __init__(self, state_dir: str) -> None:
        """Use ``state_dir``, which is created when the first fault is written."""
        super().__init__(state_dir, FILE_NAME)

    def read(self, evse_ids: Iterable[int]) -> Latched:
        """Return what is latched of ``evse_ids``; all of them as welded when the file is damaged."""
        known = frozenset(evse_ids)
        self.failure = None
        try:
            with open(self.path, encoding="utf-8") as file:
                content = json.load(file)
            welded = _ids("welded", content["welded"])
            failed = _ids("failed_to_close", content.get("failed_to_close", []))
        except FileNotFoundError:
            return Latched()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
            self.failure = f"{self.path} cannot be read: {problem}"
            return Latched(welded=known)
        return Latched(known & welded, known & failed)

    def begin_latching(self, latched: Latched) -> None:
        """Write ``latched`` on a thread of its own; call again after ``failure``."""
        self.begin_write(
            {"version": 1, "welded": sorted(latched.welded), "failed_to_close": sorted(latched.failed_to_close)}
        )


def _ids(key: str, value: Any) -> frozenset[int]:
    if not isinstance(value, list) or not all(type(entry) is int for entry in value):
        raise ValueError(f"{key} is {shown(value)}, expected a list of EVSE ids")
    return frozenset(value)
