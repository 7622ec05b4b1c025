"""Facts and samples in the words of OCPP 2.0.1: TransactionEvent and MeterValues.

The evse is named once, in the first event; the token in the first event after an authorization and at the stop.

Source: OCPP 2.0.1 part 2 E01-E09, J01, J02; TransactionEventRequest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from agent.model.facts import (
    ChargingState,
    MetersSampled,
    SecurityEvent,
    StopReason,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from agent.model.ids import IdToken
from agent.model.journal import JournalRow
from agent.model.maintenance import FirmwareProgressed, UploadProgressed
from agent.model.moment import Stamp
from agent.model.sample import Measurand, Phase, Sample, SampleContext, SampledValue, SignedText
from agent.ocpp.dialect import Message, Resolve
from agent.ocpp.fact_time import fact_time, sample_time
from agent.ocpp.v201 import enums, messages, security, types
from agent.ocpp.wire_time import WireTime, format_utc

_DIGITS: Final = 3  # after the point; floating point has no place on the wire

_TRIGGER_OF: Final[Mapping[Trigger, enums.TriggerReason]] = MappingProxyType(
    {
        Trigger.AUTHORIZED: enums.TriggerReason.AUTHORIZED,
        Trigger.DEAUTHORIZED: enums.TriggerReason.DEAUTHORIZED,
        Trigger.CABLE_PLUGGED_IN: enums.TriggerReason.CABLE_PLUGGED_IN,
        Trigger.CHARGING_STATE_CHANGED: enums.TriggerReason.CHARGING_STATE_CHANGED,
        Trigger.EV_DEPARTED: enums.TriggerReason.EV_COMMUNICATION_LOST,  # EVDeparted is a parking bay sensor's word
        Trigger.EV_CONNECT_TIMEOUT: enums.TriggerReason.EV_CONNECT_TIMEOUT,
        Trigger.METER_PERIODIC: enums.TriggerReason.METER_VALUE_PERIODIC,
        Trigger.METER_CLOCK: enums.TriggerReason.METER_VALUE_CLOCK,
        Trigger.REMOTE_START: enums.TriggerReason.REMOTE_START,
        Trigger.REMOTE_STOP: enums.TriggerReason.REMOTE_STOP,
        Trigger.STOP_AUTHORIZED: enums.TriggerReason.STOP_AUTHORIZED,
        Trigger.ABNORMAL_CONDITION: enums.TriggerReason.ABNORMAL_CONDITION,
        Trigger.RESET_COMMAND: enums.TriggerReason.RESET_COMMAND,
        Trigger.UNLOCK_COMMAND: enums.TriggerReason.UNLOCK_COMMAND,
        Trigger.TRIGGERED: enums.TriggerReason.TRIGGER,
        Trigger.POWER_RESTORED: enums.TriggerReason.ABNORMAL_CONDITION,
    }
)
_REASON_OF: Final[Mapping[StopReason, enums.StopReason]] = MappingProxyType(
    {
        StopReason.LOCAL: enums.StopReason.LOCAL,
        StopReason.REMOTE: enums.StopReason.REMOTE,
        StopReason.EV_DISCONNECTED: enums.StopReason.EV_DISCONNECTED,
        StopReason.DEAUTHORIZED: enums.StopReason.DE_AUTHORIZED,
        StopReason.EMERGENCY_STOP: enums.StopReason.EMERGENCY_STOP,
        StopReason.GROUND_FAULT: enums.StopReason.GROUND_FAULT,
        StopReason.POWER_LOSS: enums.StopReason.POWER_LOSS,
        StopReason.POWER_QUALITY: enums.StopReason.POWER_QUALITY,
        StopReason.OVER_CURRENT: enums.StopReason.OVERCURRENT_FAULT,
        StopReason.SOFT_RESET: enums.StopReason.IMMEDIATE_RESET,
        StopReason.HARD_RESET: enums.StopReason.IMMEDIATE_RESET,
        StopReason.REBOOT: enums.StopReason.REBOOT,
        StopReason.UNLOCK_COMMAND: enums.StopReason.OTHER,
        StopReason.TIMEOUT: enums.StopReason.TIMEOUT,
        StopReason.MASTER_PASS: enums.StopReason.MASTER_PASS,
        StopReason.OTHER: enums.StopReason.OTHER,
    }
)
_STATE_OF: Final[Mapping[ChargingState, enums.ChargingState]] = MappingProxyType(
    {
        ChargingState.CHARGING: enums.ChargingState.CHARGING,
        ChargingState.CONNECTED: enums.ChargingState.EV_CONNECTED,
        ChargingState.SUSPENDED_EV: enums.ChargingState.SUSPENDED_EV,
        ChargingState.SUSPENDED_EVSE: enums.ChargingState.SUSPENDED_EVSE,
        ChargingState.IDLE: enums.ChargingState.IDLE,
    }
)
_UNIT_OF: Final[Mapping[Measurand, str]] = MappingProxyType(
    {
        Measurand.ENERGY_IMPORT_REGISTER: "Wh",
        Measurand.ENERGY_IMPORT_INTERVAL: "Wh",
        Measurand.ENERGY_EXPORT_REGISTER: "Wh",
        Measurand.ENERGY_EXPORT_INTERVAL: "Wh",
        Measurand.POWER_IMPORT: "W",
        Measurand.POWER_EXPORT: "W",
        Measurand.POWER_OFFERED: "W",
        Measurand.POWER_REACTIVE_IMPORT: "var",
        Measurand.SOC: "Percent",
        Measurand.CURRENT_IMPORT: "A",
        Measurand.CURRENT_OFFERED: "A",
        Measurand.VOLTAGE: "V",
        Measurand.FREQUENCY: "Hz",
    }
)
_UNITS: Final = MappingProxyType({each: types.UnitOfMeasure(unit=unit) for each, unit in _UNIT_OF.items()})
# Tables rather than conversions by value: these run for every value of every sample.
_MEASURAND_OF: Final[Mapping[Measurand, enums.Measurand]] = MappingProxyType(
    {each: enums.Measurand(each.value) for each in Measurand if each is not Measurand.TEMPERATURE}  # not in 2.0.1
)
_LOCATION_OF: Final[Mapping[Measurand, enums.Location]] = MappingProxyType({Measurand.SOC: enums.Location.EV})
_PHASE_OF: Final[Mapping[Phase | None, enums.Phase | None]] = MappingProxyType(
    {None: None} | {each: enums.Phase(each.value) for each in Phase}
)
_CONTEXT_OF: Final = MappingProxyType({each: enums.ReadingContext(each.value) for each in SampleContext})


def render(row: JournalRow, resolve: Resolve) -> Message | None:
    """Render a fact; ``None`` for a sample that holds nothing that 2.0.1 has a name for."""
    match row.fact:
        case TransactionStarted() as fact:
            event = _started(row, fact, resolve)
        case TransactionUpdated() as fact:
            event = _updated(row, fact, resolve)
        case TransactionEnded() as fact:
            event = _ended(row, fact, resolve)
        case MetersSampled() as fact:
            values = _in_fact(row, fact.samples, resolve, of_station=fact.evse_id == 0)
            if values is None:
                return None
            alone = messages.MeterValuesRequest(evse_id=fact.evse_id, meter_value=values)
            return Message(action="MeterValues", payload=alone)
        case SecurityEvent() as fact:
            return security.security_event(row, fact, resolve)
        case FirmwareProgressed() | UploadProgressed():
            return None  # left over from a time under 1.6: this version of ours takes no such requests
    return Message(action="TransactionEvent", payload=event)


def id_token(token: IdToken) -> types.IdToken:
    """Return a token as 2.0.1 writes it."""
    return types.IdToken(id_token=token.value, type=enums.IdTokenKind(token.kind.value))


def meter_values(evse_id: int, sample: Sample, resolve: Resolve) -> Message:
    """Return a sample outside the journal."""
    value = _meter_value(sample, lambda at: format_utc(resolve(at)), of_station=evse_id == 0)
    return Message(action="MeterValues", payload=messages.MeterValuesRequest(evse_id=evse_id, meter_value=(value,)))


def _started(row: JournalRow, fact: TransactionStarted, resolve: Resolve) -> messages.TransactionEventRequest:
    samples = _with_register(fact.samples, fact.meter_start_wh, fact.at, SampleContext.TRANSACTION_BEGIN)
    return messages.TransactionEventRequest(
        event_type=enums.TransactionEventKind.STARTED,
        timestamp=fact_time(row, resolve),
        trigger_reason=_TRIGGER_OF[fact.trigger],
        seq_no=fact.seq_no,
        transaction_info=types.Transaction(
            transaction_id=fact.transaction_id,
            charging_state=_STATE_OF[fact.charging_state],
            remote_start_id=fact.remote_start_id,
        ),
        meter_value=_in_fact(row, samples, resolve),
        offline=fact.offline or None,
        reservation_id=fact.reservation_id,
        evse=types.Evse(id=fact.evse_id, connector_id=fact.connector_id),
        id_token=id_token(fact.token),
    )


def _updated(row: JournalRow, fact: TransactionUpdated, resolve: Resolve) -> messages.TransactionEventRequest:
    return messages.TransactionEventRequest(
        event_type=enums.TransactionEventKind.UPDATED,
        timestamp=fact_time(row, resolve),
        trigger_reason=_TRIGGER_OF[fact.trigger],
        seq_no=fact.seq_no,
        transaction_info=types.Transaction(
            transaction_id=fact.transaction_id,
            charging_state=_STATE_OF[fact.charging_state],
            remote_start_id=fact.remote_start_id,
        ),
        meter_value=_in_fact(row, fact.samples, resolve),
        offline=fact.offline or None,
        id_token=None if fact.token is None else id_token(fact.token),
    )


def _ended(row: JournalRow, fact: TransactionEnded, resolve: Resolve) -> messages.TransactionEventRequest:
    taken_at = fact.meter_stop_at or fact.at
    # The first sample was told with the start.
    own = [each for each in fact.samples if each.context is not SampleContext.TRANSACTION_BEGIN]
    samples = _with_register(own, fact.meter_stop_wh, taken_at, SampleContext.TRANSACTION_END)
    return messages.TransactionEventRequest(
        event_type=enums.TransactionEventKind.ENDED,
        timestamp=fact_time(row, resolve),
        trigger_reason=_TRIGGER_OF[fact.trigger],
        seq_no=fact.seq_no,
        transaction_info=types.Transaction(transaction_id=fact.transaction_id, stopped_reason=_REASON_OF[fact.reason]),
        meter_value=_in_fact(row, samples, resolve),
        offline=fact.offline or None,
        id_token=None if fact.token is None else id_token(fact.token),
    )


def _with_register(
    samples: Sequence[Sample], register_wh: int | None, at: Stamp, context: SampleContext
) -> Sequence[Sample]:
    """Return the samples, with the register at the beginning or end where they lack it: it is what is billed."""
    energy = Measurand.ENERGY_IMPORT_REGISTER
    has_it = any(
        value.measurand is energy and value.phase is None
        for sample in samples
        if sample.context is context
        for value in sample.values
    )
    if has_it or register_wh is None:
        return samples
    return (*samples, Sample(at=at, context=context, values=(SampledValue(measurand=energy, value=register_wh),)))


def _in_fact(
    row: JournalRow, samples: Sequence[Sample], resolve: Resolve, *, of_station: bool = False
) -> tuple[types.MeterValue, ...] | None:
    filled = [sample for sample in samples if any(value.measurand in _MEASURAND_OF for value in sample.values)]
    made = (_meter_value(each, lambda at: sample_time(at, row, resolve), of_station=of_station) for each in filled)
    return tuple(made) or None


def _meter_value(sample: Sample, time_of: Callable[[Stamp], WireTime], *, of_station: bool) -> types.MeterValue:
    """Return one; ``of_station``: the main meter measures at the grid's connection (LocationEnumType Inlet)."""
    context, usual = _CONTEXT_OF[sample.context], enums.Location.INLET if of_station else None
    return types.MeterValue(
        timestamp=time_of(sample.at),
        sampled_value=tuple(
            types.SampledValue(
                value=round(value.value, _DIGITS),
                context=context,
                measurand=_MEASURAND_OF[value.measurand],
                phase=_PHASE_OF[value.phase],
                location=_LOCATION_OF.get(value.measurand, usual),
                signed_meter_value=None if value.signed is None else _signed(value.signed),
                unit_of_measure=_UNITS.get(value.measurand),
            )
            for value in sample.values
            if value.measurand in _MEASURAND_OF
        ),
    )


def _signed(signed: SignedText) -> types.SignedMeterValue:
    return types.SignedMeterValue(
        signed_meter_data=signed.text,
        signing_method=signed.method,
        encoding_method=signed.encoding,
        public_key=signed.public_key,
    )
