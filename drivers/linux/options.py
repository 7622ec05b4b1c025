"""The options of the driver ``linux`` in a station file, and what they must be like."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from drivers.api import DriverKind, DriverSpec, Option, OptionProblem

if TYPE_CHECKING:
    from drivers.api.safe import SafeAction

ADCS: Final = ("iio", "mcp3004", "mcp3008", "mcp3204", "mcp3208")
_CHANNELS: Final = {"mcp3004": 4, "mcp3008": 8, "mcp3204": 4, "mcp3208": 8}
_NUMBERED_PWM: Final = re.compile(r"pwmchip\d+")
_NUMBERED_IIO: Final = re.compile(r"iio:device\d+|/.*")
_LEAST_SPAN_V: Final = 0.24  # 10 mV for each volt of the pilot: less cannot tell its states apart


@dataclass(frozen=True, slots=True, kw_only=True)
class LinuxOptions:
    """The options, checked and complete. ``None`` and ``inf`` are "there is none"."""

    pwm: str
    pwm_channel: int
    pwm_inverted: bool
    adc: str
    adc_device: str
    adc_reference_v: float
    spi_hz: int
    pilot_channels: tuple[int, ...]  # one: a burst on it; two: positive and negative peak detector
    samples: int
    adc_at_plus_12_v: float
    adc_at_minus_12_v: float
    proximity_channel: int | None
    proximity_supply_v: float
    proximity_series_ohm: float
    proximity_parallel_ohm: float
    proximity_divider: float

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> LinuxOptions:
        """Return the options of a station file, which passed ``check``; missing ones get their default."""
        given = {each.name: each.default for each in SPEC.options if each.default is not None} | dict(options)
        names = ("pilot_channel",) if "pilot_channel" in given else ("high_channel", "low_channel")
        given["pilot_channels"] = tuple(given[name] for name in names)
        given.setdefault("proximity_channel", None)
        given.setdefault("proximity_parallel_ohm", math.inf)
        return cls(**{name: given[name] for name in cls.__slots__})


def check(options: Mapping[str, Any]) -> list[OptionProblem]:
    """Return what types and ranges do not show."""
    problems: list[OptionProblem] = []

    def refuse(option: str, problem: str) -> None:
        problems.append(OptionProblem(option=option, problem=problem))

    if _NUMBERED_PWM.fullmatch(options["pwm"]):
        refuse("pwm", f"{options['pwm']!r} is a number that moves between kernels, expected the name of the device")
    if options["adc"] == "iio":
        if _NUMBERED_IIO.fullmatch(options["adc_device"]):
            refuse("adc_device", f"{options['adc_device']!r} is a path or number, expected the name of the device")
    elif not options["adc_device"].startswith("/dev/spidev"):
        refuse("adc_device", f"{options['adc_device']!r} is no spidev, expected one like '/dev/spidev0.0'")
    _check_channels(options, refuse)
    plus_v, minus_v = options["adc_at_plus_12_v"], options["adc_at_minus_12_v"]
    if abs(plus_v - minus_v) < _LEAST_SPAN_V:
        refuse(
            "adc_at_plus_12_v", f"{plus_v:g} V is nearly adc_at_minus_12_v, expected {_LEAST_SPAN_V:g} V between them"
        )
    if options["adc"] != "iio":
        for name in ("adc_at_plus_12_v", "adc_at_minus_12_v"):
            if not 0 < options[name] < options["adc_reference_v"]:
                limit = options["adc_reference_v"]
                refuse(name, f"{options[name]:g} V is at the end of the ADC's range or beyond, 0-{limit:g} V")
    return problems


def safe(options: Mapping[str, Any]) -> list[SafeAction]:
    """Return what puts the pilot to F: the generator's input constantly at the level of -12 V."""
    from drivers.api.safe import PILOT_PERIOD_NS, SafePwm

    duty_ns = PILOT_PERIOD_NS if options.get("pwm_inverted") else 0
    return [SafePwm(device=options["pwm"], channel=options.get("pwm_channel", 0), duty_ns=duty_ns)]


def claims(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the channels that an EVSE must have for itself."""
    names = ("pilot_channel", "high_channel", "low_channel", "proximity_channel")
    channels = [options[name] for name in names if options.get(name) is not None]
    device = options["adc_device"]
    return (
        f"PWM {options['pwm']} channel {options.get('pwm_channel', 0)}",
        *(f"ADC {device} channel {channel}" for channel in channels),
    )


def sees_cable(options: Mapping[str, Any]) -> bool:
    """Return whether the proximity contact is wired to the ADC."""
    return options.get("proximity_channel") is not None


def _check_channels(options: Mapping[str, Any], refuse: Any) -> None:
    burst, peaks = "pilot_channel" in options, [name for name in ("high_channel", "low_channel") if name in options]
    if burst and peaks:
        refuse(peaks[0], "is given together with pilot_channel, expected one channel or two peak detectors")
    elif not burst and len(peaks) != 2:
        missing = "low_channel" if peaks == ["high_channel"] else "high_channel" if peaks else "pilot_channel"
        refuse(missing, "is missing, expected pilot_channel, or high_channel and low_channel")
    used: dict[int, str] = {}
    for name in ("pilot_channel", "high_channel", "low_channel", "proximity_channel"):
        channel = options.get(name)
        if channel is None:
            continue
        count = _CHANNELS.get(options["adc"], 64)
        if channel >= count:
            refuse(name, f"{channel} is outside 0-{count - 1}, the channels of an {options['adc']}")
        elif channel in used:
            refuse(name, f"{channel} is the channel of {used[channel]}, too")
        used.setdefault(channel, name)


SPEC = DriverSpec(
    name="linux",
    kind=DriverKind.POWER_PATH,
    target="drivers.linux.power_path:open_power_path",
    options=(
        Option(name="pwm", type=str, required=True, help="name of the PWM's device, like 1f00098000.pwm"),
        Option(name="pwm_channel", type=int, default=0, minimum=0, maximum=63, help="channel of the PWM"),
        Option(name="pwm_inverted", type=bool, default=False, help="the board's generator inverts the PWM"),
        Option(name="adc", type=str, required=True, choices=ADCS, help="the kind of ADC; iio: one of the kernel's"),
        Option(name="adc_device", type=str, required=True, help="IIO: name of the device; MCP: its spidev"),
        Option(
            name="adc_reference_v", type=float, default=3.3, unit="V", minimum=1, maximum=6, help="MCP: its reference"
        ),
        Option(
            name="spi_hz", type=int, default=1_000_000, unit="Hz", minimum=10_000, maximum=4_000_000, help="MCP: clock"
        ),
        Option(name="pilot_channel", type=int, minimum=0, maximum=63, help="channel with the pilot itself"),
        Option(name="high_channel", type=int, minimum=0, maximum=63, help="channel of a positive peak detector"),
        Option(name="low_channel", type=int, minimum=0, maximum=63, help="channel of a negative peak detector"),
        Option(
            name="samples", type=int, default=200, minimum=50, maximum=490, help="conversions in a burst on the pilot"
        ),
        Option(
            name="adc_at_plus_12_v",
            type=float,
            required=True,
            unit="V",
            minimum=-10,
            maximum=10,
            help="what the ADC sees while the pilot is at +12 V (nothing plugged in, no offer)",
        ),
        Option(
            name="adc_at_minus_12_v",
            type=float,
            required=True,
            unit="V",
            minimum=-10,
            maximum=10,
            help="what the ADC sees while the pilot is at -12 V (not available)",
        ),
        Option(name="proximity_channel", type=int, minimum=0, maximum=63, help="channel of the proximity contact"),
        Option(
            name="proximity_supply_v", type=float, default=5.0, unit="V", minimum=1, maximum=15, help="of its pull-up"
        ),
        Option(
            name="proximity_series_ohm",
            type=float,
            default=330.0,
            unit="ohm",
            minimum=50,
            maximum=100_000,
            help="its pull-up",
        ),
        Option(
            name="proximity_parallel_ohm",
            type=float,
            unit="ohm",
            minimum=500,
            maximum=1_000_000,
            help="resistor of the board from the contact to earth, if there is one",
        ),
        Option(
            name="proximity_divider",
            type=float,
            default=1.0,
            minimum=0.5,
            maximum=20,
            help="voltage at the contact divided by that at the ADC",
        ),
    ),
    check=check,
    safe=safe,
    claims=claims,
    sees_cable=sees_cable,
    look="drivers.linux.power_path:look",
    summary="Pilot by the kernel's hardware PWM, pilot voltage and proximity by an ADC (IIO or MCP3004/3008/3204/3208)",
)
