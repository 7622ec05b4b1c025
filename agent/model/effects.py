"""What the charging core wants done. Durable effects are committed first, in one transaction; then the rest is performed.

The exception is ``WithdrawPermit``: opening never waits for a commit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.model.commands import AnyOutcome, ResetKind, TokenVerdict
from agent.model.facts import Fact, TransactionRecord
from agent.model.ids import IdToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Durable: append a fact to the journal."""

    fact: Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveTransaction:
    """Durable: the transaction is now this. An ``ended`` record may be dropped once its facts are delivered."""

    record: TransactionRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveAvailability:
    """Durable: availability set by the CSMS. Station: both ``None``; EVSE: connector ``None``."""

    operative: bool
    evse_id: int | None = None
    connector_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheToken:
    """Durable: remember what the CSMS said about a token."""

    token: IdToken
    verdict: TokenVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetTokens:
    """Durable: empty the authorization cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantPermit:
    """Send (or renew) a permit to the guard."""

    evse_id: int
    max_current_a: float
    phases: int
    valid_for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawPermit:
    """Withdraw the permit. Performed before any commit."""

    evse_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCable:
    """Lock or release the cable."""

    evse_id: int
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowState:
    """What the status LED shows: ``off``, ``on``, ``slow`` or ``fast``."""

    evse_id: int
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAuthorization:
    """Ask the CSMS about a token; answered by ``AuthorizationAnswered`` in any case."""

    request_id: int
    token: IdToken
    evse_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskReading:
    """Read this EVSE's meter now rather than at its next turn."""

    evse_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer a command, after everything it changed is durable."""

    command_id: int
    outcome: AnyOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged:
    """The view of this EVSE changed in a way that a CSMS may want to know; ``None``: the station as a whole."""

    evse_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Restart the software now: every transaction is ended and durable."""

    kind: ResetKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One log line: ``event`` is ``noun.past_verb``, fields carry units in their names. No id tokens in clear."""

    event: str
    evse_id: int | None = None
    level: str = "info"
    fields: dict[str, str | int | float | bool | None] = field(default_factory=dict)


Durable = Record | SaveTransaction | SaveAvailability | CacheToken | ForgetTokens
Effect = (
    Record
    | SaveTransaction
    | SaveAvailability
    | CacheToken
    | ForgetTokens
    | GrantPermit
    | WithdrawPermit
    | HoldCable
    | ShowState
    | AskAuthorization
    | AskReading
    | Answer
    | StatusChanged
    | Restart
    | Notice
)
