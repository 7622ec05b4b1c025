"""A guard that takes long from its first write to its first scan, in virtual time."""

from __future__ import annotations

import os
from pathlib import Path

from agent.guard.cycle import START_S
from agent.guard.wire import GuardFault, PilotState
from tests.scenario.guard_rig import Rig


def test_a_machine_that_starts_slowly_raises_no_fault_before_the_inputs_could_be_known(tmp_path: Path) -> None:
    rig = Rig(str(tmp_path), os.open(os.devnull, os.O_WRONLY))
    rig.now_s += 2.0 * START_S  # libraries load, other processes start
    rig.scan()
    assert rig.reports[0].pilot is PilotState.UNKNOWN
    assert GuardFault.INPUT_UNKNOWN not in rig.reports[0].faults
    rig.run(0.1)
    assert rig.reports[-1].pilot is PilotState.A
    assert not any(report.faults for report in rig.reports)
