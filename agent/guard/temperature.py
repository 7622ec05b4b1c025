"""What a temperature does to the offer: less from ``reduce_c`` on, nothing from ``stop_c`` on. Pure.

Between the two the offer falls in a straight line from the EVSE's maximum to 6 A, in whole amperes. It rises again only
when it would also do so at ``hysteresis_k`` more, and a stop ends ``hysteresis_k`` below ``stop_c``. A sensor without a
fresh value is unknown, and unknown is open. Source of the shape: what EVSE firmware does (OpenEVSE: half the
current at 65 degC, a quarter at 68, stop at 71, back at 62; SmartEVSE: stop at 65, back 10 K below); the standard
leaves it to the maker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agent.guard.pilot import MIN_OFFER_A


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorSettings:
    """One sensor's thresholds, degC; ``name`` is what people call its place."""

    name: str
    reduce_c: float
    stop_c: float
    hysteresis_k: float


class _Sensor:
    """One sensor's verdict."""

    __slots__ = ("_max_a", "limit_a", "settings", "stopped")

    def __init__(self, settings: SensorSettings, max_a: float) -> None:
        self.settings = settings
        self._max_a = max_a
        self.limit_a = max_a
        self.stopped = False

    def step(self, value_c: float) -> None:
        settings = self.settings
        if value_c >= settings.stop_c:
            self.stopped = True
        elif value_c <= settings.stop_c - settings.hysteresis_k:
            self.stopped = False
        least_a, most_a = self._allowed_a(value_c + settings.hysteresis_k), self._allowed_a(value_c)
        self.limit_a = min(max(self.limit_a, least_a), most_a)

    def _allowed_a(self, value_c: float) -> float:
        settings = self.settings
        if value_c <= settings.reduce_c:
            return self._max_a
        share = (settings.stop_c - value_c) / (settings.stop_c - settings.reduce_c)
        return max(MIN_OFFER_A, float(math.floor(MIN_OFFER_A + share * (self._max_a - MIN_OFFER_A))))


class Derating:
    """The temperatures of one EVSE.

    Attributes:
        limit_a: most that may be offered, A; ``None``: no reduction.
        stopped: one sensor is at or above its ``stop_c`` (or not yet ``hysteresis_k`` below).
        known: every sensor has a fresh value.
        why: sensor and temperature that reduce or stop, or that are unknown; empty otherwise.
    """

    __slots__ = ("_max_a", "_sensors", "_values", "known", "limit_a", "stopped", "why")

    def __init__(self, sensors: Sequence[SensorSettings], max_current_a: float) -> None:
        """Begin without values: nothing is known where there are sensors."""
        self._sensors = tuple(_Sensor(each, max_current_a) for each in sensors)
        self._max_a = max_current_a
        self._values: tuple[float | None, ...] | None = None
        self.limit_a: float | None = None
        self.stopped = False
        self.known = not self._sensors
        self.why = ""

    def step(self, values_c: tuple[float | None, ...]) -> None:
        """Judge one value for each sensor, in their order; ``None`` unknown."""
        if values_c == self._values:
            return
        self._values = values_c
        binding: tuple[float, str] | None = None
        missing = ""
        for sensor, value_c in zip(self._sensors, values_c, strict=True):
            if value_c is None:
                missing = missing or f"{sensor.settings.name}: no fresh temperature"
                continue
            sensor.step(value_c)
            if sensor.stopped or sensor.limit_a < self._max_a:
                allowed_a = 0.0 if sensor.stopped else sensor.limit_a
                said = f"{sensor.settings.name} at {value_c:.1f} degC"
                binding = min(binding, (allowed_a, said)) if binding else (allowed_a, said)
        self.known = None not in values_c
        self.stopped = any(sensor.stopped for sensor in self._sensors)
        lowest_a = min((sensor.limit_a for sensor in self._sensors), default=self._max_a)
        self.limit_a = lowest_a if lowest_a < self._max_a else None
        self.why = missing or (binding[1] if binding else "")

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``step`` may change and that decides anything."""
        return (self.limit_a, self.stopped, self.known)
