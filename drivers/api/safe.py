"""What makes a device's outputs safe without its driver: the words of ``outputs-safe.plan``.

A small program without an interpreter (``systemd/outputs-safe.c``) does these actions before the guard starts and after
it has ended, however it ended. So each says everything by itself, is the same when it is done twice, and needs nothing
to be read first. The format of the file and the order in which things are done are described there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PLAN_FORMAT: Final = 1
PILOT_PERIOD_NS: Final = 1_000_000  # 1 kHz. IEC 61851-1:2017 Annex A


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeOutput:
    """One on/off output of a board and the logical level that is safe for it."""

    line: str
    active_high: bool
    active: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeLine:
    """Drive a GPIO line, its value together with its direction.

    Attributes:
        chips: labels or names of the gpiochip, the first that exists is taken (``pinctrl-rp1``, ``gpiochip0``,
            ``/dev/gpiochip0``).
        line: name or offset. high: the electrical level.
    """

    chips: tuple[str, ...]
    line: str
    high: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SafePwm:
    """Set a PWM channel of the kernel; duty 0 is pilot F where the generator follows its input.

    Attributes:
        device: name of the device that the chip belongs to (``1f00098000.pwm``), never the chip's number.
    """

    device: str
    channel: int
    period_ns: int = PILOT_PERIOD_NS
    duty_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeWrite:
    """Write ``text`` to the attribute ``path``."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeSerial:
    """Send ``frames`` to a serial device, ``pause_ms`` of silence before the first and after each."""

    port: str
    baud: int
    frames: tuple[bytes, ...]
    parity: str = "N"
    stopbits: int = 1
    pause_ms: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeTcp:
    """Send ``frames`` to a TCP port, ``pause_ms`` after each."""

    host: str
    port: int
    frames: tuple[bytes, ...]
    pause_ms: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeSocket:
    """Send lines of text to a Unix stream socket and read until its end closes."""

    path: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSafeAction:
    """Something that cannot be made safe without its driver; told every time, so that nobody relies on it."""

    what: str


SafeAction = SafeLine | SafePwm | SafeWrite | SafeSerial | SafeTcp | SafeSocket | NoSafeAction


def plan_text(actions: Sequence[SafeAction]) -> str:
    """Return the file with ``actions``, equal ones once, in their order.

    Raises:
        ValueError: a field holds a tab or a line break, or is empty.
    """
    lines = list(dict.fromkeys(_line(_fields(action)) for action in actions))
    return "".join(f"{line}\n" for line in (f"outputs-safe\t{PLAN_FORMAT}", *lines))


def _fields(action: SafeAction) -> tuple[str, ...]:
    match action:
        case SafeLine():
            return ("gpio", "|".join(action.chips), action.line, str(int(action.high)))
        case SafePwm():
            return ("pwm", action.device, str(action.channel), str(action.period_ns), str(action.duty_ns))
        case SafeWrite():
            return ("write", action.path, action.text)
        case SafeSerial():
            said = (str(action.baud), action.parity, str(action.stopbits), str(action.pause_ms))
            return ("serial", action.port, *said, *(frame.hex() for frame in action.frames))
        case SafeTcp():
            frames = tuple(frame.hex() for frame in action.frames)
            return ("tcp", action.host, str(action.port), str(action.pause_ms), *frames)
        case SafeSocket():
            return ("unix", action.path, *action.lines)
        case NoSafeAction():
            return ("cannot", action.what)


def _line(fields: tuple[str, ...]) -> str:
    for field in fields:
        if not field or any(mark in field for mark in "\t\r\n\0"):
            raise ValueError(f"{field!r} cannot stand in a plan of safe actions: empty, or with a tab or line break")
    return "\t".join(fields)
