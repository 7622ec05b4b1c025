"""The ``Lines`` contract straight over libgpiod: on any Linux board, and without gpiozero's ten megabytes in the guard.

An output gets its first value together with its direction, polarity included, in one call to the kernel: there is no
moment with another level. Rising edges queue in the kernel with its own time stamps, so that a pulse between two scans
is seen, and nothing here needs a thread. A line whose chip is lost is claimed again, with growing pauses, by the calls
of the scan; an output then starts with the value that is being written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from drivers.api import DriverError, DriverKind, DriverSpec, DriverUnavailable, Look, Option, OptionProblem
from drivers.gpio.chips import CONSUMER, Chips, Place, load_gpiod
from drivers.gpio.line_names import named_key, named_lines, named_problem

if TYPE_CHECKING:
    from drivers.api.safe import SafeAction, SafeOutput

FIRST_RETRY_S: Final = 0.5  # then twice as long each time; house rule
LONGEST_RETRY_S: Final = 8.0
_DRAINED_AT_MOST: Final = 8  # reads of 16 events: more in one scan is a contact that chatters

Clock = Callable[[], float]


class GpiodLines:
    """On/off lines by chip label and line name."""

    def __init__(self, chips: Chips, *, edge_detection: bool = True, clock: Clock = time.monotonic) -> None:
        """Use ``chips``. Opens nothing before a line is claimed."""
        self._chips = chips
        self._edges = edge_detection
        self._clock = clock
        self._claims: list[_Claim] = []
        line = chips.gpiod.line
        self._pulls: dict[str, Any] = {
            "none": line.Bias.DISABLED,
            "up": line.Bias.PULL_UP,
            "down": line.Bias.PULL_DOWN,
        }

    def output(self, line: str, *, active_high: bool, initial: bool) -> GpiodOutput:
        """Claim an output with its first value. Raises ``DriverUnavailable``."""
        kernel = self._chips.gpiod.line
        settings = self._chips.gpiod.LineSettings(
            direction=kernel.Direction.OUTPUT,
            active_low=not active_high,
            output_value=kernel.Value.ACTIVE if initial else kernel.Value.INACTIVE,
        )
        return GpiodOutput(self._claim(line, settings), kernel.Value)

    def input(self, line: str, *, active_high: bool, pull: str = "none") -> GpiodInput:
        """Claim an input. Raises ``DriverUnavailable``; ``ValueError`` for a pull that is not none, up or down."""
        if pull not in self._pulls:
            raise ValueError(f"pull {pull!r} of line {line}: expected one of {', '.join(self._pulls)}")
        kernel = self._chips.gpiod.line
        settings = self._chips.gpiod.LineSettings(
            direction=kernel.Direction.INPUT,
            active_low=not active_high,
            bias=self._pulls[pull],
            edge_detection=kernel.Edge.RISING if self._edges else kernel.Edge.NONE,  # of the logical level
            event_clock=kernel.Clock.MONOTONIC,
        )
        return GpiodInput(self._claim(line, settings), kernel.Value, edges=self._edges)

    def close(self) -> None:
        """Release every line. What becomes of a level then is the kernel's decision (docs/drivers/linux.md)."""
        for claim in self._claims:
            claim.release()
        self._claims.clear()

    def _claim(self, line: str, settings: Any) -> _Claim:
        claim = _Claim(self._chips, self._chips.find(line), settings, self._clock)
        self._claims.append(claim)
        return claim


class _Claim:
    """One claimed line: its request while the chip is there, and the way back to it."""

    def __init__(self, chips: Chips, place: Place, settings: Any, clock: Clock) -> None:
        self._chips = chips
        self.settings = settings
        self._clock = clock
        self._retry_s = FIRST_RETRY_S
        self._due_s = 0.0
        self._problem = ""
        self.place = place
        self._request: Any = chips.request(place, settings)

    def request(self) -> Any:
        """Return the request; claims the line again when it was lost and the pause is over. ``DriverUnavailable``."""
        if self._request is not None:
            return self._request
        if self._clock() < self._due_s:
            raise DriverUnavailable(self._problem)
        try:
            self.place = self._chips.moved(self.place)
            self._request = self._chips.request(self.place, self.settings)
        except DriverUnavailable as problem:
            self._wait(str(problem))
            raise
        self._retry_s = FIRST_RETRY_S
        return self._request

    def lose(self, problem: OSError) -> DriverUnavailable:
        """Let go of a request that failed; return what to raise."""
        self.release()
        self._wait(f"line {self.place.asked}: {problem.strerror or problem}")
        return DriverUnavailable(self._problem)

    def release(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.release()

    def _wait(self, problem: str) -> None:
        self._problem = problem
        self._due_s = self._clock() + self._retry_s
        self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)


class GpiodOutput:
    """One output."""

    def __init__(self, claim: _Claim, value: Any) -> None:
        self._claim = claim
        self._values = {False: value.INACTIVE, True: value.ACTIVE}

    def write(self, active: bool) -> None:
        """Drive the line; one that is claimed again starts with this value. Raises ``DriverUnavailable``."""
        self._claim.settings.output_value = self._values[active]
        request = self._claim.request()
        try:
            request.set_value(self._claim.place.offset, self._values[active])
        except OSError as problem:
            raise self._claim.lose(problem) from problem


class GpiodInput:
    """One input."""

    def __init__(self, claim: _Claim, value: Any, *, edges: bool) -> None:
        self._claim = claim
        self._active = value.ACTIVE
        self._edges = edges

    def read(self) -> bool | None:
        """Return the logical level now, ``None`` while the chip is gone."""
        try:
            request = self._claim.request()
        except DriverError:
            return None
        try:
            return request.get_value(self._claim.place.offset) is self._active
        except OSError as problem:
            self._claim.lose(problem)
            return None

    def age_s(self, now_s: float) -> float:
        """Return 0: the level is read, not pushed."""
        return 0.0

    def poll(self, pulses: bool) -> bool | None:
        """Return the level now, ``None`` while the chip is gone; with ``pulses`` also active for one since then."""
        return True if pulses and self._drained() else self.read()

    def take_pulse(self) -> bool:
        """Return whether the line was active at any moment since the last call."""
        return self._drained() or self.read() is True

    def _drained(self) -> bool:
        if not self._edges:
            return False
        seen = False
        try:
            request = self._claim.request()
            for _ in range(_DRAINED_AT_MOST):
                if not request.wait_edge_events(0):
                    break
                seen = bool(request.read_edge_events()) or seen
        except OSError as problem:
            self._claim.lose(problem)
        except DriverError:
            return seen  # nothing is claimed: the level is unknown, and read says so
        return seen


def open_lines(*, edge_detection: bool = True) -> GpiodLines:
    """Open this machine's lines.

    Args:
        edge_detection: ``False`` for chips without interrupts; pulses shorter than a scan are then not seen.

    Raises:
        DriverUnavailable: libgpiod's Python package is missing or too old.
    """
    return GpiodLines(Chips(load_gpiod()), edge_detection=edge_detection)


def look(lines: tuple[str, ...], *, edge_detection: bool = True, chips: Chips | None = None) -> Look:
    """Say which of ``lines`` this machine does not have, or has given to somebody else. Claims nothing."""
    try:
        found = chips or Chips(load_gpiod())
    except DriverUnavailable as problem:
        return Look(problems=(OptionProblem(option="driver", problem=str(problem)),))
    problems, seen = [], []
    for line in lines:
        try:
            seen.append(_seen(found, line))
        except DriverUnavailable as problem:
            problems.append(OptionProblem(option=line, problem=str(problem)))
    return Look(problems=tuple(problems), seen=tuple(seen))


def _seen(chips: Chips, line: str) -> str:
    place = chips.find(line)
    try:
        with chips.gpiod.Chip(place.path) as chip:
            about = chip.get_line_info(place.offset)
    except OSError as problem:
        raise DriverUnavailable(f"line {line}: {problem.strerror or problem}") from problem
    where = f"line {line}: {place.label}, offset {place.offset} ({place.path})"
    if about.used and about.consumer != CONSUMER:
        raise DriverUnavailable(f"line {line}: is already in use by {about.consumer or 'the kernel'!r}")
    return f"{where}, {'held by a running charge-agent' if about.used else 'free'}"


def line_problem(_options: Mapping[str, Any], line: str) -> str | None:
    """Return what is wrong with a name."""
    return named_problem(line)


def safe_lines(_options: Mapping[str, Any], outputs: Sequence[SafeOutput]) -> list[SafeAction]:
    """Return what drives ``outputs`` to their safe levels."""
    return named_lines(outputs)


SPEC = DriverSpec(
    name="gpiod",
    kind=DriverKind.LINES,
    target="drivers.gpio.gpiod_lines:open_lines",
    options=(
        Option(
            name="edge_detection",
            type=bool,
            default=True,
            help="false: the chip has no interrupts, pulses between two scans are not seen",
        ),
    ),
    summary="On/off lines of any Linux board by chip label and line name, through libgpiod 2",
    line_key=named_key,
    line_problem=line_problem,
    look="drivers.gpio.gpiod_lines:look",
    safe_lines=safe_lines,
)
