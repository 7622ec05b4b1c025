"""One suite over every bought controller: each driver against its bench counterpart, on the real wire."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.api.controllers import NO_OFFER, STOP_AT_ONCE, ControllerOrder, VehicleState
from hil.bought_controller import ControllerMode
from tests.contract.controller_bench import FAMILIES, ControllerBench, open_files


@pytest.fixture(params=FAMILIES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ControllerBench]:
    threads = threading.active_count()
    made = ControllerBench(request.param, tmp_path)
    yield made
    made.close()
    assert threading.active_count() == threads


def charge(bench: ControllerBench, current_a: float = 10.0) -> None:
    bench.plug()
    bench.until(lambda reading: reading.vehicle is VehicleState.B, "vehicle in B")
    bench.controller.command(ControllerOrder(current_a=current_a))
    bench.until(lambda reading: reading.vehicle is VehicleState.C, "vehicle in C")
    bench.until_true(lambda: bench.evse.contactor.closed, "closed contactor")


def test_an_order_becomes_an_offer_a_closed_contactor_and_its_end_an_open_one(bench: ControllerBench) -> None:
    first = bench.until(lambda reading: reading.vehicle is VehicleState.A, "vehicle in A")
    assert first.offer_a in (0.0, None)
    assert first.contactor_closed in (False, None)
    assert first.faults == ()
    charge(bench)
    reading = bench.until(lambda reading: reading.contactor_closed in (True, None), "closed contactor")
    assert reading.offer_a in (10.0, None)
    assert bench.inside.allowed_a == pytest.approx(10.0, abs=0.1)
    assert bench.inside.allowed_a <= 10.0
    assert bench.controller.trouble is None
    bench.controller.command(NO_OFFER)
    bench.until(lambda reading: reading.vehicle is VehicleState.B and not reading.contactor_closed, "end")
    assert bench.inside.allowed_a == 0.0
    bench.until_true(lambda: not bench.evse.contactor.closed, "open contactor")
    bench.unplug()
    bench.until(lambda reading: reading.vehicle is VehicleState.A, "vehicle in A")


def test_a_snapshot_is_the_same_object_until_there_is_a_newer_one_and_tells_when_it_was_taken(
    bench: ControllerBench,
) -> None:
    before_s = time.monotonic()
    first = bench.until(lambda reading: reading.taken_s > 0.0, "snapshot")
    later = bench.until(lambda reading: reading is not first, "newer snapshot")
    assert before_s - 1.0 < first.taken_s < later.taken_s <= time.monotonic()


def test_stopping_at_once_does_not_wait_for_the_vehicle(bench: ControllerBench) -> None:
    bench.evse.car.settings.stop_s = 3.0
    charge(bench)
    bench.controller.command(STOP_AT_ONCE)
    bench.until_true(lambda: bench.inside.allowed_a == 0.0, "no current")
    if bench.family != "phoenix":  # EM-CP-PP-ETH has no such command
        bench.until_true(lambda: not bench.evse.contactor.closed, "open contactor")
        assert bench.evse.car.s2_closed  # the vehicle has not stopped yet


def test_a_new_driver_takes_back_what_an_earlier_one_ordered(bench: ControllerBench) -> None:
    charge(bench)
    bench.controller.close()
    if bench.bus is not None:
        bench.bus.close()
    assert bench.inside.allowed_a > 0.0  # closing leaves the order as it is
    bench.controller = bench.open()
    bench.until_true(lambda: bench.inside.allowed_a == 0.0, "no current")


def test_a_silent_controller_ages_says_why_and_gets_the_newest_order_when_it_is_back(bench: ControllerBench) -> None:
    charge(bench)
    bench.set_mode(ControllerMode.SILENT)
    time.sleep(0.1)  # what was under way when it fell silent
    bench.controller.command(NO_OFFER)
    began_s = time.monotonic()
    for _ in range(2000):
        bench.controller.command(NO_OFFER)
        bench.controller.read()
    assert time.monotonic() - began_s < 5.0  # nothing waits for the device
    if bench.family != "everest-mcu":  # it hears orders without answering them; only its keep-alive is missed
        bench.until_true(lambda: bench.controller.trouble is not None, "trouble")
        assert not bench.controller.settle(0.05)
    bench.set_mode(ControllerMode.OK)
    bench.until_true(lambda: bench.inside.allowed_a == 0.0, "no current")
    assert bench.controller.settle(8.0)
    bench.until_true(lambda: bench.controller.trouble is None, "no trouble")


def test_broken_answers_are_no_snapshots(bench: ControllerBench) -> None:
    bench.until(lambda reading: reading.vehicle is VehicleState.A, "vehicle in A")
    bench.set_mode(ControllerMode.GARBAGE)
    last = bench.until_still()
    bench.plug()
    time.sleep(0.5)
    assert bench.controller.read() is last
    bench.set_mode(ControllerMode.OK)
    bench.until(lambda reading: reading.vehicle is VehicleState.B, "vehicle in B")


def test_a_controller_that_keeps_what_it_had_is_reported_as_it_is(bench: ControllerBench) -> None:
    charge(bench)
    bench.set_mode(ControllerMode.DISOBEY)
    bench.controller.command(NO_OFFER)
    ordered_s = time.monotonic()
    reading = bench.until(lambda reading: reading.taken_s > ordered_s + 0.3, "snapshot")
    assert reading.offer_a in (10.0, None)
    assert reading.contactor_closed in (True, None)


def test_a_lost_device_is_opened_again_by_its_name_and_nothing_leaks(bench: ControllerBench) -> None:
    charge(bench)
    files = open_files()
    for _ in range(2):
        bench.cut()
        bench.until_true(lambda: bench.controller.trouble is not None, "trouble")
        assert open_files() < files
        bench.lay()
        bench.until_newer(time.monotonic())
        bench.until_true(lambda: bench.controller.trouble is None, "no trouble")
    assert open_files() <= files
    bench.until_true(lambda: bench.inside.allowed_a > 0.0, "the order in force")


def test_a_driver_opens_while_its_device_is_away_and_finds_it_later(bench: ControllerBench) -> None:
    bench.controller.close()
    if bench.bus is not None:
        bench.bus.close()
    bench.cut()
    bench.controller = bench.open()
    bench.until_true(lambda: bench.controller.trouble not in (None, "not asked yet"), "trouble")
    assert bench.controller.read() is None
    assert not bench.controller.settle(0.02)
    bench.lay()
    bench.until(lambda reading: reading.vehicle is VehicleState.A, "vehicle in A")
