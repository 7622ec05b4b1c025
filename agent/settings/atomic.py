"""Replacing a file so that after a power cut either the old or the new one is there, whole."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, text: bytes) -> None:
    """Put ``text`` into ``path``, durably when this returns. Raises ``OSError`` and leaves the old file then."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        with open(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
