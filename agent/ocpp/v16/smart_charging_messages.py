"""Messages of OCPP 1.6's profile SmartCharging, with the limits of the official JSON schemas.

Source: OCPP 1.6 edition 2 §5.5, §5.7, §5.16, §6, §7.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from agent.ocpp.codec import Direction, MessagePair, Payload
from agent.ocpp.fields import Integer
from agent.ocpp.v16 import enums, types
from agent.ocpp.wire_time import WireTime, check_times


class ChargingProfileStatus(Enum):
    """What became of a profile."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    NOT_SUPPORTED = "NotSupported"


class ClearChargingProfileStatus(Enum):
    """Whether anything was cleared."""

    ACCEPTED = "Accepted"
    UNKNOWN = "Unknown"


class GetCompositeScheduleStatus(Enum):
    """Whether there is a schedule."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class SetChargingProfileRequest(Payload, frozen=True, kw_only=True):
    """Install a profile on a connector, or on the station (0)."""

    connector_id: Integer
    cs_charging_profiles: types.ChargingProfile


class SetChargingProfileResponse(Payload, frozen=True, kw_only=True):
    """What became of it."""

    status: ChargingProfileStatus


class ClearChargingProfileRequest(Payload, frozen=True, kw_only=True):
    """Remove the profile with this id, or all that fit what is given."""

    id: Integer | None = None
    connector_id: Integer | None = None
    charging_profile_purpose: enums.ChargingProfilePurpose | None = None
    stack_level: Integer | None = None


class ClearChargingProfileResponse(Payload, frozen=True, kw_only=True):
    """Whether any did."""

    status: ClearChargingProfileStatus


class GetCompositeScheduleRequest(Payload, frozen=True, kw_only=True):
    """What will be the limit, for ``duration`` s? Connector 0: of the whole station."""

    connector_id: Integer
    duration: Integer
    charging_rate_unit: enums.ChargingRateUnit | None = None


class GetCompositeScheduleResponse(Payload, frozen=True, kw_only=True):
    """The schedule, from ``schedule_start`` on."""

    status: GetCompositeScheduleStatus
    connector_id: Integer | None = None
    schedule_start: WireTime | None = None
    charging_schedule: types.ChargingSchedule | None = None

    def __post_init__(self) -> None:
        check_times(self.schedule_start)


SMART_CHARGING_ACTIONS: Final[Mapping[str, MessagePair]] = MappingProxyType(
    {
        "SetChargingProfile": MessagePair(
            request=SetChargingProfileRequest, response=SetChargingProfileResponse, direction=Direction.TO_STATION
        ),
        "ClearChargingProfile": MessagePair(
            request=ClearChargingProfileRequest, response=ClearChargingProfileResponse, direction=Direction.TO_STATION
        ),
        "GetCompositeSchedule": MessagePair(
            request=GetCompositeScheduleRequest, response=GetCompositeScheduleResponse, direction=Direction.TO_STATION
        ),
    }
)
