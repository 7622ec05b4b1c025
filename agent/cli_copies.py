"""What a copy of the journal tells the command line where no agent runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli_station import complain, settings_of

if TYPE_CHECKING:
    from agent.settings.station import Settings
    from agent.store import Store


def queue_at(config: Path, limit: int) -> dict[str, Any] | None:
    """Return ``queue_of_copy`` for a station file; ``None``: it is no good, or there is no journal, which was said."""
    settings = settings_of(config)
    return None if settings is None else queue_of_copy(settings, limit)


def queue_of_copy(settings: Settings, limit: int) -> dict[str, Any] | None:
    """Return what waits for the CSMS, in the words of the agent's answer; ``None``: said why not."""
    from agent.runtime.reports import queue_row

    def waiting(store: Store) -> dict[str, Any]:
        counts = store.counts()
        rows = [dict(queue_row(each)) for each in store.queue(limit)]
        return {"source": "copy", "waiting": counts.waiting, "dead": counts.dead, "rows": rows}

    return _read(settings, waiting)


def records_at(config: Path, limit: int) -> dict[str, Any] | None:
    """Return the charges that ended here, in the words of the agent's answer; ``None``: said why not."""
    from agent.runtime.book import record_row

    def records(store: Store) -> dict[str, Any]:
        rows = [
            record_row(each, store.utc_of(each.record.started_at), store.utc_of(each.record.ended_at))
            for each in store.charge_records(limit)
        ]
        return {"source": "copy", "rows": rows}

    settings = settings_of(config)
    return None if settings is None else _read(settings, records)


def _read(settings: Settings, ask: Callable[[Store], dict[str, Any]]) -> dict[str, Any] | None:
    from agent.errors import StoreError
    from agent.store import read_copy

    journal = settings.station.state_dir / "journal.sqlite"
    try:
        journal.stat()
        boot_id, utc_s = _clock_of(settings)
        with read_copy(journal, boot_id=boot_id, utc_s=utc_s, damaged=_complain_of_damage) as store:
            return ask(store)
    except FileNotFoundError:
        complain(f"No agent runs, and there is no journal at {journal}.")
    except (StoreError, OSError) as error:
        complain(f"No agent runs, and a copy of its journal cannot be read: {error}")
    return None


def _complain_of_damage(what: str) -> None:
    complain(
        f"The journal is damaged: {what}. What follows is not all that it held; the agent repairs it at its start."
    )


def _clock_of(settings: Settings) -> tuple[str, float | None]:
    """Return which boot this is and what time of day, as the station's clock says; unknown without it."""
    from drivers.api import ClockSource, DriverError
    from drivers.registry import open_driver

    try:
        clock: ClockSource = open_driver(settings.clock.target, settings.clock.options)
        return clock.boot_id(), clock.utc_s()
    except DriverError:
        return "", None
