"""Where a demonstration lives, and by which words its user reaches it."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from drivers.bench.wire import WireError, check_socket_path

DEFAULT: Final = Path(".bench")
PREFIX: Final = "charge-bench-"
LONGEST_SOCKET: Final = "run/0123456789abcdef.sock"
CLAIM: Final = "bench.lock"
CSMS_CLAIM: Final = "csms.lock"
TRACES: Final = ("state", "run", "station.toml", "boot_id", "clock.json", "bus-0", "world.page")
"""What a demonstration leaves behind, besides ``*.log``, ``*.pid``, ``*.port`` and ``*.sock``."""


class NoPlace(Exception):
    """The demonstration cannot live there. The text says why."""


def choose_place(wanted: Path | None, *, once: bool, environ: Mapping[str, str]) -> tuple[Path, str | None]:
    """Return the folder to use, and why it is not the wanted one, if so.

    Sockets need a path of at most about 100 bytes; in a deeper folder a short one under the system's folder for
    temporary files is used.
    """
    if wanted is None and once:
        return _private(), None
    told = wanted or Path(environ.get("CHARGE_BENCH_DIR") or DEFAULT)
    absolute = told.absolute()
    try:
        check_socket_path(absolute / LONGEST_SOCKET)
    except WireError:
        return _private(), f"{absolute} is too deep for Unix sockets"
    return told, None


def prepare(place: Path, *, keep: bool) -> None:
    """Make the folder ready: private to its user and, unless ``keep``, without what an earlier run left.

    Raises:
        NoPlace: a bench or a CSMS serves it, or it holds something that no bench made.
    """
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        strange = any(place.iterdir()) and not (place / CLAIM).exists()
    except OSError as exc:
        raise NoPlace(f"{place} cannot be used: {exc.strerror}") from exc
    if strange:
        raise NoPlace(f"{place} is not empty and no bench's folder, expected a new or an empty one")
    for server, lock in (("bench", CLAIM), ("CSMS", CSMS_CLAIM)):
        holder = _holder(place / lock)
        if holder is not None:
            raise NoPlace(f"a {server} already serves {place} (process {holder}): stop it, or use another --dir")
    try:
        (place / CLAIM).touch(mode=0o600)  # ours from now on, also where it is interrupted before its bench stands
    except OSError as exc:
        raise NoPlace(f"{place} cannot be used: {exc.strerror}") from exc
    if keep:
        return
    for path in (*(place / name for name in TRACES), *_leftovers(place)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def leftover_sockets(place: Path) -> list[Path]:
    """Return the sockets that are still in a folder."""
    return sorted(path for path in place.rglob("*") if path.is_socket()) if place.exists() else []


def command_words(argv0: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the words for ``charge-bench`` and ``charge-agent`` that the user can paste, found as they found us."""
    started = Path(argv0)
    if started.name != "charge-bench":  # python -m hil.cli
        python = shlex.quote(sys.executable)
        return f"{python} -m hil.cli", f"{python} -m agent.cli"
    on_path = shutil.which("charge-bench", path=environ.get("PATH"))
    if on_path is not None and os.path.realpath(on_path) == os.path.realpath(started) and started.is_absolute():
        return "charge-bench", "charge-agent"
    folder = started.parent
    if folder.is_absolute() and folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    return shlex.quote(str(folder / "charge-bench")), shlex.quote(str(folder / "charge-agent"))


def ways_to_play(place: Path, bench: str, agent: str, *, card: str) -> list[tuple[str, str]]:
    """Return (what it does, the exact command)."""
    folder = shlex.quote(str(place))
    tell = f"{bench} --dir {folder}"
    config = shlex.quote(str(place / "station.toml"))
    return [
        ("a car comes", f"{tell} plug"),
        ("the card is tapped", f"{tell} tap {card}"),
        ("the car leaves", f"{tell} unplug"),
        ("the car pauses, goes on", f"{tell} pause; sleep 5; {tell} resume"),
        ("the car shows a state (A-F)", f"{tell} car_state D; sleep 3; {tell} car_state auto"),
        ("the network is cut, mended", f"{tell} net down; sleep 20; {tell} net up"),
        ("the agent is killed", f"kill -9 $(cat {folder}/agent.pid)"),
        ("the guard is killed", f"kill -9 $(cat {folder}/guard.pid)"),
        ("power fails, is back 2 s later", f"{tell} power_cut"),
        ("the station at a glance", f"{agent} status --config {config}"),
        ("why it charges or not", f"{agent} why --config {config}"),
        ("what the CSMS has not got yet", f"{agent} queue --config {config}"),
        ("the CSMS's ledger", f"{tell} csms ledger"),
        ("everything else", f"{tell} verbs"),
    ]


def _private() -> Path:
    """Make a folder of our own whose path is short enough."""
    place = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        check_socket_path(place / LONGEST_SOCKET)
    except WireError:
        place.rmdir()
        place = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    return place


def _leftovers(place: Path) -> list[Path]:
    found = [path for suffix in ("log", "pid", "port", "sock") for path in place.glob(f"*.{suffix}")]
    return found + list(place.glob("reader-*"))


def _holder(lock: Path) -> str | None:
    """Return who holds a folder's lock, None when nobody does."""
    try:
        claim = lock.open("r", encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    with claim:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return claim.read(32).strip() or "unknown"
    return None
