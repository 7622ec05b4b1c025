"""The door's answers about the past: the station's own book of charges, and the last frames to and from the CSMS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from agent.clock import Clock
from agent.console.door import DoorError
from agent.errors import StoreError
from agent.model.moment import rfc3339
from agent.ocpp.frame_log import FrameLog
from agent.store import KeptRecord, StoreThread

Answer = Mapping[str, Any]
ROWS_MAX: Final = 5_000


class Book:
    """Answers ``cdr``."""

    def __init__(self, store: StoreThread) -> None:
        self._store = store

    async def cdr(self, request: Answer) -> Answer:
        """Return the newest charge records, the newest first."""
        try:
            kept = await self._store.charge_records(_limit(request))
        except StoreError as error:
            raise DoorError(f"the journal cannot be read: {error}") from error
        return {"source": "agent", "rows": [record_row(*each) for each in kept]}


def frame_rows(frames: FrameLog, clock: Clock, request: Answer) -> Answer:
    """Return the last frames, the oldest first; tokens hashed, secrets gone. Raises ``DoorError``."""
    now = clock.now()
    return {
        "rows": [
            {
                "at": None if now.utc_s is None else rfc3339(now.utc_s - (now.mono_s - each.at_s)),
                "age_s": round(now.mono_s - each.at_s, 3),
                "direction": "out" if each.outgoing else "in",
                "frame": each.text,
            }
            for each in frames.frames(_limit(request))
        ]
    }


def record_row(kept: KeptRecord, started_utc_s: float | None, ended_utc_s: float | None) -> dict[str, Any]:
    """Return a charge record as it is shown; times are ``None`` while nobody knew the time of day."""
    record = kept.record
    same_boot = record.started_at.boot_id == record.ended_at.boot_id
    if same_boot:
        took_s: float | None = record.ended_at.mono_s - record.started_at.mono_s
    else:
        took_s = None if started_utc_s is None or ended_utc_s is None else ended_utc_s - started_utc_s
    return {
        "transaction": record.transaction_id,
        "csms_transaction": kept.csms_id,
        "evse": record.evse_id,
        "connector": record.connector_id,
        "started": None if started_utc_s is None else rfc3339(started_utc_s),
        "ended": None if ended_utc_s is None else rfc3339(ended_utc_s),
        "duration_s": None if took_s is None else round(took_s),
        "meter_start_wh": record.meter_start_wh,
        "meter_stop_wh": record.meter_stop_wh,
        "energy_wh": record.energy_wh,
        "token": record.token,
        "stop_token": record.stop_token,
        "reason": record.reason.value,
        "offline": record.offline,
        "gap": record.gap,
        "delivery": kept.delivery.value,
    }


def _limit(request: Answer) -> int:
    limit = request.get("limit", 100)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= ROWS_MAX:
        raise DoorError(f"limit {limit!r} is not a number from 1 to {ROWS_MAX}")
    return limit
