# mypy: allow-untyped-calls
"""A gpiozero pin factory whose pins are the lines of the bench."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any, Final

from gpiozero.devices import Device
from gpiozero.exc import GPIOPinInUse, PinInvalidFunction, PinInvalidPull, PinSetInput
from gpiozero.pins import Factory, Pin, PinInfo

from drivers.bench.connection import BenchConnection, acquire, release

_PULLS: Final = ("floating", "up", "down")
_EDGES: Final = ("both", "rising", "falling", "none")

WhenChanged = Callable[[float, bool], None]


class BenchFactory(Factory):
    """Pins by the bench's line names (``evse1.contactor``). Hand it to devices explicitly: ``pin_factory=factory``.

    Pins raise ``drivers.api.DriverUnavailable`` while the bench is gone.
    """

    def __init__(self, socket: str) -> None:
        """Connect to the pins socket of a bench. Writes nothing. Raises ``DriverUnavailable``."""
        super().__init__()
        self.connection: BenchConnection = acquire(socket)
        self._pins: dict[str, BenchPin] = {}
        self._holders: dict[str, weakref.ref[Device]] = {}
        self._holders_lock = threading.Lock()
        self._open = True

    def reserve_pins(self, requester: Device, *names: str) -> None:
        """Note that ``requester`` uses the lines. Raises ``gpiozero.GPIOPinInUse``."""
        with self._holders_lock:
            for name in names:
                holder = self._holders[name]() if name in self._holders else None
                if holder is not None and holder is not requester and requester._conflicts_with(holder):
                    raise GPIOPinInUse(f"line {name} is already in use by {holder!r}")
            for name in names:
                self._holders[name] = weakref.ref(requester)

    def release_pins(self, reserver: Device, *names: str) -> None:
        """Forget that ``reserver`` uses the lines."""
        with self._holders_lock:
            for name in names:
                if name in self._holders and self._holders[name]() in (reserver, None):
                    del self._holders[name]

    def release_all(self, reserver: Device) -> None:
        """Forget every line of ``reserver``."""
        self.release_pins(reserver, *list(self._holders))

    def pin(self, name: str) -> BenchPin:
        """Return the pin of a line, the same object each time. Raises ``DriverUnavailable`` for an unknown line."""
        if name not in self._pins:
            self.connection.check_line(name, output=False)
            self._pins[name] = BenchPin(self, name, number=len(self._pins))
        return self._pins[name]

    def close(self) -> None:
        """Leave the bench. Every output keeps its level."""
        if self._open:
            self._open = False
            for pin in self._pins.values():
                pin.close()
            self._pins.clear()
            release(self.connection)

    @staticmethod
    def ticks() -> float:
        """Return monotonic time, s."""
        return time.monotonic()

    @staticmethod
    def ticks_diff(later: float, earlier: float) -> float:
        """Return the seconds between two ticks."""
        return later - earlier


class BenchPin(Pin):
    """One line. Levels are read from the bench's page; an output is sent once per change."""

    def __init__(self, factory: BenchFactory, name: str, *, number: int) -> None:
        super().__init__()
        self._connection = factory.connection
        self._name = name
        self.level_now = partial(factory.connection.level, name)
        self._info = PinInfo(number, name, frozenset({name}), "", 0, 0, frozenset({"gpio"}))
        self._function = "input"
        self._pull = "floating"
        self._bounce_s: float | None = None
        self._edges = "both"
        self._written: tuple[int, bool] | None = None
        self._when_changed: weakref.ref[WhenChanged] | None = None

    def __repr__(self) -> str:
        return self._name

    def close(self) -> None:
        """Let go of the line. An output keeps its level, as on Raspberry Pi OS."""
        self._set_when_changed(None)
        self._function = "input"
        self._written = None

    def output_with_state(self, state: bool) -> None:
        """Become an output and put ``state`` on the line in one message: there is no moment with another level."""
        self._connection.check_line(self._name, output=True)
        self._function = "output"
        self._set_state(state)

    def input_with_pull(self, pull: str) -> None:
        """Become an input."""
        self._set_function("input")
        self._set_pull(pull)

    def _get_info(self) -> PinInfo:
        return self._info

    def _get_function(self) -> str:
        return self._function

    def _set_function(self, value: str) -> None:
        if value not in ("input", "output"):
            raise PinInvalidFunction(f"function {value!r} of {self._name}: expected 'input' or 'output'")
        if value == "output":
            self._connection.check_line(self._name, output=True)
        self._function = value

    def _get_state(self) -> bool:
        return self._connection.level(self._name)

    def _set_state(self, value: bool) -> None:
        if self._function != "output":
            raise PinSetInput(f"{self._name} is an input, expected an output")
        wanted = (self._connection.generation, bool(value))
        if wanted == self._written:
            return
        self._written = None
        self._connection.write_level(self._name, bool(value))
        self._written = wanted

    state = property(_get_state, _set_state)  # as the base has it, without the detour: read in every scan

    def _get_pull(self) -> str:
        return self._pull

    def _set_pull(self, value: str) -> None:
        if value not in _PULLS:
            raise PinInvalidPull(f"pull {value!r} of {self._name}: expected one of {_PULLS}")
        self._pull = value  # the bench drives every input: a bias changes nothing

    def _get_bounce(self) -> float | None:
        return self._bounce_s

    def _set_bounce(self, value: float | None) -> None:
        self._bounce_s = value  # the bench's contacts do not bounce

    def _get_edges(self) -> str:
        return self._edges

    def _set_edges(self, value: str) -> None:
        if value not in _EDGES:
            raise PinInvalidFunction(f"edges {value!r} of {self._name}: expected one of {_EDGES}")
        self._edges = value

    def _get_when_changed(self) -> WhenChanged | None:
        return None if self._when_changed is None else self._when_changed()

    def _set_when_changed(self, value: WhenChanged | None) -> None:
        if value is None:
            if self._when_changed is not None:
                self._connection.unlisten(self._name)
            self._when_changed = None
            return
        first = self._when_changed is None
        self._when_changed = weakref.WeakMethod(value) if isinstance(value, MethodType) else weakref.ref(value)
        if first:
            self._connection.listen(self._name, self._edge)

    def _edge(self, level: bool, taken_ns: int) -> None:
        wanted = {"both": True, "rising": level, "falling": not level, "none": False}[self._edges]
        listener: Any = self._get_when_changed()
        if wanted and listener is not None:
            listener(taken_ns / 1e9, level)
