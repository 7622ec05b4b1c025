"""Polls the energy meters: one task per bus, one request in flight on each, the impatient first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from agent.log import Condition, get_logger
from agent.model.inputs import Input, ReadingFailed, ReadingTaken
from drivers.api import DriverError, DriverTimeout, Meter, MeterReading

if TYPE_CHECKING:
    from drivers.meter.counters import UnitCounters

SILENT_PAUSE_S: Final = 3.0  # a meter that says nothing is asked so often, where others wait on the same bus


DEFECT_PAUSE_S: Final = 60.0  # a driver that raised what no driver may raise is left alone so long


class _Place(msgspec.Struct):
    evse_id: int
    meter: Meter
    silent: Condition
    reads: int = 0
    failures: int = 0
    error: str = ""
    rests_until_s: float = 0.0
    newest: MeterReading | None = None
    waiting: list[asyncio.Future[None]] = []


class PollReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the polls of one EVSE's meter went. ``counters``: of the bus, where it counts; ``newest`` is not judged."""

    evse_id: int
    bus: str
    reads: int
    failures: int
    error: str
    newest: MeterReading | None
    counters: UnitCounters | None


class MeterPoll:
    """The meters of one bus.

    Args:
        bus: its name, for logs.
        open_meters: opens the bus and returns EVSE -> meter; called in the task, so that a process start never waits
            for a port.
        poll_s: period of the regular reads, s.
        deliver: takes inputs for the core.
        evse_ids: whose meters they are; told of when the bus cannot be opened for a defect.
    """

    def __init__(
        self,
        bus: str,
        open_meters: Callable[[], Awaitable[Mapping[int, Meter]]],
        poll_s: float,
        monotonic: Callable[[], float],
        deliver: Callable[[Input], None],
        *,
        evse_ids: Sequence[int] = (),
    ) -> None:
        self.bus = bus
        self._evse_ids = evse_ids
        self._turn: int | None = None  # whose meter is being read
        self._defects: dict[int, tuple[float, str]] = {}  # EVSE -> until when its driver rests, and why
        self._open_meters = open_meters
        self._poll_s = poll_s
        self._monotonic = monotonic
        self._deliver = deliver
        self._asked: dict[int, None] = {}
        self._sleeping: asyncio.Future[None] | None = None
        self._log = get_logger("meters")
        self._places: dict[int, _Place] = {}

    def ask(self, evse_id: int) -> None:
        """Read this EVSE's meter before anything else."""
        self._asked[evse_id] = None
        if self._sleeping is not None:
            _wake(self._sleeping)

    async def read_now(self, evse_id: int) -> None:
        """Read this EVSE's meter and return when that was done, well or not. Raises ``KeyError``."""
        done = asyncio.get_running_loop().create_future()
        self._places[evse_id].waiting.append(done)
        self.ask(evse_id)
        await done

    def report(self, evse_id: int) -> PollReport:
        """Return how the polls of this EVSE's meter went. Raises ``KeyError`` before its driver is open."""
        from drivers.meter.counters import CountingMeter

        place = self._places[evse_id]
        return PollReport(
            evse_id=evse_id,
            bus=self.bus,
            reads=place.reads,
            failures=place.failures,
            error=place.error,
            newest=place.newest,
            counters=place.meter.counters() if isinstance(place.meter, CountingMeter) else None,
        )

    async def run(self) -> None:
        """Poll for ever; a meter that fails is reported each time and asked again at its next turn.

        One that is silent costs its neighbours its whole time-out: on a bus of several it is asked every 3 s only.
        """
        meters = await self._open_meters()
        self._places = {
            evse_id: _Place(evse_id=evse_id, meter=meter, silent=Condition(self._log, "meter.silent"))
            for evse_id, meter in meters.items()
        }
        try:
            next_s = self._monotonic()
            while True:
                await self._serve_asked()
                if self._monotonic() >= next_s:
                    for place in self._places.values():
                        if len(self._places) == 1 or self._monotonic() >= place.rests_until_s:
                            await self._read(place)
                        await self._serve_asked()
                    next_s = max(next_s + self._poll_s, self._monotonic())
                await self._wait(next_s - self._monotonic())
        finally:
            for place in self._places.values():
                await place.meter.close()

    def failed(self, error: str, raised: bool) -> None:
        """Take the supervisor's word on ``run``: a driver with a defect rests, its neighbours go on without it."""
        if not raised:
            return
        turn, self._turn = self._turn, None
        for evse_id in self._evse_ids if turn is None else (turn,):
            self._deliver(ReadingFailed(evse_id=evse_id, error=error))
        if turn is not None:
            self._defects[turn] = (self._monotonic() + DEFECT_PAUSE_S, error)
        for place in self._places.values():
            _answer_waiting(place)

    async def _serve_asked(self) -> None:
        while self._asked:
            evse_id = next(iter(self._asked))
            del self._asked[evse_id]
            if evse_id in self._places:
                await self._read(self._places[evse_id])

    async def _wait(self, for_s: float) -> None:
        if self._asked or for_s <= 0:
            return
        loop = asyncio.get_running_loop()
        self._sleeping = loop.create_future()
        alarm = loop.call_later(for_s, _wake, self._sleeping)
        try:
            await self._sleeping
        finally:
            alarm.cancel()
            self._sleeping = None

    async def _read(self, place: _Place) -> None:
        rests_until_s, defect = self._defects.get(place.evse_id, (0.0, ""))
        if self._monotonic() < rests_until_s:
            self._deliver(ReadingFailed(evse_id=place.evse_id, error=defect))
        else:
            self._turn = place.evse_id
            await self._read_once(place)
            self._turn = None
        _answer_waiting(place)

    async def _read_once(self, place: _Place) -> None:
        place.reads += 1
        try:
            reading = await place.meter.read()
        except DriverError as error:
            place.failures += 1
            place.error = str(error)
            place.rests_until_s = self._monotonic() + (SILENT_PAUSE_S if isinstance(error, DriverTimeout) else 0.0)
            place.silent.set(True, evse_id=place.evse_id, bus=self.bus, error=str(error))
            self._deliver(ReadingFailed(evse_id=place.evse_id, error=str(error)))
            return
        place.error, place.newest = "", reading
        place.silent.set(False, evse_id=place.evse_id, bus=self.bus, failures=place.failures)
        self._deliver(ReadingTaken(evse_id=place.evse_id, reading=reading))


def _wake(sleeping: asyncio.Future[None]) -> None:
    if not sleeping.done():
        sleeping.set_result(None)


def _answer_waiting(place: _Place) -> None:
    waiting, place.waiting = place.waiting, []
    for each in waiting:
        if not each.done():
            each.set_result(None)
