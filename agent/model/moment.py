"""When something happened: boot, monotonic seconds, and UTC if anybody knew it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """A moment.

    Attributes:
        boot_id: which boot of the machine the monotonic clock belongs to.
        mono_s: monotonic seconds within that boot. All intervals are computed from it.
        utc_s: seconds since 1970 UTC, or ``None`` while the time of day was unknown; filled in at first rendering.
    """

    boot_id: str
    mono_s: float
    utc_s: float | None = None


def moved(now: Stamp, mono_s: float) -> Stamp:
    """Return the moment ``mono_s`` of the boot of ``now``."""
    utc_s = None if now.utc_s is None else now.utc_s - (now.mono_s - mono_s)
    return Stamp(boot_id=now.boot_id, mono_s=mono_s, utc_s=utc_s)


def rfc3339(utc_s: float) -> str:
    """Return ``utc_s`` as ``YYYY-MM-DDTHH:MM:SS.mmmZ`` (OCPP: UTC, at most milliseconds)."""
    moment = datetime.fromtimestamp(round(utc_s * 1000) / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
