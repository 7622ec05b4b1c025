"""A fact in the journal, with what its delivery needs."""

from __future__ import annotations

import msgspec

from agent.model.facts import Fact
from agent.model.moment import Stamp


class JournalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One undelivered fact.

    Attributes:
        seq: place in the journal; delivery is strictly in this order.
        message_id: id of the OCPP message, fixed when the fact was appended; new after a CALLERROR, kept otherwise.
        attempts: transmissions that the CSMS failed to process so far (CALLERROR or time-out on a living link).
        sent: it was transmitted at least once, in whatever life of the process (so it may arrive twice).
        utc_s: UTC fixed at its first rendering where the fact's own stamp knew none; ``None`` before.
        csms_id: the CSMS's name for its transaction, if known by now.
        start_lost: its transaction's start was given up, so the CSMS never named it.
        age_s: how long it has been waiting, s; ``None`` across boots without a clock.
        last_error: what the CSMS last said about it.
        retry_at: the moment before which it must not be sent again; ``None``: it has not failed.
    """

    seq: int
    message_id: str
    fact: Fact
    attempts: int = 0
    sent: bool = False
    utc_s: float | None = None
    csms_id: str | None = None
    start_lost: bool = False
    age_s: float | None = None
    last_error: str = ""
    retry_at: Stamp | None = None
