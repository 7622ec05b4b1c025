"""Who may take how much now, and when that becomes less: charging profiles and the station's supply, over all EVSEs.

A lower limit of a profile is taken ``LEAD_S`` before it holds, a higher one when it holds. So a permit that ends at the
moment of its next decrease is always replaced before it ends, and no vehicle sees a gap. The EVSEs' shares are worked
out with the least that the station may take and the most that each EVSE could use in that time: never too much.

Sources: OCPP 1.6 §3.13.1 (ChargePointMaxProfile is shared by all connectors), §3.13.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Final

import msgspec

from agent.charging.composition import Rate, concerning, station_maximum
from agent.charging.evse import Evse
from agent.charging.limits import capacity_a, shares_a
from agent.charging.profile_plan import LEAD_S, Plan
from agent.charging.session import SessionState
from agent.charging.surroundings import Surroundings
from agent.charging.turn import Turn

_LESS_A: Final = 1e-3  # a difference smaller than this is rounding


class Supply:
    """Shares out what there is, in every turn."""

    def __init__(self, around: Surroundings, evses: Mapping[int, Evse]) -> None:
        """Begin without profiles."""
        self._around = around
        self._evses = evses
        layouts = around.layout.evses
        self._rate_of = {each.evse_id: Rate.of_evse(each) for each in layouts}
        self._plan_of = {evse_id: Plan(rate) for evse_id, rate in self._rate_of.items()}
        self._station = Plan(Rate.of_station(layouts))
        self._usable_a: dict[int, float] = {}

    def step(self, turn: Turn) -> None:
        """Bring every EVSE's limits from profiles, its share and its next decrease up to date."""
        self._renew(turn)
        self._usable_a.clear()
        now_s = turn.now_s
        running = [each for each in self._evses.values() if each.session.state is SessionState.CHARGING]
        running.sort(key=lambda each: (each.session.since_s, each.evse_id))
        station = self._station.limited(turn.now)
        total_a = self._total_a(now_s)
        shares = self._shares_at(now_s, running)
        layout_a = self._around.layout.max_current_a
        by_profile = station.current_a is not None and (layout_a is None or station.current_a < layout_a)
        for evse in self._evses.values():
            own = self._plan_of[evse.evse_id].limited(turn.now)
            evse.profile_limit = own
            evse.share_of = station.text if by_profile else "the station's supply"
            evse.share_a = shares.get(evse.evse_id, total_a)
            evse.decrease_s = None
        if running:
            self._foresee(running, now_s)

    def deadline_s(self, now_s: float) -> float | None:
        """Return when a limit of a profile changes that concerns a running transaction."""
        running = [each for each in self._evses.values() if each.session.state is SessionState.CHARGING]
        if not running:
            return None
        due = [self._plan_of[each.evse_id].deadline_s(now_s) for each in running]
        return min((each for each in (*due, self._station.deadline_s(now_s)) if each is not None), default=None)

    def _renew(self, turn: Turn) -> None:
        profiles = self._around.profiles
        installed = profiles.installed()
        for evse_id, evse in self._evses.items():
            record = None if evse.transaction is None else evse.transaction.record
            connector_id = None if record is None else record.connector_id
            self._plan_of[evse_id].renew(
                concerning(installed, evse_id, connector_id, evse.name) if installed else (),
                (profiles.revision, evse.name),
                None if record is None else record.started_at,
                turn.now,
            )
        self._station.renew(station_maximum(installed), profiles.revision, None, turn.now)

    def _foresee(self, running: list[Evse], now_s: float) -> None:
        """Find for each EVSE the next moment, within the life of a permit, at which it may take less than now."""
        plans = [self._station, *(self._plan_of[each.evse_id] for each in running)]
        until_s = now_s + self._around.layout.permit_valid_s
        edges = sorted(set(chain.from_iterable(each.edges(now_s + LEAD_S, until_s) for each in plans)))
        if not edges:
            return
        current = {each.evse_id: self._current_a(each, now_s, each.share_a) for each in running}
        for edge_s in edges:
            shares = self._shares_at(edge_s, running)
            total_a = self._total_a(edge_s)
            for evse in running:
                then_a = self._current_a(evse, edge_s, shares.get(evse.evse_id, total_a))
                fewer = self._phases(evse, edge_s) < self._phases(evse, now_s)
                if evse.decrease_s is None and (fewer or then_a < current[evse.evse_id] - _LESS_A):
                    evse.decrease_s = edge_s
            if all(each.decrease_s is not None for each in running):
                return

    def _current_a(self, evse: Evse, at_s: float, share_a: float | None) -> float:
        winner = self._plan_of[evse.evse_id].lowest(at_s, at_s + LEAD_S)
        most_a = self._capacity_a(evse)
        most_a = most_a if winner is None else min(most_a, winner.limit)
        return most_a if share_a is None else min(most_a, share_a)

    def _phases(self, evse: Evse, at_s: float) -> int:
        return self._rate_of[evse.evse_id].phases_of(self._plan_of[evse.evse_id].phases(at_s, at_s + LEAD_S))

    def _shares_at(self, at_s: float, running: list[Evse]) -> dict[int, float]:
        total_a = self._total_a(at_s)
        if total_a is None:
            return {}
        wanting = {
            each.evse_id: min(self._capacity_a(each), self._plan_of[each.evse_id].highest_a(at_s, at_s + LEAD_S))
            for each in running
        }
        return shares_a(total_a, wanting)

    def _total_a(self, at_s: float) -> float | None:
        winner = self._station.lowest(at_s, at_s + LEAD_S)
        limits = [self._around.layout.max_current_a, None if winner is None else winner.limit]
        return min((each for each in limits if each is not None), default=None)

    def _capacity_a(self, evse: Evse) -> float:
        """Return what the EVSE could use in this turn, its profiles aside."""
        usable_a = self._usable_a.get(evse.evse_id)
        if usable_a is None:
            usable_a = capacity_a(msgspec.structs.replace(evse.circumstances(), profile_a=None))
            self._usable_a[evse.evse_id] = usable_a
        return usable_a
