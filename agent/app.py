"""The composition root: the only place that constructs things.

Order of a start: clock, variables, CSMS link; when the boot notification is answered, or half a second after it, the
journal, the charging core, the guard link, and last the drivers of meters and readers, whose libraries take long to
load. Nothing that comes in before the core stands is lost: it waits in the order of its arrival.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import signal
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent import __version__
from agent.boot_note import boot_reason, read_note
from agent.clock import Clock
from agent.ending import Ending
from agent.errors import StoreError
from agent.front_door import FrontDoor
from agent.lazy import load_all
from agent.log import get_logger
from agent.maintained import Maintained, image_version
from agent.model.commands import Reset, ResetKind, TriggerKind
from agent.model.effects import Effect
from agent.model.evse import EvseView
from agent.model.faults import FaultCode
from agent.model.inputs import FaultChanged, Input, SampleAsked, ValuesAsked, VariablesChanged
from agent.model.measurands import ALIGNED, LISTS, expected_measurands, in_order, names_of
from agent.model.sample import Sample
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.variables import StoredValue, VariableBook
from agent.ocpp.backoff import BackOff
from agent.ocpp.dialect import Dialect, StationIdentity
from agent.ocpp.session import Session
from agent.ocpp.transport import Link
from agent.presets import presets_of
from agent.runtime.csms_link import CsmsLink
from agent.runtime.journal_opening import JournalOpening
from agent.runtime.supervisor import Kind, Supervisor, notify
from agent.secured import Dial, Secured
from agent.settings.loaded import Loaded
from agent.settings.station import OcppVersion, Settings
from drivers.registry import open_driver

if TYPE_CHECKING:
    from agent.charging.station import Station
    from agent.equipment import Equipment
    from agent.runtime.core_loop import CoreLoop, Desk
    from agent.runtime.desk import CommandDesk
    from agent.runtime.guard_link import GuardLink
    from agent.store import StoredState, StoreThread
    from drivers.api import ClockSource

JOURNAL: Final = "journal.sqlite"
EXIT_OK: Final = 0
CORE_WAIT_S: Final = 0.2  # the core is built after the boot notification, or after so long without a CSMS
ANSWER_WAIT_S: Final = 0.5  # its answer has the time in it, which ages while modules load
DRIVERS_WAIT_S: Final = 1.0  # and the drivers after that
ENDING_S: Final = 2.0  # how long a stop may take to close the link and the store


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


def identity_of(settings: Settings) -> StationIdentity:
    """Return what boot notifications say of the station."""
    station = settings.station
    return StationIdentity(
        vendor=station.vendor,
        model=station.model,
        serial_number=station.serial_number,
        firmware_version=image_version(settings) or __version__,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an agent takes from its process; a whole agent within another process gets other ones.

    Attributes:
        monotonic: seconds that never go back, the same that the event loop counts.
        chance: 0 <= x < 1, for back-off.
        dial: opens a connection to the CSMS.
        own_process: the process is the agent's: signals end it, and its garbage collector is settled after the start.
    """

    monotonic: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    dial: Dial = Link.connect
    own_process: bool = True


class Application:
    """One running agent, built from a loaded station file."""

    def __init__(self, loaded: Loaded, around: Surroundings | None = None) -> None:
        self._around = around or Surroundings()
        self._loaded = loaded
        self._settings = loaded.settings
        self._log = get_logger("app")
        self._booted = asyncio.Event()
        self._answered = asyncio.Event()  # the boot notification is
        self._early: list[Input] = []
        self._core: CoreLoop | None = None
        self._equipment: Equipment
        self._supervisor = Supervisor(self._around.monotonic)
        self._store: StoreThread | None = None
        self._station: Station
        self._guard: GuardLink

    async def run(self) -> int:
        """Run until told to stop; return the exit code."""
        settings = self._settings
        source: ClockSource = open_driver(settings.clock.target, settings.clock.options)
        self._clock = Clock(
            source,
            monotonic=self._around.monotonic,
            on_set=lambda utc_s, step_s: self._secured.time_set(utc_s, step_s),
        )
        self._note = read_note(settings.station.state_dir)
        self._open_csms(boot_reason(self._note, self._clock.boot_id))
        try:
            await self._serve()
        finally:
            self._ending.ended()
            if self._store is not None:
                try:
                    await self._store.close()
                except StoreError as error:
                    self._log.error("store.close_failed", error=str(error))
        return EXIT_OK

    # ---- building -------------------------------------------------------------------------------------------------

    async def _values_that_hold(self, store: StoreThread, stored: Sequence[StoredValue]) -> tuple[StoredValue, ...]:
        """Forget for good what the station file has overruled; return the rest."""
        overruled = self._book.overruled(stored)
        if overruled:
            try:
                await store.commit(values=overruled)
            except StoreError as error:
                self._log.warning("variables.overruled_not_kept", error=str(error))
        gone = {each.key for each in overruled}
        return tuple(each for each in stored if each.key not in gone)

    def _open_csms(self, reason: str) -> None:
        """Build what the boot notification needs."""
        settings = self._settings
        self._dialect = dialect_of(settings.csms.version, settings)
        self._book = VariableBook(
            (*STANDARD_VARIABLES, *self._dialect.variables()),
            presets=presets_of(
                settings.variables,
                offline_unknown=settings.authorization.offline_unknown,
                phase_switching=any(each.phase_switching for each in settings.evses),
            ),
            stored=self._note.values,
            live=self._live_variables,
        )
        self._secured = Secured(settings, self._dialect, self._book, self._clock, self._around.dial)
        self._maintained = Maintained(settings, self._dialect, self._clock)
        session = Session(
            self._dialect,
            identity_of(settings),
            self._book,
            new_id=_new_id,
            utc=self._clock.utc_s,
            resolve=self._clock.resolve,
            boot_reason=reason,
            values_refusal=self._values_refusal,
        )
        self._csms = CsmsLink(
            session=session,
            back_off=BackOff(self._book, self._around.chance),
            connect=self._secured.connect,
            clock=self._clock,
            views=self._views,
            deliver=self._deliver,
            triggered=self._triggered,
            registered=self._registered,
            booted=self._booted.set,
            proven=self._proven,
            ended=self._secured.dialler.ended,
            suspicious=self._secured.suspicious,
            seen=self._seen,
        )

        self._ending = Ending(
            self._supervisor,
            settings.station.state_dir,
            self._clock.boot_id,
            delivered=self._csms.delivered,
            retries=lambda: self._book.integer("OCPPCommCtrlr", "ResetRetries"),
            own_process=self._around.own_process,
        )
        self._door = FrontDoor(self._loaded, self._csms, self._clock, self._book, self._secured)

    async def _build_station(self, store: StoreThread, state: StoredState) -> CoreLoop:
        """Build the rest; its modules load here."""
        from agent.charging.station import Station
        from agent.equipment import Equipment
        from agent.runtime.core_loop import CoreLoop
        from agent.runtime.guard_link import GuardLink
        from agent.settings.compile import plan_of

        settings = self._settings
        self._station = Station(settings.layout(), self._book, new_id=_new_id, boot_id=self._clock.boot_id)
        self._equipment = Equipment(
            settings,
            self._supervisor,
            guard=lambda: self._guard,
            deliver=self._deliver,
            monotonic=self._around.monotonic,
        )
        core = CoreLoop(
            station=self._station,
            storage=store,
            clock=self._clock,
            desks=self._desks(store, state),
            csms=self._csms,
            perform_permit=lambda effect: self._guard.perform(effect),
            ask_reading=self._equipment.ask_reading,
            restart=self._ending.restart,
            tick=lambda: self._supervisor.tick("core"),
            store_failing=self._secured.store_failing,
            send_sample=self._send_sample,
        )
        plan_id = str(plan_of(settings)["plan_id"])
        self._guard = GuardLink(settings.station.guard_socket, plan_id, core.deliver, settings.indicators)
        await core.restore(self._restored(state))
        if self._loaded.problems:
            text = "the station file is broken"
            core.deliver(FaultChanged(code=FaultCode.SETTINGS_LAST_GOOD, raised=True, text=text))
        for early in self._early:
            core.deliver(early)
        self._early.clear()
        self._core = core
        self._csms.attach(store)
        self._csms.views_changed()
        return core

    def _desks(self, store: StoreThread, state: StoredState) -> Sequence[Desk]:
        reason = boot_reason(self._note, self._clock.boot_id)
        self._secured.begin(self._supervisor, self._clock, self._csms, store, reason)
        others = self._desk(store)
        maintenance = self._maintained.begin(
            supervisor=self._supervisor,
            csms=self._csms,
            secured=self._secured,
            store=store,
            documents=state.documents,
            deliver=self._deliver,
            views=lambda: self._views()[0],
            replies=self._door.replies,
            restart=self._ending.restart_into_new_image,
        )
        return (self._secured.desk(self._clock, self._csms, others), maintenance, others)

    def _desk(self, store: StoreThread) -> CommandDesk:
        from agent.runtime.desk import CommandDesk

        return CommandDesk(
            self._book,
            store,
            changed=self._variables_changed,
            running=self._running,
            report=self._csms.report,
            before_set=self._offer_measurands,
        )

    def _offer_measurands(self) -> None:
        """Let only those measurands be asked for that the station's parts provide, as far as these are known."""
        expected = names_of(expected_measurands(self._settings.layout()), with_phases=True)
        for component, variable in LISTS:
            provided = self._station.provided(with_main=(component, variable) == ALIGNED)
            self._book.offer(component, variable, expected if provided is None else in_order(provided))

    def _deliver(self, item: Input) -> None:
        if self._core is None:
            self._early.append(item)
        else:
            self._core.deliver(item)

    def _views(self) -> tuple[Sequence[EvseView], bool]:
        if self._core is None:
            return (), True
        return self._station.views(), self._station.station_operative

    def _restored(self, state: StoredState) -> tuple[Effect, ...]:
        return self._station.restore(
            (*state.finished, *state.transactions),
            {(each.evse_id, each.connector_id): each.operative for each in state.availability},
            {each.token.value.casefold(): each.verdict for each in state.authorizations},
            self._clock.now(),
            state.documents,
        )

    # ---- running --------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        supervisor = self._supervisor
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT) if self._around.own_process else ():
            loop.add_signal_handler(number, supervisor.stop)
        if self._around.own_process:
            loop.add_signal_handler(signal.SIGPWR, self.power_failing)
        self._settings.station.run_dir.mkdir(parents=True, exist_ok=True)
        supervisor.add("csms", self._csms.run)
        supervisor.add("assembly", self._assemble, Kind.ONCE)
        try:
            await supervisor.run()
        finally:
            notify("STOPPING=1")
            try:
                async with asyncio.timeout(ENDING_S):
                    await self._csms.close()
            except TimeoutError:
                self._log.warning("csms.close_timed_out", waited_s=ENDING_S)
            self._log.info("agent.stopped", exit_code=EXIT_OK)

    async def _assemble(self) -> None:
        """Put the house together around the link that is already opening."""
        await self._wait_for(self._booted, CORE_WAIT_S)
        if self._csms.state == "connected":
            await self._wait_for(self._answered, ANSWER_WAIT_S)
        load_all()
        own, supervisor = self._settings, self._supervisor
        opening = JournalOpening(own.station.state_dir / JOURNAL, self._clock, self._around.monotonic)
        self._door.open(supervisor, lambda: opening.trouble)
        store, state = await opening.open()
        self._store = store
        self._clock.remember(state.anchors, state.last_good_utc_s)
        values = await self._values_that_hold(store, state.variables)
        self._book.load(values)
        core = await self._build_station(store, state)
        supervisor.add("core", core.run, Kind.ESSENTIAL)
        supervisor.add("guard_link", self._guard.run, Kind.ESSENTIAL)
        self._door.widen(
            station=self._station,
            core=core,
            guard=self._guard,
            store=store,
            equipment=self._equipment,
            maintained=self._maintained,
        )
        notify("READY=1")
        self._log.info(
            "agent.started",
            station=own.station.id,
            version=__version__,
            ocpp=own.csms.version.value,
            evses=len(own.evses),
            settings=self._loaded.origin.value,
        )
        self._ending.started(values)
        await self._wait_for(self._booted, DRIVERS_WAIT_S)
        self._equipment.start()
        if self._around.own_process:
            gc.enable()
            gc.freeze()

    async def _wait_for(self, event: asyncio.Event, at_most_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await event.wait()

    # ---- what the core and the desk ask for -----------------------------------------------------------------------

    def power_failing(self) -> None:
        """End every transaction with PowerLoss and say so while the back-up supply lasts; then restart.

        Whatever watches the back-up supply tells of its end by SIGPWR.
        """
        self._log.warning("power.failing")
        if self._core is not None:
            self._core.order(Reset(kind=ResetKind.POWER_FAILING))

    def _proven(self) -> None:
        self._secured.proven()
        self._maintained.changed()

    def _seen(self, views: Sequence[EvseView]) -> None:
        self._secured.seen(views)
        self._maintained.changed()

    def _variables_changed(self, rows: Sequence[StoredValue]) -> None:
        self._secured.variables_changed(rows)
        self._deliver(VariablesChanged())
        if any("websocketpinginterval" in row.key for row in rows):
            self._csms.ping_every(self._book.integer("OCPPCommCtrlr", "WebSocketPingInterval"))

    def _running(self) -> frozenset[str]:
        views = self._station.views()
        names = {view.transaction_id for view in views} | {view.csms_id for view in views}
        return frozenset(name for name in names if name is not None)

    def _triggered(self, kind: TriggerKind, evse_id: int | None) -> None:
        if kind is TriggerKind.SIGN_CERTIFICATE:
            self._secured.sign()
        self._maintained.triggered(kind)
        if kind is TriggerKind.METER_VALUES:
            self._deliver(ValuesAsked(evse_id=evse_id, named=self._dialect.triggered_measurands))
        if self._core is None or kind is not TriggerKind.TRANSACTION_EVENT:
            return
        for view in self._station.views():
            if evse_id is None or view.evse_id == evse_id:
                self._deliver(SampleAsked(evse_id=view.evse_id))

    def _values_refusal(self, evse_id: int | None, connector_id: int | None) -> str:
        """Return why the CSMS cannot have meter values; empty where they are known or may still come."""
        if self._core is not None:
            return self._station.values_refusal(evse_id, connector_id, self._clock.mono_s())
        layout = self._settings.layout()
        meters = {each.evse_id for each in layout.evses if each.metered} | ({0} if layout.main_meter else set())
        named = None if evse_id == 0 and not layout.main_meter else evse_id
        return "" if (meters if named is None else named in meters) else "there is no meter"

    def _send_sample(self, evse_id: int, sample: Sample) -> None:
        view = next((each for each in self._station.views() if each.evse_id == evse_id), None)
        self._csms.send(self._dialect.meter_values(view, sample, self._clock.resolve))

    def _registered(self, status: str, interval_s: float) -> None:
        self._answered.set()
        if status == "accepted":
            self._book.adopt("OCPPCommCtrlr", "HeartbeatInterval", str(round(interval_s)))

    def _live_variables(self) -> Mapping[str, str]:
        views, operative = self._views()
        live = dict(self._dialect.live_variables(views, operative, self._clock.utc_s()))
        live.update(self._secured.live_variables())
        live.update(self._maintained.live_variables())
        return live


def _new_id() -> str:
    return str(uuid.uuid4())


async def run(loaded: Loaded) -> int:
    """Run the agent; return its exit code."""
    return await Application(loaded).run()
