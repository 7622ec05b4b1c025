"""Charging profiles between OCPP 1.6's words and the model's.

An unknown connector is a broken property and not a refusal (errata 3.38), except where the composite schedule is asked
for, which has a status for it.

Source: OCPP 1.6 §5.5, §5.7, §5.11, §5.16, §7.8-7.14, errata 3.24-3.26, 3.38, 3.57.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.model.commands import Answered, Outcome
from agent.model.profiles import (
    ClearProfiles,
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
from agent.ocpp.codec import Payload
from agent.ocpp.errors import RemoteProtocolError, Violation
from agent.ocpp.v16 import enums, types
from agent.ocpp.v16 import smart_charging_messages as wire
from agent.ocpp.v16.places import NOWHERE, STATION, Connectors
from agent.ocpp.wire_time import format_utc, utc_s

_PURPOSE_OF: Final[Mapping[enums.ChargingProfilePurpose, ProfilePurpose]] = MappingProxyType(
    {
        enums.ChargingProfilePurpose.CHARGE_POINT_MAX_PROFILE: ProfilePurpose.STATION_MAX,
        enums.ChargingProfilePurpose.TX_DEFAULT_PROFILE: ProfilePurpose.TX_DEFAULT,
        enums.ChargingProfilePurpose.TX_PROFILE: ProfilePurpose.TX,
    }
)
_KIND_OF: Final = MappingProxyType(
    {
        enums.ChargingProfileKind.ABSOLUTE: ProfileKind.ABSOLUTE,
        enums.ChargingProfileKind.RECURRING: ProfileKind.RECURRING,
        enums.ChargingProfileKind.RELATIVE: ProfileKind.RELATIVE,
    }
)
_RECURRENCE_OF: Final = MappingProxyType(
    {enums.RecurrencyKind.DAILY: Recurrence.DAILY, enums.RecurrencyKind.WEEKLY: Recurrence.WEEKLY}
)
_UNIT_OF: Final = MappingProxyType(
    {enums.ChargingRateUnit.A: RateUnit.AMPERES, enums.ChargingRateUnit.W: RateUnit.WATTS}
)
_WIRE_UNIT_OF: Final = MappingProxyType({unit: name for name, unit in _UNIT_OF.items()})

_ASSUMED_PHASES: Final = 3  # where numberPhases is absent. §7.13

Request = wire.SetChargingProfileRequest | wire.ClearChargingProfileRequest | wire.GetCompositeScheduleRequest


def command(request: Request, connectors: Connectors) -> SetProfile | ClearProfiles | GetComposite:
    """Return what the CSMS asks."""
    match request:
        case wire.SetChargingProfileRequest(connector_id=number, cs_charging_profiles=told):
            place = connectors.place(number)
            if place == NOWHERE:
                raise RemoteProtocolError(Violation.PROPERTY, f"connectorId: there is no connector {number}")
            evse_id, connector_id = _neutral(place)
            return SetProfile(
                profile=_profile(told),
                evse_id=evse_id,
                connector_id=connector_id,
                transaction=None if told.transaction_id is None else str(told.transaction_id),
            )
        case wire.ClearChargingProfileRequest():
            purpose, named = request.charging_profile_purpose, request.connector_id
            return ClearProfiles(
                profile_id=request.id,
                place=None if named is None else _neutral(connectors.place(named)),
                purpose=None if purpose is None else _PURPOSE_OF[purpose],
                stack_level=request.stack_level,
            )
        case wire.GetCompositeScheduleRequest():
            evse_id, connector_id = _neutral(connectors.place(request.connector_id))
            unit = request.charging_rate_unit
            return GetComposite(
                duration_s=request.duration,
                evse_id=evse_id,
                connector_id=connector_id,
                unit=None if unit is None else _UNIT_OF[unit],
            )


def start_profile(told: types.ChargingProfile | None) -> Profile | None:
    """Return the profile that comes with a remote start; its transaction has no number yet (§5.11, §5.16.2)."""
    if told is not None and told.transaction_id is not None:
        raise RemoteProtocolError(
            Violation.PROPERTY, "chargingProfile.transactionId: the transaction that is to start has no number yet"
        )
    return None if told is None else _profile(told)


def set_response(outcome: Outcome) -> Payload:
    """Return the response to a SetChargingProfile."""
    accepted = outcome.answered is Answered.ACCEPTED
    status = wire.ChargingProfileStatus.ACCEPTED if accepted else wire.ChargingProfileStatus.REJECTED
    return wire.SetChargingProfileResponse(status=status)


def clear_response(outcome: ProfilesCleared) -> Payload:
    """Return the response to a ClearChargingProfile."""
    cleared = wire.ClearChargingProfileStatus.ACCEPTED
    return wire.ClearChargingProfileResponse(
        status=cleared if outcome.count else wire.ClearChargingProfileStatus.UNKNOWN
    )


def composite_response(command: GetComposite, outcome: CompositeOutcome, connectors: Connectors) -> Payload:
    """Return the response to a GetCompositeSchedule."""
    composite = outcome.composite
    if composite is None:
        return wire.GetCompositeScheduleResponse(status=wire.GetCompositeScheduleStatus.REJECTED)
    schedule = types.ChargingSchedule(
        duration=composite.duration_s,
        charging_rate_unit=_WIRE_UNIT_OF[composite.unit],
        charging_schedule_period=tuple(
            types.ChargingSchedulePeriod(
                start_period=each.start_s,
                limit=each.limit,
                number_phases=None if each.phases == _ASSUMED_PHASES else each.phases,
            )
            for each in composite.periods
        ),
    )
    place = STATION if command.evse_id is None else (command.evse_id, command.connector_id or 1)
    return wire.GetCompositeScheduleResponse(
        status=wire.GetCompositeScheduleStatus.ACCEPTED,
        connector_id=connectors.number(*place),
        schedule_start=None if composite.start_utc_s is None else format_utc(composite.start_utc_s),
        charging_schedule=schedule,
    )


def _neutral(place: tuple[int, int]) -> tuple[int | None, int | None]:
    return (None, None) if place == STATION else place


def _profile(told: types.ChargingProfile) -> Profile:
    schedule = told.charging_schedule
    kind = _KIND_OF[told.charging_profile_kind]
    recurs = kind is ProfileKind.RECURRING and told.recurrency_kind is not None
    return Profile(
        profile_id=told.charging_profile_id,
        stack_level=told.stack_level,
        purpose=_PURPOSE_OF[told.charging_profile_purpose],
        kind=kind,
        recurrence=_RECURRENCE_OF[told.recurrency_kind] if recurs and told.recurrency_kind is not None else None,
        valid_from_utc_s=None if told.valid_from is None else utc_s(told.valid_from),
        valid_to_utc_s=None if told.valid_to is None else utc_s(told.valid_to),
        schedule=Schedule(
            unit=_UNIT_OF[schedule.charging_rate_unit],
            periods=tuple(
                Period(start_s=each.start_period, limit=each.limit, phases=each.number_phases)
                for each in schedule.charging_schedule_period
            ),
            duration_s=schedule.duration,
            start_utc_s=None if schedule.start_schedule is None else utc_s(schedule.start_schedule),
            min_rate=schedule.min_charging_rate,
        ),
    )
