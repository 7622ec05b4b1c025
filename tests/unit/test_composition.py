"""Which limit follows from charging profiles: the rules one by one, and against a second implementation."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.charging.composite import composite_of_evse
from agent.charging.composition import Frame, Rate, Segment, compose, concerning
from agent.model.profiles import (
    InstalledProfile,
    Period,
    Profile,
    ProfileKind,
    ProfilePurpose,
    RateUnit,
    Recurrence,
    Schedule,
)
from agent.model.station import EvseLayout, StationLayout

NOON = 1_800_000_000.0
VOLTS = 690.0
AMPERES = Rate(unit=RateUnit.AMPERES, voltage_v=230.0, phases=3)
MAX, DEFAULT, TX = ProfilePurpose.STATION_MAX, ProfilePurpose.TX_DEFAULT, ProfilePurpose.TX


def profile(
    purpose: ProfilePurpose,
    *steps: tuple[int, float],
    level: int = 0,
    profile_id: int = 1,
    kind: ProfileKind = ProfileKind.ABSOLUTE,
    duration_s: int | None = None,
    start_s: float | None = 0.0,
    valid: tuple[float | None, float | None] = (None, None),
    unit: RateUnit = RateUnit.AMPERES,
    recurrence: Recurrence | None = None,
    evse_id: int | None = None,
) -> InstalledProfile:
    """Build a profile; times are seconds from noon."""
    at = [None if each is None else NOON + each for each in (start_s, *valid)]
    if kind is ProfileKind.RELATIVE:
        at[0] = None
    schedule = Schedule(
        unit=unit,
        periods=tuple(Period(start_s=start, limit=limit) for start, limit in steps),
        duration_s=duration_s,
        start_utc_s=at[0],
    )
    return InstalledProfile(
        profile=Profile(
            profile_id=profile_id,
            stack_level=level,
            purpose=purpose,
            kind=kind,
            schedule=schedule,
            recurrence=recurrence,
            valid_from_utc_s=at[1],
            valid_to_utc_s=at[2],
        ),
        evse_id=1 if purpose is TX else evse_id,
        transaction_id="tx" if purpose is TX else None,
    )


def steps(
    profiles: Sequence[InstalledProfile], span_s: float = 400.0, *, now_s: float = 0.0, started_s: float = 0.0
) -> list[tuple[float, float | None]]:
    frame = Frame(now_utc_s=NOON + now_s, started_s=started_s)
    return [
        (each.start_s, None if each.winner is None else each.winner.limit)
        for each in compose(profiles, frame, AMPERES, span_s)
    ]


def limits(profiles: Sequence[InstalledProfile], **given_s: float) -> list[tuple[float, float | None]]:
    """Return the steps with equal neighbours merged, whichever profile they come from."""
    merged: list[tuple[float, float | None]] = []
    for each in steps(profiles, **given_s):
        if not merged or merged[-1][1] != each[1]:
            merged.append(each)
    return merged


@pytest.mark.req("OCPP 1.6 §3.13.3; §5.7")
@pytest.mark.octt("TC_066_CS")
def test_a_transactions_profile_displaces_the_default_also_after_its_schedule() -> None:
    profiles = [
        profile(MAX, (0, 10.0), duration_s=86_400),
        profile(DEFAULT, (0, 6.0), (60, 10.0), (120, 8.0), (180, 15.0), (260, 8.0), duration_s=300),
        profile(TX, (0, 8.0), (50, 11.0), (140, 16.0), (200, 6.0), (240, 12.0), duration_s=260, valid=(0, 401)),
    ]
    assert limits(profiles) == [(0.0, 8.0), (50.0, 10.0), (200.0, 6.0), (240.0, 10.0)]


@pytest.mark.req("OCPP 1.6 §3.13.2; §5.16.4")
@pytest.mark.octt("TC_072_CS")
def test_within_a_purpose_a_schedule_that_ran_out_falls_through() -> None:
    profiles = [
        profile(DEFAULT, (0, 6.0), (100, 8.0), (200, 10.0), duration_s=400),
        profile(DEFAULT, (0, 7.0), (100, 9.0), duration_s=150, level=1, profile_id=2),
    ]
    assert limits(profiles, span_s=350.0) == [(0.0, 7.0), (100.0, 9.0), (150.0, 8.0), (200.0, 10.0)]


@pytest.mark.req("OCPP 1.6 §3.13.2")
def test_a_schedule_without_duration_never_falls_through() -> None:
    profiles = [
        profile(DEFAULT, (0, 16.0)),
        profile(DEFAULT, (0, 7.0), (100, 9.0), level=1, profile_id=2),
    ]
    assert limits(profiles, span_s=1e6) == [(0.0, 7.0), (100.0, 9.0)]


@pytest.mark.req("OCPP 1.6 errata 3.43; §5.16.4")
def test_a_daily_profile_returns_and_leaves_its_gap_to_the_level_below() -> None:
    night = profile(
        DEFAULT,
        (0, 10.0),
        (90_000, 20.0),  # beyond the day: never
        kind=ProfileKind.RECURRING,
        recurrence=Recurrence.DAILY,
        duration_s=3_600,
        level=1,
        profile_id=2,
    )
    profiles = [profile(DEFAULT, (0, 6.0), start_s=-1e6), night]
    expected = [(0.0, 10.0), (1_800.0, 6.0), (84_600.0, 10.0), (88_200.0, 6.0)]
    assert limits(profiles, span_s=100_000.0, now_s=10 * 86_400.0 + 1_800.0) == expected


@pytest.mark.req("OCPP 1.6 errata 3.44")
def test_a_weekly_profile_is_cut_at_its_week_and_is_nothing_before_its_start() -> None:
    weekly = profile(
        DEFAULT, (0, 8.0), (500_000, 9.0), kind=ProfileKind.RECURRING, recurrence=Recurrence.WEEKLY, start_s=100
    )
    assert limits([weekly], span_s=700_000.0) == [(0.0, None), (100.0, 8.0), (500_100.0, 9.0), (604_900.0, 8.0)]


@pytest.mark.req("OCPP 1.6 §5.16.4; §3.13.5")
def test_a_relative_profile_starts_with_the_transaction() -> None:
    relative = profile(TX, (0, 6.0), (60, 16.0), kind=ProfileKind.RELATIVE)
    assert limits([relative], started_s=-20.0) == [(0.0, 6.0), (40.0, 16.0)]
    without_start = profile(DEFAULT, (0, 6.0), (60, 16.0), start_s=None)
    assert limits([without_start], started_s=-50.0) == [(0.0, 6.0), (10.0, 16.0)]


@pytest.mark.req("OCPP 1.6 §5.16; errata 3.45")
def test_a_profile_counts_from_its_validity_to_its_end_of_validity() -> None:
    profiles = [
        profile(DEFAULT, (0, 6.0), start_s=-10),
        profile(DEFAULT, (0, 12.0), start_s=-10, level=3, profile_id=2, valid=(30, 90)),
    ]
    assert limits(profiles) == [(0.0, 6.0), (30.0, 12.0), (90.0, 6.0)]


@pytest.mark.req("OCPP 1.6 §3.13.1")
def test_a_default_of_an_evse_replaces_the_stations_one_of_its_level_there_only() -> None:
    profiles = [
        profile(DEFAULT, (0, 16.0), profile_id=1),
        profile(DEFAULT, (0, 8.0), profile_id=2, evse_id=2),
        profile(DEFAULT, (0, 12.0), profile_id=3, evse_id=1, level=1),
    ]
    assert [each.profile.profile_id for each in concerning(profiles, 1, 1, None)] == [1, 3]
    assert [each.profile.profile_id for each in concerning(profiles, 2, 1, None)] == [2]
    assert [each.profile.profile_id for each in concerning(profiles, 3, None, "tx")] == [1]


def test_a_default_of_one_connector_is_none_of_the_other_connector_of_its_evse() -> None:
    own = [profile(DEFAULT, (0, 9.0), profile_id=each, evse_id=1) for each in (1, 2)]
    placed = [replace(each, connector_id=number) for number, each in enumerate(own, start=1)]
    general = profile(DEFAULT, (0, 16.0), profile_id=3, evse_id=1)
    assert [each.profile.profile_id for each in concerning([*placed, general], 1, 2, None)] == [2]
    assert [each.profile.profile_id for each in concerning([placed[0], general], 1, 2, None)] == [3]


@pytest.mark.req("OCPP 1.6 §7.12; errata 3.34")
def test_watts_are_shared_out_over_the_phases_and_amperes_are_per_phase() -> None:
    watts = profile(DEFAULT, (0, 11_040.0), unit=RateUnit.WATTS)
    assert limits([watts]) == [(0.0, 16.0)]
    three, one = EvseLayout(evse_id=1, max_current_a=32.0), EvseLayout(evse_id=1, phases=1, max_current_a=32.0)
    for layout, expected in ((three, 11_040.0), (one, 3_680.0)):
        told = composite_of_evse(
            [profile(DEFAULT, (0, 16.0))],
            layout,
            StationLayout(evses=(layout,), readers={}),
            1,
            None,
            Frame(now_utc_s=NOON),
            60,
            RateUnit.WATTS,
        )
        assert [each.limit for each in told.periods] == [expected]


@pytest.mark.req("OCPP 1.6 §5.7; errata 3.57")
def test_a_composite_schedule_is_in_whole_seconds_never_above_and_within_the_wiring() -> None:
    layout = EvseLayout(evse_id=1, max_current_a=16.0)
    told = composite_of_evse(
        [profile(DEFAULT, (0, 20.0), (10, 9.96), (20, 13.0), duration_s=30)],
        layout,
        StationLayout(evses=(layout,), readers={}),
        1,
        None,
        Frame(now_utc_s=NOON + 0.4),
        60,
        None,
    )
    assert [(each.start_s, each.limit) for each in told.periods] == [(0, 16.0), (9, 9.9), (20, 13.0), (30, 16.0)]
    assert (told.start_utc_s, told.duration_s, told.unit) == (NOON + 0.4, 60, RateUnit.AMPERES)


@pytest.mark.req("OpenEVSE 1084: schedules without a clock")
def test_without_the_time_of_day_a_dated_profile_counts_with_its_lowest_limit() -> None:
    profiles = [
        profile(DEFAULT, (0, 16.0), (100, 7.0), (200, 12.0), level=2),
        profile(DEFAULT, (0, 6.0), (60, 10.0), kind=ProfileKind.RELATIVE, profile_id=2),
    ]
    segments = compose(profiles, Frame(now_utc_s=None, started_s=-30.0), AMPERES, 400.0)
    assert [(each.start_s, each.winner and each.winner.limit) for each in segments] == [(0.0, 6.0), (30.0, 7.0)]
    assert segments[1].winner is not None
    assert segments[1].winner.guessed
    unknown_start = compose(profiles[1:], Frame(now_utc_s=NOON, started_s=None), AMPERES, 400.0)
    assert [each.winner and each.winner.limit for each in unknown_start] == [6.0]


# Against a second implementation: slow, and so plain that it can be read for errors.


def slow_limit(profiles: Sequence[InstalledProfile], second: float, started: float) -> float | None:
    """Return the limit at one moment: (UTC of it, UTC of the start of the transaction), straight from the text."""

    def limit_of(installed: InstalledProfile) -> float | None:
        each = installed.profile
        if each.valid_from_utc_s is not None and second < each.valid_from_utc_s:
            return None
        if each.valid_to_utc_s is not None and second >= each.valid_to_utc_s:
            return None
        start = started if each.schedule.start_utc_s is None else each.schedule.start_utc_s
        elapsed = second - start
        if elapsed < 0:
            return None
        if each.recurrence is not None:
            days = 1 if each.recurrence is Recurrence.DAILY else 7
            while elapsed >= days * 24 * 60 * 60:
                elapsed -= days * 24 * 60 * 60
        if each.schedule.duration_s is not None and elapsed >= each.schedule.duration_s:
            return None
        passed = [period for period in each.schedule.periods if period.start_s <= elapsed]
        watts = each.schedule.unit is RateUnit.WATTS
        return passed[-1].limit / VOLTS if watts else passed[-1].limit

    def highest(purpose: ProfilePurpose) -> float | None:
        ours = [each for each in profiles if each.profile.purpose is purpose]
        for each in sorted(ours, key=lambda one: one.profile.stack_level, reverse=True):
            limit = limit_of(each)
            if limit is not None:
                return limit
        return None

    def valid_tx(installed: InstalledProfile) -> bool:
        each = installed.profile
        after = each.valid_from_utc_s is None or second >= each.valid_from_utc_s
        before = each.valid_to_utc_s is None or second < each.valid_to_utc_s
        return each.purpose is TX and after and before

    own = any(valid_tx(each) for each in profiles)
    candidates = [highest(TX if own else DEFAULT), highest(MAX)]
    return min((each for each in candidates if each is not None), default=None)


@st.composite
def any_profile(draw: st.DrawFn) -> InstalledProfile:
    purpose = draw(st.sampled_from(list(ProfilePurpose)))
    kind = draw(st.sampled_from(list(ProfileKind) if purpose is not MAX else [ProfileKind.ABSOLUTE]))
    scale_s = draw(st.sampled_from([300, 5_000, 90_000]))
    starts = sorted(draw(st.sets(st.integers(1, scale_s), max_size=4)))
    few = st.sampled_from([6.0, 8.5, 10.0, 0.0, 13.1])
    near = st.integers(-2 * scale_s, 3_000).map(float)
    return profile(
        purpose,
        *((start, draw(few)) for start in (0, *starts)),
        level=draw(st.integers(0, 3)),
        profile_id=draw(st.integers(1, 1_000_000)),
        kind=kind,
        recurrence=draw(st.sampled_from(list(Recurrence))) if kind is ProfileKind.RECURRING else None,
        duration_s=draw(st.none() | st.integers(1, scale_s + 10_000)),
        start_s=draw(near),
        valid=(draw(st.none() | near), draw(st.none() | near)),
        unit=draw(st.sampled_from(list(RateUnit))),
    )


def one_per_rank(profiles: list[InstalledProfile]) -> list[InstalledProfile]:
    """Keep what a station keeps: one profile per purpose and stack level."""
    return list({(each.profile.purpose, each.profile.stack_level): each for each in profiles}.values())


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    profiles=st.lists(any_profile(), max_size=6).map(one_per_rank),
    ago_s=st.integers(0, 90_000),
    probes=st.lists(st.integers(0, 2_999), min_size=20, max_size=20),
)
@pytest.mark.req("OCPP 1.6 §3.13")
def test_the_composition_agrees_with_one_second_after_the_other(
    profiles: list[InstalledProfile], ago_s: int, probes: list[int]
) -> None:
    segments = compose(profiles, Frame(now_utc_s=NOON, started_s=-float(ago_s)), AMPERES, 3_000.0)
    near = {int(each.start_s) + shift for each in segments for shift in (-1, 0, 1)}
    for second in sorted({*probes, *near} & set(range(3_000))):
        expected = slow_limit(profiles, NOON + second, NOON - ago_s)
        assert _limit_at(segments, second) == pytest.approx(expected), second


def _limit_at(segments: Sequence[Segment], second: float) -> float | None:
    winner = [each for each in segments if each.start_s <= second][-1].winner
    return None if winner is None else winner.limit
