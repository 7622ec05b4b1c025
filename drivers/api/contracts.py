"""The contracts. Power path and lines are synchronous and bounded (the guard's scan calls them); the rest is async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drivers.api.values import CardRead, MeterReading, PilotSignal, PowerPathReading, RegisterKind


class PowerPath(Protocol):
    """Pilot generator, pilot voltage and proximity contact of one EVSE.

    Bounded: no method blocks for more than a fraction of a scan (2 ms); none waits for another process.
    """

    def set_pilot(self, signal: PilotSignal) -> None:
        """Put the generator into ``signal``. Idempotent.

        Raises:
            DriverError: the generator could not be set. The caller must treat the offer as unknown.
        """

    def read(self) -> PowerPathReading:
        """Return the newest measurement; never a repeated one with a fresh time stamp.

        Raises:
            DriverError: nothing could be measured.
        """

    def close(self) -> None:
        """Release the device. Leaves the generator as it is: making it safe is the caller's decision."""


class OutputLine(Protocol):
    """One on/off output. ``active`` is the logical value; polarity is the line's own business."""

    def write(self, active: bool) -> None:
        """Drive the line. Raises ``DriverError`` when it could not be driven."""


class InputLine(Protocol):
    """One on/off input."""

    def read(self) -> bool | None:
        """Return the logical level now, or ``None`` when it is unknown (device gone, pushed value too old)."""

    def age_s(self, now_s: float) -> float:
        """Return how old the level is at monotonic ``now_s``; 0 for a line that is read rather than pushed."""

    def take_pulse(self) -> bool:
        """Return whether the line was active at any moment since the last call, pulses between scans included."""


class PolledLine(InputLine, Protocol):
    """An input whose level is read when asked, never pushed: the scan may ask for all of it in one call."""

    def poll(self, pulses: bool) -> bool | None:
        """Return the level now, ``None`` when unknown; with ``pulses`` also active for one since the last call."""


class JointlyPolledLine(PolledLine, Protocol):
    """One of a kind of inputs that answer together: a scan asks for all of them, 100 times a second for years."""

    @staticmethod
    def poll_together(inputs: Sequence[tuple[Any, bool]]) -> Callable[[], list[bool | None]]:
        """Return what gives the answers of ``poll`` of each input, all of this kind, with its ``pulses``, in order."""


class Lines(Protocol):
    """The on/off lines of a board, claimed by name."""

    def output(self, line: str, *, active_high: bool, initial: bool) -> OutputLine:
        """Claim an output; its first value is written once, together with the direction, without a glitch.

        Raises:
            DriverUnavailable: no such line, or it is in use.
        """

    def input(self, line: str, *, active_high: bool, pull: str = "none") -> InputLine:
        """Claim an input. ``pull`` is ``none``, ``up`` or ``down``. Raises ``DriverUnavailable``."""

    def close(self) -> None:
        """Release every line. Levels stay as they are (as on a Raspberry Pi)."""


class RegisterBus(Protocol):
    """A way to the registers of Modbus devices: a serial bus of our own, TCP, or the guard's socket."""

    async def read_registers(
        self, *, unit: int, kind: RegisterKind, address: int, count: int, timeout_s: float = 1.0
    ) -> tuple[int, ...]:
        """Return ``count`` 16-bit registers. One request is in flight per bus.

        Raises:
            DriverUnavailable: the port is gone. DriverTimeout: no answer. DriverProtocolError: an answer that is not
            ours. DriverRejected: a Modbus exception answer.
        """

    async def close(self) -> None:
        """Release the port."""


class Meter(Protocol):
    """An energy meter."""

    async def read(self) -> MeterReading:
        """Read one set of values. Raises ``DriverError``; never invents or repeats a value."""

    async def close(self) -> None:
        """Release the meter."""


class CardReader(Protocol):
    """A card reader."""

    async def next_card(self) -> CardRead:
        """Wait for the next presentation of a card. Reopens its port by itself.

        Raises:
            DriverUnavailable: the port is gone; call again after a pause to try again.
        """

    async def close(self) -> None:
        """Release the reader."""


class TemperatureSensor(Protocol):
    """A temperature; read on a thread of its own, so it may take its time (a 1-wire conversion: 0.75 s)."""

    def read(self) -> float:
        """Return the temperature now, degC. Raises ``DriverError``; never invents or repeats a value."""

    def close(self) -> None:
        """Release the sensor."""


class ClockSource(Protocol):
    """Where the time of day and the identity of this boot come from."""

    def utc_s(self) -> float | None:
        """Return seconds since 1970 UTC, or ``None`` while nobody vouches for the clock."""

    def boot_id(self) -> str:
        """Return the identity of this boot of the machine; it changes when power was lost, not when a process died."""
