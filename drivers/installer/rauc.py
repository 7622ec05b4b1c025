"""RAUC over D-Bus: two slots, bundles with signatures of their own, a boot counter that falls back by itself.

The bundle's own signature is checked by RAUC against the keyring of the image. After the restart into the new slot the
slot is marked good when the station confirms it; a slot that is not marked is left by the boot loader.

RAUC installs one bundle at a time and cannot be told to stop: an installation that is under way (another's, or that of
an agent that was restarted meanwhile) is waited for, then ours is begun.

Source: RAUC reference, "D-Bus API" (de.pengutronix.rauc.Installer); what RAUC 1.8 of Debian 12 says and does with
bundles of the format "plain" (``tests/process/test_real_rauc.py``). RAUC gives the bundle's file to root
before it mounts it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from drivers.api import DriverError, DriverKind, DriverSpec, DriverTimeout, Option, OptionProblem
from drivers.api.installers import ImageRejected, Progress
from drivers.installer.commands import run_command, words_of
from drivers.installer.rauc_bus import ANSWER_S, RaucBusy, SystemBus

_REFUSALS: Final = (
    "signature verification failed",  # not signed, by somebody else, expired, altered
    "invalid bundle",  # "Invalid bundle format: Signature size (…) exceeds bundle size"
    "not a rauc bundle",
    "compatible mismatch",
    "bundle rejected",  # by the bundle's own install-check
    "checksum",
)
"""Words of LastError that mean the bundle and not the machine; RAUC gives no code for it. RAUC 1.8."""

_UNREADABLE: Final = "failed to open bundle"
"""Part of an "Invalid bundle format" that means the file cannot be read, not that it is bad. RAUC 1.8."""

BUSY_S: Final = 1.0  # between two attempts to begin, while RAUC does something else


class RaucBus(Protocol):
    """What the installer needs of RAUC's object on the bus."""

    async def get(self, name: str) -> Any:
        """Return a property."""

    async def install(self, bundle: str) -> None:
        """Call InstallBundle; it returns when the installation has begun. Raises ``RaucBusy``."""

    async def mark(self, state: str, slot: str) -> None:
        """Call Mark."""

    async def completed(self) -> int:
        """Wait for the signal Completed of the installation that was begun on this bus; return its result.

        Raises ``DriverUnavailable``: RAUC ended in the middle.
        """

    async def close(self) -> None:
        """Leave the bus."""


class RaucInstaller:
    """See the module's text.

    Args:
        reboot: command that restarts the machine. timeout_s: longest installation.
    """

    def __init__(self, *, reboot: str = "systemctl reboot", timeout_s: float = 3600.0, bus: RaucBus | None = None):
        self._reboot = words_of(reboot)
        self._timeout_s = timeout_s
        self._bus = bus

    async def running(self) -> str:
        """Return the slot that was booted."""
        async with self._opened() as bus:
            return str(await bus.get("BootSlot"))

    async def install(self, image: Path, progress: Progress) -> bool:
        """Install a bundle into the other slot; a restart is always needed.

        Cancelling it ends the waiting alone; RAUC goes on.
        """
        async with self._opened() as bus:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await _begin(bus, str(image))
                    result = await _end(bus, progress)
            except TimeoutError as error:
                raise DriverTimeout(f"RAUC took longer than {self._timeout_s:g} s") from error
            if result == 0:
                return True
            why = str(await bus.get("LastError")) or f"RAUC ended with {result}"
            if refuses(why):
                raise ImageRejected(why, result)
            raise DriverError(why)

    async def reboot(self) -> bool:
        """Run the restart's command."""
        code, last = await run_command(self._reboot, variables={}, timeout_s=ANSWER_S)
        if code != 0:
            raise DriverError(f"{self._reboot[0]} ended with {code}: {last or 'it said nothing'}")
        return True

    async def confirm(self, before: str) -> None:
        """Mark the booted slot good; it must be another one than before.

        Where it is the same, the other one is marked bad: what was told to have failed must not come up later.
        """
        async with self._opened() as bus:
            slot = str(await bus.get("BootSlot"))
            if slot == before:
                with contextlib.suppress(DriverError):
                    await bus.mark("bad", "other")
                raise DriverError(f"slot {before} was booted again: the new one did not come up")
            await bus.mark("good", "booted")

    async def close(self) -> None:
        """Leave the bus."""
        if self._bus is not None:
            await self._bus.close()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[RaucBus]:
        """Give the bus: the one that was given, or one for this moment alone."""
        if self._bus is not None:
            yield self._bus
            return
        bus = await SystemBus.open()
        try:
            yield bus
        finally:
            await bus.close()


def refuses(why: str) -> bool:
    """Return whether a LastError of RAUC means that the bundle is not acceptable."""
    said = why.lower()
    return any(words in said for words in _REFUSALS) and _UNREADABLE not in said


async def _begin(bus: RaucBus, bundle: str) -> None:
    while True:
        try:
            await bus.install(bundle)
            return
        except RaucBusy:
            await asyncio.sleep(BUSY_S)


async def _end(bus: RaucBus, progress: Progress) -> int:
    told = asyncio.ensure_future(_tell_progress(bus, progress))
    try:
        return await bus.completed()
    finally:
        told.cancel()
        await asyncio.gather(told, return_exceptions=True)


async def _tell_progress(bus: RaucBus, progress: Progress) -> None:
    """Ask for the progress every second while an installation runs."""
    while True:
        await asyncio.sleep(1.0)
        with contextlib.suppress(DriverError, TypeError, ValueError, LookupError):
            progress(int((await bus.get("Progress"))[0]))


def check(options: Mapping[str, Any]) -> list[OptionProblem]:
    """Return what is wrong with checked options."""
    try:
        words = words_of(options.get("reboot", ""))
    except ValueError as error:
        return [OptionProblem(option="reboot", problem=f"{options['reboot']!r} is no command: {str(error).lower()}")]
    return [] if words else [OptionProblem(option="reboot", problem="is empty, expected a command")]


SPEC = DriverSpec(
    name="rauc",
    kind=DriverKind.INSTALLER,
    target="drivers.installer.rauc:RaucInstaller",
    options=(
        Option(name="reboot", type=str, default="systemctl reboot", help="command that restarts the machine"),
        Option(
            name="timeout_s", type=float, default=3600.0, unit="s", minimum=1, maximum=86400, help="longest install"
        ),
    ),
    summary="RAUC over D-Bus: two slots with fall-back",
    check=check,
)
