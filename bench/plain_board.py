"""A board made of plain values, in the process of the guard's scan: what is measured on it is the scan alone.

``open_lines`` and ``open_power_path`` are a plan's targets; there is one board per process, ``BOARD``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from drivers.api import PilotMode, PilotSignal, PowerPathReading

HIGH_V: Final = {"A": 12.0, "B": 9.0, "C": 6.0}
CABLE_OHM: Final = 220.0  # 32 A. IEC 61851-1:2017 table B.2
INPUTS: Final = ("rcd", "rcm", "emergency_stop", "ground", "door", "tilt")


class Line:
    """One line; a coil notes when it was written low."""

    def __init__(self) -> None:
        self.active = False
        self.low_s = 0.0
        self.follow: Callable[[bool], None] | None = None

    def write(self, active: bool) -> None:
        """Take a level; the moment is taken first."""
        if not active:
            self.low_s = monotonic()
        self.active = active
        if self.follow is not None:
            self.follow(active)

    def read(self) -> bool:
        """Return the level."""
        return self.active

    def age_s(self, now_s: float) -> float:
        """Read, never pushed."""
        return 0.0

    def take_pulse(self) -> bool:
        """Return the level; nothing happens between two looks."""
        return self.active


class Board:
    """One EVSE with its vehicle. ``offset_s`` is how far the scan's time is ahead of the clock."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.vehicle = "A"
        self.diode = True
        self.offset_s = 0.0
        self.mirror_follows = True
        self._signal = PilotSignal(mode=PilotMode.STEADY_HIGH)
        self.line("contactor").follow = self._mirror

    def line(self, name: str) -> Line:
        """Return the line of that name."""
        return self.lines.setdefault(name, Line())

    def output(self, line: str, *, active_high: bool, initial: bool) -> Line:
        """See ``Lines``."""
        claimed = self.line(line)
        claimed.write(initial)
        return claimed

    def input(self, line: str, *, active_high: bool, pull: str = "none") -> Line:
        """See ``Lines``."""
        return self.line(line)

    def set_pilot(self, signal: PilotSignal) -> None:
        """See ``PowerPath``."""
        self._signal = signal

    def read(self) -> PowerPathReading:
        """See ``PowerPath``."""
        high_v = low_v = HIGH_V[self.vehicle]
        if self._signal.mode is PilotMode.STEADY_LOW:
            high_v = low_v = -12.0
        elif self._signal.mode is PilotMode.PWM:
            low_v = -12.0 if self.diode or self.vehicle == "A" else -high_v
        ohm = math.inf if self.vehicle == "A" else CABLE_OHM
        return PowerPathReading(high_v, low_v, ohm, monotonic() + self.offset_s)

    def close(self) -> None:
        """Nothing to release."""

    def mend(self) -> None:
        """Let every input rest, mend the diode and the mirror contact."""
        for name in INPUTS:
            self.line(name).active = False
        self.diode = self.mirror_follows = True
        self._mirror(self.line("contactor").active)

    def lose_mirror(self) -> None:
        """Let the mirror contact say that the main contacts have opened by themselves."""
        self.mirror_follows = False
        self.line("mirror").active = True

    def _mirror(self, coil: bool) -> None:
        if self.mirror_follows:
            self.line("mirror").active = not coil


BOARD: Final = Board()


def open_lines() -> Board:
    """Return the board."""
    return BOARD


def open_power_path() -> Board:
    """Return the board."""
    return BOARD


def plan_content(state_dir: str, scan_s: float) -> dict[str, Any]:
    """Return a plan for it: no input latches or waits, so that each trip is one reaction."""

    def line(name: str) -> dict[str, Any]:
        return {"line": name, "active_high": True, "latched": False}

    evse = {
        "id": 1,
        "phases": 3,
        "max_current_a": 32,
        "power_path": {"target": f"{__name__}:open_power_path", "options": {}},
        "contactor": line("contactor"),
        "mirror": line("mirror") | {"kind": "nc"},
        **{name: line(name) for name in INPUTS},
    }
    return {
        "version": 1,
        "plan_id": "bench",
        "scan_s": scan_s,
        "socket": f"{state_dir}/guard.sock",
        "state_dir": state_dir,
        "min_reclose_s": 0,
        "lines": {"target": f"{__name__}:open_lines", "options": {}},
        "evses": [evse],
    }
