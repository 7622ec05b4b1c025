"""The bench process: one world in real time, its wires, its control socket, and what other modules plug into it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from drivers.bench.wire import HEARTBEAT_PERIOD_S, PageWriter, PilotSample, check_socket_path
from hil.all_verbs import register_all
from hil.claim import Taken, claim
from hil.control import Verbs
from hil.control_server import ControlServer
from hil.controllers import Controllers
from hil.dut import StationProcesses
from hil.pilot_circuit import Generator
from hil.pins_server import PinsServer
from hil.protection_verbs import ROOM_C
from hil.serial_wires import METER, MeterBus, ReaderWire
from hil.station_files import StationFiles
from hil.trace import Trace
from hil.world import World, WorldSettings

CONTROL_SOCKET: Final = "bench.sock"
PINS_SOCKET: Final = "pins.sock"
PAGE: Final = "world.page"


class BenchRefused(Exception):
    """The bench cannot start here. The text says why."""


class Bench:
    """One running bench. Construct it inside a running loop, ``start``, then wait for ``stopped``."""

    def __init__(self, directory: Path, settings: WorldSettings, options: Mapping[str, str] | None = None) -> None:
        """Claim ``directory``; nothing is served yet.

        Args:
            options: settings of what lies outside the station, by name; see ``hil.outside_verbs``.

        Raises:
            BenchRefused: another bench serves this directory, or its path is too long for sockets.
        """
        self.directory = directory
        self.options: Mapping[str, str] = options or {}
        directory.mkdir(parents=True, exist_ok=True)
        check_socket_path(directory / CONTROL_SOCKET)
        self._lock_fd = _claim(directory)
        self.stopped = asyncio.Event()
        self.trace = Trace()
        self.files = StationFiles(directory)
        self.processes = StationProcesses(self.record)
        self.world = World(settings, now_s=self.now_s())
        for number in self.world.evses:
            self.files.set_temperature(number, ROOM_C)
        self.page_path = directory / PAGE
        self.page = PageWriter(self.page_path, evse_count=len(self.world.parts), line_count=len(self.world.lines))
        self.verbs = Verbs(self._record_stimulus)
        self.pins = PinsServer(self)
        self.bus = MeterBus(self, directory / "bus-0", self.options.get("meter", METER))
        self.readers = [ReaderWire(self, index, directory / f"reader-{index}") for index in range(settings.readers)]
        family = self.options.get("controller")
        self.controllers = None if family is None else Controllers(self, family)
        self._control = ControlServer(self.verbs)
        self._line_index = {line: index for index, line in enumerate(self.world.lines)}
        self._levels: dict[str, bool] = {}
        self._reports: dict[str, Callable[[], Any]] = {}
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._tick_timer: asyncio.TimerHandle | None = None
        self._tick_due_s = 0.0

    @staticmethod
    def now_s() -> float:
        """Return monotonic time, the time of everything in the trace."""
        return time.monotonic()

    async def start(self) -> None:
        """Serve. Afterwards every wire is there."""
        loop = asyncio.get_running_loop()
        await register_all(self.verbs, self)
        for port in (self.bus.port, *(reader.port for reader in self.readers)):
            port.attach(loop)
        await self.bus.tcp.start()
        self.record("boot_id", self.files.boot_id)
        self.record("clock.known", self.files.clock.known)
        self._tick()
        if self.controllers is not None:
            await self.controllers.start()
        await self.pins.start(self.directory / PINS_SOCKET)
        await self._control.start(self.directory / CONTROL_SOCKET)

    async def close(self) -> None:
        """Take every wire away and give the directory free."""
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        await self._control.close()
        for closer in reversed(self._closers):
            await closer()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.controllers is not None:
            await self.controllers.close()
        self.pins.close()
        self.processes.close()
        self.bus.port.close()
        await self.bus.tcp.close()
        for reader in self.readers:
            reader.close()
        self.page.close()
        for name in (CONTROL_SOCKET, PINS_SOCKET, PAGE):
            (self.directory / name).unlink(missing_ok=True)
        os.close(self._lock_fd)

    def stop(self) -> None:
        """Ask the bench to end."""
        self.stopped.set()

    @contextmanager
    def stimulus(self) -> Iterator[None]:
        """Change the world within this context; everybody sees the consequences when it ends."""
        with self.world.stimulus(self.now_s()):
            yield
        self.settle()

    def write(self, line: str, level: bool) -> None:
        """Take an output from the station. Raises ``ValueError``."""
        self.world.write(line, level, self.now_s())
        self.settle()

    def set_generator(self, evse: int, generator: Generator, *, connector: int = 1) -> None:
        """Take a pilot setting from the station. Raises ``ValueError``."""
        self.world.set_generator(evse, generator, self.now_s(), connector=connector)
        self.settle()

    def restore_power(self) -> None:
        """Give the station power."""
        self.world.restore_power(self.now_s())
        self.settle()

    def step(self) -> None:
        """Bring the world to now."""
        self.world.step(self.now_s())
        self.settle()

    def settle(self) -> None:
        """Show what changed: page, edges, card frames, trace; and be awake for the next event."""
        pilots_changed = False
        changes = self.world.take_changes()
        if changes:
            for change in changes:
                pilots_changed |= change.signal.endswith(("pilot_v", "pilot_low_v", "proximity_ohm"))
            self._show_lines()
            if pilots_changed or not self._levels:
                self._show_pilots()
            for change in changes:
                self.trace.record(change.at_s, change.signal, change.value)
                self.files.follow(change)
            for reader in self.readers:
                reader.follow()
            if self.controllers is not None:
                self.controllers.follow_soon()
        event_s = self.world.next_event_s()
        if event_s is not None and self._tick_timer is not None and event_s < self._tick_due_s:
            self._wake_at(event_s)

    def record(self, signal_name: str, value: Any) -> None:
        """Write a signal of somebody else (network, CSMS) into the trace."""
        self.trace.record(self.now_s(), signal_name, value)

    def add_report(self, name: str, report: Callable[[], Any]) -> None:
        """Add a section to ``state``."""
        self._reports[name] = report

    def on_close(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Await ``closer()`` when the bench ends, the newest first."""
        self._closers.append(closer)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a task until the bench ends."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something in a while."""
        asyncio.get_running_loop().call_later(delay_s, action)

    def report(self) -> dict[str, Any]:
        """Return everything, for ``state``."""
        self.step()
        clock = self.files.clock
        return {
            **self.world.report(),
            "pid": os.getpid(),
            "dir": str(self.directory),
            "clock": {"known": clock.known, "offset_s": clock.offset_s},
            "boot_id": self.files.boot_id,
            "dut": self.processes.pids,
            "pins_clients": [client.name for client in self.pins.clients],
            "wires": {
                "pins": str(self.directory / PINS_SOCKET),
                "bus": [str(self.bus.port.path)],
                "meters_tcp": self.bus.tcp.port,
                "readers": [str(reader.port.path) for reader in self.readers],
            },
            **{name: report() for name, report in self._reports.items()},
        }

    def _tick(self) -> None:
        self.world.step(self.now_s())
        self.settle()
        self.page.beat(time.monotonic_ns())
        event_s = self.world.next_event_s()
        beat_s = self.now_s() + HEARTBEAT_PERIOD_S
        self._wake_at(beat_s if event_s is None else min(beat_s, event_s))

    def _wake_at(self, due_s: float) -> None:
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        loop = asyncio.get_running_loop()
        self._tick_due_s = due_s
        self._tick_timer = loop.call_at(loop.time() + max(0.0, due_s - self.now_s()), self._tick)

    def _show_lines(self) -> None:
        levels = self.world.levels()
        edges = [(line, level) for line, level in levels.items() if self._levels.get(line) != level]
        for line, level in edges:
            self.page.set_level(self._line_index[line], level)
        taken_ns = time.monotonic_ns()
        for line, level in edges:
            self.pins.push_edge(line, level, taken_ns)
        if not self._levels:
            self._show_pilots()
        self._levels = levels

    def _show_pilots(self) -> None:
        taken_ns = time.monotonic_ns()
        for index, evse in enumerate(self.world.parts):
            pilot = evse.pilot
            self.page.set_pilot(
                index,
                PilotSample(
                    high_v=pilot.high_v, low_v=pilot.low_v, proximity_ohm=evse.proximity_ohm, taken_ns=taken_ns
                ),
            )

    def _record_stimulus(self, verb: str, arguments: Mapping[str, Any]) -> None:
        self.record("stimulus", {"verb": verb, **arguments})


async def serve(
    directory: Path,
    settings: WorldSettings,
    options: Mapping[str, str] | None = None,
    ready: Callable[[Bench], None] | None = None,
    parent: int | None = None,
) -> None:
    """Run a bench until SIGTERM, SIGINT, ``stop`` or the end of process ``parent``. Raises ``BenchRefused``."""
    loop = asyncio.get_running_loop()
    bench = Bench(directory, settings, options)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, bench.stop)
    if parent is not None:
        loop.add_reader(os.pidfd_open(parent), bench.stop)
    try:
        await bench.start()
        if ready is not None:
            ready(bench)
        await bench.stopped.wait()
    finally:
        await bench.close()


def _claim(directory: Path) -> int:
    try:
        return claim(directory / "bench.lock")
    except Taken as exc:
        raise BenchRefused(f"a bench already serves {directory} (process {exc.holder})") from exc
