"""A world around one guard in one process: boards, contactors and vehicles made of plain values.

Driven from the world's side (``world.plug_in()``, ``world.close_s2()``); the guard reads it through the contracts.
``open_lines`` and ``open_power_path`` are a plan's targets; their option ``world`` is a key of ``WORLDS``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from drivers.api import DriverUnavailable, PilotMode, PilotSignal, PowerPathReading

HIGH_V = {"A": 12.0, "B": 9.0, "C": 6.0, "D": 3.0, "E": 0.0, "above": 13.6, "below": -5.0}
WORLDS: dict[str, Board] = {}


@dataclass(slots=True)
class Line:
    """One line: its electrical level seen as active or not, and what happened to it."""

    active: bool | None = False
    pushed_s: float | None = None
    pulsed: bool = False
    broken: bool = False
    writes: list[bool] = field(default_factory=list)

    def write(self, active: bool) -> None:
        if self.broken:
            raise DriverUnavailable("the line is broken")
        self.writes.append(active)
        self.active = active

    def read(self) -> bool | None:
        return None if self.broken else self.active

    def age_s(self, now_s: float) -> float:
        return 0.0 if self.pushed_s is None else now_s - self.pushed_s

    def take_pulse(self) -> bool:
        pulsed, self.pulsed = self.pulsed, False
        return pulsed or bool(self.active)


class World:
    """One EVSE with its vehicle. Time is what the test says."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.vehicle = "A"
        self.diode = True
        self.cable_ohm = math.inf
        self.frozen_since_s: float | None = None
        self.negative_v: float | None = None
        self.stays_low = False
        self.power_path_lost = False
        self.generator_lost = False
        self.welded = False
        self.stuck_open = False
        self.main_closed = False
        self.mirror_bounces = False
        self.follow_s = 0.0
        self.moved_under_load = 0
        self._coil_seen = (False, 0.0)
        self._phases_seen = False
        self.sense = Line()
        self.phases_welded = False
        self.phases_stuck_open = False
        self.phase_coil = Line()
        self.phase_mirror = Line()
        self.lock_jammed = False
        self.signal: PilotSignal | None = None
        self.signals: list[PilotSignal] = []
        self.coil = Line(active=True)
        self.mirror = Line()
        self.lock = Line()
        self.lock_switch = Line()
        self.rcd = Line()
        self.emergency_stop = Line()
        self.led = Line()
        self.extra: dict[str, Line] = {}

    # What happens to the station.

    def plug_in(self, cable_ohm: float = 220.0) -> None:
        self.vehicle, self.cable_ohm = "B", cable_ohm

    def close_s2(self) -> None:
        self.vehicle = "C"

    def open_s2(self) -> None:
        self.vehicle = "B"

    def unplug(self) -> None:
        self.vehicle, self.cable_ohm = "A", math.inf

    # What the guard sees.

    def settle(self) -> None:
        """Let contactor and lock follow their coils."""
        if bool(self.coil.active) is not self._coil_seen[0]:
            self._coil_seen = (bool(self.coil.active), self.now_s)
        coil, since_s = self._coil_seen
        if self.now_s - since_s >= self.follow_s - 1e-9:
            self.main_closed = coil
        if self.welded or self.stuck_open:
            self.main_closed = self.welded
        self.mirror.active = self.main_closed is self.mirror_bounces
        self.sense.active = self.main_closed
        phases = self.phases_welded or (bool(self.phase_coil.active) and not self.phases_stuck_open)
        if phases is not self._phases_seen and self.main_closed:
            self.moved_under_load += 1
        self._phases_seen = phases
        self.phase_mirror.active = not phases
        if not self.lock_jammed:
            self.lock_switch.active = self.lock.active

    def set_pilot(self, signal: PilotSignal) -> None:
        if self.power_path_lost or self.generator_lost:
            raise DriverUnavailable("the pilot generator does not answer")
        self.signal = signal
        self.signals.append(signal)

    def read(self) -> PowerPathReading:
        if self.power_path_lost:
            raise DriverUnavailable("the pilot cannot be measured")
        taken_s = self.now_s if self.frozen_since_s is None else self.frozen_since_s
        high_v = HIGH_V[self.vehicle]
        low_v = high_v
        if self.stays_low or (self.signal is not None and self.signal.mode is PilotMode.STEADY_LOW):
            high_v = low_v = -12.0
        elif self.signal is not None and self.signal.mode is PilotMode.PWM:
            low_v = -12.0 if self.diode or self.vehicle == "A" else -high_v
            if self.negative_v is not None and self.vehicle != "A":
                low_v = self.negative_v
        return PowerPathReading(high_v=high_v, low_v=low_v, proximity_ohm=self.cable_ohm, taken_s=taken_s)

    def close(self) -> None:
        """Nothing to release."""


class Board:
    """The lines and power paths of several EVSEs, by the names that the plan uses (``evse1.contactor``)."""

    def __init__(self, *worlds: World) -> None:
        self.extra: dict[str, Line] = {}  # of the station as a whole
        self.worlds = worlds
        self.claimed: list[str] = []
        self.busy: set[str] = set()  # lines that somebody else holds

    def output(self, line: str, *, active_high: bool, initial: bool) -> Line:
        claimed = self._line(line)
        self.claimed.append(line)
        claimed.write(initial)
        return claimed

    def input(self, line: str, *, active_high: bool, pull: str = "none") -> Line:
        self.claimed.append(line)
        return self._line(line)

    def close(self) -> None:
        """Nothing to release."""

    def _line(self, line: str) -> Line:
        if line in self.busy:
            raise DriverUnavailable(f"line {line}: is already in use by 'another'")
        evse, _, name = line.partition(".")
        if evse == "station":
            return self.extra.setdefault(name, Line())
        world = self.worlds[int(evse.removeprefix("evse")) - 1]
        known = {
            "contactor": world.coil,
            "mirror": world.mirror,
            "lock": world.lock,
            "locked": world.lock_switch,
            "rcd": world.rcd,
            "emergency_stop": world.emergency_stop,
            "led": world.led,
            "sense": world.sense,
            "phase_contactor": world.phase_coil,
            "phase_mirror": world.phase_mirror,
        }
        return known[name] if name in known else world.extra.setdefault(name, Line())


def open_lines(*, world: str) -> Board:
    return WORLDS[world]


def open_power_path(*, world: str, evse: int) -> World:
    return WORLDS[world].worlds[evse - 1]


def plan_content(world: str, state_dir: str, *, evses: int = 1, **changes: object) -> dict[str, object]:
    """Return a compiled plan for a board named ``world``; ``changes`` replace keys of every EVSE or of the plan."""
    of_plan = {"scan_s", "min_reclose_s", "stop_grace_s", "permit_max_s", "buses", "allowed_uids", "realtime"}
    of_plan |= {"inputs", "heartbeat"}

    def evse(number: int) -> dict[str, object]:
        def line(name: str) -> dict[str, object]:
            return {"line": f"evse{number}.{name}", "active_high": True}

        content: dict[str, object] = {
            "id": number,
            "phases": 3,
            "max_current_a": 32,
            "ventilation": False,
            "tethered": False,
            "power_path": {"target": f"{__name__}:open_power_path", "options": {"world": world, "evse": number}},
            "contactor": line("contactor"),
            "mirror": line("mirror") | {"kind": "nc"},
            "lock": line("lock") | {"feedback": line("locked")},
            "rcd": line("rcd"),
            "emergency_stop": line("emergency_stop"),
            "led": line("led"),
        }
        return content | {key: value for key, value in changes.items() if key not in of_plan}

    content: dict[str, object] = {
        "version": 1,
        "plan_id": "plan-1",
        "station_file": "station.toml",
        "scan_s": 0.01,
        "socket": f"{state_dir}/guard.sock",
        "state_dir": state_dir,
        "allowed_uids": [],
        "permit_max_s": 30,
        "min_reclose_s": 10,
        "stop_grace_s": 6,
        "realtime": False,
        "lines": {"target": f"{__name__}:open_lines", "options": {"world": world}},
        "evses": [evse(number) for number in range(1, evses + 1)],
    }
    return content | {key: value for key, value in changes.items() if key in of_plan}
