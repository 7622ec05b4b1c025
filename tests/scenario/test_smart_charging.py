"""Charging profiles from the CSMS's order to the permit, in virtual time."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.model.commands import Answered, Outcome, RequestStart, RequestStop
from agent.model.effects import GrantPermit, SaveDocument
from agent.model.evse import Occupancy
from agent.model.inputs import FactAnswered
from agent.model.profiles import (
    ClearProfiles,
    Composite,
    CompositeOutcome,
    GetComposite,
    Period,
    Profile,
    ProfileKind,
    ProfilePurpose,
    ProfilesCleared,
    RateUnit,
    Recurrence,
    Schedule,
    SetProfile,
)
from agent.model.station import EvseLayout, StationLayout
from tests.scenario.charging_world import ALICE, BOB, World, book

MAX, DEFAULT, TX = ProfilePurpose.STATION_MAX, ProfilePurpose.TX_DEFAULT, ProfilePurpose.TX


def utc(world: World) -> float:
    utc_s = world.stamp().utc_s
    assert utc_s is not None
    return utc_s


def profile(
    world: World | None,
    *steps: tuple[int, float],
    purpose: ProfilePurpose = DEFAULT,
    profile_id: int = 1,
    level: int = 0,
    unit: RateUnit = RateUnit.AMPERES,
    duration_s: int | None = None,
    kind: ProfileKind = ProfileKind.ABSOLUTE,
    starts_in_s: float = 0.0,
    valid_to_s: float | None = None,
    recurrence: Recurrence | None = None,
) -> Profile:
    """Build a profile that starts now, or with the transaction where ``world`` is left out."""
    now_s = None if world is None else utc(world)
    return Profile(
        profile_id=profile_id,
        stack_level=level,
        purpose=purpose,
        kind=kind,
        recurrence=recurrence,
        valid_to_utc_s=None if now_s is None or valid_to_s is None else now_s + valid_to_s,
        schedule=Schedule(
            unit=unit,
            periods=tuple(Period(start_s=start, limit=limit) for start, limit in steps or ((0, 10.0),)),
            duration_s=duration_s,
            start_utc_s=None if now_s is None else now_s + starts_in_s,
        ),
    )


def put(
    world: World, given: Profile, *, evse_id: int | None = None, transaction: str | None = None
) -> tuple[Answered, str]:
    connector_id = None if evse_id is None else 1
    command = SetProfile(profile=given, evse_id=evse_id, connector_id=connector_id, transaction=transaction)
    outcome = world.answers[world.command(command)]
    assert isinstance(outcome, Outcome)
    return outcome.answered, outcome.why


def accept(world: World, given: Profile, *, evse_id: int | None = None, transaction: str | None = None) -> None:
    assert put(world, given, evse_id=evse_id, transaction=transaction) == (Answered.ACCEPTED, "")


def refused(world: World, given: Profile, *, evse_id: int | None = None, transaction: str | None = None) -> str:
    answered, why = put(world, given, evse_id=evse_id, transaction=transaction)
    assert answered is Answered.REJECTED
    return why


def clear(world: World, command: ClearProfiles | None = None) -> int:
    outcome = world.answers[world.command(command or ClearProfiles())]
    assert isinstance(outcome, ProfilesCleared)
    return outcome.count


def composite(world: World, seconds: int, evse_id: int | None = 1, unit: RateUnit | None = None) -> Composite:
    command = GetComposite(duration_s=seconds, evse_id=evse_id, connector_id=None if evse_id is None else 1, unit=unit)
    outcome = world.answers[world.command(command)]
    assert isinstance(outcome, CompositeOutcome)
    assert outcome.composite is not None
    return outcome.composite


def written(world: World) -> int:
    """Return how often a profile was written or removed."""
    saved = [each for each in world.effects(SaveDocument) if isinstance(each, SaveDocument)]
    return len([each for each in saved if each.kind == "charging_profile"])


def shape(told: Composite) -> list[tuple[int, float]]:
    return [(each.start_s, each.limit) for each in told.periods]


def why(world: World, evse_id: int = 1) -> list[str]:
    return [each.text for each in world.station.limits(evse_id)]


# The limit reaches the permit


@pytest.mark.req("OCPP 1.6 §3.13.1; errata 3.8")
@pytest.mark.octt("TC_056_CS")
def test_a_default_profile_limits_the_next_transaction_and_why_names_it() -> None:
    world = World()
    accept(world, profile(world, (0, 10.0), profile_id=7, level=3), evse_id=1)
    world.charge()
    assert world.station.view(1).permit_a == 10.0
    assert world.bays[1].current_a == 10.0
    assert why(world)[0] == "charging profile 7 (default, stack level 3) 10 A"


@pytest.mark.req("OCPP 1.6 errata 3.8")
@pytest.mark.octt("TC_082_CS")
def test_a_default_profile_acts_at_once_on_a_running_transaction_and_its_removal_lifts_it() -> None:
    world = World()
    world.charge()
    assert world.station.view(1).permit_a == 16.0
    accept(world, profile(world, (0, 8.0)))
    assert world.station.view(1).permit_a == 8.0
    assert clear(world) == 1
    assert world.station.view(1).permit_a == 16.0


@pytest.mark.req("OCPP 1.6 §3.13.1; §5.16")
@pytest.mark.octt("TC_057_CS")
def test_a_transactions_profile_is_set_by_its_number_or_without_and_goes_with_the_transaction() -> None:
    world = World()
    world.charge()
    world.send(FactAnswered(transaction_id=world.started[0].transaction_id, csms_id="42", verdict=None))
    accept(world, profile(world, (0, 9.0), purpose=TX), evse_id=1, transaction="42")
    assert world.station.view(1).permit_a == 9.0
    accept(world, profile(world, (0, 7.0), purpose=TX), evse_id=1)
    assert world.station.view(1).permit_a == 7.0
    world.command(RequestStop(transaction="42"))
    world.until(lambda: bool(world.ended))
    assert world.documents["charging_profile"] == {}
    assert clear(world) == 0


@pytest.mark.req("OCPP 1.6 §3.13.1; §5.16")
@pytest.mark.octt("TC_058_1_CS")
@pytest.mark.octt("TC_058_2_CS")
def test_a_transactions_profile_without_its_transaction_is_refused() -> None:
    world = World()
    assert "no transaction runs" in refused(world, profile(world, purpose=TX), evse_id=1)
    world.charge()
    world.send(FactAnswered(transaction_id=world.started[0].transaction_id, csms_id="42", verdict=None))
    assert "no such transaction" in refused(world, profile(world, purpose=TX), evse_id=1, transaction="43")
    assert "not on the station" in refused(world, profile(world, purpose=TX), transaction="42")


def test_a_lower_limit_comes_a_second_early_a_higher_one_in_time_and_each_wakes_the_core() -> None:
    world = World(utc_s=1_800_000_000.0)
    world.charge()
    started_s = world.now_s
    accept(world, profile(world, (0, 12.0), (60, 8.0), (120, 14.0)))
    for second, expected in ((58.5, 12.0), (59.5, 8.0), (119.5, 8.0), (120.5, 14.0)):
        world.run(started_s + second - world.now_s)
        assert world.station.view(1).permit_a == expected, second


@pytest.mark.req("permit: never valid beyond its own next decrease")
def test_no_permit_outlives_its_next_decrease_and_none_ends_before_the_next_one_comes() -> None:
    world = World()
    world.charge()
    given_s = world.now_s
    accept(world, profile(world, (0, 12.0), (45, 8.0), (70, 0.0), (100, 10.0)))
    lowest_end = {12.0: given_s + 45, 8.0: given_s + 70}
    gaps = 0
    for _ in range(1300):
        world.tick()
        permit = world.bays[1].permit
        if permit is not None and permit[1] in lowest_end:
            assert permit[2] <= lowest_end[permit[1]] + 1e-6
        elif permit is None and not given_s + 68.5 <= world.now_s <= given_s + 100.2:
            gaps += 1
    assert gaps == 0
    assert world.effects(GrantPermit)


@pytest.mark.req("OCPP 1.6 §4.9, C5, E3; a limit below 6 A is a pause")
def test_a_limit_below_six_amperes_pauses_and_its_end_resumes() -> None:
    world = World()
    world.charge()
    accept(world, profile(world, (0, 5.9), (60, 16.0)))
    world.run(2)
    view = world.station.view(1)
    assert view.occupancy is Occupancy.SUSPENDED_EVSE
    assert view.permit_a is None
    assert "less than the 6 A" in why(world)[0]
    assert not world.closed()
    world.until(lambda: world.bays[1].current_a == 16.0)
    assert world.station.view(1).occupancy is Occupancy.CHARGING
    assert len(world.started) == 1
    assert not world.ended


@pytest.mark.req("OCPP 1.6 §7.12; errata 3.34; ConnectorSwitch3to1PhaseSupported false")
def test_watts_limit_the_sum_of_the_phases_that_the_evse_has() -> None:
    world = World()
    world.charge()
    accept(world, profile(world, (0, 6_900.0), unit=RateUnit.WATTS))
    assert world.station.view(1).permit_a == 10.0
    assert "per phase, from watts" in why(world)[0]
    single = World(layout=StationLayout(evses=(EvseLayout(evse_id=1, phases=1),), readers={"front": (1,)}))
    single.charge()
    accept(single, profile(single, (0, 2_300.0), unit=RateUnit.WATTS))
    assert single.station.view(1).permit_a == 10.0


@pytest.mark.req("OCPP 1.6 §7.13; errata 3.34; ConnectorSwitch3to1PhaseSupported")
@pytest.mark.parametrize(("switching", "amperes", "phases"), [(True, 14.0, 1), (False, None, 3)])
def test_watts_for_one_phase_are_for_one_phase_where_phases_can_be_switched(
    switching: bool, amperes: float | None, phases: int
) -> None:
    evse = EvseLayout(evse_id=1, phase_switching=switching)
    world = World(layout=StationLayout(evses=(evse,), readers={"front": (1,)}))
    world.charge()
    begun_s = world.now_s
    schedule = Schedule(
        unit=RateUnit.WATTS,
        periods=(Period(start_s=0, limit=6_900.0), Period(start_s=60, limit=3_220.0, phases=1)),
        start_utc_s=utc(world),
    )
    accept(world, Profile(profile_id=1, stack_level=0, purpose=DEFAULT, kind=ProfileKind.ABSOLUTE, schedule=schedule))
    assert world.station.view(1).permit_a == 10.0
    for _ in range(650):
        world.tick()
        granted = world.effects(GrantPermit)[-1]
        assert isinstance(granted, GrantPermit)
        permit = world.bays[1].permit
        assert granted.phases == 1 or permit is None or permit[2] <= begun_s + 60.0
        assert permit is not None or not switching, "a permit ended before the next one came"
    assert world.station.view(1).permit_a == amperes
    periods = composite(world, 60, unit=RateUnit.WATTS).periods
    assert [(each.limit, each.phases) for each in periods] == [(3_220.0, phases)]


@pytest.mark.req("OCPP 1.6 §3.13.1, ChargePointMaxProfile")
def test_the_stations_maximum_is_shared_by_all_evses_and_unused_shares_go_to_the_others() -> None:
    world = World(evses=2)
    accept(world, profile(world, (0, 20.0), purpose=MAX, profile_id=9))
    world.charge(ALICE, 1)
    assert world.station.view(1).permit_a == 16.0
    world.charge(BOB, 2)
    assert [each.permit_a for each in world.station.views()] == [10.0, 10.0]
    assert why(world)[0].startswith("share of charging profile 9 (station maximum, stack level 0) 20 A")
    accept(world, profile(world, (0, 6.0), purpose=TX, profile_id=2), evse_id=1)
    assert [each.permit_a for each in world.station.views()] == [6.0, 14.0]
    accept(world, profile(world, (0, 11.9), purpose=MAX, profile_id=9))
    assert [each.permit_a for each in world.station.views()] == [6.0, None] or [
        each.permit_a for each in world.station.views()
    ] == [None, 6.0]


def test_a_share_that_falls_because_another_one_may_rise_ends_the_permit_too() -> None:
    world = World(evses=2)
    world.charge(ALICE, 1)
    world.charge(BOB, 2)
    begun_s = world.now_s
    accept(world, profile(world, (0, 6.0), (30, 16.0), purpose=TX, profile_id=2), evse_id=1)
    accept(world, profile(world, (0, 20.0), purpose=MAX, profile_id=9))
    assert [each.permit_a for each in world.station.views()] == [6.0, 14.0]
    for _ in range(600):
        world.tick()
        permits = [each.permit for each in world.bays.values()]
        assert None not in permits
        assert sum(each[1] for each in permits if each is not None) <= 20.0
        if world.now_s < begun_s + 28.5:
            assert permits[1] is not None
            assert permits[1][2] <= begun_s + 30 + 1e-6
    assert [each.permit_a for each in world.station.views()] == [10.0, 10.0]


# What is refused


@pytest.mark.req("OCPP 1.6 §3.13.1; §5.16; §7.8-7.14; §9.4; errata 3.39")
def test_what_breaks_a_rule_is_refused_with_its_reason() -> None:
    world = World()
    cases = {
        "stack level 11": profile(world, level=11),
        "stack level -1": profile(world, level=-1),
        "101 periods": profile(world, *((each, 10.0) for each in range(101))),
        "first period starts at 5 s": profile(world, (5, 10.0)),
        "not after the one before": profile(world, (0, 10.0), (60, 8.0), (60, 6.0)),
        "below 0": profile(world, (0, -1.0)),
        "duration of 0 s": profile(world, duration_s=0),
        "recurrency kind": profile(world, kind=ProfileKind.RECURRING),
        "start of its schedule": profile(None, kind=ProfileKind.RECURRING, recurrence=Recurrence.DAILY),
    }
    for reason, wrong in cases.items():
        assert reason in refused(world, wrong), reason
    assert "not on an EVSE" in refused(world, profile(world, purpose=MAX), evse_id=1)
    assert "no EVSE 5" in refused(world, profile(world), evse_id=5)
    assert written(world) == 0


@pytest.mark.req("OCPP 1.6 §9.4, ChargingScheduleAllowedChargingRateUnit")
def test_a_unit_that_is_not_allowed_is_refused() -> None:
    world = World(variables=book(RateUnit="A"))
    assert "unit W" in refused(world, profile(world, unit=RateUnit.WATTS))
    accept(world, profile(world))


@pytest.mark.req("OCPP 1.6 §9.4, MaxChargingProfilesInstalled")
def test_a_full_station_takes_replacements_and_makes_room_by_what_is_over() -> None:
    world = World(variables=book(Entries=2))
    accept(world, profile(world, profile_id=1, valid_to_s=60))
    accept(world, profile(world, profile_id=2, level=1))
    assert "2 charging profiles" in refused(world, profile(world, profile_id=3, level=2))
    accept(world, profile(world, profile_id=3, level=1))
    world.run(61)
    accept(world, profile(world, profile_id=4, level=2))
    assert sorted(world.documents["charging_profile"]) == ["3", "4"]


# Replacing and clearing


@pytest.mark.req("OCPP 1.6 §3.13.2; §5.16")
def test_a_profile_replaces_its_id_wherever_it_was_and_its_rank_where_it_is() -> None:
    world = World(evses=2)
    accept(world, profile(world, (0, 10.0), profile_id=1), evse_id=1)
    accept(world, profile(world, (0, 9.0), profile_id=2), evse_id=2)
    accept(world, profile(world, (0, 8.0), profile_id=3), evse_id=1)  # the rank of 1
    assert sorted(world.documents["charging_profile"]) == ["2", "3"]
    accept(world, profile(world, (0, 7.0), profile_id=2, level=4))  # moves to the station
    assert shape(composite(world, 60, 2)) == [(0, 7.0)]
    assert sorted(world.documents["charging_profile"]) == ["2", "3"]


@pytest.mark.req("OCPP 1.6 §3.13.2")
def test_a_profile_for_later_replaces_at_once_and_leaves_the_default_behaviour_until_then() -> None:
    world = World()
    world.charge()
    accept(world, profile(world, (0, 8.0)))
    later = profile(world, (0, 9.0), starts_in_s=60)
    accept(world, later)
    assert world.station.view(1).permit_a == 16.0
    world.run(61)
    assert world.station.view(1).permit_a == 9.0


@pytest.mark.req("OCPP 1.6 §5.5; errata 3.25, 3.26")
@pytest.mark.octt("TC_067_CS")
def test_profiles_are_cleared_by_id_and_by_every_combination_of_criteria() -> None:
    def filled() -> World:
        world = World(evses=2)
        accept(world, profile(world, profile_id=1))
        accept(world, profile(world, profile_id=2), evse_id=1)
        accept(world, profile(world, profile_id=3, level=1), evse_id=1)
        accept(world, profile(world, profile_id=4), evse_id=2)
        accept(world, profile(world, profile_id=5, purpose=MAX))
        return world

    cases = [
        (ClearProfiles(profile_id=3), ["3"]),
        (ClearProfiles(profile_id=3, place=(2, 1), purpose=MAX, stack_level=9), ["3"]),  # the id says it all
        (ClearProfiles(profile_id=99), []),
        (ClearProfiles(place=(1, 1)), ["2", "3"]),
        (ClearProfiles(place=(None, None)), ["1", "5"]),
        (ClearProfiles(purpose=DEFAULT), ["1", "2", "3", "4"]),
        (ClearProfiles(stack_level=0), ["1", "2", "4", "5"]),
        (ClearProfiles(place=(1, 1), stack_level=0), ["2"]),
        (ClearProfiles(place=(None, None), purpose=MAX), ["5"]),
        (ClearProfiles(purpose=MAX, stack_level=1), []),
        (ClearProfiles(place=(-1, -1)), []),
        (ClearProfiles(), ["1", "2", "3", "4", "5"]),
    ]
    for command, gone in cases:
        world = filled()
        assert clear(world, command) == len(gone), command
        assert sorted(world.documents["charging_profile"]) == sorted({"1", "2", "3", "4", "5"} - set(gone)), command


# Remote start with a profile


@pytest.mark.req("OCPP 1.6 §5.11; §5.16.2; §3.13.5")
@pytest.mark.octt("TC_059_CS")
def test_a_remote_starts_profile_becomes_that_of_its_transaction_and_starts_with_it() -> None:
    world = World()
    given = profile(None, (0, 7.0), (30, 11.0), purpose=TX, kind=ProfileKind.RELATIVE)
    outcome = world.answers[world.command(RequestStart(token=BOB, evse_id=1, profile=given))]
    assert isinstance(outcome, Outcome)
    assert outcome.answered is Answered.ACCEPTED
    world.run(20)
    assert written(world) == 0
    world.plug()
    world.until(world.closed)
    begun_s = world.now_s
    assert world.station.view(1).permit_a == 7.0
    assert list(world.documents["charging_profile"]) == ["1"]
    world.run(begun_s + 31 - world.now_s)
    assert world.station.view(1).permit_a == 11.0


@pytest.mark.req("OCPP 1.6 §5.11; §5.16.2")
@pytest.mark.octt("TC_060_CS")
def test_a_remote_start_with_an_unfit_profile_is_refused() -> None:
    world = World()
    for unfit in (profile(None, purpose=DEFAULT), profile(None, (1, 6.0), purpose=TX), profile(None, level=99)):
        outcome = world.answers[world.command(RequestStart(token=BOB, evse_id=1, profile=unfit))]
        assert isinstance(outcome, Outcome)
        assert outcome.answered is Answered.REJECTED
    world.plug()
    world.run(5)
    assert not world.started


@pytest.mark.req("OCPP 1.6 errata 3.42: the profile of a remote start is replaced by one of its stack level")
def test_the_profile_of_a_remote_start_is_replaced_by_one_of_its_stack_level() -> None:
    world = World()
    world.plug()
    world.run(1)
    first = profile(None, (0, 7.0), purpose=TX, profile_id=1)
    world.command(RequestStart(token=BOB, evse_id=1, connector_id=1, profile=first))
    world.until(world.closed)
    accept(world, profile(None, (0, 9.0), purpose=TX, profile_id=2), evse_id=1)
    assert world.station.view(1).permit_a == 9.0
    assert list(world.documents["charging_profile"]) == ["2"]


def test_a_profile_that_was_accepted_with_a_start_is_taken_by_a_station_that_is_full_by_then() -> None:
    world = World(variables=book(Entries=1))
    world.command(RequestStart(token=BOB, evse_id=1, profile=profile(None, (0, 7.0), purpose=TX, profile_id=1)))
    accept(world, profile(world, (0, 12.0), profile_id=2))
    world.plug()
    world.until(world.closed)
    assert world.station.view(1).permit_a == 7.0


# The composite schedule


@pytest.mark.req("OCPP 1.6 §5.7; errata 3.24, 3.57")
@pytest.mark.octt("TC_066_CS")
def test_the_composite_schedule_combines_all_purposes() -> None:
    world = World()
    world.charge()
    accept(world, profile(world, (0, 10.0), purpose=MAX, profile_id=1, duration_s=86_400))
    steps = ((0, 6.0), (60, 10.0), (120, 8.0), (180, 15.0), (260, 8.0))
    accept(world, profile(world, *steps, profile_id=2, duration_s=300, valid_to_s=401))
    steps = ((0, 8.0), (50, 11.0), (140, 16.0), (200, 6.0), (240, 12.0))
    accept(world, profile(world, *steps, purpose=TX, profile_id=3, duration_s=260, valid_to_s=401), evse_id=1)
    told = composite(world, 400)
    assert shape(told) == [(0, 8.0), (50, 10.0), (200, 6.0), (240, 10.0)]
    assert told.duration_s == 400
    watts = composite(world, 400, unit=RateUnit.WATTS)
    assert shape(watts) == [(0, 5_520.0), (50, 6_900.0), (200, 4_140.0), (240, 6_900.0)]


@pytest.mark.req("OCPP 1.6 §5.7: connector 0 is what the whole station takes")
def test_the_composite_schedule_of_the_station_is_the_sum_within_the_maximum() -> None:
    world = World(evses=2)
    accept(world, profile(world, (0, 6.0), (60, 16.0)), evse_id=1)
    assert shape(composite(world, 120, None)) == [(0, 22.0), (60, 32.0)]
    accept(world, profile(world, (0, 25.0), purpose=MAX, profile_id=2))
    assert shape(composite(world, 120, None)) == [(0, 22.0), (60, 25.0)]
    assert shape(composite(world, 120, None, RateUnit.WATTS)) == [(0, 15_180.0), (60, 17_250.0)]


@pytest.mark.req("OCPP 1.6 §5.7")
def test_the_composite_schedule_of_an_unknown_connector_of_no_time_or_in_a_foreign_unit_is_refused() -> None:
    world = World(variables=book(RateUnit="A"))
    for command in (
        GetComposite(duration_s=60, evse_id=9, connector_id=1),
        GetComposite(duration_s=0, evse_id=1),
        GetComposite(duration_s=60, evse_id=1, unit=RateUnit.WATTS),
    ):
        outcome = world.answers[world.command(command)]
        assert isinstance(outcome, CompositeOutcome)
        assert outcome.composite is None
        assert outcome.why


# Restarts, flash and the clock


@pytest.mark.req("OCPP 1.6 §3.13.6; errata 3.37")
def test_profiles_survive_a_restart_and_a_power_cut() -> None:
    world = World()
    world.charge()
    accept(world, profile(world, (0, 9.0), purpose=TX, profile_id=1), evse_id=1)
    accept(world, profile(world, (0, 12.0), profile_id=2))
    world.kill_agent()
    world.run(2)
    world.start_agent()
    world.run(2)
    assert world.station.view(1).permit_a == 9.0
    world.power_cut()
    world.start_agent()
    world.run(30)
    assert world.ended
    assert list(world.documents["charging_profile"]) == ["2"]
    world.unplug()
    world.run(2)
    world.charge(BOB)
    assert world.station.view(1).permit_a == 12.0


@pytest.mark.req("OCPP 1.6 §3.13.6: offline nothing changes")
def test_without_the_csms_the_schedule_goes_on_and_the_next_transaction_has_its_default() -> None:
    world = World(variables=book(OfflineTxForUnknownIdEnabled=True))
    begun_s = world.now_s
    accept(world, profile(world, (0, 12.0), (120, 8.0)))
    world.link(False)
    world.charge()
    assert world.station.view(1).permit_a == 12.0
    world.run(begun_s + 121 - world.now_s)
    assert world.station.view(1).permit_a == 8.0


@pytest.mark.req("evcc rewrites its profile on every change of the solar surplus: persistence must not wear out flash")
def test_the_same_limit_again_is_not_written_again() -> None:
    world = World()
    world.charge()
    for _ in range(10):
        accept(world, profile(world, (0, 9.0), starts_in_s=-60.0))
        world.run(30)
    assert written(world) == 1
    accept(world, profile(world, (0, 9.1), starts_in_s=-60.0))
    assert written(world) == 2
    steps = profile(world, (0, 9.0), (60, 8.0), profile_id=2, level=1)
    accept(world, steps)
    accept(world, steps)
    assert written(world) == 3


@pytest.mark.req("OpenEVSE 1084: schedules without a clock")
def test_without_the_time_of_day_the_lowest_limit_of_a_dated_schedule_counts() -> None:
    world = World()
    accept(world, profile(world, (0, 16.0), (3_600, 7.0), (7_200, 12.0)))
    known_s = world.utc_offset_s
    world.utc_offset_s = None
    world.charge()
    assert world.station.view(1).permit_a == 7.0
    assert "while the time of day is unknown" in why(world)[0]
    world.utc_offset_s = known_s
    world.run(2)
    assert world.station.view(1).permit_a == 16.0


def test_a_clock_that_is_set_moves_the_limit() -> None:
    world = World()
    world.charge()
    accept(world, profile(world, (0, 16.0), (3_600, 7.0)))
    assert world.station.view(1).permit_a == 16.0
    assert world.utc_offset_s is not None
    world.utc_offset_s += 3_700
    world.run(2)
    assert world.station.view(1).permit_a == 7.0


def test_a_document_that_cannot_be_read_is_told_and_forgotten() -> None:
    world = World()
    world.kill_agent()
    world.documents = {"charging_profile": {"1": b"{", "2": b"[]"}, "reservation": {"3": b"nonsense"}}
    world.start_agent()
    assert len(world.notices("profile.unreadable")) == 2
    assert len(world.notices("reservation.unreadable")) == 1
    assert world.documents == {"charging_profile": {}, "reservation": {}}


def test_an_idle_station_with_profiles_does_not_wake_for_them() -> None:
    world = World()
    steps = tuple((each * 10, 10.0 + each % 2) for each in range(50))
    accept(world, profile(world, *steps))
    before = world.wakes
    world.run(300)
    assert world.wakes - before <= 2


STEPS = st.lists(st.tuples(st.integers(1, 80), st.sampled_from([6.0, 8.0, 13.0, 20.0])), max_size=5)


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(station=STEPS, default=STEPS, own=STEPS, shift_s=st.sampled_from([0.0, 0.05, 0.73]))
@pytest.mark.req("permit: never valid beyond its own next decrease; OCPP 1.6 §3.13.3")
def test_no_permit_in_force_ever_exceeds_what_holds_at_that_moment(
    station: list[tuple[int, float]], default: list[tuple[int, float]], own: list[tuple[int, float]], shift_s: float
) -> None:
    world = World(evses=2)
    world.charge(ALICE, 1)
    world.charge(BOB, 2)
    world.run(shift_s)
    begun_s = world.now_s
    rows = {
        MAX: ((0, 26.0), *sorted(dict(station).items())),
        DEFAULT: ((0, 16.0), *sorted(dict(default).items())),
        TX: ((0, 10.0), *sorted(dict(own).items())),
    }
    for number, (purpose, steps) in enumerate(rows.items()):
        place = 1 if purpose is TX else None
        accept(world, profile(world, *steps, purpose=purpose, profile_id=number), evse_id=place)

    def holds(purpose: ProfilePurpose) -> float:
        passed = [limit for start, limit in rows[purpose] if start <= world.now_s - begun_s + 1e-6]
        return passed[-1]

    for _ in range(1000):
        world.tick()
        permits = {each.evse_id: each.permit for each in world.bays.values()}
        in_force = {evse_id: each[1] for evse_id, each in permits.items() if each is not None}
        assert in_force.get(1, 0.0) <= holds(TX)
        assert in_force.get(2, 0.0) <= holds(DEFAULT)
        assert sum(in_force.values()) <= holds(MAX) + 1e-6
        if min(limit for _, limit in rows[MAX]) >= 12.0:
            assert set(in_force) == {1, 2}, "a permit ended before the next one came"
