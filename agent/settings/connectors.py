"""Further connectors of an EVSE: ``[[evse.connectors]]``.

The options of ``[[evse]]`` itself are those of connector 1. Each further connector is wired for itself: pilot,
contactors with their feedback, lock, and inputs of its own where it has some. What it does not say of how it is used,
and inputs and temperatures that it does not have, it takes from its EVSE; such an input then watches both. Meter,
reader, light, buzzer and button are the EVSE's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from agent.settings.key_lines import KeyPath
from agent.settings.line_tables import PULL, driver, line, mirror
from agent.settings.protection_tables import (
    LOCK_FIELDS,
    debounce,
    further_inputs,
    latched,
    rcd_test,
    temperature,
    unlock,
)
from agent.settings.reading import Clean, Reading, key_text
from agent.settings.schema import Field, Kind, Table
from drivers.api import DriverKind

CONNECTORS: Final = "connectors"
MOST_CONNECTORS: Final = 4  # of one EVSE; house rule
_OF_EVSE: Final = (
    "id",
    "phases",
    "max_current_a",
    "voltage_v",
    "ventilation",
    "simplified",
    "wake_up",
    "phase_switching",
    "phase_wait_s",
    "phase_interval_s",
)
SHARED_INPUTS: Final = ("rcd", "rcm", "emergency_stop", "ground", "door", "tilt", "temperature")
_SENSORS: Final = ("rcd", "rcm")  # what a self-test trips


def connectors_table(kind: Field) -> Table:
    """Return the table of a further connector; ``kind`` is the option of an EVSE that says which it is."""
    return Table(
        name=CONNECTORS,
        help="A further connector of this EVSE, which charges at one of them at a time; the EVSE's own tables are "
        "those of connector 1. Repeat the table for each. Inputs and temperatures that it lacks are the EVSE's",
        repeated=True,
        apart=True,
        fields=(
            Field(
                name="id",
                kind=Kind.WHOLE,
                required=True,
                minimum=2,
                maximum=MOST_CONNECTORS,
                help="number within the EVSE, 2 and up",
                example=2,
            ),
            kind,
            Field(
                name="max_current_a",
                kind=Kind.NUMBER,
                unit="A",
                minimum=6,
                maximum=80,  # IEC 61851-1 Table A.7: what the pilot can offer
                help="most that its wiring carries, for each phase; without it as for the EVSE",
                example=16,
            ),
            Field(
                name="tethered", kind=Kind.FLAG, default=False, help="has a fixed cable: no lock and no cable coding"
            ),
            Field(
                name="reject_13a",
                kind=Kind.FLAG,
                help="cables coded for 13 A may not be used; without it as for the EVSE",
                example=False,
            ),
        ),
        tables=(
            Table(
                name="pilot",
                help="control pilot and proximity",
                usual=True,
                inline=True,
                driver=DriverKind.POWER_PATH,
                fields=(driver(example="bench"),),
            ),
            line("contactor", "coil of its main contactor", usual=True),
            mirror("mirror", "feedback of the contactor, which must be seen open before another connector closes"),
            *(msgspec.structs.replace(each, as_above=True) for each in wiring()),
        ),
    )


def wiring() -> tuple[Table, ...]:
    """Return what every connector may be wired with, connector 1 included, beyond pilot, contactor and mirror."""
    return (
        line("phase_contactor", "coil of a second contactor for L2 and L3, behind the main one, which switches L1"),
        mirror("phase_mirror", "feedback of the second contactor"),
        line(
            "lock",
            "actuator of the socket's lock",
            *LOCK_FIELDS,
            tables=(line("feedback", "active while the cable is locked", PULL), unlock(line)),
        ),
        line("rcd", "active when the residual current device has tripped", debounce(), latched(True), PULL),
        line("emergency_stop", "active when the emergency stop is pressed", debounce(), latched(False), PULL),
        *further_inputs(line, PULL),
        rcd_test(line),
        temperature(driver("sysfs")),
    )


def parts_of(clean: Clean) -> Iterator[tuple[Clean, KeyPath]]:
    """Yield every EVSE and after it each of its further connectors, as the file has them, with their places."""
    for index, evse in enumerate(clean.get("evse", [])):
        yield evse, ("evse", index)
        for place, connector in enumerate(evse.get(CONNECTORS, [])):
            yield connector, ("evse", index, CONNECTORS, place)


def completed(evse: Clean, connector: Clean) -> Clean:
    """Return a further connector with what it takes from its EVSE."""
    taken: Clean = {name: evse[name] for name in (*_OF_EVSE, *SHARED_INPUTS) if name in evse}
    refuses = bool(evse.get("reject_13a")) and not connector.get("tethered")
    return {**taken, "reject_13a": refuses, **connector, "id": evse.get("id")}


def check_connectors(clean: Clean, reading: Reading) -> None:
    """Note what several connectors of one EVSE may not be, and what each of them lacks."""
    for index, evse in enumerate(clean.get("evse", [])):
        path: KeyPath = ("evse", index)
        further = evse.get(CONNECTORS, [])
        if not further:
            continue
        if "controller" in evse:
            text = "is given for an EVSE with a controller, which runs one connector"
            reading.refuse((*path, CONNECTORS), text, "give each controller an [[evse]] of its own")
            continue
        _check_mirrors(evse, path, reading)
        for place, connector in enumerate(further):
            where = (*path, CONNECTORS, place)
            _check_connector(evse, connector, place, where, reading)
            _check_shared(evse, connector, path, reading)
        if len(further) >= MOST_CONNECTORS:
            reading.refuse(
                (*path, CONNECTORS), f"are {len(further)}, an EVSE has at most {MOST_CONNECTORS} with its first one"
            )


def _check_connector(evse: Clean, connector: Clean, place: int, path: KeyPath, reading: Reading) -> None:
    number, expected = connector.get("id"), place + 2
    if number is not None and number != expected and not reading.refused((*path, "id")):
        # OCPP 2.0.1 Part 1 §7: connectors of an EVSE are numbered from 1 without a gap
        reading.refuse((*path, "id"), f"{number} is out of order, expected {expected}: the EVSE itself is connector 1")
    for name, what in (("pilot", "control pilot and proximity"), ("contactor", "coil of the main contactor")):
        if name not in connector and not reading.refused((*path, name)):
            reading.refuse(path, f"has no {name}, expected {what}")
    _check_mirrors(connector, path, reading)
    if connector.get("tethered") and "lock" in connector:
        reading.refuse((*path, "lock"), "is given for a connector with a fixed cable (tethered = true)")
    most_a, own_a = evse.get("max_current_a"), connector.get("max_current_a")
    if most_a is not None and own_a is not None and own_a > most_a:
        reading.refuse((*path, "max_current_a"), f"{own_a:g} A is above the {most_a:g} A of {key_text(path[:2])}")
    if "rcd_test" in connector and not any(name in connector for name in _SENSORS):
        reading.refuse((*path, "rcd_test"), "is given without rcd or rcm of its own: nothing could be seen to trip")


def _check_mirrors(connector: Clean, path: KeyPath, reading: Reading) -> None:
    for contactor, feedback in (("contactor", "mirror"), ("phase_contactor", "phase_mirror")):
        if contactor in connector and feedback not in connector and not reading.refused((*path, feedback)):
            text = f"has no {feedback}, which each connector of an EVSE with several needs"
            reading.refuse(path, text, "one may close only when the others are seen open")


def _check_shared(evse: Clean, connector: Clean, path: KeyPath, reading: Reading) -> None:
    """A self-test of a sensor that watches two connectors would count as a residual current at the other one."""
    for name in _SENSORS:
        where = (*path, "rcd_test")
        if "rcd_test" in evse and name in evse and name not in connector and not reading.refused(where):
            number = connector.get("id", "?")
            reading.refuse(where, f"is given while connector {number} has no {name} of its own: a test would trip it")
