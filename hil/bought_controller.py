"""The inside of a bought charge controller: told how much it may offer, it runs pilot and contactor of a world's EVSE.

It knows nothing of the wire on which it is told; ``hil.evse_din``, ``hil.phoenix``, ``hil.rapi`` and ``hil.yeti`` are
its faces. It behaves as IEC 61851-1 asks: PWM to a connected vehicle, closed in C, open at once when the vehicle leaves
C, and after the end of an offer the vehicle gets its time to stop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from hil.evse import Evse
from hil.pilot_circuit import Generator, GeneratorMode

STOP_S: Final = 6.0  # a vehicle that ignores the end of the offer is opened under load. IEC 61851-1 table A.6, 10.2
FEEDBACK_S: Final = 0.2  # Phoenix EV Charge Control Basic, register 4007: default 200 ms
LEAST_A: Final = 6.0
MOST_A: Final = 80.0
_HIGH: Final = Generator(mode=GeneratorMode.STEADY_HIGH)


class ControllerMode(Enum):
    """How the controller is."""

    OK = "ok"
    SILENT = "silent"  # it does not answer, and goes on doing what it was told last
    GARBAGE = "garbage"  # its answers are broken
    DISOBEY = "disobey"  # it takes every order and keeps what it had


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """How it reaches the world. ``write(line, level)`` takes the short name of a line of its EVSE."""

    powered: Callable[[], bool]
    set_generator: Callable[[Generator], None]
    write: Callable[[str, bool], None]


class BoughtController:
    """One controller and its EVSE."""

    def __init__(self, evse: Evse, drive: Drive) -> None:
        """Begin with "no current"."""
        self.evse = evse
        self._drive = drive
        self.mode = ControllerMode.OK
        self.allowed_a = 0.0
        self._ended_s: float | None = None
        self._at_once = False
        self._released_s: float | None = None
        self._stuck = False
        self._forget: list[Callable[[], None]] = []

    def allow(self, current_a: float) -> None:
        """Take an order, A; below 6 A is none."""
        if self.mode is not ControllerMode.DISOBEY:
            self.allowed_a = current_a if current_a >= LEAST_A else 0.0
            self._at_once = False

    def turn_off(self) -> None:
        """Take the order to open without waiting for the vehicle."""
        if self.mode is not ControllerMode.DISOBEY:
            self.allowed_a, self._at_once = 0.0, True

    def on_power_loss(self, forget: Callable[[], None]) -> None:
        """Call ``forget`` when the power is lost: the face forgets, too."""
        self._forget.append(forget)

    def lose_power(self) -> None:
        """Forget everything, as it does without power."""
        self.allowed_a, self._ended_s, self._at_once = 0.0, None, False
        for forget in self._forget:
            forget()

    def lock(self, held: bool) -> None:
        """Drive the socket's lock."""
        self._drive.write("lock", held)

    @property
    def state(self) -> str:
        """The vehicle's state as it sees it: A to F."""
        return self.evse.car_state

    @property
    def offers(self) -> bool:
        """Whether the pilot carries a duty cycle."""
        return self.evse.generator.mode is GeneratorMode.PWM

    @property
    def offer_a(self) -> float:
        """What the duty cycle says, A; 0 without one."""
        return self._may_offer_a if self.offers else 0.0

    @property
    def relay(self) -> bool:
        """Whether it drives its contactor."""
        return self.evse.contactor.coil

    @property
    def stuck_closed(self) -> bool:
        """Whether its contactor has not followed the coil in its time, as a feedback contact shows it."""
        return self._stuck

    @property
    def cable_a(self) -> int:
        """Rating of the plugged cable, A; 0 without one."""
        return self.evse.cable_a if self.evse.car.plugged else 0

    @property
    def rcd_tripped(self) -> bool:
        """Whether its residual current sensor has tripped."""
        return self.evse.rcd_tripped

    def follow(self, now_s: float) -> float | None:
        """React to the world; return when to be asked again although nothing changed."""
        evse = self.evse
        if not self._drive.powered():
            self.lose_power()
            return None
        ready = self.state in ("C", "D") and not self.rcd_tripped
        offer_a = self._may_offer_a
        wanted = _HIGH if offer_a < LEAST_A else Generator(mode=GeneratorMode.PWM, duty_pct=duty_pct(offer_a))
        if wanted != evse.generator:
            self._drive.set_generator(wanted)
        if self.offers:
            self._ended_s = None
            self._switch(ready)
        elif self.relay:
            if self._ended_s is None:
                self._ended_s = now_s
            over = now_s - self._ended_s >= STOP_S
            self._switch(ready and not over and not self._at_once)
        due_s = self._ended_s + STOP_S if self.relay and self._ended_s is not None else None
        return self._watch_contactor(now_s) or due_s

    def _watch_contactor(self, now_s: float) -> float | None:
        """Note a contactor that stays closed with its coil off; return when to look again."""
        if self.relay or not self.evse.contactor.closed:
            self._released_s, self._stuck = None, False
            return None
        if self._released_s is None:
            self._released_s = now_s
        self._stuck = now_s - self._released_s >= FEEDBACK_S
        return None if self._stuck else self._released_s + FEEDBACK_S

    @property
    def _may_offer_a(self) -> float:
        if self.state not in ("B", "C", "D") or self.rcd_tripped:
            return 0.0
        return min(self.allowed_a, float(self.cable_a), MOST_A)

    def _switch(self, closed: bool) -> None:
        if closed is not self.relay:
            self._drive.write("contactor", closed)


def duty_pct(current_a: float) -> float:
    """Return the duty cycle for 6-80 A. Source: IEC 61851-1:2017 Annex A, duty cycle and current."""
    return current_a / 0.6 if current_a <= 51.0 else current_a / 2.5 + 64.0
