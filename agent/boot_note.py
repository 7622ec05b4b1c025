"""What the next boot notification needs to know before the journal is open: one small file beside it.

The link to the CSMS does not wait for the database, so that a station with a sick disk still boots, reports and can be
asked. Losing the note costs nothing but a less exact boot reason.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from agent.atomic import replace_file
from agent.model.variables import StoredValue

NAME: Final = "boot-note.json"
DIALLING: Final = "ocppcommctrlr."  # variables that opening the link may need


class BootNote(msgspec.Struct, frozen=True, kw_only=True):
    """Which boot wrote it, why it was about to restart (empty: nobody decided that), what the CSMS set for the link."""

    boot_id: str = ""
    reason: str = ""
    values: tuple[StoredValue, ...] = ()


def read_note(state_dir: Path) -> BootNote:
    """Return the note of the last run; an empty one where it is missing or damaged."""
    try:
        return msgspec.json.decode((state_dir / NAME).read_bytes(), type=BootNote)
    except (OSError, ValueError):
        return BootNote()


def write_note(state_dir: Path, note: BootNote) -> None:
    """Leave a note for the next start, if it says something new. Raises ``OSError``."""
    if note != read_note(state_dir):
        replace_file(state_dir / NAME, msgspec.json.encode(note))


def boot_reason(note: BootNote, boot_id: str) -> str:
    """Return the reason of this start in the dialects' words."""
    if note.boot_id != boot_id:
        return "power_up"
    return note.reason or "unknown"
