"""The station as it is built: what the charging core must know of the station file."""

from __future__ import annotations

from enum import Enum

import msgspec


class OnMeterLoss(Enum):
    """What a running transaction does when its meter falls silent."""

    CONTINUE = "continue"
    SUSPEND = "suspend"


class OnPowerLoss(Enum):
    """What happens to a transaction that a power cut interrupted."""

    END = "end"
    RESUME = "resume"


class OnOverCurrent(Enum):
    """What happens to a transaction whose vehicle draws more than it is offered."""

    SUSPEND = "suspend"
    END = "end"
    IGNORE = "ignore"


class ButtonUse(Enum):
    """What the start/stop button of an EVSE is for."""

    OFF = "off"
    STOP = "stop"
    START_STOP = "start_stop"


class ConnectorLayout(msgspec.Struct, frozen=True, kw_only=True):
    """One of several connectors of an EVSE; ``max_current_a`` is per phase."""

    connector_id: int
    max_current_a: float
    lockable: bool


class EvseLayout(msgspec.Struct, frozen=True, kw_only=True):
    """One EVSE. ``max_current_a`` is per phase; ``phases`` 1 or 3; ``lockable``: a socket with a lock.

    ``phase_switching``: a three-phase one may be told to charge on one phase. ``button``: OFF where there is none.
    ``tells_soc``: one of its parts may know the vehicle's state of charge. ``tells_temperature``: it has a sensor.
    """

    evse_id: int
    connector_ids: tuple[int, ...] = (1,)
    phases: int = 3
    max_current_a: float = 16.0
    lockable: bool = True
    metered: bool = True
    voltage_v: float = 230.0
    connectors: tuple[ConnectorLayout, ...] = ()  # where the guard sees each of several
    phase_switching: bool = False
    button: ButtonUse = ButtonUse.OFF
    has_buzzer: bool = False
    has_light: bool = False
    tells_soc: bool = False
    tells_temperature: bool = False

    def most_a(self, connector_id: int | None) -> float:
        """Return what the wiring of a connector carries, per phase; ``None``: of whichever is used."""
        own = (each.max_current_a for each in self.connectors if each.connector_id == connector_id)
        return next(own, self.max_current_a)


class MainMeterLayout(msgspec.Struct, frozen=True, kw_only=True):
    """The meter of the whole station. ``max_current_a`` per phase is the most that can flow there: it tells a register
    that ran from one that jumped.
    """

    max_current_a: float = 1000.0
    voltage_v: float = 230.0


class StationLayout(msgspec.Struct, frozen=True, kw_only=True):
    """The whole station.

    Attributes:
        readers: name of a card reader -> the EVSEs it serves, in the order of the station file.
        authorization_required: ``False`` is free vend: whoever plugs in may charge.
        meter_stale_s: age from which a reading counts as none, s.
        permit_valid_s: life of a permit, s.
        main_meter: ``None``: there is none.
        max_current_a: limit of the whole station's supply per phase, A; ``None``: no limit beyond the EVSEs' own.
    """

    evses: tuple[EvseLayout, ...]
    readers: dict[str, tuple[int, ...]]
    authorization_required: bool = True
    on_meter_loss: OnMeterLoss = OnMeterLoss.CONTINUE
    on_power_loss: OnPowerLoss = OnPowerLoss.END
    on_over_current: OnOverCurrent = OnOverCurrent.SUSPEND
    meter_stale_s: float = 10.0
    permit_valid_s: float = 30.0
    max_current_a: float | None = None
    main_meter: MainMeterLayout | None = None
