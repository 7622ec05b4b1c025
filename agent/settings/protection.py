"""Self-test, temperatures and heartbeat of a station file as values, and as the guard's plan says them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from agent.settings.reading import Clean
    from agent.settings.station import DriverSettings, EvseSettings, LineSettings, LockSettings, Settings


class RcdTestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The test line of a residual current sensor and its timings."""

    line: str
    active_high: bool
    pulse_ms: int
    trip_ms: int
    second_trip_ms: int
    release_ms: int
    every_h: float
    before_session: bool


class TemperatureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One temperature sensor: ``driver`` is its target and options, thresholds in degC."""

    name: str
    target: str
    options: dict[str, Any]
    reduce_c: float
    stop_c: float
    hysteresis_k: float


class HeartbeatSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The permit heartbeat's line."""

    line: str
    active_high: bool
    period_ms: int


def rcd_test_of(clean: Clean | None) -> RcdTestSettings | None:
    """Return the checked table as a value."""
    return None if clean is None else RcdTestSettings(**clean)


def temperatures_of(tables: list[Clean]) -> tuple[TemperatureSettings, ...]:
    """Return the checked list as values; a sensor without a name is called by its place in the list."""
    found = []
    for number, clean in enumerate(tables, 1):
        driver: DriverSettings = clean["driver"]
        found.append(
            TemperatureSettings(
                name=clean.get("name", f"temperature {number}"),
                target=driver.target,
                options=dict(driver.options),
                reduce_c=clean["reduce_c"],
                stop_c=clean["stop_c"],
                hysteresis_k=clean["hysteresis_k"],
            )
        )
    return tuple(found)


def heartbeat_of(clean: Clean | None) -> HeartbeatSettings | None:
    """Return the checked table as a value."""
    return None if clean is None else HeartbeatSettings(**clean)


def watched_plan(evse: EvseSettings) -> dict[str, Any]:
    """Return what the plan says of an EVSE's further inputs; nothing where there are none."""
    lines = {"rcm": evse.rcm, "ground": evse.ground, "door": evse.door, "tilt": evse.tilt}
    return {name: input_plan(line, latches=name == "rcm") for name, line in lines.items() if line is not None}


def plan_of_evse(evse: EvseSettings) -> dict[str, Any]:
    """Return what the plan says of an EVSE's protection."""
    found: dict[str, Any] = {
        "rcd": input_plan(evse.rcd, latches=True),
        "emergency_stop": input_plan(evse.emergency_stop),
        **watched_plan(evse),
    }
    test = evse.rcd_test
    if test is not None:
        found["rcd_test"] = {
            "line": test.line,
            "active_high": test.active_high,
            "pulse_s": test.pulse_ms / 1000,
            "trip_s": test.trip_ms / 1000,
            "second_trip_s": test.second_trip_ms / 1000,
            "release_s": test.release_ms / 1000,
            "every_s": test.every_h * 3600,
            "before_session": test.before_session,
        }
    if evse.temperatures:
        found["temperatures"] = [
            {
                "target": each.target,
                "options": each.options,
                "name": each.name,
                "reduce_c": each.reduce_c,
                "stop_c": each.stop_c,
                "hysteresis_k": each.hysteresis_k,
            }
            for each in evse.temperatures
        ]
    return found


def plan_of_station(settings: Settings) -> dict[str, Any]:
    """Return what the plan says of the station's own inputs and the heartbeat; nothing where there are none."""
    found: dict[str, Any] = {}
    if settings.inputs:
        found["inputs"] = {name: input_plan(line) for name, line in settings.inputs.items()}
    beat = settings.guard.heartbeat
    if beat is not None:
        found["heartbeat"] = {
            "line": beat.line,
            "active_high": beat.active_high,
            "period_s": beat.period_ms / 1000,
        }
    return found


def lock_plan(lock: LockSettings) -> dict[str, Any]:
    """Return how a lock is driven; nothing where it is held by one level in the usual time."""
    if lock.unlock is None and (lock.pulse_ms, lock.confirm_ms) == (600, 3000):
        return {}
    return {
        "kind": "held" if lock.unlock is None else "pulsed",
        "unlock": input_plan(lock.unlock),
        "pulse_s": lock.pulse_ms / 1000,
        "break_s": lock.break_ms / 1000,
        "failed_s": lock.confirm_ms / 1000,
    }


def input_plan(line: LineSettings | None, *, latches: bool = False) -> dict[str, Any] | None:
    """Return an input as the plan says it; ``latches``: what the guard does where the plan is silent."""
    if line is None:
        return None
    plan: dict[str, Any] = {"line": line.line, "active_high": line.active_high, "pull": line.pull}
    if line.debounce_ms:
        plan["debounce_s"] = line.debounce_ms / 1000
    if line.latched is not None and line.latched is not latches:
        plan["latched"] = line.latched
    return plan
