"""One EVSE with several connectors: each has its own pilot and contactor, and at most one of them is ever closed."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent.guard.plan import PlanError, parse_plan
from agent.guard.wire import ContactorState, GuardFault, OpenReason, Refused
from tests.scenario.guard_rig import Rig
from tests.scenario.guard_world import plan_content


@pytest.fixture
def rig(tmp_path: Path, log_fd: int) -> Rig:
    return Rig(str(tmp_path), log_fd, connectors=2)


def closed(rig: Rig) -> list[bool]:
    return [bool(world.coil.active) for world in rig.worlds]


def ready_on_both(rig: Rig) -> None:
    rig.run(1.2)
    for world in rig.worlds:
        world.plug_in()
    rig.run(0.2)


def test_two_permits_at_once_close_only_the_first_connector(rig: Rig) -> None:
    ready_on_both(rig)
    rig.permit()
    rig.permit(connector_id=2)
    for world in rig.worlds:
        world.close_s2()
    rig.run(3.0)
    assert closed(rig) == [True, False]
    assert rig.report_of(1, 1).offer_a == pytest.approx(16.0, abs=0.1)
    assert rig.report_of(1, 2).offer_a is None
    assert "sibling_in_use" in rig.report_of(1, 2).waiting_for


def test_the_second_connector_follows_when_the_first_is_confirmed_open(rig: Rig) -> None:
    test_two_permits_at_once_close_only_the_first_connector(rig)
    rig.worlds[0].follow_s = 0.1  # its contacts take a while to part
    rig.withdraw()
    rig.worlds[0].open_s2()
    rig.run_until(lambda: closed(rig)[1], at_most_s=20.0)
    assert not rig.worlds[0].main_closed
    assert rig.report_of(1, 1).contactor is ContactorState.OPEN
    assert closed(rig) == [False, True]


def test_a_connector_whose_contactor_cannot_be_seen_keeps_its_sibling_open(rig: Rig) -> None:
    rig.worlds[1].mirror.broken = True
    rig.run(1.2)
    rig.world.plug_in()
    rig.run(0.1)
    rig.permit()
    rig.world.close_s2()
    rig.run(3.0)
    assert closed(rig) == [False, False]
    assert rig.report_of(1, 1).waiting_for[0] == "sibling_in_use"
    rig.worlds[1].mirror.broken = False
    rig.run_until(lambda: closed(rig)[0], at_most_s=5.0)


def test_a_welded_sibling_forbids_closing_for_good(rig: Rig, tmp_path: Path) -> None:
    rig.worlds[1].welded = True
    rig.run(2.0)
    assert GuardFault.CONTACTOR_WELDED in rig.report_of(1, 2).faults
    assert rig.report_of(1, 1).faults == ()
    rig.world.plug_in()
    rig.run(0.1)
    rig.permit()
    rig.world.close_s2()
    rig.run(3.0)
    assert closed(rig) == [False, False]
    rig.worlds[1].welded = False  # it lets go: the latch stays, over a restart, too
    rig.run(2.0)
    rig.station.make_safe(for_good=False)
    rig.station._latch.finish(30.0)  # a slow disk
    assert json.loads((tmp_path / "guard-latched.json").read_text()) == {
        "version": 1,
        "welded": ["1.2"],
        "failed_to_close": [],
    }
    rig.start()
    rig.run(1.2)
    rig.permit()
    rig.run(3.0)
    assert closed(rig) == [False, False]
    assert GuardFault.CONTACTOR_WELDED in rig.report_of(1, 2).faults
    assert GuardFault.CONTACTOR_WELDED not in rig.report_of(1, 1).faults


def test_a_sibling_seen_closed_opens_the_one_that_charges(rig: Rig) -> None:
    rig.charge()
    rig.worlds[1].welded = True
    rig.run_until(lambda: not closed(rig)[0], at_most_s=0.2)
    assert rig.report_of(1, 1).open_reason is OpenReason.FAULT
    assert "sibling_in_use" in rig.report_of(1, 1).waiting_for


def test_an_input_that_cannot_be_read_at_the_sibling_does_not_end_a_charge(rig: Rig) -> None:
    rig.charge()
    rig.worlds[1].mirror.broken = True
    rig.run(3.0)
    assert closed(rig) == [True, False]


def test_a_fault_of_one_connector_is_not_the_other_ones(rig: Rig) -> None:
    rig.charge()
    rig.worlds[1].vehicle = "below"
    rig.worlds[1].lock_jammed = True
    rig.run(5.0)
    assert rig.report_of(1, 2).faults != ()
    assert rig.report_of(1, 1).faults == ()
    assert closed(rig) == [True, False]


def test_an_input_of_both_connectors_is_claimed_once_and_its_pulse_is_seen_by_both(tmp_path: Path, log_fd: int) -> None:
    rig = Rig(str(tmp_path), log_fd, connectors=2, rcd={"line": "evse1.rcd"})
    assert rig.board.claimed.count("evse1.rcd") == 1
    rig.charge()
    rig.world.rcd.pulsed = True
    rig.run_until(lambda: not closed(rig)[0], at_most_s=0.05)
    rig.run(0.1)
    assert GuardFault.RCD_TRIPPED in rig.report_of(1, 1).faults
    assert [each.connector_id for each in rig.reports if GuardFault.RCD_TRIPPED in each.faults][:2] == [1, 2]


def test_the_cable_of_each_connector_is_held_by_itself(rig: Rig) -> None:
    rig.charge()
    rig.run(1.0)
    assert rig.worlds[0].lock.active
    assert not rig.worlds[1].lock.active


def test_the_light_of_the_evse_shows_a_fault_of_any_connector_while_no_agent_is_there(
    tmp_path: Path, log_fd: int
) -> None:
    def lit(welded: int | None) -> list[bool]:
        rig = Rig(str(tmp_path / f"{welded}"), log_fd, connectors=2)
        if welded is not None:
            rig.worlds[welded].welded = True
        rig.run(5.0)
        levels = []
        for _ in range(300):
            rig.scan()
            levels.append(bool(rig.world.led.active))
        return levels

    assert lit(0) == lit(1) != lit(None)


def test_a_message_to_a_connector_that_is_not_there_is_refused(rig: Rig) -> None:
    rig.run(1.2)
    answer = rig.permit(connector_id=3)
    assert isinstance(answer, Refused)
    assert answer.reason == "EVSE 1 has no connector 3"


def test_every_contactor_is_counted_by_itself(rig: Rig, tmp_path: Path) -> None:
    rig.charge()
    rig.station.make_safe(for_good=True)
    rig.station._wear.finish(30.0)  # a slow disk
    wear = json.loads((tmp_path / "guard-wear.json").read_text())["evses"]
    assert wear["1"]["main"]["closings"] == 1
    assert wear["1.2"]["main"]["closings"] == 0


def test_make_safe_opens_every_connector(rig: Rig) -> None:
    rig.charge()
    rig.station.make_safe(for_good=True)
    assert closed(rig) == [False, False]
    assert all(world.signal is not None and world.signal.mode.value == "steady_low" for world in rig.worlds)


def test_a_plan_of_connectors_that_cannot_be_seen_open_is_not_obeyed(tmp_path: Path) -> None:
    content = plan_content("nowhere", str(tmp_path), evses=2)
    evses = content["evses"]
    assert isinstance(evses, list)
    content["evses"] = [each | {"id": 1, "connector": each["id"]} for each in evses]
    parse_plan(content)
    content["evses"][1]["mirror"] = None
    with pytest.raises(PlanError, match=r"connector 2 of EVSE 1 has no mirror"):
        parse_plan(content)
    content["evses"] = [each | {"id": 1} for each in evses]
    with pytest.raises(PlanError, match="holds an id twice"):
        parse_plan(content)


class Siblings(RuleBasedStateMachine):
    """Cars, permits, welds and broken mirrors at three connectors in any order."""

    closings = 0

    def __init__(self) -> None:
        super().__init__()
        self.closed_before = [False] * 3

    @initialize()
    def begin(self) -> None:
        self.log_fd = os.open(os.devnull, os.O_WRONLY)
        self.state = tempfile.TemporaryDirectory()
        self.rig = Rig(self.state.name, self.log_fd, connectors=3, min_reclose_s=0)
        self.rig.run(1.2)

    def teardown(self) -> None:
        self.rig.station.make_safe(for_good=True)
        os.close(self.log_fd)
        self.state.cleanup()

    which = st.integers(0, 2)

    @rule(which=which, vehicle=st.sampled_from("ABC"))
    def drive(self, which: int, vehicle: str) -> None:
        world = self.rig.worlds[which]
        world.unplug() if vehicle == "A" else world.plug_in()
        world.vehicle = vehicle

    @rule(which=which, allowed=st.booleans())
    def permit(self, which: int, allowed: bool) -> None:
        if allowed:
            self.rig.permit(connector_id=which + 1)
        else:
            self.rig.withdraw(connector_id=which + 1)

    @rule(which=which, heal=st.booleans())
    def want_to_charge(self, which: int, heal: bool) -> None:
        self.drive(which, "C")
        self.rig.permit(connector_id=which + 1)
        for world in self.rig.worlds:
            world.mirror.broken = world.mirror.broken and not heal
        self.wait(0.5)

    @rule(which=which, welded=st.sampled_from((False, False, True)))
    def weld(self, which: int, welded: bool) -> None:
        self.rig.worlds[which].welded = welded

    @rule(which=which, broken=st.booleans())
    def break_mirror(self, which: int, broken: bool) -> None:
        self.rig.worlds[which].mirror.broken = broken

    @rule(for_s=st.sampled_from((0.01, 0.03, 0.3, 1.0)))
    def wait(self, for_s: float) -> None:
        until_s = self.rig.now_s + for_s
        while self.rig.now_s < until_s - 0.005:
            seen_open = [not world.main_closed and not world.mirror.broken for world in self.rig.worlds]
            self.rig.scan()
            now = closed(self.rig)
            assert sum(now) <= 1
            for place, (was, is_now) in enumerate(zip(self.closed_before, now, strict=True)):
                if is_now and not was:
                    Siblings.closings += 1
                    # It closed in this scan: every sibling was off and could be seen open before.
                    others = [each for each in range(3) if each != place]
                    assert not any(self.closed_before[each] for each in others)
                    assert all(seen_open[each] for each in others)
            self.closed_before = now

    @invariant()
    def at_most_one(self) -> None:
        assert sum(self.closed_before) <= 1


TestSiblings = Siblings.TestCase
TestSiblings.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
