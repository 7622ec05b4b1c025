"""Loading a station file; a broken one never starts a station with defaults.

After each successful load the file's bytes are kept in the station's ``state_dir``. When the file is broken later, the
station runs on that copy and says so, or, where there is none, not at all.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from agent.atomic import replace_file
from agent.settings.build import LARGEST_B, CheckVariable, StationFile, parse_station, read_station
from agent.settings.loaded import Loaded, Origin
from agent.settings.places import state_dirs
from agent.settings.problems import Problem, SettingsError
from agent.settings.station import Settings

COPY_NAME: Final = "station.last-good.json"
EXIT_CODE: Final = 78  # of a process without usable settings: EX_CONFIG of <sysexits.h>; systemd need not restart it


def check_station(path: Path, *, check_variable: CheckVariable | None = None) -> Settings:
    """Read a station file and change nothing. Raises ``SettingsError`` with every problem."""
    return check_file(path, check_variable=check_variable).settings


def check_file(path: Path, *, check_variable: CheckVariable | None = None) -> StationFile:
    """Read a station file, change nothing, and keep the places of its values. Raises ``SettingsError``."""
    return read_station(_read(path), path, check_variable=check_variable)


def load_station(
    path: Path,
    *,
    check_variable: CheckVariable | None = None,
    state_dir: Path | None = None,
    remember: bool = True,
) -> Loaded:
    """Read a station file, or its last good copy when it is broken.

    Args:
        check_variable: see ``parse_station``.
        state_dir: where else to look for the copy, first; a broken file may not tell its ``state_dir`` any more.
        remember: keep the copy of a good file. Only who checks the variables too should.

    Raises:
        SettingsError: the file is broken and there is no usable copy of it. ``EXIT_CODE`` is the exit code for it.
    """
    text = b""
    try:
        text = _read(path)
        settings = parse_station(text, path, check_variable=check_variable)
    except SettingsError as broken:
        settings = _from_copy(path, text, state_dir, broken, check_variable)
        return Loaded(settings=settings, origin=Origin.LAST_GOOD, problems=broken.problems)
    copy_problem = _keep(settings, text) if remember else ""
    return Loaded(settings=settings, origin=Origin.FILE, copy_problem=copy_problem)


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST_B + 1)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise SettingsError([Problem(file=str(path), line=None, key="", text=f"cannot be read: {reason}")]) from exc


def _keep(settings: Settings, text: bytes) -> str:
    """Keep the copy; return why it could not be kept, or nothing."""
    place = settings.station.state_dir / COPY_NAME
    copy = {
        "version": 1,
        "station_file": str(settings.file),
        "sha256": settings.sha256,
        "text": text.decode("utf-8"),
    }
    if settings.board is not None:
        try:
            copy["board"] = settings.board.file.read_text("utf-8")
        except (OSError, ValueError) as exc:
            return f"{settings.board.file}: {exc}"
    packed = json.dumps(copy, ensure_ascii=False, indent=1).encode() + b"\n"
    try:
        if not place.exists() or place.read_bytes() != packed:  # the same again would only wear the flash
            place.parent.mkdir(parents=True, exist_ok=True)
            replace_file(place, packed)
    except OSError as exc:
        return f"{place}: {exc.strerror or exc}"
    return ""


def _from_copy(
    path: Path, text: bytes, state_dir: Path | None, broken: SettingsError, check_variable: CheckVariable | None
) -> Settings:
    problems = list(broken.problems)
    for place in _places(path, text, state_dir):
        copy = _copy_at(place, path)
        if copy is None:
            continue
        try:
            return parse_station(copy[0], path, check_variable=check_variable, board_copy=copy[1])
        except SettingsError as exc:
            problems += [
                Problem(file=f"{place} (last good copy)", line=each.line, key=each.key, text=each.text, hint=each.hint)
                for each in exc.problems
            ]
    raise SettingsError(problems) from broken


def _places(path: Path, text: bytes, state_dir: Path | None) -> list[Path]:
    folders = [*([] if state_dir is None else [state_dir]), *state_dirs(path, text)]
    return [folder / COPY_NAME for folder in dict.fromkeys(folders)]


def _copy_at(place: Path, path: Path) -> tuple[bytes, bytes | None] | None:
    """Return the copy at ``place``, and that of its board, if it is whole and of the file ``path``."""
    try:
        copy: Any = json.loads(place.read_bytes())
        text = str(copy["text"]).encode()
        whole = hashlib.sha256(text).hexdigest() == copy["sha256"]
        ours = whole and copy["version"] == 1 and copy["station_file"] == str(path.absolute())
        return (text, str(copy["board"]).encode() if "board" in copy else None) if ours else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
