"""RAPI, the serial protocol of OpenEVSE: lines in and out. Pure.

``$CC p1 p2 :ss^xk\\r``: command, parameters, sequence id (01-FF), XOR of everything before the ``^``. The answer begins
with ``$OK`` or ``$NK`` and repeats the sequence id; lines that begin with ``$A`` come unasked.

Source: OpenEVSE/open_evse ``firmware/open_evse/rapi_proc.h`` (protocol description), ``J1772EvseController.h`` (states,
flags).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Final, NamedTuple

from drivers.api.controllers import ControllerFault, VehicleState

LINE_MAX: Final = 160

CHARGING_ON: Final = 0x0040  # ECVF_CHARGING_ON: the relay is commanded closed
EV_CONNECTED: Final = 0x0100  # ECVF_EV_CONNECTED, valid unless the pilot is at -12 V

STATE_A, STATE_B, STATE_C, STATE_D = 0x01, 0x02, 0x03, 0x04
STATE_SLEEPING, STATE_DISABLED = 0xFE, 0xFF
_VEHICLES: Final = {STATE_A: VehicleState.A, STATE_B: VehicleState.B, STATE_C: VehicleState.C, STATE_D: VehicleState.D}
_FAULTS: Final = {
    0x04: ControllerFault.VENTILATION,
    0x05: ControllerFault.DIODE,
    0x06: ControllerFault.RCD,
    0x07: ControllerFault.GROUND,
    0x08: ControllerFault.CONTACTOR_WELDED,  # stuck relay
    0x09: ControllerFault.RCD_TEST,
    0x0A: ControllerFault.OVER_TEMPERATURE,
    0x0B: ControllerFault.OVER_CURRENT,
    0x0E: ControllerFault.CONTACTOR_STUCK_OPEN,  # relay closure fault
}
_KNOWN: Final = frozenset((0, *_VEHICLES, STATE_SLEEPING, STATE_DISABLED))


class Answer(NamedTuple):
    """An answer: accepted or not, its parameters, the sequence id (``None`` from firmware before 3.0)."""

    accepted: bool
    words: tuple[str, ...]
    sequence: int | None


class State(NamedTuple):
    """What ``$GS`` or ``$AT`` says; ``flags`` is ``None`` from firmware that does not tell them."""

    evse: int
    pilot: int
    flags: int | None

    @property
    def vehicle(self) -> VehicleState | None:
        """Return the vehicle's state; while it sleeps or is disabled only "there or not" is known."""
        for state in (self.evse, self.pilot):
            if state in _VEHICLES:
                return _VEHICLES[state]
        if self.evse == STATE_SLEEPING and self.flags is not None:
            return VehicleState.B if self.flags & EV_CONNECTED else VehicleState.A
        return None

    @property
    def offers(self) -> bool:
        """Return whether the pilot carries a duty cycle: connected, and neither asleep, disabled nor faulty."""
        return self.evse in (STATE_B, STATE_C, STATE_D)

    @property
    def faults(self) -> tuple[ControllerFault, ...]:
        """Return what it says is wrong."""
        if self.evse in _FAULTS:
            return (_FAULTS[self.evse],)
        return () if self.evse in _KNOWN else (ControllerFault.OTHER,)


def command(text: str, sequence: int | None) -> bytes:
    """Return the line for ``text`` (``$GS``); ``sequence`` is 1-255, ``None`` for firmware before 3.0."""
    body = text if sequence is None else f"{text} :{sequence:02X}"
    return f"{body}^{checksum(body):02X}\r".encode("ascii")


def checksum(body: str) -> int:
    """Return the XOR of all characters."""
    return reduce(lambda total, character: total ^ ord(character), body, 0)


def split_lines(received: bytes) -> tuple[list[str], bytes]:
    """Return the whole, undamaged lines in ``received`` without their checksums, and the rest that goes on.

    A line with a wrong checksum is dropped; one without is taken only if it comes unasked (firmware before 2.0.1).
    """
    *whole, rest = received.split(b"\r")
    lines = []
    for raw in whole:
        start = raw.rfind(b"$")
        if start < 0:
            continue
        text = raw[start:].decode("ascii", errors="replace")
        body, mark, given = text.rpartition("^")
        if mark:
            if given.upper() == f"{checksum(body):02X}":
                lines.append(body)
        elif text.startswith("$A"):
            lines.append(text)
    return lines, rest[-LINE_MAX:]


def answer_of(line: str) -> Answer | None:
    """Return the answer that ``line`` is, ``None`` for something that came unasked."""
    words = line.split()
    if not words or words[0] not in ("$OK", "$NK"):
        return None
    sequence: int | None = None
    if len(words) > 1 and words[-1].startswith(":"):
        try:
            sequence = int(words.pop()[1:], 16)
        except ValueError:
            return None
    return Answer(accepted=words[0] == "$OK", words=tuple(words[1:]), sequence=sequence)


def state_of(words: Sequence[str]) -> State | None:
    """Return the state in the parameters of an answer to ``$GS``, ``None`` when it is not one.

    Firmware before 4 answers with state and elapsed time alone, the state in decimal.
    """
    try:
        if len(words) == 2:
            return State(int(words[0]), int(words[0]), None)
        return State(int(words[0], 16), int(words[2], 16), int(words[3], 16))
    except (ValueError, IndexError):
        return None


def told_state(line: str) -> tuple[State, float] | None:
    """Return state and current capacity of an unasked ``$AT`` line, ``None`` for another line."""
    words = line.split()
    if len(words) != 5 or words[0] != "$AT":
        return None
    try:
        return State(int(words[1], 16), int(words[2], 16), int(words[4], 16)), float(int(words[3]))
    except ValueError:
        return None
