"""Files that only the station's own user can read, replaced whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from agent.atomic import replace_file

FILE_MODE: Final = 0o600
SHARED_FILE_MODE: Final = 0o640
FOLDER_MODE: Final = 0o700


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter; root makes it for the owner of the one above. Raises ``OSError``."""
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _give_to_owner(handle, folder.parent)
        finally:
            os.close(handle)
    if folder.stat().st_mode & 0o077:
        folder.chmod(FOLDER_MODE)


def write_private(path: Path, content: bytes, *, shared_folder: bool = False) -> None:
    """Put ``content`` into ``path``, durably when this returns; a power cut leaves the old file or the new one.

    Where root writes into the folder of the station's user, the file becomes that user's.

    Args:
        shared_folder: the folder is not for secrets alone (/etc/charge-agent): it stays as it is, and the folder's
            group may read the file, because that is how the station's user gets at it there.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    if not shared_folder:
        make_private_folder(path.parent)
    mode = SHARED_FILE_MODE if shared_folder else FILE_MODE

    def prepare(handle: int) -> None:
        _give_to_owner(handle, path.parent)
        os.fchmod(handle, mode)

    replace_file(path, content, mode=FILE_MODE, prepare=prepare)


def _give_to_owner(handle: int, folder: Path) -> None:
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)
