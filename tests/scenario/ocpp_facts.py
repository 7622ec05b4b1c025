"""Facts of a charge, as the core would record them."""

from __future__ import annotations

from typing import Any

from agent.model.facts import (
    ChargingState,
    StopReason,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from agent.model.ids import IdToken
from agent.model.moment import Stamp
from agent.model.sample import Measurand, Phase, Sample, SampleContext, SampledValue

CARD = IdToken(value="04A1B2C3")
TRANSACTION = "5c2d8f0e-7a54-4f6b-9f3e-0d3f1f5f2a11"


def sample(at: Stamp, context: SampleContext = SampleContext.PERIODIC) -> Sample:
    """Return a sample with a value of every measurand."""
    return Sample(
        at=at,
        context=context,
        values=(
            SampledValue(measurand=Measurand.ENERGY_IMPORT_REGISTER, value=4711.0),
            SampledValue(measurand=Measurand.POWER_IMPORT, value=3680.25),
            SampledValue(measurand=Measurand.CURRENT_IMPORT, value=0.1 + 0.2, phase=Phase.L1),
            SampledValue(measurand=Measurand.CURRENT_OFFERED, value=16.0),
            SampledValue(measurand=Measurand.VOLTAGE, value=229.8, phase=Phase.L1_N),
            SampledValue(measurand=Measurand.FREQUENCY, value=49.98),
        ),
    )


def started(at: Stamp, **changes: Any) -> TransactionStarted:
    """Return the first fact of a transaction on EVSE 2."""
    fields: dict[str, Any] = {
        "transaction_id": TRANSACTION,
        "evse_id": 2,
        "connector_id": 1,
        "seq_no": 0,
        "at": at,
        "trigger": Trigger.AUTHORIZED,
        "charging_state": ChargingState.CONNECTED,
        "token": CARD,
        "meter_start_wh": 4700,
    }
    return TransactionStarted(**(fields | changes))


def updated(at: Stamp, seq_no: int = 1, **changes: Any) -> TransactionUpdated:
    """Return a periodic sample."""
    fields: dict[str, Any] = {
        "transaction_id": TRANSACTION,
        "evse_id": 2,
        "connector_id": 1,
        "seq_no": seq_no,
        "at": at,
        "trigger": Trigger.METER_PERIODIC,
        "charging_state": ChargingState.CHARGING,
        "samples": (sample(at),),
    }
    return TransactionUpdated(**(fields | changes))


def ended(at: Stamp, seq_no: int = 2, **changes: Any) -> TransactionEnded:
    """Return the last fact."""
    fields: dict[str, Any] = {
        "transaction_id": TRANSACTION,
        "evse_id": 2,
        "connector_id": 1,
        "seq_no": seq_no,
        "at": at,
        "trigger": Trigger.STOP_AUTHORIZED,
        "reason": StopReason.LOCAL,
        "token": CARD,
        "meter_stop_wh": 9000,
    }
    return TransactionEnded(**(fields | changes))
