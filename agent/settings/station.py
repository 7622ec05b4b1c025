"""A station file as frozen, typed values. Paths are absolute.

Structs, because sixteen data classes take several milliseconds to define and every start of the agent pays for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from agent.model.indications import Indicators, usual_indicators
from agent.model.key_store import KeyTokenPlace
from agent.model.station import (
    ButtonUse,
    ConnectorLayout,
    EvseLayout,
    MainMeterLayout,
    OnMeterLoss,
    OnOverCurrent,
    OnPowerLoss,
    StationLayout,
)
from agent.settings.protection import HeartbeatSettings, RcdTestSettings, TemperatureSettings
from drivers.api import DriverKind


class OcppVersion(Enum):
    """Which dialect the station speaks."""

    V16 = "1.6"
    V201 = "2.0.1"


class PasswordEncoding(Enum):
    """How the password file is to be read."""

    LITERAL = "literal"
    HEX = "hex"


class MirrorKind(Enum):
    """What a contactor's feedback is."""

    NORMALLY_CLOSED = "nc"  # active while the contactor is open
    NORMALLY_OPEN = "no"  # active while it is closed
    SENSE = "sense"  # active while there is voltage behind it


class LogFormat(Enum):
    """Shape of the log."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class DriverSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A driver with checked options: ``drivers.registry.open_driver(target, options)`` opens it."""

    kind: DriverKind
    driver: str
    target: str
    options: Mapping[str, Any]


class LineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One on/off line of the board. ``pull`` is the bias of an input: none, up or down.

    ``latched`` is ``None`` where that is no question: it stays active until the vehicle has left.
    """

    line: str
    active_high: bool
    pull: str = "none"
    debounce_ms: int = 0
    latched: bool | None = None


class MirrorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The line of a contactor's feedback."""

    line: str
    active_high: bool
    kind: MirrorKind
    pull: str = "none"
    debounce_ms: int = 0


class LockSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The socket's lock."""

    line: str
    active_high: bool
    feedback: LineSettings | None
    unlock: LineSettings | None = None
    pulse_ms: int = 600
    break_ms: int = 1000
    confirm_ms: int = 3000


class MeterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An energy meter; ``bus`` names one of ``Settings.buses`` and is passed to the driver as ``bus=``."""

    driver: DriverSettings
    bus: str | None


class MainMeterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The meter of the whole station; ``max_current_a`` is the most that can flow there per phase."""

    meter: MeterSettings
    max_current_a: float


class ControllerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A bought controller; ``bus`` names one of ``Settings.buses``, which then belongs to the guard."""

    driver: DriverSettings
    bus: str | None


class EvseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One EVSE. ``connector`` is an OCPP 2.0.1 ConnectorEnumType; limits are per phase.

    It has either ``pilot`` and ``contactor`` or a ``controller``. ``connectors`` are its further ones, each with what
    it has of its own and what it takes from the EVSE; meter, light, buzzer and button are the EVSE's.
    """

    id: int
    phases: int
    max_current_a: float
    voltage_v: float
    connector: str
    tethered: bool
    ventilation: bool
    simplified: bool
    reject_13a: bool
    wake_up: bool
    phase_switching: bool
    phase_wait_s: float
    phase_interval_s: float
    pilot: DriverSettings | None
    contactor: LineSettings | None
    controller: ControllerSettings | None
    mirror: MirrorSettings | None
    phase_contactor: LineSettings | None
    phase_mirror: MirrorSettings | None
    lock: LockSettings | None
    rcd: LineSettings | None
    emergency_stop: LineSettings | None
    led: LineSettings | None
    meter: MeterSettings | None
    rcm: LineSettings | None = None
    ground: LineSettings | None = None
    door: LineSettings | None = None
    tilt: LineSettings | None = None
    rcd_test: RcdTestSettings | None = None
    temperatures: tuple[TemperatureSettings, ...] = ()
    lights: Mapping[str, LineSettings] = {}  # of the status light, by colour
    buzzer: LineSettings | None = None
    button: LineSettings | None = None
    tells_soc: bool = False  # one of its drivers may know the vehicle's state of charge
    connector_id: int = 1
    connectors: tuple[EvseSettings, ...] = ()

    @property
    def parts(self) -> tuple[EvseSettings, ...]:
        """Return every connector, the first one being the EVSE itself."""
        return (self, *self.connectors)


class SerialBusSettings(msgspec.Struct, frozen=True, kw_only=True, tag="serial"):
    """A serial Modbus bus."""

    name: str
    port: Path
    baud: int
    parity: str
    stopbits: int
    gap_s: float


class TcpBusSettings(msgspec.Struct, frozen=True, kw_only=True, tag="tcp"):
    """A Modbus TCP connection."""

    name: str
    host: str
    tcp_port: int


BusSettings = SerialBusSettings | TcpBusSettings


class ReaderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A card reader and the ids of the EVSEs it serves, the preferred one first."""

    name: str
    evses: tuple[int, ...]
    driver: DriverSettings


class IdentitySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who the station is, and where it keeps its things."""

    id: str
    vendor: str
    model: str
    serial_number: str | None
    state_dir: Path
    identity_file: Path | None = None
    run_dir: Path

    @property
    def guard_socket(self) -> Path:
        """Return where the guard listens."""
        return self.run_dir / "guard.sock"


class CsmsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The back end. No root certificates means those of the system.

    Attributes:
        security_profile: 0-3; ``None``: what addresses and credentials amount to.
        key_type: of keys that the station makes: ``ec`` or ``rsa``.
        key_token: the PKCS #11 token that makes and keeps them; ``None``: files.
    """

    url: str
    version: OcppVersion
    allow_insecure: bool
    root_certificates: tuple[Path, ...]
    password_file: Path | None
    password_encoding: PasswordEncoding
    fallback_urls: tuple[str, ...] = ()
    security_profile: int | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    key_type: str = "ec"
    key_token: KeyTokenPlace | None = None
    allow_wildcards: bool = True
    additional_root_check: bool = False
    security_events: bool = True
    trailing_slash: bool = False

    @property
    def urls(self) -> tuple[str, ...]:
        """Return the addresses in the order in which they are tried."""
        return (self.url, *self.fallback_urls)


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The guard's timing and rights."""

    scan_ms: int
    permit_s: float
    min_reclose_s: float
    stop_grace_s: float
    realtime: bool
    allowed_uids: tuple[int, ...]
    heartbeat: HeartbeatSettings | None = None


class AuthorizationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may charge."""

    required: bool
    offline_unknown: bool


class ChargingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How it charges. ``max_current_a`` ``None``: no limit beyond the EVSEs' own."""

    on_meter_loss: OnMeterLoss
    on_over_current: OnOverCurrent
    on_power_loss: OnPowerLoss
    meter_stale_s: float
    meter_poll_s: float
    max_current_a: float | None
    button: ButtonUse = ButtonUse.START_STOP


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged and how. ``level`` is debug, info, warning or error."""

    level: str
    format: LogFormat


class UnsignedFirmware(Enum):
    """Whether firmware is taken that nobody signed."""

    AUTO = "auto"  # as long as no root of the manufacturer is known
    ALLOW = "allow"
    REFUSE = "refuse"


class MaintenanceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Firmware, diagnostics and logs.

    Attributes:
        installer: ``None``: nothing can be installed.
        version_file: its first line is the version of the whole image; ``None``: the software's own is told.
        new_sessions_before_install: charges may begin while a fetched firmware waits.
    """

    allowed_schemes: tuple[str, ...] = ()
    unsigned_firmware: UnsignedFirmware = UnsignedFirmware.AUTO
    firmware_roots: tuple[Path, ...] = ()
    firmware_crl: Path | None = None
    max_firmware_mb: int = 1024
    max_bundle_mb: int = 16
    keep_free_mb: int = 64
    new_sessions_before_install: bool = False
    version_file: Path | None = None
    known_hosts: Path | None = None
    ssh_key: Path | None = None
    installer: DriverSettings | None = None


class BoardNote(msgspec.Struct, frozen=True, kw_only=True):
    """The board that a station file names: its file, and the SHA-256 of that file's bytes, hexadecimal."""

    name: str
    title: str
    file: Path
    sha256: str


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A whole station file.

    Attributes:
        file: the station file, absolute. sha256: of its bytes, hexadecimal.
        variables: presets of OCPP variables, name as written -> text.
        set_system_clock: the CSMS's time may set the machine's clock.
        identity_sha256: of the identity file's bytes, hexadecimal; "" without one.
        board: the board file below the station file, if it names one.
    """

    file: Path
    sha256: str
    station: IdentitySettings
    csms: CsmsSettings
    clock: DriverSettings
    lines: DriverSettings
    guard: GuardSettings
    evses: tuple[EvseSettings, ...]
    buses: tuple[BusSettings, ...]
    readers: tuple[ReaderSettings, ...]
    authorization: AuthorizationSettings
    charging: ChargingSettings
    variables: Mapping[str, str]
    log: LogSettings
    set_system_clock: bool = False
    maintenance: MaintenanceSettings = MaintenanceSettings()
    identity_sha256: str = ""
    board: BoardNote | None = None
    indicators: Indicators = usual_indicators()
    inputs: Mapping[str, LineSettings] = {}  # of the station as a whole, by role
    main_meter: MainMeterSettings | None = None

    @property
    def meters(self) -> Mapping[int, MeterSettings]:
        """Return every meter by its EVSE; 0 is the main meter, which comes last."""
        found = {each.id: each.meter for each in self.evses if each.meter is not None}
        return found if self.main_meter is None else {**found, 0: self.main_meter.meter}

    @property
    def guard_buses(self) -> frozenset[str]:
        """Return the names of the buses that belong to the guard, because a controller is on them."""
        buses = (each.controller.bus for each in self.evses if each.controller is not None)
        return frozenset(bus for bus in buses if bus is not None)

    def bus(self, name: str) -> BusSettings:
        """Return the bus of that name. Raises ``KeyError``: the file was checked, so it is a bug of the caller."""
        return {each.name: each for each in self.buses}[name]

    def layout(self) -> StationLayout:
        """Return what the charging core must know."""
        main = self.main_meter
        return StationLayout(
            evses=tuple(_evse_layout(each, self.charging.button) for each in self.evses),
            readers={each.name: each.evses for each in self.readers},
            authorization_required=self.authorization.required,
            on_meter_loss=self.charging.on_meter_loss,
            on_over_current=self.charging.on_over_current,
            on_power_loss=self.charging.on_power_loss,
            meter_stale_s=self.charging.meter_stale_s,
            permit_valid_s=self.guard.permit_s,
            max_current_a=self.charging.max_current_a,
            main_meter=None if main is None else MainMeterLayout(max_current_a=main.max_current_a),
        )


def _evse_layout(evse: EvseSettings, button: ButtonUse) -> EvseLayout:
    several = evse.parts if evse.connectors else ()
    return EvseLayout(
        evse_id=evse.id,
        connector_ids=tuple(each.connector_id for each in evse.parts),
        connectors=tuple(
            ConnectorLayout(
                connector_id=each.connector_id, max_current_a=each.max_current_a, lockable=each.lock is not None
            )
            for each in several
        ),
        phases=evse.phases,
        max_current_a=evse.max_current_a,
        phase_switching=evse.phase_switching,
        lockable=any(each.lock is not None for each in evse.parts) or _drives_lock(evse.controller),
        metered=evse.meter is not None,
        voltage_v=evse.voltage_v,
        button=ButtonUse.OFF if evse.button is None else button,
        has_buzzer=evse.buzzer is not None,
        has_light=evse.led is not None or bool(evse.lights),
        tells_soc=evse.tells_soc,
        tells_temperature=bool(evse.temperatures),
    )


def _drives_lock(controller: ControllerSettings | None) -> bool:
    return controller is not None and controller.driver.options.get("lock") is True
