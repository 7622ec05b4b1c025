"""Replacing a file so that after a power cut either the old or the new one is there, whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def replace_file(
    path: Path, content: bytes, *, mode: int = 0o644, prepare: Callable[[int], None] | None = None
) -> None:
    """Put ``content`` into ``path``, durably when this returns.

    Args:
        mode: permissions of the new file, less the process's mask.
        prepare: gets the new file's descriptor while it is empty, for owner and permissions.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with open(handle, "wb") as file:
            if prepare is not None:
                prepare(handle)
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.replace(new, path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's names durable. Raises ``OSError``."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
