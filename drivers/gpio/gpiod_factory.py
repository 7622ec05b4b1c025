# mypy: allow-untyped-calls
"""A gpiozero pin factory over libgpiod 2: gpiozero's devices on the lines of any Linux board.

``GPIOZERO_PIN_FACTORY=gpiod`` makes it gpiozero's own choice, too (entry-point group ``gpiozero_pin_factories``). Pins
are lines by name (``"GPIO17"``, ``"pinctrl-rp1:GPIO17"``, ``"30200000.gpio:5"``); a number n means the line ``GPIOn``.
It never falls back to another factory, and has neither software PWM nor SPI: both are the kernel's work.
"""

from __future__ import annotations

import os
import select
import threading
import time
import weakref
from collections.abc import Callable
from datetime import timedelta
from types import MethodType
from typing import Any, Final

from gpiozero.devices import Device
from gpiozero.exc import GPIOPinInUse, PinInvalidEdges, PinInvalidFunction, PinInvalidPull, PinSetInput, PinUnknownPi
from gpiozero.pins import Factory, Pin, PinInfo

from drivers.gpio.chips import Chips, Place, load_gpiod

_PULLS: Final = ("floating", "up", "down")
_EDGES: Final = ("both", "rising", "falling", "none")
_DEAD: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL

WhenChanged = Callable[[float, bool], None]


class GpiodFactory(Factory):
    """Pins by line name. Pins raise ``drivers.api.DriverUnavailable`` while their chip is gone."""

    def __init__(self, chips: Chips | None = None) -> None:
        """Use ``chips``, by default those of this machine. Claims nothing yet.

        Raises:
            DriverUnavailable: the package gpiod is missing or too old.
        """
        super().__init__()
        self.chips = chips or Chips(load_gpiod())
        self.watch = _Watch()
        self._pins: dict[tuple[str, int], GpiodPin] = {}
        self._places: dict[str, Place] = {}
        self._holders: dict[tuple[str, int], weakref.ref[Device]] = {}
        self._holders_lock = threading.Lock()

    def pin(self, name: int | str) -> GpiodPin:
        """Return the pin of a line, the same object for every name of it. Raises ``DriverUnavailable``."""
        place = self._place(name)
        key = (place.label, place.offset)
        if key not in self._pins:
            self._pins[key] = GpiodPin(self, place)
        return self._pins[key]

    def reserve_pins(self, requester: Device, *names: int | str) -> None:
        """Note that ``requester`` uses the lines. Raises ``gpiozero.GPIOPinInUse``."""
        places = [self._place(name) for name in names]
        with self._holders_lock:
            for place in places:
                known = self._holders.get((place.label, place.offset))
                holder = None if known is None else known()
                if holder is not None and holder is not requester and requester._conflicts_with(holder):
                    raise GPIOPinInUse(f"line {place.asked} is already in use by {holder!r}")
            for place in places:
                self._holders[place.label, place.offset] = weakref.ref(requester)

    def release_pins(self, reserver: Device, *names: int | str) -> None:
        """Forget that ``reserver`` uses the lines."""
        keys = {(place.label, place.offset) for place in (self._places.get(_line(name)) for name in names) if place}
        self._release(reserver, keys)

    def release_all(self, reserver: Device) -> None:
        """Forget every line of ``reserver``."""
        self._release(reserver, set(self._holders))

    def close(self) -> None:
        """Release every line and end the thread that waited for edges."""
        for pin in self._pins.values():
            pin.close()
        self._pins.clear()
        self._places.clear()
        self.watch.close()

    @staticmethod
    def ticks() -> float:
        """Return monotonic time, s: the clock of the kernel's edge events."""
        return time.monotonic()

    @staticmethod
    def ticks_diff(later: float, earlier: float) -> float:
        """Return the seconds between two ticks."""
        return later - earlier

    def _place(self, name: int | str) -> Place:
        line = _line(name)
        if line not in self._places:
            self._places[line] = self.chips.find(line)
        return self._places[line]

    def _release(self, reserver: Device, keys: set[tuple[str, int]]) -> None:
        with self._holders_lock:
            for key in keys:
                if key in self._holders and self._holders[key]() in (reserver, None):
                    del self._holders[key]

    def _get_board_info(self) -> Any:
        raise PinUnknownPi("the gpiod factory knows lines, not boards; name the line")


class GpiodPin(Pin):
    """One line. It is claimed when it gets a function, and claimed again only by ``close`` and a new function."""

    def __init__(self, factory: GpiodFactory, place: Place) -> None:
        super().__init__()
        self._chips, self._watch, self._place = factory.chips, factory.watch, place
        self._kernel = factory.chips.gpiod.line
        name = place.asked
        self._info = PinInfo(place.offset, name, frozenset({name}), "", 0, 0, frozenset({"gpio"}))
        self._lock = threading.RLock()  # a request must not be released while the watching thread reads from it
        self._request: Any = None
        self._function = "input"
        self._pull = "floating"
        self._bounce_s: float | None = None
        self._edges = "both"
        self._when_changed: weakref.ref[WhenChanged] | None = None

    def __repr__(self) -> str:
        return self._place.asked

    def close(self) -> None:
        """Release the line. What becomes of its level is the kernel's decision."""
        with self._lock:
            request, self._request = self._request, None
            self._when_changed = None
            self._function = "input"
            if request is not None:
                self._watch.remove(request.fd)
                request.release()

    def output_with_state(self, state: bool) -> None:
        """Become an output with that level, in one call to the kernel: there is no moment with another level."""
        self._function = "output"
        self._apply(bool(state))

    def input_with_pull(self, pull: str) -> None:
        """Become an input with that bias, in one call to the kernel."""
        _check(pull, _PULLS, "pull", self, PinInvalidPull)
        self._function, self._pull = "input", pull
        self._apply()

    def _get_info(self) -> PinInfo:
        return self._info

    def _get_function(self) -> str:
        return self._function

    def _set_function(self, value: str) -> None:
        _check(value, ("input", "output"), "function", self, PinInvalidFunction)
        if value == "output":
            level = bool(self._get_state())  # becomes an output without a change of level
            self.output_with_state(level)
        else:
            self._function = "input"
            self._apply()

    def _get_state(self) -> bool:
        request = self._request if self._request is not None else self._apply()
        return request.get_value(self._place.offset) is self._kernel.Value.ACTIVE

    def _set_state(self, value: bool) -> None:
        if self._function != "output":
            raise PinSetInput(f"{self} is an input, expected an output")
        level = self._kernel.Value.ACTIVE if value else self._kernel.Value.INACTIVE
        self._request.set_value(self._place.offset, level)

    state = property(_get_state, _set_state)  # as the base has it, without the detour: read in every scan

    def _get_pull(self) -> str:
        return self._pull

    def _set_pull(self, value: str) -> None:
        if self._function != "input":
            raise PinInvalidPull(f"pull of {self}: it is an output, expected an input")
        if value != self._pull or self._request is None:
            self.input_with_pull(value)

    def _get_bounce(self) -> float | None:
        return self._bounce_s

    def _set_bounce(self, value: float | None) -> None:
        self._bounce_s = None if value is None else float(value)
        if self._watched():
            self._apply()

    def _get_edges(self) -> str:
        return self._edges

    def _set_edges(self, value: str) -> None:
        _check(value, _EDGES, "edges", self, PinInvalidEdges)
        self._edges = value
        if self._watched():
            self._apply()

    def _get_when_changed(self) -> WhenChanged | None:
        return None if self._when_changed is None else self._when_changed()

    def _set_when_changed(self, value: WhenChanged | None) -> None:
        if value is None:
            self._when_changed = None
        else:
            self._when_changed = weakref.WeakMethod(value) if isinstance(value, MethodType) else weakref.ref(value)
        if self._request is not None or value is not None:
            self._apply()

    def _watched(self) -> bool:
        return self._when_changed is not None and self._function == "input"

    def _apply(self, level: bool = False) -> Any:
        """Claim the line as it should be now, or change the claim; return the request."""
        with self._lock:
            settings = self._settings(level)
            if self._request is None:
                self._request = self._chips.request(self._place, settings)
            else:
                self._request.reconfigure_lines({self._place.offset: settings})
            if self._watched() and self._edges != "none":
                self._watch.add(self._request.fd, self._read_events)
            else:
                self._watch.remove(self._request.fd)
            return self._request

    def _settings(self, level: bool) -> Any:
        kernel, line_settings = self._kernel, self._chips.gpiod.LineSettings
        if self._function == "output":
            value = kernel.Value.ACTIVE if level else kernel.Value.INACTIVE
            return line_settings(direction=kernel.Direction.OUTPUT, output_value=value)
        biases = {"floating": kernel.Bias.DISABLED, "up": kernel.Bias.PULL_UP, "down": kernel.Bias.PULL_DOWN}
        edge = kernel.Edge[self._edges.upper()] if self._watched() else kernel.Edge.NONE
        return line_settings(
            direction=kernel.Direction.INPUT,
            bias=biases[self._pull],
            edge_detection=edge,
            debounce_period=timedelta(seconds=self._bounce_s or 0.0) if self._watched() else timedelta(),
            event_clock=kernel.Clock.MONOTONIC,
        )

    def _read_events(self) -> None:
        """Take the kernel's events and tell them, each with the kernel's own time; on the watching thread."""
        with self._lock:
            if self._request is None or not self._request.wait_edge_events(0):
                return
            events = self._request.read_edge_events()
        rising = self._chips.gpiod.EdgeEvent.Type.RISING_EDGE
        for event in events:
            listener: Any = self._get_when_changed()
            if listener is not None:
                listener(event.timestamp_ns / 1e9, event.event_type is rising)


class _Watch:
    """One thread that waits for the edges of all pins; it runs while there is anything to wait for."""

    def __init__(self) -> None:
        self._readers: dict[int, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._doorbell: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None

    def add(self, fd: int, reader: Callable[[], None]) -> None:
        with self._lock:
            self._readers[fd] = reader
            if self._doorbell is None:
                self._doorbell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
                arguments = (self._doorbell[0],)
                self._thread = threading.Thread(target=self._run, args=arguments, name="gpio edges", daemon=True)
                self._thread.start()
            self._ring()

    def remove(self, fd: int) -> None:
        with self._lock:
            if self._readers.pop(fd, None) is not None:
                self._ring()

    def close(self) -> None:
        with self._lock:
            doorbell, self._doorbell = self._doorbell, None
            thread, self._thread = self._thread, None
            self._readers.clear()
            if doorbell is not None:
                os.write(doorbell[1], b"!")
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)
        for fd in doorbell or ():
            os.close(fd)

    def _ring(self) -> None:
        if self._doorbell is not None:
            os.write(self._doorbell[1], b"!")

    def _run(self, doorbell: int) -> None:
        while True:
            with self._lock:
                if self._doorbell is None or self._doorbell[0] != doorbell:
                    return
                readers = dict(self._readers)
            poll = select.poll()
            for fd in (doorbell, *readers):
                poll.register(fd, select.POLLIN)
            for fd, flags in poll.poll():
                if fd == doorbell:
                    os.read(doorbell, 4096)
                elif flags & select.POLLNVAL or (
                    flags & (select.POLLERR | select.POLLHUP) and not flags & select.POLLIN
                ):
                    self._drop(fd, readers[fd])
                else:
                    self._read(fd, readers[fd])

    def _read(self, fd: int, reader: Callable[[], None]) -> None:
        try:
            reader()
        except OSError:  # the chip is gone: whoever reads the level learns it
            self._drop(fd, reader)

    def _drop(self, fd: int, reader: Callable[[], None]) -> None:
        with self._lock:
            if self._readers.get(fd) == reader:
                del self._readers[fd]


def _line(name: int | str) -> str:
    return f"GPIO{name}" if isinstance(name, int) else name


def _check(value: str, known: tuple[str, ...], what: str, pin: Pin, problem: type[Exception]) -> None:
    if value not in known:
        raise problem(f"{what} {value!r} of {pin}: expected one of {', '.join(known)}")
