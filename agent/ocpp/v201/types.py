"""Objects inside OCPP 2.0.1 messages, with the limits of the official JSON schemas.

Python names here, the standard's on the wire. ``customData`` is ignored on the way in and never sent.

Source: OCPP 2.0.1 part 2, appendix 2; JSON schemas in part 3.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from agent.ocpp.codec import Payload
from agent.ocpp.fields import (
    Integer,
    String8,
    String16,
    String20,
    String25,
    String32,
    String36,
    String40,
    String50,
    String128,
    String512,
    String1000,
    String2500,
    Unsigned,
)
from agent.ocpp.v201 import enums
from agent.ocpp.wire_time import WireTime, check_times


class Modem(Payload, frozen=True, kw_only=True):
    """The SIM in the modem."""

    iccid: String20 | None = None
    imsi: String20 | None = None


class ChargingStation(Payload, frozen=True, kw_only=True):
    """What the station says it is."""

    model: String20
    vendor_name: String50
    serial_number: String25 | None = None
    modem: Modem | None = None
    firmware_version: String50 | None = None


class StatusInfo(Payload, frozen=True, kw_only=True):
    """Why, for a person: a short code and a text."""

    reason_code: String20
    additional_info: String512 | None = None


class AdditionalInfo(Payload, frozen=True, kw_only=True):
    """A further token of the same person, in a form agreed with the CSMS."""

    additional_id_token: String36
    type: String50


class IdToken(Payload, frozen=True, kw_only=True):
    """Who pays."""

    id_token: String36
    type: enums.IdTokenKind
    additional_info: Annotated[tuple[AdditionalInfo, ...], Meta(min_length=1)] | None = None


class OcspRequest(Payload, frozen=True, kw_only=True):
    """What identifies a certificate for a revocation check."""

    hash_algorithm: enums.HashAlgorithm
    issuer_name_hash: String128
    issuer_key_hash: String128
    serial_number: String40
    responder_url: String512 = field(name="responderURL")


class MessageContent(Payload, frozen=True, kw_only=True):
    """A text for the display."""

    format: enums.MessageFormat
    content: String512
    language: String8 | None = None


class IdTokenInfo(Payload, frozen=True, kw_only=True):
    """What the CSMS says about a token. It may be cached until ``cache_expiry_date_time``."""

    status: enums.AuthorizationStatus
    cache_expiry_date_time: WireTime | None = None
    charging_priority: Integer | None = None
    language1: String8 | None = None
    evse_id: Annotated[tuple[Integer, ...], Meta(min_length=1)] | None = None
    group_id_token: IdToken | None = None
    language2: String8 | None = None
    personal_message: MessageContent | None = None

    def __post_init__(self) -> None:
        check_times(self.cache_expiry_date_time)


class Evse(Payload, frozen=True, kw_only=True):
    """An EVSE, or one connector of it."""

    id: Integer
    connector_id: Integer | None = None


class SignedMeterValue(Payload, frozen=True, kw_only=True):
    """A value as the meter signed it."""

    signed_meter_data: String2500
    signing_method: String50
    encoding_method: String50
    public_key: String2500


class UnitOfMeasure(Payload, frozen=True, kw_only=True):
    """The unit of a value, times ten to the power of ``multiplier``. Absent members mean Wh and 0."""

    unit: String20 | None = None
    multiplier: Integer | None = None


class SampledValue(Payload, frozen=True, kw_only=True):
    """One measured value."""

    value: float
    context: enums.ReadingContext | None = None
    measurand: enums.Measurand | None = None
    phase: enums.Phase | None = None
    location: enums.Location | None = None
    signed_meter_value: SignedMeterValue | None = None
    unit_of_measure: UnitOfMeasure | None = None


class MeterValue(Payload, frozen=True, kw_only=True):
    """Values measured at one moment."""

    sampled_value: Annotated[tuple[SampledValue, ...], Meta(min_length=1)]
    timestamp: WireTime

    def __post_init__(self) -> None:
        check_times(self.timestamp)


class Transaction(Payload, frozen=True, kw_only=True):
    """The transaction that an event belongs to. ``time_spent_charging`` in s."""

    transaction_id: String36
    charging_state: enums.ChargingState | None = None
    time_spent_charging: Integer | None = None
    stopped_reason: enums.StopReason | None = None
    remote_start_id: Integer | None = None


class Component(Payload, frozen=True, kw_only=True):
    """A part of the station in the device model."""

    name: String50
    evse: Evse | None = None
    instance: String50 | None = None


class Variable(Payload, frozen=True, kw_only=True):
    """A property of a component."""

    name: String50
    instance: String50 | None = None


class VariableAttribute(Payload, frozen=True, kw_only=True):
    """One attribute of a reported variable. Absent members mean readable and writable, not persistent, not constant."""

    type: enums.AttributeKind | None = None
    value: String2500 | None = None
    mutability: enums.Mutability | None = None
    persistent: bool | None = None
    constant: bool | None = None


class VariableCharacteristics(Payload, frozen=True, kw_only=True):
    """What values a variable takes."""

    data_type: enums.DataKind
    supports_monitoring: bool
    unit: String16 | None = None
    min_limit: float | None = None
    max_limit: float | None = None
    values_list: String1000 | None = None


class ReportedVariable(Payload, frozen=True, kw_only=True):
    """One variable of a report."""

    component: Component
    variable: Variable
    variable_attribute: Annotated[tuple[VariableAttribute, ...], Meta(min_length=1, max_length=4)]
    variable_characteristics: VariableCharacteristics | None = None


class ChargingSchedulePeriod(Payload, frozen=True, kw_only=True):
    """A limit from ``start_period`` (s after the schedule's start) to the next period."""

    start_period: Integer
    limit: float
    number_phases: Integer | None = None
    phase_to_use: Integer | None = None


class RelativeTimeInterval(Payload, frozen=True, kw_only=True):
    """From ``start`` for ``duration``, in s after the schedule's start."""

    start: Integer
    duration: Integer | None = None


class Cost(Payload, frozen=True, kw_only=True):
    """An amount, times ten to the power of ``amount_multiplier``."""

    cost_kind: enums.CostKind
    amount: Integer
    amount_multiplier: Integer | None = None


class ConsumptionCost(Payload, frozen=True, kw_only=True):
    """Costs from a consumption (``start_value``) upward."""

    start_value: float
    cost: Annotated[tuple[Cost, ...], Meta(min_length=1, max_length=3)]


class SalesTariffEntry(Payload, frozen=True, kw_only=True):
    """Prices of one interval."""

    relative_time_interval: RelativeTimeInterval
    e_price_level: Unsigned | None = None
    consumption_cost: Annotated[tuple[ConsumptionCost, ...], Meta(min_length=1, max_length=3)] | None = None


class SalesTariff(Payload, frozen=True, kw_only=True):
    """A tariff of ISO 15118 that rides on a charging schedule."""

    id: Integer
    sales_tariff_entry: Annotated[tuple[SalesTariffEntry, ...], Meta(min_length=1, max_length=1024)]
    sales_tariff_description: String32 | None = None
    num_e_price_levels: Integer | None = None


class ChargingSchedule(Payload, frozen=True, kw_only=True):
    """Limits over time. ``duration`` in s; absent: until further notice."""

    id: Integer
    charging_rate_unit: enums.ChargingRateUnit
    charging_schedule_period: Annotated[tuple[ChargingSchedulePeriod, ...], Meta(min_length=1, max_length=1024)]
    start_schedule: WireTime | None = None
    duration: Integer | None = None
    min_charging_rate: float | None = None
    sales_tariff: SalesTariff | None = None

    def __post_init__(self) -> None:
        check_times(self.start_schedule)


class ChargingProfile(Payload, frozen=True, kw_only=True):
    """Schedules with their purpose, rank and validity."""

    id: Integer
    stack_level: Integer
    charging_profile_purpose: enums.ChargingProfilePurpose
    charging_profile_kind: enums.ChargingProfileKind
    charging_schedule: Annotated[tuple[ChargingSchedule, ...], Meta(min_length=1, max_length=3)]
    recurrency_kind: enums.RecurrencyKind | None = None
    valid_from: WireTime | None = None
    valid_to: WireTime | None = None
    transaction_id: String36 | None = None

    def __post_init__(self) -> None:
        check_times(self.valid_from, self.valid_to)


class VariableToGet(Payload, frozen=True, kw_only=True):
    """One variable to read."""

    component: Component
    variable: Variable
    attribute_type: enums.AttributeKind | None = None


class GetVariableResult(Payload, frozen=True, kw_only=True):
    """What was read, or why not."""

    attribute_status: enums.GetVariableStatus
    component: Component
    variable: Variable
    attribute_status_info: StatusInfo | None = None
    attribute_type: enums.AttributeKind | None = None
    attribute_value: String2500 | None = None


class VariableToSet(Payload, frozen=True, kw_only=True):
    """One variable to write."""

    attribute_value: String1000
    component: Component
    variable: Variable
    attribute_type: enums.AttributeKind | None = None


class SetVariableResult(Payload, frozen=True, kw_only=True):
    """Whether it was written."""

    attribute_status: enums.SetVariableStatus
    component: Component
    variable: Variable
    attribute_type: enums.AttributeKind | None = None
    attribute_status_info: StatusInfo | None = None
