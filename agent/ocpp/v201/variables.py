"""The device model of OCPP 2.0.1: names on the wire, what is required of every station, and reports.

Source: OCPP 2.0.1 part 2 B05-B08, appendix 3 (required variables of ChargingStation, EVSE and Connector).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agent.model.commands import VariableRef
from agent.model.standard_variables import STANDARD_VARIABLES, light_variables
from agent.model.station import EvseLayout
from agent.model.variables import Access, Variable, VariableEntry, VariableType, key_of
from agent.ocpp.dialect import Message
from agent.ocpp.v201 import enums, messages, types
from agent.ocpp.wire_time import format_utc

ENTRIES_PER_PART: Final = 20
_VALUE_CHARS: Final = 2_500
_LIST_CHARS: Final = 1_000
_STATES: Final = ("Available", "Occupied", "Reserved", "Unavailable", "Faulted")
_NAME: Final = re.compile(
    r"(?P<component>\w+)(?:#(?P<evse>\d+)(?:\.(?P<connector>\d+))?)?\.(?P<variable>\w+)"
    r"(?:[\[(](?P<instance>[^\])]+)[\])])?"
)


def ref_of(component: types.Component, variable: types.Variable) -> VariableRef:
    """Return the reference that a message names."""
    return VariableRef(
        component=component.name,
        variable=variable.name,
        instance=variable.instance,
        component_instance=component.instance,
        evse_id=None if component.evse is None else component.evse.id,
        connector_id=None if component.evse is None else component.evse.connector_id,
    )


def names_of(ref: VariableRef) -> tuple[types.Component, types.Variable]:
    """Return a reference as a message names it."""
    evse = None if ref.evse_id is None else types.Evse(id=ref.evse_id, connector_id=ref.connector_id)
    component = types.Component(name=ref.component, evse=evse, instance=ref.component_instance)
    return component, types.Variable(name=ref.variable, instance=ref.instance)


def own_variables(evses: Sequence[EvseLayout]) -> Sequence[Variable]:
    """Return what 2.0.1 requires of the station as it is built."""
    places = [("ChargingStation", None, None, max((evse.phases for evse in evses), default=0))]
    own = [each for place in places for each in _of_place(*place)]
    for evse in evses:
        own += _of_place("EVSE", evse.evse_id, None, evse.phases)
        own.append(_power(evse))
        for connector_id in evse.connector_ids:
            own += _of_place("Connector", evse.evse_id, connector_id, evse.phases)
            own.append(_connector_type(evse, connector_id))
    return (*own, *light_variables(evses))


def key_named(name: str, own: Sequence[Variable]) -> str | None:
    """Return the book's key of ``Component.Variable``, also with ``[Instance]`` and ``Component#evse.connector``.

    Where a variable exists only with one instance its name suffices.
    """
    match = _NAME.fullmatch(name.strip())
    if match is None:
        return None
    evse, connector = match["evse"], match["connector"]
    wanted = VariableRef(
        component=match["component"],
        variable=match["variable"],
        instance=match["instance"],
        evse_id=None if evse is None else int(evse),
        connector_id=None if connector is None else int(connector),
    )
    known = {key_of(each.ref) for each in (*STANDARD_VARIABLES, *own)}
    if key_of(wanted) in known:
        return key_of(wanted)
    instances = [key for key in known if key.startswith(key_of(wanted) + "[")]
    return instances[0] if len(instances) == 1 else None


def report(request_id: int, entries: Sequence[VariableEntry], generated_utc_s: float) -> Sequence[Message]:
    """Return a report in parts; one empty part for a report of nothing."""
    parts = [entries[at : at + ENTRIES_PER_PART] for at in range(0, len(entries), ENTRIES_PER_PART)] or [()]
    generated_at = format_utc(generated_utc_s)
    return tuple(
        Message(
            action="NotifyReport",
            payload=messages.NotifyReportRequest(
                request_id=request_id,
                generated_at=generated_at,
                seq_no=number,
                tbc=number < len(parts) - 1,
                report_data=tuple(_reported(entry) for entry in part) or None,
            ),
        )
        for number, part in enumerate(parts)
    )


def _reported(entry: VariableEntry) -> types.ReportedVariable:
    definition = entry.definition
    component, variable = names_of(definition.ref)
    secret = definition.access is Access.WRITE_ONLY
    return types.ReportedVariable(
        component=component,
        variable=variable,
        variable_attribute=(
            types.VariableAttribute(
                type=enums.AttributeKind.ACTUAL,
                value=None if secret else entry.value[:_VALUE_CHARS],
                mutability=enums.Mutability(definition.access.value),
                persistent=definition.persistent,
                constant=False,
            ),
        ),
        variable_characteristics=types.VariableCharacteristics(
            data_type=enums.DataKind(definition.type.value),
            supports_monitoring=False,
            unit=definition.unit,
            min_limit=definition.minimum,
            max_limit=definition.maximum,
            values_list=",".join(definition.options)[:_LIST_CHARS] or None,
        ),
    )


def _of_place(component: str, evse_id: int | None, connector_id: int | None, phases: int) -> list[Variable]:
    def one(variable: str, kind: VariableType, default: str, options: tuple[str, ...], text: str) -> Variable:
        return Variable(
            component=component,
            variable=variable,
            type=kind,
            access=Access.READ_ONLY,
            default=default,
            options=options,
            persistent=False,
            text=text,
            evse_id=evse_id,
            connector_id=connector_id,
        )

    return [
        one("AvailabilityState", VariableType.OPTION_LIST, "Available", _STATES, "its present status"),
        one("Available", VariableType.BOOLEAN, "true", (), "it exists"),
        one("SupplyPhases", VariableType.INTEGER, str(phases), (), "phases of its supply"),
    ]


def _power(evse: EvseLayout) -> Variable:
    return Variable(
        component="EVSE",
        variable="Power",
        type=VariableType.DECIMAL,
        access=Access.READ_ONLY,
        unit="W",
        maximum=round(evse.phases * evse.max_current_a * evse.voltage_v, 1),
        persistent=False,
        text="its largest power is the upper limit",
        evse_id=evse.evse_id,
    )


def _lockable(evse: EvseLayout, connector_id: int) -> bool:
    return next((each.lockable for each in evse.connectors if each.connector_id == connector_id), evse.lockable)


def _connector_type(evse: EvseLayout, connector_id: int) -> Variable:
    """IEC 62196-2 Type 2 is what an EVSE with this pilot has: a socket with a lock, or an attached cable."""
    return Variable(
        component="Connector",
        variable="ConnectorType",
        type=VariableType.STRING,
        access=Access.READ_ONLY,
        default="sType2" if _lockable(evse, connector_id) else "cType2",
        persistent=False,
        text="socket (s) or cable (c) of Type 2",
        evse_id=evse.evse_id,
        connector_id=connector_id,
    )
