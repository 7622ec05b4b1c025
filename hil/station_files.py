"""The files through which a station on the bench sees its clock and its boot: ``clock.json`` and ``boot_id``."""

from __future__ import annotations

import json
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.world import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What the station's clock says: this machine's UTC plus ``offset_s``, or nothing while ``known`` is false."""

    known: bool = True
    offset_s: float = 0.0


class StationFiles:
    """Keeps the two files; what an earlier bench left in the folder stays valid."""

    def __init__(self, directory: Path) -> None:
        """Create what is missing."""
        self._clock_path = directory / "clock.json"
        self._boot_path = directory / "boot_id"
        self._directory = directory
        if not self._boot_path.exists():
            self.new_boot()
        if not self._clock_path.exists():
            self.set_clock(Clock())

    @property
    def clock(self) -> Clock:
        """The clock now."""
        content = json.loads(self._clock_path.read_text(encoding="utf-8"))
        return Clock(known=bool(content["known"]), offset_s=float(content["offset_s"]))

    @property
    def boot_id(self) -> str:
        """The identity of the station's current boot."""
        return self._boot_path.read_text(encoding="utf-8").strip()

    def set_clock(self, clock: Clock) -> None:
        """Change what the station's clock says."""
        _replace(self._clock_path, json.dumps({"known": clock.known, "offset_s": clock.offset_s}))

    def set_utc(self, utc_s: float) -> None:
        """Make the clock known and say ``utc_s`` (seconds since 1970) now."""
        self.set_clock(Clock(known=True, offset_s=utc_s - time.time()))

    def set_temperature(self, evse: int, celsius: float | None) -> None:
        """Write the file of an EVSE's temperature sensor, in thousandths as hwmon has it; ``None`` takes it away."""
        path = self._directory / f"temperature-{evse}"
        if celsius is None:
            path.unlink(missing_ok=True)
        else:
            _replace(path, str(round(celsius * 1000)))

    def follow(self, change: Change) -> None:
        """Keep the files up with the world."""
        name, _, signal = change.signal.partition(".")
        if signal == "told_soc_pct" and name.removeprefix("evse").isdecimal():
            soc_pct = change.value
            self.set_soc(int(name.removeprefix("evse")), soc_pct if isinstance(soc_pct, float) else None)

    def set_soc(self, evse: int, soc_pct: float | None) -> None:
        """Write what the car of an EVSE says of its battery, percent; ``None``: nothing, and no file is there."""
        path = self._directory / f"soc-{evse}"
        if soc_pct is None:
            path.unlink(missing_ok=True)
        else:
            _replace(path, f"{soc_pct:g}")

    def new_boot(self) -> str:
        """Write and return a new boot id, as after power came back."""
        _replace(self._boot_path, str(uuid.uuid4()))
        return self.boot_id


def _replace(path: Path, content: str) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(content + "\n", encoding="utf-8")
    fresh.replace(path)
