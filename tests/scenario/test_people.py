"""Light, buzzer and button of a station: what the core lets them say, and what a press does, in virtual time."""

from __future__ import annotations

import pytest

from agent.model.effects import PlaySound
from agent.model.facts import StopReason
from agent.model.faults import FaultCode
from agent.model.indications import ShownState, Sound
from agent.model.inputs import ButtonPressed, LinkChanged, MaintenanceHeld
from agent.model.station import ButtonUse, EvseLayout, StationLayout
from tests.scenario.charging_world import ALICE, INVALID, World


def station(button: ButtonUse = ButtonUse.START_STOP, *, cards: bool = False, evses: int = 1) -> World:
    ids = tuple(range(1, evses + 1))
    layout = StationLayout(
        evses=tuple(EvseLayout(evse_id=each, button=button, has_buzzer=True) for each in ids),
        readers={"front": ids},
        authorization_required=cards,
    )
    world = World(layout=layout)
    world.run(1.0)
    return world


def press(world: World, evse_id: int = 1) -> None:
    world.send(ButtonPressed(evse_id=evse_id))


def sounds(world: World, evse_id: int = 1) -> list[Sound]:
    told = [each for _, effects in world.log for each in effects if isinstance(each, PlaySound)]
    return [each.sound for each in told if each.evse_id == evse_id]


def test_in_free_vend_the_button_and_not_the_cable_begins_a_charge_and_ends_it_and_begins_it_again() -> None:
    world = station()
    world.plug()
    world.run(5.0)
    assert not world.bays[1].closed
    assert world.lights[1] == "preparing"
    press(world)
    world.run(10.0)
    assert world.bays[1].closed
    assert world.lights[1] == "charging"
    press(world)
    world.run(15.0)
    assert not world.bays[1].closed
    assert world.station.view(1).transaction_id is None
    assert [each.reason for each in world.ended] == [StopReason.LOCAL]
    assert world.lights[1] == "finishing"
    press(world)
    world.run(20.0)
    assert world.bays[1].closed
    began = [Sound.ACCEPTED, Sound.STARTED]
    assert sounds(world) == [*began, Sound.STOPPED, *began]


def test_a_press_after_the_connection_time_out_still_begins_a_charge() -> None:
    world = station()
    world.plug()
    world.run(200.0)
    press(world)
    world.run(10.0)
    assert world.bays[1].closed


@pytest.mark.parametrize("button", [ButtonUse.OFF, ButtonUse.STOP])
def test_a_button_that_does_not_start_leaves_free_vend_to_the_cable(button: ButtonUse) -> None:
    world = station(button)
    world.plug()
    world.run(10.0)
    assert world.bays[1].closed
    press(world)
    world.run(15.0)
    assert world.bays[1].closed is (button is ButtonUse.OFF)
    press(world)
    world.run(15.0)
    assert world.bays[1].closed is (button is ButtonUse.OFF)


@pytest.mark.parametrize(
    ("cards", "plugged", "fault", "why"),
    [
        (True, True, False, "a card is needed"),
        (False, False, False, "no vehicle is plugged in"),
        (False, True, True, "fault emergency_stop"),
    ],
)
def test_a_press_that_begins_nothing_is_refused_with_a_sound_and_a_reason(
    cards: bool, plugged: bool, fault: bool, why: str
) -> None:
    world = station(cards=cards)
    if plugged:
        world.plug()
    if fault:
        world.fault(FaultCode.EMERGENCY_STOP)
    world.run(3.0)
    press(world)
    world.run(3.0)
    assert not world.bays[1].closed
    assert [each.fields["reason"] for each in world.notices("button.refused")] == [why]
    assert sounds(world)[-1] is Sound.REFUSED


def test_with_cards_the_button_stops_what_a_card_has_started() -> None:
    world = station(ButtonUse.STOP, cards=True)
    world.plug()
    world.tap(ALICE)
    world.run(10.0)
    assert world.bays[1].closed
    press(world)
    world.run(10.0)
    assert not world.bays[1].closed
    assert sounds(world) == [Sound.ACCEPTED, Sound.STARTED, Sound.STOPPED]


def test_a_refused_card_and_a_fault_sound_at_every_evse_that_it_may_concern() -> None:
    world = station(cards=True, evses=2)
    world.csms[ALICE.value] = INVALID
    world.tap(ALICE)
    world.run(2.0)
    assert sounds(world, 1) == sounds(world, 2) == [Sound.REFUSED]
    world.fault(FaultCode.EMERGENCY_STOP, evse_id=2)
    world.run(2.0)
    assert (sounds(world, 1), sounds(world, 2)) == ([Sound.REFUSED], [Sound.REFUSED, Sound.FAULT])
    assert world.lights == {1: "available", 2: "faulted"}


def test_the_light_tells_offline_update_and_authorized() -> None:
    world = station(cards=True)
    assert world.lights[1] == ShownState.AVAILABLE.value
    world.send(LinkChanged(online=False))
    assert world.lights[1] == ShownState.OFFLINE.value
    world.send(LinkChanged(online=True))
    world.send(MaintenanceHeld(held=True))
    assert world.lights[1] == ShownState.UPDATE.value
    world.send(MaintenanceHeld(held=False))
    world.tap(ALICE)
    world.run(2.0)
    assert world.lights[1] == ShownState.AUTHORIZED.value
    world.plug()
    world.run(0.5)
    assert world.lights[1] in ("preparing", "charging", "suspended_ev")


def test_the_light_tells_that_a_card_is_being_asked_about() -> None:
    world = station(cards=True)
    world.plug()
    world.run(1.0)
    world.csms_silent = True
    world.tap(ALICE)
    world.run(1.0)
    assert world.lights[1] == ShownState.AUTHORIZING.value
