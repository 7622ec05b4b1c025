"""What a compiled plan says of inputs, self-test, temperatures and locks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.guard.cable_lock import HELD, LockSettings
from agent.guard.checks import flag, number, one_of, text
from agent.guard.inputs import InputRole
from agent.guard.plan_place import (
    LinePlan,
    Place,
    PlanError,
    Target,
    parse_line,
    parse_optional_line,
    parse_target,
)
from agent.guard.rcd_test import RcdTestSettings
from agent.guard.temperature import SensorSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RcdTestPlan:
    """The test line of a residual current sensor."""

    line: LinePlan
    settings: RcdTestSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperaturePlan:
    """A temperature sensor: its driver and its thresholds."""

    sensor: Target
    settings: SensorSettings


WatchedPlan = tuple[InputRole, LinePlan]


EVSE_ROLES: Final = (InputRole.RCM, InputRole.GROUND, InputRole.DOOR, InputRole.TILT)
CONTROLLED_ROLES: Final = (InputRole.GROUND, InputRole.DOOR, InputRole.TILT)
STATION_ROLES: Final = (InputRole.EMERGENCY_STOP, InputRole.GROUND, InputRole.DOOR, InputRole.TILT)


def parse_watched(place: Place, roles: tuple[InputRole, ...]) -> tuple[WatchedPlan, ...]:
    """Return the watched inputs among ``roles``. Raises ``PlanError``."""
    found = ((role, parse_optional_line(place, role.value, latched=role is InputRole.RCM)) for role in roles)
    return tuple((role, line) for role, line in found if line is not None)


def parse_lock(place: Place) -> LockSettings:
    """Return how a lock is driven. Raises ``PlanError``."""
    return LockSettings(
        pulsed=place.take("kind", one_of("held", "pulsed"), default="held") == "pulsed",
        pulse_s=place.take("pulse_s", number(0.05, 5.0), default=HELD.pulse_s),
        break_s=place.take("break_s", number(0.1, 60.0), default=HELD.break_s),
        failed_s=place.take("failed_s", number(0.5, 60.0), default=HELD.failed_s),
    )


def parse_rcd_test(place: Place) -> RcdTestPlan:
    """Return a sensor's test line. Raises ``PlanError``."""
    usual = RcdTestSettings()
    settings = RcdTestSettings(
        pulse_s=place.take("pulse_s", number(0.01, 30.0), default=usual.pulse_s),
        trip_s=place.take("trip_s", number(0.01, 30.0), default=usual.trip_s),
        second_trip_s=place.take("second_trip_s", number(0.01, 30.0), default=usual.second_trip_s),
        release_s=place.take("release_s", number(0.01, 60.0), default=usual.release_s),
        every_s=place.take("every_s", number(60.0, 90000.0), default=usual.every_s),
        before_session=place.take("before_session", flag, default=True),
    )
    return RcdTestPlan(line=parse_line(place), settings=settings)


def parse_temperature(place: Place) -> TemperaturePlan:
    """Return a temperature sensor. Raises ``PlanError``."""
    settings = SensorSettings(
        name=place.take("name", text(40)),
        reduce_c=place.take("reduce_c", number(-40.0, 200.0)),
        stop_c=place.take("stop_c", number(-40.0, 200.0)),
        hysteresis_k=place.take("hysteresis_k", number(0.0, 50.0), default=3.0),
    )
    if not settings.reduce_c < settings.stop_c:
        raise PlanError(f"{place.where}.reduce_c {settings.reduce_c:g} is not below stop_c {settings.stop_c:g}")
    return TemperaturePlan(sensor=parse_target(place), settings=settings)
