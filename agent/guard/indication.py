"""What a status light, a buzzer and a button say and hear: patterns, and when the next edge of one is due. Pure.

A pattern is a colour and a rhythm. A light of one line shows the rhythm of every colour; one of several lines lights
those of the colour, and all of them where it has none of that colour, so that no pattern is ever dark by accident.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from types import MappingProxyType
from typing import Final, NamedTuple

RED, GREEN, BLUE = 1, 2, 4
ANY: Final = RED | GREEN | BLUE  # a light of one line
COLOURS: Final = MappingProxyType(
    {
        "red": RED,
        "green": GREEN,
        "blue": BLUE,
        "yellow": RED | GREEN,
        "cyan": GREEN | BLUE,
        "magenta": RED | BLUE,
        "white": ANY,
    }
)
RHYTHMS: Final = MappingProxyType(  # s lit, s dark, ... ; an empty one is steady
    {
        "off": (),
        "on": (),
        "slow": (0.5, 0.5),
        "fast": (0.125, 0.125),
        "pulse": (0.1, 1.9),
        "double": (0.1, 0.2, 0.1, 1.6),
    }
)
BEEPS: Final = MappingProxyType({"short": 0.1, "long": 0.6})  # s
BEEP_PAUSE_S: Final = 0.12
BEEPS_MAX: Final = 8
BLINK_S: Final = 0.25  # dark, and as long lit, of each blink of a signal; house rule
BLINKS_MAX: Final = 20
PRESS_MAX_S: Final = 3.0  # held longer is no press: somebody leans on it, or it is stuck; house rule


class Pattern(NamedTuple):
    """What a light shows."""

    colour: str = "white"
    rhythm: str = "off"


DARK: Final = Pattern()


class Blinker:
    """The rhythm of one light.

    Attributes:
        pattern: what is shown.
        due_s: when ``step`` has something to do; ``inf`` while nothing changes.
    """

    __slots__ = ("_signal", "_signal_from_s", "_signal_until_s", "due_s", "pattern")

    def __init__(self) -> None:
        """Begin dark."""
        self.pattern = DARK
        self._signal = 0
        self._signal_from_s = 0.0
        self._signal_until_s = 0.0
        self.due_s = inf

    def show(self, pattern: Pattern) -> None:
        """Show ``pattern`` from the next step on."""
        if pattern != self.pattern:
            self.pattern = pattern
            self.due_s = 0.0

    def signal(self, colour: str, times: int, now_s: float) -> None:
        """Blink ``times`` in ``colour``, dark first, before the pattern shows again."""
        self._signal = COLOURS[colour]
        self._signal_from_s = now_s
        self._signal_until_s = now_s + 2.0 * BLINK_S * min(times, BLINKS_MAX)
        self.due_s = 0.0

    def step(self, now_s: float) -> int:
        """Return the colour that is lit at ``now_s``, 0 for dark. All lights of one rhythm keep one time."""
        if now_s < self._signal_until_s:
            halves = int((now_s - self._signal_from_s) / BLINK_S + 1e-6)
            self.due_s = self._signal_from_s + (halves + 1) * BLINK_S
            return self._signal if halves % 2 else 0
        colour, rhythm = self.pattern
        steps = RHYTHMS[rhythm]
        if not steps:
            self.due_s = inf
            return COLOURS[colour] if rhythm == "on" else 0
        left_s = now_s % sum(steps)
        for number, lasts_s in enumerate(steps):
            if left_s < lasts_s:
                self.due_s = now_s + lasts_s - left_s
                return 0 if number % 2 else COLOURS[colour]
            left_s -= lasts_s
        self.due_s = now_s  # only where the sum is not exact
        return 0


class Beeper:
    """The beeps of one buzzer, one series at a time.

    Attributes:
        due_s: when ``step`` has something to do; ``inf`` while it is silent.
    """

    __slots__ = ("_edges", "due_s")

    def __init__(self) -> None:
        """Begin silent."""
        self._edges: list[tuple[float, bool]] = []
        self.due_s = inf

    def sound(self, beeps: Sequence[str], now_s: float) -> None:
        """Sound ``beeps`` from ``now_s`` on, in place of what sounds."""
        self._edges = [(now_s, False)]
        at_s = now_s
        for beep in beeps[:BEEPS_MAX]:
            self._edges += [(at_s, True), (at_s + BEEPS[beep], False)]
            at_s += BEEPS[beep] + BEEP_PAUSE_S
        self.due_s = now_s

    def step(self, now_s: float) -> bool:
        """Return whether it sounds at ``now_s``."""
        sounds = False
        while self._edges and self._edges[0][0] <= now_s:
            sounds = self._edges.pop(0)[1]
        self.due_s = self._edges[0][0] if self._edges else inf
        return sounds


class Presses:
    """Counts the short presses of a button whose level is debounced already.

    Attributes:
        count: since the start.
    """

    __slots__ = ("_since_s", "count")

    def __init__(self) -> None:
        """Nobody has pressed it."""
        self.count = 0
        self._since_s: float | None = None

    def step(self, level: bool | None, now_s: float) -> bool:
        """Take the level; return whether a press has just ended. One that lasts too long, or is lost, is none."""
        if level is None:
            self._since_s = None
        elif level:
            if self._since_s is None:
                self._since_s = now_s
        elif self._since_s is not None:
            short = now_s - self._since_s <= PRESS_MAX_S
            self._since_s = None
            if short:
                self.count += 1
            return short
        return False
