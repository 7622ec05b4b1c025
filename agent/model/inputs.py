"""What reaches the charging core. Every input is handled at one moment that comes with it."""

from __future__ import annotations

from dataclasses import dataclass

from agent.model.commands import Command, TokenVerdict
from agent.model.evse import EvseCondition
from agent.model.faults import FaultCode
from agent.model.ids import IdToken
from drivers.api import MeterReading


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardReported:
    """The guard reported an EVSE."""

    condition: EvseCondition


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardLinkChanged:
    """The guard's socket came or went. Without it every EVSE's condition is unknown."""

    connected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPresented:
    """A card was presented, once per presentation. ``evse_id`` overrides the reader's rule."""

    reader: str
    token: IdToken
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingTaken:
    """A meter was read."""

    evse_id: int
    reading: MeterReading


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingFailed:
    """A meter could not be read."""

    evse_id: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationAnswered:
    """The answer to ``AskAuthorization``; ``verdict`` ``None``: nobody could be asked (offline, time-out, error)."""

    request_id: int
    verdict: TokenVerdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChanged:
    """The CSMS can be asked now (connected and registered), or not any more."""

    online: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FactAnswered:
    """The CSMS answered a transaction fact: its name for the transaction, and its word on the token if it gave one.

    ``retransmitted``: the same fact had been sent before, so ConcurrentTx may only mean that it arrived twice.
    ``token``: whom the verdict is about, where the fact named one; ``None``: the transaction's own.
    """

    transaction_id: str
    csms_id: str | None
    verdict: TokenVerdict | None
    retransmitted: bool = False
    token: IdToken | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReceived:
    """The CSMS (or the technician's console) asked for something. Exactly one ``Answer`` effect follows."""

    command_id: int
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultChanged:
    """A fault outside the guard was raised or cleared (reader lost, store failed, settings on last good copy)."""

    code: FaultCode
    raised: bool
    evse_id: int | None = None
    blocking: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariablesChanged:
    """Variables that the core reads have new values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed:
    """A deadline that the core named has come, or a second has passed."""


Input = (
    GuardReported
    | GuardLinkChanged
    | CardPresented
    | ReadingTaken
    | ReadingFailed
    | AuthorizationAnswered
    | LinkChanged
    | FactAnswered
    | CommandReceived
    | FaultChanged
    | VariablesChanged
    | TimePassed
)
