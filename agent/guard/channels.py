"""The connectors of one EVSE, each a channel of its own: what they share, and what each must know of the others.

Every channel has its own pilot, contactors, lock and latches. Inputs and temperatures that the plan gives to several of
them are claimed once and read once per scan. The interlock between them is in ``interlock``: it asks ``see_siblings``,
which looks at what the others' cycles command and confirm in this scan, or in the one before for those that come later.
The channels are scanned one after another, so two can never decide to offer or to close in the same scan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agent.guard.cycle_values import Inputs
from agent.guard.log import Log
from agent.guard.plan_place import LinePlan
from agent.guard.plan_protection import TemperaturePlan
from agent.guard.sensing import Temperature, WatchedLine
from drivers.api import Lines


class Sibling(Protocol):
    """What a channel sees of another one: ``agent.guard.cycle.Cycle`` meets it."""

    @property
    def idle(self) -> bool:
        """Return whether it does not offer and its contactors are commanded and confirmed open, none welded."""

    @property
    def dead(self) -> bool:
        """Return whether its contactor is neither commanded nor confirmed closed."""


def see_siblings(siblings: Sequence[Sibling], inputs: Inputs) -> None:
    """Put into ``inputs`` what the interlock must know of the other connectors."""
    idle = dead = True
    for sibling in siblings:
        idle = idle and sibling.idle
        dead = dead and sibling.dead
    inputs.siblings_idle, inputs.siblings_dead = idle, dead


class Input(Protocol):
    """A claimed input."""

    @property
    def settled(self) -> bool:
        """Return whether the level that counts stays as it is for as long as the line says what it said last."""

    def ask(self, now_s: float) -> bool | None:
        """Return what the line says, ``None`` unknown."""

    def counted(self, level: bool | None, now_s: float) -> bool | None:
        """Return the level that counts after the line said ``level``, ``None`` unknown."""


class Common:
    """What the channels of one EVSE claim together."""

    def __init__(self, lines: Lines, log: Log, *, max_age_s: float, several: bool = True) -> None:
        """Claim nothing of ``lines`` yet; without ``several``, everything is asked for once."""
        self._several = several
        self._lines = lines
        self._log = log
        self._max_age_s = max_age_s
        self._inputs: dict[LinePlan, _ReadOnce] = {}
        self._temperatures: list[tuple[TemperaturePlan, Temperature]] = []

    def input(self, plan: LinePlan | None, *, pulses: bool = False) -> Input | None:
        """Return the input ``plan``, if there is one; claimed when it is first asked for. Raises ``DriverError``."""
        if plan is None:
            return None
        known = self._inputs.get(plan)
        if known is not None:
            return known
        claimed = WatchedLine(self._lines, plan, max_age_s=self._max_age_s, pulses=pulses)
        if not self._several:
            return claimed
        self._inputs[plan] = _ReadOnce(claimed)
        return self._inputs[plan]

    def temperature(self, plan: TemperaturePlan, *, evse_id: int) -> Temperature:
        """Return the sensor ``plan``, which is read by one thread however many channels it cools down."""
        for known, sensor in self._temperatures:
            if known == plan:
                return sensor
        sensor = Temperature(plan, evse_id=evse_id, log=self._log)
        self._temperatures.append((plan, sensor))
        return sensor


class _ReadOnce:
    """An input whose level, pulses between two scans included, is the same for everybody who asks in one scan."""

    def __init__(self, line: WatchedLine) -> None:
        self._line = line
        self._at_s: float | None = None
        self._level: bool | None = None

    @property
    def settled(self) -> bool:
        return self._line.settled

    def ask(self, now_s: float) -> bool | None:
        if now_s != self._at_s:
            self._at_s, self._level = now_s, self._line.level(now_s)
        return self._level

    def counted(self, level: bool | None, now_s: float) -> bool | None:
        return level  # debounced when it was asked


class ConnectorLog(Log):
    """A log whose lines say which connector of the EVSE they are about."""

    def __init__(self, log: Log, connector_id: int) -> None:
        """Write to ``log``."""
        self._log = log
        self._connector_id = connector_id

    def _write(self, level: str, event: str, facts: dict[str, object]) -> None:
        if "evse_id" in facts:
            facts = {"evse_id": facts.pop("evse_id"), "connector_id": self._connector_id, **facts}
        self._log._write(level, event, facts)
