"""The time of day of everything in a fact, the same at every rendering. Pure."""

from __future__ import annotations

from agent.model.journal import JournalRow
from agent.model.moment import Stamp
from agent.ocpp.dialect import Resolve
from agent.ocpp.wire_time import WireTime, format_utc


def fact_time(row: JournalRow, resolve: Resolve) -> WireTime:
    """Return when the fact happened: what its first rendering fixed, else its own stamp."""
    return format_utc(row.utc_s if row.utc_s is not None else resolve(row.fact.at))


def sample_time(stamp: Stamp, row: JournalRow, resolve: Resolve) -> WireTime:
    """Return when a sample of the fact was taken.

    Without a time of its own it keeps its distance to the fact, whose time the first rendering fixed.
    """
    at = row.fact.at
    if stamp.utc_s is None and row.utc_s is not None and stamp.boot_id == at.boot_id:
        return format_utc(row.utc_s + (stamp.mono_s - at.mono_s))
    return format_utc(resolve(stamp) if stamp.utc_s is None else stamp.utc_s)
