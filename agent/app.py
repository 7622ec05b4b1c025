"""The composition root: the only place that constructs things.

Order of a start: clock, store, core, guard link, CSMS link; the drivers of meters and readers load after the boot
notification is on the wire, because nobody waits for them before that.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent import __version__
from agent.charging.station import Station
from agent.clock import Clock
from agent.console.door import Door
from agent.errors import StoreError
from agent.log import get_logger
from agent.model.commands import ResetKind, TriggerKind
from agent.model.effects import Effect
from agent.model.faults import FaultCode
from agent.model.ids import IdTokenKind
from agent.model.inputs import FaultChanged, VariablesChanged
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.variables import StoredValue, VariableBook
from agent.ocpp.backoff import BackOff
from agent.ocpp.dialect import Dialect, StationIdentity
from agent.ocpp.session import Session
from agent.ocpp.transport import CsmsEndpoint, Link, LinkClosed, LinkFailure, password_bytes
from agent.presets import presets_of
from agent.runtime.core_loop import CoreLoop
from agent.runtime.csms_link import CsmsLink
from agent.runtime.desk import CommandDesk
from agent.runtime.guard_link import GuardLink
from agent.runtime.meters import MeterPoll
from agent.runtime.readers import ReaderWatch
from agent.runtime.reports import StationReports
from agent.runtime.supervisor import Kind, Supervisor, notify
from agent.settings.compile import plan_of
from agent.settings.last_good import Loaded
from agent.settings.station import (
    BusSettings,
    CsmsSettings,
    EvseSettings,
    OcppVersion,
    PasswordEncoding,
    ReaderSettings,
    SerialBusSettings,
    Settings,
)
from agent.store import OpenReport, StoredState, StoreFailure, StoreThread
from drivers.api import CardReader, ClockSource, Meter, RegisterBus
from drivers.registry import open_driver

JOURNAL: Final = "journal.sqlite"
EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
DRIVERS_WAIT_S: Final = 3.0  # drivers load after the boot notification, or after so long without a CSMS
ENDING_S: Final = 2.0  # how long a stop may take to close the link and the store

_BOOT_REASON: Final[Mapping[ResetKind, str]] = {
    ResetKind.GRACEFUL: "remote_reset",
    ResetKind.IMMEDIATE: "remote_reset",
    ResetKind.ON_IDLE: "scheduled_reset",
}


def dialect_of(version: OcppVersion, settings: Settings) -> Dialect:
    """Return the dialect that the station file names; only that one is imported."""
    evses = settings.layout().evses
    match version:
        case OcppVersion.V16:
            from agent.ocpp.v16.dialect import Dialect16

            return Dialect16(evses)
        case OcppVersion.V201:
            from agent.ocpp.v201.dialect import Dialect201

            return Dialect201(evses)


@dataclass(slots=True, kw_only=True)
class _Ending:
    code: int = EXIT_OK
    boot_reason: str = ""


class Application:
    """One running agent, built from a loaded station file."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._settings = loaded.settings
        self._log = get_logger("app")
        self._ending = _Ending()
        self._drivers_may_load = asyncio.Event()
        self._polls: list[MeterPoll] = []
        self._poll_of: dict[int, MeterPoll] = {}
        self._watches: list[ReaderWatch] = []
        self._supervisor = Supervisor(time.monotonic)

    async def run(self) -> int:
        """Run until told to stop; return the exit code."""
        settings = self._settings
        source: ClockSource = open_driver(settings.clock.target, settings.clock.options)
        self._clock = Clock(source)
        store, report = await self._open_store()
        self._store = store
        try:
            state = await store.load()
            self._clock.remember(state.anchors, state.last_good_utc_s)
            self._build(state, boot_reason=self._boot_reason(state, report))
            await self._core.restore(self._restored(state))
            await store.commit(notes={"boot_id": self._clock.boot_id, "boot_reason": ""})
            await self._serve()
        finally:
            try:
                if self._ending.boot_reason:
                    await store.commit(notes={"boot_reason": self._ending.boot_reason})
                await store.close()
            except StoreError as error:
                self._log.error("store.close_failed", error=str(error))
        return self._ending.code

    # ---- building -------------------------------------------------------------------------------------------------

    async def _open_store(self) -> tuple[StoreThread, OpenReport]:
        path = self._settings.station.state_dir / JOURNAL
        path.parent.mkdir(parents=True, exist_ok=True)
        store, report = await StoreThread.open(
            path,
            boot_id=self._clock.boot_id,
            on_waiting=lambda text: self._log.warning("store.waiting", why=text),
            on_recovered=lambda report: self._log.error("store.recovered", report=str(report)),
            on_failure=lambda failure: self._log.warning("store.lazy_write_failed", error=str(failure)),
        )
        if report.salvage is not None:
            self._log.error("store.recovered", report=str(report))
        return store, report

    def _boot_reason(self, state: StoredState, report: OpenReport) -> str:
        if state.notes.get("boot_reason"):
            return state.notes["boot_reason"]
        return "unknown" if state.notes.get("boot_id") == self._clock.boot_id else "power_up"

    def _build(self, state: StoredState, *, boot_reason: str) -> None:
        settings = self._settings
        self._dialect = dialect_of(settings.csms.version, settings)
        self._book = VariableBook(
            (*STANDARD_VARIABLES, *self._dialect.variables()),
            presets=presets_of(settings.variables),
            stored=state.variables,
            computed={},
        )
        self.station = Station(settings.layout(), self._book, new_id=_new_id, boot_id=self._clock.boot_id)
        desk = CommandDesk(
            self._book,
            self._store,
            changed=self._variables_changed,
            running=self._running,
            report=lambda request_id, entries: self._csms.report(request_id, entries),
        )
        self._core = CoreLoop(
            station=self.station,
            storage=self._store,
            clock=self._clock,
            desk=desk,
            perform_permit=lambda effect: self._guard.perform(effect),
            ask_reading=self._ask_reading,
            restart=self._restart,
            tick=lambda: self._supervisor.tick("core"),
        )
        self._guard = GuardLink(settings.station.guard_socket, str(plan_of(settings)["plan_id"]), self._core.deliver)
        session = Session(
            self._dialect,
            self._identity(),
            self._book,
            new_id=_new_id,
            utc=self._clock.utc_s,
            resolve=self._clock.resolve,
            boot_reason=boot_reason,
        )
        self._csms = CsmsLink(
            session=session,
            back_off=BackOff(self._book, random.random),
            connect=self._connect,
            store=self._store,
            clock=self._clock,
            views=lambda: (self.station.views(), self.station.station_operative),
            deliver=self._core.deliver,
            triggered=self._triggered,
            registered=lambda _status, _interval_s: None,
            booted=self._drivers_may_load.set,
        )
        self._core.attach(self._csms)
        if self._loaded.problems:
            self._core.deliver(
                FaultChanged(code=FaultCode.SETTINGS_LAST_GOOD, raised=True, text="the station file is broken")
            )

    def _restored(self, state: StoredState) -> tuple[Effect, ...]:
        return self.station.restore(
            state.transactions,
            {(each.evse_id, each.connector_id): each.operative for each in state.availability},
            {each.token.value.casefold(): each.verdict for each in state.authorizations},
            self._clock.now(),
        )

    def _identity(self) -> StationIdentity:
        station = self._settings.station
        return StationIdentity(
            vendor=station.vendor,
            model=station.model,
            serial_number=station.serial_number,
            firmware_version=__version__,
        )

    async def _connect(self) -> Link:
        endpoint = endpoint_of(self._settings.csms, self._settings.station.id, self._dialect.subprotocol)
        return await Link.connect(endpoint, ping_s=self._book.integer("OCPPCommCtrlr", "WebSocketPingInterval"))

    # ---- running --------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        supervisor = self._supervisor
        supervisor.add("core", self._core.run, Kind.ESSENTIAL)
        supervisor.add("guard_link", self._guard.run, Kind.ESSENTIAL)
        supervisor.add("csms", self._csms.run)
        supervisor.add("devices", self._start_devices)
        own = self._settings.station
        reports = StationReports(
            identity=(own.id, own.vendor, own.model),
            csms_url=self._settings.csms.url,
            ocpp=self._settings.csms.version.value,
            problems=self._loaded.problems,
            station=self.station,
            guard=self._guard,
            csms=self._csms,
            store=self._store,
            clock=self._clock,
            book=self._book,
        )
        door = Door(
            self._settings.station.run_dir / "agent.sock",
            {"status": reports.status, "queue": reports.queue, "why": reports.why},
        )
        supervisor.add("console", door.run)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, supervisor.stop)
        self._settings.station.run_dir.mkdir(parents=True, exist_ok=True)
        notify("READY=1")
        self._log.info(
            "agent.started",
            station=self._settings.station.id,
            version=__version__,
            ocpp=self._settings.csms.version.value,
            evses=len(self._settings.evses),
            settings=self._loaded.origin.value,
        )
        try:
            await supervisor.run()
        finally:
            notify("STOPPING=1")
            try:
                async with asyncio.timeout(ENDING_S):
                    await self._csms.close()
            except TimeoutError:
                self._log.warning("csms.close_timed_out", waited_s=ENDING_S)
            self._log.info("agent.stopped", exit_code=self._ending.code)

    async def _start_devices(self) -> None:
        """Load the drivers of meters and readers once nobody waits for the boot notification any more."""
        try:
            async with asyncio.timeout(DRIVERS_WAIT_S):
                await self._drivers_may_load.wait()
        except TimeoutError:
            pass
        by_bus: dict[str | None, list[EvseSettings]] = {}
        for evse in self._settings.evses:
            if evse.meter is not None:
                by_bus.setdefault(evse.meter.bus, []).append(evse)
        for bus, evses in by_bus.items():
            poll = MeterPoll(
                bus or "",
                self._meters_of(bus, evses),
                self._settings.charging.meter_poll_s,
                time.monotonic,
                self._core.deliver,
            )
            self._polls.append(poll)
            for evse in evses:
                self._poll_of[evse.id] = poll
            self._supervisor.add(f"meters.{bus}", poll.run)
        for reader in self._settings.readers:
            watch = ReaderWatch(reader.name, self._reader_of(reader), _token_kind(reader), self._core.deliver)
            self._watches.append(watch)
            self._supervisor.add(f"reader.{reader.name}", watch.run)

    def _meters_of(
        self, bus: str | None, evses: Sequence[EvseSettings]
    ) -> Callable[[], Awaitable[Mapping[int, Meter]]]:
        async def open_meters() -> Mapping[int, Meter]:
            wire = None if bus is None else await self._open_bus(self._settings.bus(bus))
            meters: dict[int, Meter] = {}
            for evse in evses:
                assert evse.meter is not None
                options: dict[str, Any] = {**evse.meter.driver.options}
                if wire is not None:
                    options["bus"] = wire
                meters[evse.id] = open_driver(evse.meter.driver.target, options)
            return meters

        return open_meters

    async def _open_bus(self, bus: BusSettings) -> RegisterBus:
        from drivers.meter.bus import SerialBus, TcpBus

        if isinstance(bus, SerialBusSettings):
            return SerialBus(
                port=str(bus.port), baud=bus.baud, parity=bus.parity, stopbits=bus.stopbits, gap_s=bus.gap_s
            )
        return TcpBus(host=bus.host, tcp_port=bus.tcp_port)

    def _reader_of(self, reader: ReaderSettings) -> Callable[[], Awaitable[CardReader]]:
        async def open_reader() -> CardReader:
            opened: CardReader = open_driver(reader.driver.target, reader.driver.options)
            return opened

        return open_reader

    # ---- what the core and the desk ask for -----------------------------------------------------------------------

    def _ask_reading(self, evse_id: int) -> None:
        poll = self._poll_of.get(evse_id)
        if poll is not None:
            poll.ask(evse_id)

    def _restart(self, kind: ResetKind) -> None:
        self._log.warning("agent.restarts", kind=kind.value)
        self._ending.boot_reason = _BOOT_REASON[kind]
        self._supervisor.stop()

    def _variables_changed(self, rows: Sequence[StoredValue]) -> None:
        self._core.deliver(VariablesChanged())
        if any("websocketpinginterval" in row.key for row in rows):
            self._csms.reconnect()

    def _running(self) -> frozenset[str]:
        views = self.station.views()
        names = {view.transaction_id for view in views} | {view.csms_id for view in views}
        return frozenset(name for name in names if name is not None)

    def _triggered(self, kind: TriggerKind, evse_id: int | None) -> None:
        for view in self.station.views():
            if evse_id is not None and view.evse_id != evse_id:
                continue
            self._log.info("trigger.ignored", kind=kind.value)


def endpoint_of(csms: CsmsSettings, identity: str, subprotocol: str) -> CsmsEndpoint:
    """Return where the CSMS is; the password is read anew each time, so that a changed file takes effect.

    Raises:
        LinkClosed: the password file cannot be used.
    """
    password = None
    if csms.password_file is not None:
        try:
            text = csms.password_file.read_text(encoding="utf-8").rstrip("\r\n")
            password = password_bytes(text, hexadecimal=csms.password_encoding is PasswordEncoding.HEX)
        except (OSError, ValueError) as error:
            raise LinkClosed(LinkFailure.HANDSHAKE, f"password file {csms.password_file}: {error}") from error
    return CsmsEndpoint(
        url=csms.url,
        identity=identity,
        subprotocol=subprotocol,
        root_files=csms.root_certificates,
        allow_insecure=csms.allow_insecure,
        password=password,
    )


def _new_id() -> str:
    return str(uuid.uuid4())


def _token_kind(reader: ReaderSettings) -> IdTokenKind:
    return IdTokenKind(reader.driver.options.get("token_kind", IdTokenKind.LOCAL.value))


async def run(loaded: Loaded) -> int:
    """Run the agent; return its exit code."""
    try:
        return await Application(loaded).run()
    except StoreFailure as error:
        get_logger("app").error("store.unusable", error=str(error))
        return EXIT_FAILED
    except StoreError as error:
        get_logger("app").error("store.failed", error=str(error))
        return EXIT_FAILED


def journal_path(settings: Settings) -> Path:
    """Return where the journal of a station is."""
    return settings.station.state_dir / JOURNAL
