"""A bought controller under the guard, in virtual time: what it is ordered, and what becomes of one that disobeys."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agent.guard.controlled_cycle import ControlledCycle
from agent.guard.controlled_values import ControlledInputs, ControlledSettings
from agent.guard.log import Log
from agent.guard.plan import parse_plan
from agent.guard.station import Station
from agent.guard.wire import (
    ContactorState,
    GuardFault,
    HoldCable,
    LockState,
    Message,
    OpenReason,
    Permit,
    PilotState,
    Report,
    Withdraw,
)
from drivers.api import DriverTimeout
from drivers.api.controllers import (
    NO_OFFER,
    ControllerFault,
    ControllerOrder,
    ControllerReading,
    ControllerTraits,
    VehicleState,
)

SCAN_S = 0.01
POLL_S = 0.5
CONTROLLERS: list[Fake] = []


class Fake:
    """A controller that answers every half second; driven from the world's side by its attributes."""

    def __init__(self, traits: ControllerTraits) -> None:
        self.traits = traits
        self.trouble: str | None = None
        self.order = ControllerOrder()
        self.orders: list[ControllerOrder] = []
        self.vehicle: VehicleState | None = VehicleState.A
        self.obeys = True
        self.reports_contactor = True
        self.silent = False
        self.reachable = True
        self.faults: tuple[ControllerFault, ...] = ()
        self.cable_a: float | None = 32.0
        self.locked: bool | None = None
        self.closed = False
        self.offer_a = 0.0
        self.reading: ControllerReading | None = None
        self._next_s = 0.0

    def live(self, now_s: float) -> None:
        """Do what a controller does, and take a snapshot when it is due."""
        if self.obeys:
            self.offer_a = (self.order.current_a or 0.0) if self.vehicle is not VehicleState.A else 0.0
            self.closed = self.offer_a > 0.0 and self.vehicle in (VehicleState.C, VehicleState.D)
        if now_s < self._next_s or self.silent:
            return
        self._next_s = now_s + POLL_S
        self.reading = ControllerReading(
            taken_s=now_s,
            vehicle=self.vehicle,
            offer_a=self.offer_a,
            cable_a=self.cable_a,
            contactor_closed=self.closed if self.reports_contactor else None,
            locked=self.locked,
            faults=self.faults,
        )

    def command(self, order: ControllerOrder) -> None:
        self.order = order
        self.orders.append(order)

    def read(self) -> ControllerReading | None:
        return self.reading

    def settle(self, timeout_s: float) -> bool:
        return self.reachable

    def close(self) -> None:
        """Nothing to release."""


def open_fake(*, sensed: bool = False, step_a: float = 1.0) -> Fake:
    CONTROLLERS.append(Fake(ControllerTraits(contactor_sensed=sensed, step_a=step_a)))
    return CONTROLLERS[-1]


class Rig:
    """One station with one controlled EVSE; ``run`` lets time pass scan by scan."""

    def __init__(self, state_dir: Path, log_fd: int, *, locks: bool = False, **options: object) -> None:
        controller = {"target": f"{__name__}:open_fake", "options": options}
        evse = {"id": 1, "phases": 3, "max_current_a": 16, "controller": controller, "locks": locks}
        self.plan = parse_plan(
            {
                "version": 1,
                "plan_id": "p",
                "scan_s": SCAN_S,
                "socket": str(state_dir / "guard.sock"),
                "state_dir": str(state_dir),
                "lines": {"target": "nothing.there:open", "options": {}},
                "evses": [],
                "controlled": [evse],
                "min_reclose_s": 10,
            }
        )
        self.log = Log(fd=log_fd, as_json=True)
        self.now_s = 1000.0
        self.reports: list[Report] = []
        self.start()

    def start(self) -> None:
        self.station = Station(self.plan, self.log, now_s=self.now_s)
        self.controller = CONTROLLERS[-1]

    def run(self, for_s: float) -> None:
        until_s = self.now_s + for_s
        while self.now_s < until_s - SCAN_S / 2:
            self.now_s = round(self.now_s + SCAN_S, 6)
            self.controller.live(self.now_s)
            self.reports += self.station.scan(self.now_s)

    def say(self, message: Message) -> Message | None:
        return self.station.handle(message, 0, self.now_s)

    def permit(self, current_a: float = 16.0, *, valid_for_s: float = 30.0, phases: int = 3) -> Message | None:
        permit = Permit(
            evse_id=1, permit_id=1, max_current_a=current_a, phases=phases, valid_for_s=valid_for_s, plan_id="p"
        )
        return self.say(permit)

    @property
    def report(self) -> Report:
        return self.reports[-1]

    def charge(self, current_a: float = 16.0) -> None:
        """From an empty socket to a closed contactor."""
        self.run(1.0)
        self.controller.vehicle = VehicleState.B
        self.run(1.0)
        self.permit(current_a)
        self.run(1.0)
        self.controller.vehicle = VehicleState.C
        self.run(1.0)
        assert self.report.contactor is ContactorState.CLOSED


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path, os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY))


def test_a_permit_becomes_the_allowed_current_and_its_end_no_current(rig: Rig) -> None:
    rig.charge(13.7)
    assert rig.controller.order == ControllerOrder(current_a=13.0)  # whole steps of the controller, rounded down
    assert (rig.report.pilot, rig.report.offer_a, rig.report.coil) == (PilotState.C, 13.0, True)
    assert rig.report.waiting_for == ()
    rig.say(Withdraw(evse_id=1, reason="test"))
    rig.run(SCAN_S)
    assert rig.controller.order == NO_OFFER
    rig.run(1.0)
    assert rig.report.contactor is ContactorState.OPEN
    assert rig.report.open_reason is OpenReason.PERMIT_WITHDRAWN
    assert rig.report.waiting_for == ("no_permit", "reclose_wait")


def test_a_permit_that_is_not_renewed_expires_into_no_current(rig: Rig) -> None:
    rig.charge()
    rig.permit(valid_for_s=2.0)
    rig.run(1.9)
    assert rig.controller.order.current_a == 16.0
    rig.run(0.2)
    assert rig.controller.order.current_a is None
    rig.run(1.0)
    assert rig.report.open_reason is OpenReason.PERMIT_EXPIRED


def test_without_a_permit_a_vehicle_gets_nothing_and_the_report_says_why(rig: Rig) -> None:
    rig.run(1.0)
    assert rig.report.waiting_for == ("no_permit", "no_vehicle")
    rig.controller.vehicle = VehicleState.B
    rig.run(1.0)
    assert rig.report.plugged is True
    assert rig.report.waiting_for == ("no_permit",)
    rig.permit(5.9)
    rig.run(1.0)
    assert rig.report.waiting_for == ("permit_below_6_a",)
    assert all(order.current_a is None for order in rig.controller.orders)


@pytest.mark.parametrize(
    ("permit_a", "cable_a", "ordered_a"), [(32.0, 32.0, 16.0), (16.0, 13.0, 13.0), (9.0, None, 9.0)]
)
def test_the_order_is_the_least_of_permit_wiring_and_cable(
    rig: Rig, permit_a: float, cable_a: float | None, ordered_a: float
) -> None:
    rig.controller.cable_a = cable_a
    rig.charge(permit_a)
    assert rig.controller.order.current_a == ordered_a


def test_the_order_changes_at_most_every_five_seconds_and_ends_at_once(rig: Rig) -> None:
    rig.charge(16.0)
    rig.run(5.0)
    rig.permit(10.0)
    rig.run(0.1)
    rig.permit(8.0)
    rig.run(4.0)
    assert rig.controller.order.current_a == 10.0
    rig.run(1.1)
    assert rig.controller.order.current_a == 8.0
    rig.say(Withdraw(evse_id=1, reason="test"))
    rig.run(SCAN_S)
    assert rig.controller.order.current_a is None


def test_a_controller_that_offers_nothing_is_what_the_charge_waits_for(rig: Rig) -> None:
    rig.run(1.0)
    rig.controller.vehicle, rig.controller.obeys = VehicleState.B, False
    rig.run(1.0)
    rig.permit()
    rig.run(1.0)
    assert rig.report.waiting_for == ("vehicle_not_ready",)
    rig.run(1.5)
    assert rig.report.waiting_for == ("no_offer",)
    assert rig.report.faults == ()


def test_a_contactor_found_closed_at_the_start_is_not_a_closing(rig: Rig) -> None:
    rig.controller.obeys, rig.controller.closed, rig.controller.vehicle = False, True, VehicleState.C
    rig.run(1.0)
    assert (rig.report.contactor, rig.report.closings) == (ContactorState.CLOSED, 0)
    rig.controller.closed = False
    rig.run(1.0)
    assert (rig.report.contactor, rig.report.open_reason) == (ContactorState.OPEN, OpenReason.STARTED)


def test_a_vehicle_that_leaves_takes_its_permit_with_it(rig: Rig) -> None:
    rig.charge()
    rig.controller.vehicle = VehicleState.A
    rig.run(1.0)
    assert rig.report.permit_id is None
    assert rig.report.open_reason is OpenReason.VEHICLE_LEFT_C
    assert rig.controller.order == NO_OFFER


def test_closings_keep_their_distance(rig: Rig) -> None:
    rig.charge()
    rig.say(Withdraw(evse_id=1, reason="test"))
    rig.run(1.0)
    rig.permit()
    rig.run(1.0)
    assert rig.report.waiting_for == ("reclose_wait",)
    rig.run(10.0)
    rig.permit()
    assert rig.controller.order.current_a == 16.0


def test_a_snapshot_too_old_is_unknown_no_current_and_a_fault_that_ends_with_a_fresh_one(rig: Rig) -> None:
    rig.charge()
    rig.controller.silent, rig.controller.trouble = True, "bus-0: no answer"
    rig.run(2.4)
    assert rig.controller.order.current_a == 16.0
    rig.run(1.0)
    assert rig.controller.order.current_a is None
    assert rig.report.pilot is PilotState.UNKNOWN
    assert rig.report.contactor is ContactorState.UNKNOWN
    assert (rig.report.plugged, rig.report.offer_a, rig.report.cable_a) == (None, None, None)
    assert rig.report.faults == (GuardFault.POWER_PATH_LOST,)
    assert rig.report.power_path_why == "bus-0: no answer"
    rig.run(20.0)
    rig.controller.silent = False
    rig.run(0.1)
    assert (rig.report.faults, rig.report.power_path_why) == ((), "")
    log = [json.loads(line) for line in (Path(rig.plan.state_dir) / "log").read_text().splitlines()]
    assert [(each["event"], each.get("problem")) for each in log if each["event"].startswith("fault.")] == [
        ("fault.raised", "bus-0: no answer"),
        ("fault.cleared", None),
    ]


def test_a_controller_that_was_never_heard_is_a_fault_only_after_a_while(rig: Rig) -> None:
    rig.controller.silent = True
    rig.run(2.9)
    assert rig.report.faults == ()
    assert rig.report.waiting_for == ("input_unknown", "no_permit", "no_pilot")
    rig.run(0.2)
    assert rig.report.faults == (GuardFault.POWER_PATH_LOST,)
    assert rig.report.power_path_why == "the controller was not heard for 3 s"


def test_an_offer_above_the_order_is_disobedience_until_the_vehicle_leaves(rig: Rig) -> None:
    rig.charge()
    rig.run(5.0)
    rig.controller.obeys = False
    rig.permit(8.0)
    rig.run(1.9)
    assert rig.report.faults == ()
    rig.run(1.0)
    assert rig.report.faults == (GuardFault.CONTROLLER_DISOBEYS,)
    assert rig.report.power_path_why == "it offers 16 A, ordered is 8 A"
    assert rig.controller.order.current_a is None
    rig.controller.obeys = True
    rig.run(5.0)
    assert rig.report.faults == (GuardFault.CONTROLLER_DISOBEYS,)
    rig.controller.vehicle = VehicleState.A
    rig.run(2.0)
    assert rig.report.faults == ()


def test_a_contactor_that_its_controller_says_is_closed_after_no_current_is_disobedience(rig: Rig) -> None:
    rig.charge()
    rig.controller.obeys = False
    rig.controller.offer_a = 0.0
    rig.say(Withdraw(evse_id=1, reason="test"))
    rig.run(7.9)
    assert rig.report.faults == ()
    rig.run(1.0)
    assert rig.report.faults == (GuardFault.CONTROLLER_DISOBEYS,)


def test_a_sensed_contactor_that_stays_closed_is_welded_and_that_outlives_the_guard(tmp_path: Path) -> None:
    rig = Rig(tmp_path, os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY), sensed=True)
    rig.charge()
    rig.controller.obeys = False
    rig.controller.offer_a = 0.0
    rig.say(Withdraw(evse_id=1, reason="test"))
    rig.run(9.0)
    assert rig.report.faults == (GuardFault.CONTACTOR_WELDED,)
    rig.station.make_safe(for_good=True)
    rig.start()
    rig.controller.vehicle = VehicleState.B
    rig.run(2.0)
    rig.permit()
    rig.run(2.0)
    assert rig.report.faults == (GuardFault.CONTACTOR_WELDED,)
    assert rig.controller.order.current_a is None


def test_a_weld_that_the_controller_reports_for_a_moment_is_not_latched(rig: Rig) -> None:
    rig.charge()
    rig.controller.faults = (ControllerFault.CONTACTOR_WELDED,)
    rig.run(0.6)
    assert rig.report.faults == (GuardFault.CONTACTOR_WELDED,)
    assert rig.controller.order == ControllerOrder(at_once=True)
    rig.controller.faults = ()
    rig.run(1.0)
    assert rig.report.faults == ()


def test_a_lost_controller_is_judged_anew_from_its_return_on(rig: Rig) -> None:
    rig.charge()
    rig.controller.silent = rig.controller.obeys = False
    rig.controller.silent = True
    rig.run(30.0)
    rig.controller.silent = False  # it is back with the old offer, and was told "no current" only now
    rig.run(1.0)
    assert rig.report.faults == ()
    rig.controller.obeys = True
    rig.run(5.0)
    assert rig.report.faults == ()


@pytest.mark.parametrize("fault", list(ControllerFault))
def test_every_fault_of_a_controller_ends_the_offer_and_is_reported(rig: Rig, fault: ControllerFault) -> None:
    rig.charge()
    rig.controller.faults = (fault,)
    rig.run(0.6)
    assert rig.report.faults
    assert rig.controller.order.current_a is None
    assert "fault" in rig.report.waiting_for


@pytest.mark.parametrize("vehicle", [VehicleState.D, VehicleState.E, VehicleState.F, None])
def test_a_state_in_which_nothing_may_charge_ends_the_offer(rig: Rig, vehicle: VehicleState | None) -> None:
    rig.charge()
    rig.controller.vehicle = vehicle
    rig.run(0.6)
    assert rig.controller.order.current_a is None


def test_a_contactor_that_nobody_reports_follows_vehicle_and_offer(rig: Rig) -> None:
    rig.controller.reports_contactor = False
    rig.charge()
    assert rig.report.contactor is ContactorState.CLOSED
    rig.say(Withdraw(evse_id=1, reason="test"))
    rig.run(2.0)
    assert rig.report.contactor is ContactorState.CLOSED  # the vehicle is still in C: it may still draw
    rig.controller.vehicle = VehicleState.B
    rig.run(0.5)
    assert rig.report.contactor is ContactorState.CLOSED  # seen to have left C, but not for long enough to have opened
    rig.run(0.6)
    assert rig.report.contactor is ContactorState.OPEN


@pytest.mark.parametrize(("latches", "still"), [(True, True), (False, False)])
def test_a_released_emergency_stop_counts_until_the_vehicle_has_left_where_it_latches(
    latches: bool, still: bool
) -> None:
    settings = ControlledSettings(
        evse_id=1, phases=3, max_current_a=16.0, ventilation=False, has_mirror=True, min_reclose_s=0.0,
        permit_max_s=30.0, emergency_stop_latches=latches,
    )  # fmt: skip
    cycle = ControlledCycle(settings, ControllerTraits(), welded=False, locks=False, now_s=0.0)
    inputs = ControlledInputs(emergency_stop=True)
    seen: list[bool] = []
    for tenths, vehicle in enumerate((VehicleState.C, VehicleState.C, VehicleState.A, VehicleState.B), 1):
        inputs.reading = ControllerReading(taken_s=tenths / 10, vehicle=vehicle, offer_a=0.0)
        cycle.scan(inputs, tenths / 10)
        seen.append(GuardFault.EMERGENCY_STOP in cycle.faults)
        inputs.emergency_stop = False
    assert seen == [True, still, False, False]


def test_a_mirror_of_our_own_shows_a_weld_and_an_unknown_one_stops() -> None:
    settings = ControlledSettings(
        evse_id=1,
        phases=3,
        max_current_a=16.0,
        ventilation=False,
        has_mirror=True,
        min_reclose_s=0.0,
        permit_max_s=30.0,
    )
    cycle = ControlledCycle(settings, ControllerTraits(), welded=False, locks=False, now_s=0.0)
    inputs = ControlledInputs(main_closed=True)
    for second in range(1, 12):
        inputs.reading = ControllerReading(taken_s=float(second), vehicle=VehicleState.A, offer_a=0.0)
        cycle.scan(inputs, float(second))
        assert cycle.welded is (second >= 9)  # judged from the first snapshot on, after the 8 s that it may take
    assert cycle.faults == (GuardFault.CONTACTOR_WELDED,)
    inputs.main_closed = None
    cycle.scan(inputs, 12.0)
    assert GuardFault.INPUT_UNKNOWN in cycle.faults


def test_permits_that_cannot_be_kept_are_refused(rig: Rig) -> None:
    assert "phases 1 cannot be kept" in getattr(rig.permit(phases=1), "reason", "")
    assert "is over on arrival" in getattr(rig.permit(valid_for_s=0.0), "reason", "")
    rig.station.stop()
    assert getattr(rig.permit(), "reason", "") == "the guard is stopping"


def test_a_guard_that_stops_waits_for_the_contactor_and_writes_no_current_last(rig: Rig) -> None:
    rig.charge()
    rig.station.stop()
    rig.run(0.1)
    assert rig.controller.order == NO_OFFER
    assert not rig.station.stopped
    rig.run(1.0)
    assert rig.station.stopped
    assert rig.report.open_reason is OpenReason.SHUTDOWN
    rig.station.make_safe(for_good=True)
    assert rig.controller.order == ControllerOrder(at_once=True)


def test_a_guard_that_crashes_writes_no_current_and_says_when_it_could_not(rig: Rig) -> None:
    rig.charge()
    rig.controller.reachable, rig.controller.trouble = False, "bus-0 is gone"
    with pytest.raises(DriverTimeout, match="EVSE 1: the controller did not take 'no current': bus-0 is gone"):
        rig.station.make_safe(for_good=False)
    assert rig.controller.order == ControllerOrder(at_once=True)


def test_a_lost_controller_does_not_keep_a_stopping_guard_for_ever(rig: Rig) -> None:
    rig.charge()
    rig.controller.silent = True
    rig.station.stop()
    rig.run(7.9)
    assert not rig.station.stopped
    rig.run(0.3)
    assert rig.station.stopped


def test_a_lock_that_is_ours_holds_while_current_may_flow(tmp_path: Path) -> None:
    rig = Rig(tmp_path, os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY), locks=True)
    rig.controller.locked = True
    rig.charge()
    assert rig.report.lock is LockState.LOCKED
    rig.say(HoldCable(evse_id=1, held=False))
    rig.run(0.1)
    assert rig.controller.order.locked is True  # a permit needs it
    rig.say(Withdraw(evse_id=1, reason="test"))
    rig.run(0.1)
    assert rig.controller.order == ControllerOrder(locked=True)  # not confirmed open yet
    rig.run(1.0)
    assert rig.controller.order == ControllerOrder(locked=False)
