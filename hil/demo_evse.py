"""What happens at one EVSE, told: car, pilot, lock, guard's outputs, contactor, meter. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hil.demo_frames import watt_hours
from hil.demo_pace import Pace
from hil.evse import register_wh
from hil.pilot_circuit import PROXIMITY_OHM, offered_current_a
from hil.timeline import Entry

CHANGE_A: Final = 0.1  # smaller steps of the current are flicker
BAR_LONGEST: Final = 24
WH_PER_SIGN: Final = 2.0
_CABLES: Final = {ohm: current_a for current_a, ohm in PROXIMITY_OHM.items()}


class EvseStory:
    """Remembers one EVSE's values.

    ``mover`` is what happened last that other things follow from, ``restart`` the guard's newest start.
    """

    def __init__(self, prefix: str = "") -> None:
        """``prefix`` names the EVSE in every text where there are several."""
        self.mover: Entry | None = None
        self.restart: Entry | None = None
        self._prefix = prefix
        self._now: dict[str, Any] = {}
        self._offer: Entry | None = None
        self._coil: Entry | None = None
        self._lock_cause: Entry | None = None
        self._current_a = 0.0
        self._closed_s: float | None = None
        self._closed_wh = 0
        self._pace = Pace(0.0)

    def change(self, at_s: float, changed: Mapping[str, Any], *, powered: bool = True) -> Iterator[Entry]:
        """Tell what changed at one moment; the very first values of all are only taken in.

        ``powered`` false: the station has no power. What follows from that at once goes without saying.
        """
        before = dict(self._now)
        self._now.update(changed)
        if "plugged" not in before:
            self._take_in(at_s)
            return
        if "lock_command" in changed:
            self._lock_cause = self.mover
        if powered:
            yield from self._pilot(at_s, before, changed)
        yield from self._car(at_s, before, changed)
        if "lock" in changed:
            text = "locked" if changed["lock"] else "released"
            yield self._entry(at_s, "lock", text, cause=self._lock_cause or self.mover)
        if "coil" in changed and powered:
            text = "switches the contactor on" if changed["coil"] else "switches the contactor off"
            self._coil = self._moves(self._entry(at_s, "guard", text, cause=self.mover, label="the coil"))
            yield self._coil
        if "load" in changed:
            yield from self._load(at_s, before, bool(changed["load"]))
        elif "current_a" in changed and powered:
            yield from self._current(at_s, changed)
        if "energy_wh" in changed and self._counts and self._pace.due(at_s):
            yield self._tick(at_s)

    @property
    def _counts(self) -> bool:
        return self._closed_s is not None and self._now.get("power_w", 1.0) > 0.0

    def _take_in(self, at_s: float) -> None:
        self._current_a = float(self._now.get("current_a", 0.0))
        if self._now.get("load"):
            self._begin_counting(at_s)

    def _pilot(self, at_s: float, before: Mapping[str, Any], changed: Mapping[str, Any]) -> Iterator[Entry]:
        """Tell what the station does to the pilot."""
        if "pilot_mode" not in changed and "duty_pct" not in changed:
            return
        mode, duty_pct = self._now["pilot_mode"], float(self._now["duty_pct"])
        label, cause = "the offer's end", self.mover
        match mode:
            case "pwm":
                text = f"offers {offered_current_a(duty_pct):.4g} A (duty {duty_pct:.4g} %)"
                label = "the offer"
            case "steady_high" if before["pilot_mode"] == "pwm":
                text = "the offer ends (duty 100 %)"
            case "steady_high":
                text, cause = f"driven again: {_volts(self._now)}, no offer", self.restart or cause
            case "steady_low":
                text = f"{_volts(self._now)}: out of order (state F)"
            case _:
                text = "dead, 0 V"
        self._offer = self._entry(at_s, "pilot", text, cause=cause, label=label)
        yield self._moves(self._offer)

    def _car(self, at_s: float, before: Mapping[str, Any], changed: Mapping[str, Any]) -> Iterator[Entry]:
        volts = f"state {self._now['car_state']}"
        if _volts(before) != _volts(self._now):
            volts = f"pilot {_volts(before)} → {_volts(self._now)}, {volts}"
        if "plugged" in changed:
            if changed["plugged"]:
                cable_a = _CABLES.get(self._now.get("proximity_ohm") or 0.0)
                text = f"plugged in{f' ({cable_a} A cable)' if cable_a else ''}: {volts}"
                yield self._moves(self._entry(at_s, "car", text, label="plug-in"))
            else:
                yield self._moves(self._entry(at_s, "car", f"unplugged: {volts}", label="unplugging"))
        elif "car_state" in changed:
            match changed["car_state"], before["car_state"]:
                case "C", "B":
                    text = f"closes S2: {volts}"
                case "B", "C" if self._current_a > 0.0 and changed.get("current_a") == 0.0:
                    text = f"stops, opens S2: {volts}"
                case "B", "C":
                    text = f"opens S2: {volts}"
                case _:
                    text = volts
            if changed.get("current_a") == 0.0:
                self._current_a = 0.0
            label = f"state {changed['car_state']}"
            yield self._moves(self._entry(at_s, "car", text, cause=self._nearest(self._offer), label=label))

    def _load(self, at_s: float, before: Mapping[str, Any], closed: bool) -> Iterator[Entry]:
        if closed:
            yield self._moves(
                self._entry(at_s, "contactor", "closed", cause=self._nearest(self._coil), label="closing")
            )
            self._begin_counting(at_s)
            return
        under = f" under {self._current_a:.4g} A" if self._current_a > CHANGE_A else ""
        text = f"opened{under}"
        yield self._moves(self._entry(at_s, "contactor", text, cause=self._nearest(self._coil), label="opening"))
        self._current_a = 0.0
        if self._closed_s is not None:
            counted = self._register() - self._closed_wh
            text = f"{watt_hours(counted)} in {at_s - self._closed_s:.1f} s, register {watt_hours(self._register())}"
            yield self._entry(at_s, "meter", text)
            self._closed_s = None

    def _current(self, at_s: float, changed: Mapping[str, Any]) -> Iterator[Entry]:
        current_a = float(changed["current_a"])
        if "car_state" in changed or "plugged" in changed or abs(current_a - self._current_a) < CHANGE_A:
            self._current_a = current_a
            return
        self._current_a = current_a
        if current_a == 0.0:
            yield self._moves(self._entry(at_s, "car", "stops drawing", cause=self.mover, label="its stop"))
            return
        phases = sum(float(self._now.get(f"current_l{phase}_a", 0.0)) > 0.0 for phase in (1, 2, 3))
        power_kw = float(self._now.get("power_w", 0.0)) / 1000.0
        text = f"draws {current_a:.4g} A on {phases} phase{'s' if phases != 1 else ''}, {power_kw:.4g} kW"
        yield self._moves(self._entry(at_s, "car", text, cause=self.mover, label="the current"))

    def _tick(self, at_s: float) -> Entry:
        counted_wh = self._register() - self._closed_wh
        bar = "━" * min(BAR_LONGEST, max(1, round(counted_wh / WH_PER_SIGN)))
        power_kw = float(self._now.get("power_w", 0.0)) / 1000.0
        return self._entry(at_s, "meter", f"{bar} +{watt_hours(counted_wh)}, {power_kw:.4g} kW")

    def _begin_counting(self, at_s: float) -> None:
        self._closed_s, self._closed_wh = at_s, self._register()
        self._pace = Pace(at_s, wait_first=True)

    def _register(self) -> int:
        return register_wh(float(self._now.get("energy_wh", 0.0)))

    def _nearest(self, own: Entry | None) -> Entry | None:
        """Return the natural cause unless something else happened after it."""
        if own is None or (self.mover is not None and self.mover.at_s > own.at_s):
            return self.mover
        return own

    def _entry(self, at_s: float, source: str, text: str, *, cause: Entry | None = None, label: str = "") -> Entry:
        return Entry(at_s=at_s, source=source, text=self._prefix + text, cause=cause, label=label or None)

    def _moves(self, entry: Entry) -> Entry:
        self.mover = entry
        return entry


def _volts(values: Mapping[str, Any]) -> str:
    return f"{round(float(values.get('pilot_v', 0.0))):d} V"
