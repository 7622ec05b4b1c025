"""What a compiled plan says of lights, buzzers and buttons, and of what shows while no agent decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.guard.checks import one_of
from agent.guard.indication import COLOURS, RHYTHMS, Pattern
from agent.guard.plan_place import LinePlan, Place, parse_line, parse_optional_line

LIGHTS: Final = ("red", "green", "blue")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorPlan:
    """The people's side of one EVSE.

    Attributes:
        lights: the status light's lines by colour; "" for one that is lit with every colour.
        buzzer: sounds while active. button: active while pressed.
    """

    lights: tuple[tuple[str, LinePlan], ...] = ()
    buzzer: LinePlan | None = None
    button: LinePlan | None = None

    @property
    def uses_lines(self) -> bool:
        """Return whether there is anything."""
        return bool(self.lights) or self.buzzer is not None or self.button is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAlone:
    """What lights show while no agent says it: before one came, after one has gone, and with a fault in either case."""

    booting: Pattern
    no_agent: Pattern
    faulted: Pattern


NO_INDICATOR: Final = IndicatorPlan()
USUALLY_ALONE: Final = ShownAlone(
    booting=Pattern("white", "slow"), no_agent=Pattern("red", "double"), faulted=Pattern("red", "fast")
)


def parse_indicator(place: Place) -> IndicatorPlan:
    """Return the lights, the buzzer and the button in ``place``. Raises ``PlanError``."""
    lights = []
    single = parse_optional_line(place, "led")
    if single is not None:
        lights.append(("", single))
    if place.content.get("lights"):
        colours = place.place("lights")
        lights += [(name, parse_line(colours.place(name))) for name in LIGHTS if colours.content.get(name)]
    found = IndicatorPlan(
        lights=tuple(lights),
        buzzer=parse_optional_line(place, "buzzer"),
        button=parse_optional_line(place, "button"),
    )
    return found if found.uses_lines else NO_INDICATOR


def parse_alone(top: Place) -> ShownAlone:
    """Return what shows without an agent, as ``top`` says. Raises ``PlanError``."""
    if not top.content.get("indicators"):
        return USUALLY_ALONE
    place = top.place("indicators")
    return ShownAlone(
        booting=_pattern(place.place("booting")),
        no_agent=_pattern(place.place("no_agent")),
        faulted=_pattern(place.place("faulted")),
    )


def _pattern(place: Place) -> Pattern:
    return Pattern(place.take("colour", one_of(*COLOURS)), place.take("rhythm", one_of(*RHYTHMS)))
