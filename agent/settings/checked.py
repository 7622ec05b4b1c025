"""The checked settings of a station file, kept beside the journal so that a restart need not check them again.

Checking costs half of a process start: the descriptions of all options, the drivers' own specs, the meter profiles.
What passed once passes again while the file's bytes, this release and the installed packages are the same; anything
else is read and checked anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from agent import __version__
from agent.atomic import replace_file
from agent.settings.loaded import Loaded, Origin
from agent.settings.places import state_dirs
from agent.settings.station import Settings

NAME: Final = "station.checked.msgpack"
LARGEST_B: Final = 4_000_000


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    settings: Settings


def recall(path: Path) -> Loaded | None:
    """Return the settings of the station file ``path`` if this very file was checked before, else ``None``."""
    try:
        text = path.read_bytes()
        place = state_dirs(path, text)[0] / NAME
        with place.open("rb") as file:
            kept = msgspec.msgpack.decode(file.read(LARGEST_B), type=_Kept, dec_hook=_read)
    except (OSError, ValueError):
        return None
    if kept.key != _key(path, text) or kept.settings.station.state_dir != place.parent:
        return None
    if kept.settings.identity_sha256 != _digest(kept.settings.station.identity_file):
        return None
    board = kept.settings.board
    if board is not None and _digest(board.file) != board.sha256:
        return None
    return Loaded(settings=kept.settings, origin=Origin.FILE)


def keep(loaded: Loaded) -> None:
    """Keep what was just checked; a disk that does not take it only costs the next start its time."""
    if loaded.origin is not Origin.FILE:
        return
    settings = loaded.settings
    try:
        text = settings.file.read_bytes()
        if hashlib.sha256(text).hexdigest() == settings.sha256:
            packed = msgspec.msgpack.encode(_Kept(key=_key(settings.file, text), settings=settings), enc_hook=_write)
            replace_file(settings.station.state_dir / NAME, packed)
    except OSError:
        return


def _digest(path: Path | None) -> str:
    """Return the SHA-256 of the identity or board file; here, because its reader brings the parser with it."""
    if path is None:
        return ""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "unreadable"


def _key(path: Path, text: bytes) -> str:
    packages = os.stat(Path(msgspec.__file__).parent.parent).st_mtime_ns
    own = os.stat(Path(__file__).parent).st_mtime_ns
    return f"{__version__} {packages} {own} {path.absolute()} {hashlib.sha256(text).hexdigest()}"


def _write(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} cannot be kept")


def _read(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"{value!r} is no {kind}")
