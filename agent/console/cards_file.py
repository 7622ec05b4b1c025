"""A file of cards: comma- or semicolon-separated, one card per line. Pure.

    uid,label,group,expires,status
    04A1B2C3D4,Anna,,2027-12-31,accepted

The first line names the columns, in any order; only ``uid`` is needed. Without such a line the columns are as above.
``expires`` is a date (until its end, UTC) or a time of RFC 3339; ``status`` is ``accepted`` or ``blocked``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

COLUMNS: Final = ("uid", "label", "group", "expires", "status")
UID_CHARS: Final = 36
LABEL_CHARS: Final = 60
_BYTES: Final = re.compile(r"[0-9A-Fa-f]{2}([:\- ][0-9A-Fa-f]{2})+")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_cards(text: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the cards as the door takes them, and every problem with its line."""
    lines = text.lstrip("\ufeff").splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    delimiter = ";" if first.count(";") > first.count(",") else ","
    cards: list[dict[str, Any]] = []
    problems: list[str] = []
    line_of: dict[str, int] = {}
    columns: tuple[str, ...] | None = None
    for number, row in enumerate(csv.reader(lines, delimiter=delimiter), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if columns is None:
            columns, is_header = _columns(cells)
            unknown = [each for each in columns if each not in COLUMNS]
            if unknown:
                return [], [f"line {number}: column {unknown[0]!r} is not one of {', '.join(COLUMNS)}"]
            if is_header:
                continue
        try:
            card = _card(cells, columns)
            key = card["token"].casefold()
            if key in line_of:
                raise ValueError(f"the card is already in line {line_of[key]}")
            line_of[key] = number
            cards.append(card)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    return cards, problems


def uid_of(text: str) -> str:
    """Return a card's number as readers give it: hexadecimal without separators, anything else as it is.

    Raises:
        ValueError: empty or too long.
    """
    plain = re.sub(r"[:\- ]", "", text).upper() if _BYTES.fullmatch(text) else text.strip()
    if not 0 < len(plain) <= UID_CHARS:
        raise ValueError(f"uid {text!r} is no text of 1 to {UID_CHARS} characters")
    return plain


def expiry_of(text: str) -> float | None:
    """Return when a card runs out, s since 1970 UTC; ``None`` for "". Raises ``ValueError``."""
    if not text:
        return None
    try:
        if _DAY.fullmatch(text):
            return (datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)).timestamp()
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expires {text!r} is no date like 2027-12-31 and no time of RFC 3339") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _columns(cells: list[str]) -> tuple[tuple[str, ...], bool]:
    names = tuple(cell.casefold() for cell in cells)
    return (names, True) if "uid" in names else (COLUMNS, False)


def _card(cells: list[str], columns: tuple[str, ...]) -> dict[str, Any]:
    if len(cells) > len(columns):
        raise ValueError(f"{len(cells)} columns are more than {len(columns)}")
    fields: Mapping[str, str] = dict(zip(columns, cells, strict=False))
    status = fields.get("status", "").casefold() or "accepted"
    if status not in ("accepted", "blocked"):
        raise ValueError(f"status {fields['status']!r} is not accepted or blocked")
    label, group = fields.get("label", ""), fields.get("group", "")
    if len(label) > LABEL_CHARS or len(group) > UID_CHARS:
        raise ValueError(f"label or group is longer than {LABEL_CHARS} or {UID_CHARS} characters")
    return {
        "token": uid_of(fields.get("uid", "")),
        "label": label,
        "group": group or None,
        "expires_utc_s": expiry_of(fields.get("expires", "")),
        "blocked": status == "blocked",
    }
