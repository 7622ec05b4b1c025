"""The car: resistors, S2, charger and battery. It obeys IEC 61851-1 unless told to misbehave. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from hil.agenda import Agenda
from hil.pilot_circuit import RESISTANCE_B_OHM, RESISTANCE_C_OHM, RESISTANCE_D_OHM

_FULL_WH = 1e-6


class CableEnd(Enum):
    """Where a cable is unplugged."""

    STATION = "station"  # out of the socket, locked or not
    VEHICLE = "vehicle"  # the other end stays in the socket while that is locked


class CarState(Enum):
    """The states of IEC 61851-1 that a car can be forced into; E and F are faults of the pilot wire."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"


class Misbehaviour(Enum):
    """What a car does that it must not."""

    NONE = "none"
    IGNORE_DUTY = "ignore_duty"  # draws its own maximum whatever is offered
    IGNORE_STOP = "ignore_stop"  # keeps S2 closed and its current when the offer ends
    SLEEPY = "sleepy"  # ignores every offer until the pilot was interrupted (state E or F)
    SIMPLIFIED = "simplified"  # has no S2: shows C from plug-in on, sees no duty cycle and draws up to 10 A


SIMPLIFIED_A: Final = 10.0  # IEC 61851-1:2017 Annex A.2.3


@dataclass(slots=True, kw_only=True)
class CarSettings:
    """What kind of car it is. It may change while the car is plugged in.

    Attributes:
        reaction_s: from a changed offer, or a closed contactor, to the changed current; IEC allows 5 s.
        s2_close_s: from a valid offer to S2 closed.
        stop_s: from the end of the offer (or of the wish) to S2 open; IEC 61851-1 Table A.6 sequence 10 allows 3 s.
    """

    max_current_a: float = 32.0
    phases: int = 3
    capacity_wh: float = 60_000.0
    soc_pct: float = 40.0
    reaction_s: float = 0.5
    s2_close_s: float = 0.7
    stop_s: float = 1.0


class Car:
    """One car, plugged in or not. ``refresh`` lets it react to what it sees; actions happen on the agenda."""

    def __init__(self, agenda: Agenda, key: str, settings: CarSettings) -> None:
        self._agenda = agenda
        self._key = key
        self.settings = settings
        self.plugged = False
        self.forced: CarState | None = None
        self.paused = False
        self.keep_s2 = False
        self.misbehaviour = Misbehaviour.NONE
        self.tells_soc = False
        self.s2_closed = False
        self.drawn_a = 0.0
        self._offer_a = 0.0
        self._powered = False
        self._woken = False
        self._arrival_soc_pct = settings.soc_pct

    @property
    def resistance_ohm(self) -> float | None:
        """Resistance of the pilot to earth behind the diode; ``None`` when not connected."""
        if not self.plugged or self.forced is CarState.A:
            return None
        if self.forced is CarState.D:
            return RESISTANCE_D_OHM
        return RESISTANCE_C_OHM if self.s2_closed else RESISTANCE_B_OHM

    @property
    def full(self) -> bool:
        """Whether the battery takes no more."""
        return self.missing_wh <= _FULL_WH

    @property
    def missing_wh(self) -> float:
        """Energy until the battery is full, Wh."""
        return self.settings.capacity_wh * (100.0 - self.settings.soc_pct) / 100.0

    def plug_in(self) -> None:
        """Connect the cable. S2 is open."""
        self.plugged = True
        self._woken = False
        self._arrival_soc_pct = self.settings.soc_pct
        self._stand_still()

    def unplug(self) -> None:
        """Disconnect the cable. The next car is eager, and its battery is as full as this one's was when it came."""
        self.plugged = False
        self.settings.soc_pct = self._arrival_soc_pct
        self.forced = None
        self.paused = False
        self._stand_still()

    def charge(self, energy_wh: float) -> None:
        """Take energy into the battery."""
        self.settings.soc_pct = min(100.0, self.settings.soc_pct + 100.0 * energy_wh / self.settings.capacity_wh)
        if self.full:
            self.settings.soc_pct = 100.0

    def refresh(self, now_s: float, *, offer_a: float, powered: bool, interrupted: bool = False) -> None:
        """React to the offer that the pilot carries (0: none), to state E or F (``interrupted``) and to mains."""
        self._woken = self._woken or interrupted
        self._offer_a = offer_a
        self._powered = powered
        self._refresh_s2(now_s)
        self._refresh_current(now_s)

    def _refresh_s2(self, now_s: float) -> None:
        close, open_ = f"{self._key}.s2_close", f"{self._key}.s2_open"
        if self.forced is not None:
            self._agenda.cancel(close)
            self._agenda.cancel(open_)
            self.s2_closed = self.plugged and self.forced in (CarState.C, CarState.D)
            return
        if self.misbehaviour is Misbehaviour.SIMPLIFIED:
            self._agenda.cancel(close)
            self._agenda.cancel(open_)
            self.s2_closed = self.plugged
            return
        wanted = self._wants_s2()
        if wanted == self.s2_closed:
            self._agenda.cancel(close)
            self._agenda.cancel(open_)
        elif wanted and not self._agenda.planned(close):
            self._agenda.at(now_s + self.settings.s2_close_s, close, self._close_s2)
        elif not wanted and not self._agenda.planned(open_):
            self._agenda.at(now_s + self.settings.stop_s, open_, self._open_s2)

    def _wants_s2(self) -> bool:
        if not self.plugged:
            return False
        if self.s2_closed and self.misbehaviour is Misbehaviour.IGNORE_STOP:
            return True
        if self.misbehaviour is Misbehaviour.SLEEPY and not self._woken:
            return False
        eager = not self.full and (not self.paused or (self.keep_s2 and self.s2_closed))
        return eager and self._offer_a > 0.0

    def _refresh_current(self, now_s: float) -> None:
        change = f"{self._key}.current"
        wanted_a = self._wanted_a()
        if wanted_a == self.drawn_a:
            self._agenda.cancel(change)
        elif wanted_a == 0.0 and (self.full or not self._connected()):
            self._agenda.cancel(change)
            self.drawn_a = 0.0
        elif not self._agenda.planned(change):
            self._agenda.at(now_s + self.settings.reaction_s, change, self._change_current)

    def _connected(self) -> bool:
        return self.plugged and self._powered and self.s2_closed and self.forced is not CarState.A

    def _wanted_a(self) -> float:
        if not self._connected() or self.full:
            return 0.0
        if self.misbehaviour is Misbehaviour.IGNORE_DUTY:
            return self.settings.max_current_a
        if self.misbehaviour is Misbehaviour.SIMPLIFIED:
            return min(SIMPLIFIED_A, self.settings.max_current_a)
        if self.misbehaviour is Misbehaviour.IGNORE_STOP and (self.paused or self._offer_a <= 0.0):
            return self.drawn_a
        if self.paused:
            return 0.0
        return min(self._offer_a, self.settings.max_current_a)

    def _change_current(self, now_s: float) -> None:
        self.drawn_a = self._wanted_a()

    def _close_s2(self, now_s: float) -> None:
        self.s2_closed = True

    def _open_s2(self, now_s: float) -> None:
        self.drawn_a = 0.0  # a car never opens S2 under load
        self.s2_closed = False

    def _stand_still(self) -> None:
        for event in ("s2_close", "s2_open", "current"):
            self._agenda.cancel(f"{self._key}.{event}")
        self.s2_closed = False
        self.drawn_a = 0.0
