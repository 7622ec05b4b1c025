"""The contract of installers: who puts a firmware image into the machine. Imported by those who have one.

An installer must be interruptible: after a power cut in the middle of ``install`` the old image still runs (two slots,
or a write that is put into force at the end).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from drivers.api.errors import DriverRejected

Progress = Callable[[int], None]
"""Told how far it is, percent."""


class ImageRejected(DriverRejected):
    """The image is not for this station, not signed as it must be, or damaged; nothing was changed."""


class Installer(Protocol):
    """Installs firmware images."""

    async def running(self) -> str:
        """Return what tells the running image from another one (a version, a slot); "" where nothing does.

        Raises:
            DriverError: it cannot be found out now.
        """

    async def install(self, image: Path, progress: Progress) -> bool:
        """Install ``image``; return whether the machine must restart before it runs.

        Cancelling it ends the installation; the old image still runs.

        Raises:
            ImageRejected: the image is not acceptable. DriverError: it did not work.
        """

    async def reboot(self) -> bool:
        """Begin the restart; return whether the machine does it. ``False``: this software alone is to be restarted.

        Raises:
            DriverError: it does not restart.
        """

    async def confirm(self, before: str) -> None:
        """Keep the image that runs now for good.

        Args:
            before: what ``running`` returned before the installation.

        Raises:
            DriverError: it is the old one that runs, or it cannot be kept.
        """

    async def close(self) -> None:
        """Release whatever is held."""
