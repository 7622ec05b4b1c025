"""Where the meter of an EVSE (0: of the whole station) is, for the commands that read it without the agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from agent.settings.station import SerialBusSettings, Settings
from drivers.api import DriverError

MAIN = 0  # in place of an EVSE: the main meter
_OWN_FIELDS = ("profile", "unit", "bus", "timeout_s")


def meter_of(evse_id: int) -> str:
    """Return what people call the meter of an EVSE."""
    return "the main meter" if evse_id == MAIN else f"the meter of EVSE {evse_id}"


class MeterPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A Modbus meter. ``line`` are the fields of its bus by name, ``options`` what else its driver takes."""

    line: Mapping[str, Any]
    profile: str
    unit: int
    timeout_s: float
    options: Mapping[str, Any]


def meter_target(settings: Settings, evse_id: int | None) -> tuple[int, MeterPlace | None]:
    """Return the EVSE, and where its meter is; ``None`` for a meter that only its process can read.

    Args:
        evse_id: ``None`` for the first EVSE with a meter, else the main meter; 0 for the main meter.

    Raises:
        DriverError: there is no such EVSE, or it has no meter.
    """
    meters = settings.meters
    if not meters:
        raise DriverError("no EVSE of the station file has a meter")
    if evse_id == MAIN and MAIN not in meters:
        raise DriverError("the station file has no [main_meter]")
    if evse_id is not None and evse_id not in meters:
        known = ", ".join(str(each) for each in meters if each != MAIN) or "0, the main meter"
        raise DriverError(f"there is no EVSE {evse_id} with a meter, expected one of {known}")
    evse_id = next(iter(meters)) if evse_id is None else evse_id
    meter = meters[evse_id]
    if meter.bus is None or meter.driver.driver != "modbus" or meter.bus in settings.guard_buses:
        return evse_id, None
    bus = settings.bus(meter.bus)
    line: dict[str, Any] = (
        {
            "port": str(bus.port),
            "baud": bus.baud,
            "parity": bus.parity,
            "stopbits": bus.stopbits,
            "gap_s": bus.gap_s,
        }
        if isinstance(bus, SerialBusSettings)
        else {"host": bus.host, "tcp_port": bus.tcp_port}
    )
    options = meter.driver.options
    return evse_id, MeterPlace(
        line=line,
        profile=options["profile"],
        unit=options["unit"],
        timeout_s=options["timeout_s"],
        options={name: value for name, value in options.items() if name not in _OWN_FIELDS},
    )
