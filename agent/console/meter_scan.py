"""Looking for devices on a line, and telling what they are by the registers that say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from drivers.api import DriverError, DriverProtocolError, DriverRejected, DriverUnavailable, RegisterBus, RegisterKind
from drivers.meter.modbus import ModbusMeter
from drivers.meter.profile import Profile

_PROBES: Final = (RegisterKind.HOLDING, RegisterKind.INPUT)  # a device answers one of them, if only with a refusal
LIKELY_V: Final = (180.0, 260.0)
_NO_SUCH_REGISTER: Final = frozenset((1, 2, 3))  # illegal function, address, value: MODBUS V1.1b3 §7


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """How a serial line is set; ``baud`` 0 for TCP."""

    baud: int = 0
    parity: str = "N"

    def __str__(self) -> str:
        return f"{self.baud} {self.parity}" if self.baud else "TCP"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A device. ``profiles`` are known by its identity registers, ``likely`` only by values that look right."""

    unit: int
    setting: Setting
    profiles: tuple[str, ...] = ()
    likely: tuple[str, ...] = ()


class Scan(msgspec.Struct, kw_only=True):
    """What a scan found. ``noisy`` are settings with bytes that are no frames, ``closed`` those that cannot be set."""

    found: list[Found] = msgspec.field(default_factory=list)
    noisy: list[Setting] = msgspec.field(default_factory=list)
    closed: list[tuple[Setting, str]] = msgspec.field(default_factory=list)
    tried: int = 0


async def scan(
    settings: Sequence[Setting],
    units: Sequence[int],
    open_bus: Callable[[Setting], RegisterBus],
    *,
    wait_s: float,
    profiles: Iterable[Profile],
    all_settings: bool = False,
    guess: bool = False,
    progress: Callable[[int, int, str], None],
) -> Scan:
    """Ask every unit at every setting.

    Args:
        settings: tried in this order; the first with a device is the last, unless ``all_settings``.
        wait_s: for each answer.
        guess: read a device that says nothing of itself with every profile.
        progress: takes how many addresses were asked, of how many, and what is asked now.
    """
    outcome = Scan()
    known = list(profiles)
    total = len(settings) * len(units)
    for place, setting in enumerate(settings):
        bus = open_bus(setting)
        try:
            for number, unit in enumerate(units):
                progress(place * len(units) + number, total, f"{setting}, address {unit}")
                if not await _is_there(bus, unit, setting, wait_s, outcome):
                    continue
                named = await _identified(bus, unit, known, wait_s)
                likely = await _likely(bus, unit, known, wait_s) if guess and not named else ()
                outcome.found.append(Found(unit=unit, setting=setting, profiles=named, likely=likely))
        except DriverUnavailable as error:
            outcome.closed.append((setting, str(error)))
        finally:
            await bus.close()
        if outcome.found and not all_settings:
            break
    progress(total, total, "done")
    return outcome


async def _is_there(bus: RegisterBus, unit: int, setting: Setting, wait_s: float, outcome: Scan) -> bool:
    for kind in _PROBES:
        outcome.tried += 1
        try:
            await bus.read_registers(unit=unit, kind=kind, address=0, count=1, timeout_s=wait_s)
        except DriverRejected:
            return True
        except DriverProtocolError:
            if setting not in outcome.noisy:
                outcome.noisy.append(setting)
        except DriverUnavailable:
            raise
        except DriverError:
            continue
        else:
            return True
    return False


async def _identified(bus: RegisterBus, unit: int, profiles: Iterable[Profile], wait_s: float) -> tuple[str, ...]:
    return tuple([each.id for each in profiles if each.identity and await matches(bus, unit, each, wait_s)])


async def matches(bus: RegisterBus, unit: int, profile: Profile, wait_s: float) -> bool | None:
    """Return whether every identity register of ``profile`` says that the device is such a meter.

    A device that has no such register is another one; ``None``: it did not answer the question.
    """
    for mark in profile.identity:
        try:
            words = await bus.read_registers(
                unit=unit, kind=mark.kind, address=mark.address, count=mark.count, timeout_s=wait_s
            )
        except DriverUnavailable:
            raise
        except DriverRejected as refused:
            return False if refused.code in _NO_SUCH_REGISTER else None
        except DriverError:
            return None
        if words not in mark.one_of:
            return False
    return True


async def _likely(bus: RegisterBus, unit: int, profiles: Iterable[Profile], wait_s: float) -> tuple[str, ...]:
    """Return the profiles whose voltage and frequency look right. Families share maps: the type plate decides."""
    found: list[str] = []
    for profile in profiles:
        if not {"voltage_l1", "frequency"} <= profile.quantities:
            continue
        try:
            reading = await ModbusMeter(profile=profile, unit=unit, bus=bus, timeout_s=wait_s).read()
        except DriverUnavailable:
            raise
        except DriverError:
            continue
        voltage_v = reading.voltage_v[0]
        if reading.frequency_hz is not None and voltage_v is not None and LIKELY_V[0] <= voltage_v <= LIKELY_V[1]:
            found.append(profile.id)
    return tuple(found)
