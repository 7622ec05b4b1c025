"""Boards: what a manufacturer says once about a piece of hardware, so that a station file is "board, meter, reader".

A board file (``config/boards/NAME.toml``, or any path) holds the same tables as a station file, as far as they are the
board's: lines, guard, EVSEs with their pilot and contactor, buses. The station file lies over it, table by table; a
table that names another driver or another line replaces the board's, and ``false`` takes one away. What the board
alone says: ``[board]`` its title and the lines that it has, ``[limits]`` what no station file may exceed, ``[aliases]``
names for lines, ``[reserved]`` lines that the board uses itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.settings.claims import line_key_of
from agent.settings.key_lines import KeyPath, key_lines
from agent.settings.problems import Problem
from agent.settings.reading import Clean, Reading, kind_of, shown
from agent.settings.schema import Field, Kind, Table
from agent.settings.station import BoardNote
from agent.settings.tables import TABLES, VARIABLES
from agent.settings.toml_text import load_toml, toml_fault
from drivers.config_dir import config_dir
from drivers.registry import closest

BOARD: Final = "board"
LARGEST_B: Final = 1 << 18
_SUFFIX: Final = ".toml"
_SHOWN: Final = 12  # lines that a hint names
_STATION_TABLES: Final = frozenset((*(table.name for table in TABLES), VARIABLES))
_OWN_TABLES: Final = ("board", "limits", "aliases", "reserved")
_NOT_A_BOARDS: Final = frozenset(
    ("station", "csms", "variables", BOARD)
)  # a board knows neither its station nor a CSMS
_ABOUT: Final = Table(
    name="board",
    help="What the board is.",
    required=True,
    fields=(
        Field(name="title", kind=Kind.TEXT, required=True, maximum=80, help="name of the board, for people"),
        Field(name="source", kind=Kind.TEXT, maximum=400, help="where its facts come from"),
        Field(name="lines", kind=Kind.TEXTS, default=(), help="every line that it has; empty: not known"),
    ),
)
_LIMITS: Final = Table(
    name="limits",
    help="What no station file may exceed.",
    fields=(
        Field(name="max_current_a", kind=Kind.NUMBER, unit="A", minimum=6, maximum=80, help="for each EVSE and phase"),
        Field(name="phases", kind=Kind.WHOLE, choices=(1, 3), help="phases that its contactors switch"),
        Field(name="evses", kind=Kind.WHOLE, minimum=1, maximum=64, help="EVSEs that it has outputs for"),
    ),
)


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """A board file that was read. ``text`` are its bytes; ``about`` and ``limits`` its own tables, checked."""

    name: str
    file: Path
    text: bytes
    about: Clean
    limits: Clean
    aliases: Mapping[str, str]
    reserved: Mapping[str, str]
    tables: dict[str, Any]
    lines: dict[KeyPath, int]

    def note(self) -> BoardNote:
        """Return what the settings remember of the board."""
        digest = hashlib.sha256(self.text).hexdigest()
        return BoardNote(name=self.name, title=self.about["title"], file=self.file, sha256=digest)


def board_names() -> list[str]:
    """Return the names of the boards that ship with the software."""
    return sorted(path.stem for path in (config_dir() / "boards").glob(f"*{_SUFFIX}"))


def take_board(document: dict[str, Any], reading: Reading, folder: Path, copy: bytes | None = None) -> Board | None:
    """Take ``board`` out of a station file's document and read the board file; problems go to ``reading``.

    Args:
        folder: of the station file, where a relative path starts.
        copy: bytes to use instead of the board file's, from the last good copy of a station.
    """
    station = document.get("station")
    places: list[tuple[KeyPath, Any]] = []
    if BOARD in document:
        places.append(((BOARD,), document.pop(BOARD)))
    if isinstance(station, dict) and BOARD in station:
        document["station"] = {name: value for name, value in station.items() if name != BOARD}
        places.append((("station", BOARD), station[BOARD]))
    if not places:
        return None
    path, name = places[-1]
    if len(places) > 1:
        reading.refuse(path, "is given twice", "once is enough, above the first table or in [station]")
        return None
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        reading.refuse(path, f"{shown(name)} is {kind_of(name)}, expected the name of a board, or a path")
        return None
    file = folder / name if "/" in name or name.endswith(_SUFFIX) else config_dir() / "boards" / f"{name}{_SUFFIX}"
    try:
        text = file.read_bytes() if copy is None else copy
    except OSError as problem:
        _refuse_missing(name, file, path, problem, reading)
        return None
    return _read_board(name, file, text, path, reading)


def lay_over(document: dict[str, Any], board: Board, reading: Reading) -> dict[str, Any]:
    """Return the board's tables with the station's ``document`` over them; the board's lines go to ``reading``."""
    inherited = dict(board.lines)
    merged = dict(document)
    for name, value in board.tables.items():
        if name != "evse":
            merged[name] = _merge(value, document[name], (name,), inherited) if name in document else value
    if "evse" in board.tables:
        merged["evse"] = _merge_evses(board.tables["evse"], document.get("evse", []), inherited)
    reading.inherit(str(board.file), inherited)
    named: dict[str, Any] = _named(merged, board.aliases)
    return named


def check_board(document: dict[str, Any], clean: Clean, board: Board, reading: Reading) -> None:
    """Note what in the merged ``document`` and its ``clean`` tables goes beyond the board."""
    evses = clean.get("evse", [])
    limits = board.limits
    most = limits.get("evses")
    if most is not None and len(evses) > most:
        reading.refuse(("evse", most), f"is EVSE number {len(evses)}, the board {board.name!r} has outputs for {most}")
    for index, evse in enumerate(evses):
        _check_limit(evse, "max_current_a", "A", limits, ("evse", index), board, reading)
        _check_limit(evse, "phases", "phases", limits, ("evse", index), board, reading)
    key = line_key_of(clean)
    known = {key(line): line for line in board.about.get("lines", ())}
    reserved = {key(board.aliases.get(line, line)): use for line, use in board.reserved.items()}
    for path, line in lines_in(document, ()):
        if key(line) in reserved:
            reading.refuse(path, f"{line!r} is not free on the board {board.name!r}: {reserved[key(line)]}")
        elif known and key(line) not in known:
            near = closest(line, [*known.values(), *board.aliases, *board.aliases.values()])
            hint = f"did you mean {near!r}?" if near else f"it has {_some([*board.aliases, *known.values()])}"
            reading.refuse(path, f"{line!r} is no line of the board {board.name!r}", hint)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")


def _check_limit(
    evse: Clean, name: str, unit: str, limits: Clean, path: KeyPath, board: Board, reading: Reading
) -> None:
    value, most = evse.get(name), limits.get(name)
    if value is None or most is None or value <= most:
        return
    text = f"{value:g} {unit} is above the {most:g} {unit} of the board {board.name!r}"
    reading.refuse((*path, name), text, f"write {name} = {most:g}, or use another board")


def _refuse_missing(name: str, file: Path, path: KeyPath, problem: OSError, reading: Reading) -> None:
    if file.parent == config_dir() / "boards" and isinstance(problem, FileNotFoundError):
        known = board_names()
        near = closest(name, known)
        hint = f"did you mean {near!r}?" if near else 'a board of your own is a path: board = "./my-board.toml"'
        reading.refuse(path, f"{name!r} is no board, expected one of {', '.join(known)}", hint)
    else:
        reading.refuse(path, f"{file} cannot be read: {problem.strerror or problem}")


def _read_board(name: str, file: Path, text: bytes, path: KeyPath, reading: Reading) -> Board | None:
    if len(text) > LARGEST_B:
        reading.refuse(path, f"{name!r} has {len(text)} bytes, at most {LARGEST_B} are allowed")
        return None
    try:
        source = text.decode("utf-8-sig").replace("\r\n", "\n")
        content = load_toml(source)
    except (ValueError, RecursionError) as problem:
        line, said, hint = toml_fault(problem, text)
        reading.refuse(path, f"{name!r} cannot be used")
        reading.problems.append(Problem(file=str(file), line=line, key="", text=said, hint=hint))
        return None
    lines = key_lines(source)
    own = Reading(file=str(file), base=file.parent, lines=lines)
    about = own.read(_ABOUT, content.get("board", {}), ("board",))
    limits = own.read(_LIMITS, content.get("limits", {}), ("limits",))
    aliases, reserved = _texts(content, "aliases", own), _texts(content, "reserved", own)
    tables = {key: value for key, value in content.items() if key not in _OWN_TABLES}
    for key in tables:
        near = closest(key, _OWN_TABLES) if key not in _STATION_TABLES else None
        if near is not None:
            own.refuse((key,), "is unknown", f"did you mean {near!r}?")
        if key in _NOT_A_BOARDS:
            own.refuse((key,), "is a station's, not a board's")
    if not all(isinstance(each, dict) for each in _listed(tables.get("evse", []))):
        own.refuse(("evse",), "expected [[evse]] tables")
    if own.problems:
        reading.problems += own.problems
        return None
    return Board(
        name=name, file=file, text=text, about=about, limits=limits, aliases=aliases, reserved=reserved,
        tables=tables, lines=lines,
    )  # fmt: skip


def _texts(content: Mapping[str, Any], name: str, own: Reading) -> dict[str, str]:
    raw = content.get(name, {})
    if not isinstance(raw, dict):
        own.refuse((name,), f"is {kind_of(raw)}, expected a table [{name}]")
        return {}
    for key, value in raw.items():
        if not isinstance(value, str):
            own.refuse((name, key), f"{shown(value)} is {kind_of(value)}, expected text")
    return {key: value for key, value in raw.items() if isinstance(value, str)}


def _listed(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else [raw]


def _merge_evses(of_board: list[Any], of_station: Any, inherited: dict[KeyPath, int]) -> Any:
    """Return the station's EVSEs, each over the board's of the same id (or place, without an id), in their order."""
    places = {path: inherited.pop(path) for path in list(inherited) if path[0] == "evse"}
    if not isinstance(of_station, list) or not all(isinstance(each, dict) for each in of_station):
        return of_station
    merged = []
    for index, evse in enumerate(of_station or of_board):
        source = _same_evse(evse, index, of_board)
        if source is None:
            merged.append(evse)
            continue
        moved = {("evse", index, *path[2:]): line for path, line in places.items() if path[1:2] == (source,)}
        merged.append(_merge(of_board[source], evse, ("evse", index), moved))
        inherited.update(moved)
    if not of_station:
        inherited.update({path: line for path, line in places.items() if len(path) == 1})
    return merged


def _same_evse(evse: dict[str, Any], index: int, of_board: list[Any]) -> int | None:
    if "id" not in evse:
        return index if index < len(of_board) else None
    return next((place for place, each in enumerate(of_board) if each.get("id", place + 1) == evse["id"]), None)


def _merge(of_board: Any, of_station: Any, path: KeyPath, inherited: dict[KeyPath, int]) -> Any:
    """Return the station's value over the board's; what the board loses is taken out of ``inherited``."""
    both = isinstance(of_board, dict) and isinstance(of_station, dict)
    if both and not any(name in of_station and of_station[name] != of_board.get(name) for name in ("driver", "line")):
        merged = dict(of_board)
        for name, value in of_station.items():
            if value is False and isinstance(of_board.get(name), dict):
                del merged[name]
                _forget((*path, name), inherited)
            else:
                merged[name] = _merge(of_board[name], value, (*path, name), inherited) if name in of_board else value
        return merged
    _forget(path, inherited)
    return of_station


def _forget(path: KeyPath, inherited: dict[KeyPath, int]) -> None:
    for each in [each for each in inherited if each[: len(path)] == path]:
        del inherited[each]


def _named(value: Any, aliases: Mapping[str, str]) -> Any:
    """Return ``value`` with every ``line`` that is an alias replaced by the line's own name."""
    match value:
        case dict():
            return {
                name: aliases.get(each, each) if name == "line" and isinstance(each, str) else _named(each, aliases)
                for name, each in value.items()
            }
        case list():
            return [_named(each, aliases) for each in value]
    return value


def lines_in(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Yield every line that is named at or below ``path``, with its place."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "line" and isinstance(each, str):
                yield (*path, name), each
            elif (*path, name) != ("variables",):
                yield from lines_in(each, (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from lines_in(each, (*path, index))
