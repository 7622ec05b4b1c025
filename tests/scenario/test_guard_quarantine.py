"""A line that cannot be claimed takes its own EVSE out of service, with a fault, and nothing else."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from agent.guard.late_lines import LateLines, LateOutput
from agent.guard.log import Log
from agent.guard.wire import GuardFault
from drivers.api import DriverUnavailable
from tests.scenario.guard_rig import Rig
from tests.scenario.guard_world import Board, World

QUIET = Log(fd=os.open(os.devnull, os.O_WRONLY), as_json=True)


class RigWithBusyLines(Rig):
    """Two EVSEs, some of whose lines somebody else holds when the guard starts."""

    def __init__(self, state_dir: str, *busy: str) -> None:
        self.busy = busy
        self.log_file = Path(state_dir) / "guard.log"
        super().__init__(state_dir, os.open(self.log_file, os.O_RDWR | os.O_CREAT), evses=2)

    def start(self) -> None:
        self.board.busy.update(self.busy)
        self.worlds[1].coil.active = False  # the board's pull-down holds what nobody drives
        super().start()


@pytest.mark.parametrize("line", ["evse2.contactor", "evse2.lock"])
def test_an_output_that_is_busy_faults_its_evse_and_the_other_one_charges(tmp_path: Path, line: str) -> None:
    rig = RigWithBusyLines(str(tmp_path), line)
    rig.charge()
    assert rig.closed, "EVSE 1 is not concerned"
    broken = rig.report_of(2)
    assert GuardFault.POWER_PATH_LOST in broken.faults
    rig.worlds[1].plug_in()
    rig.run(0.2)
    rig.permit(evse_id=2)
    rig.worlds[1].close_s2()
    rig.run(3.0)
    assert not rig.worlds[1].main_closed
    assert rig.report_of(2).offer_a is None
    told = rig.log_file.read_text()
    assert told.count("line.unclaimed") == 1
    assert f"line {line}: is already in use by 'another'" in told


def test_an_output_that_becomes_free_is_claimed_with_its_safe_value_and_the_evse_recovers(tmp_path: Path) -> None:
    rig = RigWithBusyLines(str(tmp_path), "evse2.contactor")
    rig.run(2.0)
    assert GuardFault.POWER_PATH_LOST in rig.report_of(2).faults
    rig.board.busy.clear()
    assert rig.station.lines is not None
    rig.station.lines.try_missing()
    assert rig.worlds[1].coil.writes[:1] == [False]
    rig.run(3.0)
    assert rig.report_of(2).faults == ()
    assert "line.claimed" in rig.log_file.read_text()


def test_an_input_that_is_busy_is_unknown_and_keeps_its_evse_open(tmp_path: Path) -> None:
    rig = RigWithBusyLines(str(tmp_path), "evse2.emergency_stop")
    rig.charge()
    assert rig.closed
    assert GuardFault.INPUT_UNKNOWN in rig.report_of(2).faults
    rig.board.busy.clear()
    assert rig.station.lines is not None
    rig.station.lines.try_missing()
    rig.run(1.5)
    assert GuardFault.INPUT_UNKNOWN not in rig.report_of(2).faults


def test_missing_lines_are_tried_again_beside_the_scan() -> None:
    board = Board(World())
    board.busy = {"evse1.contactor", "evse1.rcd"}
    lines = LateLines(board, QUIET, retry_s=0.002)
    coil = lines.output("evse1.contactor", active_high=True, initial=False)
    rcd = lines.input("evse1.rcd", active_high=True)
    assert isinstance(coil, LateOutput)
    assert (rcd.read(), rcd.take_pulse(), rcd.age_s(5.0)) == (None, False, 0.0)
    with pytest.raises(DriverUnavailable, match=r"line evse1\.contactor is not claimed yet: .* in use by 'another'"):
        coil.write(False)
    board.busy.clear()
    pause = threading.Event()
    while coil.problem is not None or rcd.read() is None:
        pause.wait(0.002)
    coil.write(True)
    assert board.worlds[0].coil.active is True
    lines.close()
