"""Wear of the contactors over their lives, in a small file of the state directory.

Written when a vehicle has left and at most once in ``WEAR_WRITE_S``, and when the guard ends in order: what a power cut
loses is at most the closings since. A file that cannot be read starts the count again, and is said so in the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from agent.guard.checks import optional, shown, whole
from agent.guard.contactor import Wear
from agent.guard.kept_file import KeptFile
from agent.guard.latch import Channel, channel_name, channel_of
from agent.guard.timings import WEAR_WRITE_S

FILE_NAME: Final = "guard-wear.json"
_COUNT: Final = whole(0, 2**53)
_CHECKS: Final = {
    "closings": _COUNT,
    "openings_under_load": _COUNT,
    "slowest_close_ms": optional(_COUNT),
    "slowest_open_ms": optional(_COUNT),
}


class EvseWear(NamedTuple):
    """Wear of one connector's main contactor and second one."""

    main: Wear = Wear()
    phases: Wear = Wear()


class WearFile(KeptFile):
    """The wear of every connector of one station."""

    def __init__(self, state_dir: str) -> None:
        """Use ``state_dir``, which is created when something is first written."""
        super().__init__(state_dir, FILE_NAME)
        self._kept: dict[Channel, EvseWear] = {}
        self._written_s: float | None = None

    def read(self) -> Mapping[Channel, EvseWear]:
        """Return the wear by EVSE and connector; empty without a file, or with an unreadable one (``failure``)."""
        self.failure = None
        try:
            with open(self.path, encoding="utf-8") as file:
                content = json.load(file)
            self._kept = {channel_of(key): _evse_wear(value) for key, value in content["evses"].items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
            self.failure = f"{self.path} cannot be read: {problem}"
        return dict(self._kept)

    def keep(self, found: Mapping[Channel, EvseWear], now_s: float, *, at_once: bool = False) -> bool:
        """Write ``found`` if it differs from what is kept and the last write is long enough ago; return whether."""
        if self.busy or all(self._kept.get(channel, EvseWear()) == wear for channel, wear in found.items()):
            return False
        if not at_once and self._written_s is not None and now_s - self._written_s < WEAR_WRITE_S:
            return False
        self._kept.update(found)
        self._written_s = now_s
        evses = {
            channel_name(channel): {"main": wear.main._asdict(), "phases": wear.phases._asdict()}
            for channel, wear in self._kept.items()
        }
        self.begin_write({"version": 1, "evses": evses})
        return True


def _evse_wear(content: Any) -> EvseWear:
    return EvseWear(_wear(content["main"]), _wear(content["phases"]))


def _wear(content: Any) -> Wear:
    if not isinstance(content, dict) or content.keys() != _CHECKS.keys():
        raise ValueError(f"{shown(content)} is not a contactor's wear")
    return Wear(**{name: check(content[name]) for name, check in _CHECKS.items()})
