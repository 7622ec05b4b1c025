"""Inputs and sensors as devices: watched lines, those of the station as a whole, temperatures read beside the scan."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from agent.guard.heartbeat import Heartbeat
from agent.guard.inputs import Debounce
from agent.guard.log import Log
from agent.guard.plan import LinePlan, Plan, TemperaturePlan
from agent.guard.timings import MAX_AGE_SCANS
from drivers.api import DriverError, InputLine, Lines, OutputLine, TemperatureSensor

READ_EVERY_S: Final = 1.0  # between two reads of a temperature; house rule
FRESH_S: Final = 10.0  # an older temperature is unknown; house rule


class WatchedLine:
    """One claimed input, with its debounce.

    Attributes:
        line: what was claimed.
        poll: asks the line for its level, where it can be asked in one call (``drivers.api.PolledLine``).
        pulses: what to ask it: with pulses, an activity between two scans counts.
    """

    def __init__(self, lines: Lines, plan: LinePlan, *, max_age_s: float, pulses: bool = False) -> None:
        """Claim it. With ``pulses`` and no debounce, an activity between two scans counts. Raises ``DriverError``."""
        self.line: InputLine = lines.input(plan.line, active_high=plan.active_high, pull=plan.pull)
        self.poll: Callable[[bool], bool | None] | None = getattr(self.line, "poll", None)
        self._max_age_s = max_age_s
        self.pulses = pulses and plan.debounce_s <= 0.0
        self._debounce = Debounce(plan.debounce_s) if plan.debounce_s > 0.0 else None

    @property
    def settled(self) -> bool:
        """Return whether the level that counts stays as it is for as long as the line says what it said last."""
        return self._debounce is None or self._debounce.settled

    def level(self, now_s: float) -> bool | None:
        """Return the level that counts, ``None`` when it is unknown or too old."""
        return self.counted(self.ask(now_s), now_s)

    def ask(self, now_s: float) -> bool | None:
        """Return what the line says, ``None`` when it is unknown or too old."""
        line = self.line
        try:
            if self.poll is not None:
                return self.poll(self.pulses)
            if self.pulses and line.take_pulse():
                return True
            return None if line.age_s(now_s) > self._max_age_s else line.read()
        except DriverError:
            return None

    def counted(self, level: bool | None, now_s: float) -> bool | None:
        """Return the level that counts after the line said ``level``."""
        return level if self._debounce is None else self._debounce.step(level, now_s)


def claim_input(
    lines: Lines | None, plan: LinePlan | None, *, max_age_s: float, pulses: bool = False
) -> WatchedLine | None:
    """Claim ``plan``'s input, if there is one. Raises ``DriverError``."""
    return None if plan is None or lines is None else WatchedLine(lines, plan, max_age_s=max_age_s, pulses=pulses)


def asked_together(inputs: Sequence[object]) -> Callable[[], list[bool | None]] | None:
    """Return what asks all ``inputs`` in their order, at any time; ``None`` where one of them cannot be asked so."""
    watched = [each for each in inputs if isinstance(each, WatchedLine) and each.poll is not None]
    if len(watched) != len(inputs):
        return None
    kinds = {type(each.line) for each in watched}
    together = getattr(kinds.pop(), "poll_together", None) if len(kinds) == 1 else None
    if together is not None:
        joint: Callable[[], list[bool | None]] = together([(each.line, each.pulses) for each in watched])
        return joint
    return lambda: [each.ask(0.0) for each in watched]  # an input that is polled does not look at the time


class SharedInputs:
    """The inputs of the station as a whole: read once per scan, seen by every EVSE.

    Attributes:
        levels: of the last ``read``, in the plan's order; unknown before it.
    """

    def __init__(self, lines: Lines, plans: Sequence[LinePlan], *, max_age_s: float) -> None:
        """Claim them. Raises ``DriverError``."""
        self._inputs = tuple(WatchedLine(lines, plan, max_age_s=max_age_s, pulses=True) for plan in plans)
        self.levels: tuple[bool | None, ...] = (None,) * len(self._inputs)

    def read(self, now_s: float) -> None:
        """Read every line."""
        if self._inputs:
            self.levels = tuple([line.level(now_s) for line in self._inputs])


def open_shared_inputs(lines: Lines, plan: Plan) -> SharedInputs | None:
    """Claim the inputs of the station as a whole, if there are any. Raises ``DriverError``."""
    if not plan.inputs:
        return None
    return SharedInputs(lines, [line for _, line in plan.inputs], max_age_s=plan.scan_s * MAX_AGE_SCANS)


class HeartbeatLine:
    """The permit heartbeat's output."""

    def __init__(self, line: OutputLine, period_s: float) -> None:
        """Toggle ``line``, which is low, once every half ``period_s``."""
        self._line = line
        self._beat = Heartbeat(period_s)
        self._lost = False

    def step(self, now_s: float, *, healthy: bool) -> DriverError | None:
        """Toggle when it is time; return the first of a row of failures. A line that fails is tried again."""
        if not self._beat.step(now_s, healthy=healthy):
            return None
        try:
            self._line.write(self._beat.level)
        except DriverError as problem:
            told, self._lost = self._lost, True
            return None if told else problem
        self._lost = False
        return None


def open_heartbeat(lines: Lines, plan: Plan) -> HeartbeatLine | None:
    """Claim the heartbeat's output, if there is one. Raises ``DriverError``."""
    if plan.heartbeat is None:
        return None
    beat = plan.heartbeat
    return HeartbeatLine(lines.output(beat.line, active_high=beat.active_high, initial=False), plan.heartbeat_s)


class Temperature:
    """One sensor, read on a thread of its own: a file of the kernel may take a second, or never answer."""

    def __init__(self, plan: TemperaturePlan, *, evse_id: int, log: Log, every_s: float = READ_EVERY_S) -> None:
        """Start reading. A sensor that is not there is tried again, once per period."""
        self._plan = plan
        self._evse_id = evse_id
        self._log = log
        self._every_s = every_s
        self._taken: tuple[float, float] | None = None
        self._lost = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_reading, name="temperature", daemon=True)
        self._thread.start()

    def value_c(self, now_s: float) -> float | None:
        """Return the newest temperature to a tenth of a degree, ``None`` when it is older than ``FRESH_S``."""
        taken = self._taken
        return None if taken is None or now_s - taken[1] > FRESH_S else taken[0]

    def close(self) -> None:
        """Stop reading."""
        self._closed.set()
        self._thread.join(1.0)

    def _keep_reading(self) -> None:
        sensor: TemperatureSensor | None = None
        while not self._closed.is_set():
            try:
                if sensor is None:
                    sensor = self._plan.sensor.open()
                self._taken = (round(sensor.read(), 1), time.monotonic())
            except DriverError as problem:
                self._tell(str(problem))
            else:
                self._tell(None)
            self._closed.wait(self._every_s)

    def _tell(self, problem: str | None) -> None:
        if (problem is not None) is self._lost:
            return
        self._lost = problem is not None
        name = self._plan.settings.name
        if problem is None:
            self._log.info("temperature.recovered", evse_id=self._evse_id, sensor=name)
        else:
            self._log.warning("temperature.lost", evse_id=self._evse_id, sensor=name, problem=problem)
