"""The terminal timeline of a charge: what happened, where, at which moment, how long after its cause. Pure.

One line per entry, in aligned columns:

     +0.000 s  card     04A2B3C4 is held to reader 1
     +0.041 s  CSMS     Authorize → Accepted                              41 ms after the tap
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TextIO

WIDTH_COLUMNS: Final = 100
NARROWEST_TEXT_COLUMNS: Final = 24
SOURCE_COLUMNS: Final = 8
CAUSE_COLUMNS: Final = 28
TIME_COLUMNS: Final = 11

RESET: Final = "\x1b[0m"
DIM: Final = "\x1b[2m"
BOLD: Final = "\x1b[1m"
GREEN: Final = "\x1b[32m"
RED: Final = "\x1b[31m"
SOURCE_COLOURS: Final[Mapping[str, str]] = {
    "card": "\x1b[35m",
    "car": "\x1b[36m",
    "pilot": "\x1b[36m",
    "lock": "\x1b[33m",
    "contactor": "\x1b[33m",
    "station": "\x1b[34m",
    "agent": "\x1b[34m",
    "guard": "\x1b[33m",
    "CSMS": "\x1b[32m",
    "meter": "\x1b[96m",
    "network": "\x1b[31m",
    "bench": DIM,
    "you": "\x1b[35m",
}

ASCII_WORDS: Final[Mapping[str, str]] = {
    "→": "->", "←": "<-", "…": "...", "━": "=", "–": "-", "—": "-", "·": "-", "×": "x", "≤": "<=", "≥": ">=", "≠": "!=",
    "✓": "ok", "✗": "FAILED", "─": "-", "°": " deg", "µ": "u", "Ω": " ohm", "\u202f": " ", "\u00a0": " ",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something that happened.

    Attributes:
        at_s: when, on any clock, the same for all entries.
        source: who or where: card, car, station, guard, CSMS, meter, network, bench.
        text: what happened.
        cause: what it followed from; None for what came from outside.
        label: how a later entry names this one as its cause ("the tap"); by default the source.
    """

    at_s: float
    source: str
    text: str
    cause: Entry | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How lines look: ``width`` in columns, colour, and whether signs beyond ASCII may be used."""

    width: int = WIDTH_COLUMNS
    colour: bool = False
    unicode: bool = True

    @classmethod
    def for_stream(cls, stream: TextIO, environ: Mapping[str, str], *, columns: int = WIDTH_COLUMNS) -> Style:
        """Choose the style for an output: colour only on a terminal and unless ``NO_COLOR`` is set and not empty.

        Source: no-color.org.
        """
        terminal = stream.isatty()
        colour = terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "").replace("_", "")
        return cls(width=min(columns, 140) if terminal else WIDTH_COLUMNS, colour=colour, unicode=encoding == "utf8")


@dataclass(slots=True)
class Timeline:
    """Renders entries one by one, as they happen. ``start_s`` is the moment that is shown as +0.000 s."""

    style: Style
    start_s: float
    sources: Sequence[str] = field(default_factory=lambda: tuple(SOURCE_COLOURS))

    def lines(self, entry: Entry) -> list[str]:
        """Return the entry's lines: one, or more when its text is long."""
        source_columns = max([SOURCE_COLUMNS, *map(len, self.sources)])
        gutter = TIME_COLUMNS + 2 + source_columns + 2
        cause = _plain(self.style, _cause_text(entry))
        room = self.style.width - gutter - CAUSE_COLUMNS - 2
        if room < NARROWEST_TEXT_COLUMNS:  # a narrow terminal: the cause goes behind the text
            room = max(NARROWEST_TEXT_COLUMNS, self.style.width - gutter)
            text = _plain(self.style, entry.text) + (f" ({cause})" if cause else "")
            cause = ""
        else:
            text = _plain(self.style, entry.text)
            room += 0 if cause else CAUSE_COLUMNS + 2
        first, *rest = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        time_text = f"{entry.at_s - self.start_s:+.3f} s".rjust(TIME_COLUMNS)
        source = self._paint(entry.source.ljust(source_columns), SOURCE_COLOURS.get(entry.source, BOLD))
        tail = f"{' ' * max(0, room - len(first))}  {self._paint(cause, DIM)}" if cause else ""
        lines = [f"{self._paint(time_text, DIM)}  {source}  {first}{tail}"]
        return lines + [" " * gutter + more for more in rest]

    def heading(self, text: str) -> str:
        """Return a line that begins a chapter."""
        line = _plain(self.style, f"── {text} ")
        return self._paint(line + _plain(self.style, "─") * max(0, self.style.width - len(line)), BOLD)

    def verdict(self, good: bool, text: str) -> str:
        """Return the line that says whether all was well."""
        sign = _plain(self.style, "✓" if good else "✗")
        return self._paint(f"{sign} {_plain(self.style, text)}", BOLD + (GREEN if good else RED))

    def _paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{RESET}" if self.style.colour and text.strip() else text


def render(entries: Iterable[Entry], style: Style, *, start_s: float | None = None) -> str:
    """Return the whole timeline in order of time; entries of one moment keep the order in which they are given.

    Args:
        start_s: the moment shown as +0.000 s; by default that of the first entry.
    """
    ordered = sorted(entries, key=lambda entry: entry.at_s)
    if not ordered:
        return ""
    begin_s = ordered[0].at_s if start_s is None else start_s
    timeline = Timeline(style, begin_s, tuple({entry.source: None for entry in ordered}))
    return "\n".join(line for entry in ordered for line in timeline.lines(entry)) + "\n"


def sayable(text: str, encoding: str | None) -> str:
    """Return a text as an output can say it: what a wire or a verb brought may hold half a character, for example."""
    known = encoding or "utf-8"
    return text.encode(known, "backslashreplace").decode(known)


def span(seconds: float) -> str:
    """Say how long something took, in the unit a reader wants: 0.4 ms, 41 ms, 3.2 s, 2 min 05 s, 1 h 07 min."""
    if seconds < 0.00995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _cause_text(entry: Entry) -> str:
    if entry.cause is None:
        return ""
    name = entry.cause.label or entry.cause.source
    after_s = entry.at_s - entry.cause.at_s
    return f"{span(after_s)} after {name}" if after_s >= 0 else f"{span(-after_s)} before {name}"


def _plain(style: Style, text: str) -> str:
    if style.unicode:
        return text
    for sign, word in ASCII_WORDS.items():
        text = text.replace(sign, word)
    return text.encode("ascii", "replace").decode("ascii")
