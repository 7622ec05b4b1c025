"""Take what can be read out of a damaged file into a fresh one.

The order of steps survives a crash at any point: the fresh file is built beside the damaged one, gets the name
``<journal>.rebuilt`` only when it is complete and on the disk, and only then the damaged one is moved aside. A start
that finds a rebuilt file finishes the move.

Deleted rows are never carved out of free pages: they were delivered, and would be billed twice.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.store.connection import PRAGMAS, Connect, Connection
from agent.store.encoding import Unreadable, document_checksum
from agent.store.journal import StoredRow, fact_of
from agent.store.records import intact
from agent.store.schema import Migration, migrate, version_of

KEPT_DAMAGED_FILES: Final = 5
PAGE_BYTES: Final = 4096
_CHUNK_ROWS: Final = 2000
_PROBES: Final = 400  # ranges tried around damage before the rest of a table is given up

_NUMBERED: Final = {
    "facts": "seq",
    "dead_letters": "seq",
    "transactions": "rowid",
    "authorizations": "number",
    "boots": "number",
    "documents": "number",
    "charge_records": "number",
}
_KEYED: Final = {"variables": "key", "availability": "evse_id, connector_id", "meta": "key"}


class Salvage(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a damaged file.

    Attributes:
        why: what was found to be wrong.
        moved_to: the damaged file's new name.
        rows: rows taken over, by table.
        lost: rows that were found but damaged, by table; what was not found cannot be counted.
        incomplete: tables that could not be read to their end.
    """

    why: str
    moved_to: Path
    rows: dict[str, int]
    lost: dict[str, int]
    incomplete: tuple[str, ...]


def rebuild(path: Path, why: str, connect: Connect, steps: Sequence[Migration]) -> Salvage:
    """Replace the damaged file at ``path`` (which nobody holds open) by a fresh one with its readable rows.

    Raises:
        sqlite3.Error, OSError: the fresh file could not be made; the damaged one is still where it was.
    """
    fresh_path, work_path = _beside(path, ".rebuilding"), _beside(path, ".salvage")
    _remove(fresh_path)
    _remove(work_path)
    source = _working_copy(path, work_path)
    rows: dict[str, int] = {}
    lost: dict[str, int] = {}
    incomplete: list[str] = []
    fresh = connect(fresh_path)
    try:
        for pragma in PRAGMAS:
            fresh.execute(pragma).fetchall()
        migrate(fresh, steps)
        if source == work_path and not _readable(source, connect):
            fresh.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            _mend_first_page(source, fresh_path)
        if _readable(source, connect):
            _copy_tables(source, fresh, connect, rows, lost, incomplete)
        else:
            incomplete += [*_NUMBERED, *_KEYED]
    finally:
        fresh.close()
        _remove(work_path)
    _sync(fresh_path)
    os.replace(fresh_path, _beside(path, ".rebuilt"))
    _sync(path.parent)
    moved_to = finish(path)
    if moved_to is None:
        raise AssertionError("the rebuilt file was there a moment ago")
    return Salvage(why=why, moved_to=moved_to, rows=rows, lost=lost, incomplete=tuple(incomplete))


def finish(path: Path) -> Path | None:
    """Put a rebuilt file in its place and return where the damaged one went; ``None`` without a rebuilt file."""
    rebuilt = _beside(path, ".rebuilt")
    if not rebuilt.exists():
        return None
    aside = _next_aside(path)
    for suffix in ("-wal", "-journal", ""):
        damaged = _beside(path, suffix)
        if damaged.exists():
            os.replace(damaged, _beside(aside, suffix))
    _remove_file(_beside(path, "-shm"))
    _sync(path.parent)
    os.replace(rebuilt, path)
    _sync(path.parent)
    for old in _asides(path)[:-KEPT_DAMAGED_FILES]:
        _remove(old)
    return aside


def keep_copy(path: Path) -> Path:
    """Copy the file and its log aside, under the name of a damaged one, and return it. Raises ``OSError``."""
    aside = _next_aside(path)
    for suffix in ("-wal", ""):
        source = _beside(path, suffix)
        if source.exists():
            shutil.copyfile(source, _beside(aside, suffix))
    for old in _asides(path)[:-KEPT_DAMAGED_FILES]:
        _remove(old)
    return aside


def _copy_tables(
    source: Path,
    fresh: Connection,
    connect: Connect,
    rows: dict[str, int],
    lost: dict[str, int],
    incomplete: list[str],
) -> None:
    old = _open_source(source, connect)
    try:
        for table in (*_NUMBERED, *_KEYED):
            if _never_had(old, table):
                continue
            columns = [str(row[1]) for row in fresh.execute(f"PRAGMA table_info({table})").fetchall()]
            reading = _Reading(old, table, columns)
            rows[table], lost[table] = _insert(fresh, table, columns, reading.rows())
            if reading.damaged:
                incomplete.append(table)
        _keep_sequence(old, fresh)
    finally:
        old.close()


def _insert(fresh: Connection, table: str, columns: Sequence[str], found: Iterator[Sequence[Any]]) -> tuple[int, int]:
    """Insert rows and return how many were taken and how many were damaged."""
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"
    intact = _INTACT.get(table, _always)
    taken = bad = 0
    fresh.execute("BEGIN IMMEDIATE")
    for values in found:
        if not intact(values):
            bad += 1
            continue
        try:
            taken += fresh.execute(statement, tuple(values)).rowcount
        except sqlite3.IntegrityError:  # a value of a wrong type, or NULL where there is none
            bad += 1
        if taken % _CHUNK_ROWS == 0 and taken:
            fresh.execute("COMMIT")
            fresh.execute("BEGIN IMMEDIATE")
    fresh.execute("COMMIT")
    return taken, bad


def _intact_fact(values: Sequence[Any]) -> bool:
    try:
        fact_of(StoredRow(**dict(zip(StoredRow.__struct_fields__, values, strict=False))))
    except Unreadable:
        return False
    return True


def _always(_values: Sequence[Any]) -> bool:
    return True


def _intact_document(values: Sequence[Any]) -> bool:
    _number, kind, name, body, checksum = values
    return isinstance(body, bytes) and document_checksum(str(kind), str(name), body) == checksum


_INTACT: Final[dict[str, Callable[[Sequence[Any]], bool]]] = {
    "facts": _intact_fact,
    "documents": _intact_document,
    "charge_records": lambda values: intact(*values[1:4]),
}


def _never_had(old: Connection, table: str) -> bool:
    """Return whether the damaged file is of a release before ``table``."""
    try:
        return old.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is None
    except sqlite3.Error:
        return False


def _keep_sequence(old: Connection, fresh: Connection) -> None:
    """Never reuse a place, even where the newest rows were lost."""
    try:
        found = old.execute("SELECT seq FROM sqlite_sequence WHERE name = 'facts'").fetchone()
    except sqlite3.Error:
        found = None
    newest = fresh.execute("SELECT max(seq) FROM (SELECT seq FROM facts UNION SELECT seq FROM dead_letters)").fetchone()
    seq = max([int(row[0]) for row in (found, newest) if row is not None and isinstance(row[0], int)], default=0)
    fresh.execute("DELETE FROM sqlite_sequence WHERE name = 'facts'")
    fresh.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('facts', ?)", (seq,))


class _Reading:
    """Reads a table around its damage."""

    def __init__(self, old: Connection, table: str, columns: Sequence[str]) -> None:
        self.damaged = False
        self._old = old
        self._table = table
        self._columns = ", ".join(columns)
        self._probes = _PROBES

    def rows(self) -> Iterator[Sequence[Any]]:
        """Yield rows; ``damaged`` tells afterwards whether a part could not be read."""
        if self._table in _NUMBERED:
            yield from self._numbered(_NUMBERED[self._table])
        else:
            yield from self._keyed(_KEYED[self._table])

    def _numbered(self, key: str) -> Iterator[Sequence[Any]]:
        ranges = [(-(2**40), 2**40)]
        while ranges and self._probes:
            self._probes -= 1
            low, high = ranges.pop()
            last = low - 1
            query = f"SELECT {key}, {self._columns} FROM {self._table} WHERE {key} BETWEEN ? AND ? ORDER BY {key}"
            try:
                for row in self._old.execute(query, (low, high)):
                    last = row[0]
                    yield row[1:]
            except sqlite3.Error:
                self.damaged = True
                if last < high and low < high:
                    middle = (last + 1 + high) // 2
                    ranges += [(middle + 1, high), (last + 1, middle)]
        self.damaged = self.damaged or bool(ranges)

    def _keyed(self, key: str) -> Iterator[Sequence[Any]]:
        for order in ("ASC", "DESC"):
            ordering = ", ".join(f"{column} {order}" for column in key.split(", "))
            try:
                yield from self._old.execute(f"SELECT {self._columns} FROM {self._table} ORDER BY {ordering}")
            except sqlite3.Error:
                self.damaged = True
            else:
                return


def _working_copy(path: Path, work_path: Path) -> Path:
    """Copy the damaged file, so that it stays as it was; without room for a copy, work on the file itself."""
    try:
        for suffix in ("", "-wal"):
            if _beside(path, suffix).exists():
                shutil.copyfile(_beside(path, suffix), _beside(work_path, suffix))
    except OSError:
        _remove(work_path)
        return path
    return work_path


def _open_source(source: Path, connect: Connect) -> Connection:
    connection = connect(source)
    connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
    return connection


def _readable(source: Path, connect: Connect) -> bool:
    old = _open_source(source, connect)
    try:
        return version_of(old) > 0
    except sqlite3.Error:
        return False
    finally:
        old.close()


def _mend_first_page(source: Path, template: Path) -> None:
    """Replace the first page (file header and schema), which is the same in every file of this schema.

    Source: SQLite file format, section 1.3: size in pages at offset 28, free list at 32 and 36.
    """
    page = bytearray(template.read_bytes()[:PAGE_BYTES])
    pages = source.stat().st_size // PAGE_BYTES
    if pages < 2:
        return
    page[28:32] = pages.to_bytes(4, "big")
    page[32:40] = bytes(8)
    with source.open("r+b") as file:
        file.write(page)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _asides(path: Path) -> list[Path]:
    prefix = f"{path.name}.corrupt-"
    found = [each for each in path.parent.glob(f"{prefix}*") if each.name.removeprefix(prefix).isdigit()]
    return sorted(found, key=lambda each: int(each.name.removeprefix(prefix)))


def _next_aside(path: Path) -> Path:
    asides = _asides(path)
    number = int(asides[-1].name.rpartition("-")[2]) + 1 if asides else 1
    return _beside(path, f".corrupt-{number}")


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-journal", "-shm"):
        _remove_file(_beside(path, suffix))


def _remove_file(path: Path) -> None:
    path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
