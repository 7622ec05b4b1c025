"""The per-device file of a station: who this one is, so that one flashed image serves a thousand stations.

TOML with ``id``, ``serial_number``, ``vendor``, ``model``, ``password`` (for the CSMS). What it says counts as if it
stood in ``[station]``; the password is checked here and read when it is needed: no copy of the settings holds it.
"""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any, Final

from agent.settings.key_lines import KeyPath
from agent.settings.problems import Problem
from agent.settings.reading import Reading, kind_of, shown
from drivers.registry import closest

IDENTITY_KEYS: Final = ("id", "serial_number", "vendor", "model")
PASSWORD: Final = "password"
LARGEST_B: Final = 65_536
_OTHERS_READ: Final = 0o004
_PATH: Final[KeyPath] = ("station", "identity_file")


class IdentityFileError(Exception):
    """The identity file cannot be used; the text says why and never holds the password."""


def merge_identity(station: dict[str, Any], reading: Reading, base: Path) -> dict[str, Any]:
    """Return the raw table ``[station]`` with what its identity file adds; problems go to ``reading``.

    Args:
        base: folder that a relative path starts from.
    """
    name = station.get("identity_file")
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        return station  # the description of the option says what is wrong with it
    path = base / name
    try:
        identity = read_identity(path)
    except IdentityFileError as error:
        reading.refuse(_PATH, str(error), "charge-agent identity set writes one")
        return {"id": "unknown", **station}
    merged = dict(station)
    for key, value in identity.items():
        if key == PASSWORD:
            continue
        if key in station and station[key] != value:
            text = f"{shown(value)} contradicts {key} = {shown(station[key])} of the station file"
            reading.problems.append(Problem(file=str(path), line=None, key=key, text=text, hint="give it once"))
        merged[key] = value
    return merged


def read_identity(path: Path) -> dict[str, str]:
    """Return what an identity file says. Raises ``IdentityFileError``."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_B + 1)
            mode = path.stat().st_mode
    except OSError as error:
        raise IdentityFileError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) > LARGEST_B:
        raise IdentityFileError(f"{path} has more than {LARGEST_B} bytes")
    try:
        found = tomllib.loads(content.decode())
    except (ValueError, RecursionError):  # its text is not shown: it may hold the password
        raise IdentityFileError(f"{path} is no TOML") from None
    for key, value in found.items():
        if key not in (*IDENTITY_KEYS, PASSWORD):
            near = closest(key, (*IDENTITY_KEYS, PASSWORD))
            hint = f"; did you mean {near!r}?" if near else f", expected {', '.join((*IDENTITY_KEYS, PASSWORD))}"
            raise IdentityFileError(f"{path}: {key} is unknown{hint}")
        if not isinstance(value, str):
            raise IdentityFileError(f"{path}: {key} is {kind_of(value)}, expected text")
    if PASSWORD in found and mode & _OTHERS_READ:
        raise IdentityFileError(f"{path} holds a password and everybody may read it: chmod o-r")
    return found


def identity_digest(path: Path | None) -> str:
    """Return the SHA-256 of an identity file, hex; "" without one or where it cannot be read."""
    if path is None:
        return ""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
