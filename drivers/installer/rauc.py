"""RAUC over D-Bus: two slots, bundles with signatures of their own, a boot counter that falls back by itself.

The bundle's own signature is checked by RAUC against the keyring of the image. After the restart into the new slot the
slot is marked good when the station confirms it; a slot that is not marked is left by the boot loader.

Unverified on a real system: written to RAUC's D-Bus reference (de.pengutronix.rauc.Installer, RAUC 1.5 to 1.11:
InstallBundle, Mark, Completed, Progress, LastError, Operation, BootSlot).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from drivers.api import DriverError, DriverKind, DriverSpec, DriverTimeout, DriverUnavailable, Option, OptionProblem
from drivers.api.installers import ImageRejected, Progress
from drivers.installer.commands import run_command, words_of
from drivers.installer.rauc_bus import ANSWER_S, SystemBus

_REFUSALS: Final = ("signature", "verif", "compatible", "not a rauc bundle", "checksum", "certificate", "invalid")
"""Words of LastError that mean the bundle and not the machine; RAUC gives no code for it."""


class RaucBus(Protocol):
    """What the installer needs of RAUC's object on the bus."""

    async def get(self, name: str) -> Any:
        """Return a property."""

    async def install(self, bundle: str) -> None:
        """Call InstallBundle; it returns when the installation has begun."""

    async def mark(self, state: str, slot: str) -> None:
        """Call Mark."""

    async def completed(self) -> int:
        """Wait for the signal Completed of an installation that was begun on this bus; return its result."""

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
        """Install a bundle into the other slot; a restart is always needed."""
        async with self._opened() as bus:
            watch = asyncio.ensure_future(bus.completed())
            told = asyncio.ensure_future(_tell_progress(bus, progress))
            try:
                await bus.install(str(image))
                async with asyncio.timeout(self._timeout_s):
                    result = await watch
            except TimeoutError as error:
                raise DriverTimeout(f"RAUC took longer than {self._timeout_s:g} s") from error
            finally:
                for task in (watch, told):
                    task.cancel()
                await asyncio.gather(watch, told, return_exceptions=True)
            if result == 0:
                return True
            why = str(await bus.get("LastError")) or f"RAUC ended with {result}"
            if any(word in why.lower() for word in _REFUSALS):
                raise ImageRejected(why, result)
            raise DriverError(why)

    async def reboot(self) -> bool:
        """Run the restart's command."""
        code, last = await run_command(self._reboot, variables={}, timeout_s=ANSWER_S)
        if code != 0:
            raise DriverError(f"{self._reboot[0]} ended with {code}: {last or 'it said nothing'}")
        return True

    async def confirm(self, before: str) -> None:
        """Mark the booted slot good; it must be another one than before."""
        async with self._opened() as bus:
            slot = str(await bus.get("BootSlot"))
            if slot == before:
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


async def _tell_progress(bus: RaucBus, progress: Progress) -> None:
    """Ask for the progress every second while an installation runs."""
    while True:
        await asyncio.sleep(1.0)
        with contextlib.suppress(DriverUnavailable, TypeError, ValueError, LookupError):
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
    summary="RAUC over D-Bus: two slots with fall-back (unverified)",
    check=check,
)
