"""What the agent makes of the guard's words about sensors."""

from __future__ import annotations

from typing import Any

import pytest

from agent.charging.limits import Circumstances, limits_of, permitted_a
from agent.guard.wire import ContactorState, GuardFault, LockState, OpenReason, PilotState, Report, SelfTest
from agent.model.faults import FaultCode
from agent.runtime.guard_link import condition_of, hottest_c


def report(**changes: Any) -> Report:
    known: dict[str, Any] = {
        "evse_id": 1, "seq": 1, "at_s": 1.0, "pilot": PilotState.C, "high_v": 6.0, "low_v": -12.0, "plugged": True,
        "cable_a": 32.0, "offer_a": 11.0, "coil": True, "contactor": ContactorState.CLOSED, "contactor_since_s": 0.5,
        "lock": LockState.LOCKED, "faults": (), "waiting_for": (), "permit_id": 1, "permit_left_s": 20.0,
        "permit_a": 16.0, "permit_phases": 3, "open_reason": OpenReason.STARTED, "closings": 1,
    }  # fmt: skip
    return Report(**(known | changes))


def circumstances(told: Report) -> Circumstances:
    return Circumstances(
        transaction=True, ours=(), faults=(), evse_a=16.0, share_a=None, condition=condition_of(told), permit_a=None
    )


def test_a_reduction_is_a_limit_with_its_sensor_and_lowers_the_permit() -> None:
    given = circumstances(report(reduced_a=11.0, reduced_why="contactor at 70.0 degC", temperature_c=(70.0,)))
    assert permitted_a(given) == 11.0
    first = limits_of(given)[0]
    assert (first.source, first.current_a, first.text) == ("temperature", 11.0, "contactor at 70.0 degC: 11 A")
    assert permitted_a(circumstances(report())) == 16.0


@pytest.mark.parametrize(
    ("values_c", "hottest"), [((), None), ((None,), None), ((41.26, None, 39.0), 41.0), ((-12.7,), -13.0)]
)
def test_the_hottest_known_sensor_is_told_in_whole_degrees(
    values_c: tuple[float | None, ...], hottest: float | None
) -> None:
    assert hottest_c(values_c) == hottest


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({}, ()),
        (
            {"faults": (GuardFault.RCD_TEST_FAILED,), "rcd_test": SelfTest.FAILED, "rcd_test_why": "no release"},
            ((FaultCode.RCD_TEST_FAILED, "no release"),),
        ),
        (
            {"faults": (GuardFault.OVER_TEMPERATURE,), "reduced_why": "contactor at 85.0 degC"},
            ((FaultCode.OVER_TEMPERATURE, "contactor"),),
        ),
        (
            {
                "faults": (GuardFault.INPUT_UNKNOWN,),
                "temperature_c": (None,),
                "reduced_why": "socket: no fresh temperature",
            },
            ((FaultCode.INPUT_UNKNOWN, "socket: no fresh temperature"),),
        ),
        ({"faults": (GuardFault.INPUT_UNKNOWN,), "temperature_c": (20.0,)}, ()),
    ],
)
def test_a_fault_says_what_the_guard_knows_of_it(
    changes: dict[str, Any], texts: tuple[tuple[FaultCode, str], ...]
) -> None:
    assert condition_of(report(**changes)).fault_texts == texts


def test_every_fault_of_the_guard_is_one_of_the_model() -> None:
    assert {FaultCode(fault.value) for fault in GuardFault}
