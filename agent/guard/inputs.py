"""Watched inputs: residual current, emergency stop, earth, door, tilt. Pure: levels in, verdicts out.

A level counts when it has lasted ``debounce_s``, either way; the first level after the start counts at once. A level
that is not known is not known at once, whatever the debounce. An input that latches stays tripped until the vehicle has
left (pilot A) with the input released.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from agent.guard.timings import CLOCK_STEP_S
from agent.guard.wire import GuardFault


class InputRole(Enum):
    """What an input says while it is active."""

    RCD = "rcd"  # residual alternating current
    RCM = "rcm"  # residual direct current. IEC 62955
    EMERGENCY_STOP = "emergency_stop"  # pressed
    GROUND = "ground"  # protective earth is missing
    DOOR = "door"  # open
    TILT = "tilt"  # the station leans or was hit


FAULT_OF: Final = MappingProxyType(
    {
        InputRole.RCD: GuardFault.RCD_TRIPPED,
        InputRole.RCM: GuardFault.RCM_TRIPPED,
        InputRole.EMERGENCY_STOP: GuardFault.EMERGENCY_STOP,
        InputRole.GROUND: GuardFault.GROUND_MISSING,
        InputRole.DOOR: GuardFault.DOOR_OPEN,
        InputRole.TILT: GuardFault.TILTED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One input as the cycle sees it, its level already debounced. ``latched``: until pilot A."""

    role: InputRole
    latched: bool = False


class Debounce:
    """A level that counts when it has lasted ``debounce_s``."""

    __slots__ = ("_counted", "_debounce_s", "_other_since_s")

    def __init__(self, debounce_s: float) -> None:
        """Begin without a level; 0 s counts every level at once."""
        self._debounce_s = debounce_s
        self._counted: bool | None = None
        self._other_since_s: float | None = None

    @property
    def settled(self) -> bool:
        """Return whether no other level waits for its time to be over."""
        return self._other_since_s is None

    def step(self, level: bool | None, now_s: float) -> bool | None:
        """Return the level that counts at ``now_s``; ``None`` while ``level`` is unknown."""
        if level is None:
            self._other_since_s = None
            return None
        if self._counted is None or level is self._counted or self._debounce_s <= 0.0:
            self._counted = level
            self._other_since_s = None
            return level
        if self._other_since_s is None:
            self._other_since_s = now_s
        if now_s - self._other_since_s >= self._debounce_s - CLOCK_STEP_S:
            self._counted = level
            self._other_since_s = None
        return self._counted


class Watches:
    """All watched inputs of one EVSE.

    Attributes:
        known: every input has a level.
        tripped: the roles that are active or latched.
        faults: the same as faults.
    """

    __slots__ = ("_latched", "_watched", "faults", "known", "tripped")

    def __init__(self, watched: Sequence[Watch]) -> None:
        """Watch ``watched``; nothing is known yet."""
        self._watched = tuple(watched)
        self._latched = [False] * len(self._watched)
        self.known = not self._watched
        self.tripped: frozenset[InputRole] = frozenset()
        self.faults: tuple[GuardFault, ...] = ()

    def step(
        self, levels: Sequence[bool | None], *, may_clear: bool, masked: Collection[InputRole] = frozenset()
    ) -> None:
        """Judge one level for each watched input, in their order.

        Args:
            levels: ``None`` unknown, true active.
            may_clear: the vehicle has left (pilot A), so that a latch may go with its input.
            masked: roles that a self-test makes active on purpose; they count as released.
        """
        tripped = set()
        for index, (watch, level) in enumerate(zip(self._watched, levels, strict=True)):
            active = level is True and watch.role not in masked
            if active and watch.latched:
                self._latched[index] = True
            elif level is False and may_clear:
                self._latched[index] = False
            if active or self._latched[index]:
                tripped.add(watch.role)
        self.known = None not in levels
        if tripped != self.tripped:
            self.tripped = frozenset(tripped)
            self.faults = tuple(fault for role, fault in FAULT_OF.items() if role in tripped)

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``step`` may change."""
        return (tuple(self._latched), self.known, self.tripped)
