"""Contactor faults that outlive the guard, in a small file of the state directory.

A connector is written as its EVSE's number, or as text "EVSE.CONNECTOR" where it is not the first one.

A file that cannot be read counts as "every contactor welded": unknown is open.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from agent.guard.checks import shown
from agent.guard.kept_file import KeptFile

FILE_NAME: Final = "guard-latched.json"


Channel = tuple[int, int]  # EVSE and connector


class Latched(NamedTuple):
    """The connectors with a contactor that is latched as welded, or as failed to close."""

    welded: frozenset[Channel] = frozenset()
    failed_to_close: frozenset[Channel] = frozenset()


class LatchFile(KeptFile):
    """The latched faults in one state directory."""

    def __init__(self, state_dir: str) -> None:
        """Use ``state_dir``, which is created when the first fault is written."""
        super().__init__(state_dir, FILE_NAME)

    def read(self, channels: Iterable[Channel]) -> Latched:
        """Return what is latched of ``channels``; all of them as welded when the file is damaged."""
        known = frozenset(channels)
        self.failure = None
        try:
            with open(self.path, encoding="utf-8") as file:
                content = json.load(file)
            welded = _channels("welded", content["welded"])
            failed = _channels("failed_to_close", content.get("failed_to_close", []))
        except FileNotFoundError:
            return Latched()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
            self.failure = f"{self.path} cannot be read: {problem}"
            return Latched(welded=known)
        return Latched(known & welded, known & failed)

    def begin_latching(self, latched: Latched) -> None:
        """Write ``latched`` on a thread of its own; call again after ``failure``."""
        self.begin_write(
            {"version": 1, "welded": _written(latched.welded), "failed_to_close": _written(latched.failed_to_close)}
        )


def channel_name(channel: Channel) -> str:
    """Return how a connector is called in files: ``1``, or ``1.2`` for the second one of EVSE 1."""
    evse_id, connector_id = channel
    return str(evse_id) if connector_id == 1 else f"{evse_id}.{connector_id}"


def channel_of(name: str) -> Channel:
    """Return the connector that is called ``name``. Raises ``ValueError``."""
    evse_id, dot, connector_id = name.partition(".")
    return int(evse_id), int(connector_id) if dot else 1


def _written(channels: Iterable[Channel]) -> list[int | str]:
    return [each[0] if each[1] == 1 else channel_name(each) for each in sorted(channels)]


def _channels(key: str, value: Any) -> frozenset[Channel]:
    if not isinstance(value, list) or not all(type(entry) in (int, str) for entry in value):
        raise ValueError(f"{key} is {shown(value)}, expected a list of EVSEs and connectors")
    return frozenset(channel_of(str(entry)) for entry in value)
