"""Bundles for support: one tar.gz with what is needed to understand a station, and nothing that must not leave it.

Every text passes a ``Blackener``. Sections are written one after the other through a file on the disk: memory stays
flat whatever a log holds. Blocking; run it in a thread.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.maintenance.log_lines import TimeRange
from agent.maintenance.redact import Blackener

LINE_CHARS: Final = 65_536  # a longer line is cut
CUT: Final = "\n(the rest does not fit into the bundle)\n"

QUESTIONS: Final[tuple[tuple[str, str, Mapping[str, Any]], ...]] = (
    ("status.json", "status", {}),
    ("why.json", "why", {}),
    ("queue.json", "queue", {"limit": 500}),
    ("charges.json", "cdr", {"limit": 500}),
    ("frames.json", "frames", {"limit": 200}),
)
"""Names of answers in a bundle, and the question at the station's door that each answers."""

_MOMENTS: Final = ("ended", "at", "started")  # members of a row that tell its time


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a bundle. ``lines`` may be read once; ``missing``: why there is nothing to read."""

    name: str
    lines: Iterable[str] = ()
    missing: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What stands of a section in a bundle."""

    name: str
    size_b: int
    sha256: str
    cut: bool = False


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that was made: its file, what it holds, and why other things are not in it."""

    path: Path
    entries: tuple[Entry, ...]
    missing: Mapping[str, str]


def make_bundle(
    path: Path,
    sections: Iterable[Section],
    *,
    about: Mapping[str, Any],
    secrets: Iterable[str] = (),
    most_b: int,
    check: Callable[[], None] = lambda: None,
) -> Bundle:
    """Write a bundle, whole or not at all.

    Args:
        about: said in the manifest: which station, when, which time.
        secrets: known ones, gone wherever they stand.
        most_b: of text, before it is compressed; what does not fit is cut and said so.
        check: called often; raises to end the work.

    Raises:
        OSError: the disk does not take it.
    """
    secrets = tuple(secrets)
    stem = path.name.removesuffix(".tar.gz")
    entries: list[Entry] = []
    missing: dict[str, str] = {}
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(handle, "wb") as out, tarfile.open(fileobj=out, mode="w:gz", compresslevel=6) as archive:
            left_b = most_b
            for section in sections:
                if section.missing:
                    missing[section.name] = section.missing
                    continue
                with tempfile.TemporaryFile(dir=path.parent) as text:
                    entry = _fill(text, section, Blackener(secrets), left_b, check)
                    left_b -= entry.size_b
                    entries.append(entry)
                    _add(archive, f"{stem}/{entry.name}", text, entry.size_b)
            manifest = {**about, "files": [msgspec.to_builtins(each) for each in entries], "missing": missing}
            text_b = (json.dumps(manifest, indent=2) + "\n").encode()
            _add(archive, f"{stem}/manifest.json", io.BytesIO(text_b), len(text_b))
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
    return Bundle(path=path, entries=tuple(entries), missing=missing)


def _fill(text: Any, section: Section, black: Blackener, left_b: int, check: Callable[[], None]) -> Entry:
    digest, size_b, cut = hashlib.sha256(), 0, False
    for line in section.lines:
        check()
        content = black.line(line[:LINE_CHARS]).encode(errors="replace")
        if size_b + len(content) > left_b - len(CUT):
            content, cut = CUT.encode(), True
        text.write(content)
        digest.update(content)
        size_b += len(content)
        if cut:
            break
    text.seek(0)
    return Entry(name=section.name, size_b=size_b, sha256=digest.hexdigest(), cut=cut)


def _add(archive: tarfile.TarFile, name: str, content: Any, size_b: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size_b
    member.mode = 0o640
    archive.addfile(member, content)


# ---- sections that need nobody else ----------------------------------------------------------------------------------


def answer_section(name: str, answer: Mapping[str, Any], when: TimeRange) -> Section:
    """Return an answer of the station's door as a section; rows outside the time are left out."""
    rows = answer.get("rows")
    if isinstance(rows, list):
        answer = {**answer, "rows": [row for row in rows if _belongs(row, when)]}
    return Section(name=name, lines=_lines_of(json.dumps(answer, indent=2)))


def file_section(name: str, path: Path) -> Section:
    """Return a small text file as a section."""
    try:
        return Section(name=name, lines=_lines_of(path.read_text("utf-8", errors="replace")))
    except OSError as error:
        return Section(name=name, missing=f"{path}: {error.strerror or error}")


def versions_section(version: str) -> Section:
    """Return what runs here: this software, Python, kernel, distribution, packages."""
    from importlib.metadata import distributions

    packages = {each.metadata["Name"]: each.version for each in distributions() if each.metadata["Name"]}
    known = {
        "charge-agent": version,
        "python": sys.version.split()[0],
        "kernel": platform.release(),
        "machine": platform.machine(),
        "system": _system(),
        "packages": dict(sorted(packages.items())),
    }
    return Section(name="versions.json", lines=_lines_of(json.dumps(known, indent=2)))


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def _belongs(row: Any, when: TimeRange) -> bool:
    if not isinstance(row, dict):
        return True
    moment = next((row[name] for name in _MOMENTS if isinstance(row.get(name), str)), "")
    return when.holds_text(moment)


def _lines_of(text: str) -> Iterator[str]:
    yield from text.splitlines(keepends=True)
    yield "\n"
