"""The clock of the machine, believed only while somebody vouches for it.

Small boards have no clock battery: after power-up they count from the last shutdown, or from 1970, until a time server
answers. So the time is known when the kernel says that it is disciplined, when systemd-timesyncd has synchronised in
this boot, or when a real-time clock keeps it and it is later than this software.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final

from drivers.api import DriverKind, DriverSpec, DriverUnavailable, Option

SOFTWARE_EPOCH_S: Final = 1_767_225_600.0  # 2026-01-01 UTC; a clock before this software existed is wrong
TIME_ERROR: Final = 5  # clock not synchronised. Source: Linux <sys/timex.h>, adjtimex(2)
_TIMEX_BYTES: Final = 512  # struct timex is 208 bytes on 64-bit and at most 208 on 32-bit kernels
_SYNC_MARK: Final = Path("/run/systemd/timesync/synchronized")
_RTC_ROOT: Final = Path("/sys/class/rtc")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Trust(Enum):
    """Whose word makes the time known."""

    SYNCHRONISED = "synchronised"  # the kernel's or systemd-timesyncd's
    RTC = "rtc"  # also a real-time clock's
    ALWAYS = "always"  # anybody's: a container whose host is synchronised


class SystemClock:
    """Time of day and boot id of this machine."""

    def __init__(
        self,
        *,
        trust: str = "rtc",
        synchronised: Callable[[], bool] | None = None,
        rtc_root: Path = _RTC_ROOT,
        sync_mark: Path = _SYNC_MARK,
        boot_id_file: Path = _BOOT_ID,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare.

        Args:
            trust: a value of ``Trust``.
            synchronised: whether time is disciplined; the kernel's word by default.
            rtc_root, boot_id_file: where the kernel shows them. sync_mark: what systemd-timesyncd leaves.
            now: seconds since 1970 as the machine counts them.
        """
        self._trust = Trust(trust)
        self._synchronised = synchronised or _kernel_synchronised
        self._has_rtc = any(rtc_root.glob("rtc*"))
        self._sync_mark = sync_mark
        self._boot_id_file = boot_id_file
        self._now = now

    def utc_s(self) -> float | None:
        """Return seconds since 1970 UTC, or ``None`` while nobody vouches for the clock. Never before 2026."""
        now_s = self._now()
        if now_s < SOFTWARE_EPOCH_S:
            return None
        if self._trust is Trust.ALWAYS or (self._trust is Trust.RTC and self._has_rtc):
            return now_s
        return now_s if self._synchronised() or self._sync_mark.exists() else None

    def boot_id(self) -> str:
        """Return the kernel's random boot id. Raises ``DriverUnavailable`` where the kernel shows none."""
        try:
            return self._boot_id_file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise DriverUnavailable(f"no boot id at {self._boot_id_file}: {exc}") from exc


def _kernel_synchronised() -> bool:
    """Ask adjtimex(2) with modes 0, which changes nothing and needs no privilege."""
    import ctypes  # 6 ms: not before the time is asked for

    request = ctypes.create_string_buffer(_TIMEX_BYTES)
    state: int = ctypes.CDLL(None).adjtimex(request)
    return state not in (-1, TIME_ERROR)


SPEC = DriverSpec(
    name="system",
    kind=DriverKind.CLOCK,
    target="drivers.clock.system:SystemClock",
    options=(
        Option(
            name="trust",
            type=str,
            default="rtc",
            choices=tuple(each.value for each in Trust),
            help="whose word makes the time known: a time server's, also a real-time clock's, or anybody's",
        ),
    ),
    summary="The machine's own clock",
)
