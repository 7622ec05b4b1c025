"""Screens of ``cdr`` and ``ocpp log``: pure functions from the door's answers to text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any, Final

from agent.model.plain_text import printable

Answer = Mapping[str, Any]

COLUMNS: Final = (
    "started", "ended", "duration_s", "evse", "connector", "energy_wh", "meter_start_wh", "meter_stop_wh", "token",
    "stop_token", "reason", "offline", "delivery", "transaction", "csms_transaction", "gap",
)  # fmt: skip
_WIDTH: Final = 110


def records_screen(answer: Answer) -> str:
    """Return the charge records as a table, the newest first."""
    rows = answer["rows"]
    if not rows:
        return "No charge has ended yet."
    lines = [f"{'started (UTC)':20} {'duration':>9} {'EVSE':>4} {'Wh':>9}  {'card':11} {'ended by':16} CSMS"]
    for row in rows:
        energy = "?" if row["energy_wh"] is None else f"{row['energy_wh']:,}"
        lines.append(
            f"{_short(row['started']):20} {_duration(row['duration_s']):>9} {row['evse']:>4} {energy:>9}  "
            f"{row['token'] if row['token'] else '-':11} {row['reason']:16} {_delivered(row)}"
        )
        if row["gap"]:
            lines.append(f"{'':20} note: {row['gap']}")
    return "\n".join(lines)


def records_csv(answer: Answer) -> str:
    """Return the charge records as CSV (RFC 4180) with a head line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(answer["rows"])
    return text.getvalue().rstrip("\r\n")


def ladder_screen(answer: Answer) -> str:
    """Return frames as a ladder: station on the left, CSMS on the right, an answer with how long it took."""
    rows = answer["rows"]
    if not rows:
        return "No frame was sent or received since the agent started."
    asked: dict[tuple[str, str], tuple[str, float]] = {}
    return "\n".join([f"{'':14}station{'':30}CSMS", *(_rung(row, asked) for row in rows)])


def _rung(row: Answer, asked: dict[tuple[str, str], tuple[str, float]]) -> str:
    out = row["direction"] == "out"
    when = row["at"][11:23] if row["at"] else f"-{row['age_s']:.1f} s"
    try:
        frame = json.loads(row["frame"])
        kind, message_id = frame[0], str(frame[1])
    except (ValueError, IndexError, TypeError, KeyError):
        return f"{when:>13} {'──' if out else '<─'} {printable(row['frame'])} {'─>' if out else '──'}"
    if kind == 2 and len(frame) > 3:
        asked[("in" if out else "out", message_id)] = (str(frame[2]), row["age_s"])
        what, body = f"{frame[2]}", frame[3]
    else:
        action, age_s = asked.pop((row["direction"], message_id), ("?", row["age_s"]))
        took = f" after {1000 * (age_s - row['age_s']):.0f} ms" if action != "?" else ""
        if kind == 3:
            what, body = f"{action} answered{took}", frame[2] if len(frame) > 2 else {}
        else:
            what, body = f"{action} CALLERROR{took}", frame[2:]
    text = printable(f"{what}  {json.dumps(body, separators=(',', ':'), ensure_ascii=False)}")
    if len(text) > _WIDTH:
        text = text[: _WIDTH - 1] + "…"
    return f"{when:>13} {'──' if out else '<─'} {text} {'─>' if out else '──'}"


def _short(utc: str | None) -> str:
    return "time unknown" if utc is None else utc[:19].replace("T", " ")


def _duration(duration_s: float | None) -> str:
    if duration_s is None:
        return "?"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def _delivered(row: Answer) -> str:
    words = {"waiting": "waiting", "delivered": "delivered", "given_up": "GIVEN UP"}[row["delivery"]]
    return f"{words} as {row['csms_transaction']}" if row["csms_transaction"] else words
