"""What the counters of a meter's line mean to somebody with a screwdriver. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from drivers.api import MeterReading
from drivers.meter.counters import UnitCounters

MANY: Final = 0.02  # share of the requests from which a trouble is worth a line
SLOW_S: Final = 0.5
PHASE_V: Final = (180.0, 260.0)


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What else is known.

    Attributes:
        timeout_s: for each block.
        identity: whether the meter says that it is the profile's, where it says anything.
        line, delivered: how the port is set and how the meter leaves the factory, such as "9600 8N1"; empty unknown.
    """

    serial: bool
    timeout_s: float
    identity: bool | None = None
    profile: str = ""
    line: str = ""
    delivered: str = ""
    reading: MeterReading | None = None


def hints(counters: UnitCounters, seen: Circumstances) -> list[str]:
    """Return what to look at, the likeliest first; empty where there is nothing to complain about."""
    if counters.requests == 0:
        return []
    found = _unanswered(counters, seen) if counters.answers == 0 else _answered(counters, seen)
    if seen.identity is False:
        found.append(f"the device is no {seen.profile}: its identity registers say something else; try meter scan")
    return found + ([] if seen.reading is None else _values(seen.reading))


def _unanswered(counters: UnitCounters, seen: Circumstances) -> list[str]:
    heard = counters.checksums + counters.short + counters.foreign
    if counters.echoes:
        return [
            "only the request itself comes back: the adapter echoes (harmless), the meter is silent: A and B, supply,"
            " address, speed or parity"
        ]
    if not seen.serial:
        return [
            "the host talks, but not as this unit: another unit identifier?"
            if heard
            else "connected, but no answer: the unit identifier, or the line behind the gateway (speed, parity)"
        ]
    other = [f"the meter leaves the factory with {seen.delivered}, the line is set to {seen.line}"]
    unlike = other if seen.line and seen.delivered and seen.line != seen.delivered else []
    if counters.late:
        return [f"answers come, but too late: a longer timeout_s (now {seen.timeout_s:g} s)"]
    if counters.foreign:
        return ["another device answers: the address is another, or a second master talks on this line"]
    if heard:
        return [
            *unlike,
            "bytes come, but never a whole frame: speed or parity is another, or two devices have this address",
            "A and B may be swapped: some adapters then hear noise; swapping them harms nothing",
        ]
    return [
        *unlike,
        "nothing was ever heard: A and B swapped (ABB and Eastron label them the other way round), no supply at the"
        " meter, another address, speed or parity; `charge-agent meter scan` tries the last three",
        "the adapter may not drive the line: does its transmit light flash? Is the port the right one?",
    ]


def _answered(counters: UnitCounters, seen: Circumstances) -> list[str]:
    def often(count: int) -> bool:
        return count > 0 and count >= counters.requests * MANY

    def share(count: int) -> str:
        return f"{count} of {counters.requests} requests"

    found: list[str] = []
    if often(counters.checksums):
        found.append(
            f"wrong checksums ({share(counters.checksums)}): 120 ohm at both ends of the line, nowhere else, a common"
            " ground, twisted wire away from motor and mains cables; or two devices with one address"
        )
    if often(counters.short):
        found.append(f"answers break off ({share(counters.short)}): loose wire, or an adapter that switches too early")
    if often(counters.foreign):
        found.append(f"others talk ({share(counters.foreign)}): a second master, or two devices with one address")
    if often(counters.timeouts):
        found.append(f"no answer ({share(counters.timeouts)}): a longer gap_s of the bus, loose wire, a busy meter")
    if counters.late:
        found.append(f"{counters.late} answers came late: a longer timeout_s (now {seen.timeout_s:g} s)")
    if counters.latency_s is not None and counters.latency_s[2] > SLOW_S:
        found.append(f"the slowest answer took {counters.latency_s[2]:.2f} s: meters need 0.06 to 0.3 s; a gateway?")
    if often(counters.refusals):
        found.append(
            f"the meter refuses reads ({share(counters.refusals)}): another model or firmware than the profile's"
        )
    return found


def _values(reading: MeterReading) -> list[str]:
    found: list[str] = []
    if reading.energy_import_wh is None:
        found.append("the register of energy is no number: another model than the profile's; nothing can be billed")
    voltages = [each for each in reading.voltage_v if each is not None]
    if voltages and not any(PHASE_V[0] <= each <= PHASE_V[1] for each in voltages):
        found.append(f"no phase has mains voltage ({voltages[0]:.1f} V): another profile, or the meter's inputs")
    elif any(not PHASE_V[0] <= each <= PHASE_V[1] for each in voltages):
        found.append("a phase has no mains voltage: fuse, or a wire of the meter's inputs")
    if reading.power_w is not None and reading.power_w < -50.0:
        found.append("the power is negative: supply and load are swapped, or a current transformer; see `invert`")
    return found
