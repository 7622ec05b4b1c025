"""Screens of ``auth explain`` and ``cards list``: pure functions from the door's answers to text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Answer = Mapping[str, Any]


def explain_screen(answer: Answer) -> str:
    """Return what would happen to a card, and why."""
    lines = [f"{answer['token']}"]
    for known in answer["known"]:
        group = f", group {known['group']}" if known["group"] else ""
        expires = f", until {known['expires']}" if known["expires"] else ""
        lines.append(f"  known     {known['source']}: {known['verdict']}{group}{expires}")
    if not answer["known"]:
        lines.append("  known     nothing")
    off = [source for source, used in answer["sources"].items() if not used]
    if off:
        lines.append(f"  not used  {', '.join(off)}")
    for name, now in (("online", answer["online_now"]), ("offline", not answer["online_now"])):
        mark = "  <- now" if now else ""
        lines.append(f"  {name:<9} {answer[name]['text']}: {answer[name]['why']}{mark}")
    lines.append(f"  later     {answer['afterwards']}")
    lines += [
        f"  EVSE {evse['id']:<4} takes nobody now: {evse['closed']}"
        for evse in answer.get("evses", ())
        if evse["closed"]
    ]
    return "\n".join(lines)


def cards_screen(answer: Answer) -> str:
    """Return the station's own cards, one per line."""
    if not answer["cards"]:
        return "The station has no cards of its own."
    lines = [f"{'card':<20} {'label':<24} {'group':<16} {'expires':<24} status"]
    for card in answer["cards"]:
        status = "blocked" if card["blocked"] else "accepted"
        group, expires = card["group"] or "-", card["expires"] or "-"
        lines.append(f"{card['token']:<20} {card['label'] or '-':<24} {group:<16} {expires:<24} {status}")
    return "\n".join(lines)
