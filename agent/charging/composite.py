"""The composite schedule: the limits that the CSMS gets to see, in whole seconds and in tenths of the unit it asks for.

The answer holds the profiles and the station's own limits (wiring, supply), not the share that other EVSEs leave, and
not the cable. An EVSE without a transaction answers as if one started now. The station as a whole answers with what all
its EVSEs together could take, within its maximum.

Sources: OCPP 1.6 §5.7, errata 3.24 and 3.57; OCPP 2.0.1 K08.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, inf
from typing import Final

from msgspec.structs import replace

from agent.charging.composition import (
    Frame,
    Rate,
    Segment,
    compose,
    concerning,
    in_tenths,
    station_maximum,
)
from agent.model.profiles import Composite, InstalledProfile, Period, RateUnit
from agent.model.station import EvseLayout, StationLayout

LONGEST_S: Final = 7 * 86_400  # a longer answer ends there: it would hardly come true, and costs time
MOST_PERIODS: Final = 500
_SAME_S: Final = 0.01  # a moment so close to a whole second is that second

Steps = tuple[tuple[float, float, int | None], ...]
"""A step function of time: (start in s from now, limit, phases), the first at 0. Phases ``None``: of several EVSEs."""


def composite_of_evse(
    profiles: Sequence[InstalledProfile],
    layout: EvseLayout,
    station: StationLayout,
    connector_id: int | None,
    transaction_id: str | None,
    frame: Frame,
    duration_s: int,
    unit: RateUnit | None,
) -> Composite:
    """Return the limits of one EVSE or connector."""
    ours = (*concerning(profiles, layout.evse_id, connector_id, transaction_id), *station_maximum(profiles))
    unit = unit or _unit_of(ours)
    rate = Rate.of_evse(layout, unit)
    own_a = layout.most_a(connector_id)
    most_a = min(own_a, station.max_current_a or own_a)
    steps = _limited(compose(ours, frame, rate, _span_s(duration_s)), most_a, rate)
    return _answer(steps, unit, duration_s, frame)


def composite_of_station(
    profiles: Sequence[InstalledProfile],
    station: StationLayout,
    transactions: Sequence[tuple[EvseLayout, str | None, Frame]],
    frame: Frame,
    duration_s: int,
    unit: RateUnit | None,
) -> Composite:
    """Return the limits of all EVSEs together; ``transactions``: each EVSE with the transaction that runs there."""
    unit = unit or _unit_of(profiles)
    rate = Rate.of_station(station.evses, unit)
    parts = []
    for layout, transaction_id, own in transactions:
        own_rate = Rate.of_evse(layout, unit)
        ours = concerning(profiles, layout.evse_id, None, transaction_id)
        segments = compose(ours, own, own_rate, _span_s(duration_s))
        parts.append(_limited(segments, layout.max_current_a, own_rate))
    total = _added(parts)
    if station.max_current_a is not None:
        most = rate.of(station.max_current_a, RateUnit.AMPERES)
        total = tuple((start_s, min(limit, most), None) for start_s, limit, _ in total)
    maximum = compose(station_maximum(profiles), frame, rate, _span_s(duration_s))
    return _answer(_lower(total, maximum), unit, duration_s, frame)


def _span_s(duration_s: int) -> float:
    return float(min(duration_s, LONGEST_S))


def _unit_of(profiles: Sequence[InstalledProfile]) -> RateUnit:
    """Return the unit of an answer whose asker does not mind: the one of the profiles, where they agree."""
    units = {each.profile.schedule.unit for each in profiles}
    return units.pop() if len(units) == 1 else RateUnit.AMPERES


def _limited(segments: Sequence[Segment], most_a: float, rate: Rate) -> Steps:
    steps = []
    for each in segments:
        asked = None if each.winner is None else each.winner.phases
        most = rate.of(most_a, RateUnit.AMPERES, asked)
        limit = most if each.winner is None else min(most, each.winner.limit)
        steps.append((each.start_s, limit, rate.phases_of(asked)))
    return tuple(steps)


def _added(parts: Sequence[Steps]) -> Steps:
    starts = sorted({start_s for part in parts for start_s, _, _ in part} | {0.0})
    return tuple((start_s, sum(_at(part, start_s) for part in parts), None) for start_s in starts)


def _lower(steps: Steps, segments: Sequence[Segment]) -> Steps:
    limits = tuple((each.start_s, inf if each.winner is None else each.winner.limit, None) for each in segments)
    starts = sorted({start_s for start_s, _, _ in (*steps, *limits)})
    return tuple((start_s, min(_at(steps, start_s), _at(limits, start_s)), None) for start_s in starts)


def _at(steps: Steps, at_s: float) -> float:
    return next(limit for start_s, limit, _ in reversed(steps) if start_s <= at_s)


def _answer(steps: Steps, unit: RateUnit, duration_s: int, frame: Frame) -> Composite:
    """Round: time to whole seconds from now, a decrease early and an increase late; limits to tenths."""
    covered_s = min(duration_s, LONGEST_S)
    periods: list[Period] = []
    for start_s, exact, phases in steps:
        wanted = Period(start_s=0, limit=in_tenths(exact), phases=phases)
        if periods and _equal(periods[-1], wanted):
            continue
        if periods:
            less = wanted.limit < periods[-1].limit
            wanted = replace(wanted, start_s=floor(start_s + _SAME_S) if less else ceil(start_s - _SAME_S))
        while periods and periods[-1].start_s >= wanted.start_s:
            periods.pop()
        if wanted.start_s >= covered_s:
            break
        if periods and _equal(periods[-1], wanted):
            continue
        if len(periods) == MOST_PERIODS:
            covered_s = wanted.start_s
            break
        periods.append(wanted)
    return Composite(unit=unit, duration_s=covered_s, periods=tuple(periods), start_utc_s=frame.now_utc_s)


def _equal(one: Period, two: Period) -> bool:
    return (one.limit, one.phases) == (two.limit, two.phases)
