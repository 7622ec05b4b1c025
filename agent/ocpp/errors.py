"""What goes wrong on an OCPP link, in words that belong to no version of the standard.

OcppError
├── LocalProtocolError    we were about to send something illegal: a bug of ours
├── RemoteProtocolError   the peer sent something illegal; carries the `Violation`
├── CallRejected          the peer answered our CALL with a CALLERROR
├── CallTimedOut          the peer did not answer our CALL in time
└── ConnectionLost        the connection ended before our CALL was answered
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from agent.errors import AgentError


class Violation(Enum):
    """The rule that a frame or a payload broke. Each dialect spells them in its own ``codes``.

    Source: OCPP-J 1.6 §4.2.3 and OCPP 2.0.1 part 4 §4.3, whose lists differ in content and in spelling.
    """

    FRAME = auto()  # not a legal OCPP-J frame: no JSON, no array, no readable id, wrong number of elements
    MESSAGE_TYPE = auto()  # a legal array with a message type number that we do not know
    FORMAT = auto()  # the payload is not a JSON object, or is broken JSON
    PROTOCOL = auto()  # the payload is incomplete for its action in a way that no schema tells
    OCCURRENCE = auto()  # a required member is missing, a list has too few or too many items
    TYPE = auto()  # a member has the wrong JSON type
    PROPERTY = auto()  # a member has the right type and a wrong value: enumeration, length, range, step, date
    NOT_IMPLEMENTED = auto()  # an action that the version does not know
    NOT_SUPPORTED = auto()  # an action of the version that this station does not offer
    SECURITY = auto()
    INTERNAL = auto()
    GENERIC = auto()


class OcppError(AgentError):
    """Root of what goes wrong on an OCPP link."""


class LocalProtocolError(OcppError):
    """We tried to send what the standard forbids. Nothing was sent; the caller has a bug."""


class RemoteProtocolError(OcppError):
    """The peer sent what the standard forbids.

    Attributes:
        violation: which rule it broke.
        description: one sentence for the log and for a CALLERROR, at most 255 characters.
        message_id: id of the offending frame, ``None`` where it could not be read.
        reply_expected: whether a CALLERROR may be sent at all: ``False`` for a broken CALLRESULT or CALLERROR, because
            an answer is never answered. What to do with ``message_id is None`` is the dialect's decision.
    """

    def __init__(
        self,
        violation: Violation,
        description: str,
        message_id: str | None = None,
        *,
        reply_expected: bool = True,
    ) -> None:
        self.violation = violation
        self.description = description[:255]
        self.message_id = message_id
        self.reply_expected = reply_expected
        super().__init__(f"{violation.name}: {self.description}")


class CallRejected(OcppError):
    """The peer answered with a CALLERROR. ``code`` is an open string: real peers mix the lists of both versions."""

    def __init__(self, code: str, description: str = "", details: Mapping[str, object] | None = None) -> None:
        self.code = code
        self.description = description
        self.details: Mapping[str, object] = {} if details is None else details
        super().__init__(f"{code}: {description}" if description else code)


class CallTimedOut(OcppError):
    """No answer came in time. Whether the peer acted on the CALL is unknown."""


class ConnectionLost(OcppError):
    """The connection ended first. Whether the peer acted on the CALL is unknown."""
