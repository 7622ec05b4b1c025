"""The guard's rules, one scenario each, in virtual time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.guard.wire import (
    ContactorState,
    OpenReason,
)
from drivers.api import PilotMode
from tests.scenario.guard_rig import SCAN_S, Rig


@pytest.fixture
def log_fd() -> Iterator[int]:
    fd = os.open(os.devnull, os.O_WRONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def rig(tmp_path: Path, log_fd: int) -> Rig:
    return Rig(str(tmp_path), log_fd)


def test_a_permitted_vehicle_in_c_is_charged_at_the_permitted_current(rig: Rig) -> None:
    rig.charge(16.0)
    assert rig.closed
    assert rig.report.contactor is ContactorState.CLOSED
    assert rig.report.offer_a == pytest.approx(16.0, abs=0.001)
    assert rig.report.waiting_for == ()
    assert rig.report.closings == 1


def test_the_first_write_of_every_output_is_safe_and_the_contactor_comes_first(rig: Rig) -> None:
    assert rig.board.claimed[0] == "evse1.contactor"
    assert rig.world.coil.writes == [False]
    assert rig.world.lock.writes == [True]
    assert [signal.mode for signal in rig.world.signals] == [PilotMode.STEADY_HIGH]


@pytest.mark.req("IEC 61851-1:2017 table A.6, sequence 8.1")
def test_the_contactor_opens_within_two_scans_when_the_vehicle_leaves_c(rig: Rig) -> None:
    rig.charge()
    rig.world.open_s2()
    assert rig.run_until(lambda: not rig.closed, at_most_s=1.0) <= 2 * SCAN_S + 1e-9
    assert rig.report.open_reason is OpenReason.VEHICLE_LEFT_C
    assert rig.offers, "an EV that pauses keeps its offer"


def test_unplugging_under_load_opens_and_ends_the_permit(rig: Rig) -> None:
    rig.charge()
    rig.world.unplug()
    assert rig.run_until(lambda: not rig.closed, at_most_s=1.0) <= 2 * SCAN_S + 1e-9
    assert rig.report.open_reason is OpenReason.VEHICLE_LEFT_C
    assert rig.report.permit_id is None
