"""Our CALLs: what each is about, and the one that waits for its answer."""

from __future__ import annotations

import msgspec

from agent.model.ids import IdToken
from agent.model.journal import JournalRow
from agent.ocpp.dialect import Message
from agent.ocpp.status_board import StatusReport


class Boot(msgspec.Struct, frozen=True, kw_only=True):
    """A boot notification."""


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """A heartbeat, on time or asked for."""


class Plain(msgspec.Struct, frozen=True, kw_only=True):
    """A message whose answer nobody waits for."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The core wants to know about a token, at the latest by ``until_s``."""

    request_id: int
    token: IdToken
    until_s: float


About = Boot | Heartbeat | Plain | Asked | StatusReport | JournalRow


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A message outside the journal that the CSMS asked for and that waits for its turn."""

    message: Message
    about: Heartbeat | Plain


class OpenCall(msgspec.Struct, frozen=True, kw_only=True):
    """Our one CALL that waits for its answer until ``deadline_s``."""

    message_id: str
    action: str
    about: About
    deadline_s: float
