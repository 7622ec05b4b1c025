"""Where the meter of an EVSE is, for the commands that read it without the agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from agent.settings.station import SerialBusSettings, Settings
from drivers.api import DriverError

_OWN_FIELDS = ("profile", "unit", "bus", "timeout_s")


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
        evse_id: ``None`` for the first EVSE with a meter.

    Raises:
        DriverError: there is no such EVSE, or it has no meter.
    """
    metered = [each for each in settings.evses if each.meter is not None]
    if not metered:
        raise DriverError("no EVSE of the station file has a meter")
    found = [each for each in metered if evse_id in (None, each.id)]
    if not found:
        known = ", ".join(str(each.id) for each in metered)
        raise DriverError(f"there is no EVSE {evse_id} with a meter, expected one of {known}")
    evse = found[0]
    meter = evse.meter
    if meter is None or meter.bus is None or meter.driver.driver != "modbus" or meter.bus in settings.guard_buses:
        return evse.id, None
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
    return evse.id, MeterPlace(
        line=line,
        profile=options["profile"],
        unit=options["unit"],
        timeout_s=options["timeout_s"],
        options={name: value for name, value in options.items() if name not in _OWN_FIELDS},
    )
