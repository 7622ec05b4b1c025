"""What the CSMS asks (commands) and what it is told (outcomes), without a word of any OCPP version's wire."""

from __future__ import annotations

from enum import Enum

import msgspec

from agent.model.ids import IdToken
from agent.model.local_list import (
    GetLocalListVersion,
    LearnCards,
    LocalListOutcome,
    LocalListVersionOutcome,
    PutCards,
    RemoveCard,
    SendLocalList,
)
from agent.model.maintenance import MaintenanceCommand, MaintenanceOutcome
from agent.model.profiles import ClearProfiles, CompositeOutcome, GetComposite, Profile, ProfilesCleared, SetProfile
from agent.model.reservations import CancelReservation, Reserve, ReserveOutcome
from agent.model.security import SecurityCommand, SecurityOutcome
from agent.model.verdicts import TokenVerdict as TokenVerdict
from agent.model.verdicts import Verdict as Verdict


class RequestStart(msgspec.Struct, frozen=True, kw_only=True):
    """Start charging for ``token``. ``evse_id`` ``None``: the station chooses. ``profile`` limits that transaction."""

    token: IdToken
    evse_id: int | None = None
    connector_id: int | None = None
    remote_start_id: int | None = None
    group: str | None = None
    profile: Profile | None = None


class RequestStop(msgspec.Struct, frozen=True, kw_only=True):
    """Stop the transaction that the CSMS knows by this name (its own id or ours)."""

    transaction: str


class ChangeAvailability(msgspec.Struct, frozen=True, kw_only=True):
    """Make operative or inoperative: the station (both ``None``), an EVSE, or one of its connectors.

    ``flat``: there are no levels (OCPP 1.6 §5.2, §6.9): the station means itself and every connector, and a connector
    that becomes operative is so whatever the station was; else a level above counts for all below it (OCPP 2.0.1 G03).
    """

    operative: bool
    evse_id: int | None = None
    connector_id: int | None = None
    flat: bool = False


class ResetKind(Enum):
    """How to restart."""

    GRACEFUL = "graceful"  # end transactions, then restart the software (1.6 Soft)
    IMMEDIATE = "immediate"  # end transactions at once, then restart (1.6 Hard, 2.0.1 Immediate)
    ON_IDLE = "on_idle"  # restart when no transaction runs (2.0.1 OnIdle)
    POWER_FAILING = "power_failing"  # the supply is about to end: end transactions, and restart if it did not


class Reset(msgspec.Struct, frozen=True, kw_only=True):
    """Restart the station, or one EVSE."""

    kind: ResetKind
    evse_id: int | None = None


class UnlockConnector(msgspec.Struct, frozen=True, kw_only=True):
    """Release the cable. ``ends_transaction``: a running transaction is ended first instead of being a refusal."""

    evse_id: int
    connector_id: int
    ends_transaction: bool


class ClearCache(msgspec.Struct, frozen=True, kw_only=True):
    """Forget every cached authorization."""


class TriggerKind(Enum):
    """Messages that the CSMS may ask for."""

    BOOT = "boot"
    HEARTBEAT = "heartbeat"
    STATUS = "status"
    METER_VALUES = "meter_values"
    TRANSACTION_EVENT = "transaction_event"
    LOG_STATUS = "log_status"
    DIAGNOSTICS_STATUS = "diagnostics_status"  # of an upload without a number (1.6)
    FIRMWARE_STATUS = "firmware_status"
    SIGNED_FIRMWARE_STATUS = "signed_firmware_status"  # where a version tells signed updates apart (1.6)
    SIGN_CERTIFICATE = "sign_certificate"  # ask for a certificate of the station's own


class TriggerMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Send a message now. ``kind`` ``None``: the CSMS asked for one that the station does not have."""

    kind: TriggerKind | None
    evse_id: int | None = None
    connector_id: int | None = None


class VariableRef(msgspec.Struct, frozen=True, kw_only=True):
    """A variable, in the shape of OCPP 2.0.1: component, variable, optional instances and EVSE."""

    component: str
    variable: str
    instance: str | None = None
    component_instance: str | None = None
    evse_id: int | None = None
    connector_id: int | None = None


class Attribute(Enum):
    """Attribute of a variable (OCPP 2.0.1 AttributeEnumType)."""

    ACTUAL = "Actual"
    TARGET = "Target"
    MIN_SET = "MinSet"
    MAX_SET = "MaxSet"


class GetVariables(msgspec.Struct, frozen=True, kw_only=True):
    """Read attributes; answered item by item in the same order."""

    queries: tuple[tuple[VariableRef, Attribute], ...]


class SetVariables(msgspec.Struct, frozen=True, kw_only=True):
    """Write attributes; answered item by item in the same order, after the changes are durable."""

    assignments: tuple[tuple[VariableRef, Attribute, str], ...]


class ReportBase(Enum):
    """Which variables a report contains."""

    CONFIGURATION = "configuration"  # those that can be written
    FULL = "full"
    SUMMARY = "summary"


class ReportVariables(msgspec.Struct, frozen=True, kw_only=True):
    """Send the device model in parts (2.0.1 GetBaseReport)."""

    request_id: int
    base: ReportBase


class VendorMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A DataTransfer of the CSMS."""

    vendor: str
    message: str | None = None
    content: str | None = None


class GetTransactionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Is this transaction running, and are facts still waiting (2.0.1)?"""

    transaction: str | None = None


Command = (
    RequestStart
    | RequestStop
    | ChangeAvailability
    | Reset
    | UnlockConnector
    | ClearCache
    | TriggerMessage
    | GetVariables
    | SetVariables
    | ReportVariables
    | VendorMessage
    | GetTransactionStatus
    | SetProfile
    | ClearProfiles
    | GetComposite
    | Reserve
    | CancelReservation
    | SendLocalList
    | GetLocalListVersion
    | PutCards
    | RemoveCard
    | LearnCards
    | SecurityCommand
    | MaintenanceCommand
)


class Answered(Enum):
    """The outcomes that most commands share."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SCHEDULED = "scheduled"
    NOT_IMPLEMENTED = "not_implemented"
    NOT_SUPPORTED = "not_supported"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of a start, stop, availability, reset, cache or trigger command. ``why`` is for logs and people."""

    answered: Answered
    why: str = ""
    transaction_id: str | None = None


class Unlocked(Enum):
    """Outcome of an unlock."""

    UNLOCKED = "unlocked"
    FAILED = "failed"
    ONGOING_TRANSACTION = "ongoing_transaction"
    UNKNOWN_CONNECTOR = "unknown_connector"
    NOT_SUPPORTED = "not_supported"


class UnlockOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``UnlockConnector``."""

    unlocked: Unlocked


class VariableStatus(Enum):
    """What became of one item of a get or set."""

    ACCEPTED = "accepted"
    REBOOT_REQUIRED = "reboot_required"
    REJECTED = "rejected"
    READ_ONLY = "read_only"
    WRITE_ONLY = "write_only"
    UNKNOWN_COMPONENT = "unknown_component"
    UNKNOWN_VARIABLE = "unknown_variable"
    NOT_SUPPORTED_ATTRIBUTE = "not_supported_attribute"


class VariableResult(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one item. ``value`` is set for accepted reads ("" where the attribute is unset).

    ``read_only``: nobody can write the variable.
    """

    ref: VariableRef
    attribute: Attribute
    status: VariableStatus
    value: str | None = None
    why: str = ""
    read_only: bool = False


class VariablesOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``GetVariables`` and ``SetVariables``, in the order of the items."""

    results: tuple[VariableResult, ...]


class VendorOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``VendorMessage``: nobody here knows a vendor, unless one is configured."""

    known_vendor: bool = False
    known_message: bool = False
    accepted: bool = False


class TransactionStatusOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``GetTransactionStatus``. ``ongoing`` is ``None`` where no transaction was named."""

    ongoing: bool | None
    messages_in_queue: bool


AnyOutcome = (
    Outcome
    | UnlockOutcome
    | VariablesOutcome
    | VendorOutcome
    | TransactionStatusOutcome
    | ProfilesCleared
    | CompositeOutcome
    | ReserveOutcome
    | LocalListOutcome
    | LocalListVersionOutcome
    | SecurityOutcome
    | MaintenanceOutcome
)
