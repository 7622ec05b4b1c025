"""Generations of the station's key and certificate: each in a folder that appears whole or not at all.

A key waits in ``pending`` until its certificate comes; then the folder gets the next number. At most two generations
stay, the older one as fall-back.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from agent.atomic import sync_folder
from agent.security.private_files import make_private_folder

PENDING: Final = "pending"
KEY: Final = "key.pem"
CHAIN: Final = "chain.pem"
GENERATIONS: Final = 2


class Generations:
    """The generations below one folder.

    Args:
        folder: made when first looked into, mode 0700.
        key: name of the file without which a generation is none.
    """

    def __init__(self, folder: Path, key: str = KEY) -> None:
        self._folder = folder
        self._key = key

    @property
    def pending(self) -> Path:
        """Return the folder of the key that waits; it need not exist."""
        return self._folder / PENDING

    def waiting(self) -> bool:
        """Return whether a key waits for its certificate."""
        return (self.pending / self._key).exists()

    def places(self) -> tuple[Path, ...]:
        """Return the folders of whole generations, the newest first. Raises ``OSError``."""
        return tuple(self._folder / str(number) for number in self._numbers())

    def promote(self) -> None:
        """Make what waits the newest generation, durably; the oldest goes. Raises ``OSError``."""
        numbers = self._numbers()
        os.replace(self.pending, self._folder / str((numbers[0] if numbers else 0) + 1))
        sync_folder(self._folder)
        for number in numbers[GENERATIONS - 1 :]:
            shutil.rmtree(self._folder / str(number), ignore_errors=True)

    def drop_pending(self) -> None:
        """Forget the key that waits, if there is one. Raises ``OSError``."""
        if self.pending.exists():
            shutil.rmtree(self.pending)
            sync_folder(self._folder)

    def forget(self) -> None:
        """Remove all of it. Raises ``OSError``."""
        if self._folder.exists():
            shutil.rmtree(self._folder)
            sync_folder(self._folder.parent)

    def _numbers(self) -> list[int]:
        make_private_folder(self._folder)
        names = [
            path.name for path in self._folder.iterdir() if (path / CHAIN).exists() and (path / self._key).exists()
        ]
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)
