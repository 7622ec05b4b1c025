"""The clock of the bench: a time of day that can be unknown or wrong, and a boot id that changes at a power cut.

``DIR/clock.json`` is ``{"known": true, "offset_s": 0.0}``; UTC is this machine's time plus the offset. ``DIR/boot_id``
is one line of text. The bench replaces both files as a whole.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from drivers.api import DriverKind, DriverSpec, DriverUnavailable, Option


class BenchClock:
    """Time of day and boot id as the bench says."""

    def __init__(self, *, dir: str) -> None:
        """Take the bench's folder; nothing is read yet."""
        self._clock_file = Path(dir) / "clock.json"
        self._boot_id_file = Path(dir) / "boot_id"
        self._seen: tuple[int, int, int] | None = None
        self._offset_s: float | None = None

    def utc_s(self) -> float | None:
        """Return seconds since 1970 UTC, or ``None`` when the bench says so or its file cannot be read."""
        self._refresh()
        return None if self._offset_s is None else time.time() + self._offset_s

    def boot_id(self) -> str:
        """Return the identity of the simulated boot. Raises ``DriverUnavailable`` without a bench."""
        try:
            boot_id = self._boot_id_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise DriverUnavailable(f"no boot id at {self._boot_id_file}: {exc}") from exc
        if not boot_id:
            raise DriverUnavailable(f"{self._boot_id_file} is empty, expected the boot id")
        return boot_id

    def _refresh(self) -> None:
        try:
            stat = os.stat(self._clock_file)
            seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if seen != self._seen:
                self._offset_s = _offset_of(self._clock_file.read_bytes())
                self._seen = seen
        except OSError:
            self._seen = self._offset_s = None


def _offset_of(text: bytes) -> float | None:
    try:
        said = json.loads(text)
        offset_s = float(said["offset_s"])
        return offset_s if said["known"] is True else None
    except (ValueError, KeyError, TypeError):
        return None


SPEC = DriverSpec(
    name="bench",
    kind=DriverKind.CLOCK,
    target="drivers.clock.bench:BenchClock",
    options=(Option(name="dir", type=str, required=True, help="the bench's folder, with clock.json and boot_id"),),
    summary="Clock of a simulated machine (charge-bench)",
)
