"""Every fault has words for people, wherever it comes from."""

from __future__ import annotations

import pytest

from agent.guard.wire import ContactorState, GuardFault, LockState, OpenReason, PilotState, Report
from agent.model.faults import FAULT_TEXT, Fault, FaultCode
from agent.runtime.guard_link import condition_of


def report_with(fault: GuardFault, why: str) -> Report:
    return Report(
        evse_id=1,
        seq=1,
        at_s=1.0,
        pilot=PilotState.UNKNOWN,
        high_v=None,
        low_v=None,
        plugged=None,
        cable_a=None,
        offer_a=None,
        coil=False,
        contactor=ContactorState.OPEN,
        contactor_since_s=0.0,
        lock=LockState.NONE,
        faults=(fault,),
        waiting_for=(),
        permit_id=None,
        permit_left_s=None,
        permit_a=None,
        permit_phases=None,
        open_reason=OpenReason.FAULT,
        closings=0,
        power_path_why=why,
    )


@pytest.mark.parametrize("code", FaultCode)
def test_every_fault_code_has_words_for_people(code: FaultCode) -> None:
    words = Fault(code=code).told.removeprefix(f"{code.value}: ")
    assert words == FAULT_TEXT[code]
    assert len(words.split()) >= 4, "a sentence and no code"
    assert words.casefold().replace(" ", "_") != code.value


@pytest.mark.parametrize("fault", GuardFault)
def test_every_fault_of_the_guard_has_words_whether_its_pilot_is_our_own_or_a_controllers(fault: GuardFault) -> None:
    for why in ("", "adc0: [Errno 19] No such device", "the controller was not heard for 3 s"):
        condition = condition_of(report_with(fault, why))
        texts = dict(condition.fault_texts)
        (code,) = condition.faults
        assert Fault(code=code, text=texts.get(code, "")).told.partition(": ")[2]


@pytest.mark.parametrize("why", ["adc0: [Errno 19] No such device", "the controller was not heard for 3 s"])
def test_a_lost_power_path_says_what_is_lost(why: str) -> None:
    condition = condition_of(report_with(GuardFault.POWER_PATH_LOST, why))
    assert dict(condition.fault_texts) == {FaultCode.POWER_PATH_LOST: why}


def test_what_the_finder_of_a_fault_says_comes_before_what_its_code_means() -> None:
    assert Fault(code=FaultCode.OVER_CURRENT, text="20.0 A of 16.0 A").told == "over_current: 20.0 A of 16.0 A"
