"""What the charging core wants done: durable effects are committed first, in one transaction, then the rest follows.

The exception is ``WithdrawPermit``: opening never waits for a commit.
"""

from __future__ import annotations

import msgspec

from agent.model.commands import AnyOutcome, ResetKind, TokenVerdict
from agent.model.facts import Fact, TransactionRecord
from agent.model.ids import IdToken
from agent.model.indications import ShownState, Sound
from agent.model.sample import Sample


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Durable: append a fact to the journal."""

    fact: Fact


class SaveTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """Durable: the transaction is now this. An ``ended`` record may be dropped once its facts are delivered."""

    record: TransactionRecord


class SaveAvailability(msgspec.Struct, frozen=True, kw_only=True):
    """Durable: availability set by the CSMS. Station: both ``None``; EVSE: connector ``None``."""

    operative: bool
    evse_id: int | None = None
    connector_id: int | None = None


class CacheToken(msgspec.Struct, frozen=True, kw_only=True):
    """Durable: remember what the CSMS said about a token."""

    token: IdToken
    verdict: TokenVerdict
    instead_of: str | None = None  # case-folded token that is forgotten for it, where the cache is full


class ForgetTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Durable: empty the authorization cache."""


class SaveDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Durable: keep ``body`` (JSON of the room that owns ``kind``) under ``key``; ``None`` removes it.

    Saying the same again writes nothing.
    """

    kind: str
    key: str
    body: bytes | None


class ReplaceDocuments(msgspec.Struct, frozen=True, kw_only=True):
    """Durable: ``bodies`` are the documents of ``kind`` from now on, all at once; equal ones are not written again."""

    kind: str
    bodies: dict[str, bytes]


class GrantPermit(msgspec.Struct, frozen=True, kw_only=True):
    """Send (or renew) a permit to the guard."""

    evse_id: int
    max_current_a: float
    phases: int
    valid_for_s: float
    connector_id: int = 1


class WithdrawPermit(msgspec.Struct, frozen=True, kw_only=True):
    """Withdraw the permit. Performed before any commit."""

    evse_id: int
    reason: str
    connector_id: int = 1


class HoldCable(msgspec.Struct, frozen=True, kw_only=True):
    """Lock or release the cable. ``kept``: locked also when the vehicle has left, until it is released."""

    evse_id: int
    held: bool
    kept: bool = False
    connector_id: int = 1


class ShowState(msgspec.Struct, frozen=True, kw_only=True):
    """Let the status light tell this state."""

    evse_id: int
    state: ShownState


class PlaySound(msgspec.Struct, frozen=True, kw_only=True):
    """Let the buzzer tell this event."""

    evse_id: int
    sound: Sound


class BlinkLight(msgspec.Struct, frozen=True, kw_only=True):
    """Let the status light signal for a moment that a card or a press is ``accepted`` or not: blink ``times``."""

    evse_id: int
    accepted: bool
    times: int


class AskAuthorization(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the CSMS about a token; answered by ``AuthorizationAnswered`` in any case."""

    request_id: int
    token: IdToken
    evse_id: int | None


class AskReading(msgspec.Struct, frozen=True, kw_only=True):
    """Read this EVSE's meter now rather than at its next turn."""

    evse_id: int


class SendSample(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the CSMS these values, which it asked for; EVSE 0 is the station's main meter."""

    evse_id: int
    sample: Sample


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer a command, after everything it changed is durable."""

    command_id: int
    outcome: AnyOutcome


class StatusChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The view of this EVSE changed in a way that a CSMS may want to know; ``None``: the station as a whole."""

    evse_id: int | None


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """Restart the software now: every transaction is ended and durable."""

    kind: ResetKind


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One log line: ``event`` is ``noun.past_verb``, fields carry units in their names. No id tokens in clear."""

    event: str
    evse_id: int | None = None
    level: str = "info"
    fields: dict[str, str | int | float | bool | None] = msgspec.field(default_factory=dict)


Durable = Record | SaveTransaction | SaveAvailability | CacheToken | ForgetTokens | SaveDocument | ReplaceDocuments
Effect = (
    Record
    | SaveTransaction
    | SaveAvailability
    | CacheToken
    | ForgetTokens
    | SaveDocument
    | ReplaceDocuments
    | GrantPermit
    | WithdrawPermit
    | HoldCable
    | ShowState
    | PlaySound
    | BlinkLight
    | AskAuthorization
    | AskReading
    | SendSample
    | Answer
    | StatusChanged
    | Restart
    | Notice
)
