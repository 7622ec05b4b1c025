"""Any Modbus energy meter that has a register profile."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from drivers.api import DriverKind, DriverRejected, DriverSpec, MeterReading, Option, OptionProblem, RegisterBus
from drivers.meter.profile import NARROW_GAP, Block, Profile, ProfileError, Register, load_profile

_PHASES: Final = ("l1", "l2", "l3")
_READ: Final = frozenset(
    (
        *("energy_import", "energy_export", "power", "frequency"),
        *(f"{quantity}_{phase}" for quantity in ("voltage", "current", "power") for phase in _PHASES),
    )
)
FREQUENCY_TIMES_TEN_HZ: Final = (450.0, 650.0)  # SDM630 and EM3x0 sometimes count tenths; openWB divides there too
FREQUENCY_HZ: Final = (45.0, 65.0)  # mains; outside it the register holds something else
VOLTAGE_MOST_V: Final = 500.0
CURRENT_MOST_A: Final = 10_000.0  # behind current transformers
POWER_MOST_W: Final = 10_000_000.0


class ModbusMeter:
    """One meter on a bus. The bus belongs to the caller."""

    def __init__(self, *, profile: Profile, unit: int, bus: RegisterBus, timeout_s: float = 1.0) -> None:
        """Describe the meter; nothing is read yet. ``timeout_s`` holds for each block."""
        self._profile = profile
        self._unit = unit
        self._bus = bus
        self._timeout_s = timeout_s
        self._blocks = profile.blocks(_READ)
        self._narrow = profile.max_gap <= NARROW_GAP

    async def read(self) -> MeterReading:
        """Read one set of values.

        A value that cannot be (a voltage of 900 V, an energy below 0) is ``None``, like one the meter does not have.
        A meter that refuses one block still gives the others; the energy block must answer. One that refuses to read
        through wide gaps (some of a model allow 80 registers, some 50: openWB, sdm.py) is read in narrower blocks from
        then on.

        Raises:
            DriverError: see ``RegisterBus.read_registers``.
        """
        if not self._narrow:
            try:
                return await self._read(self._blocks)
            except DriverRejected:
                self._blocks, self._narrow = self._profile.blocks(_READ, max_gap=NARROW_GAP), True
        return await self._read(self._blocks)

    async def _read(self, blocks: tuple[Block, ...]) -> MeterReading:
        values: dict[str, float | None] = {}
        for block in blocks:
            try:
                words = await self._bus.read_registers(
                    unit=self._unit,
                    kind=block.kind,
                    address=block.address,
                    count=block.count,
                    timeout_s=self._timeout_s,
                )
            except DriverRejected:
                if not self._narrow or any(register.name == "energy_import" for register in block.registers):
                    raise
                continue
            for register in block.registers:
                values[register.name] = self._value(register, words, block.address)
        return _reading(values)

    async def close(self) -> None:
        """Release the meter; the bus stays open, others may use it."""

    def _value(self, register: Register, words: tuple[int, ...], start: int) -> float | None:
        return self._profile.decode(register, words[register.address - start : register.end - start])


def _reading(values: Mapping[str, float | None]) -> MeterReading:
    def within(name: str, low: float, high: float) -> float | None:
        value = values.get(name)
        return value if value is not None and low <= value <= high else None

    def phases(quantity: str, low: float, high: float) -> tuple[float | None, float | None, float | None]:
        first, second, third = (within(f"{quantity}_{phase}", low, high) for phase in _PHASES)
        return first, second, third

    power_w = within("power", -POWER_MOST_W, POWER_MOST_W)
    return MeterReading(
        taken_s=time.monotonic(),
        energy_import_wh=within("energy_import", 0.0, 1e12),
        energy_export_wh=within("energy_export", 0.0, 1e12),
        power_w=power_w,
        current_a=phases("current", -CURRENT_MOST_A, CURRENT_MOST_A),
        voltage_v=phases("voltage", 0.0, VOLTAGE_MOST_V),
        power_phase_w=phases("power", -POWER_MOST_W, POWER_MOST_W),
        frequency_hz=_frequency_hz(values.get("frequency")),
    )


def _frequency_hz(frequency_hz: float | None) -> float | None:
    if frequency_hz is None:
        return None
    if FREQUENCY_TIMES_TEN_HZ[0] <= frequency_hz <= FREQUENCY_TIMES_TEN_HZ[1]:
        frequency_hz /= 10
    return frequency_hz if FREQUENCY_HZ[0] <= frequency_hz <= FREQUENCY_HZ[1] else None


def open_meter(*, profile: str, unit: int, bus: RegisterBus, timeout_s: float = 1.0) -> ModbusMeter:
    """Open the meter with the profile of that name. Raises ``ProfileError`` for options that were not checked."""
    return ModbusMeter(profile=load_profile(profile), unit=unit, bus=bus, timeout_s=timeout_s)


def _check(options: Mapping[str, Any]) -> list[OptionProblem]:
    try:
        load_profile(options["profile"])
    except ProfileError as exc:
        return [OptionProblem(option="profile", problem=str(exc))]
    return []


SPEC = DriverSpec(
    name="modbus",
    kind=DriverKind.METER,
    target="drivers.meter.modbus:open_meter",
    options=(
        Option(
            name="profile",
            type=str,
            required=True,
            help="a profile of config/meters, or the path of one (with a slash)",
        ),
        Option(name="bus", type=str, required=True, help="name of the bus, one of the [bus.NAME] tables"),
        Option(
            name="unit", type=int, default=1, minimum=1, maximum=255, help="Modbus address; above 247 only over TCP"
        ),
        Option(
            name="timeout_s", type=float, default=1.0, unit="s", minimum=0.1, maximum=10.0, help="for each block read"
        ),
    ),
    summary="Energy meter over Modbus RTU or TCP, by register profile",
    check=_check,
)
