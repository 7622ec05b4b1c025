"""What SQLite passes over in silence: a write-ahead log that is damaged before its end.

SQLite reads the log up to the first frame whose checksum is wrong and takes that for its end. After a power cut it is:
no more than one commit lies behind, which nobody was told of. More than one mean damage: acknowledged ones are lost.

Source: SQLite file format, sections 4.1 and 4.2.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

MAGIC: Final = (0x377F0682, 0x377F0683)
_HEADER: Final = struct.Struct(">8I")  # magic, version, page size, sequence, two salts, two checksums
_FRAME: Final = struct.Struct(">6I")  # page, size after a commit or 0, two salts, two checksums
_PAGE_SIZE_END: Final = 18  # of the database's header, section 1.3
_LEAST_PAGE_BYTES: Final = 512
_UNTOLD: Final = 1  # commit that may have been under way


def log_of(path: Path) -> Path:
    """Return the log of the database at ``path``."""
    return path.with_name(path.name + "-wal")


def starts_badly(path: Path) -> bool:
    """Return whether a log that has room for a commit begins with other bytes than a log does. Raises ``OSError``."""
    header = _header(path)
    if not any(header) or log_of(path).stat().st_size < _HEADER.size + _FRAME.size + _LEAST_PAGE_BYTES:
        return False
    magic, *_, first, second = _HEADER.unpack(header)
    return magic not in MAGIC or (first, second) != _checksum(header[:24], big_endian=bool(magic & 1))


def commits(path: Path) -> tuple[int, ...]:
    """Return the frames, from 1, that end a commit of the log's present turn, valid or not. Raises ``OSError``."""
    header = _header(path)
    if len(header) < _HEADER.size or starts_badly(path):
        return ()
    page_bytes, salts = _HEADER.unpack(header)[2], _HEADER.unpack(header)[4:6]
    with log_of(path).open("rb") as log:
        return tuple(each.number for each in _frames(log, page_bytes) if each.ends_commit and each.salts == salts)


def is_in_file(path: Path) -> bool:
    """Return whether the file holds what the log ends with, page by page, so that the log is not missed.

    That is how a log is left whose beginning was being rewritten when the power went: only then it was all copied.
    Raises ``OSError``.
    """
    with path.open("rb") as file, log_of(path).open("rb") as log:
        start = file.read(_PAGE_SIZE_END)
        page_bytes = int.from_bytes(start[16:18]) if len(start) == _PAGE_SIZE_END else 0
        page_bytes = 65_536 if page_bytes == 1 else page_bytes
        frames = list(_frames(log, page_bytes)) if page_bytes >= _LEAST_PAGE_BYTES else []
        if not frames:
            return False
        turn, _ = Counter(each.salts for each in frames).most_common(1)[0]
        newest = {each.page: each.number for each in frames if each.salts == turn}
        return all(_page(file, page_bytes, page) == _logged(log, page_bytes, at) for page, at in newest.items())


def lost_commits(found: tuple[int, ...], read: int) -> int:
    """Return how many acknowledged commits lie behind the last frame that SQLite ``read``."""
    return max(0, sum(number > read for number in found) - _UNTOLD)


class _Frame(NamedTuple):
    """Frame ``number``, from 1, with another content of ``page``."""

    number: int
    page: int
    ends_commit: bool
    salts: tuple[int, int]


def _frames(log: BinaryIO, page_bytes: int) -> Iterator[_Frame]:
    log.seek(0, os.SEEK_END)
    for number in range(1, (log.tell() - _HEADER.size) // (_FRAME.size + page_bytes) + 1):
        log.seek(_HEADER.size + (number - 1) * (_FRAME.size + page_bytes))
        page, size, first, second, _, _ = _FRAME.unpack(log.read(_FRAME.size))
        yield _Frame(number, page, size > 0, (first, second))


def _logged(log: BinaryIO, page_bytes: int, number: int) -> bytes:
    log.seek(_HEADER.size + (number - 1) * (_FRAME.size + page_bytes) + _FRAME.size)
    return log.read(page_bytes)


def _page(file: BinaryIO, page_bytes: int, number: int) -> bytes:
    file.seek((number - 1) * page_bytes)
    return file.read(page_bytes)


def _header(path: Path) -> bytes:
    try:
        with log_of(path).open("rb") as file:
            return file.read(_HEADER.size)
    except FileNotFoundError:
        return b""


def _checksum(content: bytes, *, big_endian: bool) -> tuple[int, int]:
    words = struct.unpack(f"{'>' if big_endian else '<'}{len(content) // 4}I", content)
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
