"""Meter values that the CSMS asked for: sent from the next good reading, which is waited for, but not for ever.

A trigger is accepted where a value is known or may still come, and rejected where it is plain that none will: there is
no meter at the place that is meant, or none of those meant has a reading that is still good and the last attempt to
read each failed. "Messages that the Charge Point marks as accepted SHOULD be sent" (OCPP 1.6 §5.17), so an accepted one
has the meter read at once, every second, for 30 s; then the log says that nothing came. 2.0.1: F06.FR.04, .05.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from agent.charging.ending import ASK_EVERY_S
from agent.charging.turn import Turn
from agent.model.effects import AskReading, SendSample
from agent.model.moment import Stamp
from agent.model.sample import Sample

WAIT_S: Final = 30.0  # a first register is believed at its second or third reading; house rule
MOST: Final = 64  # that wait at once; a trigger beyond them finds the newest of its kind waiting already


class Metered(Protocol):
    """A place with a meter, as this room sees it."""

    def is_fresh(self, now_s: float) -> bool:
        """Return whether there is a reading that is still good."""

    def is_silent(self, now_s: float) -> bool:
        """Return whether there is none, and the last attempt to get one failed."""

    def sample(self, measurands: tuple[str, ...], now: Stamp) -> Sample | None:
        """Return what is known of ``measurands``."""


class _Asked(msgspec.Struct):
    evse_id: int
    measurands: tuple[str, ...]
    until_s: float


class AskedValues:
    """What the CSMS waits for."""

    def __init__(self, places: Mapping[int, Metered]) -> None:
        """Serve ``places``, by EVSE; 0 is the station's main meter."""
        self._places = places
        self._asked: list[_Asked] = []
        self._read_s = float("-inf")

    @property
    def waiting(self) -> bool:
        """Return whether values are waited for."""
        return bool(self._asked)

    def meant(self, evse_id: int | None) -> tuple[int, ...]:
        """Return the places that a trigger means: all where none is named, or where 0 is and there is no main meter."""
        everywhere = evse_id is None or (evse_id == 0 and 0 not in self._places)
        return tuple(each for each in self._places if everywhere or each == evse_id)

    def refusal(self, evse_id: int | None, now_s: float) -> str:
        """Return why a trigger is rejected; empty where it is accepted."""
        meant = self.meant(evse_id)
        if not meant:
            return "there is no meter"
        if all(self._places[each].is_silent(now_s) for each in meant):
            return "the meter is silent" if len(meant) == 1 else "every meter is silent"
        return ""

    def ask(self, evse_id: int | None, measurands: tuple[str, ...], now_s: float) -> None:
        """Note that values are wanted; ``step`` sends them."""
        for each in self.meant(evse_id):
            if len(self._asked) < MOST and not self._places[each].is_silent(now_s):
                self._asked.append(_Asked(evse_id=each, measurands=measurands, until_s=now_s + WAIT_S))

    def step(self, turn: Turn) -> None:
        """Send what can be sent, ask for readings, and give up what took too long."""
        waiting: list[_Asked] = []
        for asked in self._asked:
            place = self._places[asked.evse_id]
            if place.is_fresh(turn.now_s):
                sample = place.sample(asked.measurands, turn.now)
                if sample is not None:
                    turn.add(SendSample(evse_id=asked.evse_id, sample=sample))
            elif turn.now_s >= asked.until_s:
                turn.note("values.not_sent", asked.evse_id, level="warning", reason="no reading", waited_s=WAIT_S)
            else:
                waiting.append(asked)
        self._asked = waiting
        if waiting and turn.now_s >= self._read_s + ASK_EVERY_S:
            self._read_s = turn.now_s
            for evse_id in dict.fromkeys(each.evse_id for each in waiting):
                turn.add(AskReading(evse_id=evse_id))

    def deadline_s(self) -> float | None:
        """Return when the next reading is asked for or the next wait is over, monotonic."""
        if not self._asked:
            return None
        return min(self._read_s + ASK_EVERY_S, *(each.until_s for each in self._asked))
