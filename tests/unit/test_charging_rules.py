"""The charging core's pure rules, one by one: cards, limits, flow, readings, the last word of a meter."""

from __future__ import annotations

import pytest

from agent.charging.availability import Availability
from agent.charging.cards import Deed, Place, choose
from agent.charging.ending import METER_WAIT_S, OPEN_WAIT_S, Ending
from agent.charging.flow import Flow, Seen
from agent.charging.limits import Circumstances, limits_of, permitted_a, shares_a
from agent.charging.readings import Belief, Meter
from agent.charging.samples import Beside, sample_of
from agent.charging.sampling import ClockGrid
from agent.charging.session import Session, SessionState, Step
from agent.charging.turn import Turn
from agent.model.evse import EvseCondition
from agent.model.facts import ChargingState
from agent.model.faults import Fault, FaultCode
from agent.model.ids import IdToken
from agent.model.moment import Stamp
from agent.model.sample import Measurand, Phase, SampleContext
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.station import EvseLayout
from agent.model.variables import VariableBook
from drivers.api import MeterReading

S = SessionState
ALICE, BOB = IdToken(value="a1"), IdToken(value="b0")
LAYOUT = EvseLayout(evse_id=1)  # 3 x 16 A x 230 V = 11 kW


def condition(**changes: object) -> EvseCondition:
    fields: dict[str, object] = {
        "evse_id": 1, "at_s": 0.0, "pilot": "C", "plugged": True, "vehicle_ready": True, "contactor_closed": False,
        "contactor_since_s": 0.0, "offer_a": None, "cable_a": 20.0, "cable_locked": True, "faults": (),
        "waiting_for": (), "permit_id": None,
    }  # fmt: skip
    return EvseCondition(**(fields | changes))  # type: ignore[arg-type]


def reading(wh: float | None, at_s: float, amps: float | None = None) -> MeterReading:
    return MeterReading(taken_s=at_s, energy_import_wh=wh, current_a=(amps, amps, amps))


# Cards


@pytest.mark.parametrize(
    ("places", "deed", "evse_id"),
    [
        ([Place(evse_id=1, state=S.CHARGING, since_s=0, token=ALICE)], Deed.STOP, 1),
        ([Place(evse_id=1, state=S.CHARGING, since_s=0, token=IdToken(value="A1"))], Deed.STOP, 1),
        ([Place(evse_id=1, state=S.ENDING, since_s=0, token=ALICE)], Deed.IGNORE, 1),
        ([Place(evse_id=1, state=S.AUTHORIZED, since_s=0, token=ALICE)], Deed.CANCEL, 1),
        ([Place(evse_id=1, state=S.STARTING, since_s=0, token=ALICE)], Deed.CANCEL, 1),
        ([Place(evse_id=1, state=S.STARTING, since_s=0, token=BOB)], Deed.IGNORE, None),
        ([Place(evse_id=1, state=S.FREE, since_s=0, held_for=ALICE)], Deed.RELEASE, 1),
        ([Place(evse_id=1, state=S.PLUGGED, since_s=0)], Deed.START, 1),
        ([Place(evse_id=1, state=S.PLUGGED, since_s=0, asking=True)], Deed.IGNORE, 1),
        ([Place(evse_id=1, state=S.FINISHED, since_s=0)], Deed.START, 1),
        ([Place(evse_id=1, state=S.LAPSED, since_s=0)], Deed.REMEMBER, None),
        ([Place(evse_id=1, state=S.FREE, since_s=0)], Deed.REMEMBER, None),
        ([Place(evse_id=1, state=S.CHARGING, since_s=0, token=BOB, group="g")], Deed.ASK_GROUP, 1),
        ([Place(evse_id=1, state=S.CHARGING, since_s=0, token=BOB)], Deed.IGNORE, None),
        (
            [Place(evse_id=1, state=S.PLUGGED, since_s=1), Place(evse_id=2, state=S.PLUGGED, since_s=2)],
            Deed.START,
            2,
        ),
        (
            [Place(evse_id=1, state=S.PLUGGED, since_s=1), Place(evse_id=2, state=S.CHARGING, since_s=0, token=ALICE)],
            Deed.STOP,
            2,
        ),
        (
            [Place(evse_id=1, state=S.FINISHED, since_s=1, last_token=BOB), Place(evse_id=2, state=S.FREE, since_s=0)],
            Deed.REMEMBER,
            None,
        ),
        (
            [
                Place(evse_id=1, state=S.FINISHED, since_s=1, last_token=ALICE),
                Place(evse_id=2, state=S.FREE, since_s=0),
            ],
            Deed.START,
            1,
        ),
        (
            [
                Place(evse_id=1, state=S.CHARGING, since_s=1, token=BOB, group="g"),
                Place(evse_id=2, state=S.PLUGGED, since_s=0),
            ],
            Deed.START,
            2,
        ),
    ],
)
def test_a_card_finds_its_evse_by_the_first_rule_that_fits(
    places: list[Place], deed: Deed, evse_id: int | None
) -> None:
    choice = choose(ALICE, places)
    assert (choice.deed, choice.evse_id) == (deed, evse_id)


# Limits


def given(**changes: object) -> Circumstances:
    fields: dict[str, object] = {
        "transaction": True, "ours": (), "faults": (), "evse_a": 32.0, "share_a": None, "condition": condition(),
        "permit_a": None,
    }  # fmt: skip
    return Circumstances(**(fields | changes))  # type: ignore[arg-type]


def test_the_permit_is_the_least_limit() -> None:
    assert permitted_a(given()) == 20.0
    assert permitted_a(given(share_a=10.0)) == 10.0
    assert permitted_a(given(condition=condition(cable_a=None))) == 32.0


@pytest.mark.req("IEC 61851-1:2017 Annex A.2.3")
def test_a_simplified_vehicle_is_permitted_ten_amperes_and_why_says_so() -> None:
    simplified = given(condition=condition(simplified=True))
    assert permitted_a(simplified) == 10.0
    assert limits_of(simplified)[0].text == "simplified vehicle, which cannot be told the current: 10 A"


@pytest.mark.parametrize(
    "changes",
    [
        {"transaction": False},
        {"ours": (("session", "ending"),)},
        {"faults": (Fault(code=FaultCode.PILOT_ERROR),)},
        {"condition": None},
        {"condition": condition(plugged=False)},
        {"condition": condition(plugged=None)},
        {"share_a": 5.9},
    ],
)
def test_anything_against_it_withholds_the_permit(changes: dict[str, object]) -> None:
    assert permitted_a(given(**changes)) is None


@pytest.mark.parametrize(
    "fault", [Fault(code=FaultCode.METER_SILENT, blocking=False), Fault(code=FaultCode.STORE_FAILED, blocking=True)]
)
def test_a_fault_that_does_not_stop_energy_leaves_the_permit(fault: Fault) -> None:
    assert permitted_a(given(faults=(fault,))) == 20.0


def test_the_binding_limit_comes_first_and_every_limit_has_its_source() -> None:
    limits = limits_of(given(share_a=10.0, permit_a=10.0))
    assert [limit.source for limit in limits] == ["station", "cable", "evse", "permit"]
    limits = limits_of(
        given(condition=condition(waiting_for=("reclose_wait", "no_permit")), ours=(("restart", "pending"),))
    )
    assert [limit.source for limit in limits][:2] == ["restart", "guard"]
    assert "reclose_wait" in limits[1].text
    assert not any("no_permit" in limit.text for limit in limits)


def test_what_only_follows_from_another_reason_has_no_line_of_its_own() -> None:
    words = ("fault", "rcd", "lock", "no_permit", "no_vehicle", "no_offer")
    fault = Fault(code=FaultCode.RCD_TRIPPED)
    limits = limits_of(given(condition=condition(plugged=False, waiting_for=words), faults=(fault,), transaction=False))
    assert [limit.source for limit in limits if limit.current_a is None] == ["fault", "vehicle"]


def test_a_store_that_fails_is_no_reason_against_a_charge_that_goes_on() -> None:
    failing = (Fault(code=FaultCode.STORE_FAILED),)
    assert limits_of(given(faults=failing, permit_a=16.0))[0].current_a is not None
    assert limits_of(given(faults=failing, transaction=False))[0].source == "fault"


@pytest.mark.parametrize(
    ("total_a", "wanting", "taken"),
    [
        (None, {1: 16.0, 2: 16.0}, {1: 16.0, 2: 16.0}),
        (32.0, {}, {}),
        (32.0, {1: 32.0, 2: 32.0}, {1: 16.0, 2: 16.0}),
        (16.0, {3: 32.0, 1: 32.0, 2: 32.0}, {3: 8.0, 1: 8.0, 2: 0.0}),
        (5.0, {1: 16.0}, {1: 5.0}),
        (32.0, {1: 6.0, 2: 32.0}, {1: 6.0, 2: 26.0}),  # what one cannot use goes to the others
        (32.0, {1: 32.0, 2: 0.0}, {1: 32.0, 2: 0.0}),
        (0.0, {1: 32.0}, {1: 0.0}),
    ],
)
def test_the_supply_is_shared_equally_and_never_below_six_amperes(
    total_a: float | None, wanting: dict[int, float], taken: dict[int, float]
) -> None:
    shares = shares_a(total_a, wanting)
    assert {each: min(most_a, shares.get(each, most_a)) for each, most_a in wanting.items()} == taken
    assert total_a is None or sum(taken.values()) <= total_a


# Flow


def seen(**changes: object) -> Seen:
    fields: dict[str, object] = {
        "permitted": True,
        "plugged": True,
        "offered": True,
        "ready": True,
        "closed": True,
        "draws_a": 10.0,
    }
    return Seen(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("begin", "what", "after_s", "state"),
    [
        (ChargingState.CONNECTED, {}, 0.0, ChargingState.CHARGING),
        (ChargingState.CONNECTED, {"draws_a": 0.0}, 0.0, ChargingState.CHARGING),
        (ChargingState.CONNECTED, {"closed": False}, 60.0, ChargingState.CONNECTED),
        (ChargingState.CONNECTED, {"ready": False}, 9.9, ChargingState.CONNECTED),
        (ChargingState.CONNECTED, {"ready": False}, 10.0, ChargingState.SUSPENDED_EV),
        (ChargingState.CHARGING, {"ready": False}, 0.0, ChargingState.SUSPENDED_EV),
        (ChargingState.CHARGING, {"draws_a": 0.2}, 9.9, ChargingState.CHARGING),
        (ChargingState.CHARGING, {"draws_a": 0.2}, 10.0, ChargingState.SUSPENDED_EV),
        (ChargingState.CHARGING, {"draws_a": None}, 60.0, ChargingState.CHARGING),
        (ChargingState.CHARGING, {"permitted": False, "ready": False}, 0.0, ChargingState.SUSPENDED_EVSE),
        (ChargingState.CHARGING, {"permitted": None, "plugged": None}, 60.0, ChargingState.CHARGING),
        (ChargingState.CHARGING, {"plugged": False, "permitted": False}, 0.0, ChargingState.SUSPENDED_EV),
        (ChargingState.CHARGING, {"closed": False}, 9.9, ChargingState.CHARGING),
        (ChargingState.CHARGING, {"closed": False}, 10.0, ChargingState.SUSPENDED_EVSE),
        (ChargingState.CONNECTED, {"offered": False, "ready": False}, 0.9, ChargingState.CONNECTED),
        (ChargingState.CONNECTED, {"offered": False, "ready": False}, 1.0, ChargingState.SUSPENDED_EVSE),
        (ChargingState.SUSPENDED_EV, {"draws_a": 0.8}, 0.0, ChargingState.CHARGING),
        (ChargingState.SUSPENDED_EV, {"draws_a": 0.3}, 60.0, ChargingState.SUSPENDED_EV),
        (ChargingState.SUSPENDED_EVSE, {"closed": False}, 60.0, ChargingState.SUSPENDED_EVSE),
    ],
)
def test_the_charging_state_follows_what_is_seen(
    begin: ChargingState, what: dict[str, object], after_s: float, state: ChargingState
) -> None:
    flow = Flow(begin)
    flow.step(seen(**what), 0.0)
    flow.step(seen(**what), after_s)
    assert flow.state is state


def test_a_current_between_the_thresholds_changes_nothing() -> None:
    flow = Flow(ChargingState.CHARGING)
    flow.step(seen(draws_a=0.3), 0.0)
    flow.step(seen(draws_a=0.7), 5.0)
    assert flow.deadline_s() == 10.0
    flow.step(seen(draws_a=0.7), 10.0)
    assert flow.state is ChargingState.SUSPENDED_EV
    flow.step(seen(draws_a=0.7), 30.0)
    assert flow.state is ChargingState.SUSPENDED_EV
    assert flow.step(seen(draws_a=1.0), 31.0)


# Readings


def trusted(wh: float = 1000.0, at_s: float = 10.0) -> Meter:
    meter = Meter(LAYOUT)
    meter.take(reading(wh, at_s - 1), fixed=False)
    assert meter.take(reading(wh, at_s), fixed=False) is Belief.BELIEVED
    return meter


def test_the_first_register_needs_a_second_one_and_zero_a_third() -> None:
    meter = Meter(LAYOUT)
    assert meter.take(reading(5000.0, 1.0), fixed=False) is Belief.UNCONFIRMED
    assert meter.newest is None
    assert meter.take(reading(5000.0, 2.0), fixed=False) is Belief.BELIEVED
    meter = Meter(LAYOUT)
    assert [meter.take(reading(0.0, at), fixed=False) for at in (1.0, 2.0, 3.0)][-1] is Belief.BELIEVED
    meter = Meter(LAYOUT)
    beliefs = [meter.take(reading(wh, at), fixed=False) for wh, at in ((9e9, 1.0), (500.0, 2.0), (500.0, 3.0))]
    assert beliefs == [Belief.UNCONFIRMED, Belief.UNCONFIRMED, Belief.BELIEVED]


@pytest.mark.parametrize("wh", [0.0, 998.0, 1200.0, -5.0, float("nan"), float("inf"), None])
def test_a_register_that_cannot_be_is_refused_and_the_last_one_stands(wh: float | None) -> None:
    meter = trusted()
    assert meter.take(reading(wh, 11.0), fixed=True) is Belief.REFUSED
    assert meter.newest is not None
    assert meter.newest.energy_import_wh == 1000.0
    assert meter.error


@pytest.mark.parametrize("wh", [1000.0, 1010.0, 1003.8])
def test_a_register_that_can_be_is_believed(wh: float) -> None:
    assert trusted().take(reading(wh, 11.0), fixed=True) is Belief.BELIEVED


def test_an_old_reading_tells_nothing() -> None:
    meter = trusted()
    assert meter.take(reading(1000.0, 10.0), fixed=True) is Belief.OLD
    assert not meter.error


def test_a_new_base_is_taken_over_after_five_readings_and_never_within_a_transaction() -> None:
    meter = trusted()
    beliefs = [meter.take(reading(3.0, 11.0 + n), fixed=False) for n in range(5)]
    assert beliefs == [*[Belief.REFUSED] * 4, Belief.NEW_BASE]
    meter = trusted()
    assert {meter.take(reading(3.0, 11.0 + n), fixed=True) for n in range(50)} == {Belief.REFUSED}


def test_a_reading_ages() -> None:
    meter = trusted(at_s=10.0)
    assert meter.fresh(20.0, 10.0) is not None
    assert meter.fresh(20.1, 10.0) is None


def test_a_sample_has_what_was_asked_for_and_what_the_meter_knows() -> None:
    full = MeterReading(
        taken_s=1.0,
        energy_import_wh=1234.56,
        power_w=3000.0,
        current_a=(13.0, None, 0.0),
        voltage_v=(231.0, 230.0, 229.0),
    )
    names = tuple(each.value for each in Measurand)
    at = Stamp(boot_id="b", mono_s=1.0)
    one = EvseLayout(evse_id=1, phases=1)
    beside = Beside(offer_a=16.0)
    made = sample_of(full, at=at, context=SampleContext.PERIODIC, measurands=names, layout=one, beside=beside)
    assert made is not None
    values = {(value.measurand, value.phase): value.value for value in made.values}
    assert values == {
        (Measurand.ENERGY_IMPORT_REGISTER, None): 1235.0,
        (Measurand.POWER_IMPORT, None): 3000.0,
        (Measurand.CURRENT_IMPORT, Phase.L1): 13.0,
        (Measurand.CURRENT_OFFERED, None): 16.0,
        (Measurand.POWER_OFFERED, None): 3680.0,
        (Measurand.VOLTAGE, Phase.L1_N): 231.0,
    }
    assert sample_of(full, at=at, context=SampleContext.PERIODIC, measurands=(), layout=one, beside=beside) is None


# The last word


def test_the_last_word_is_read_after_the_opening_without_current() -> None:
    ending = Ending(100.0, metered=True)
    assert ending.step(100.0, condition(contactor_closed=True), reading(5.0, 99.0, 10.0)) is None
    opened = condition(contactor_closed=False, contactor_since_s=101.0)
    assert ending.step(101.1, opened, reading(5.0, 100.9, 10.0)) is None
    assert ending.wants_reading
    assert ending.step(101.5, opened, reading(6.0, 101.4, 3.0)) is None, "current still flowed"
    last = ending.step(102.5, opened, reading(6.0, 102.4, 0.0))
    assert last is not None
    assert (last.gap, last.reading) == (None, reading(6.0, 102.4, 0.0))


def test_a_meter_that_stays_silent_leaves_the_newest_register() -> None:
    ending = Ending(100.0, metered=True)
    opened = condition(contactor_closed=False, contactor_since_s=101.0)
    assert ending.step(101.0, opened, reading(5.0, 99.0)) is None
    last = ending.step(101.0 + METER_WAIT_S, opened, reading(5.0, 99.0))
    assert last is not None
    assert last.reading == reading(5.0, 99.0)
    assert last.gap == "the meter was silent after the contactor opened; the newest register is 7 s old"


def test_a_contactor_that_is_never_confirmed_open_does_not_hold_the_end_up() -> None:
    ending = Ending(100.0, metered=True)
    closed = condition(contactor_closed=True)
    assert ending.step(100.0, closed, None) is None
    assert ending.step(100.0 + OPEN_WAIT_S, closed, reading(5.0, 110.0)) is None
    last = ending.step(121.0, closed, reading(6.0, 120.5))
    assert last is not None
    assert last.gap == "the contactor was not confirmed open"


# Sampling, session, availability


def test_an_aligned_sample_is_due_once_and_a_clock_that_steps_back_makes_none() -> None:
    rows = {"aligneddatactrlr.interval": "600"}
    grid = ClockGrid(VariableBook(STANDARD_VARIABLES, presets=rows, stored=[]))
    due = [
        grid.due(Stamp(boot_id="b", mono_s=mono_s, utc_s=utc_s))
        for mono_s, utc_s in ((0.0, 1199.0), (1.0, 1200.0), (2.0, 1201.0), (3.0, 100.0), (4.0, 601.0), (5.0, None))
    ]
    assert due == [None, 1200.0, None, None, 600.0, None]
    deadline_s = grid.deadline_s(Stamp(boot_id="b", mono_s=50.0, utc_s=1190.0))
    assert deadline_s == pytest.approx(60.0, abs=0.01)


def test_the_session_refuses_a_step_that_is_not_in_its_table() -> None:
    session = Session(1)
    turn = Turn(now=Stamp(boot_id="b", mono_s=7.0))
    with pytest.raises(Exception, match="Can't trigger"):
        session.take(Step.BEGIN, turn)
    session.take(Step.PLUG, turn)
    assert (session.state, session.since_s) == (SessionState.PLUGGED, 7.0)


def test_a_station_that_is_inoperative_takes_everything_with_it() -> None:
    availability = Availability()
    assert availability.set((None, None), False)
    assert not availability.set((None, None), False)
    assert not availability.connector(1, 1)
    availability.set((1, None), False)
    availability.set((None, None), True)
    assert not availability.evse(1)
    assert availability.connector(2, 1)
