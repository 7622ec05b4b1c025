"""The check of the energy meters: they answer, what they say is plausible, and their line is clean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.settings.station import EvseSettings, MeterSettings, SerialBusSettings, Settings
from agent.trial.findings import Check, Finding, Verdict, judged
from agent.trial.fitted import Mains
from drivers.api import DriverError, DriverTimeout, Meter, MeterReading, RegisterBus
from drivers.registry import open_driver

TRIES: Final = 3
READ_S: Final = 6.0  # for one read, whatever the driver does; house rule
BETWEEN_S: Final = 0.5
LIVE_V: Final = 50.0  # more is no safe extra-low voltage: the mains are on. IEC 61140:2016 (AC 50 V)
MAINS_SHARE: Final = (0.85, 1.15)  # of the EVSE's nominal voltage. EN 50160: +-10 %, and the meter's own error
FREQUENCY_HZ: Final = (45.0, 66.0)
IDLE_A: Final = 0.5  # at rest, behind an open contactor; house rule
TROUBLED: Final = 0.05  # share of failed requests; house rule


async def check_meters(
    settings: Settings,
    evses: Sequence[EvseSettings],
    mains: Mains,
    found: Callable[[Finding], None],
    say: Callable[[str], None],
) -> dict[int, float | None]:
    """Read the meter of each EVSE, and the station's main meter, twice.

    Return the greatest phase voltage of each EVSE, V (``None``: not told); the main meter may sit before the switch
    that takes the mains from the rest. Raises nothing: what goes wrong is a finding. A meter that is silent while the
    mains are off was not tested.
    """
    seen: dict[int, float | None] = {}
    buses: dict[str, RegisterBus] = {}
    try:
        for place in _places(settings, evses):
            say("main meter" if place.evse_id is None else f"EVSE {place.evse_id}: meter")
            findings, voltage_v = await _check(settings, place, mains, buses)
            if place.evse_id is not None:
                seen[place.evse_id] = voltage_v
            for finding in findings:
                found(finding)
    finally:
        for bus in buses.values():
            await bus.close()
    return seen


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A meter to test; ``evse_id`` ``None``: the station's main meter, where current may flow at any time."""

    evse_id: int | None
    meter: MeterSettings
    phases: int
    voltage_v: float

    @property
    def name(self) -> str:
        return "main meter" if self.evse_id is None else "meter"


def _places(settings: Settings, evses: Sequence[EvseSettings]) -> Iterator[_Place]:
    for evse in evses:
        if evse.meter is not None:
            yield _Place(evse_id=evse.id, meter=evse.meter, phases=evse.phases, voltage_v=evse.voltage_v)
    if settings.main_meter is not None:
        nominal_v = settings.evses[0].voltage_v
        yield _Place(evse_id=None, meter=settings.main_meter.meter, phases=3, voltage_v=nominal_v)


async def _check(
    settings: Settings, place: _Place, mains: Mains, buses: dict[str, RegisterBus]
) -> tuple[list[Finding], float | None]:
    try:
        meter = _open(settings, place, buses)
        try:
            first = await _read(meter)
            await asyncio.sleep(BETWEEN_S)
            second = await _read(meter)
        finally:
            if place.meter.bus is None:
                await meter.close()
    except DriverError as problem:
        text = f"SILENT: {problem}" if isinstance(problem, DriverTimeout) else str(problem)
        if isinstance(problem, DriverTimeout) and mains is Mains.OFF:
            hint = "most meters are fed by the mains that they measure: test it with --mains-on, or say --skip meter"
            return [_finding(place, place.name, Verdict.NOT_TESTED, text=text, hint=hint)], None
        hint = "is it fed? Then address, baud, wires A and B: charge-agent meter doctor"
        return [_finding(place, place.name, Verdict.FAILED, text=text, hint=hint)], None
    return [*_judge(place, first, second), *_line(place, meter)], _voltage_v(second)


def _judge(place: _Place, first: MeterReading, second: MeterReading) -> list[Finding]:
    before_wh, now_wh = first.energy_import_wh, second.energy_import_wh
    register = judged(
        Check.METER, place.evse_id, f"{place.name}, register", now_wh, unit="Wh", low=before_wh or 0.0, digits=0
    )
    found = [register]
    volts = [value for value in second.voltage_v if value is not None]
    live = any(value > LIVE_V for value in volts)
    for number, value in enumerate(volts[: place.phases] if live else (), 1):
        low, high = (round(place.voltage_v * share, 1) for share in MAINS_SHARE)
        hint = "the phase, its fuse, the order of the meter's terminals"
        found.append(
            judged(
                Check.METER,
                place.evse_id,
                f"{place.name}, voltage L{number}",
                value,
                unit="V",
                low=low,
                high=high,
                hint=hint,
            )
        )
    if volts and not live:
        found.append(_finding(place, f"{place.name}, voltage", Verdict.PASSED, value=round(max(volts), 1), unit="V"))
    if live and second.frequency_hz is not None:
        low, high = FREQUENCY_HZ
        found.append(
            judged(
                Check.METER,
                place.evse_id,
                f"{place.name}, frequency",
                second.frequency_hz,
                unit="Hz",
                low=low,
                high=high,
            )
        )
    currents = [abs(value) for value in second.current_a if value is not None]
    if currents and place.evse_id is not None:
        hint = "something draws behind the contactor, or the meter's terminals are crossed"
        found.append(
            judged(
                Check.METER,
                place.evse_id,
                f"{place.name}, current at rest",
                max(currents),
                unit="A",
                high=IDLE_A,
                hint=hint,
            )
        )
    return found


def _line(place: _Place, meter: Meter) -> list[Finding]:
    from drivers.meter.counters import CountingMeter

    counted = meter.counters() if isinstance(meter, CountingMeter) else None
    if counted is None or not counted.requests:
        return []
    share = counted.failures / counted.requests
    said = (
        f"{counted.requests} requests, {counted.timeouts} time-outs, {counted.checksums} checksums, "
        f"{counted.foreign} foreign, {counted.late} late"
    )
    good = share <= TROUBLED
    hint = "" if good else "termination, shield, A and B, two devices with one address: charge-agent meter doctor"
    verdict = Verdict.PASSED if good else Verdict.FAILED
    return [_finding(place, f"{place.name}, line", verdict, value=said, hint=hint)]


async def _read(meter: Meter) -> MeterReading:
    problem: DriverError = DriverTimeout(f"no reading within {READ_S:g} s")
    for _ in range(TRIES):
        try:
            async with asyncio.timeout(READ_S):
                return await meter.read()
        except TimeoutError:
            continue
        except DriverError as error:
            problem = error
    raise problem


def _open(settings: Settings, place: _Place, buses: dict[str, RegisterBus]) -> Meter:
    options: dict[str, Any] = dict(place.meter.driver.options)
    name = place.meter.bus
    if name is not None:
        if name not in buses:
            buses[name] = _open_bus(settings, name)
        options["bus"] = buses[name]
    meter: Meter = open_driver(place.meter.driver.target, options)
    return meter


def _open_bus(settings: Settings, name: str) -> RegisterBus:
    """Open a bus of our own, those of a guard too: none runs."""
    from drivers.meter.bus import SerialBus, TcpBus

    bus = settings.bus(name)
    if isinstance(bus, SerialBusSettings):
        return SerialBus(port=str(bus.port), baud=bus.baud, parity=bus.parity, stopbits=bus.stopbits, gap_s=bus.gap_s)
    return TcpBus(host=bus.host, tcp_port=bus.tcp_port)


def _voltage_v(reading: MeterReading) -> float | None:
    volts = [value for value in reading.voltage_v if value is not None]
    return max(volts) if volts else None


def _finding(
    place: _Place, what: str, verdict: Verdict, *, value: float | str | None = None, unit: str = "",
    text: str = "", hint: str = "",
) -> Finding:  # fmt: skip
    return Finding(
        check=Check.METER,
        evse_id=place.evse_id,
        what=what,
        verdict=verdict,
        value=value,
        unit=unit,
        text=text,
        hint=hint,
    )
