"""Contracts between the station software and everything that touches hardware.

What lives here: one small contract per capability, the values that cross it, ``DriverError`` and ``DriverSpec``.
What must not: any implementation, any import beyond the standard library (the guard imports this room).
Who may import it: everybody.

A driver is found by ``driver = "name"`` in the station file, through the entry-point group of its kind
(``charge_agent.power_path``, ``.controller``, ``.lines``, ``.meter``, ``.reader``, ``.clock``, ``.temperature``,
``.installer``); the entry point is a ``DriverSpec``. ``drivers.api.controllers`` (bought charge controllers),
``drivers.api.installers`` (firmware) and ``drivers.api.safe`` (what makes a device safe without its driver) are
imported by those who have one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from drivers.api.contracts import (
        CardReader,
        ClockSource,
        InputLine,
        JointlyPolledLine,
        Lines,
        Meter,
        OutputLine,
        PolledLine,
        PowerPath,
        RegisterBus,
        TemperatureSensor,
    )
    from drivers.api.errors import (
        DriverError,
        DriverProtocolError,
        DriverRejected,
        DriverTimeout,
        DriverUnavailable,
    )
    from drivers.api.spec import DriverKind, DriverSpec, Look, Option, OptionProblem
    from drivers.api.values import (
        CardRead,
        MeterReading,
        PilotMode,
        PilotSignal,
        PowerPathReading,
        Pull,
        RegisterKind,
        SignedReading,
    )

__all__ = [
    "CardRead",
    "CardReader",
    "ClockSource",
    "DriverError",
    "DriverKind",
    "DriverProtocolError",
    "DriverRejected",
    "DriverSpec",
    "DriverTimeout",
    "DriverUnavailable",
    "InputLine",
    "JointlyPolledLine",
    "Lines",
    "Look",
    "Meter",
    "MeterReading",
    "Option",
    "OptionProblem",
    "OutputLine",
    "PilotMode",
    "PilotSignal",
    "PolledLine",
    "PowerPath",
    "PowerPathReading",
    "Pull",
    "RegisterBus",
    "RegisterKind",
    "SignedReading",
    "TemperatureSensor",
]

_ROOMS: Final = {
    "contracts": (
        "CardReader",
        "ClockSource",
        "InputLine",
        "Lines",
        "Meter",
        "OutputLine",
        "JointlyPolledLine",
        "PolledLine",
        "PowerPath",
        "RegisterBus",
        "TemperatureSensor",
    ),
    "errors": ("DriverError", "DriverProtocolError", "DriverRejected", "DriverTimeout", "DriverUnavailable"),
    "spec": ("DriverKind", "DriverSpec", "Look", "Option", "OptionProblem"),
    "values": (
        "CardRead",
        "MeterReading",
        "PilotMode",
        "PilotSignal",
        "PowerPathReading",
        "Pull",
        "RegisterKind",
        "SignedReading",
    ),
}


def __getattr__(name: str) -> Any:
    """Import the module that holds ``name``: no process needs all of them before its first act (PEP 562)."""
    for room, members in _ROOMS.items():
        if name in members:
            module = import_module(f"drivers.api.{room}")
            globals().update({each: getattr(module, each) for each in members})
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
