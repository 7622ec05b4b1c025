"""Any Modbus energy meter that has a register profile."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from drivers.api import DriverKind, DriverRejected, DriverSpec, MeterReading, Option, OptionProblem, RegisterBus
from drivers.meter.counters import CountingBus, UnitCounters
from drivers.meter.decoding import BlockDecoder
from drivers.meter.profile import NARROW_GAP, Block, Profile, ProfileError, Register, RegisterType, exponent_name
from drivers.meter.profile_file import load_profile
from drivers.meter.reading import reading_of

_PHASES: Final = ("l1", "l2", "l3")
WANTED: Final = (
    *("energy_import", "energy_export", "power", "frequency", "soc"),
    *(f"{quantity}_{phase}" for quantity in ("voltage", "current", "power") for phase in _PHASES),
)
MORE: Final = (  # OCPP measurands that cost requests of their own in many meters
    *("apparent_power", "reactive_power", "pf", "current_n"),
    *(f"energy_import_{phase}" for phase in _PHASES),
)
SPARE_GAP_S: Final = 0.1  # silence that every bus keeps unless its owner says otherwise
REFUSALS_BELIEVED: Final = 3
ASK_AGAIN_S: Final = 600.0
_ILLEGAL: Final = (0, 1, 2, 3)  # exceptions that a narrower read may avoid; the others are the device's or a gateway's


class ModbusMeter:
    """One meter on a bus. The bus belongs to the caller."""

    def __init__(
        self,
        *,
        profile: Profile,
        unit: int,
        bus: RegisterBus,
        timeout_s: float = 1.0,
        extras: bool = False,
        invert: bool = False,
        ct_ratio: float = 1.0,
    ) -> None:
        """Describe the meter; nothing is read yet. ``timeout_s`` holds for each block.

        Args:
            extras: read also what needs requests of its own (``MORE``); otherwise only what lies between the rest.
            invert: the load is wired to the meter's supply side, so import and export change places.
            ct_ratio: primary to secondary current of transformers that the meter does not know of.
        """
        self._profile = profile
        self._unit = unit
        self._bus = bus
        self._timeout_s = timeout_s
        self._invert = invert
        self._ct_ratio = ct_ratio
        self._wanted = profile.needs((*WANTED, *MORE) if extras else WANTED)
        self._reads = tuple(BlockDecoder(profile, self._filled(each)) for each in profile.blocks(self._wanted))
        self._refusals: dict[Block, int] = {}
        self._skip_until_s: dict[Block, float] = {}

    async def read(self) -> MeterReading:
        """Read one set of values.

        A value that cannot be (a voltage of 900 V, an energy below 0) is ``None``, like one the meter does not have.
        A block that the meter refuses is read in narrower ones from then on (some of a model allow 80 registers, some
        50: openWB, sdm.py), at last value by value; a value that is refused even so is ``None`` and is left out for
        ten minutes after three refusals. The energy must be answered.

        Raises:
            DriverError: see ``RegisterBus.read_registers``.
        """
        values: dict[str, float | None] = {}
        exponents: dict[int, float | None] = {}
        todo = list(self._reads)
        while todo:
            decoder = todo.pop(0)
            block = decoder.block
            words: tuple[int, ...] = ()
            if not self._skip_until_s or time.monotonic() >= self._skip_until_s.get(block, 0.0):
                try:
                    words = await self._registers(block)
                except DriverRejected as refusal:
                    narrower = self._narrower(block) if refusal.code in _ILLEGAL else ()
                    if narrower:
                        todo[:0] = self._replace(decoder, narrower)
                        continue
                    if any(each.name == "energy_import" for each in block.registers):
                        raise
                    self._note_refusal(block)
            decoder.take(words, values, exponents)
        found = self._profile.values(values, exponents)
        return reading_of(
            found,
            self._profile.registers,
            taken_s=time.monotonic(),
            invert=self._invert,
            ct_ratio=self._ct_ratio,
        )

    async def read_everything(self) -> dict[str, float | str | None]:
        """Return every value of the profile by name, as the meter gives it; ``None`` where it refuses or has none."""
        values: dict[str, float | None] = {}
        texts: dict[str, float | str | None] = {}
        exponents: dict[int, float | None] = {}
        todo = list(self._profile.blocks(frozenset(self._profile.registers)))
        while todo:
            block = todo.pop(0)
            try:
                words = await self._registers(block)
            except DriverRejected:
                narrower = self._narrower(block)
                todo[:0] = narrower
                texts |= {} if narrower else {each.name: None for each in block.registers}
                continue
            for register in block.registers:
                if register.type is RegisterType.STRING:
                    texts[register.name] = self._profile.text(register, _part(register, words, block.address))
            BlockDecoder(self._profile, block).take(words, values, exponents)
        found = {**texts, **self._profile.values(values, exponents)}
        order = (*self._profile.registers, *self._profile.sums)
        return {name: found[name] for name in order if name in found}

    def counters(self) -> UnitCounters | None:
        """Return how the requests to this meter fared, ``None`` where the bus does not count."""
        return self._bus.counters(self._unit) if isinstance(self._bus, CountingBus) else None

    async def close(self) -> None:
        """Release the meter; the bus stays open, others may use it."""

    def _note_refusal(self, block: Block) -> None:
        self._refusals[block] = self._refusals.get(block, 0) + 1
        if self._refusals[block] >= REFUSALS_BELIEVED:
            self._refusals[block] = 0
            self._skip_until_s[block] = time.monotonic() + ASK_AGAIN_S

    def _replace(self, refused: BlockDecoder, narrower: tuple[Block, ...]) -> tuple[BlockDecoder, ...]:
        instead = tuple(BlockDecoder(self._profile, self._filled(each)) for each in narrower)
        place = self._reads.index(refused)
        self._reads = (*self._reads[:place], *instead, *self._reads[place + 1 :])
        return instead

    def _narrower(self, block: Block) -> tuple[Block, ...]:
        """Return the reads to try instead of ``block``; nothing where it holds one value."""
        every = frozenset(each.name for each in block.registers if each.name in self._profile.registers)
        names = every & self._wanted or every
        for max_gap, max_block in ((NARROW_GAP, None), (0, None), (0, 1)):
            blocks = self._profile.blocks(names, max_gap=max_gap, max_block=max_block)
            if blocks and all(each.count < block.count for each in blocks):  # so that it comes to an end
                return blocks
        return ()

    def _filled(self, block: Block) -> Block:
        """Return the block with every value that lies in it anyway."""
        known = {each.name for each in block.registers}
        free = tuple(
            each
            for each in self._profile.registers.values()
            if each.kind is block.kind
            and block.address <= each.address
            and each.end <= block.address + block.count
            and each.name not in known
            and each.type is not RegisterType.STRING
            and (each.exponent_at is None or exponent_name(each.exponent_at) in known)
        )
        return Block(kind=block.kind, address=block.address, count=block.count, registers=(*block.registers, *free))

    async def _registers(self, block: Block) -> tuple[int, ...]:
        return await self._bus.read_registers(
            unit=self._unit, kind=block.kind, address=block.address, count=block.count, timeout_s=self._timeout_s
        )


def _part(register: Register, words: tuple[int, ...], start: int) -> tuple[int, ...]:
    return words[register.address - start : register.end - start]


def open_meter(*, profile: str, unit: int, bus: RegisterBus, **options: Any) -> ModbusMeter:
    """Open the meter with the profile of that name; ``options``: those of ``ModbusMeter``.

    Raises:
        ProfileError: the options were not checked.
    """
    loaded = load_profile(profile)
    keep_gap = getattr(bus, "keep_gap", None)
    if keep_gap is not None and loaded.gap_s > SPARE_GAP_S:
        keep_gap(loaded.gap_s)
    return ModbusMeter(profile=loaded, unit=unit, bus=bus, **options)


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
            help="a profile of config/meters or /etc/charge-agent/meters, or the path of one (with a slash)",
        ),
        Option(name="bus", type=str, required=True, help="name of the bus, one of the [bus.NAME] tables"),
        Option(
            name="unit", type=int, default=1, minimum=1, maximum=255, help="Modbus address; above 247 only over TCP"
        ),
        Option(
            name="timeout_s", type=float, default=1.0, unit="s", minimum=0.1, maximum=10.0, help="for each block read"
        ),
        Option(name="extras", type=bool, default=False, help="also read what needs requests of its own"),
        Option(name="invert", type=bool, default=False, help="wired upside down: import and export change places"),
        Option(
            name="ct_ratio", type=float, default=1.0, minimum=0.001, maximum=10000.0, help="of current transformers"
        ),
    ),
    summary="Energy meter over Modbus RTU or TCP, by register profile",
    check=_check,
    tells_soc=lambda options: "soc" in load_profile(options["profile"]).quantities,
)
