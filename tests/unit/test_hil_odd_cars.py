"""The bench's odd cars and its second contactor, in virtual time."""

from __future__ import annotations

from hil.car import Misbehaviour
from hil.pilot_circuit import Generator, GeneratorMode
from hil.world import World, WorldSettings

STEADY_HIGH = Generator(mode=GeneratorMode.STEADY_HIGH)
PWM = Generator(mode=GeneratorMode.PWM, duty_pct=26.6)


def test_a_sleepy_car_answers_an_offer_only_after_the_pilot_was_interrupted() -> None:
    world = World(WorldSettings(), now_s=0.0)
    evse = world.evses[1]
    world.set_generator(1, STEADY_HIGH, 0.5)
    with world.stimulus(1.0):
        evse.car.misbehaviour = Misbehaviour.SLEEPY
        evse.car.plug_in()
    world.set_generator(1, PWM, 2.0)
    world.step(60.0)
    assert evse.car_state == "B"
    world.set_generator(1, Generator(mode=GeneratorMode.STEADY_LOW), 61.0)
    world.set_generator(1, PWM, 65.0)
    world.step(70.0)
    assert evse.car_state == "C"
    with world.stimulus(71.0):
        evse.car.unplug()
    with world.stimulus(72.0):
        evse.car.plug_in()
    world.step(80.0)
    assert evse.car_state == "B", "it sleeps again"


def test_a_simplified_car_shows_c_at_once_and_draws_ten_amperes_whatever_is_offered() -> None:
    world = World(WorldSettings(), now_s=0.0)
    evse = world.evses[1]
    with world.stimulus(1.0):
        evse.car.misbehaviour = Misbehaviour.SIMPLIFIED
        evse.car.plug_in()
    assert evse.car_state == "C"
    world.write("evse1.contactor", True, 2.0)
    world.step(5.0)
    assert evse.current_a == (10.0, 10.0, 10.0)
    world.write("evse1.contactor", False, 6.0)
    world.step(7.0)
    assert (evse.car_state, evse.current_a) == ("C", (0.0, 0.0, 0.0))


def test_with_a_second_contactor_fitted_only_one_phase_flows_until_it_closes() -> None:
    world = World(WorldSettings(second_contactor=True), now_s=0.0)
    evse = world.evses[1]
    with world.stimulus(1.0):
        evse.car.plug_in()
    world.set_generator(1, PWM, 2.0)
    world.write("evse1.contactor", True, 4.0)
    world.step(8.0)
    assert evse.phases == 1
    assert evse.current_a[0] > 15.0
    assert evse.current_a[1:] == (0.0, 0.0)
    assert world.level("evse1.phase_mirror")
    world.write("evse1.phase_contactor", True, 9.0)
    world.step(10.0)
    assert not world.level("evse1.phase_mirror")
    assert min(evse.current_a) > 15.0
