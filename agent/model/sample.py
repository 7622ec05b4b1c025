"""What the meter said, in the words that both OCPP versions share."""

from __future__ import annotations

from enum import Enum

import msgspec

from agent.model.moment import Stamp


class Measurand(Enum):
    """Measurands that a station's parts can provide; ``TEMPERATURE`` exists in OCPP 1.6 only."""

    ENERGY_IMPORT_REGISTER = "Energy.Active.Import.Register"
    ENERGY_IMPORT_INTERVAL = "Energy.Active.Import.Interval"
    ENERGY_EXPORT_REGISTER = "Energy.Active.Export.Register"
    ENERGY_EXPORT_INTERVAL = "Energy.Active.Export.Interval"
    POWER_IMPORT = "Power.Active.Import"
    POWER_EXPORT = "Power.Active.Export"
    POWER_OFFERED = "Power.Offered"
    POWER_REACTIVE_IMPORT = "Power.Reactive.Import"
    POWER_FACTOR = "Power.Factor"
    CURRENT_IMPORT = "Current.Import"
    CURRENT_OFFERED = "Current.Offered"
    VOLTAGE = "Voltage"
    FREQUENCY = "Frequency"
    TEMPERATURE = "Temperature"
    SOC = "SoC"


class Phase(Enum):
    """Phase of a value; absent means all phases together."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    N = "N"
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


class SignedText(msgspec.Struct, frozen=True, kw_only=True):
    """A value as the meter itself signed it; passed on, never read. ``method``, ``encoding``: words of OCPP 2.0.1."""

    text: str
    method: str = ""
    encoding: str = ""
    public_key: str = ""


class SampledValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value: energy in Wh, power in W and var, current in A, voltage in V, frequency in Hz, temperature in degC,
    state of charge in percent. ``signed``: the same value signed by the meter.
    """

    measurand: Measurand
    value: float
    phase: Phase | None = None
    signed: SignedText | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Values taken at one moment (``at`` is when they were measured, never when they were sent)."""

    at: Stamp
    context: SampleContext
    values: tuple[SampledValue, ...]
