"""Facts and samples in the words of OCPP 1.6.

StartTransaction, MeterValues and StopTransaction; 1.6 has nothing to say about a change of the charging state alone.

Source: OCPP 1.6 §4.7, §4.8, §4.10, §3.16, errata 3.9, 3.18, 3.78, 3.86.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from agent.model.facts import (
    MetersSampled,
    SecurityEvent,
    StopReason,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from agent.model.ids import IdToken, IdTokenKind
from agent.model.journal import JournalRow
from agent.model.maintenance import FirmwareProgressed, UploadProgressed
from agent.model.sample import Measurand, Phase, Sample, SampleContext
from agent.ocpp.dialect import Message, Resolve
from agent.ocpp.errors import LocalProtocolError
from agent.ocpp.fact_time import fact_time, sample_time
from agent.ocpp.numbers import decimal_text
from agent.ocpp.v16 import enums, maintenance, messages, security, types
from agent.ocpp.v16.places import Connectors
from agent.ocpp.wire_time import WireTime, format_utc

UNKNOWN_TRANSACTION: Final = -1  # its start was given up, or its answer gave no number. Errata 3.18
FREE_VEND_ID_TAG: Final = "FREEVEND"  # 1.6 has no "no authorization"; an empty idTag is refused by many back ends

_REASON_OF: Final[Mapping[StopReason, enums.StopReason]] = MappingProxyType(
    {
        StopReason.LOCAL: enums.StopReason.LOCAL,
        StopReason.REMOTE: enums.StopReason.REMOTE,
        StopReason.EV_DISCONNECTED: enums.StopReason.EV_DISCONNECTED,
        StopReason.DEAUTHORIZED: enums.StopReason.DE_AUTHORIZED,
        StopReason.EMERGENCY_STOP: enums.StopReason.EMERGENCY_STOP,
        StopReason.GROUND_FAULT: enums.StopReason.OTHER,
        StopReason.POWER_LOSS: enums.StopReason.POWER_LOSS,
        StopReason.POWER_QUALITY: enums.StopReason.OTHER,
        StopReason.OVER_CURRENT: enums.StopReason.OTHER,
        StopReason.SOFT_RESET: enums.StopReason.SOFT_RESET,
        StopReason.HARD_RESET: enums.StopReason.HARD_RESET,
        StopReason.REBOOT: enums.StopReason.REBOOT,
        StopReason.UNLOCK_COMMAND: enums.StopReason.UNLOCK_COMMAND,
        StopReason.TIMEOUT: enums.StopReason.OTHER,
        StopReason.MASTER_PASS: enums.StopReason.LOCAL,
        StopReason.OTHER: enums.StopReason.OTHER,
    }
)

_UNIT_OF: Final[Mapping[Measurand, enums.UnitOfMeasure | None]] = MappingProxyType(
    {
        Measurand.ENERGY_IMPORT_REGISTER: enums.UnitOfMeasure.WH,
        Measurand.ENERGY_IMPORT_INTERVAL: enums.UnitOfMeasure.WH,
        Measurand.ENERGY_EXPORT_REGISTER: enums.UnitOfMeasure.WH,
        Measurand.ENERGY_EXPORT_INTERVAL: enums.UnitOfMeasure.WH,
        Measurand.POWER_IMPORT: enums.UnitOfMeasure.W,
        Measurand.POWER_EXPORT: enums.UnitOfMeasure.W,
        Measurand.POWER_OFFERED: enums.UnitOfMeasure.W,
        Measurand.POWER_REACTIVE_IMPORT: enums.UnitOfMeasure.VAR,
        Measurand.POWER_FACTOR: None,
        Measurand.CURRENT_IMPORT: enums.UnitOfMeasure.A,
        Measurand.CURRENT_OFFERED: enums.UnitOfMeasure.A,
        Measurand.VOLTAGE: enums.UnitOfMeasure.V,
        Measurand.FREQUENCY: None,  # Hz is implied. Errata 3.86
        Measurand.TEMPERATURE: enums.UnitOfMeasure.CELCIUS,
        Measurand.SOC: enums.UnitOfMeasure.PERCENT,
    }
)
_LOCATION_OF: Final[Mapping[Measurand, enums.Location]] = MappingProxyType(
    {Measurand.TEMPERATURE: enums.Location.BODY, Measurand.SOC: enums.Location.EV}
)
# Tables rather than conversions by value: these run for every value of every sample.
_MEASURAND_OF: Final = MappingProxyType({each: enums.Measurand(each.value) for each in Measurand})
_PHASE_OF: Final[Mapping[Phase | None, enums.Phase | None]] = MappingProxyType(
    {None: None} | {each: enums.Phase(each.value) for each in Phase}
)
_CONTEXT_OF: Final = MappingProxyType({each: enums.ReadingContext(each.value) for each in SampleContext})


def render(row: JournalRow, connectors: Connectors, resolve: Resolve) -> Message | None:
    """Render a fact; ``None`` for one that 1.6 has no message for."""
    match row.fact:
        case TransactionStarted() as fact:
            start = messages.StartTransactionRequest(
                connector_id=connectors.number(fact.evse_id, fact.connector_id),
                id_tag=id_tag(fact.token),
                meter_start=fact.meter_start_wh or 0,
                timestamp=fact_time(row, resolve),
                reservation_id=fact.reservation_id,
            )
            return Message(action="StartTransaction", payload=start)
        case TransactionUpdated() as fact:
            values = _in_fact(row, fact.samples, resolve)
            if not values:
                return None
            update = messages.MeterValuesRequest(
                connector_id=connectors.number(fact.evse_id, fact.connector_id),
                transaction_id=transaction_number(row),
                meter_value=values,
            )
            return Message(action="MeterValues", payload=update)
        case MetersSampled() as fact:
            values = _in_fact(row, fact.samples, resolve, of_station=fact.evse_id == 0)
            if not values:
                return None
            number = connectors.number(fact.evse_id, fact.connector_id)
            alone = messages.MeterValuesRequest(connector_id=number, meter_value=values)
            return Message(action="MeterValues", payload=alone)
        case TransactionEnded() as fact:
            stop = messages.StopTransactionRequest(
                transaction_id=transaction_number(row),
                id_tag=None if fact.token is None else id_tag(fact.token),
                meter_stop=fact.meter_stop_wh or 0,
                timestamp=fact_time(row, resolve),
                reason=_REASON_OF[fact.reason],
                transaction_data=_in_fact(row, fact.samples, resolve) or None,
            )
            return Message(action="StopTransaction", payload=stop)
        case SecurityEvent() as fact:
            return security.security_event(row, fact, resolve)
        case FirmwareProgressed() as fact:
            return maintenance.firmware_progress(fact)
        case UploadProgressed() as fact:
            return maintenance.upload_progress(fact)


def id_tag(token: IdToken) -> str:
    """Return a token as 1.6 writes it. One of more than 20 characters cannot be written: encoding it raises."""
    return FREE_VEND_ID_TAG if token.kind is IdTokenKind.NO_AUTHORIZATION else token.value


def transaction_number(row: JournalRow) -> int:
    """Return the CSMS's number for the fact's transaction.

    Raises:
        LocalProtocolError: the CSMS's name is no number: the transaction was started in another version.
    """
    if row.start_lost or row.csms_id is None:
        return UNKNOWN_TRANSACTION
    try:
        return int(row.csms_id)
    except ValueError as exc:
        raise LocalProtocolError(f"transaction {row.csms_id!r} is not a number of OCPP 1.6") from exc


def meter_values(number: int, transaction_id: int | None, sample: Sample, resolve: Resolve) -> Message:
    """Return a sample outside the journal."""
    value = _meter_value(sample, lambda each: format_utc(resolve(each.at)), of_station=number == 0)
    payload = messages.MeterValuesRequest(connector_id=number, transaction_id=transaction_id, meter_value=(value,))
    return Message(action="MeterValues", payload=payload)


def _in_fact(
    row: JournalRow, samples: Sequence[Sample], resolve: Resolve, *, of_station: bool = False
) -> tuple[types.MeterValue, ...]:
    return tuple(
        _meter_value(sample, lambda each: sample_time(each.at, row, resolve), of_station=of_station)
        for sample in samples
        if sample.values
    )


def _meter_value(sample: Sample, time_of: Callable[[Sample], WireTime], *, of_station: bool) -> types.MeterValue:
    """Return one; ``of_station``: the main meter measures at the grid's connection (§7.24, Inlet)."""
    context, usual = _CONTEXT_OF[sample.context], enums.Location.INLET if of_station else None
    written = []
    for value in sample.values:
        plain = types.SampledValue(
            value=decimal_text(value.value),
            context=context,
            measurand=_MEASURAND_OF[value.measurand],
            phase=_PHASE_OF[value.phase],
            location=_LOCATION_OF.get(value.measurand, usual),
            unit=_UNIT_OF[value.measurand],
        )
        written.append(plain)
        if value.signed is not None:
            written.append(replace(plain, value=value.signed.text, format=enums.ValueFormat.SIGNED_DATA))
    return types.MeterValue(timestamp=time_of(sample), sampled_value=tuple(written))
