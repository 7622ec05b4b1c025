"""On/off lines that are files of a folder: the smallest driver package for charge-agent.

A line is a file with ``1`` or ``0``, its electrical level. A line that has no file is not there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from drivers.api import DriverKind, DriverSpec, DriverUnavailable, Look, Option, OptionProblem
from drivers.api.safe import SafeAction, SafeOutput, SafeWrite


class FolderLines:
    """The lines of one folder."""

    def __init__(self, *, dir: str) -> None:
        """Use the folder ``dir``. Raises ``DriverUnavailable``."""
        self._dir = dir
        self._claimed: set[str] = set()
        if not os.path.isdir(dir):
            raise DriverUnavailable(f"{dir} is no folder, expected one with a file for each line")

    def output(self, line: str, *, active_high: bool, initial: bool) -> FolderOutput:
        """Claim an output with its first value. Raises ``DriverUnavailable``."""
        output = FolderOutput(self._claim(line), active_high=active_high)
        output.write(initial)
        return output

    def input(self, line: str, *, active_high: bool, pull: str = "none") -> FolderInput:
        """Claim an input. Raises ``DriverUnavailable``."""
        if pull not in ("none", "up", "down"):
            raise ValueError(f"pull {pull!r} of line {line}: expected one of none, up, down")
        return FolderInput(self._claim(line), active_high=active_high)

    def close(self) -> None:
        """Release every line; levels stay as they are."""
        self._claimed.clear()

    def _claim(self, line: str) -> str:
        path = os.path.join(self._dir, line)
        if line in self._claimed:
            raise DriverUnavailable(f"line {line}: is already in use here")
        if not os.path.isfile(path):
            raise DriverUnavailable(f"line {line}: there is no file {path}")
        self._claimed.add(line)
        return path


class FolderOutput:
    """One output."""

    def __init__(self, path: str, *, active_high: bool) -> None:
        self._path, self._active_high = path, active_high

    def write(self, active: bool) -> None:
        """Drive the line. Raises ``DriverUnavailable``."""
        try:
            with open(self._path, "w") as file:
                file.write(str(int(active is self._active_high)))
        except OSError as exc:
            raise DriverUnavailable(f"{self._path}: {exc.strerror}") from exc


class FolderInput:
    """One input. A file has no edges: a pulse between two scans is not seen."""

    def __init__(self, path: str, *, active_high: bool) -> None:
        self._path, self._active_high = path, active_high

    def read(self) -> bool | None:
        """Return the logical level now, ``None`` when the file is gone or says something else."""
        try:
            with open(self._path) as file:
                level = {"0": False, "1": True}.get(file.read(2).strip())
        except OSError:
            return None
        return None if level is None else level is self._active_high

    def age_s(self, now_s: float) -> float:
        """Return 0: the level is read, not pushed."""
        return 0.0

    def take_pulse(self) -> bool:
        """Return whether the line is active now."""
        return self.read() is True


def look(*, dir: str, lines: tuple[str, ...]) -> Look:
    """Say which lines the folder does not have."""
    missing = [line for line in lines if not os.path.isfile(os.path.join(dir, line))]
    problems = tuple(OptionProblem(option=line, problem=f"line {line}: no file in {dir}") for line in missing)
    return Look(problems=problems, seen=(f"{dir} has {len(lines) - len(missing)} of {len(lines)} lines",))


def safe_lines(options: Mapping[str, Any], outputs: Sequence[SafeOutput]) -> list[SafeAction]:
    """Return what writes the safe levels without Python."""
    return [
        SafeWrite(path=os.path.join(options["dir"], each.line), text=str(int(each.active is each.active_high)))
        for each in outputs
    ]


SPEC = DriverSpec(
    name="folder",
    kind=DriverKind.LINES,
    target="example_folder_lines:FolderLines",
    options=(Option(name="dir", type=str, required=True, help="folder with a file for each line"),),
    summary="On/off lines that are files of a folder",
    look="example_folder_lines:look",
    safe_lines=safe_lines,
)
