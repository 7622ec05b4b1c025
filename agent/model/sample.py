"""What the meter said, in the words that both OCPP versions share."""

from __future__ import annotations

from enum import Enum

import msgspec

from agent.model.moment import Stamp


class Measurand(Enum):
    """Measurands that the station's parts can provide; the names are common to OCPP 1.6 and 2.0.1."""

    ENERGY_IMPORT_REGISTER = "Energy.Active.Import.Register"
    POWER_IMPORT = "Power.Active.Import"
    CURRENT_IMPORT = "Current.Import"
    CURRENT_OFFERED = "Current.Offered"
    VOLTAGE = "Voltage"
    FREQUENCY = "Frequency"


class Phase(Enum):
    """Phase of a value; absent means all phases together."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L1_N = "L1-N"
    L2_N = "L2-N"
    L3_N = "L3-N"


class SampleContext(Enum):
    """Why a sample was taken."""

    TRANSACTION_BEGIN = "Transaction.Begin"
    TRANSACTION_END = "Transaction.End"
    PERIODIC = "Sample.Periodic"
    CLOCK = "Sample.Clock"
    TRIGGER = "Trigger"
    INTERRUPTION_BEGIN = "Interruption.Begin"
    INTERRUPTION_END = "Interruption.End"
    OTHER = "Other"


class SampledValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value: energy in Wh, power in W, current in A, voltage in V, frequency in Hz."""

    measurand: Measurand
    value: float
    phase: Phase | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Values taken at one moment (``at`` is when they were measured, never when they were sent)."""

    at: Stamp
    context: SampleContext
    values: tuple[SampledValue, ...]
