"""Tables and verdicts as text. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

NOTHING: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A target and what was measured."""

    name: str
    target: str
    measured: str
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one benchmark has to say."""

    table: str
    verdicts: Sequence[Verdict] = field(default=())


def at_most(name: str, measured: float, limit: float, unit: str = "") -> Verdict:
    """Return the verdict on something that should be small."""
    return _verdict(name, measured, limit, unit, sign="<=", met=measured <= limit)


def at_least(name: str, measured: float, limit: float, unit: str = "") -> Verdict:
    """Return the verdict on something that should be large."""
    return _verdict(name, measured, limit, unit, sign=">=", met=measured >= limit)


def grid(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]], notes: Sequence[str] = ()) -> str:
    """Return a table with a title above and notes below; the first column is as wide as its longest name."""
    first = max(len(name) for name in rows)
    widths = [max(len(column), *(len(cells[i]) for cells in rows.values())) for i, column in enumerate(columns)]
    lines = [
        title,
        " " * first + "".join(f"  {column:>{width}}" for column, width in zip(columns, widths, strict=True)),
    ]
    for name, cells in rows.items():
        lines.append(f"{name:<{first}}" + "".join(f"  {c:>{w}}" for c, w in zip(cells, widths, strict=True)))
    return "\n".join([*lines, *(f"  {note}" for note in notes)])


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """Return all verdicts as one table."""
    rows = {each.name: (each.target, each.measured, "met" if each.met else "MISSED") for each in verdicts}
    return grid("targets", ("target", "measured", "verdict"), rows)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` (0-1) of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float], *, digits: int = 2) -> tuple[str, str, str, str, str]:
    """Return median, p99, p99.9, maximum and count as cells."""
    found = (statistics.median(values), percentile(values, 0.99), percentile(values, 0.999), max(values))
    p50, p99, p999, most = (f"{value:.{digits}f}" for value in found)
    return p50, p99, p999, most, f"{len(values):,}"


SPREAD_COLUMNS: Final = ("p50", "p99", "p99.9", "max", "n")


def ratio(value: float, reference: float) -> str:
    """Return ``value`` as a multiple of a baseline's."""
    return f"x{value / reference:.2f}" if reference else NOTHING


def _verdict(name: str, measured: float, limit: float, unit: str, *, sign: str, met: bool) -> Verdict:
    after = f" {unit}" if unit else ""
    return Verdict(name=name, target=f"{sign} {limit:g}{after}", measured=f"{measured:.3g}{after}", met=met)
