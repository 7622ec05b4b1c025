"""What happened, as it is journalled. OCPP messages are rendered from facts; facts know no OCPP version.

Facts are msgspec Structs with a tag because the journal stores them as JSON. Only ever add optional fields: a journal
written by an older release must decode.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from agent.model.ids import IdToken
from agent.model.maintenance import FirmwareProgressed, UploadProgressed
from agent.model.moment import Stamp
from agent.model.sample import Sample
from agent.model.security import SecurityEventKind


class ChargingState(Enum):
    """State of the energy transfer within a transaction (OCPP 2.0.1 ChargingStateEnumType)."""

    CHARGING = "charging"
    CONNECTED = "connected"  # EV connected, power path not closed
    SUSPENDED_EV = "suspended_ev"
    SUSPENDED_EVSE = "suspended_evse"
    IDLE = "idle"  # no EV


class Trigger(Enum):
    """What caused a transaction fact; the most specific one."""

    AUTHORIZED = "authorized"
    DEAUTHORIZED = "deauthorized"
    CABLE_PLUGGED_IN = "cable_plugged_in"
    CHARGING_STATE_CHANGED = "charging_state_changed"
    EV_DEPARTED = "ev_departed"
    EV_CONNECT_TIMEOUT = "ev_connect_timeout"
    METER_PERIODIC = "meter_periodic"
    METER_CLOCK = "meter_clock"
    REMOTE_START = "remote_start"
    REMOTE_STOP = "remote_stop"
    STOP_AUTHORIZED = "stop_authorized"
    ABNORMAL_CONDITION = "abnormal_condition"
    RESET_COMMAND = "reset_command"
    UNLOCK_COMMAND = "unlock_command"
    TRIGGERED = "triggered"
    POWER_RESTORED = "power_restored"


class StopReason(Enum):
    """Why a transaction ended."""

    LOCAL = "local"
    REMOTE = "remote"
    EV_DISCONNECTED = "ev_disconnected"
    DEAUTHORIZED = "deauthorized"
    EMERGENCY_STOP = "emergency_stop"
    GROUND_FAULT = "ground_fault"
    POWER_LOSS = "power_loss"
    POWER_QUALITY = "power_quality"
    OVER_CURRENT = "over_current"
    SOFT_RESET = "soft_reset"
    HARD_RESET = "hard_reset"
    REBOOT = "reboot"
    UNLOCK_COMMAND = "unlock_command"
    TIMEOUT = "timeout"
    MASTER_PASS = "master_pass"
    OTHER = "other"


class TransactionStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A transaction began: authorised and connected, before the first energy.

    Attributes:
        meter_start_wh: the meter's lifetime register, whole Wh; ``None`` only where the EVSE has no meter.
        offline: the station was offline when it happened.
    """

    transaction_id: str
    evse_id: int
    connector_id: int
    seq_no: int
    at: Stamp
    trigger: Trigger
    charging_state: ChargingState
    token: IdToken
    meter_start_wh: int | None
    samples: tuple[Sample, ...] = ()
    remote_start_id: int | None = None
    reservation_id: int | None = None
    offline: bool = False


class TransactionUpdated(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something happened within a transaction: a sample was due, or the charging state changed."""

    transaction_id: str
    evse_id: int
    connector_id: int
    seq_no: int
    at: Stamp
    trigger: Trigger
    charging_state: ChargingState
    token: IdToken | None = None
    samples: tuple[Sample, ...] = ()
    remote_start_id: int | None = None
    offline: bool = False


class TransactionEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A transaction ended.

    Attributes:
        token: who stopped it; ``None`` where nobody did (unplugged, power loss, reset, remote).
        meter_stop_wh: the register read after the contactor was confirmed open and the current was zero, whole Wh.
        meter_stop_at: when that register was measured (it may be older than ``at``).
        gap: why the register at the end is not the register at the moment of opening; ``None`` where it is.
    """

    transaction_id: str
    evse_id: int
    connector_id: int
    seq_no: int
    at: Stamp
    trigger: Trigger
    reason: StopReason
    token: IdToken | None
    meter_stop_wh: int | None
    meter_stop_at: Stamp | None = None
    samples: tuple[Sample, ...] = ()
    gap: str | None = None
    offline: bool = False


class SecurityEvent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that concerns the station's security. ``text`` holds no secret; at most 255 characters are told."""

    event: SecurityEventKind
    at: Stamp
    text: str = ""

    @property
    def transaction_id(self) -> str:
        """Return nothing: it belongs to no transaction."""
        return ""


class MetersSampled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A clock-aligned sample while no transaction ran. EVSE and connector 0: of the station's main meter."""

    evse_id: int
    connector_id: int
    at: Stamp
    samples: tuple[Sample, ...] = ()

    @property
    def transaction_id(self) -> str:
        """Return nothing: it belongs to no transaction."""
        return ""


Fact = (
    TransactionStarted
    | TransactionUpdated
    | TransactionEnded
    | SecurityEvent
    | MetersSampled
    | FirmwareProgressed
    | UploadProgressed
)
TransactionFact = TransactionStarted | TransactionUpdated | TransactionEnded


class TransactionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction as the store keeps it: what a restart needs to go on or to end it.

    Attributes:
        csms_id: the CSMS's name for it, once known; dialects whose station names transactions set it to
            ``transaction_id``.
        next_seq_no: number of the next fact of this transaction.
        last_wh, last_at: newest durable register of this transaction.
        ending: a stop was decided and only the meter's last word is missing.
        ended: its ``TransactionEnded`` is in the journal.
    """

    transaction_id: str
    evse_id: int
    connector_id: int
    token: IdToken
    group: str | None = None
    csms_id: str | None = None
    started_at: Stamp
    meter_start_wh: int | None
    next_seq_no: int
    last_wh: int | None
    last_at: Stamp | None
    charging_state: ChargingState = ChargingState.CONNECTED
    ending: StopReason | None = None
    ending_token: IdToken | None = None
    ended: bool = False
    energy_left_wh: int | None = None
