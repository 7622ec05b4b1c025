"""Points in time as OCPP writes them: one strict form out, many forms in.

Out: ``2026-11-20T13:48:02.125Z``, always UTC, always milliseconds. Several back ends refuse anything else.
In: RFC 3339, and what real back ends send besides: a blank instead of the ``T``, a fraction of any length or after a
comma, no seconds, no zone (taken as UTC), an offset without colon, a leap second.

Source: OCPP 1.6 §3.15 and OCPP 2.0.1 part 2 (RFC 3339, at most 3 fraction digits).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NewType

WireTime = NewType("WireTime", str)
"""The text of a point in time inside a message. Made by `format_utc` on the way out; read with `utc_s`."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  arithmetic without a zone, in UTC throughout
_OUTGOING: Final = "%04d-%02d-%02dT%02d:%02d:%02d"
_INCOMING: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]"
    r"([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)? ?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2})?)?"
)
_LAST_SECOND: Final = 59
_MINUTES_PER_DAY: Final = 24 * 60


def format_utc(utc_s: float) -> WireTime:
    """Write seconds since 1970-01-01T00:00:00Z, rounded to the millisecond.

    Raises:
        ValueError: outside the years 1-9999, or not a number.
    """
    try:
        second, millisecond = divmod(round(utc_s * 1000), 1000)
        return WireTime(f"{_second(second)}.{millisecond:03d}Z")
    except (OverflowError, ValueError) as exc:
        raise ValueError(f"{utc_s!r} s since 1970 is outside the years 1-9999") from exc


@lru_cache(maxsize=8)
def _second(second: int) -> str:
    """Write a whole second; a fact has several times within one, and its sample mostly the same."""
    at = _EPOCH + timedelta(seconds=second)
    return _OUTGOING % (at.year, at.month, at.day, at.hour, at.minute, at.second)


def utc_s(text: str) -> float:
    """Return seconds since 1970-01-01T00:00:00Z.

    A leap second is the first moment of the next minute. Precision is a microsecond.

    Raises:
        ValueError: not one of the forms above, or no such day or hour.
    """
    match = _INCOMING.fullmatch(text) if len(text) <= 128 else None
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a date-time (RFC 3339)")
    date, hour_minute, second_text, fraction, sign, offset_hours, offset_minutes = match.groups()
    second = int(second_text or 0)
    leap = second == _LAST_SECOND + 1
    offset_min = int(offset_hours or 0) * 60 + int(offset_minutes or 0)
    if offset_min >= _MINUTES_PER_DAY or int(offset_minutes or 0) > _LAST_SECOND:
        raise ValueError(f"{text!r} is not a date-time (RFC 3339): no such offset")
    try:
        local = datetime.fromisoformat(f"{date}T{hour_minute}:{_LAST_SECOND if leap else second:02d}")
    except ValueError as exc:
        raise ValueError(f"{text!r} is not a date-time (RFC 3339): {exc}") from exc
    whole_s = (local - _NAIVE_EPOCH) // timedelta(seconds=1) + leap - (-offset_min if sign == "-" else offset_min) * 60
    return whole_s + int((fraction or "0")[:6].ljust(6, "0")) / 1_000_000


def check_times(*texts: str | None) -> None:
    """Check members of a message that are points in time; ``None`` is an absent one.

    Raises:
        ValueError: one of them is not a date-time.
    """
    for text in texts:
        if text is not None and not _is_outgoing_form(text):
            utc_s(text)


def _is_outgoing_form(text: str) -> bool:
    """Recognise our own form and its neighbours quickly: this runs for every reading of every message."""
    if len(text) not in (20, 24) or text[10] != "T" or text[7] != "-" or text[-1] != "Z":
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
