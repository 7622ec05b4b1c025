"""The kernel's GPIO character devices and the wires behind them, with the API of the Python package gpiod 2.

The world drives inputs and looks at outputs (``drive``, ``level``, ``history``); the software under test gets
``kernel.module``. As the kernel does: a requested line is busy, an output gets its value with its direction, edges are
those of the logical level and queue (16 per line, the oldest is dropped), a released output keeps its level (Raspberry
Pi OS; elsewhere the hardware decides), a chip that is gone answers ENODEV. Source: linux/gpio.h (v2), libgpiod 2.2.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from types import SimpleNamespace
from typing import Any

QUEUE = 16


class Value(Enum):
    INACTIVE = 0
    ACTIVE = 1


class Direction(Enum):
    AS_IS = 1
    INPUT = 2
    OUTPUT = 3


class Bias(Enum):
    AS_IS = 1
    UNKNOWN = 2
    DISABLED = 3
    PULL_UP = 4
    PULL_DOWN = 5


class Edge(Enum):
    NONE = 1
    RISING = 2
    FALLING = 3
    BOTH = 4


class Clock(Enum):
    MONOTONIC = 1
    REALTIME = 2


class EdgeEvent:
    class Type(Enum):
        RISING_EDGE = 1
        FALLING_EDGE = 2

    def __init__(self, kind: EdgeEvent.Type, taken_ns: int, offset: int) -> None:
        self.event_type, self.timestamp_ns, self.line_offset = kind, taken_ns, offset


@dataclass
class LineSettings:
    direction: Direction = Direction.AS_IS
    edge_detection: Edge = Edge.NONE
    bias: Bias = Bias.AS_IS
    active_low: bool = False
    debounce_period: timedelta = timedelta()
    event_clock: Clock = Clock.MONOTONIC
    output_value: Value = Value.INACTIVE


@dataclass
class Wire:
    """One line: what is on it, and who has it. ``history``: every level that an output showed, in order."""

    name: str
    level: bool = False
    driven: bool | None = None  # by the world; None floats and follows the bias
    consumer: str = ""
    settings: LineSettings | None = None
    events: deque[EdgeEvent] = field(default_factory=lambda: deque(maxlen=QUEUE))
    history: list[bool] = field(default_factory=list)
    doorbell: tuple[int, int] | None = None  # pipe that makes the request's fd readable


@dataclass
class ChipBox:
    label: str
    wires: list[Wire]
    present: bool = True
    interrupts: bool = True
    readable: bool = True


class GpioKernel:
    """A machine with ``chips``: path -> label and line names."""

    def __init__(self, chips: dict[str, tuple[str, list[str]]]) -> None:
        self.chips = {path: ChipBox(label, [Wire(name) for name in names]) for path, (label, names) in chips.items()}
        self.open_requests = 0
        self.open_chips = 0
        self.module: Any = SimpleNamespace(
            __version__="2.2.0",
            Chip=lambda path: Chip(self, path),
            LineSettings=LineSettings,
            EdgeEvent=EdgeEvent,
            line=SimpleNamespace(Value=Value, Direction=Direction, Bias=Bias, Edge=Edge, Clock=Clock),
        )

    def paths(self) -> list[str]:
        return [path for path, chip in self.chips.items() if chip.present]

    def wire(self, name: str) -> Wire:
        return next(wire for chip in self.chips.values() for wire in chip.wires if wire.name == name)

    def drive(self, name: str, level: bool) -> None:
        """Put a level on a wire from outside."""
        wire = self.wire(name)
        wire.driven = level
        self.settle(wire)

    def unplug(self, path: str) -> None:
        self.chips[path].present = False

    def plug(self, path: str) -> None:
        """Put the chip back: a new device, every line is free again."""
        box = self.chips[path]
        box.present = True
        for wire in box.wires:
            wire.consumer, wire.settings = "", None

    def settle(self, wire: Wire) -> None:
        settings = wire.settings
        if settings is not None and settings.direction is Direction.OUTPUT:
            return
        if wire.driven is not None:
            level = wire.driven
        elif settings is not None and settings.bias in (Bias.PULL_UP, Bias.PULL_DOWN):
            level = settings.bias is Bias.PULL_UP
        else:
            level = wire.level
        if level is wire.level:
            return
        wire.level = level
        if settings is not None:
            self._edge(wire, settings, level)

    def _edge(self, wire: Wire, settings: LineSettings, level: bool) -> None:
        rising = level is not settings.active_low
        wanted = {Edge.BOTH: True, Edge.RISING: rising, Edge.FALLING: not rising, Edge.NONE: False}
        if wanted[settings.edge_detection]:
            kind = EdgeEvent.Type.RISING_EDGE if rising else EdgeEvent.Type.FALLING_EDGE
            chip = next(box for box in self.chips.values() if wire in box.wires)
            wire.events.append(EdgeEvent(kind, time.monotonic_ns(), chip.wires.index(wire)))
            if wire.doorbell is not None:
                os.write(wire.doorbell[1], b"!")


class Chip:
    def __init__(self, kernel: GpioKernel, path: str) -> None:
        box = kernel.chips.get(path)
        if box is None or not box.present:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if not box.readable:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        self._kernel, self._box = kernel, box
        kernel.open_chips += 1

    def __enter__(self) -> Chip:
        return self

    def __exit__(self, *raised: object) -> None:
        self._kernel.open_chips -= 1

    def get_info(self) -> Any:
        return SimpleNamespace(label=self._box.label, num_lines=len(self._box.wires))

    def get_line_info(self, offset: int) -> Any:
        wire = self._box.wires[offset]
        return SimpleNamespace(offset=offset, name=wire.name, used=bool(wire.consumer), consumer=wire.consumer)

    def request_lines(self, *, config: dict[int, LineSettings], consumer: str) -> LineRequest:
        for offset, settings in config.items():
            if self._box.wires[offset].consumer:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            if settings.edge_detection is not Edge.NONE and not self._box.interrupts:
                raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        return LineRequest(self._kernel, self._box, config, consumer)


class LineRequest:
    def __init__(self, kernel: GpioKernel, box: ChipBox, config: dict[int, LineSettings], consumer: str) -> None:
        self._kernel, self._box = kernel, box
        self._wires = {offset: box.wires[offset] for offset in config}
        self._doorbell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.fd = self._doorbell[0]
        self._live = True
        kernel.open_requests += 1
        for offset, wire in self._wires.items():
            wire.consumer = consumer
            wire.doorbell = self._doorbell
            wire.events.clear()
            self._configure(wire, config[offset])

    def _configure(self, wire: Wire, settings: LineSettings) -> None:
        wire.settings = settings
        if settings.direction is Direction.OUTPUT:
            self._show(wire, settings.output_value)
        else:
            self._kernel.settle(wire)

    def reconfigure_lines(self, config: dict[int, LineSettings]) -> None:
        self._check()
        for offset, settings in config.items():
            self._configure(self._wires[offset], settings)

    def get_value(self, offset: int) -> Value:
        self._check()
        wire = self._wires[offset]
        assert wire.settings is not None
        return Value.ACTIVE if wire.level is not wire.settings.active_low else Value.INACTIVE

    def set_value(self, offset: int, value: Value) -> None:
        self._check()
        wire = self._wires[offset]
        if wire.settings is None or wire.settings.direction is not Direction.OUTPUT:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        self._show(wire, value)

    def wait_edge_events(self, timeout: float | None = None) -> bool:
        self._check()
        return any(wire.events for wire in self._wires.values())

    def read_edge_events(self, max_events: int | None = None) -> list[EdgeEvent]:
        self._check()
        events = [event for wire in self._wires.values() for event in wire.events]
        for wire in self._wires.values():
            wire.events.clear()
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)
        return events

    def release(self) -> None:
        if self._live:
            self._live = False
            self._kernel.open_requests -= 1
            for wire in self._wires.values():
                wire.consumer, wire.settings, wire.doorbell = "", None, None
            for fd in self._doorbell:
                os.close(fd)

    def _check(self) -> None:
        if not self._live:
            raise RuntimeError("GPIO request has been released")
        if not self._box.present:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    @staticmethod
    def _show(wire: Wire, value: Value) -> None:
        assert wire.settings is not None
        wire.level = (value is Value.ACTIVE) is not wire.settings.active_low
        wire.history.append(wire.level)
