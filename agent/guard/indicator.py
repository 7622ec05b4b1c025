"""The status light, the buzzer and the button of one EVSE as devices. Nothing here waits, and nothing of it is safety.

Who decides what is shown: the agent, while it is there. Without it the guard shows ``booting`` until one has come, and
``no_agent`` (or ``faulted``, where a fault is present) after one has gone, so that a fault shows without an agent.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import Final

from agent.guard.indication import ANY, COLOURS, Beeper, Blinker, Pattern, Presses
from agent.guard.log import Log
from agent.guard.plan import Plan
from agent.guard.plan_indicator import IndicatorPlan, ShownAlone
from agent.guard.sensing import WatchedLine
from agent.guard.timings import MAX_AGE_SCANS
from drivers.api import DriverError, Lines, OutputLine


class Who(Enum):
    """Who decides what the light shows."""

    NOBODY_YET = "nobody_yet"  # no agent has come since the start
    AGENT = "agent"
    NOBODY = "nobody"  # it has gone


NO_AGENT_S: Final = 5.0  # an agent that restarts is back within this time; house rule


class Indicator:
    """The light, buzzer and button of one EVSE.

    Attributes:
        due_s: when ``step`` has something to do, so that a light that does not blink costs a scan one comparison.
        presses: of the button.
    """

    def __init__(
        self, plan: IndicatorPlan, alone: ShownAlone, lines: Lines, *, evse_id: int, log: Log, max_age_s: float
    ) -> None:
        """Claim the lines, dark and silent. Raises ``DriverError``."""
        self._lamps = [
            _Lamp(lines.output(line.line, active_high=line.active_high, initial=False), COLOURS.get(colour, ANY))
            for colour, line in plan.lights
        ]
        buzzer = plan.buzzer
        self._buzzer: OutputLine | None = None
        if buzzer is not None:
            self._buzzer = lines.output(buzzer.line, active_high=buzzer.active_high, initial=False)
        self._button = None if plan.button is None else WatchedLine(lines, plan.button, max_age_s=max_age_s)
        self._sounds = False
        self._alone = alone
        self._evse_id = evse_id
        self._log = log
        self._blinker, self._beeper, self._presses = Blinker(), Beeper(), Presses()
        self._who = Who.NOBODY_YET
        self._told: Pattern | None = None
        self._left_s: float | None = None
        self._faulted = False
        self.due_s = inf
        self._choose()

    @property
    def presses(self) -> int:
        """Return how often the button was pressed since the start."""
        return self._presses.count

    @property
    def has_button(self) -> bool:
        """Return whether there is one."""
        return self._button is not None

    def show(self, pattern: Pattern) -> None:
        """Show what the agent says."""
        self._who, self._told = Who.AGENT, pattern
        self._choose()

    def blink(self, colour: str, times: int, now_s: float) -> None:
        """Signal for a moment, then show again what is to be shown."""
        self._blinker.signal(colour, times, now_s)
        self._plan_ahead()

    def sound(self, beeps: tuple[str, ...], now_s: float) -> None:
        """Sound ``beeps`` where there is a buzzer."""
        if self._buzzer is not None:
            self._beeper.sound(beeps, now_s)
            self._plan_ahead()

    def attend(self, agent: bool, now_s: float) -> None:
        """Know that an agent has come or gone. One that comes says anew what is to be shown."""
        if agent:
            self._who, self._told, self._left_s = Who.AGENT, None, None
        elif self._who is Who.AGENT:
            self._left_s = now_s
        self._plan_ahead()

    def fault(self, faulted: bool) -> None:
        """Know whether the guard sees a fault, which shows where no agent is there to show it."""
        if faulted is not self._faulted:
            self._faulted = faulted
            self._choose()

    def press(self, now_s: float) -> bool:
        """Look at the button; return whether it was just pressed."""
        return self._button is not None and self._presses.step(self._button.level(now_s), now_s)

    def step(self, now_s: float) -> None:
        """Write what changed, and plan the next edge."""
        if self._left_s is not None and now_s - self._left_s >= NO_AGENT_S:
            self._who, self._told, self._left_s = Who.NOBODY, None, None
            self._choose()
        if self._blinker.due_s <= now_s:
            self._light(self._blinker.step(now_s))
        if self._beeper.due_s <= now_s:
            self._sound(self._beeper.step(now_s))
        self._plan_ahead()

    def make_dark(self) -> None:
        """End a sound, which would go on for ever, and the light with it."""
        self._sound(False)
        self._light(0)

    def _choose(self) -> None:
        """Let the light show what who decides now wants."""
        alone = self._alone
        if self._who is Who.AGENT:
            pattern = self._told
        elif self._faulted:
            pattern = alone.faulted
        else:
            pattern = alone.booting if self._who is Who.NOBODY_YET else alone.no_agent
        if pattern is not None:
            self._blinker.show(pattern)
        self._plan_ahead()

    def _plan_ahead(self) -> None:
        gone_s = inf if self._left_s is None else self._left_s + NO_AGENT_S
        self.due_s = min(self._blinker.due_s, self._beeper.due_s, gone_s)

    def _light(self, colour: int) -> None:
        fits = any(lamp.colours & colour for lamp in self._lamps)
        for lamp in self._lamps:
            lit = colour != 0 and (not fits or lamp.colours & colour != 0)
            if lit is not lamp.lit:
                lamp.lit = lit
                if not self._write(lamp.line, lit, "led.lost"):
                    self._lamps = [each for each in self._lamps if each is not lamp]

    def _sound(self, sounds: bool) -> None:
        if self._buzzer is not None and sounds is not self._sounds:
            self._sounds = sounds
            if not self._write(self._buzzer, sounds, "buzzer.lost"):
                self._buzzer = None

    def _write(self, line: OutputLine, level: bool, lost: str) -> bool:
        try:
            line.write(level)
        except DriverError as problem:
            self._log.warning(lost, evse_id=self._evse_id, problem=str(problem))
            return False
        return True


def open_indicator(
    plan: IndicatorPlan, station: Plan, lines: Lines | None, *, evse_id: int, log: Log
) -> Indicator | None:
    """Claim light, buzzer and button, if there is any. Raises ``DriverError``."""
    if lines is None or not plan.uses_lines:
        return None
    age_s = station.scan_s * MAX_AGE_SCANS
    return Indicator(plan, station.shown_alone, lines, evse_id=evse_id, log=log, max_age_s=age_s)


class _Lamp:
    """One line of the light, the colours that it is part of, and whether it is lit."""

    __slots__ = ("colours", "line", "lit")

    def __init__(self, line: OutputLine, colours: int) -> None:
        self.line = line
        self.colours = colours
        self.lit = False
