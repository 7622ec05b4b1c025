"""Values that cross a driver contract: frozen, with the unit in the name; ``None`` is unknown, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class PilotMode(Enum):
    """What the pilot generator puts out."""

    STEADY_HIGH = "steady_high"  # X1: constant +12 V, no offer
    PWM = "pwm"  # X2: 1 kHz, the duty cycle is the offer
    STEADY_LOW = "steady_low"  # F: constant -12 V, EVSE not available


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotSignal:
    """The generator's setting. ``duty_pct`` is 0-100 and only meaningful with ``PilotMode.PWM``."""

    mode: PilotMode
    duty_pct: float = 100.0


class PowerPathReading(NamedTuple):
    """One look at the pilot and proximity contacts. A tuple, since every scan makes one.

    Attributes:
        high_v: positive peak of the pilot at the EVSE's output, V; ``None`` unknown.
        low_v: negative peak, V; equals ``high_v`` without PWM; ``None`` unknown.
        proximity_ohm: cable coding resistor, ohm; ``inf`` for open (no cable); ``None`` for unknown or no such contact.
        taken_s: monotonic time of the measurement (``time.monotonic()``). A driver that reads sets it to the moment of
            the read; a driver that is pushed to sets it to the moment the value arrived, one that measures on a thread
            of its own to the moment at which it began to, so that the caller can see its age.
    """

    high_v: float | None
    low_v: float | None
    proximity_ohm: float | None
    taken_s: float


class Pull(Enum):
    """Bias of an input line."""

    NONE = "none"
    UP = "up"
    DOWN = "down"


class RegisterKind(Enum):
    """Modbus register table, by the function code that reads it."""

    HOLDING = 3
    INPUT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedReading:
    """The import register as the meter itself signed it; passed on unread.

    Attributes:
        text: what the meter said, at most 2500 characters.
        method, encoding: how it is signed and written, in the words of OCPP 2.0.1 (SignedMeterValueType).
        public_key: of the meter, "" where it is not told.
    """

    text: str
    method: str = ""
    encoding: str = ""
    public_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """One set of meter values, all measured within the poll that ``taken_s`` ends.

    Every field but ``taken_s`` is ``None`` where the meter has no such register or it could not be read.

    Attributes:
        taken_s: monotonic time at which the values arrived, s.
        energy_import_wh: lifetime register of imported energy, Wh, as the meter shows it (never re-based).
        power_w: total active power, W, import positive.
        current_a, voltage_v: per phase L1, L2, L3.
        frequency_hz: mains frequency, Hz.
        apparent_power_va, reactive_power_var: totals, VA and var.
        power_factor: of the total, -1 to 1.
        energy_phase_wh: imported energy per phase L1, L2, L3, Wh.
        current_neutral_a: in the neutral conductor, A.
        energy_modulus_wh: where the import register starts again at 0, Wh; ``None`` unknown.
        energy_step_wh: least difference that the import register can show, Wh.
        signed: the import register signed by the meter, where it signs.
        soc_pct: state of charge of the vehicle, %, where the meter is part of something that talks to it.
    """

    taken_s: float
    energy_import_wh: float | None = None
    energy_export_wh: float | None = None
    power_w: float | None = None
    current_a: tuple[float | None, float | None, float | None] = (None, None, None)
    voltage_v: tuple[float | None, float | None, float | None] = (None, None, None)
    power_phase_w: tuple[float | None, float | None, float | None] = (None, None, None)
    frequency_hz: float | None = None
    apparent_power_va: float | None = None
    reactive_power_var: float | None = None
    power_factor: float | None = None
    energy_phase_wh: tuple[float | None, float | None, float | None] = (None, None, None)
    current_neutral_a: float | None = None
    energy_modulus_wh: float | None = None
    energy_step_wh: float | None = None
    signed: SignedReading | None = None
    soc_pct: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRead:
    """A card was presented to a reader (once per presentation).

    Attributes:
        uid: hexadecimal, most significant byte first, no separators; capitals unless the reader is set otherwise.
        taken_s: monotonic time of the first frame of this presentation.
        raw: the bytes of the wire that told of it, for people.
        random: the card invents its id anew each time (ISO/IEC 14443-3, first byte 08): it names nobody.
    """

    uid: str
    taken_s: float
    raw: bytes = b""
    random: bool = False
