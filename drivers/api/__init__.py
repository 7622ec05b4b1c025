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

from drivers.api.contracts import (
    CardReader,
    ClockSource,
    InputLine,
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
