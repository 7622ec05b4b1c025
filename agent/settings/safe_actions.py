"""``outputs-safe.plan``: what makes a station's outputs safe without an interpreter, in the drivers' own words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from agent.atomic import replace_file
from agent.settings.station import (
    DriverSettings,
    EvseSettings,
    LineSettings,
    LockSettings,
    SerialBusSettings,
    Settings,
)
from drivers.api.safe import NoSafeAction, SafeAction, SafeOutput, plan_text
from drivers.registry import find

PLAN_NAME: Final = "outputs-safe.plan"


def safe_actions(settings: Settings) -> list[SafeAction]:
    """Return the safe actions of a station: contactors first, then pilots, then whatever else it drives.

    Where a driver does not say what is safe, ``NoSafeAction`` does, and the program reports it at every start.
    """
    parts = [part for evse in settings.evses for part in evse.parts]
    contactors = [_off(evse.contactor) for evse in parts if evse.contactor is not None]
    # The second ones after the main ones: they never break a load.
    contactors += [_off(evse.phase_contactor) for evse in parts if evse.phase_contactor is not None]
    actions = _of_lines(settings, contactors) + _of_controllers(settings)
    for device in _devices(parts):
        spec = find(device.kind, device.driver)
        if spec.safe is None:
            actions.append(NoSafeAction(what=f"{device.kind.value} driver {device.driver}"))
        else:
            actions += spec.safe(device.options)
    others = [output for evse in parts for output in _others(evse)]
    beat = settings.guard.heartbeat
    if beat is not None:
        others.append(SafeOutput(line=beat.line, active_high=beat.active_high))
    return actions + _of_lines(settings, others)


def write_safe_plan(settings: Settings, plan: Path) -> bytes:
    """Put the safe actions beside the guard's ``plan``, atomically and durably; return them. Raises ``OSError``."""
    text = plan_text(safe_actions(settings)).encode()
    replace_file(plan.with_name(PLAN_NAME), text)
    return text


def _of_lines(settings: Settings, outputs: list[SafeOutput]) -> list[SafeAction]:
    spec = find(settings.lines.kind, settings.lines.driver)
    if not outputs:
        return []
    if spec.safe_lines is None:
        return [NoSafeAction(what=f"line {each.line} of lines driver {spec.name}") for each in outputs]
    return spec.safe_lines(settings.lines.options, outputs)


def _of_controllers(settings: Settings) -> list[SafeAction]:
    """Return what tells every bought controller "no current"; ``safe`` gets the bus that it is on as its options."""
    actions: list[SafeAction] = []
    for evse in settings.evses:
        controller = evse.controller
        if controller is None:
            continue
        spec = find(controller.driver.kind, controller.driver.driver)
        if spec.safe is None:
            actions.append(NoSafeAction(what=f"controller driver {spec.name} of EVSE {evse.id}"))
        else:
            actions += spec.safe({**controller.driver.options, **_bus_options(settings, controller.bus)})
    return actions


def _bus_options(settings: Settings, name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    bus = settings.bus(name)
    if isinstance(bus, SerialBusSettings):
        return {"port": str(bus.port), "baud": bus.baud, "parity": bus.parity, "stopbits": bus.stopbits}
    return {"host": bus.host, "tcp_port": bus.tcp_port}


def _devices(evses: Iterable[EvseSettings]) -> Iterator[DriverSettings]:
    for evse in evses:
        if evse.pilot is not None:
            yield evse.pilot


def _others(evse: EvseSettings) -> Iterator[SafeOutput]:
    """Yield outputs that would do harm or lie when left on; a held lock stays as it is, a cable may be in it."""
    if evse.lock is not None and evse.lock.unlock is not None:  # a motor that is driven for ever burns
        yield _off(evse.lock)
        yield _off(evse.lock.unlock)
    if evse.buzzer is not None:
        yield SafeOutput(line=evse.buzzer.line, active_high=evse.buzzer.active_high)
    if evse.rcd_test is not None:
        yield SafeOutput(line=evse.rcd_test.line, active_high=evse.rcd_test.active_high)


def _off(line: LineSettings | LockSettings) -> SafeOutput:
    return SafeOutput(line=line.line, active_high=line.active_high)
