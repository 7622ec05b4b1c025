"""The disk at a power cut: what was synced is there; of everything else any sector may be there, missing or torn.

The model: an unsynced write is cut into sectors of 512 bytes, each independently kept, lost or torn (its first bytes
new, the rest old); bytes outside a write are never harmed (SQLite's ``powersafe overwrite``, its default on Linux);
files that grew may have grown with zeros; a file whose directory was not synced after its creation may be missing, one
whose deletion was not synced may be back. What a disk that lies about its flushes does is not in here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from tests.powercut.recording import Acknowledged, Deleted, Opened, Operation, Synced, Truncated, Written

SECTOR_BYTES: Final = 512


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Written | Truncated] = field(default_factory=list)
    entry_durable: bool = False
    syncs_directory: bool = False


class Disk:
    """Follows a recording; ``image`` says what a cut at this point may leave."""

    def __init__(self) -> None:
        """Start empty."""
        self._files: dict[str, _File] = {}
        self._deleted: dict[str, _File] = {}
        self.acknowledged = -1

    @property
    def settled(self) -> bool:
        """Whether everything is synced: then there is only one image."""
        return not self._deleted and all(file.entry_durable and not file.pending for file in self._files.values())

    def follow(self, operation: Operation) -> None:
        """Take the next operation."""
        match operation:
            case Opened():
                if operation.name not in self._files:
                    self._files[operation.name] = _File(syncs_directory=operation.syncs_directory)
            case Written() | Truncated():
                self._files[operation.name].pending.append(operation)
            case Synced():
                self._sync(self._files[operation.name])
            case Deleted():
                file = self._files.pop(operation.name, None)
                if file is not None:
                    self._deleted[operation.name] = file
                if operation.durable:
                    self._sync_directory()
            case Acknowledged():
                self.acknowledged = operation.number

    def image(self, chance: random.Random) -> dict[str, bytes]:
        """Return the files that one possible power cut leaves."""
        keep_pct = chance.choice((0, 10, 50, 90, 100, 100))
        torn_pct = chance.choice((0, 0, 5, 30))
        grown = chance.random() < 0.25
        files: dict[str, bytes] = {}
        for name, file in self._deleted.items():
            if chance.random() < 0.5:
                files[name] = _left(file, chance, keep_pct, torn_pct, grown)
        for name, file in self._files.items():
            if file.entry_durable or chance.random() < 0.7:
                files[name] = _left(file, chance, keep_pct, torn_pct, grown)
        return files

    def _sync(self, file: _File) -> None:
        for operation in file.pending:
            _apply(file.durable, operation)
        file.pending.clear()
        if file.syncs_directory:
            file.syncs_directory = False
            self._sync_directory()

    def _sync_directory(self) -> None:
        self._deleted.clear()
        for file in self._files.values():
            file.entry_durable = True


def _left(file: _File, chance: random.Random, keep_pct: int, torn_pct: int, grown: bool) -> bytes:
    content = bytearray(file.durable)
    for operation in file.pending:
        if isinstance(operation, Truncated):
            if chance.random() < 0.5:
                _apply(content, operation)
            continue
        for start in _sector_starts(operation):
            end = min(_next_sector(operation.offset + start) - operation.offset, len(operation.content))
            part = operation.content[start:end]
            if chance.randrange(100) < torn_pct:
                part = part[: chance.randrange(len(part) + 1)]
            elif chance.randrange(100) >= keep_pct:
                continue
            _apply(content, Written(operation.name, operation.offset + start, part))
        if grown:
            _grow(content, operation.offset + len(operation.content))
    return bytes(content)


def _sector_starts(operation: Written) -> list[int]:
    first = _next_sector(operation.offset) - operation.offset
    return [0, *range(first, len(operation.content), SECTOR_BYTES)]


def _next_sector(offset: int) -> int:
    return (offset // SECTOR_BYTES + 1) * SECTOR_BYTES


def _apply(content: bytearray, operation: Written | Truncated) -> None:
    if isinstance(operation, Truncated):
        _grow(content, operation.size)
        del content[operation.size :]
    elif operation.content:
        end = operation.offset + len(operation.content)
        _grow(content, end)
        content[operation.offset : end] = operation.content


def _grow(content: bytearray, size: int) -> None:
    if len(content) < size:
        content.extend(bytes(size - len(content)))
