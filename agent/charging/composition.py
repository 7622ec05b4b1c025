"""Which limit follows from charging profiles, and until when: a pure function of the profiles and the time.

Theory
    The limit is a step function of time. Its steps can only lie at the *edges* of profiles: the start of a period, the
    end of a schedule or of a day, the start and the end of a validity. So the function is evaluated at the edges and
    nowhere else.

Rules
    1. A profile is *valid* from ``valid_from`` (included) to ``valid_to`` (excluded). Its schedule *covers* a moment
       from its start until its duration is over; without a duration until for ever; a recurring one at most until it
       starts again. Nothing is covered before the start.
    2. Within one purpose the highest stack level decides that is valid and covers the moment: a schedule that ran out
       falls through to the level below, one without a duration never does.
    3. A default profile of an EVSE or connector takes the place of the station's one of the same stack level there.
    4. A transaction's own profile displaces the default profiles for as long as it is valid, also where its schedule
       has run out: then no limit comes from either.
    5. The result is the lower one of the station's maximum and what rules 2-4 give.
    6. Amperes count per phase, watts over the phases on which the EVSE charges together: all that it has, or one where
       a period asks for fewer and the EVSE can switch. An EVSE that cannot switch gets no more for that: its watts are
       shared out over the phases that a vehicle may use.
    7. While the time of day is unknown, a profile that cannot be placed in time counts with its lowest limit, beside
       whatever else holds: never more than some moment of it allows.

Sources: OCPP 1.6 §3.13 and §5.16 with errata 3.8, 3.34, 3.43-3.45, 3.56, 3.69, 3.79; OCPP 2.0.1 K01.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import floor, inf
from typing import Final

import msgspec

from agent.model.profiles import InstalledProfile, Period, ProfileKind, ProfilePurpose, RateUnit, Recurrence
from agent.model.station import EvseLayout

_PERIOD_OF: Final = {Recurrence.DAILY: 86_400.0, Recurrence.WEEKLY: 7 * 86_400.0}  # errata 3.44: exactly, no DST
_PURPOSES: Final = (ProfilePurpose.TX, ProfilePurpose.TX_DEFAULT, ProfilePurpose.STATION_MAX)
_SAME_S: Final = 1e-6  # edges closer than this are one edge, apart by rounding only


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What ties profiles to the time axis, which counts seconds from now.

    Attributes:
        now_utc_s: UTC at 0; ``None``: unknown.
        started_s: start of the transaction, on the axis, not above 0; 0 where none runs: one is imagined that starts
            now. ``None``: unknown (before a power cut, and nobody knows how long it lasted).
    """

    now_utc_s: float | None
    started_s: float | None = 0.0

    def at(self, utc_s: float) -> float:
        """Return a moment of the day on the axis. Only where the time of day is known."""
        assert self.now_utc_s is not None
        return utc_s - self.now_utc_s


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """The unit of the answer, and how amperes per phase and watts over all phases convert.

    Attributes:
        unit: of the limits in the answer.
        voltage_v: from a phase to neutral.
        phases: of the EVSE.
        switching: it can charge on one phase instead, and does where a period asks for fewer than it has.

    Source: OCPP 1.6 §7.12, §7.13, errata 3.34: more phases than there are count as those that there are.
    """

    unit: RateUnit
    voltage_v: float
    phases: int
    switching: bool = False

    @classmethod
    def of_evse(cls, layout: EvseLayout, unit: RateUnit = RateUnit.AMPERES) -> Rate:
        """Return how one EVSE converts."""
        return cls(unit=unit, voltage_v=layout.voltage_v, phases=layout.phases, switching=layout.phase_switching)

    @classmethod
    def of_station(cls, layouts: Sequence[EvseLayout], unit: RateUnit = RateUnit.AMPERES) -> Rate:
        """Return how all EVSEs together convert: like the one that takes the most per ampere."""
        largest = max(layouts, key=lambda each: each.voltage_v * each.phases, default=EvseLayout(evse_id=0))
        return cls(unit=unit, voltage_v=largest.voltage_v, phases=largest.phases)

    def phases_of(self, asked: int | None) -> int:
        """Return on how many phases the EVSE charges where a period asks for so many."""
        return 1 if self.switching and asked is not None and asked < self.phases else self.phases

    def of(self, limit: float, unit: RateUnit, asked: int | None = None) -> float:
        """Return ``limit``, given in ``unit`` for so many phases, in the unit of the answer."""
        if unit is self.unit:
            return limit
        watts_per_ampere = self.voltage_v * self.phases_of(asked)
        return limit / watts_per_ampere if self.unit is RateUnit.AMPERES else limit * watts_per_ampere


class Winner(msgspec.Struct, frozen=True, kw_only=True):
    """A limit and the profile that it comes from. ``guessed``: its place in time is unknown (rule 7).

    ``phases``: that the period asks for; ``None``: it does not.
    """

    limit: float
    installed: InstalledProfile
    guessed: bool = False
    phases: int | None = None


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """What holds from ``start_s`` on until the next segment. ``None``: no profile limits anything."""

    start_s: float
    winner: Winner | None


def compose(profiles: Sequence[InstalledProfile], frame: Frame, rate: Rate, horizon_s: float) -> tuple[Segment, ...]:
    """Return what limits from now until ``horizon_s``, in segments without gaps; the first starts at 0.

    Args:
        profiles: those that concern the EVSE, see ``concerning``, the station's maximum among them or not.
        frame: where they lie in time.
        rate: the unit of the limits in the answer.
        horizon_s: end of the answer, s from now, above 0. The work grows with the number of edges before it.
    """
    placed = [_Placed.of(each, frame) for each in profiles]
    own, default, maximum = (_Ranks.of(each, placed, rate) for each in _PURPOSES)
    found = _edges(placed, horizon_s)
    segments: list[Segment] = []
    for start_s, end_s in pairwise((*found, horizon_s)):
        # In the middle: exactly on an edge, rounding would decide on which side of it we are.
        at_s = (start_s + end_s) / 2.0
        chosen = own if own.valid(at_s) else default  # rule 4
        winner = _least([chosen.winner(at_s, rate), maximum.winner(at_s, rate)])
        if not segments or not _same(segments[-1].winner, winner):
            segments.append(Segment(start_s=start_s, winner=winner))
    return tuple(segments)


def concerning(
    profiles: Sequence[InstalledProfile], evse_id: int, connector_id: int | None, transaction_id: str | None
) -> tuple[InstalledProfile, ...]:
    """Return the profiles that concern one EVSE, the station's maximum aside: rule 3, and whose transaction it is.

    ``connector_id`` ``None``: whichever connector is used.
    """
    here = [
        each
        for each in profiles
        if each.evse_id in (None, evse_id)
        and (None in (each.connector_id, connector_id) or each.connector_id == connector_id)
    ]
    own = tuple(
        each
        for each in here
        if each.profile.purpose is ProfilePurpose.TX
        and transaction_id is not None
        and each.transaction_id == transaction_id
    )
    default: dict[int, list[InstalledProfile]] = {}
    for each in here:
        if each.profile.purpose is not ProfilePurpose.TX_DEFAULT:
            continue
        level = default.setdefault(each.profile.stack_level, [])
        if not level or _nearness(each) > _nearness(level[0]):
            level[:] = [each]
        elif _nearness(each) == _nearness(level[0]):
            level.append(each)
    return (*own, *(each for level in default.values() for each in level))


def station_maximum(profiles: Sequence[InstalledProfile]) -> tuple[InstalledProfile, ...]:
    """Return the profiles that limit all EVSEs together."""
    return tuple(each for each in profiles if each.profile.purpose is ProfilePurpose.STATION_MAX)


def in_tenths(limit: float) -> float:
    """Return the limit in steps of 0.1, never above it. A binary fraction of 9.9999999 is 10.0."""
    return floor(limit * 10.0 + 1e-6) / 10.0


class _Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A profile on the time axis. ``start_s`` ``None``: nobody knows where it lies."""

    installed: InstalledProfile
    valid_from_s: float
    valid_to_s: float
    start_s: float | None

    @classmethod
    def of(cls, installed: InstalledProfile, frame: Frame) -> _Placed:
        profile = installed.profile
        valid_from, valid_to = profile.valid_from_utc_s, profile.valid_to_utc_s
        start_utc_s = profile.schedule.start_utc_s
        with_transaction = profile.kind is ProfileKind.RELATIVE or start_utc_s is None
        nowhere = False
        if with_transaction and profile.purpose is ProfilePurpose.STATION_MAX:
            # It belongs to no transaction that it could start with.
            start_utc_s, with_transaction = installed.set_utc_s, False
            nowhere = start_utc_s is None
        elif with_transaction:
            start_utc_s, nowhere = None, frame.started_s is None
        dated = any(each is not None for each in (start_utc_s, valid_from, valid_to))
        if nowhere or (dated and frame.now_utc_s is None):
            return cls(installed=installed, valid_from_s=-inf, valid_to_s=inf, start_s=None)
        return cls(
            installed=installed,
            valid_from_s=-inf if valid_from is None else frame.at(valid_from),
            valid_to_s=inf if valid_to is None else frame.at(valid_to),
            start_s=frame.started_s if start_utc_s is None else frame.at(start_utc_s),
        )

    @property
    def repeats_s(self) -> float:
        recurrence = self.installed.profile.recurrence
        recurs = self.installed.profile.kind is ProfileKind.RECURRING and recurrence is not None
        return _PERIOD_OF[recurrence] if recurs and recurrence is not None else inf

    @property
    def covers_s(self) -> float:
        duration_s = self.installed.profile.schedule.duration_s
        return min(inf if duration_s is None else float(duration_s), self.repeats_s)

    def valid(self, at_s: float) -> bool:
        return self.valid_from_s <= at_s < self.valid_to_s

    def round_start_s(self, at_s: float) -> float | None:
        """Return the start of the newest round of the schedule at ``at_s``; ``None`` before the first."""
        if self.start_s is None or at_s < self.start_s:
            return None
        if self.repeats_s == inf:
            return self.start_s
        return self.start_s + floor((at_s - self.start_s) / self.repeats_s) * self.repeats_s

    def period(self, at_s: float) -> Period | None:
        """Return the period that covers ``at_s``; ``None``: none does."""
        start_s = self.round_start_s(at_s)
        if start_s is None or at_s >= start_s + self.covers_s:
            return None
        periods = self.installed.profile.schedule.periods
        return periods[max(0, bisect_right(periods, at_s - start_s, key=_start_of) - 1)]

    def edges(self, horizon_s: float) -> Iterator[float]:
        yield from (self.valid_from_s, self.valid_to_s)
        if self.start_s is None:
            return
        covers_s, repeats_s = self.covers_s, self.repeats_s
        start_s = self.round_start_s(0.0)
        start_s = self.start_s if start_s is None else start_s
        while start_s < horizon_s:
            for each in self.installed.profile.schedule.periods:
                if each.start_s < covers_s:
                    yield start_s + each.start_s
            yield start_s + covers_s
            start_s += repeats_s


def _edges(placed: Sequence[_Placed], horizon_s: float) -> list[float]:
    """Return 0 and every moment before ``horizon_s`` at which anything may change, in order."""
    found = [0.0]
    for edge_s in sorted({edge_s for each in placed for edge_s in each.edges(horizon_s) if 0.0 < edge_s < horizon_s}):
        if edge_s > found[-1] + _SAME_S:
            found.append(edge_s)
    return found


class _Ranks(msgspec.Struct, frozen=True, kw_only=True):
    """The profiles of one purpose: placed ones, the highest stack level first, and the guess about the others."""

    placed: tuple[_Placed, ...]
    guess: Winner | None

    @classmethod
    def of(cls, purpose: ProfilePurpose, placed: Sequence[_Placed], rate: Rate) -> _Ranks:
        ours = [each for each in placed if each.installed.profile.purpose is purpose]
        ranked = sorted(
            (each for each in ours if each.start_s is not None), key=lambda each: -each.installed.profile.stack_level
        )
        guesses = []
        for each in ours:
            if each.start_s is None:
                schedule = each.installed.profile.schedule
                limit = rate.of(min(period.limit for period in schedule.periods), schedule.unit)
                guesses.append(Winner(limit=limit, installed=each.installed, guessed=True))
        return cls(placed=tuple(ranked), guess=_least(guesses))

    def valid(self, at_s: float) -> bool:
        """Return whether any is valid. One that cannot be placed counts as valid: rule 7."""
        return self.guess is not None or any(each.valid(at_s) for each in self.placed)

    def winner(self, at_s: float, rate: Rate) -> Winner | None:
        """Rule 2, and rule 7 beside it."""
        for each in self.placed:
            period = each.period(at_s) if each.valid(at_s) else None
            if period is not None:
                limit = rate.of(period.limit, each.installed.profile.schedule.unit, period.phases)
                return _least([self.guess, Winner(limit=limit, installed=each.installed, phases=period.phases)])
        return self.guess


def _start_of(period: Period) -> float:
    return period.start_s


def _least(winners: Sequence[Winner | None]) -> Winner | None:
    return min((each for each in winners if each is not None), key=lambda each: each.limit, default=None)


def _nearness(installed: InstalledProfile) -> int:
    return (installed.evse_id is not None) + (installed.connector_id is not None)


def _same(one: Winner | None, two: Winner | None) -> bool:
    if one is None or two is None:
        return one is two
    same_value = one.limit == two.limit and one.phases == two.phases
    return same_value and one.installed is two.installed and one.guessed is two.guessed
