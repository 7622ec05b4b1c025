"""A board for a guard in a process of its own: every write goes to a file, the vehicle follows the pilot by itself.

``vehicle`` is the state that the vehicle takes under an offer; without one it shows B (or A for ``vehicle="A"``).
A file ``<log>.fail`` makes the power path raise something that no driver should.
"""

from __future__ import annotations

import os
import time

from drivers.api import DriverTimeout, DriverUnavailable, PilotMode, PilotSignal, PowerPathReading

HIGH_V = {"A": 12.0, "B": 9.0, "C": 6.0}


class FileBoard:
    """Lines that write to ``log``: one line of text per write, ``time name value``."""

    def __init__(self, log: str) -> None:
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.levels: dict[str, bool] = {}

    def note(self, name: str, value: object) -> None:
        os.write(self.log, f"{time.monotonic():.6f} {name} {value}\n".encode())

    def output(self, line: str, *, active_high: bool, initial: bool) -> FileLine:
        claimed = FileLine(self, line)
        claimed.write(initial)
        return claimed

    def input(self, line: str, *, active_high: bool, pull: str = "none") -> FileLine:
        return FileLine(self, line)

    def close(self) -> None:
        """Nothing to release."""


class FileLine:
    """A line; the mirror contact (normally closed) follows the contactor at once."""

    def __init__(self, board: FileBoard, name: str) -> None:
        self.board = board
        self.name = name

    def write(self, active: bool) -> None:
        self.board.note(self.name, int(active))
        self.board.levels[self.name] = active

    def read(self) -> bool | None:
        evse, _, name = self.name.partition(".")
        if name == "mirror":
            return not self.board.levels[f"{evse}.contactor"]
        if name == "locked":
            return self.board.levels[f"{evse}.lock"]
        return False

    def age_s(self, now_s: float) -> float:
        return 0.0

    def take_pulse(self) -> bool:
        return False


class FilePowerPath:
    """A generator that notes what it is told, and a vehicle that answers it."""

    def __init__(self, log: str, vehicle: str) -> None:
        self.board = FileBoard(log)
        self.fail = log + ".fail"
        self.vehicle = vehicle
        self.signal = PilotSignal(mode=PilotMode.STEADY_HIGH)
        self.reads = 0

    def set_pilot(self, signal: PilotSignal) -> None:
        self.signal = signal
        self.board.note("pilot", f"{signal.mode.value} {signal.duty_pct:g}")

    def read(self) -> PowerPathReading:
        self.reads += 1
        if self.reads % 20 == 0 and os.path.exists(self.fail):
            raise ArithmeticError("a defect in a driver")
        offered = self.signal.mode is PilotMode.PWM
        if self.signal.mode is PilotMode.STEADY_LOW:
            return PowerPathReading(high_v=-12.0, low_v=-12.0, proximity_ohm=220.0, taken_s=time.monotonic())
        state = self.vehicle if offered or self.vehicle == "A" else "B"
        high_v = HIGH_V[state]
        low_v = -12.0 if offered else high_v
        return PowerPathReading(high_v=high_v, low_v=low_v, proximity_ohm=220.0, taken_s=time.monotonic())

    def close(self) -> None:
        """Nothing to release."""


def open_lines(*, log: str) -> FileBoard:
    return FileBoard(log)


def open_missing_chip() -> FileBoard:
    raise DriverUnavailable("gpiochip of label 'pinctrl-bcm2711' is not there")


def open_power_path(*, log: str, vehicle: str) -> FilePowerPath:
    return FilePowerPath(log, vehicle)


class OffsetLine:
    """A line with one device, unit 1, whose registers hold their address plus ``offset``."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def read_registers(self, unit: int, function: int, address: int, count: int) -> list[int]:
        if unit != 1:
            raise DriverTimeout(f"unit {unit} does not answer")
        return [register + self.offset for register in range(address, address + count)]


def open_bus(*, offset: int) -> OffsetLine:
    return OffsetLine(offset)
