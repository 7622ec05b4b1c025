"""What watches over one EVSE besides its pilot: watched inputs, sensor self-test, temperatures. Pure.

One object, so that the cycle has one thing to ask: what is tripped, what is known, what may be offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.guard.inputs import InputRole, Watch, Watches
from agent.guard.rcd_test import TESTED_ROLES, RcdTest, RcdTestSettings
from agent.guard.temperature import Derating, SensorSettings
from agent.guard.wire import GuardFault

SENSOR_START_S: Final = 5.0  # a temperature that is not there yet is no fault for so long; house rule


RCD_LATCHED: Final = Watch(role=InputRole.RCD, latched=True)
STOP_WHILE_PRESSED: Final = Watch(role=InputRole.EMERGENCY_STOP)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionSettings:
    """What there is.

    Attributes:
        rcd, emergency_stop: how the two inputs of their own names behave.
        watched: further inputs, in the order of ``Inputs.watched``.
        rcd_test: the sensor's test line; ``None``: it has none.
        temperatures: sensors, in the order of ``Inputs.temperature_c``.
    """

    rcd: Watch = RCD_LATCHED
    emergency_stop: Watch = STOP_WHILE_PRESSED
    watched: tuple[Watch, ...] = ()
    has_rcd: bool = False
    rcd_test: RcdTestSettings | None = None
    temperatures: tuple[SensorSettings, ...] = ()


BARE: Final = ProtectionSettings()


class Protection:
    """The verdicts about one EVSE.

    Attributes:
        watches, rcd_test, derating: the three parts.
        faults: what they found, besides residual current and emergency stop, which the cycle lists itself.
    """

    __slots__ = ("_started_s", "_tested", "derating", "faults", "rcd_test", "watches")

    def __init__(self, settings: ProtectionSettings, *, max_current_a: float, now_s: float) -> None:
        """Begin with nothing known."""
        watched = (settings.rcd, settings.emergency_stop, *settings.watched)
        self.watches = Watches(watched)
        # The role RCD stands in the list whether the EVSE has that line or not.
        present = {watch.role for watch in settings.watched} | ({InputRole.RCD} if settings.has_rcd else set())
        self._tested = tuple(
            next(index for index, watch in enumerate(watched) if watch.role is role)
            for role in TESTED_ROLES
            if role in present
        )
        self.rcd_test = RcdTest(settings.rcd_test, tuple(present))
        self.derating = Derating(settings.temperatures, max_current_a)
        self.faults: tuple[GuardFault, ...] = ()
        self._started_s = now_s

    @property
    def tripped(self) -> frozenset[InputRole]:
        """Return the roles that are active or latched."""
        return self.watches.tripped

    @property
    def known(self) -> bool:
        """Return whether every input has a level and every sensor a fresh value."""
        return self.watches.known and self.derating.known

    def late(self, now_s: float) -> bool:
        """Return whether nothing but a temperature is missing, and only since the start."""
        starting = now_s - self._started_s < SENSOR_START_S
        return starting and self.watches.known and not self.derating.known

    def step(
        self,
        levels: Sequence[bool | None],
        values_c: tuple[float | None, ...],
        *,
        vehicle: bool | None,
        may_test: bool,
        now_s: float,
    ) -> None:
        """Judge one scan's levels and temperatures.

        Args:
            levels: RCD, emergency stop, then the further inputs.
            values_c: temperatures, degC; ``None`` unknown.
            vehicle: one is plugged in; ``None`` unknown. Its leaving clears latches.
            may_test: see ``RcdTest.step``.
            now_s: monotonic time.
        """
        test, tripped_before = self.rcd_test, self.watches.tripped
        masked = test.masked
        tested = [levels[index] for index in self._tested]
        test.step(tested, may_run=may_test and not tripped_before, vehicle=vehicle is True, now_s=now_s)
        self.watches.step(levels, may_clear=vehicle is False, masked=masked)
        self.derating.step(values_c)
        faults = tuple(fault for fault in self.watches.faults if fault not in _LISTED_BY_CYCLE)
        if test.failed:
            faults += (GuardFault.RCD_TEST_FAILED,)
        if self.derating.stopped:
            faults += (GuardFault.OVER_TEMPERATURE,)
        self.faults = faults

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``step`` may change."""
        return (self.faults, *self.watches.remembered(), *self.rcd_test.remembered(), *self.derating.remembered())

    def limits(self, now_s: float) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change a verdict."""
        start = (self._started_s, SENSOR_START_S) if not self.derating.known else (None, 0.0)
        return (start, *self.rcd_test.limits(now_s))


_LISTED_BY_CYCLE: Final = frozenset({GuardFault.RCD_TRIPPED, GuardFault.EMERGENCY_STOP})
