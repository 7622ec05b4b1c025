"""One EVSE of the world, or a further connector of one. Pure.

Pilot circuit, contactor, lock, protective devices, meter register and the car.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from hil import people, protection
from hil.actuators import Contactor, SocketLock
from hil.agenda import Agenda
from hil.car import CableEnd, Car, CarSettings, CarState
from hil.pilot_circuit import (
    NO_CABLE_OHM,
    PROXIMITY_OHM,
    Generator,
    GeneratorMode,
    PilotLevels,
    offered_current_a,
    pilot_levels,
)

OUTPUTS: Final = ("contactor", "lock", "phase_contactor", "unlock", *protection.OUTPUTS, *people.OUTPUTS)
INPUTS: Final = ("mirror", "lock_feedback", "rcd", "emergency_stop", "phase_mirror", *protection.INPUTS, *people.INPUTS)
Value = bool | int | float | str | None
METER_LATE_S: Final = 1.2  # longer than the driver waits for a block
DISPLAY_ROLLOVER_WH: Final = 1e9  # 999,999.9 kWh: a display of seven digits, where the profile says nothing
STEPS_BEFORE_ROLLOVER: Final = 10
OTHER_METER_WH: Final = 4_711_000.0
JUMP_WH: Final = 1_000_000.0


class MeterMode(Enum):
    """How the meter answers."""

    OK = "ok"
    SILENT = "silent"  # no answer
    GARBAGE = "garbage"  # wrong checksum, wrong unit, half an answer, in turn
    ZEROED = "zeroed"  # its register was set back to 0 and counts on from there
    CHECKSUM = "checksum"  # every answer has a wrong checksum
    WRONG_UNIT = "wrong_unit"  # every answer names another unit
    SHORT = "short"  # every answer breaks off
    LATE = "late"  # every answer comes when nobody waits for it any more
    EXCEPTION = "exception"  # every request is refused: device failure
    ZERO_READ = "zero_read"  # every third answer shows a register of 0
    JUMP = "jump"  # every third answer shows a register 1 MWh too high
    ROLLOVER = "rollover"  # its register stands ten steps before it starts again at 0
    SWAP = "swap"  # another meter hangs there: its register stands elsewhere and counts on


@dataclass(frozen=True, slots=True, kw_only=True)
class Energising:
    """One interval in which the load side carried mains voltage, with the meter's register at both ends.

    Register values are whole watt-hours as a reader of the meter sees them (of an SDM630: float32 kWh).
    """

    closed_s: float
    closed_wh: int
    opened_s: float | None = None
    opened_wh: int | None = None


def register_wh(energy_wh: float) -> int:
    """Return what a reader of a float32 register in kWh sees, in whole Wh."""
    kilowatt_hours: float = struct.unpack(">f", struct.pack(">f", energy_wh / 1000.0))[0]
    return round(kilowatt_hours * 1000.0)


class Evse:
    """One EVSE. Setters take effect at ``now_s``; the world calls ``refresh`` afterwards."""

    def __init__(
        self,
        agenda: Agenda,
        number: int,
        *,
        energy_wh: float,
        mains_v: float,
        tethered: bool,
        mirror_closed_at_rest: bool,
        second_contactor: bool = False,
        connector: int = 1,
        meter_of: Evse | None = None,
    ) -> None:
        self.number = number
        self.connector = connector
        self.name = f"evse{number}" if connector == 1 else f"evse{number}c{connector}"
        self.further: list[Evse] = []  # connectors, behind the same meter
        self._meter = meter_of or self
        self._agenda = agenda
        self._mains_v = mains_v
        self._tethered = tethered
        self._mirror_closed_at_rest = mirror_closed_at_rest
        self.contactor = Contactor(agenda, self.name)
        self.phase_contactor = Contactor(agenda, f"{self.name}.phases")
        self._second_contactor = second_contactor
        self.lock = SocketLock(agenda, self.name)
        self.car = Car(agenda, self.name, CarSettings())
        self.generator = Generator()
        self.people = people.People()
        self.rcd_tripped = False
        self.protection = protection.Protection(agenda, self.name)
        self.emergency_stop = False
        self.pilot_shorted = False
        self.diode_shorted = False
        self.cable_a = 32
        self.cable_left = False  # in the socket, without a vehicle
        self.meter_mode = MeterMode.OK
        self.meter_late_s = METER_LATE_S
        self.rollover_wh: float | None = None
        self.step_wh = 1.0
        self.register_of: Callable[[float], int] = register_wh
        self.energy_wh = energy_wh
        self.mains = True
        self.energisings: list[Energising] = []

    @property
    def live(self) -> bool:
        """Whether the load side carries mains voltage."""
        return self.contactor.closed and self.mains

    @property
    def current_a(self) -> tuple[float, float, float]:
        """Current per phase, A."""
        drawn_a = self.car.drawn_a if self.live else 0.0
        phases = min(self.car.settings.phases, self.phases)
        return (drawn_a, drawn_a if phases >= 2 else 0.0, drawn_a if phases >= 3 else 0.0)

    @property
    def metered_a(self) -> tuple[float, float, float]:
        """What the EVSE's meter sees per phase, A: every connector is behind it."""
        l1, l2, l3 = zip(self.current_a, *(each.current_a for each in self.further), strict=True)
        return (sum(l1), sum(l2), sum(l3))

    @property
    def phases(self) -> int:
        """Phases that a closed main contactor connects; a second contactor, where fitted, adds L2 and L3."""
        return 3 if self.phase_contactor.closed or not self._second_contactor else 1

    @property
    def voltage_v(self) -> float:
        """Voltage of each phase at the meter, V."""
        return self._mains_v if self.mains else 0.0

    @property
    def power_w(self) -> float:
        """Active power, W."""
        return sum(self.current_a) * self.voltage_v

    @property
    def offer_a(self) -> float:
        """What the pilot offers to the car, A; 0 for nothing."""
        reaches = self.car.resistance_ohm is not None and not self._pilot_to_earth
        if not reaches or self.generator.mode is not GeneratorMode.PWM:
            return 0.0
        return offered_current_a(self.generator.duty_pct)

    @property
    def pilot(self) -> PilotLevels:
        """What the station's pilot contact shows."""
        if self.car.forced is CarState.F and self.generator.mode is not GeneratorMode.OFF:
            return PilotLevels(high_v=-12.0, low_v=-12.0)
        return pilot_levels(
            self.generator,
            car_ohm=self.car.resistance_ohm,
            diode_shorted=self.diode_shorted,
            pilot_shorted=self._pilot_to_earth,
        )

    @property
    def proximity_ohm(self) -> float:
        """The coding resistor the station sees; ``inf`` without a cable, ``nan`` with a fixed one."""
        if self._tethered:
            return math.nan
        return PROXIMITY_OHM[self.cable_a] if self.car.plugged or self.cable_left else NO_CABLE_OHM

    @property
    def told_soc_pct(self) -> float | None:
        """What the car says of its battery to whoever can talk to it, %; ``None``: nothing."""
        return round(self.car.settings.soc_pct, 1) if self.car.plugged and self.car.tells_soc else None

    @property
    def car_state(self) -> str:
        """The state of IEC 61851-1 that the world is in."""
        if self._pilot_to_earth:
            return "E"
        if self.car.forced is not None:
            return self.car.forced.value
        if not self.car.plugged:
            return "A"
        return "C" if self.car.s2_closed else "B"

    def set_output(self, line: str, level: bool, now_s: float) -> None:
        """Take a level that the station drives, one of ``OUTPUTS``."""
        match line:
            case "contactor":
                self.contactor.set_coil(level, now_s)
            case "phase_contactor":
                self.phase_contactor.set_coil(level, now_s)
            case "lock":
                self.lock.command(level, now_s)
            case "unlock":
                self.lock.command_back(level, now_s)
            case "rcd_test":
                self.protection.drive_test(level, now_s)
            case _ if line in people.OUTPUTS:
                self.people.drive(line, level, now_s)
            case _:
                raise ValueError(f"output {line!r}: expected one of {', '.join(OUTPUTS)}")

    def levels(self) -> dict[str, bool]:
        """Return the level of every line, without the EVSE's name before it."""
        return {
            "contactor": self.contactor.coil,
            "lock": self.lock.commanded,
            **self.people.levels,
            "mirror": self.contactor.closed != self._mirror_closed_at_rest,
            "lock_feedback": self.lock.locked,
            "rcd": self.rcd_tripped or self.protection.rcd_by_test,
            "unlock": self.lock.commanded_back,
            **self.protection.levels(),
            "emergency_stop": self.emergency_stop,
            "phase_contactor": self.phase_contactor.coil,
            "phase_mirror": self.phase_contactor.closed != self._mirror_closed_at_rest,
        }

    def set_meter(self, mode: MeterMode) -> None:
        """Break or mend the meter; some of its faults set the register elsewhere."""
        self.meter_mode = mode
        match mode:
            case MeterMode.ZEROED:
                self.energy_wh = 0.0
            case MeterMode.ROLLOVER:
                end_wh = self.rollover_wh or DISPLAY_ROLLOVER_WH
                self.energy_wh = end_wh - STEPS_BEFORE_ROLLOVER * self.step_wh
            case MeterMode.SWAP:
                self.energy_wh += OTHER_METER_WH

    @property
    def shown_wh(self) -> float:
        """The register as the meter shows it: it starts again at 0 where its digits end."""
        return self.energy_wh % (self.rollover_wh or DISPLAY_ROLLOVER_WH)

    def count(self, duration_s: float, factor: float) -> None:
        """Count the energy of an interval in which nothing changed."""
        energy_wh = self.power_w * duration_s / 3600.0 * factor
        if energy_wh > 0.0:
            self._meter.energy_wh += energy_wh
            self.car.charge(energy_wh)

    def refresh(self, now_s: float, factor: float) -> None:
        """Let everything react to everything, keep the ledger, and plan the moment at which the battery is full."""
        self.cable_left = self.cable_left and self.lock.locked and not self.car.plugged
        self.car.refresh(now_s, offer_a=self.offer_a, powered=self.live, interrupted=self._interrupted)
        self._keep_ledger(now_s)
        full = f"{self.name}.full"
        counted_w = self.power_w * factor
        if counted_w > 0.0:
            self._agenda.at(now_s + self.car.missing_wh * 3600.0 / counted_w, full, _nothing)
        else:
            self._agenda.cancel(full)

    def unplug(self, end: CableEnd) -> None:
        """Let the car drive off. Unplugged at its own end, a locked cable stays until the lock opens."""
        self.car.unplug()
        self.cable_left = end is CableEnd.VEHICLE and self.lock.locked and not self._tethered

    def signals(self) -> dict[str, Value]:
        """Return the value of every signal but the energy, without the EVSE's name before it."""
        pilot = self.pilot
        currents = self.current_a
        proximity_ohm = self.proximity_ohm
        return {
            "plugged": self.car.plugged,
            "car_state": self.car_state,
            "s2": self.car.s2_closed,
            "pilot_mode": self.generator.mode.value,
            "duty_pct": round(self.generator.duty_seen_pct, 3),
            "pilot_v": pilot.high_v,
            "pilot_low_v": pilot.low_v,
            "proximity_ohm": proximity_ohm if math.isfinite(proximity_ohm) else None,
            "offer_a": round(self.offer_a, 3),
            "coil": self.contactor.coil,
            "load": self.contactor.closed,
            "live": self.live,
            "phase_coil": self.phase_contactor.coil,
            "phases": self.phases,
            "mirror": self.contactor.closed != self._mirror_closed_at_rest,
            "lock_command": self.lock.commanded,
            "lock": self.lock.locked,
            **self.people.levels,
            "light": self.people.colour,
            "rcd": self.rcd_tripped or self.protection.rcd_by_test,
            **self.protection.levels(),
            "rcd_sensor": self.protection.mode.value,
            "emergency_stop": self.emergency_stop,
            "current_a": max(currents),
            "current_l1_a": currents[0],
            "current_l2_a": currents[1],
            "current_l3_a": currents[2],
            "power_w": self.power_w,
            "contactor_mode": self.contactor.mode.value,
            "lock_mode": self.lock.mode.value,
            "meter_mode": self.meter_mode.value,
            "misbehaviour": self.car.misbehaviour.value,
        }

    def report(self) -> dict[str, Any]:
        """Return everything there is to know, for ``state``."""
        settings = self.car.settings
        return {
            **self.signals(),
            "energy_wh": round(self._meter.energy_wh, 3),
            "register_wh": self._register_wh,
            "cable_a": self.cable_a if self.car.plugged or self.cable_left else None,
            "pilot_shorted": self.pilot_shorted,
            "diode_shorted": self.diode_shorted,
            "car": {
                "max_current_a": settings.max_current_a,
                "phases": settings.phases,
                "capacity_wh": settings.capacity_wh,
                "soc_pct": round(settings.soc_pct, 3),
                "tells_soc": self.car.tells_soc,
                "reaction_s": settings.reaction_s,
                "s2_close_s": settings.s2_close_s,
                "stop_s": settings.stop_s,
                "paused": self.car.paused,
                "forced": self.car.forced.value if self.car.forced else None,
            },
            "energisings": [
                {"closed_s": e.closed_s, "closed_wh": e.closed_wh, "opened_s": e.opened_s, "opened_wh": e.opened_wh}
                for e in self.energisings
            ],
        }

    @property
    def _interrupted(self) -> bool:
        off = self.generator.mode in (GeneratorMode.STEADY_LOW, GeneratorMode.OFF)
        return off or self._pilot_to_earth or self.car.forced is CarState.F

    @property
    def _pilot_to_earth(self) -> bool:
        return self.pilot_shorted or self.car.forced is CarState.E

    @property
    def _register_wh(self) -> int:
        return self._meter.register_of(self._meter.shown_wh)

    def _keep_ledger(self, now_s: float) -> None:
        running = bool(self.energisings) and self.energisings[-1].opened_s is None
        if self.live and not running:
            self.energisings.append(Energising(closed_s=now_s, closed_wh=self._register_wh))
        elif running and not self.live:
            closed = self.energisings[-1]
            self.energisings[-1] = replace(closed, opened_s=now_s, opened_wh=self._register_wh)


def _nothing(now_s: float) -> None:
    """The world refreshes after every action; that the moment came is enough."""
