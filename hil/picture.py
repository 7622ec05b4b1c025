"""Draws a charge as a self-contained SVG, readable on light and dark ground. Pure; the SVG is written by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from hil.demo_frames import Frame, is_periodic
from hil.evse import register_wh

WIDTH: Final = 960
LEFT: Final = 150
RIGHT: Final = 20
TOP: Final = 52
LANE: Final = 62
GAP: Final = 20
MESSAGE_LANE: Final = 96
LEAD_S: Final = 0.5
TICK_STEPS_S: Final = (1, 2, 5, 10, 20, 60, 120, 300)
MOST_TICKS: Final = 14
LETTER: Final = 6.2  # width of a small letter, for labels that must not run into each other
UNDRAWN: Final = frozenset({"Heartbeat"})

STYLE: Final = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 } .small { font-size: 10.5px } .muted { fill: #6e7781 }
  .grid { stroke: #d0d7de; stroke-width: 1 } .line { fill: none; stroke-width: 2; stroke-linejoin: round }
  .pilot { stroke: #0969da } .duty { stroke: #8250df } .coil { stroke: #bf8700 } .load { stroke: #cf222e }
  .current { stroke: #1a7f37 } .energy { stroke: #0a7ea4 } .area { stroke: none; opacity: .16 }
  .fpilot { fill: #0969da } .fduty { fill: #8250df } .fcoil { fill: #bf8700 } .fload { fill: #cf222e }
  .fcurrent { fill: #1a7f37 } .fenergy { fill: #0a7ea4 } .mark { stroke: #6e7781; stroke-dasharray: 2 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .muted { fill: #8d96a0 } .grid { stroke: #30363d } .mark { stroke: #8d96a0 }
    .pilot { stroke: #58a6ff } .duty { stroke: #bc8cff } .coil { stroke: #d29922 } .load { stroke: #ff7b72 }
    .current { stroke: #3fb950 } .energy { stroke: #39c5cf }
    .fpilot { fill: #58a6ff } .fduty { fill: #bc8cff } .fcoil { fill: #d29922 } .fload { fill: #ff7b72 }
    .fcurrent { fill: #3fb950 } .fenergy { fill: #39c5cf }
  }
"""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """One line in a lane: ``low`` and ``high`` are its values at the lane's bottom and top."""

    css: str
    label: str
    points: Sequence[Point]
    low: float
    high: float
    filled: bool = False


def draw_charge(
    trace: Sequence[tuple[float, str, Any]], frames: Sequence[Frame], *, begin_s: float, title: str, evse: int = 1
) -> str:
    """Return the picture of what was seen since ``begin_s``: four lanes over time, and the messages above them.

    Args:
        trace: entries of the bench's trace; earlier ones give the values at the start.
        frames: records of the CSMS.
    """
    moments = [at_s for at_s, _, _ in trace if at_s >= begin_s] or [begin_s + 1.0]
    span_s = max(1.0, max(moments) - begin_s) + 2 * LEAD_S
    curves = _curves(trace, f"evse{evse}.", begin_s - LEAD_S, span_s)
    height = TOP + MESSAGE_LANE + len(curves) * (LANE + GAP) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
        *_time_axis(span_s, height),
        *_messages(frames, begin_s, span_s, height),
    ]
    for number, lane in enumerate(curves):
        parts += _lane(lane, TOP + MESSAGE_LANE + number * (LANE + GAP), span_s)
    return "\n".join([*parts, "</svg>", ""])


def _curves(
    trace: Sequence[tuple[float, str, Any]], prefix: str, zero_s: float, span_s: float
) -> list[tuple[_Curve, ...]]:
    """Return the curves of every lane, from top to bottom."""

    def steps(signal: str) -> list[Point]:
        points = [(at_s - zero_s, float(value)) for at_s, name, value in trace if name == prefix + signal]
        return _stairs(points, span_s)

    energy = steps("energy_wh")
    first_wh, last_wh = register_wh(energy[0][1]), register_wh(energy[-1][1])
    counted = [(x, wh - first_wh) for x, wh in energy]
    most_wh = max([value for _, value in counted], default=1.0) or 1.0
    current = steps("current_a")
    top_a = max(16.0, max((value for _, value in current), default=0.0)) * 1.15
    return [
        (
            _Curve(css="pilot", label="pilot 12 / 9 / 6 V", points=steps("pilot_v"), low=0.0, high=13.0),
            _Curve(css="duty", label="duty 0-100 %", points=steps("duty_pct"), low=0.0, high=108.0),
        ),
        (
            _Curve(css="coil", label="contactor coil", points=steps("coil"), low=-1.4, high=1.1),
            _Curve(css="load", label="main contacts", points=steps("load"), low=-0.1, high=2.4, filled=True),
        ),
        (_Curve(css="current", label=f"current, {_most(current)}", points=current, low=0.0, high=top_a, filled=True),),
        (
            _Curve(
                css="energy",
                label=f"meter, +{last_wh - first_wh} Wh",
                points=counted,
                low=0.0,
                high=most_wh * 1.1,
                filled=True,
            ),
        ),
    ]


def _most(points: Sequence[Point]) -> str:
    return f"{max((value for _, value in points), default=0.0):.4g} A"


def _stairs(points: Sequence[Point], span_s: float) -> list[Point]:
    """Turn changes into a line with steps over the whole width; what was before the charge is its left end."""
    before = [value for x, value in points if x < LEAD_S]
    value = before[-1] if before else (points[0][1] if points else 0.0)
    line = [(0.0, value)]
    for x, new in points:
        if x >= LEAD_S:
            line += [(x, value), (x, new)]
            value = new
    return [*line, (span_s, value)]


def _x(at_s: float, span_s: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * at_s / span_s, 1)


def _lane(curves: Sequence[_Curve], top: float, span_s: float) -> Iterator[str]:
    bottom = top + LANE
    yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    for number, curve in enumerate(curves):
        yield f'<text class="small f{curve.css}" x="8" y="{top + 18 + 16 * number}">{escape(curve.label)}</text>'

        def y(value: float, curve: _Curve = curve) -> float:
            return round(bottom - LANE * (value - curve.low) / (curve.high - curve.low), 1)

        line = " ".join(f"{_x(at_s, span_s)},{y(value)}" for at_s, value in curve.points)
        if curve.filled and curve.points:
            floor = y(0.0)
            first, last = _x(curve.points[0][0], span_s), _x(curve.points[-1][0], span_s)
            yield f'<polygon class="area f{curve.css}" points="{first},{floor} {line} {last},{floor}"/>'
        yield f'<polyline class="line {curve.css}" points="{line}"/>'


def _time_axis(span_s: float, height: int) -> Iterator[str]:
    step_s = next((step for step in TICK_STEPS_S if span_s / step <= MOST_TICKS), TICK_STEPS_S[-1])
    for number in range(math.floor((span_s - LEAD_S) / step_s) + 1):
        x = _x(LEAD_S + number * step_s, span_s)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP + MESSAGE_LANE}" y2="{height - 30}"/>'
        yield f'<text class="small muted" x="{x}" y="{height - 14}" text-anchor="middle">{number * step_s} s</text>'


def _messages(frames: Sequence[Frame], begin_s: float, span_s: float, height: int) -> Iterator[str]:
    """Draw a mark for every call, labelled in as many rows as it takes to keep the labels apart."""
    rows: list[float] = []
    yield f'<text class="small" x="8" y="{TOP + 12}">OCPP messages</text>'
    for frame in sorted(frames, key=lambda each: float(each["at_s"])):
        at_s = float(frame["at_s"]) - begin_s
        if frame["kind"] != "call" or frame["action"] in UNDRAWN or at_s < 0.0:
            continue
        x, text = _x(at_s + LEAD_S, span_s), _label(frame)
        width = LETTER * len(text)
        anchor, left = ("end", x - width) if x + width > WIDTH - RIGHT else ("start", x)
        row = next((number for number, end in enumerate(rows) if end < left), len(rows))
        if row == len(rows):
            rows.append(0.0)
        rows[row] = left + width + LETTER
        y = TOP + 12 + 14 * row
        yield f'<line class="mark" x1="{x}" x2="{x}" y1="{y + 3}" y2="{height - 30}"/>'
        yield f'<text class="small" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _label(frame: Frame) -> str:
    payload = frame["payload"] if isinstance(frame["payload"], Mapping) else {}
    match frame["action"]:
        case "StatusNotification":
            return str(payload.get("status", payload.get("connectorStatus")))
        case "TransactionEvent" if is_periodic(frame):
            return "Updated"
        case "TransactionEvent":
            return f"{payload.get('eventType')}: {payload.get('triggerReason')}"
        case action:
            return str(action)
