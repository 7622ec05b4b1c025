"""Which charging profiles this station takes: the rules that a profile must keep by itself.

Sources: OCPP 1.6 §3.13.1, §5.16, §7.8-7.14, §9.4 and errata 3.38, 3.39, 3.69, 3.88; OCPP 2.0.1 K01.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from agent.model.profiles import Profile, ProfileKind, ProfilePurpose, Schedule
from agent.model.variables import VariableBook

CONTROLLER: Final = "SmartChargingCtrlr"
MOST_PHASES: Final = 3


def refusal_of(profile: Profile, variables: VariableBook) -> str | None:
    """Return why the station does not take this profile, whatever is installed; ``None``: it does."""
    highest = variables.integer(CONTROLLER, "ProfileStackLevel")
    if not 0 <= profile.stack_level <= highest:
        return f"stack level {profile.stack_level} is outside 0-{highest}"
    if profile.kind is ProfileKind.RECURRING:
        if profile.recurrence is None:
            return "a recurring profile needs a recurrency kind"
        if profile.schedule.start_utc_s is None:
            return "a recurring profile needs the start of its schedule"
    valid_from, valid_to = profile.valid_from_utc_s, profile.valid_to_utc_s
    if valid_from is not None and valid_to is not None and valid_to <= valid_from:
        return "the profile ends to be valid before it begins to be"
    return _refusal_of_schedule(profile.schedule, variables)


def refusal_of_place(purpose: ProfilePurpose, evse_id: int | None) -> str | None:
    """Return why a profile of this purpose cannot be set there (``None``: on the station); ``None``: it can."""
    if purpose is ProfilePurpose.STATION_MAX and evse_id is not None:
        return "the station's maximum is set on the station, not on an EVSE"
    if purpose is ProfilePurpose.TX and evse_id is None:
        return "a transaction's profile is set on the EVSE of the transaction, not on the station"
    return None


def refusal_with_start(profile: Profile, variables: VariableBook) -> str | None:
    """Return why a profile cannot come with the order to start a transaction (OCPP 1.6 §5.16.2)."""
    if profile.purpose is not ProfilePurpose.TX:
        return "only a transaction's own profile comes with the order to start it"
    return refusal_of(profile, variables)


def _refusal_of_schedule(schedule: Schedule, variables: VariableBook) -> str | None:
    allowed = variables.members(CONTROLLER, "RateUnit")
    if schedule.unit.value not in allowed:
        return f"the unit {schedule.unit.value} is not one of {', '.join(allowed)}"
    periods, most = schedule.periods, variables.integer(CONTROLLER, "PeriodsPerSchedule")
    if not 1 <= len(periods) <= most:
        return f"{len(periods)} periods are outside 1-{most}"
    if schedule.duration_s is not None and schedule.duration_s <= 0:
        return f"a duration of {schedule.duration_s} s is not above 0"
    if periods[0].start_s != 0:
        return f"the first period starts at {periods[0].start_s} s, not at 0"
    for before, after in pairwise(periods):
        if after.start_s <= before.start_s:
            return f"a period starts at {after.start_s} s, not after the one before it at {before.start_s} s"
    for each in periods:
        if each.limit < 0:
            return f"a limit of {each.limit:g} {schedule.unit.value} is below 0"
        if each.phases is not None and not 1 <= each.phases <= MOST_PHASES:
            return f"{each.phases} phases are outside 1-{MOST_PHASES}"
    return None
