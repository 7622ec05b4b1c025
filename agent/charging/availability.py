"""What the CSMS made operative and inoperative, by level.

A level that is inoperative makes everything below it so; a level that becomes operative again gives each part below it
back its own setting. Source: OCPP 2.0.1 G03, G04 (and part 1, hierarchy of EVSEs and connectors). OCPP 1.6 has no
levels (``flat``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

Place = tuple[int | None, int | None]
STATION: Place = (None, None)


class Availability:
    """Settings by place: ``(None, None)`` the station, ``(1, None)`` an EVSE, ``(1, 1)`` a connector."""

    def __init__(self) -> None:
        """Begin with everything operative."""
        self._settings: dict[Place, bool] = {}
        self.held = False  # for maintenance: nothing below the station is operative; not a setting of the CSMS

    def restore(self, settings: Mapping[Place, bool]) -> None:
        """Take over what the store kept."""
        self._settings = dict(settings)

    def remember(self) -> Callable[[], None]:
        """Return what puts the settings back as they are now."""
        settings = dict(self._settings)

        def put_back() -> None:
            self._settings = settings

        return put_back

    def set(self, place: Place, operative: bool) -> bool:
        """Change one place; return whether that was a change."""
        if self._settings.get(place, True) == operative:
            return False
        self._settings[place] = operative
        return True

    def flat(self, place: Place, operative: bool, connectors: Iterable[Place]) -> dict[Place, bool]:
        """Return the settings that say what OCPP 1.6 means, which has no levels.

        The station is it and every connector of ``connectors``. A connector that becomes operative takes the levels
        above it along, and leaves its neighbours as they are. Source: OCPP 1.6 §5.2, §6.9 (connectorId 0).
        """
        if place == STATION:
            above = {each: True for each in self._settings if operative and each[1] is None}
            return above | {STATION: operative} | dict.fromkeys(connectors, operative)
        evse_id, connector_id = place
        if not operative or evse_id is None or connector_id is None:
            return {place: operative}
        lifted: dict[Place, bool] = {STATION: True, (evse_id, None): True, place: True}
        for each in connectors:
            if each != place and each[0] is not None and not self.evse(each[0]):
                lifted[each] = False
                lifted[each[0], None] = True
        return lifted

    @property
    def station(self) -> bool:
        """Return the station's own setting."""
        return self._settings.get(STATION, True)

    def evse(self, evse_id: int) -> bool:
        """Return whether the EVSE is operative, its connectors aside."""
        return self.station and self._settings.get((evse_id, None), True)

    def connector(self, evse_id: int, connector_id: int) -> bool:
        """Return whether the connector is operative."""
        return not self.held and self.evse(evse_id) and self._settings.get((evse_id, connector_id), True)
