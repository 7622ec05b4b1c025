"""What the guard does to a vehicle by itself, seen from the core: phases that a profile asks for, and the wake-up."""

from __future__ import annotations

import pytest

from agent.model.commands import Answered, Outcome
from agent.model.effects import GrantPermit
from agent.model.facts import ChargingState
from agent.model.profiles import Period, Profile, ProfileKind, ProfilePurpose, RateUnit, Schedule, SetProfile
from agent.model.station import EvseLayout, StationLayout
from tests.scenario.charging_world import ALICE, World


def asking(*phases: int | None) -> SetProfile:
    """Return a profile whose periods, a minute each, allow 10 A on so many phases."""
    periods = tuple(Period(start_s=60 * index, limit=10.0, phases=each) for index, each in enumerate(phases))
    return SetProfile(
        evse_id=1,
        connector_id=1,
        profile=Profile(
            profile_id=1,
            stack_level=0,
            purpose=ProfilePurpose.TX_DEFAULT,
            kind=ProfileKind.RELATIVE,
            schedule=Schedule(unit=RateUnit.AMPERES, periods=periods),
        ),
    )


def permitted_phases(world: World) -> int:
    granted = [each for _, effects in world.log for each in effects if isinstance(each, GrantPermit)]
    return granted[-1].phases


@pytest.mark.req("OCPP 1.6 §7.13, numberPhases")
@pytest.mark.parametrize(("switching", "phases"), [(True, 1), (False, 3)])
def test_a_profile_for_one_phase_permits_one_where_the_evse_can_switch(switching: bool, phases: int) -> None:
    layout = StationLayout(evses=(EvseLayout(evse_id=1, phase_switching=switching),), readers={"front": (1,)})
    world = World(layout=layout)
    outcome = world.answers[world.command(asking(1, None, 3, 2))]
    assert isinstance(outcome, Outcome)
    assert outcome.answered is Answered.ACCEPTED
    world.plug(1)
    world.tap(ALICE)
    world.until(lambda: world.bays[1].current_a > 0.0)
    assert permitted_phases(world) == phases
    world.run(65.0)
    assert permitted_phases(world) == 3, "a period that does not ask gets what there is"
    world.run(60.0)
    assert permitted_phases(world) == 3
    world.run(60.0)
    assert permitted_phases(world) == phases, "two phases cannot be switched: one is not more than was asked for"


@pytest.mark.req("IEC 61851-1:2017 Annex A.5.3")
def test_a_vehicle_that_is_being_woken_is_still_suspended_by_itself() -> None:
    world = World()
    world.plug(1, ready=False)
    world.tap(ALICE)
    world.run(30.0)
    states = [each.charging_state for each in world.updated]
    world.bays[1].waking = True
    world.run(4.0)
    world.bays[1].waking = False
    world.run(5.0)
    assert [each.charging_state for each in world.updated] == states, "neither the status nor the transaction changed"
    assert states[-1] is ChargingState.SUSPENDED_EV
