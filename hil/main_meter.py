"""The meter of the whole station: it sees what every EVSE draws, and a base load beside them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from hil.evse import DISPLAY_ROLLOVER_WH, JUMP_WH, METER_LATE_S, OTHER_METER_WH, Evse, MeterMode, Value

UNIT: Final = 100  # its address on the meters' bus; EVSEs are 1-64, bought controllers begin at 101
_NOW_AND_THEN: Final = 3  # one answer of so many, for zero_read and jump


class MainMeter:
    """The main meter. It is before everything that ``mains`` switches, but not without power."""

    def __init__(self, evses: Iterable[Evse], *, energy_wh: float, mains_v: float) -> None:
        self._evses = tuple(evses)
        self._mains_v = mains_v
        self._asked = 0
        self.energy_wh = energy_wh
        self.base_w = 0.0
        self.mode = MeterMode.OK
        self.late_s = METER_LATE_S
        self.rollover_wh: float | None = None
        self.register_of: Callable[[float], int] = round
        self.fed = True

    @property
    def voltage_v(self) -> float:
        """Voltage of each phase, V."""
        return self._mains_v if self.fed else 0.0

    @property
    def current_a(self) -> tuple[float, float, float]:
        """Current per phase, A: every EVSE's, and a third of the base load."""
        if not self.fed:
            return (0.0, 0.0, 0.0)
        base_a = self.base_w / 3.0 / self._mains_v
        drawn = [evse.metered_a for evse in self._evses]
        l1, l2, l3 = (base_a + sum(each[phase] for each in drawn) for phase in range(3))
        return (l1, l2, l3)

    @property
    def power_w(self) -> float:
        """Active power, W."""
        return sum(self.current_a) * self.voltage_v

    @property
    def shown_wh(self) -> float:
        """The register as the meter shows it."""
        return self.energy_wh % (self.rollover_wh or DISPLAY_ROLLOVER_WH)

    def count(self, duration_s: float, factor: float) -> None:
        """Count the energy of an interval in which nothing changed."""
        self.energy_wh += self.power_w * duration_s / 3600.0 * factor

    def set_mode(self, mode: MeterMode) -> None:
        """Break or mend it; some faults set its register elsewhere."""
        self.mode = mode
        if mode is MeterMode.ZEROED:
            self.energy_wh = 0.0
        elif mode is MeterMode.ROLLOVER:
            self.energy_wh = (self.rollover_wh or DISPLAY_ROLLOVER_WH) - 10.0
        elif mode is MeterMode.SWAP:
            self.energy_wh += OTHER_METER_WH

    def answered_wh(self) -> float:
        """Return what it shows to a request; some faults show something else now and then."""
        self._asked = (self._asked + 1) % _NOW_AND_THEN
        if self._asked == 0 and self.mode is MeterMode.ZERO_READ:
            return 0.0
        return self.shown_wh + (JUMP_WH if self._asked == 0 and self.mode is MeterMode.JUMP else 0.0)

    def signals(self) -> dict[str, Value]:
        """Return the value of every signal but the energy."""
        return {"main.power_w": round(self.power_w, 3), "main.base_w": self.base_w, "main.meter_mode": self.mode.value}

    def report(self) -> dict[str, Any]:
        """Return everything there is to know, for ``state``."""
        return {
            "unit": UNIT,
            "base_w": self.base_w,
            "power_w": round(self.power_w, 3),
            "current_a": [round(each, 3) for each in self.current_a],
            "energy_wh": round(self.energy_wh, 3),
            "register_wh": self.register_of(self.shown_wh),
            "meter_mode": self.mode.value,
        }
