"""Things that move when told to, after a moment, unless they are broken: the contactor and the socket lock. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Final

from hil.agenda import Agenda

CONTACTOR_CLOSE_S: Final = 0.015  # typical 40 A AC contactor
CONTACTOR_OPEN_S: Final = 0.010
LOCK_MOVE_S: Final = 0.3  # typical 12 V type 2 actuator


class ContactorMode(Enum):
    """How the contactor is."""

    OK = "ok"
    WELDED = "welded"  # the main contacts conduct, whatever the coil says
    STUCK_OPEN = "stuck_open"  # the main contacts never conduct


class LockMode(Enum):
    """How the socket lock is."""

    OK = "ok"
    JAMMED = "jammed"  # it stays where it is
    FORCED = "forced"  # somebody tore it open, and it stays so


class Contactor:
    """Coil, main contacts and the mirror contact that is closed only while every main contact is open."""

    def __init__(self, agenda: Agenda, key: str) -> None:
        self._agenda = agenda
        self._key = f"{key}.contactor"
        self.coil = False
        self.closed = False
        self.mode = ContactorMode.OK

    def set_coil(self, energised: bool, now_s: float) -> None:
        """Energise or release the coil."""
        self.coil = energised
        self._plan(now_s)

    def set_mode(self, mode: ContactorMode, now_s: float) -> None:
        """Break or mend it; welded and stuck take effect at once."""
        self.mode = mode
        if mode is ContactorMode.WELDED:
            self.closed = True
        elif mode is ContactorMode.STUCK_OPEN:
            self.closed = False
        self._plan(now_s)

    def _plan(self, now_s: float) -> None:
        if self.mode is not ContactorMode.OK or self.closed == self.coil:
            self._agenda.cancel(self._key)
            return
        self._agenda.at(now_s + (CONTACTOR_CLOSE_S if self.coil else CONTACTOR_OPEN_S), self._key, self._move)

    def _move(self, now_s: float) -> None:
        self.closed = self.coil


class SocketLock:
    """The motor that holds the plug in a type 2 socket, with its feedback contact.

    *Held*: it follows the level of its line. *Pulsed*: it moves while ``lock`` or ``unlock`` is driven and stays
    otherwise.
    """

    def __init__(self, agenda: Agenda, key: str) -> None:
        self._agenda = agenda
        self._key = f"{key}.lock"
        self.commanded = False
        self.commanded_back = False
        self.pulsed = False
        self.locked = False
        self.mode = LockMode.OK

    def command(self, locked: bool, now_s: float) -> None:
        """Drive the motor, or its way to locked."""
        self.commanded = locked
        self._plan(now_s)

    def command_back(self, unlocked: bool, now_s: float) -> None:
        """Drive the motor's way to unlocked."""
        self.commanded_back = unlocked
        self._plan(now_s)

    def set_pulsed(self, pulsed: bool, now_s: float) -> None:
        """Build it as a motor with two lines, or with one."""
        self.pulsed = pulsed
        self._plan(now_s)

    def set_mode(self, mode: LockMode, now_s: float) -> None:
        """Jam, force open or free it; freed, it moves to where it is driven."""
        self.mode = mode
        if mode is LockMode.FORCED:
            self.locked = False
        self._plan(now_s)

    @property
    def _driven(self) -> bool | None:
        """Where it is being moved to; ``None``: nowhere."""
        if not self.pulsed:
            return self.commanded
        if self.commanded is self.commanded_back:
            return None
        return self.commanded

    def _plan(self, now_s: float) -> None:
        driven = self._driven
        if self.mode is not LockMode.OK or driven is None or self.locked == driven:
            self._agenda.cancel(self._key)
        elif not self._agenda.planned(self._key):
            self._agenda.at(now_s + LOCK_MOVE_S, self._key, self._move)

    def _move(self, now_s: float) -> None:
        driven = self._driven
        self.locked = self.locked if driven is None else driven
