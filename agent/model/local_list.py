"""The local authorization list of the CSMS and the cards of the station's own, as commands and outcomes.

Two different things: the list belongs to the CSMS, which numbers its versions; the cards belong to whoever runs the
station. Source: OCPP 1.6 §3.5.2, §5.10, §5.15; OCPP 2.0.1 D01, D02.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from agent.model.ids import IdToken
from agent.model.verdicts import TokenVerdict


class ListUpdate(Enum):
    """How a list is sent."""

    FULL = "full"  # the list is this from now on
    DIFFERENTIAL = "differential"  # these entries change


class ListEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One token of the CSMS's list. ``verdict`` ``None`` (differential only): the token is taken off the list."""

    token: IdToken
    verdict: TokenVerdict | None = None


class SendLocalList(msgspec.Struct, frozen=True, kw_only=True):
    """Replace or change the list of the CSMS. ``version`` is what it is called afterwards, 1 or more."""

    version: int
    update: ListUpdate
    entries: tuple[ListEntry, ...] = ()


class GetLocalListVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Which version of the CSMS's list is here?"""


class ListStatus(Enum):
    """What became of a list."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    NOT_SUPPORTED = "not_supported"
    VERSION_MISMATCH = "version_mismatch"


class LocalListOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``SendLocalList``. ``why`` is for logs and people."""

    status: ListStatus
    why: str = ""


class LocalListVersionOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``GetLocalListVersion``: 0 is an empty list, ``None`` is no list in use."""

    version: int | None


class LocalCard(msgspec.Struct, frozen=True, kw_only=True):
    """A card of the station's own.

    Attributes:
        token: whose card it is.
        verdict: what the station's owner says of it, with its group and expiry.
        label: for people; never sent to a CSMS.
    """

    token: IdToken
    verdict: TokenVerdict
    label: str = ""


class PutCards(msgspec.Struct, frozen=True, kw_only=True):
    """Add cards of the station's own, or change those that are there. From the console only."""

    cards: tuple[LocalCard, ...]


class RemoveCard(msgspec.Struct, frozen=True, kw_only=True):
    """Forget a card of the station's own. From the console only."""

    token: IdToken


class LearnCards(msgspec.Struct, frozen=True, kw_only=True):
    """Take the next unknown card of any reader as the station's own instead of letting it charge.

    ``seconds`` 0 ends the learning. From the console only.
    """

    seconds: float
    label: str = ""


ListCommand = SendLocalList | GetLocalListVersion
CardCommand = PutCards | RemoveCard | LearnCards
