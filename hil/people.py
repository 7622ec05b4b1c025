"""What people see, hear and press at one EVSE: status light, buzzer, button. Pure.

Colours and rhythms are read off the lines, as somebody in front of the station would.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

LIGHTS: Final = ("led", "led_red", "led_green", "led_blue")
OUTPUTS: Final = (*LIGHTS, "buzzer")
INPUTS: Final = ("button",)
_COLOURS: Final = {  # by the lit ones of red, green, blue
    (True, False, False): "red",
    (False, True, False): "green",
    (False, False, True): "blue",
    (True, True, False): "yellow",
    (False, True, True): "cyan",
    (True, False, True): "magenta",
    (True, True, True): "white",
}
_STEADY_S: Final = 2.5  # longer than the longest pause of a rhythm
_LONG_LIT_S: Final = 0.3  # of the slow rhythm; flashes are shorter
_LONG_DARK_S: Final = 1.0
_LONG_BEEP_S: Final = 0.35
_ROW_S: Final = 1.0  # beeps further apart are not one row
_KEPT: Final = 12


class People:
    """The light, buzzer and button of one EVSE."""

    def __init__(self) -> None:
        self.levels = dict.fromkeys((*OUTPUTS, *INPUTS), False)
        self._colour = "off"
        self._changes: deque[tuple[float, bool]] = deque(maxlen=_KEPT)
        self._sounds_since_s: float | None = None
        self._heard_s = 0.0
        self._heard: list[str] = []

    @property
    def colour(self) -> str:
        """What is lit now: a colour, ``on`` for a light of one line, ``off``."""
        lit = tuple(self.levels[light] for light in LIGHTS[1:])
        return _COLOURS.get((lit[0], lit[1], lit[2]), "on" if self.levels["led"] else "off")

    def drive(self, line: str, level: bool, now_s: float) -> None:
        """Take a level that the station drives."""
        was = self.colour != "off"
        self.levels[line] = level
        if line == "buzzer":
            self._hear(level, now_s)
            return
        if self.colour != "off":
            self._colour = self.colour
        if was is not (self.colour != "off"):
            self._changes.append((now_s, self.colour != "off"))

    def report(self, now_s: float) -> dict[str, Any]:
        """Return what somebody in front of the station sees and hears."""
        rhythm = self._rhythm(now_s)
        return {
            "light": {"colour": "off" if rhythm == "off" else self._colour, "rhythm": rhythm},
            "buzzer": {"sounding": self.levels["buzzer"], "heard": " ".join(self._heard)},
        }

    def _rhythm(self, now_s: float) -> str:
        if not self._changes or now_s - self._changes[-1][0] > _STEADY_S:
            return "on" if self.colour != "off" else "off"
        spans = [
            (lit, later[0] - at_s) for (at_s, lit), later in zip(self._changes, list(self._changes)[1:], strict=False)
        ]
        lit = [span_s for is_lit, span_s in spans if is_lit]
        dark = [span_s for is_lit, span_s in spans if not is_lit and span_s <= _STEADY_S]
        if not lit or not dark:
            return "changing"
        if max(lit) >= _LONG_LIT_S:
            return "slow"
        if max(dark) < _LONG_DARK_S:
            return "fast"
        return "double" if min(dark) < _LONG_DARK_S else "pulse"

    def _hear(self, sounds: bool, now_s: float) -> None:
        if sounds and self._sounds_since_s is None:
            self._sounds_since_s = now_s
            if now_s - self._heard_s > _ROW_S:
                self._heard = []
        elif not sounds and self._sounds_since_s is not None:
            self._heard.append("long" if now_s - self._sounds_since_s >= _LONG_BEEP_S else "short")
            self._sounds_since_s, self._heard_s = None, now_s
