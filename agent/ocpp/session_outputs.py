"""What a session asks its owner to do, in the order of the list that a call returns."""

from __future__ import annotations

import msgspec

from agent.model.commands import TriggerKind
from agent.model.inputs import Input


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Write one WebSocket text message."""

    text: str


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """Close the connection with this WebSocket close code, then call ``Session.closed`` and reconnect with back-off."""

    code: int
    reason: str


class ToCore(msgspec.Struct, frozen=True, kw_only=True):
    """Hand an input to the charging core."""

    input: Input


class MarkSent(msgspec.Struct, frozen=True, kw_only=True):
    """A fact is about to be transmitted (the ``Send`` follows): its row is ``sent`` from now on.

    Attributes:
        utc_s: the time of day that this rendering fixed because the fact knew none: it must be durable before the
            ``Send`` is performed. ``None``: nothing was fixed, and the mark may be written lazily.
    """

    seq: int
    utc_s: float | None


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """A fact is delivered: remove its row and remember ``csms_id`` (if not ``None``) for its transaction, in one
    commit.
    """

    seq: int
    csms_id: str | None


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The CSMS failed to process a fact: count one attempt, and keep from when on the next one may come.

    ``new_message_id``: the next one needs a fresh id. ``wait_s``: how long it has to wait from now.
    """

    seq: int
    error: str
    new_message_id: bool
    wait_s: float


class GiveUp(msgspec.Struct, frozen=True, kw_only=True):
    """A fact failed for good: move it to the dead letters; the next one goes.

    ``attempted``: the last transmission is not counted yet.

    Where the fact is a ``TransactionStarted`` the other facts of its transaction have ``start_lost`` from now on.
    """

    seq: int
    error: str
    attempted: bool = True


class ClockHeard(msgspec.Struct, frozen=True, kw_only=True):
    """The CSMS said what time it is."""

    utc_s: float


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The CSMS answered a boot notification.

    Attributes:
        status: ``accepted``, ``pending`` or ``rejected``.
        interval_s: accepted: the heartbeat interval now in use (the variable should say so); else the wait before the
            next boot notification.
    """

    status: str
    interval_s: float


class Triggered(msgspec.Struct, frozen=True, kw_only=True):
    """The CSMS was told that this comes: make it and pass it to ``Session.send`` (or the journal). ``None``: every
    EVSE.
    """

    kind: TriggerKind
    evse_id: int | None


class Suspicious(msgspec.Struct, frozen=True, kw_only=True):
    """The CSMS sent something that no CSMS should send. ``text`` holds nothing of its content that could be secret."""

    text: str


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One log line: ``event`` is ``noun.past_verb``; no id tokens in the fields."""

    event: str
    level: str = "info"
    fields: dict[str, str | int | float | bool | None] = msgspec.field(default_factory=dict)


Output = (
    Send
    | Drop
    | ToCore
    | MarkSent
    | Acknowledged
    | Failed
    | GiveUp
    | ClockHeard
    | Registered
    | Triggered
    | Suspicious
    | LogLine
)
