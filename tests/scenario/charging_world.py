"""A world around the charging core alone: guard, car, meter, CSMS and store as the core sees them, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agent.charging.station import Station
from agent.model.commands import AnyOutcome, Command, TokenVerdict, VariableRef, Verdict
from agent.model.effects import (
    Answer,
    AskAuthorization,
    AskReading,
    CacheToken,
    Effect,
    ForgetTokens,
    GrantPermit,
    HoldCable,
    Notice,
    Record,
    ReplaceDocuments,
    Restart,
    SaveAvailability,
    SaveDocument,
    SaveTransaction,
    ShowState,
    WithdrawPermit,
)
from agent.model.evse import EvseCondition
from agent.model.facts import (
    Fact,
    TransactionEnded,
    TransactionRecord,
    TransactionStarted,
    TransactionUpdated,
)
from agent.model.faults import FaultCode
from agent.model.ids import IdToken, IdTokenKind
from agent.model.inputs import (
    AuthorizationAnswered,
    CardPresented,
    CommandReceived,
    GuardLinkChanged,
    GuardReported,
    Input,
    LinkChanged,
    ReadingFailed,
    ReadingTaken,
    TimePassed,
    VariablesChanged,
)
from agent.model.moment import Stamp
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.station import EvseLayout, StationLayout
from agent.model.variables import StoredValue, ValueSource, VariableBook, key_of
from drivers.api import MeterReading

TICK_S = 0.1
_PREFIX = {"AlignedDataCtrlr": "Aligned", "ReservationCtrlr": "Reservation", "AuthCacheCtrlr": "Cache"}


def book(**changes: str | int | bool) -> VariableBook:
    """Return the standard variables with changes, named by the variable (``AlignedInterval``, ``CacheEnabled``)."""
    keys = {_PREFIX.get(each.component, "") + each.variable: key_of(each.ref) for each in STANDARD_VARIABLES}
    presets = {key_of(_REMOTE): "false"}
    for name, value in changes.items():
        presets[keys[name]] = str(value).lower() if isinstance(value, bool) else str(value)
    return VariableBook(STANDARD_VARIABLES, presets=presets, stored=[])


_REMOTE = VariableRef(component="AuthCtrlr", variable="AuthorizeRemoteStart")


def card(name: str) -> IdToken:
    return IdToken(value=name, kind=IdTokenKind.ISO14443)


ALICE, BOB, CAROL = card("A1A1A1A1"), card("B0B0B0B0"), card("CA401111")
ACCEPTED = TokenVerdict(verdict=Verdict.ACCEPTED)
INVALID = TokenVerdict(verdict=Verdict.INVALID)


@dataclass
class Bay:
    """One EVSE's hardware and its car."""

    evse_id: int
    plugged: bool = False
    ready: bool = False
    demand_a: float = 16.0
    energy_wh: float = 1_000_000.0
    permit: tuple[int, float, float] | None = None  # id, A, until
    closed: bool = False
    since_s: float = 0.0
    open_at_s: float | None = None
    locked: bool = False
    lock_jammed: bool = False
    cable_a: float | None = 32.0
    cable_left: bool = False  # in the socket, without a vehicle
    faults: set[FaultCode] = field(default_factory=set)
    meter_silent: bool = False
    meter_offset_wh: float | None = None  # replaces the register where set
    meter_modulus_wh: float | None = None  # where the register starts again at 0
    meter_other_wh: float = 0.0  # how much higher the register of the meter stands that replaced the first
    reported: EvseCondition | None = None
    permits: int = 0
    waking: bool = False

    @property
    def current_a(self) -> float:
        if not self.closed or self.open_at_s is not None or not self.ready:
            return 0.0
        return min(self.demand_a, self.permit[1] if self.permit else 0.0)


class World:
    """Drives one station. Verbs act on the world; ``run`` lets time pass."""

    def __init__(
        self,
        *,
        evses: int = 1,
        layout: StationLayout | None = None,
        variables: VariableBook | None = None,
        online: bool = True,
        utc_s: float | None = 1_800_000_000.0,
    ) -> None:
        self.layout = layout or StationLayout(
            evses=tuple(EvseLayout(evse_id=n + 1) for n in range(evses)),
            readers={"front": tuple(n + 1 for n in range(evses))},
        )
        self.variables = variables or book()
        self.bays = {each.evse_id: Bay(each.evse_id) for each in self.layout.evses}
        self.now_s = 1000.0
        self.utc_offset_s = None if utc_s is None else utc_s - self.now_s
        self.boot_id = "boot-1"
        self.online = online
        self.guard_up = True
        self.csms: dict[str, TokenVerdict | None] = {}  # token -> answer; missing: Accepted
        self.csms_silent = False
        self.log: list[tuple[float, tuple[Effect, ...]]] = []
        self.records: dict[str, TransactionRecord] = {}
        self.facts: list[Fact] = []
        self.cache: dict[str, TokenVerdict] = {}
        self.documents: dict[str, dict[str, bytes]] = {}
        self.availability: dict[tuple[int | None, int | None], bool] = {}
        self.answers: dict[int, AnyOutcome] = {}
        self.restarts: list[Restart] = []
        self.questions: list[AskAuthorization] = []
        self.lights: dict[int, str] = {}
        self._ids = 0
        self._commands = 0
        self._next_poll_s = self.now_s
        self._due: list[tuple[float, Input]] = []
        self._polls: list[tuple[float, int]] = []
        self.wakes = 0
        self.agent_up = False
        self.start_agent()

    # Time

    def stamp(self) -> Stamp:
        utc_s = None if self.utc_offset_s is None else self.now_s + self.utc_offset_s
        return Stamp(boot_id=self.boot_id, mono_s=self.now_s, utc_s=utc_s)

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s - 1e-9:
            self.tick(min(TICK_S, end_s - self.now_s))

    def tick(self, dt_s: float = TICK_S) -> None:
        self.now_s += dt_s
        for bay in self.bays.values():
            bay.energy_wh += 3 * 230.0 * bay.current_a * dt_s / 3600.0
            self._guard(bay)
        if not self.agent_up:
            return
        for due_s, given in [each for each in self._due if each[0] <= self.now_s]:
            self._due.remove((due_s, given))
            self.send(given)
        for due_s, evse_id in [each for each in self._polls if each[0] <= self.now_s]:
            self._polls.remove((due_s, evse_id))
            self.read_meter(evse_id)
        if self.now_s >= self._next_poll_s:
            self._next_poll_s = self.now_s + 1.0
            for bay in self.bays.values():
                self.read_meter(bay.evse_id)
        deadline_s = self.station.next_deadline_s()
        if deadline_s is not None and deadline_s <= self.now_s:
            self.wakes += 1
            self.send(TimePassed())
            again_s = self.station.next_deadline_s()
            assert again_s is None or again_s > self.now_s, "a deadline must not stay in the past"

    def until(self, condition: Callable[[], bool], limit_s: float = 120.0) -> None:
        end_s = self.now_s + limit_s
        while not condition():
            assert self.now_s < end_s, "it did not come true"
            self.tick()

    # The agent's life

    def start_agent(self) -> None:
        self.station = Station(self.layout, self.variables, self._new_id, self.boot_id)
        self.agent_up = True
        self._due.clear()
        self._polls.clear()
        effects = self.station.restore(
            tuple(self.records.values()), self.availability, self.cache, self.stamp(), self.documents
        )
        self._perform(effects)
        for bay in self.bays.values():
            bay.reported = None
        if self.guard_up:
            self.send(GuardLinkChanged(connected=True))
            for bay in self.bays.values():
                self._report(bay)
        self.send(LinkChanged(online=self.online))

    def kill_agent(self) -> None:
        self.agent_up = False

    def power_cut(self, dark_s: float = 60.0, new_boot: str = "boot-2") -> None:
        self.kill_agent()
        for bay in self.bays.values():
            bay.closed, bay.permit, bay.open_at_s, bay.locked = False, None, None, False
        offset_s = self.utc_offset_s
        wall_s = None if offset_s is None else self.now_s + offset_s + dark_s
        self.now_s = 20.0
        self._next_poll_s = self.now_s + 0.5
        for bay in self.bays.values():
            bay.since_s = self.now_s
        self.utc_offset_s = None if wall_s is None else wall_s - self.now_s
        self.boot_id = new_boot

    def _new_id(self) -> str:
        self._ids += 1
        return f"tx-{self.boot_id}-{self._ids}"

    # Verbs

    def tap(self, token: IdToken = ALICE, reader: str = "front") -> None:
        self.send(CardPresented(reader=reader, token=token))

    def plug(self, evse_id: int = 1, *, ready: bool = True) -> None:
        self.bays[evse_id].plugged = True
        self.bays[evse_id].ready = ready

    def unplug(self, evse_id: int = 1) -> None:
        self.bays[evse_id].plugged = False
        self.bays[evse_id].ready = False

    def unplug_vehicle(self, evse_id: int = 1) -> None:
        """Unplug at the vehicle's end; the other end stays in the socket until it is released or pulled out."""
        self.unplug(evse_id)
        self.bays[evse_id].cable_left = True

    def pull_out(self, evse_id: int = 1) -> None:
        """Pull the cable out of the socket, whatever the lock says."""
        self.bays[evse_id].cable_left = False

    def fault(self, code: FaultCode, present: bool = True, evse_id: int = 1) -> None:
        faults = self.bays[evse_id].faults
        faults.add(code) if present else faults.discard(code)

    def guard_link(self, up: bool) -> None:
        self.guard_up = up
        self.send(GuardLinkChanged(connected=up))
        for bay in self.bays.values():
            bay.reported = None

    def link(self, online: bool) -> None:
        self.online = online
        self.send(LinkChanged(online=online))
        if not online:
            for asked in self.questions:
                self.send(AuthorizationAnswered(request_id=asked.request_id, verdict=None))
            self.questions.clear()

    def change(self, component: str, variable: str, value: str) -> None:
        row = StoredValue(
            key=key_of(VariableRef(component=component, variable=variable)), value=value, source=ValueSource.CSMS
        )
        self.variables.apply(row)
        self.send(VariablesChanged())

    def answer_questions(self) -> None:
        """Let the CSMS speak again."""
        self.csms_silent = False
        for asked in self.questions:
            self._answer_later(asked)
        self.questions.clear()

    def command(self, command: Command) -> int:
        self._commands += 1
        self.send(CommandReceived(command_id=self._commands, command=command))
        return self._commands

    def read_meter(self, evse_id: int) -> None:
        bay = self.bays[evse_id]
        if not self.station_layout(evse_id).metered:
            return
        if bay.meter_silent:
            self.send(ReadingFailed(evse_id=evse_id, error="no answer"))
            return
        energy_wh = bay.energy_wh if bay.meter_offset_wh is None else bay.meter_offset_wh
        # As coarse as a register of 0.01 kWh.
        energy_wh = int(energy_wh // 10) * 10.0 if bay.meter_offset_wh is None else energy_wh
        energy_wh += bay.meter_other_wh
        if bay.meter_modulus_wh is not None:
            energy_wh %= bay.meter_modulus_wh
        amps = bay.current_a
        self.send(
            ReadingTaken(
                evse_id=evse_id,
                reading=MeterReading(
                    taken_s=self.now_s,
                    energy_import_wh=energy_wh,
                    energy_modulus_wh=bay.meter_modulus_wh,
                    power_w=amps * 690.0,
                    current_a=(amps, amps, amps),
                    voltage_v=(230.0, 230.0, 230.0),
                    frequency_hz=50.0,
                ),
            )
        )

    def station_layout(self, evse_id: int) -> EvseLayout:
        return next(each for each in self.layout.evses if each.evse_id == evse_id)

    def send(self, given: Input) -> tuple[Effect, ...]:
        effects = self.station.handle(given, self.stamp())
        self._perform(effects)
        return effects

    # What came of it

    @property
    def started(self) -> list[TransactionStarted]:
        return [fact for fact in self.facts if isinstance(fact, TransactionStarted)]

    @property
    def updated(self) -> list[TransactionUpdated]:
        return [fact for fact in self.facts if isinstance(fact, TransactionUpdated)]

    @property
    def ended(self) -> list[TransactionEnded]:
        return [fact for fact in self.facts if isinstance(fact, TransactionEnded)]

    def effects(self, kind: type) -> list[Effect]:
        return [effect for _, effects in self.log for effect in effects if isinstance(effect, kind)]

    def notices(self, event: str) -> list[Notice]:
        return [
            effect
            for _, effects in self.log
            for effect in effects
            if isinstance(effect, Notice) and effect.event == event
        ]

    def closed(self, evse_id: int = 1) -> bool:
        return self.bays[evse_id].closed

    def charge(self, token: IdToken = ALICE, evse_id: int = 1) -> None:
        """Tap, plug in, and wait for the current."""
        self.tap(token)
        self.run(1)
        self.plug(evse_id)
        self.until(lambda: self.bays[evse_id].current_a > 0)

    # The guard, roughly: what matters to the core

    def _guard(self, bay: Bay) -> None:
        if bay.permit is not None and bay.permit[2] <= self.now_s:
            bay.permit = None
        may = bay.plugged and bay.ready and not bay.faults and self.guard_up
        layout = self.station_layout(bay.evse_id)
        locked = bay.locked or not layout.lockable
        if bay.closed and not may:
            self._open(bay)
        elif bay.closed and bay.permit is None:
            bay.open_at_s = self.now_s + 0.5 if bay.open_at_s is None else bay.open_at_s
            if self.now_s >= bay.open_at_s:
                self._open(bay)
        elif not bay.closed and may and locked and bay.permit is not None and self.now_s > bay.since_s + 0.3:
            bay.closed, bay.since_s = True, self.now_s
        if self.agent_up and self.guard_up:
            self._report(bay)

    def _open(self, bay: Bay) -> None:
        if FaultCode.CONTACTOR_WELDED not in bay.faults:
            bay.closed, bay.since_s, bay.open_at_s = False, self.now_s, None

    def _report(self, bay: Bay) -> None:
        known = not bay.faults & {FaultCode.PILOT_ERROR, FaultCode.INPUT_UNKNOWN, FaultCode.POWER_PATH_LOST}
        condition = EvseCondition(
            evse_id=bay.evse_id,
            at_s=0.0,
            pilot="F" if bay.waking else ("C" if bay.ready else "B") if bay.plugged else "A",
            plugged=bay.plugged if known else None,
            vehicle_ready=bay.plugged and bay.ready if known else None,
            contactor_closed=bay.closed,
            contactor_since_s=bay.since_s,
            offer_a=bay.permit[1] if bay.permit and not bay.waking else None,
            cable_a=bay.cable_a if bay.plugged or bay.cable_left else None,
            cable_locked=bay.locked,
            faults=tuple(sorted(bay.faults, key=lambda each: each.value)),
            waiting_for=("pilot_held", "no_pilot") if bay.waking else () if bay.permit else ("no_permit",),
            permit_id=bay.permit[0] if bay.permit else None,
        )
        if condition != bay.reported:
            bay.reported = condition
            self.send(GuardReported(condition=condition))

    def _perform(self, effects: Iterable[Effect]) -> None:
        effects = tuple(effects)
        self.log.append((self.now_s, effects))
        for effect in effects:
            self._keep(effect)
        for effect in effects:
            self._do(effect)

    def _keep(self, effect: Effect) -> None:
        match effect:
            case Record(fact=fact):
                self.facts.append(fact)
            case SaveTransaction(record=record):
                self.records[record.transaction_id] = record
            case SaveAvailability():
                self.availability[(effect.evse_id, effect.connector_id)] = effect.operative
            case CacheToken(token=token, verdict=verdict):
                self.cache[token.value.casefold()] = verdict
            case ForgetTokens():
                self.cache.clear()
            case SaveDocument(kind=kind, key=key, body=body):
                kept = self.documents.setdefault(kind, {})
                kept.pop(key, None)
                if body is not None:
                    kept[key] = body
            case ReplaceDocuments(kind=kind, bodies=bodies):
                self.documents[kind] = dict(bodies)
            case _:
                pass

    def _do(self, effect: Effect) -> None:
        match effect:
            case GrantPermit() if self.guard_up:
                bay = self.bays[effect.evse_id]
                bay.permits += 1
                bay.permit = (bay.permits, effect.max_current_a, self.now_s + effect.valid_for_s)
                bay.open_at_s = None
            case WithdrawPermit() if self.guard_up:
                self.bays[effect.evse_id].permit = None
            case HoldCable() if self.guard_up:
                bay = self.bays[effect.evse_id]
                cable = bay.plugged or bay.cable_left
                bay.locked = effect.held and cable if not bay.lock_jammed else bay.locked
                bay.cable_left = bay.cable_left and bay.locked
            case ShowState():
                self.lights[effect.evse_id] = effect.state.value
            case AskReading():
                self._polls.append((self.now_s + 0.2, effect.evse_id))
            case AskAuthorization():
                self._answer_later(effect)
            case Answer():
                assert effect.command_id not in self.answers, "answered twice"
                self.answers[effect.command_id] = effect.outcome
            case Restart():
                self.restarts.append(effect)
            case _:
                pass

    def _answer_later(self, asked: AskAuthorization) -> None:
        if self.csms_silent:
            self.questions.append(asked)
            return
        verdict = self.csms.get(asked.token.value, ACCEPTED)
        self._due.append((self.now_s + 0.3, AuthorizationAnswered(request_id=asked.request_id, verdict=verdict)))
