"""The contract of a bought charge controller, which runs pilot and contactor itself and is supervised, not doubled.

What a controller reports and what may be asked of it is the whole of this file. A controller measures the pilot, makes
the duty cycle, checks the diode and drives the contactor; nobody above does any of that a second time. What is asked is
a ``ControllerOrder``: at most so many amperes, or none. Whoever gives the order watches that it is obeyed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class VehicleState(Enum):
    """Vehicle state as the controller reads it from the pilot. Source: IEC 61851-1:2017 Annex A, table A.4."""

    A = "A"  # no vehicle
    B = "B"  # vehicle, not ready
    C = "C"  # ready
    D = "D"  # ready, wants ventilation
    E = "E"  # pilot at 0 V: short or no power
    F = "F"  # not available


class ControllerFault(Enum):
    """What a controller can say is wrong with itself, its contactor or the vehicle."""

    PILOT = "pilot"  # voltage of no state
    DIODE = "diode"  # no diode in the vehicle
    PROXIMITY = "proximity"  # cable coding invalid or rejected
    VENTILATION = "ventilation"  # the vehicle wants ventilation and there is none
    LOCK = "lock"  # the socket's lock failed
    CONTACTOR_WELDED = "contactor_welded"  # closed although it should be open
    CONTACTOR_STUCK_OPEN = "contactor_stuck_open"  # open although it should be closed
    RCD = "rcd"  # residual current
    RCD_TEST = "rcd_test"  # the residual current sensor failed its test
    GROUND = "ground"  # no protective earth
    OVER_TEMPERATURE = "over_temperature"
    OVER_CURRENT = "over_current"
    OTHER = "other"  # a fault without a name of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerOrder:
    """What a controller shall do until the next order.

    Attributes:
        current_a: the most it may offer per phase, A; ``None``: offer nothing, let the vehicle stop, open.
        at_once: open without waiting for the vehicle where the controller can; only with ``current_a`` ``None``.
        locked: hold the plug (``True``), release it (``False``), or leave the lock to the controller (``None``).
    """

    current_a: float | None = None
    at_once: bool = False
    locked: bool | None = None


NO_OFFER = ControllerOrder()
STOP_AT_ONCE = ControllerOrder(at_once=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerReading:
    """One snapshot of a controller; all of it was true at ``taken_s``. ``None`` is unknown or not reported.

    Attributes:
        taken_s: monotonic time at which the newest part arrived that says the vehicle's state, s.
        vehicle: what the pilot says.
        offer_a: current that the controller offers, A; 0 for none. Read back from the controller, never the last order.
        cable_a: rating of the plugged cable, A.
        contactor_closed: what the controller says of its contactor.
        locked: what the controller says of its lock.
        faults: what it says is wrong.
        temperature_c: the hottest of its sensors, degree Celsius.
        firmware: as the controller names it.
    """

    taken_s: float
    vehicle: VehicleState | None
    offer_a: float | None
    cable_a: float | None = None
    contactor_closed: bool | None = None
    locked: bool | None = None
    faults: tuple[ControllerFault, ...] = ()
    temperature_c: float | None = None
    firmware: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerTraits:
    """What may be expected of a kind of controller; its supervisor takes its limits from here.

    Attributes:
        stale_s: a snapshot older than this says nothing any more, s.
        obey_s: a snapshot that was taken so long after an order must show an offer within it, s.
        open_s: a snapshot that was taken so long after "no current" must show an open contactor, s. IEC 61851-1:2017
            table A.6 gives the vehicle 3 s to open its switch, and 6 s before the contactor may open under load.
        step_a: orders are rounded down to multiples of this, A.
        contactor_sensed: ``contactor_closed`` comes from a feedback contact, so "closed" after "no current" is a weld;
            else it is what the controller commands.
        fails_safe: stops by itself when it no longer hears us. Where not, "no current" is written on every way out.
    """

    stale_s: float = 3.0
    obey_s: float = 2.0
    open_s: float = 8.0
    step_a: float = 1.0
    contactor_sensed: bool = False
    fails_safe: bool = False


class Controller(Protocol):
    """A charge controller. No method but ``settle`` waits; the talking is done by a thread beside the caller.

    After opening, "no current" is the order until ``command`` says otherwise, and it is written as soon as the device
    can be reached, and again whenever it was lost. A lost device is opened again by its name, with pauses of 1, 2, 4
    and then 8 s. Opening never fails because the device is away.
    """

    @property
    def traits(self) -> ControllerTraits:
        """Return what may be expected of it. Constant."""

    @property
    def trouble(self) -> str | None:
        """Return why the last exchange failed, ``None`` while all is well."""

    def command(self, order: ControllerOrder) -> None:
        """Let ``order`` be in force; it replaces the one before. Idempotent, never waits.

        The order is written before anything else is asked of the device, and written again whenever the device is seen
        to hold something else.
        """

    def read(self) -> ControllerReading | None:
        """Return the newest snapshot, however old; the same object until there is a newer one, ``None`` before any.

        Never a snapshot with a fresh time stamp and old content.
        """

    def settle(self, timeout_s: float) -> bool:
        """Wait until the order in force has reached the device, at most ``timeout_s``; return whether it has."""

    def close(self) -> None:
        """Release the device and end the thread. What is ordered stays: making it safe is the caller's decision."""


class RegisterLine(Protocol):
    """A Modbus line as a thread uses it: synchronous, one request at a time, bounded by its own time-outs.

    Every method raises ``DriverUnavailable`` (the port is gone), ``DriverTimeout``, ``DriverProtocolError`` (what came
    is not the answer) or ``DriverRejected`` (a Modbus exception answer).
    """

    def read_registers(self, unit: int, function: int, address: int, count: int) -> Sequence[int]:
        """Return ``count`` registers, read with function 3 (holding) or 4 (input)."""

    def read_bits(self, unit: int, function: int, address: int, count: int) -> Sequence[bool]:
        """Return ``count`` bits, read with function 1 (coils) or 2 (discrete inputs)."""

    def write_register(self, unit: int, address: int, value: int, *, several: bool = False) -> None:
        """Write one holding register, with function 6, or 16 if ``several``."""

    def write_coil(self, unit: int, address: int, on: bool) -> None:
        """Write one coil, function 5."""

    def close(self) -> None:
        """Release the port."""


class SharedBus(Protocol):
    """A Modbus line that belongs to somebody else's thread, on which a controller has the right of way."""

    def attach(self, turn: Callable[[RegisterLine], float]) -> Callable[[], None]:
        """Let ``turn(line)`` be called on the bus's thread, before anybody else's reads.

        It returns in how many seconds it wants its next turn, and lets no ``DriverError`` out. Return a callable that
        makes the next turn due at once and never waits.
        """
