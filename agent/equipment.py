"""The part of the composition root that holds meters and card readers: their tasks, and what the door asks of them.

Built with the core, started last: the drivers' libraries load in the tasks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agent.model.faults import FaultCode
from agent.model.ids import IdTokenKind
from agent.model.inputs import FaultChanged, Input
from agent.runtime.card_log import CardLog
from agent.runtime.guard_link import GuardLink
from agent.runtime.meter_reports import MeterReports
from agent.runtime.meters import MeterPoll
from agent.runtime.readers import ReaderWatch
from agent.runtime.supervisor import Supervisor
from agent.settings.station import BusSettings, MeterSettings, ReaderSettings, SerialBusSettings, Settings
from drivers.api import CardReader, Meter, RegisterBus
from drivers.registry import open_driver

Answer = Mapping[str, Any]


class Equipment:
    """The meters and card readers of one station.

    Args:
        guard: the link through which buses of the guard are read; asked for when a bus is opened.
        deliver: takes inputs for the core.
    """

    def __init__(
        self,
        settings: Settings,
        supervisor: Supervisor,
        *,
        guard: Callable[[], GuardLink],
        deliver: Callable[[Input], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._guard = guard
        self._deliver = deliver
        self._monotonic = monotonic
        self._poll_of: dict[int, MeterPoll] = {}
        self._cards = CardLog()

    def start(self) -> None:
        """Start a task for every bus of meters and for every reader."""
        by_bus: dict[str | None, dict[int, MeterSettings]] = {}
        for evse_id, meter in self._settings.meters.items():
            by_bus.setdefault(meter.bus, {})[evse_id] = meter
        for bus, meters in by_bus.items():
            poll_s = self._settings.charging.meter_poll_s
            opening, ids = self._meters_of(bus, meters), list(meters)
            poll = MeterPoll(bus or "", opening, poll_s, self._monotonic, self._deliver, evse_ids=ids)
            for evse_id in ids:
                self._poll_of[evse_id] = poll
            self._supervisor.add(f"meters.{bus}", poll.run, on_failure=poll.failed)
        for reader in self._settings.readers:
            kind = IdTokenKind(reader.driver.options.get("token_kind", IdTokenKind.LOCAL.value))
            watch = ReaderWatch(reader.name, _reader_of(reader), kind, self._deliver, self._cards)
            self._supervisor.add(f"reader.{reader.name}", watch.run, on_failure=self._reader_failed)

    def ask_reading(self, evse_id: int) -> None:
        """Have this EVSE's meter (0: the main meter) read now rather than at its next turn."""
        poll = self._poll_of.get(evse_id)
        if poll is not None:
            poll.ask(evse_id)

    def meter_rows(self) -> list[dict[str, Any]]:
        """Return how the polls of every meter go, for the status."""
        return self._meter_reports().rows()

    async def meter(self, request: Answer) -> Answer:
        """Answer the door about one meter."""
        return await self._meter_reports().meter(request)

    async def cards_seen(self, request: Answer) -> Answer:
        """Answer the door about the last cards."""
        return await self._cards.answer(request)

    def _meter_reports(self) -> MeterReports:
        return MeterReports(self._settings, self._poll_of, self._monotonic)

    def _reader_failed(self, error: str, raised: bool) -> None:
        self._deliver(FaultChanged(code=FaultCode.READER_LOST, raised=raised, text=error))

    def _meters_of(
        self, bus: str | None, settings: Mapping[int, MeterSettings]
    ) -> Callable[[], Awaitable[Mapping[int, Meter]]]:
        async def open_meters() -> Mapping[int, Meter]:
            wire = None if bus is None else self._open_bus(self._settings.bus(bus))
            meters: dict[int, Meter] = {}
            for evse_id, meter in settings.items():
                options: dict[str, Any] = {**meter.driver.options}
                if wire is not None:
                    options["bus"] = wire
                meters[evse_id] = open_driver(meter.driver.target, options)
            return meters

        return open_meters

    def _open_bus(self, bus: BusSettings) -> RegisterBus:
        if bus.name in self._settings.guard_buses:  # a controller is on it, and goes first
            from agent.runtime.guard_bus import GuardBus

            return GuardBus(self._guard(), bus.name)
        from drivers.meter.bus import SerialBus, TcpBus

        if isinstance(bus, SerialBusSettings):
            return SerialBus(
                port=str(bus.port), baud=bus.baud, parity=bus.parity, stopbits=bus.stopbits, gap_s=bus.gap_s
            )
        return TcpBus(host=bus.host, tcp_port=bus.tcp_port)


def _reader_of(reader: ReaderSettings) -> Callable[[], Awaitable[CardReader]]:
    async def open_reader() -> CardReader:
        opened: CardReader = open_driver(reader.driver.target, reader.driver.options)
        return opened

    return open_reader
