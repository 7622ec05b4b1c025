# mypy: allow-untyped-calls
"""The ``Lines`` contract over a gpiozero pin factory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from drivers.api import DriverError, DriverKind, DriverSpec, DriverUnavailable, Look, Option, OptionProblem
from drivers.gpio.line_names import HEADER_CHIPS, LAST_HEADER_GPIO, bcm_number, header_line, named_lines, named_problem

if TYPE_CHECKING:
    from gpiozero.input_devices import DigitalInputDevice
    from gpiozero.output_devices import OutputDevice
    from gpiozero.pins import Factory

    from drivers.api.safe import SafeAction, SafeOutput

_PULL_UP: Final = {"none": None, "up": True, "down": False}
FACTORIES: Final = ("lgpio", "gpiod", "native", "rpigpio", "pigpio", "mock")


class GpiozeroLines:
    """On/off lines claimed from ``factory``, by the pin names that this factory knows (``GPIO17``, ``J8:11``)."""

    def __init__(self, *, factory: Factory, pin_errors: tuple[type[Exception], ...] = ()) -> None:
        """Take over ``factory``; ``close`` closes it.

        Args:
            factory: any gpiozero factory.
            pin_errors: what its pins raise besides ``gpiozero.GPIOZeroError`` and ``OSError``.
        """
        from gpiozero import GPIOZeroError

        self._factory = factory
        self._errors: tuple[type[Exception], ...] = (GPIOZeroError, OSError, *pin_errors)
        self._inputs: list[DigitalInputDevice] = []
        self._outputs: list[OutputDevice] = []

    def output(self, line: str, *, active_high: bool, initial: bool) -> GpiozeroOutput:
        """Claim an output with its first value. Raises ``DriverUnavailable``."""
        from gpiozero.output_devices import OutputDevice

        with _driver_errors(self._errors, line):
            device = OutputDevice(line, active_high=active_high, initial_value=initial, pin_factory=self._factory)
        self._outputs.append(device)
        return GpiozeroOutput(device, line, self._errors)

    def input(self, line: str, *, active_high: bool, pull: str = "none") -> GpiozeroInput:
        """Claim an input. Raises ``DriverUnavailable``; ``ValueError`` for a pull that is not none, up or down."""
        from gpiozero.input_devices import DigitalInputDevice

        if pull not in _PULL_UP:
            raise ValueError(f"pull {pull!r} of line {line}: expected one of {', '.join(_PULL_UP)}")
        with _driver_errors(self._errors, line):
            device = DigitalInputDevice(
                line,
                pull_up=_PULL_UP[pull],
                active_state=active_high if pull == "none" else None,
                pin_factory=self._factory,
            )
        self._inputs.append(device)
        # gpiozero ties the polarity to the pull (up is active low, down is active high); a board does not.
        inverted = pull != "none" and active_high is (pull == "up")
        return GpiozeroInput(device, self._errors, active_high=active_high, inverted=inverted)

    def close(self) -> None:
        """Release every line and the factory. Outputs keep their level where the factory can leave them alone."""
        for device in self._inputs:
            device.close()
        self._inputs.clear()
        self._factory.close()
        self._outputs.clear()


class GpiozeroOutput:
    """One output."""

    def __init__(self, device: OutputDevice, line: str, errors: tuple[type[Exception], ...]) -> None:
        self._device = device
        self._line = line
        self._errors = errors

    def write(self, active: bool) -> None:
        """Drive the line. Raises ``DriverError``."""
        with _driver_errors(self._errors, self._line):
            self._device.value = active


class GpiozeroInput:
    """One input; its level is read when asked, pulses in between are caught by the factory's edge detection.

    The level comes straight from the factory's pin: the device's own way to it costs ten times as much per scan, the
    property of the pin twice as much. A pin may offer ``level_now``, for what it answers by one call.
    """

    def __init__(
        self, device: DigitalInputDevice, errors: tuple[type[Exception], ...], *, active_high: bool, inverted: bool
    ) -> None:
        pin: Any = device.pin
        self._level_now: Callable[[], object] = getattr(pin, "level_now", pin._get_state)
        self._active_high = active_high
        self._errors: tuple[type[Exception], ...] = (*errors, DriverError)
        self._activations = 0  # written by the factory's thread alone
        self._activations_taken = 0
        if inverted:
            device.when_deactivated = self._count_activation
        else:
            device.when_activated = self._count_activation

    def read(self) -> bool | None:
        """Return the logical level now, ``None`` when it cannot be read."""
        try:
            return bool(self._level_now()) is self._active_high
        except self._errors:
            return None

    def poll(self, pulses: bool) -> bool | None:
        """Return the level now, ``None`` when it cannot be read; with ``pulses`` also active for one since then."""
        try:
            if pulses and self._activations != self._activations_taken:
                self._activations_taken = self._activations
                return True
            return bool(self._level_now()) is self._active_high
        except self._errors:
            return None

    @staticmethod
    def poll_together(inputs: Sequence[tuple[GpiozeroInput, bool]]) -> Callable[[], list[bool | None]]:
        """See ``JointlyPolledLine``."""
        asked = tuple((line, line._level_now, line._active_high, line._errors, pulses) for line, pulses in inputs)

        def ask() -> list[bool | None]:
            levels: list[bool | None] = []
            for line, level_now, active_high, errors, pulses in asked:
                try:
                    if pulses and line._activations != line._activations_taken:
                        line._activations_taken = line._activations
                        levels.append(True)
                    else:
                        levels.append(bool(level_now()) is active_high)
                except errors:
                    levels.append(None)
            return levels

        return ask

    def age_s(self, now_s: float) -> float:
        """Return 0: the level is read, not pushed."""
        return 0.0

    def take_pulse(self) -> bool:
        """Return whether the line was active at any moment since the last call."""
        activations = self._activations
        if activations != self._activations_taken:
            self._activations_taken = activations
            return True
        return self.read() is True

    def _count_activation(self) -> None:
        self._activations += 1


def open_lines(*, factory: str, chip: int | None = None) -> GpiozeroLines:
    """Open the board's lines with the named gpiozero factory.

    Args:
        factory: ``lgpio`` (any Raspberry Pi), ``gpiod`` (any board, lines by name), ``native`` (not on a Pi 5),
            ``rpigpio``, ``pigpio``, or ``mock``.
        chip: number of the gpiochip, for ``lgpio``; ``None`` lets gpiozero choose by the board's model.

    Raises:
        DriverUnavailable: the library is not installed, or this machine has no such pins.
    """
    try:
        opened, errors = _open_factory(factory, chip)
    except (ImportError, OSError) as exc:
        raise DriverUnavailable(f"gpiozero factory {factory!r} cannot be opened: {exc}") from exc
    return GpiozeroLines(factory=opened, pin_errors=errors)


def _open_factory(factory: str, chip: int | None) -> tuple[Any, tuple[type[Exception], ...]]:
    from gpiozero import GPIOZeroError

    try:
        match factory:
            case "lgpio":
                from drivers.gpio.lgpio_pins import PIN_ERROR, SteadyLgpioFactory

                try:
                    return SteadyLgpioFactory(chip), (PIN_ERROR,)
                except PIN_ERROR as exc:
                    raise DriverUnavailable(f"lgpio cannot open gpiochip {chip}: {exc}") from exc
            case "gpiod":
                from drivers.gpio.gpiod_factory import GpiodFactory

                return GpiodFactory(), ()
            case "native":
                from gpiozero.pins.native import NativeFactory

                return NativeFactory(), ()
            case "rpigpio":
                from gpiozero.pins.rpigpio import RPiGPIOFactory

                return RPiGPIOFactory(), (RuntimeError,)
            case "pigpio":
                from gpiozero.pins.pigpio import PiGPIOFactory

                return PiGPIOFactory(), ()
            case "mock":
                from gpiozero.pins.mock import MockFactory

                return MockFactory(), ()
    except GPIOZeroError as exc:
        raise DriverUnavailable(f"gpiozero factory {factory!r} cannot be opened: {exc}") from exc
    raise DriverUnavailable(f"gpiozero factory {factory!r}: expected one of {', '.join(FACTORIES)}")


def line_problem(options: Mapping[str, Any], line: str) -> str | None:
    """Return what is wrong with a name: the header has GPIO0 to GPIO27."""
    if options.get("factory") == "gpiod":
        return named_problem(line)
    number = bcm_number(line)
    if options.get("factory") == "mock" or (number is not None and number <= LAST_HEADER_GPIO):
        return None
    from drivers.registry import closest

    near = closest(line, [f"GPIO{each}" for each in range(LAST_HEADER_GPIO + 1)])
    names = f"GPIO0-GPIO{LAST_HEADER_GPIO}, BOARD3-BOARD40, J8:3-J8:40"
    text = f"{line!r} is no line of a Raspberry Pi's header, expected one of {names}"
    return text + (f"; did you mean {near!r}?" if near else "")


def look(lines: tuple[str, ...], *, factory: str, chip: int | None = None) -> Look:
    """Say which of ``lines`` this machine does not have, or has given to somebody else. Claims nothing.

    The kernel's chips are asked whatever the factory; without libgpiod's Python package only the factory is opened.
    """
    from drivers.gpio.chips import Chips, load_gpiod
    from drivers.gpio.gpiod_lines import look as look_at_chips

    if factory == "mock":
        return Look(seen=("lines of gpiozero's mock factory: there is nothing to look at",))
    try:
        chips = Chips(load_gpiod())
    except DriverUnavailable:
        try:
            open_lines(factory=factory, chip=chip).close()
        except DriverUnavailable as problem:
            return Look(problems=(OptionProblem(option="factory", problem=str(problem)),))
        return Look()
    if factory == "gpiod":
        return look_at_chips(lines, chips=chips)
    there = chips.labels()
    label = chips.label_of(chip) if chip is not None else next((each for each in HEADER_CHIPS if each in there), None)
    if label is None:
        wanted = f"gpiochip{chip}" if chip is not None else f"Raspberry Pi's header chip ({', '.join(HEADER_CHIPS)})"
        text = f"this machine has no {wanted}, there are: {', '.join(there) or 'none'}"
        return Look(problems=(OptionProblem(option="chip", problem=text),))
    named = {f"{label}:{header_line(line).removeprefix('GPIO')}": line for line in lines}
    found = look_at_chips(tuple(named), chips=chips)
    problems = tuple(OptionProblem(option=named[each.option], problem=each.problem) for each in found.problems)
    return Look(problems=problems, seen=found.seen)


@contextmanager
def _driver_errors(errors: tuple[type[Exception], ...], line: str) -> Iterator[None]:
    try:
        yield
    except errors as exc:
        raise DriverUnavailable(f"line {line}: {exc}") from exc


# Labels of the chip with a Raspberry Pi's header: models 0 to 3, 4, 5. Source: raspberrypi/linux device trees.
def safe_lines(options: Mapping[str, Any], outputs: Sequence[SafeOutput]) -> list[SafeAction]:
    """Return what drives ``outputs`` to their safe levels; of the factory ``mock`` there is nothing to drive."""
    from drivers.api.safe import NoSafeAction, SafeLine

    if options.get("factory") == "mock":
        return []
    if options.get("factory") == "gpiod":
        return named_lines(outputs)
    chip = options.get("chip")
    chips = HEADER_CHIPS if chip is None else (f"gpiochip{chip}",)
    actions: list[SafeAction] = []
    for each in outputs:
        number = bcm_number(each.line)
        if number is None:
            actions.append(NoSafeAction(what=f"line {each.line}"))
        else:
            actions.append(SafeLine(chips=chips, line=str(number), high=each.active is each.active_high))
    return actions


SPEC = DriverSpec(
    name="gpio",
    kind=DriverKind.LINES,
    target="drivers.gpio.lines:open_lines",
    options=(
        Option(name="factory", type=str, default="lgpio", choices=FACTORIES, help="gpiozero pin factory"),
        Option(name="chip", type=int, minimum=0, maximum=64, help="gpiochip number, lgpio only; default by model"),
    ),
    summary="On/off lines through gpiozero, with a pin factory that is named",
    line_key=header_line,
    line_problem=line_problem,
    look="drivers.gpio.lines:look",
    safe_lines=safe_lines,
)
