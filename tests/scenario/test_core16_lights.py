"""The keys of OCPP 1.6 about lighting: there where there is a light, and what they do."""

from __future__ import annotations

import pytest

from agent.model.effects import BlinkLight
from agent.model.station import EvseLayout
from agent.ocpp.v201.dialect import Dialect201
from tests.scenario.charging_world import ALICE, INVALID
from tests.scenario.core16 import Core16, layout


def lit_station(*, lights: int = 1, evses: int = 1) -> Core16:
    return Core16(layout(*(EvseLayout(evse_id=n + 1, has_light=n < lights) for n in range(evses))))


def blinks(world: Core16) -> list[tuple[int, bool, int]]:
    return [(each.evse_id, each.accepted, each.times) for each in world.effects(BlinkLight)]


@pytest.mark.req("OCPP 1.6 §9.1, BlinkRepeat; §5.3, §5.8")
def test_a_station_with_a_light_has_the_key_with_its_range_and_keeps_it() -> None:
    world = lit_station()
    [row] = world.ask("GetConfiguration", {"key": ["blinkrepeat"]})["configurationKey"]
    assert row == {"key": "BlinkRepeat", "readonly": False, "value": "0"}
    for bad in ("-1", "21", "1.5", "often", ""):
        assert world.ask("ChangeConfiguration", {"key": "BlinkRepeat", "value": bad}) == {"status": "Rejected"}
    assert world.ask("ChangeConfiguration", {"key": "BlinkRepeat", "value": "3"}) == {"status": "Accepted"}
    assert world.key("BlinkRepeat") == "3"
    every = world.ask("GetConfiguration", {})
    assert "BlinkRepeat" in {each["key"] for each in every["configurationKey"]}
    assert not every.get("unknownKey")


@pytest.mark.req("OCPP 1.6 §5.3, §5.8")
def test_a_station_without_a_light_does_not_know_the_key() -> None:
    world = Core16()
    assert world.ask("GetConfiguration", {"key": ["BlinkRepeat"]}) == {"unknownKey": ["BlinkRepeat"]}
    assert world.ask("ChangeConfiguration", {"key": "BlinkRepeat", "value": "3"}) == {"status": "NotSupported"}
    every = world.ask("GetConfiguration", {})
    assert "BlinkRepeat" not in {each["key"] for each in every["configurationKey"]}
    assert not every.get("unknownKey")


@pytest.mark.req("OCPP 1.6 §9.1, LightIntensity")
def test_no_light_can_be_dimmed_and_the_station_says_so() -> None:
    world = lit_station()
    assert world.ask("GetConfiguration", {"key": ["LightIntensity"]}) == {"unknownKey": ["LightIntensity"]}
    assert world.ask("ChangeConfiguration", {"key": "LightIntensity", "value": "50"}) == {"status": "NotSupported"}


@pytest.mark.req("OCPP 1.6 §9.1, BlinkRepeat")
def test_the_light_signals_as_often_as_the_key_says_whether_a_card_may_charge() -> None:
    world = lit_station(lights=2, evses=2)
    world.tap(ALICE)
    world.run(1)
    assert blinks(world) == [], "0 times"
    world.tap(ALICE)
    world.run(1)
    world.configure(BlinkRepeat=4)
    world.csms[ALICE.value] = INVALID
    world.cache.clear()
    world.tap(ALICE)
    world.run(1)
    assert blinks(world) == [(1, False, 4), (2, False, 4)], "a reader that serves both"


@pytest.mark.req("OCPP 1.6 §9.1, BlinkRepeat")
def test_an_evse_without_a_light_blinks_nothing() -> None:
    world = lit_station(lights=1, evses=2)
    world.configure(BlinkRepeat=2)
    world.plug(2)
    world.tap()
    world.until(lambda: world.closed(2))
    assert all(evse_id == 1 for evse_id, _, _ in blinks(world))
    world.unplug(2)
    world.run(10)
    world.plug(1)
    world.tap()
    world.until(lambda: world.closed(1))
    assert (1, True, 2) in blinks(world)


def test_2_0_1_shows_the_same_setting_as_a_variable_of_the_indicator() -> None:
    names = {
        f"{each.component}.{each.variable}" for each in Dialect201((EvseLayout(evse_id=1, has_light=True),)).variables()
    }
    assert "ChargingStatusIndicator.BlinkRepeat" in names
    bare = {each.component for each in Dialect201((EvseLayout(evse_id=1),)).variables()}
    assert "ChargingStatusIndicator" not in bare
