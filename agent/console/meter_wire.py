"""How the ``meter`` commands reach a meter: which one is meant, its bus, and whether the agent holds it already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from drivers.api import DriverError
from drivers.meter.bus import SerialBus, TcpBus
from drivers.meter.profile import Profile, SerialDefaults
from drivers.meter.profile_file import load_profile


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A bus: a serial port, or a host over TCP."""

    port: str = ""
    baud: int = 9600
    parity: str = "N"
    stopbits: int = 1
    gap_s: float = 0.1
    host: str = ""
    tcp_port: int = 502

    @property
    def setting(self) -> str:
        """Return how the port is set, such as ``9600 8N1``; empty for TCP."""
        return "" if self.host else f"{self.baud} 8{self.parity}{self.stopbits}"

    def __str__(self) -> str:
        return f"{self.host}:{self.tcp_port}" if self.host else f"{self.port} at {self.setting}"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One meter. ``evse_id`` is ``None`` for one that no station file names; ``options`` are the driver's others."""

    line: Line
    profile: Profile
    unit: int
    evse_id: int | None = None
    timeout_s: float = 1.0
    options: Mapping[str, Any] = {}


class AdHoc(Protocol):
    """The arguments that describe a meter on the command line."""

    port: Any
    host: str | None
    tcp_port: int
    profile: str | None
    unit: int | None
    baud: int | None
    parity: str | None
    stopbits: int | None
    timeout_s: float


def described(options: AdHoc) -> Target:
    """Return the meter that the arguments describe; what they do not say is the profile's. Raises ``DriverError``."""
    if options.profile is None:
        raise DriverError("which meter is it? Say --profile (charge-agent meter profiles lists them)")
    profile = load_profile(options.profile)
    serial = profile.serial or SerialDefaults()
    line = Line(
        port="" if options.port is None else str(options.port),
        baud=options.baud or serial.baud,
        parity=options.parity or serial.parity,
        stopbits=options.stopbits or serial.stopbits,
        gap_s=max(profile.gap_s, 0.0),
        host=options.host or "",
        tcp_port=options.tcp_port,
    )
    over_tcp = profile.tcp.unit if options.host and profile.tcp is not None else serial.unit
    unit = over_tcp if options.unit is None else options.unit
    return Target(line=line, profile=profile, unit=unit, timeout_s=options.timeout_s)


def delivered(profile: Profile) -> str:
    """Return how the meter's port is set when it leaves the factory; empty where no source is sure of it."""
    serial = profile.serial
    return "" if serial is None or not serial.sure else f"{serial.baud} 8{serial.parity}{serial.stopbits}"


def open_bus(line: Line, *, retries: int = 1, late_s: float = 2.0) -> SerialBus | TcpBus:
    """Return the bus; nothing is opened before the first read."""
    if line.host:
        return TcpBus(host=line.host, tcp_port=line.tcp_port, retries=retries)
    return SerialBus(
        port=line.port,
        baud=line.baud,
        parity=line.parity,
        stopbits=line.stopbits,
        gap_s=line.gap_s,
        retries=retries,
        late_s=late_s,
    )


def in_use(error: DriverError) -> bool:
    """Return whether a port could not be opened because somebody else has it."""
    return "it is in use" in str(error)
