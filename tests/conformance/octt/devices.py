"""Drivers of a station that lies in the bench's world in this very process: the targets that its settings name."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.api import CardRead, DriverTimeout, MeterReading, PilotSignal, PowerPathReading
from hil.evse import MeterMode, register_wh
from hil.pilot_circuit import Generator, GeneratorMode
from hil.world import World

PLACES: dict[str, Place] = {}
HERE = __name__


@dataclass(slots=True, kw_only=True)
class Place:
    """A world with its time, as the drivers reach it. ``changed`` is called after everything that a driver did."""

    world: World
    now_s: Callable[[], float]
    epoch_s: float
    boot_id: str = "boot-1"
    time_known: bool = True
    cards: dict[str, asyncio.Queue[str]] = field(default_factory=dict)
    changed: Callable[[], None] = lambda: None


class WorldLines:
    """The station's lines."""

    def __init__(self, *, place: str) -> None:
        self.place = PLACES[place]

    def output(self, line: str, *, active_high: bool, initial: bool) -> WorldOutput:
        """See ``Lines``."""
        claimed = WorldOutput(self.place, line, active_high)
        claimed.write(initial)
        return claimed

    def input(self, line: str, *, active_high: bool, pull: str = "none") -> WorldInput:
        """See ``Lines``."""
        return WorldInput(self.place, line, active_high)

    def close(self) -> None:
        """Nothing to release."""


@dataclass(slots=True)
class WorldOutput:
    """One output."""

    place: Place
    line: str
    active_high: bool

    def write(self, active: bool) -> None:
        """See ``OutputLine``."""
        self.place.world.write(self.line, active is self.active_high, self.place.now_s())
        self.place.changed()


@dataclass(slots=True)
class WorldInput:
    """One input; its level is seen without polling every line of the world."""

    place: Place
    line: str
    active_high: bool

    def read(self) -> bool | None:
        """See ``InputLine``."""
        name, _, short = self.line.partition(".")
        part = next(each for each in self.place.world.parts if each.name == name)
        return part.levels()[short] is self.active_high

    def age_s(self, now_s: float) -> float:
        """See ``InputLine``."""
        return 0.0

    def take_pulse(self) -> bool:
        """See ``InputLine``."""
        return bool(self.read())


class WorldPowerPath:
    """Pilot and proximity of one EVSE, or of a connector of it."""

    def __init__(self, *, place: str, evse: int, connector: int = 1) -> None:
        self._place = PLACES[place]
        self._evse = evse
        self._connector = connector
        self._part = self._place.world.at(evse, connector)

    def set_pilot(self, signal: PilotSignal) -> None:
        """See ``PowerPath``."""
        generator = Generator(mode=GeneratorMode(signal.mode.value), duty_pct=signal.duty_pct)
        if self._part.generator != generator:
            now_s = self._place.now_s()
            self._place.world.set_generator(self._evse, generator, now_s, connector=self._connector)
            self._place.changed()

    def read(self) -> PowerPathReading:
        """See ``PowerPath``."""
        pilot, proximity_ohm = self._part.pilot, self._part.proximity_ohm
        return PowerPathReading(
            pilot.high_v, pilot.low_v, None if math.isnan(proximity_ohm) else proximity_ohm, self._place.now_s()
        )

    def close(self) -> None:
        """Nothing to release."""


class WorldMeter:
    """The energy meter of one EVSE."""

    def __init__(self, *, place: str, evse: int) -> None:
        self._place = PLACES[place]
        self._evse = evse

    async def read(self) -> MeterReading:
        """See ``Meter``."""
        now_s = self._place.now_s()
        self._place.world.step(now_s)
        evse = self._place.world.evses[self._evse]
        if evse.meter_mode is MeterMode.SILENT or not self._place.world.powered:
            raise DriverTimeout("the meter says nothing")
        volts = (evse.voltage_v,) * 3
        one_w, two_w, three_w = (each * evse.voltage_v for each in evse.metered_a)
        return MeterReading(
            taken_s=now_s,
            energy_import_wh=float(register_wh(evse.shown_wh)),
            power_w=one_w + two_w + three_w,
            current_a=evse.metered_a,
            voltage_v=volts,
            power_phase_w=(one_w, two_w, three_w),
            frequency_hz=50.0,
        )

    async def close(self) -> None:
        """Nothing to release."""


class WorldReader:
    """The card reader."""

    def __init__(self, *, place: str, name: str) -> None:
        self._place = PLACES[place]
        self._cards = self._place.cards.setdefault(name, asyncio.Queue())

    async def next_card(self) -> CardRead:
        """See ``CardReader``."""
        return CardRead(uid=await self._cards.get(), taken_s=self._place.now_s())

    async def close(self) -> None:
        """Nothing to release."""


class WorldClock:
    """The machine's clock."""

    def __init__(self, *, place: str) -> None:
        self._place = PLACES[place]

    def utc_s(self) -> float | None:
        """See ``ClockSource``."""
        return self._place.epoch_s + self._place.now_s() if self._place.time_known else None

    def boot_id(self) -> str:
        """See ``ClockSource``."""
        return self._place.boot_id
