"""GPIO chips of the kernel, found by label, and their lines, found by name: the numbers of both move between kernels.

Names as a station file writes them: ``GPIO17`` where one chip alone has a line of that name, ``pinctrl-rp1:GPIO17``
with the label of the chip, ``30200000.gpio:5`` with an offset for lines without names. Labels and names are what
``gpiodetect`` and ``gpioinfo`` show.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from drivers.api import DriverUnavailable

CONSUMER: Final = "charge-agent"
_DEV: Final = "/dev"
_NUMBERED: Final = re.compile(r"gpiochip\d+")

Paths = Callable[[], Iterable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a line is; ``asked`` is its name in the station file. The path may move, label and offset do not."""

    asked: str
    path: str
    label: str
    offset: int


def chip_paths() -> list[str]:
    """Return the device files of this machine's GPIO chips; links to a chip (as Raspberry Pi OS has) are left out."""
    try:
        names = os.listdir(_DEV)
    except OSError:
        return []
    paths = [os.path.join(_DEV, name) for name in names if _NUMBERED.fullmatch(name)]
    return sorted(path for path in paths if not os.path.islink(path))


def load_gpiod() -> Any:
    """Return the module ``gpiod``.

    Raises:
        DriverUnavailable: it is not installed, or is of version 1, whose API is another one.
    """
    try:
        import gpiod
    except ImportError as exc:
        hint = "install charge-agent[gpio], or gpiod>=2.2"
        raise DriverUnavailable(f"the Python package gpiod cannot be loaded: {exc}; {hint}") from exc
    if not hasattr(gpiod, "LineSettings"):
        found = getattr(gpiod, "__version__", "1")
        raise DriverUnavailable(f"the Python package gpiod has version {found}, expected 2.2 or later")
    return gpiod


class Chips:
    """The chips of one machine. Holds nothing open between two calls."""

    def __init__(self, gpiod: Any, paths: Paths = chip_paths) -> None:
        """Use the module ``gpiod`` (version 2) on the device files that ``paths`` lists."""
        self.gpiod = gpiod
        self._paths = paths

    def labels(self) -> list[str]:
        """Return the labels of the chips that can be opened."""
        try:
            return [each.label for each in self._chips("")]
        except DriverUnavailable:
            return []

    def label_of(self, number: int) -> str | None:
        """Return the label of ``/dev/gpiochipN``, for drivers that still count chips."""
        try:
            with self.gpiod.Chip(f"{_DEV}/gpiochip{number}") as chip:
                label: str = chip.get_info().label
        except OSError:
            return None
        return label

    def find(self, line: str) -> Place:
        """Return where the line is that the station file calls ``line``.

        Raises:
            DriverUnavailable: no chip, no line, or more than one of that name; the text says what there is.
        """
        chips = self._chips(line)
        label, colon, name = line.rpartition(":")
        if _NUMBERED.fullmatch(label) and label not in {each.label for each in chips}:
            hint = f"write its label, one of {_listed(each.label for each in chips)}"
            raise DriverUnavailable(f"line {line}: {label} is a number that moves between kernels; {hint}")
        on_chip = [each for each in chips if colon and each.label == label]
        whole = [(each, offset) for each in chips for offset in each.offsets(line)]
        found = [(each, offset) for each in on_chip for offset in each.offsets(name)] or whole
        if not found and name.isdecimal():
            found = [(each, int(name)) for each in on_chip if int(name) < each.count]
        if len(found) == 1:
            chip, offset = found[0]
            return Place(asked=line, path=chip.path, label=chip.label, offset=offset)
        if found:
            where = _listed(f"{chip.label}:{offset}" for chip, offset in found)
            raise DriverUnavailable(
                f"line {line}: {len(found)} lines have this name: {where}; name the one that is meant"
            )
        raise DriverUnavailable(_unknown(line, label if colon else "", name, on_chip, chips))

    def moved(self, place: Place) -> Place:
        """Return ``place`` with the path that its chip has now. Raises ``DriverUnavailable`` while it is gone."""
        for path in self._paths():
            try:
                with self.gpiod.Chip(path) as chip:
                    if chip.get_info().label == place.label:
                        return Place(asked=place.asked, path=path, label=place.label, offset=place.offset)
            except OSError:
                continue
        raise DriverUnavailable(f"line {place.asked}: the chip {place.label!r} is gone")

    def request(self, place: Place, settings: Any) -> Any:
        """Claim a line with all its settings, the first value of an output included, in one call to the kernel.

        Raises:
            DriverUnavailable: it is in use, or the chip cannot do what was asked.
        """
        try:
            with self.gpiod.Chip(place.path) as chip:
                try:
                    return chip.request_lines(config={place.offset: settings}, consumer=CONSUMER)
                except OSError as exc:
                    raise DriverUnavailable(f"line {place.asked}: {_refusal(chip, place, exc)}") from exc
        except OSError as exc:
            raise DriverUnavailable(f"line {place.asked}: {place.path}: {exc.strerror or exc}") from exc

    def _chips(self, line: str) -> list[_Chip]:
        chips: list[_Chip] = []
        refused = ""
        for path in self._paths():
            try:
                with self.gpiod.Chip(path) as chip:
                    chips.append(_read_chip(chip, path))
            except OSError as exc:
                hint = "; the user must be in the group that owns it" if exc.errno == errno.EACCES else ""
                refused = f": {path}: {exc.strerror or exc}{hint}"
        if not chips:
            raise DriverUnavailable(f"line {line}: this machine has no GPIO chip that can be opened{refused}")
        return chips


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chip:
    path: str
    label: str
    count: int
    names: tuple[str, ...]

    def offsets(self, name: str) -> list[int]:
        return [offset for offset, each in enumerate(self.names) if name and each == name]


def _read_chip(chip: Any, path: str) -> _Chip:
    about = chip.get_info()
    names = tuple(chip.get_line_info(offset).name or "" for offset in range(about.num_lines))
    return _Chip(path=path, label=about.label, count=about.num_lines, names=names)


def _refusal(chip: Any, place: Place, problem: OSError) -> str:
    if problem.errno == errno.EBUSY:
        consumer = chip.get_line_info(place.offset).consumer
        return f"is already in use by {consumer or 'the kernel'!r}, expected a free line"
    if problem.errno in (errno.ENXIO, errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP):
        return f"chip {place.label!r} cannot do what was asked ({problem.strerror}): edge events, bias or direction"
    return problem.strerror or str(problem)


def _unknown(line: str, label: str, name: str, on_chip: list[_Chip], chips: list[_Chip]) -> str:
    from drivers.registry import closest

    if label and not on_chip:
        there = _listed(each.label for each in chips)
        near = closest(label, [each.label for each in chips])
        text = f"line {line}: there is no chip with the label {label!r}, there are {there}"
        return text + (f"; did you mean {f'{near}:{name}'!r}?" if near else "")
    named = {each: each for chip in (on_chip or chips) for each in chip.names if each}
    near = closest(name, named)
    if on_chip:
        lines = on_chip[0].count
        text = f"line {line}: chip {label!r} has no line {name!r}, expected a name that it has or 0-{lines - 1}"
        return text + (f"; did you mean {f'{label}:{near}'!r}?" if near else "")
    text = f"line {line}: none of the chips {_listed(each.label for each in chips)} has such a line"
    return text + (f"; did you mean {near!r}?" if near else "")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted({*names}))
