"""Status lights, buzzers and buttons of a station file: the options, the checks across them, the values, the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from agent.model.indications import (
    USUAL_PATTERNS,
    USUAL_SOUNDS,
    Indicators,
    Pattern,
    ShownState,
    Sound,
    parse_beeps,
    parse_pattern,
)
from agent.settings.key_lines import KeyPath
from agent.settings.schema import Field, Kind, Table

if TYPE_CHECKING:
    from agent.settings.reading import Clean, Reading
    from agent.settings.station import EvseSettings, LineSettings, Settings

Line = Callable[..., Table]
LIGHTS: Final = ("red", "green", "blue")
_ALONE: Final = (ShownState.BOOTING, ShownState.NO_AGENT, ShownState.FAULTED)  # what the guard shows by itself
STATES_TOLD: Final = {
    ShownState.FAULTED: "a fault that forbids charging; the guard shows it without the agent, too",
    ShownState.CHARGING: "a charge runs",
    ShownState.SUSPENDED_EV: "the vehicle takes nothing",
    ShownState.SUSPENDED_EVSE: "the station gives nothing",
    ShownState.UPDATE: "the software is being replaced",
    ShownState.UNAVAILABLE: "out of service",
    ShownState.FINISHING: "the charge is over, the cable is still in",
    ShownState.AUTHORIZING: "the CSMS is being asked about a card",
    ShownState.AUTHORIZED: "a card may charge, the cable is missing",
    ShownState.PREPARING: "cable in, nobody authorised, or a start that waits",
    ShownState.RESERVED: "kept free for somebody",
    ShownState.OFFLINE: "available, without the CSMS",
    ShownState.AVAILABLE: "available",
    ShownState.BOOTING: "the guard runs, the agent has not come yet",
    ShownState.NO_AGENT: "the agent has gone for longer than 5 s",
}
SOUNDS_TOLD: Final = {
    Sound.ACCEPTED: "a card, or a press of the button, may charge",
    Sound.REFUSED: "a card or a press of the button is refused",
    Sound.STARTED: "a charge has begun",
    Sound.STOPPED: "a charge was stopped",
    Sound.FAULT: "a fault that forbids charging has come",
}

INDICATORS: Final = Table(
    name="indicators",
    help="What status lights show: a colour (red, green, blue, yellow, cyan, magenta, white) and a rhythm (on, slow, "
    "fast, pulse, double), or off. A light of one line shows the rhythm. docs/indicators.md has the map.",
    fields=tuple(
        Field(name=state.value, kind=Kind.TEXT, default=USUAL_PATTERNS[state], maximum=40, help=text)
        for state, text in STATES_TOLD.items()
    ),
)
SOUNDS: Final = Table(
    name="sounds",
    help="What buzzers sound: words out of short and long, at most 8, or none.",
    fields=tuple(
        Field(name=sound.value, kind=Kind.TEXT, default=USUAL_SOUNDS[sound], maximum=60, help=text)
        for sound, text in SOUNDS_TOLD.items()
    ),
)
BUTTON_USE: Final = Field(
    name="button",
    kind=Kind.TEXT,
    default="start_stop",
    choices=("off", "stop", "start_stop"),
    help="what the button of an EVSE does: stop a charge; start_stop also begins one where no card is required, and "
    "there plugging in alone begins nothing",
)


def people_tables(line: Line, pull: Field, debounce: Field) -> tuple[Table, ...]:
    """Return the tables of an EVSE's status light, buzzer and button."""
    single = Field(
        name="line", kind=Kind.TEXT, maximum=100, help="a light of one line, lit with every colour", example="GPIO5"
    )
    active_high = Field(name="active_high", kind=Kind.FLAG, default=True, help="of line; false: it is lit when low")
    led = Table(
        name="led",
        help="status light: one line, or those of its colours",
        inline=True,
        fields=(single, active_high),
        tables=tuple(line(colour, f"its {colour} line") for colour in LIGHTS),
    )
    return (
        led,
        line("buzzer", "sounds while active; one that makes its tone itself"),
        line("button", "active while the start/stop button is pressed", debounce, pull),
    )


def check_indicators(clean: Clean, reading: Reading) -> None:
    """Note every pattern that is none, and every light without a line."""
    for name, parse in (("indicators", parse_pattern), ("sounds", parse_beeps)):
        for key, text in clean.get(name, {}).items():
            try:
                parse(text)
            except ValueError as problem:
                reading.refuse((name, key), str(problem))
    for index, evse in enumerate(clean.get("evse", [])):
        led = evse.get("led")
        path: KeyPath = ("evse", index, "led")
        if led is not None and not led.keys() & {"line", *LIGHTS} and not reading.refused(path):
            reading.refuse(path, "has no line", 'line = "GPIO5", or red, green and blue with a line each')


def people_lines(evse: Clean, path: KeyPath) -> Iterator[tuple[str, str, KeyPath]]:
    """Yield the lines of an EVSE's light, buzzer and button: role, name and place."""
    led = evse.get("led", {})
    places: list[tuple[str, Clean, KeyPath]] = [("led", led, (*path, "led"))]
    places += [(f"led.{colour}", led.get(colour, {}), (*path, "led", colour)) for colour in LIGHTS]
    places += [(name, evse.get(name, {}), (*path, name)) for name in ("buzzer", "button")]
    for role, table, place in places:
        if table.get("line") is not None:
            yield role, table["line"], place


def indicators_of(clean: Clean) -> Indicators:
    """Return the map of a checked file."""
    return Indicators(
        patterns={state: parse_pattern(clean["indicators"][state.value]) for state in ShownState},
        sounds={sound: parse_beeps(clean["sounds"][sound.value]) for sound in Sound},
    )


def people_plan(evse: EvseSettings) -> dict[str, Any]:
    """Return what the plan says of an EVSE's colours, buzzer and button, beside ``led``; nothing where none is."""
    found: dict[str, Any] = {}
    if evse.lights:
        found["lights"] = {colour: _output(line) for colour, line in evse.lights.items()}
    if evse.buzzer is not None:
        found["buzzer"] = _output(evse.buzzer)
    if evse.button is not None:
        button = evse.button
        found["button"] = {**_output(button), "pull": button.pull, "debounce_s": button.debounce_ms / 1000}
    return found


def alone_plan(settings: Settings) -> dict[str, Any]:
    """Return what the plan says of lights while no agent decides; nothing where it is as usual."""
    patterns = settings.indicators.patterns
    if all(patterns[state] == parse_pattern(USUAL_PATTERNS[state]) for state in _ALONE):
        return {}
    return {"indicators": {state.value: _pattern(patterns[state]) for state in _ALONE}}


def _output(line: LineSettings) -> dict[str, Any]:
    return {"line": line.line, "active_high": line.active_high}


def _pattern(pattern: Pattern) -> dict[str, str]:
    return {"colour": pattern.colour, "rhythm": pattern.rhythm}
