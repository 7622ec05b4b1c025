"""What the CSMS asks (commands) and what it is told (outcomes), without a word of any OCPP version's wire."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.model.ids import IdToken


class Verdict(Enum):
    """The CSMS's, the cache's or the list's word on an id token."""

    ACCEPTED = "accepted"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    INVALID = "invalid"
    CONCURRENT = "concurrent"
    OTHER = "other"  # no credit, not at this time or location, unknown ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenVerdict:
    """An answer about a token. ``group`` is the parent id (1.6) or group id token (2.0.1); expiry in UTC seconds."""

    verdict: Verdict
    group: str | None = None
    expires_utc_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStart:
    """Start charging for ``token``. ``evse_id`` ``None``: the station chooses."""

    token: IdToken
    evse_id: int | None = None
    remote_start_id: int | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStop:
    """Stop the transaction that the CSMS knows by this name (its own id or ours)."""

    transaction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAvailability:
    """Make operative or inoperative: the station (both ``None``), an EVSE, or one of its connectors."""

    operative: bool
    evse_id: int | None = None
    connector_id: int | None = None


class ResetKind(Enum):
    """How to restart."""

    GRACEFUL = "graceful"  # end transactions, then restart the software (1.6 Soft)
    IMMEDIATE = "immediate"  # end transactions at once, then restart (1.6 Hard, 2.0.1 Immediate)
    ON_IDLE = "on_idle"  # restart when no transaction runs (2.0.1 OnIdle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Restart the station, or one EVSE."""

    kind: ResetKind
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockConnector:
    """Release the cable. ``ends_transaction``: a running transaction is ended first instead of being a refusal."""

    evse_id: int
    connector_id: int
    ends_transaction: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearCache:
    """Forget every cached authorization."""


class TriggerKind(Enum):
    """Messages that the CSMS may ask for."""

    BOOT = "boot"
    HEARTBEAT = "heartbeat"
    STATUS = "status"
    METER_VALUES = "meter_values"
    TRANSACTION_EVENT = "transaction_event"
    LOG_STATUS = "log_status"
    FIRMWARE_STATUS = "firmware_status"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerMessage:
    """Send a message now. ``kind`` ``None``: the CSMS asked for one that the station does not have."""

    kind: TriggerKind | None
    evse_id: int | None = None
    connector_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableRef:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class GetVariables:
    """Read attributes; answered item by item in the same order."""

    queries: tuple[tuple[VariableRef, Attribute], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariables:
    """Write attributes; answered item by item in the same order, after the changes are durable."""

    assignments: tuple[tuple[VariableRef, Attribute, str], ...]


class ReportBase(Enum):
    """Which variables a report contains."""

    CONFIGURATION = "configuration"  # those that can be written
    FULL = "full"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportVariables:
    """Send the device model in parts (2.0.1 GetBaseReport)."""

    request_id: int
    base: ReportBase


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorMessage:
    """A DataTransfer of the CSMS."""

    vendor: str
    message: str | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTransactionStatus:
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
)


class Answered(Enum):
    """The outcomes that most commands share."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SCHEDULED = "scheduled"
    NOT_IMPLEMENTED = "not_implemented"
    NOT_SUPPORTED = "not_supported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockOutcome:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableResult:
    """Result of one item. ``value`` is set for accepted reads ("" where the attribute is unset)."""

    ref: VariableRef
    attribute: Attribute
    status: VariableStatus
    value: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariablesOutcome:
    """Outcome of ``GetVariables`` and ``SetVariables``, in the order of the items."""

    results: tuple[VariableResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorOutcome:
    """Outcome of ``VendorMessage``: nobody here knows a vendor, unless one is configured."""

    known_vendor: bool = False
    known_message: bool = False
    accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStatusOutcome:
    """Outcome of ``GetTransactionStatus``. ``ongoing`` is ``None`` where no transaction was named."""

    ongoing: bool | None
    messages_in_queue: bool


AnyOutcome = Outcome | UnlockOutcome | VariablesOutcome | VendorOutcome | TransactionStatusOutcome
