"""Polls the energy meters: one task per bus, one request in flight on each, the impatient first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from agent.log import Condition, get_logger
from agent.model.inputs import Input, ReadingFailed, ReadingTaken
from drivers.api import DriverError, Meter


class _Place(msgspec.Struct):
    evse_id: int
    meter: Meter
    silent: Condition
    reads: int = 0
    failures: int = 0


class MeterPoll:
    """The meters of one bus.

    Args:
        bus: its name, for logs.
        open_meters: opens the bus and returns EVSE -> meter; called in the task, so that a process start never waits
            for a port.
        poll_s: period of the regular reads, s.
        deliver: takes inputs for the core.
    """

    def __init__(
        self,
        bus: str,
        open_meters: Callable[[], Awaitable[Mapping[int, Meter]]],
        poll_s: float,
        monotonic: Callable[[], float],
        deliver: Callable[[Input], None],
    ) -> None:
        self.bus = bus
        self._open_meters = open_meters
        self._poll_s = poll_s
        self._monotonic = monotonic
        self._deliver = deliver
        self._asked: dict[int, None] = {}
        self._wake = asyncio.Event()
        self._log = get_logger("meters")
        self._places: dict[int, _Place] = {}

    def ask(self, evse_id: int) -> None:
        """Read this EVSE's meter before anything else."""
        self._asked[evse_id] = None
        self._wake.set()

    async def run(self) -> None:
        """Poll for ever; a meter that fails is reported each time and asked again at its next turn."""
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
                        await self._read(place)
                        await self._serve_asked()
                    next_s = max(next_s + self._poll_s, self._monotonic())
                await self._wait(next_s - self._monotonic())
        finally:
            for place in self._places.values():
                await place.meter.close()

    async def _serve_asked(self) -> None:
        while self._asked:
            evse_id = next(iter(self._asked))
            del self._asked[evse_id]
            if evse_id in self._places:
                await self._read(self._places[evse_id])

    async def _wait(self, for_s: float) -> None:
        self._wake.clear()
        if self._asked or for_s <= 0:
            return
        try:
            async with asyncio.timeout(for_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _read(self, place: _Place) -> None:
        place.reads += 1
        try:
            reading = await place.meter.read()
        except DriverError as error:
            place.failures += 1
            place.silent.set(True, evse_id=place.evse_id, bus=self.bus, error=str(error))
            self._deliver(ReadingFailed(evse_id=place.evse_id, error=str(error)))
            return
        place.silent.set(False, evse_id=place.evse_id, bus=self.bus, failures=place.failures)
        self._deliver(ReadingTaken(evse_id=place.evse_id, reading=reading))
