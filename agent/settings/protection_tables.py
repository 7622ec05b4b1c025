"""The options of inputs, self-test, temperatures, pulsed locks and heartbeat; ``tables`` puts them in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.settings.schema import Field, Kind, Table
from drivers.api import DriverKind

Line = Callable[..., Table]  # name, help, further fields -> the inline table of one line


def debounce(default: int = 0) -> Field:
    """Return the option ``debounce_ms``."""
    return Field(
        name="debounce_ms",
        kind=Kind.WHOLE,
        unit="ms",
        default=default,
        minimum=0,
        maximum=60000,
        help="a level counts when it has lasted so long; 0: at once, pulses between two scans included",
    )


def latched(default: bool) -> Field:
    """Return the option ``latched``."""
    return Field(
        name="latched",
        kind=Kind.FLAG,
        default=default,
        help="once active it stays so until the vehicle has left (pilot A) with the input released",
    )


def further_inputs(line: Line, pull: Field) -> tuple[Table, ...]:
    """Return the inputs of an EVSE that stand beside residual current and emergency stop."""
    rcm = "active when the direct current sensor (6 mA, IEC 62955) has tripped"
    return (line("rcm", rcm, debounce(), latched(True), pull), *_places(line, pull))


def _places(line: Line, pull: Field) -> tuple[Table, ...]:
    return (
        line("ground", "active when protective earth is missing", debounce(100), latched(False), pull),
        line("door", "active when the door is open", debounce(100), latched(False), pull),
        line("tilt", "active when the station leans or was hit", debounce(100), latched(True), pull),
    )


def station_inputs(line: Line, pull: Field) -> Table:
    """Return the table of inputs that concern every EVSE."""
    stop = line("emergency_stop", "active when the emergency stop is pressed", debounce(), latched(False), pull)
    return Table(
        name="inputs",
        help="Inputs of the station as a whole: each acts on every EVSE as one of its own would.",
        tables=(stop, *_places(line, pull)),
    )


def _ms(name: str, default: int, help: str, minimum: int = 10, maximum: int = 30000) -> Field:
    return Field(name=name, kind=Kind.WHOLE, unit="ms", default=default, minimum=minimum, maximum=maximum, help=help)


# Defaults: Tinkerforge/evse-v2-bricklet, software/src/dc_fault.c.
RCD_TEST_FIELDS: Final = (
    _ms("pulse_ms", 250, "how long the test line is active"),
    _ms("trip_ms", 740, "the first output (rcm where there is one) trips within this time of its beginning"),
    _ms("second_trip_ms", 660, "the second output (rcd beside rcm) trips so much later at the latest"),
    _ms("release_ms", 1200, "both let go within this time"),
    Field(
        name="every_h",
        kind=Kind.NUMBER,
        unit="h",
        default=24.0,
        minimum=0.1,
        maximum=24,
        help="tested at least so often while no vehicle charges",
    ),
    Field(
        name="before_session",
        kind=Kind.FLAG,
        default=True,
        help="tested after each plug-in, before the contactor closes for the first time",
    ),
)


def rcd_test(line: Line) -> Table:
    """Return the test line of a residual current sensor."""
    return line("rcd_test", "test line of the residual current sensor, for its self-test", *RCD_TEST_FIELDS)


def temperature(driver: Field) -> Table:
    """Return the list of an EVSE's temperature sensors."""
    return Table(
        name="temperature",
        help="temperature sensors, a list",
        repeated=True,
        inline=True,
        driver=DriverKind.TEMPERATURE,
        fields=(
            driver,
            Field(name="name", kind=Kind.TEXT, maximum=40, help="its place, as people call it", example="contactor"),
            Field(
                name="reduce_c",
                kind=Kind.NUMBER,
                unit="degC",
                default=60.0,
                minimum=-40,
                maximum=200,
                help="from here on less is offered, in a straight line down to 6 A",
            ),
            Field(
                name="stop_c",
                kind=Kind.NUMBER,
                unit="degC",
                default=80.0,
                minimum=-40,
                maximum=200,
                help="from here on nothing is",
            ),
            Field(
                name="hysteresis_k",
                kind=Kind.NUMBER,
                unit="K",
                default=3.0,
                minimum=0,
                maximum=50,
                help="so much cooler before more is offered again",
            ),
        ),
    )


LOCK_FIELDS: Final = (
    _ms(
        "pulse_ms", 600, "length of a pulse of a motor with two lines; how long a lock without feedback takes", 50, 5000
    ),
    _ms("break_ms", 1000, "least pause between two pulses", 100, 60000),
    _ms("confirm_ms", 3000, "not confirmed for so long is a fault", 500, 60000),
)


def unlock(line: Line) -> Table:
    """Return the second line of a lock's motor."""
    return line("unlock", "second line: with it both are driven by pulses, one each way")


def heartbeat(line: Line) -> Table:
    """Return the permit heartbeat's line."""
    period = Field(
        name="period_ms",
        kind=Kind.WHOLE,
        unit="ms",
        default=100,
        minimum=4,
        maximum=2000,
        help="one wave, at least two scans",
    )
    return line("heartbeat", "output that toggles only while the scan is healthy, see docs/guard.md", period)
