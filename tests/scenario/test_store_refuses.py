"""What the store cannot keep is answered as refused, does not count, and is not written later either."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from agent.clock import Clock
from agent.errors import StoreError
from agent.model.commands import AnyOutcome, ChangeAvailability, ClearCache, Command, Outcome
from agent.model.effects import Durable
from agent.model.ids import IdToken
from agent.model.local_list import (
    GetLocalListVersion,
    ListEntry,
    ListUpdate,
    LocalListOutcome,
    LocalListVersionOutcome,
    SendLocalList,
)
from agent.model.profiles import (
    CompositeOutcome,
    GetComposite,
    Period,
    Profile,
    ProfileKind,
    ProfilePurpose,
    RateUnit,
    Schedule,
    SetProfile,
)
from agent.model.reservations import CancelReservation, Reservation, Reserve, ReserveOutcome
from agent.model.verdicts import TokenVerdict, Verdict
from agent.runtime.core_loop import STORE_RETRY_S, CoreLoop
from agent.store import Counts, Sizes
from tests.scenario.charging_world import ALICE
from tests.scenario.core16 import Core16


class Disk:
    """A store that can be full."""

    def __init__(self) -> None:
        self.full = False
        self.written: list[Durable] = []

    async def commit(self, durables: Sequence[Durable] = (), **_: float | None) -> None:
        if self.full:
            raise StoreError("the disk is full")
        self.written += durables

    short = False

    async def sizes(self) -> Sizes:
        raise StoreError("not asked")

    async def counts(self) -> Counts:
        raise StoreError("not asked")

    async def thin(self, max_rows: int) -> int:
        raise StoreError("not asked")

    async def probe(self) -> None:
        raise StoreError("not asked")


class Nobody:
    """A CSMS that nobody looks at."""

    def outcome(self, command_id: int, outcome: AnyOutcome) -> None: ...
    def authorize(self, request_id: int, token: IdToken) -> None: ...
    def views_changed(self) -> None: ...
    def facts_waiting(self) -> None: ...


class House:
    """A station in service, its core loop, and a disk."""

    def __init__(self) -> None:
        self.world = Core16()
        self.world.run(0.5)
        self.disk = Disk()
        nothing: Any = lambda *_: None  # noqa: E731
        self.core = CoreLoop(
            station=self.world.station,
            storage=self.disk,
            clock=Clock(self, monotonic=lambda: self.world.now_s),
            desks=(),
            csms=Nobody(),
            perform_permit=nothing,
            ask_reading=nothing,
            restart=nothing,
            tick=nothing,
        )

    def utc_s(self) -> float | None:
        """Return the time of day, as a clock source does."""
        return self.world.stamp().utc_s

    def boot_id(self) -> str:
        """Return the boot's identity, as a clock source does."""
        return self.world.boot_id

    async def order(self, *commands: Command) -> list[AnyOutcome]:
        """Give orders one after another and return what was answered."""
        task = asyncio.create_task(self.core.run())
        answers = [await asyncio.wait_for(self.core.order(each), 5.0) for each in commands]
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return answers

    async def limit_a(self) -> float:
        """Return what the composite schedule says of now."""
        [answer] = await self.order(GetComposite(duration_s=10, evse_id=1, unit=RateUnit.AMPERES))
        assert isinstance(answer, CompositeOutcome)
        assert answer.composite is not None
        return answer.composite.periods[0].limit


def profile(profile_id: int, limit_a: float) -> SetProfile:
    schedule = Schedule(unit=RateUnit.AMPERES, periods=(Period(start_s=0, limit=limit_a),), start_utc_s=0.0)
    wanted = Profile(
        profile_id=profile_id,
        stack_level=0,
        purpose=ProfilePurpose.STATION_MAX,
        kind=ProfileKind.ABSOLUTE,
        schedule=schedule,
    )
    return SetProfile(profile=wanted)


def reservation(house: House, reservation_id: int = 1) -> Reserve:
    utc_s = house.utc_s()
    assert utc_s is not None
    return Reserve(
        reservation=Reservation(reservation_id=reservation_id, token=ALICE, expires_utc_s=utc_s + 600, evse_id=1)
    )


def listed(version: int) -> SendLocalList:
    entry = ListEntry(token=ALICE, verdict=TokenVerdict(verdict=Verdict.ACCEPTED))
    return SendLocalList(version=version, update=ListUpdate.FULL, entries=(entry,))


@pytest.mark.req("OCPP 1.6 §5.16.4, §5.13, §5.2, §5.15, §5.4")
async def test_an_order_that_the_store_cannot_keep_is_refused_and_counts_neither_now_nor_later() -> None:
    house = House()
    await house.order(profile(1, 10.0), listed(5))
    house.disk.full = True
    refused = await house.order(
        profile(1, 6.0),
        profile(2, 8.0),
        reservation(house),
        listed(9),
        ChangeAvailability(operative=False, evse_id=1),
        ClearCache(),
    )
    assert [_word(each) for each in refused] == ["rejected", "rejected", "rejected", "failed", "rejected", "rejected"]
    assert await house.limit_a() == 10.0
    view = house.world.station.view(1)
    assert (view.reserved, view.operative) == (False, True)
    assert await house.order(GetLocalListVersion()) == [LocalListVersionOutcome(version=5)]
    before = len(house.disk.written)
    house.disk.full = False
    house.world.now_s += STORE_RETRY_S + 0.1
    assert await house.limit_a() == 10.0
    assert house.disk.written[before:] == [], "what was refused was written afterwards"


@pytest.mark.req("OCPP 1.6 §5.13, §5.1")
async def test_a_reservation_whose_end_the_store_cannot_keep_still_stands() -> None:
    house = House()
    assert [_word(each) for each in await house.order(reservation(house))] == ["accepted"]
    house.disk.full = True
    assert [_word(each) for each in await house.order(CancelReservation(reservation_id=1))] == ["rejected"]
    assert house.world.station.view(1).reserved
    house.disk.full = False
    house.world.now_s += STORE_RETRY_S + 0.1
    assert [_word(each) for each in await house.order(CancelReservation(reservation_id=1))] == ["accepted"]
    assert not house.world.station.view(1).reserved


def _word(outcome: AnyOutcome) -> str:
    match outcome:
        case Outcome(answered=answered):
            return answered.value
        case ReserveOutcome(reserved=reserved):
            return reserved.value
        case LocalListOutcome(status=status):
            return status.value
        case _:
            raise AssertionError(outcome)
