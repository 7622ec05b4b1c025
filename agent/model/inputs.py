"""What reaches the charging core. Every input is handled at one moment that comes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from agent.model.commands import Command, TokenVerdict
from agent.model.evse import EvseCondition
from agent.model.faults import FaultCode
from agent.model.ids import IdToken

if TYPE_CHECKING:
    from drivers.api import MeterReading


class GuardReported(msgspec.Struct, frozen=True, kw_only=True):
    """The guard reported an EVSE."""

    condition: EvseCondition


class GuardLinkChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The guard's socket came or went. Without it every EVSE's condition is unknown."""

    connected: bool


class CardPresented(msgspec.Struct, frozen=True, kw_only=True):
    """A card was presented, once per presentation. ``evse_id`` overrides the reader's rule."""

    reader: str
    token: IdToken
    evse_id: int | None = None


class ButtonPressed(msgspec.Struct, frozen=True, kw_only=True):
    """The button of an EVSE was pressed, briefly, once."""

    evse_id: int


class ReadingTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A meter was read; EVSE 0 is the station's main meter."""

    evse_id: int
    reading: MeterReading


class ReadingFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A meter could not be read; EVSE 0 is the station's main meter."""

    evse_id: int
    error: str


class AuthorizationAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to ``AskAuthorization``; ``verdict`` ``None``: nobody could be asked (offline, time-out, error)."""

    request_id: int
    verdict: TokenVerdict | None


class LinkChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The CSMS can be asked now (connected and registered), or not any more."""

    online: bool


class FactAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """The CSMS answered a transaction fact: its name for the transaction, and its word on the token if it gave one.

    ``retransmitted``: the same fact had been sent before, so ConcurrentTx may only mean that it arrived twice.
    ``token``: whom the verdict is about, where the fact named one; ``None``: the transaction's own.
    """

    transaction_id: str
    csms_id: str | None
    verdict: TokenVerdict | None
    retransmitted: bool = False
    token: IdToken | None = None


class CommandReceived(msgspec.Struct, frozen=True, kw_only=True):
    """The CSMS (or the technician's console) asked for something. Exactly one ``Answer`` effect follows."""

    command_id: int
    command: Command


class FaultChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A fault outside the guard was raised or cleared (reader lost, store failed, settings on last good copy)."""

    code: FaultCode
    raised: bool
    evse_id: int | None = None
    blocking: bool = False
    text: str = ""


class VariablesChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Variables that the core reads have new values."""


class SampleAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The CSMS asked for a transaction's values now."""

    evse_id: int


class ValuesAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The CSMS asked for meter values now, and was told that they come (``Station.values_refusal``).

    Attributes:
        evse_id: 0 is the station's main meter; ``None``: every meter.
        named: component and variable of the list of measurands to tell.
    """

    evse_id: int | None
    named: tuple[str, str]


class MaintenanceHeld(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing new may begin to charge, because firmware is about to be installed; or it may again. Not durable."""

    held: bool


class TimePassed(msgspec.Struct, frozen=True, kw_only=True):
    """A deadline that the core named has come, or a second has passed."""


Input = (
    GuardReported
    | GuardLinkChanged
    | CardPresented
    | ButtonPressed
    | ReadingTaken
    | ReadingFailed
    | AuthorizationAnswered
    | LinkChanged
    | FactAnswered
    | CommandReceived
    | FaultChanged
    | VariablesChanged
    | SampleAsked
    | ValuesAsked
    | MaintenanceHeld
    | TimePassed
)
