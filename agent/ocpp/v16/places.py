"""How 1.6 numbers connectors: 1, 2, 3 ... over all EVSEs; 0 is the station.

Source: OCPP 1.6 §3.7 (ConnectorId numbering).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent.model.station import EvseLayout

Place = tuple[int, int]
STATION: Final[Place] = (0, 0)
NOWHERE: Final[Place] = (-1, -1)  # an EVSE that no station has: the core answers that it does not know it


class Connectors:
    """Running connector numbers of a station; ``lights``: some EVSE has a status light."""

    def __init__(self, evses: Sequence[EvseLayout]) -> None:
        places = [(evse.evse_id, connector_id) for evse in evses for connector_id in evse.connector_ids]
        self.lights = any(evse.has_light for evse in evses)
        self._place_of = dict(enumerate(places, start=1))
        self._number_of = {place: number for number, place in self._place_of.items()}

    @property
    def places(self) -> tuple[Place, ...]:
        """Every connector in the order of its number."""
        return tuple(self._number_of)

    def number(self, evse_id: int, connector_id: int) -> int:
        """Return the number of a connector. Raises ``KeyError`` for one that the station does not have: a bug."""
        return 0 if (evse_id, connector_id) == STATION else self._number_of[evse_id, connector_id]

    def place(self, number: int) -> Place:
        """Return the EVSE and connector of a number; ``STATION`` for 0, ``NOWHERE`` for one that does not exist."""
        return STATION if number == 0 else self._place_of.get(number, NOWHERE)
