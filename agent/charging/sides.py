"""The connectors of one EVSE as the guard sees them, and the question which of them is in use.

A vehicle that is plugged in first is served first; while its turn lasts another one waits. Its turn is over when its
transaction is, or when nobody authorised it in time; then the one that has waited longest has its turn. A vehicle whose
turn is over gets another one when it is plugged in anew, or by an authorization while nobody waits.

Where the guard sees one vehicle per EVSE (one connector, or several behind one pilot), there is one side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from agent.charging.kept_cable import KeptCable
from agent.charging.outputs import Outputs
from agent.charging.turn import Turn
from agent.model.evse import EvseCondition
from agent.model.station import ConnectorLayout, EvseLayout

WAITS: Final = "another connector of this EVSE is in use"


class Side:
    """One connector, or an EVSE that has one.

    Attributes:
        condition: the guard's newest word; ``None`` while it is lost.
        outputs: what was sent to the guard. cable: what is known of a cable without its vehicle.
        plugged_s: when the newest vehicle came. arrived: it is there as far as anybody knows.
        served: its turn is over.
    """

    def __init__(self, evse: EvseLayout, connector: ConnectorLayout, valid_for_s: float) -> None:
        """Begin without a word from the guard."""
        self.connector_id = connector.connector_id
        self.lockable = connector.lockable
        self.max_current_a = connector.max_current_a
        self.outputs = Outputs(evse.evse_id, valid_for_s, connector.connector_id)
        self.cable = KeptCable()
        self.condition: EvseCondition | None = None
        self.plugged_s = 0.0
        self.arrived = False
        self.served = False

    def see(self, condition: EvseCondition, now_s: float) -> None:
        """Take the guard's word."""
        before = None if self.condition is None else self.condition.plugged
        self.condition = condition
        if self.lockable:
            self.cable.see(condition, now_s)
        if condition.plugged is False:
            self.arrived = self.served = False
        elif condition.plugged is True:
            self.arrived = True
            if before is not True:
                self.plugged_s = now_s

    def lose(self) -> None:
        """Know nothing more; no permit counts as given."""
        self.condition = None
        self.cable.lose()
        self.outputs.lost()

    def rest(self, turn: Turn, phases: int) -> None:
        """Want nothing of the guard while another side is in use: no permit, no held cable."""
        if self.condition is not None:
            self.outputs.permit(turn, None, phases, self.condition, WAITS)
            if self.lockable:
                self.outputs.hold(turn, False)


class Sides:
    """All of one EVSE.

    Attributes:
        several: the guard sees each connector for itself.
        used: the connector whose turn it is, or would be.
    """

    def __init__(self, layout: EvseLayout, valid_for_s: float) -> None:
        """Begin with the first one."""
        self.several = bool(layout.connectors)
        only = ConnectorLayout(connector_id=1, max_current_a=layout.max_current_a, lockable=layout.lockable)
        self._of = {each.connector_id: Side(layout, each, valid_for_s) for each in layout.connectors or (only,)}
        self._first = next(iter(self._of.values()))
        self.used = self._first.connector_id

    def __iter__(self) -> Iterator[Side]:
        """Go through them in the order of their numbers."""
        return iter(self._of.values())

    @property
    def first(self) -> Side:
        """Return the one that stands for the EVSE as a whole, its light for example."""
        return self._first

    def at(self, connector_id: int) -> Side:
        """Return the side of a connector."""
        return self._of.get(connector_id, self._first)

    def take_up(self, connector_id: int) -> None:
        """Know that a connector was used last, and that the turn of its vehicle is over, which is there until the
        guard says no: its sibling's word, which may come first, is none on this one.
        """
        if connector_id in self._of:
            self.used = connector_id
            self._of[connector_id].arrived = self._of[connector_id].served = self.several

    def choose(self, operative: Callable[[int], bool]) -> None:
        """Let the right one be ``used``; ``operative`` tells whether a connector may be used at all."""
        if not self.several:
            return
        here = self._of[self.used]
        waiting = [each for each in self if each.arrived and not each.served and operative(each.connector_id)]
        if here.arrived and not here.served and (here in waiting or not waiting):
            return
        if waiting:
            self.used = min(waiting, key=lambda each: each.plugged_s).connector_id
        elif not here.arrived:
            self.used = self._best(operative).connector_id

    def _best(self, operative: Callable[[int], bool]) -> Side:
        """Return where the next vehicle would be served: there already, or able to, with nothing against it."""

        def against(side: Side) -> tuple[bool, bool, bool]:
            faults = side.condition is not None and bool(side.condition.faults)
            return (not operative(side.connector_id), not side.arrived, faults)

        return min(self, key=against)
