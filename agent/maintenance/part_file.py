"""A file that comes in parts: what has come survives a power cut, and what has not is never taken for it.

Beside the part stands a note: which source it is of, how that source names this very content, its size, and how many
bytes are certainly on the disk. What lies beyond those after a power cut is thrown away, because file systems may show
zeros there.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

CHECKPOINT_B: Final = 4 << 20  # so often the disk is waited for


class NoRoom(Exception):
    """The disk has not enough room; the text says how much there is and how much is needed."""


class TooLarge(Exception):
    """The file is larger than it may be; the text says both sizes."""


class Incomplete(Exception):
    """Fewer or more bytes came than were announced; the text says how many."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a part."""

    source: str
    validator: str = ""
    total_b: int | None = None
    durable_b: int = 0


class PartFile:
    """One file on its way.

    Args:
        path: where it will be when it is whole; the part stands beside it.
        source: what it is fetched from; kept as a digest only. A part of another source is not gone on with.
        most_b: most bytes it may have. keep_free_b: bytes of the disk that stay free.
    """

    def __init__(self, path: Path, source: str, *, most_b: int, keep_free_b: int) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._note_path = path.with_name(path.name + ".part.json")
        self._source = sha256(source.encode()).hexdigest()
        self._most_b = most_b
        self._keep_free_b = keep_free_b
        self._file: BinaryIO | None = None
        self._note = Note(source=self._source)
        self.size_b = 0

    def known(self) -> Note:
        """Return what an earlier attempt left; nothing (0 bytes) where it was of another source."""
        try:
            note = msgspec.json.decode(self._note_path.read_bytes(), type=Note)
            there_b = self._part.stat().st_size
        except (OSError, ValueError):
            return Note(source=self._source)
        usable = note.source == self._source and there_b >= note.durable_b
        return note if usable else Note(source=self._source)

    def begin(self, offset_b: int, *, total_b: int | None, validator: str) -> None:
        """Open the part for what comes from ``offset_b`` on; what lies behind is thrown away.

        Args:
            total_b: size of the whole file, where it was announced.
            validator: how the source names this very content (an ETag, a date), "" where it does not.

        Raises:
            TooLarge, NoRoom: it cannot be taken. OSError.
        """
        self.close()
        if total_b is not None and total_b > self._most_b:
            raise TooLarge(f"{total_b} bytes are more than the {self._most_b} that are taken")
        self._part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._check_room(0 if total_b is None else max(total_b - offset_b, 0))
        handle = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._file = os.fdopen(handle, "r+b")  # closed by ``close``
        self._file.truncate(offset_b)
        self._file.seek(offset_b)
        self.size_b = offset_b
        self._note = Note(source=self._source, validator=validator, total_b=total_b, durable_b=offset_b)
        self._checkpoint()

    def write(self, chunk: bytes) -> None:
        """Take what came. Raises ``TooLarge``, ``NoRoom``, ``OSError``."""
        assert self._file is not None  # begin comes first
        if self.size_b + len(chunk) > self._most_b:
            raise TooLarge(f"more than {self._most_b} bytes came")
        self._file.write(chunk)
        self.size_b += len(chunk)
        if self.size_b - self._note.durable_b >= CHECKPOINT_B:
            self._check_room(0)
            self._checkpoint()

    def pause(self) -> None:
        """Keep what has come for the next attempt. Raises ``OSError``."""
        if self._file is not None:
            self._checkpoint()
        self.close()

    def finish(self) -> None:
        """Put the whole file into its place, durably when this returns.

        Raises:
            Incomplete: not as many bytes came as were announced. OSError.
        """
        assert self._file is not None
        total_b = self._note.total_b
        if total_b is not None and self.size_b != total_b:
            self.pause()
            raise Incomplete(f"{self.size_b} of {total_b} bytes came")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.close()
        os.replace(self._part, self.path)
        self._note_path.unlink(missing_ok=True)
        _sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove whatever is there of it."""
        self.close()
        for path in (self._part, self._note_path, self.path):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the part; what came since the last checkpoint may be lost."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _checkpoint(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._note = msgspec.structs.replace(self._note, durable_b=self.size_b)
        new = self._note_path.with_name(self._note_path.name + ".new")
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(handle, "wb") as file:
            file.write(msgspec.json.encode(self._note))
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._note_path)
        _sync_folder(new.parent)

    def _check_room(self, needed_b: int) -> None:
        disk = os.statvfs(self._part.parent)
        free_b = disk.f_bavail * disk.f_frsize
        if free_b < needed_b + self._keep_free_b:
            raise NoRoom(
                f"{free_b} bytes of the disk are free, {needed_b} are needed and {self._keep_free_b} stay free"
            )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
