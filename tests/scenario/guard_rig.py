"""A guard's station on a ``guard_world`` board, scanned in virtual time."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from agent.guard.log import Log
from agent.guard.plan import parse_plan
from agent.guard.station import Station
from agent.guard.wire import HoldCable, Message, Permit, Refused, Report, Withdraw
from tests.scenario.guard_world import WORLDS, Board, World, plan_content

SCAN_S = 0.01
_names = itertools.count()


class Rig:
    """One station; ``run`` lets time pass scan by scan, ``reports`` keeps what it said."""

    def __init__(
        self,
        state_dir: str,
        log_fd: int,
        *,
        evses: int = 1,
        connectors: int = 0,
        board: type[Board] = Board,
        **changes: object,
    ) -> None:
        evses = connectors or evses
        self.worlds = [World() for _ in range(evses)]
        self.world = self.worlds[0]
        self.board = board(*self.worlds)
        name = f"board{next(_names)}"
        WORLDS[name] = self.board
        content = plan_content(name, state_dir, evses=evses, **changes)
        if connectors:  # of one EVSE: world N is connector N
            content["evses"] = [each | {"id": 1, "connector": each["id"]} for each in content["evses"]]
        self.plan = parse_plan(content)
        self.log = Log(fd=log_fd, as_json=True)
        self.reports: list[Report] = []
        self.permit_id = 0
        self.now_s = 1000.0
        self.start()

    def start(self) -> None:
        """Start the guard, or start it again after it died."""
        self.station = Station(self.plan, self.log, now_s=self.now_s)

    def run(self, for_s: float) -> None:
        """Scan for ``for_s`` seconds."""
        until_s = self.now_s + for_s
        while self.now_s < until_s - SCAN_S / 2:
            self.scan()

    def scan(self) -> None:
        """Let one period pass and scan once."""
        self.now_s = round(self.now_s + SCAN_S, 6)
        for world in self.worlds:
            world.now_s = self.now_s
            world.settle()
        self.reports += self.station.scan(self.now_s)

    def run_until(self, claim: Callable[[], bool], *, at_most_s: float) -> float:
        """Scan until ``claim`` holds; return how long that took."""
        began_s = self.now_s
        while not claim():
            assert self.now_s - began_s <= at_most_s, f"not within {at_most_s} s; last: {self.report}"
            self.scan()
        return self.now_s - began_s

    def say(self, message: Message) -> Message | None:
        return self.station.handle(message, 0, self.now_s)

    def permit(
        self,
        current_a: float = 16.0,
        *,
        valid_for_s: float = 30.0,
        evse_id: int = 1,
        phases: int = 3,
        connector_id: int = 1,
    ) -> Message | None:
        self.permit_id += 1
        return self.say(
            Permit(
                evse_id=evse_id,
                permit_id=self.permit_id,
                max_current_a=current_a,
                phases=phases,
                valid_for_s=valid_for_s,
                plan_id=self.plan.plan_id,
                connector_id=connector_id,
            )
        )

    def withdraw(self, *, evse_id: int = 1, connector_id: int = 1) -> None:
        answer = self.say(Withdraw(evse_id=evse_id, reason="the test says so", connector_id=connector_id))
        assert not isinstance(answer, Refused)

    def try_to_close(self) -> None:
        """Let a vehicle ask for a contactor that is stuck open."""
        self.world.stuck_open = True
        self.run(1.2)
        self.world.plug_in()
        self.run(0.1)
        self.permit()
        self.run(0.1)
        self.world.close_s2()

    def keep_permitted(self, for_s: float, current_a: float = 16.0, *, phases: int = 3) -> None:
        """Let time pass with a permit that is renewed."""
        until_s = self.now_s + for_s
        while self.now_s < until_s - SCAN_S / 2:
            self.permit(current_a, phases=phases)
            self.run(min(5.0, until_s - self.now_s))

    def hold(self, held: bool, *, evse_id: int = 1, kept: bool = False) -> None:
        self.say(HoldCable(evse_id=evse_id, held=held, kept=kept))

    def report_of(self, evse_id: int, connector_id: int = 1) -> Report:
        wanted = (evse_id, connector_id)
        return next(each for each in reversed(self.reports) if (each.evse_id, each.connector_id) == wanted)

    @property
    def report(self) -> Report:
        return self.report_of(1)

    @property
    def closed(self) -> bool:
        return bool(self.world.coil.active)

    def offer(self, current_a: float = 16.0) -> None:
        """Bring EVSE 1 from an empty socket to an offer to a vehicle in B."""
        self.run(1.2)
        self.world.plug_in()
        self.run(0.1)
        self.permit(current_a)
        self.run_until(lambda: self.offers, at_most_s=2.0)

    def charge(self, current_a: float = 16.0) -> None:
        """Bring EVSE 1 from an empty socket to a closed contactor, and past the time between two closings."""
        self.offer(current_a)
        self.world.close_s2()
        self.run_until(lambda: self.closed and self.world.main_closed, at_most_s=1.0)
        for _ in range(3):
            self.run(5.0)
            self.permit(current_a)
        self.run(0.1)

    @property
    def offers(self) -> bool:
        return self.report.offer_a is not None
