"""Names of lines: those of a Raspberry Pi's header, and those of any chip by its label. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from drivers.api.safe import SafeAction, SafeOutput

LAST_HEADER_GPIO: Final = 27
HEADER_CHIPS: Final = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
# BCM number of each pin of the 40-pin header, in order; 0 for supply, earth and ID pins. Source: Raspberry Pi header.
_HEADER_BCM: Final = (0, 0, 2, 0, 3, 0, 4, 14, 0, 15, 17, 18, 27, 0, 22, 23, 0, 24, 10, 0, 9, 25, 11, 8, 0, 7, 0, 0, 5, 0, 6, 12, 13, 0, 19, 16, 26, 20, 0, 21)  # fmt: skip  # noqa: E501


def bcm_number(line: str) -> int | None:
    """Return the BCM number of ``GPIO17``, ``BCM17``, ``17``, ``J8:11`` or ``BOARD11``; ``None`` for other names."""
    name = line.upper()
    if not name.isascii():  # other scripts have digits, too
        return None
    for prefix in ("GPIO", "BCM", ""):
        if name.startswith(prefix) and name[len(prefix) :].isdecimal():
            return int(name[len(prefix) :])
    for prefix in ("J8:", "BOARD"):
        pin = name.removeprefix(prefix)
        if pin != name and pin.isdecimal() and 1 <= int(pin) <= len(_HEADER_BCM):
            return _HEADER_BCM[int(pin) - 1] or None
    return None


def header_line(line: str) -> str:
    """Return the one name of a line of the header: ``BOARD11`` and ``BCM17`` are ``GPIO17``; others as they are."""
    number = bcm_number(line)
    return line if number is None else f"GPIO{number}"


def named_key(line: str) -> str:
    """Return what two names of one line have in common, as far as names tell: ``pinctrl-rp1:17`` is ``GPIO17``."""
    label, _, name = line.rpartition(":")
    return header_line(name) if label in HEADER_CHIPS else line


def named_problem(line: str) -> str | None:
    """Return what is wrong with a name: chips are named by label, and an offset alone names no chip."""
    label, colon, name = line.rpartition(":")
    if re.fullmatch(r"(/dev/)?gpiochip\d+", label):
        return f"{line!r} names a chip by its number, which moves between kernels, expected its label (gpiodetect)"
    if not name or (colon and not label):
        return f"{line!r} is no line, expected a line's name, or a chip's label and a name or offset: LABEL:NAME"
    if not colon and line.isdecimal():
        return f"{line!r} is an offset without a chip, expected LABEL:{line} (gpiodetect shows the labels)"
    return None


def named_lines(outputs: Sequence[SafeOutput]) -> list[SafeAction]:
    """Return what drives ``outputs``, named ``LABEL:NAME``, ``LABEL:OFFSET`` or ``NAME``, to their safe levels."""
    from drivers.api.safe import SafeLine

    parts = [each.line.rpartition(":") for each in outputs]
    return [
        SafeLine(chips=(chip or "*",), line=name, high=each.active is each.active_high)
        for each, (chip, _, name) in zip(outputs, parts, strict=True)
    ]
