"""Whatever happens, in whatever order: what must hold after every turn of the charging core."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent.model.commands import (
    ChangeAvailability,
    ClearCache,
    RequestStart,
    RequestStop,
    Reset,
    ResetKind,
    TokenVerdict,
    UnlockConnector,
    Verdict,
)
from agent.model.effects import GrantPermit, SaveTransaction
from agent.model.facts import Fact, TransactionEnded, TransactionStarted
from agent.model.faults import FaultCode
from agent.model.ids import IdToken
from agent.model.inputs import CommandReceived, FactAnswered, FaultChanged
from agent.model.profiles import (
    ClearProfiles,
    Period,
    Profile,
    ProfileKind,
    ProfilePurpose,
    RateUnit,
    Schedule,
    SetProfile,
)
from agent.model.reservations import Reservation, Reserve
from agent.model.station import EvseLayout, OnMeterLoss, OnPowerLoss, StationLayout
from tests.scenario.charging_world import ALICE, BOB, CAROL, World, book

CARDS = st.sampled_from([ALICE, BOB, CAROL])
EVSES = st.sampled_from([1, 2])
FAULTS = st.sampled_from(
    [
        FaultCode.RCD_TRIPPED,
        FaultCode.EMERGENCY_STOP,
        FaultCode.PILOT_ERROR,
        FaultCode.LOCK_FAILED,
        FaultCode.CONTACTOR_WELDED,
    ]
)


class AnyOrder(RuleBasedStateMachine):
    """A station with two EVSEs on one reader, in the hands of chance."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.durable: dict[str, bool] = {}
        self.boots = 1
        self.commands = 0

    @initialize(
        free=st.booleans(), suspend=st.booleans(), resume=st.booleans(), disconnect=st.booleans(), refuse=st.booleans()
    )
    def build(self, free: bool, suspend: bool, resume: bool, disconnect: bool, refuse: bool) -> None:
        self.world = World(
            layout=StationLayout(
                evses=(EvseLayout(evse_id=1), EvseLayout(evse_id=2, lockable=False)),
                readers={"front": (1, 2)},
                authorization_required=not free,
                on_meter_loss=OnMeterLoss.SUSPEND if suspend else OnMeterLoss.CONTINUE,
                on_power_loss=OnPowerLoss.RESUME if resume else OnPowerLoss.END,
                max_current_a=24.0,
            ),
            variables=book(
                TxUpdatedInterval=20,
                StopTxOnEVSideDisconnect=disconnect,
                StopTxOnInvalidId=refuse,
                MaxEnergyOnInvalidId=50 if suspend else 0,
                OfflineTxForUnknownIdEnabled=True,
            ),
        )

    @rule(token=CARDS)
    def tap(self, token: object) -> None:
        self.world.tap(token)  # type: ignore[arg-type]

    @rule(evse_id=EVSES, ready=st.booleans())
    def plug(self, evse_id: int, ready: bool) -> None:
        self.world.plug(evse_id, ready=ready)

    @rule(evse_id=EVSES, token=CARDS, seconds=st.sampled_from([5.0, 30.0]))
    def charge(self, evse_id: int, token: object, seconds: float) -> None:
        """All is well and somebody comes to charge: without this, chance alone hardly ever starts a transaction."""
        self._heal(evse_id)
        self.world.unplug(evse_id)
        self.world.run(1)
        self.world.plug(evse_id)
        self.world.run(1)
        self.world.tap(token)  # type: ignore[arg-type]
        self.world.run(seconds)

    @rule(evse_id=EVSES)
    def heal(self, evse_id: int) -> None:
        self._heal(evse_id)

    def _heal(self, evse_id: int) -> None:
        bay = self.world.bays[evse_id]
        bay.faults.clear()
        bay.meter_silent, bay.meter_offset_wh = False, None
        if not self.world.guard_up:
            self.world.guard_link(True)
        self.world.send(FaultChanged(code=FaultCode.STORE_FAILED, raised=False))
        self.world.send(CommandReceived(command_id=-len(self.world.log), command=ChangeAvailability(operative=True)))
        if self.world.restarts:
            self.world.restarts.clear()
            self.restart(2.0)

    @rule(evse_id=EVSES)
    def unplug(self, evse_id: int) -> None:
        self.world.unplug(evse_id)

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 12.0, 65.0]))
    def wait(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(evse_id=EVSES, code=FAULTS, present=st.booleans())
    def fault(self, evse_id: int, code: FaultCode, present: bool) -> None:
        self.world.fault(code, present, evse_id)

    @rule(evse_id=EVSES, silent=st.booleans())
    def meter(self, evse_id: int, silent: bool) -> None:
        self.world.bays[evse_id].meter_silent = silent

    @rule(evse_id=EVSES, wh=st.sampled_from([None, 0.0, 3e9]))
    def garbage(self, evse_id: int, wh: float | None) -> None:
        self.world.bays[evse_id].meter_offset_wh = wh

    @rule(online=st.booleans(), silent=st.booleans())
    def csms(self, online: bool, silent: bool) -> None:
        self.world.csms_silent = silent
        self.world.link(online)

    @rule(up=st.booleans())
    def guard(self, up: bool) -> None:
        self.world.guard_link(up)

    @rule(raised=st.booleans())
    def store(self, raised: bool) -> None:
        self.world.send(FaultChanged(code=FaultCode.STORE_FAILED, raised=raised, blocking=True))

    @rule(verdict=st.sampled_from(list(Verdict)), retransmitted=st.booleans())
    def answer_fact(self, verdict: Verdict, retransmitted: bool) -> None:
        if self.world.started:
            self.world.send(
                FactAnswered(
                    transaction_id=self.world.started[-1].transaction_id,
                    csms_id="7",
                    verdict=TokenVerdict(verdict=verdict, group="g"),
                    retransmitted=retransmitted,
                )
            )

    @rule(
        command=st.sampled_from(
            [
                RequestStart(token=BOB, evse_id=1),
                RequestStart(token=CAROL),
                RequestStop(transaction="7"),
                ChangeAvailability(operative=False, evse_id=1),
                ChangeAvailability(operative=True, evse_id=1),
                ChangeAvailability(operative=False),
                ChangeAvailability(operative=True),
                UnlockConnector(evse_id=1, connector_id=1, ends_transaction=True),
                ClearCache(),
                ClearProfiles(),
                Reset(kind=ResetKind.GRACEFUL),
                Reset(kind=ResetKind.ON_IDLE),
            ]
        )
    )
    def order(self, command: object) -> None:
        self.commands = self.world.command(command)  # type: ignore[arg-type]

    @rule(
        purpose=st.sampled_from(list(ProfilePurpose)),
        evse_id=st.sampled_from([None, 1, 2]),
        steps=st.lists(st.tuples(st.integers(1, 90), st.sampled_from([0.0, 7.0, 12.0, 32.0])), max_size=3),
        relative=st.booleans(),
        limit=st.sampled_from([6.0, 16.0]),
    )
    def limit(
        self,
        purpose: ProfilePurpose,
        evse_id: int | None,
        steps: list[tuple[int, float]],
        relative: bool,
        limit: float,
    ) -> None:
        periods = [Period(start_s=0, limit=limit)]
        periods += [Period(start_s=start, limit=value) for start, value in sorted(dict(steps).items())]
        schedule = Schedule(
            unit=RateUnit.AMPERES, periods=tuple(periods), start_utc_s=None if relative else self.world.stamp().utc_s
        )
        profile = Profile(
            profile_id=1 + len(steps),
            stack_level=len(steps),
            purpose=purpose,
            kind=ProfileKind.RELATIVE if relative else ProfileKind.ABSOLUTE,
            schedule=schedule,
        )
        self.order(SetProfile(profile=profile, evse_id=evse_id))

    @rule(evse_id=st.sampled_from([None, 1]), token=CARDS, lasts_s=st.sampled_from([10.0, 200.0]))
    def reserve(self, evse_id: int | None, token: IdToken, lasts_s: float) -> None:
        utc_s = self.world.stamp().utc_s or 0.0
        reservation = Reservation(
            reservation_id=evse_id or 2, token=token, expires_utc_s=utc_s + lasts_s, evse_id=evse_id
        )
        self.order(Reserve(reservation=reservation))

    @rule(jump_s=st.sampled_from([-86_400.0, 7_200.0, None]))
    def clock(self, jump_s: float | None) -> None:
        offset_s = self.world.utc_offset_s
        self.world.utc_offset_s = None if jump_s is None or offset_s is None else offset_s + jump_s

    @rule(seconds=st.sampled_from([0.0, 2.0, 40.0]))
    def restart(self, seconds: float) -> None:
        self.world.kill_agent()
        self.world.run(seconds)
        self._start()

    @rule()
    def power_cut(self) -> None:
        self.boots += 1
        self.world.power_cut(new_boot=f"boot-{self.boots}")
        self._start()

    def _start(self) -> None:
        # Questions and commands of the former life are nobody's any more.
        self.world.questions.clear()
        for command_id in range(1, self.commands + 1):
            self.world.answers.setdefault(command_id, None)  # type: ignore[arg-type]
        self.world.start_agent()

    @invariant()
    def permits_follow_durable_starts(self) -> None:
        if not hasattr(self, "world"):
            return
        for _, effects in self.world.log[self.seen :]:
            for effect in effects:
                if isinstance(effect, SaveTransaction):
                    record = effect.record
                    self.durable[record.transaction_id] = not record.ended and record.ending is None
                if isinstance(effect, GrantPermit):
                    ids = [fact.transaction_id for fact in self.world.started if fact.evse_id == effect.evse_id]
                    assert ids, "a permit without a transaction"
                    assert self.durable[ids[-1]], "a permit for a transaction that is over or ending"
        self.seen = len(self.world.log)

    @invariant()
    def every_transaction_is_told_once_and_in_order(self) -> None:
        if not hasattr(self, "world"):
            return
        by_id: dict[str, list[Fact]] = {}
        for fact in self.world.facts:
            by_id.setdefault(fact.transaction_id, []).append(fact)
        for facts in by_id.values():
            assert [fact.seq_no for fact in facts] == list(range(len(facts)))
            kinds = Counter(type(fact) for fact in facts)
            assert kinds[TransactionStarted] == 1
            assert isinstance(facts[0], TransactionStarted)
            assert kinds[TransactionEnded] <= 1
            assert kinds[TransactionEnded] == 0 or isinstance(facts[-1], TransactionEnded)
            _registers_never_fall(facts)
        running = [each.evse_id for each in self.world.records.values() if not each.ended]
        assert len(running) == len(set(running)), "two transactions on one EVSE"

    @invariant()
    def views_and_limits_can_always_be_asked(self) -> None:
        if not hasattr(self, "world") or not self.world.agent_up:
            return
        for view in self.world.station.views():
            assert view.permit_a is None or view.transaction_id is not None
            assert view.limits
        promised = [view.permit_a or 0.0 for view in self.world.station.views()]
        assert sum(promised) <= 24.0

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.guard_link(True)
        for bay in self.world.bays.values():
            bay.faults.clear()
            bay.plugged = bay.ready = False
        self.world.change("TxCtrlr", "StopTxOnEVSideDisconnect", "true")
        self.world.csms_silent = False
        self.world.link(False)
        self.world.run(90)
        assert all(command_id in self.world.answers for command_id in range(1, self.commands + 1))
        assert all(each.ended for each in self.world.records.values())
        assert len(self.world.started) == len(self.world.ended)
        assert all(view.plugged is False for view in self.world.station.views())


def _registers_never_fall(facts: list[Fact]) -> None:
    last = -1.0
    for fact in facts:
        registers = [value.value for sample in fact.samples for value in sample.values if value.phase is None]
        if isinstance(fact, TransactionStarted) and fact.meter_start_wh is not None:
            registers = [fact.meter_start_wh]
        if isinstance(fact, TransactionEnded) and fact.meter_stop_wh is not None:
            registers = [fact.meter_stop_wh]
        for register in registers[:1]:
            assert register >= last, "a register fell within a transaction"
            last = register


AnyOrder.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestAnyOrder = AnyOrder.TestCase
