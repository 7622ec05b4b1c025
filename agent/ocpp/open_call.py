"""Our CALLs: what each is about, and the one that waits for its answer."""

from __future__ import annotations

from dataclasses import dataclass

from agent.model.ids import IdToken
from agent.model.journal import JournalRow
from agent.ocpp.dialect import Message
from agent.ocpp.status_board import StatusReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """A boot notification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A heartbeat, on time or asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A message whose answer nobody waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The core wants to know about a token, at the latest by ``until_s``."""

    request_id: int
    token: IdToken
    until_s: float


About = Boot | Heartbeat | Plain | Asked | StatusReport | JournalRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A message outside the journal that the CSMS asked for and that waits for its turn."""

    message: Message
    about: Heartbeat | Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """Our one CALL that waits for its answer until ``deadline_s``."""

    message_id: str
    action: str
    about: About
    deadline_s: float
