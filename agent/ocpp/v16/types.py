"""Objects inside OCPP 1.6 messages, with the limits of the official JSON schemas.

Python names here, the standard's on the wire.

Source: OCPP 1.6 edition 2 §7; OCPP 1.6 JSON schemas with errata.
"""

from __future__ import annotations

from agent.ocpp.codec import Payload
from agent.ocpp.decimals import check_tenths
from agent.ocpp.fields import Integer, String20, String50, String500
from agent.ocpp.v16 import enums
from agent.ocpp.wire_time import WireTime, check_times


class IdTagInfo(Payload, frozen=True, kw_only=True):
    """What the CSMS says about an idTag. The answer may be cached until ``expiry_date``."""

    status: enums.AuthorizationStatus
    expiry_date: WireTime | None = None
    parent_id_tag: String20 | None = None

    def __post_init__(self) -> None:
        check_times(self.expiry_date)


class SampledValue(Payload, frozen=True, kw_only=True):
    """One measured value, as decimal text in ``unit``."""

    value: str
    context: enums.ReadingContext | None = None
    format: enums.ValueFormat | None = None
    measurand: enums.Measurand | None = None
    phase: enums.Phase | None = None
    location: enums.Location | None = None
    unit: enums.UnitOfMeasure | None = None


class MeterValue(Payload, frozen=True, kw_only=True):
    """Values measured at one moment. At least one; a StopTransaction may carry none."""

    timestamp: WireTime
    sampled_value: tuple[SampledValue, ...]

    def __post_init__(self) -> None:
        check_times(self.timestamp)


class ChargingSchedulePeriod(Payload, frozen=True, kw_only=True):
    """A limit, in steps of 0.1, from ``start_period`` (s after the schedule's start) to the next period."""

    start_period: Integer
    limit: float
    number_phases: Integer | None = None

    def __post_init__(self) -> None:
        check_tenths(self.limit)


class ChargingSchedule(Payload, frozen=True, kw_only=True):
    """Limits over time. ``duration`` in s; absent: until further notice."""

    charging_rate_unit: enums.ChargingRateUnit
    charging_schedule_period: tuple[ChargingSchedulePeriod, ...]
    duration: Integer | None = None
    start_schedule: WireTime | None = None
    min_charging_rate: float | None = None

    def __post_init__(self) -> None:
        check_times(self.start_schedule)
        check_tenths(self.min_charging_rate)


class ChargingProfile(Payload, frozen=True, kw_only=True):
    """A schedule with its purpose, its rank and its validity."""

    charging_profile_id: Integer
    stack_level: Integer
    charging_profile_purpose: enums.ChargingProfilePurpose
    charging_profile_kind: enums.ChargingProfileKind
    charging_schedule: ChargingSchedule
    transaction_id: Integer | None = None
    recurrency_kind: enums.RecurrencyKind | None = None
    valid_from: WireTime | None = None
    valid_to: WireTime | None = None

    def __post_init__(self) -> None:
        check_times(self.valid_from, self.valid_to)


class KeyValue(Payload, frozen=True, kw_only=True):
    """One configuration key. An absent value means that it is not set, or that it may not be read."""

    key: String50
    readonly: bool
    value: String500 | None = None
