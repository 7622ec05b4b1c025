"""The bench's main meter and what its cars say of their batteries, in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.bench.car_charge import CarCharge
from hil.evse import MeterMode
from hil.pilot_circuit import Generator, GeneratorMode
from hil.register_map import Quantities, RegisterMap
from hil.station_files import StationFiles
from hil.world import World, WorldSettings

OFFER_16A = Generator(mode=GeneratorMode.PWM, duty_pct=26.67)


def charging(evses: int = 2) -> World:
    world = World(WorldSettings(evses=evses), now_s=0.0)
    for number in world.evses:
        world.evses[number].car.plug_in()
        world.set_generator(number, OFFER_16A, 0.0)
        world.write(f"evse{number}.contactor", True, 0.0)
    world.step(5.0)
    return world


def test_the_main_meter_sees_every_evse_and_the_base_load() -> None:
    world = charging()
    with world.stimulus(5.0):
        world.main.base_w = 2070.0
    before_wh = world.main.energy_wh
    drawn_w = sum(evse.power_w for evse in world.evses.values())
    assert drawn_w > 20_000
    assert world.main.power_w == pytest.approx(drawn_w + 2070.0)
    assert world.main.current_a[0] == pytest.approx(sum(each.current_a[0] for each in world.evses.values()) + 3.0)
    world.step(65.0)
    assert world.main.energy_wh - before_wh == pytest.approx((drawn_w + 2070.0) / 60.0, rel=1e-3)


def test_the_main_meter_is_before_the_mains_switch_and_dead_without_power() -> None:
    world = charging()
    with world.stimulus(6.0):
        world.main.base_w = 1000.0
    world.set_mains(False, 7.0)
    assert world.main.power_w == pytest.approx(1000.0)
    world.cut_power(8.0)
    assert not world.main.fed
    before_wh = world.main.energy_wh
    world.step(60.0)
    assert world.main.energy_wh == before_wh
    world.restore_power(61.0)
    assert world.main.fed


def test_its_faults_set_its_register_elsewhere() -> None:
    world = charging()
    main = world.main
    main.set_mode(MeterMode.SWAP)
    assert main.energy_wh > 8_000_000
    main.set_mode(MeterMode.ZEROED)
    assert main.shown_wh == 0.0
    main.set_mode(MeterMode.OK)
    main.energy_wh = 5000.0
    main.set_mode(MeterMode.JUMP)
    assert sorted(main.answered_wh() for _ in range(3)) == [5000.0, 5000.0, 1_005_000.0]


def test_a_car_that_tells_its_state_of_charge_keeps_a_file_for_those_who_talk_to_it(tmp_path: Path) -> None:
    world, files = World(WorldSettings(), now_s=0.0), StationFiles(tmp_path)
    hears = CarCharge(str(tmp_path / "pins.sock"), 1)

    def said() -> float | None:
        for change in world.take_changes():
            files.follow(change)
        found = hears.said()
        return None if found is None else found.soc_pct

    with world.stimulus(1.0):
        world.evses[1].car.plug_in()
        world.evses[1].car.settings.soc_pct = 61.26
    assert said() is None, "it tells nobody"
    with world.stimulus(2.0):
        world.evses[1].car.tells_soc = True
    assert said() == 61.3
    with world.stimulus(3.0):
        world.evses[1].car.unplug()
    assert said() is None


def test_a_meter_profile_with_a_state_of_charge_shows_it_or_that_it_has_none(tmp_path: Path) -> None:
    path = tmp_path / "acme.toml"
    path.write_text(
        'id = "acme"\nvendor = "Acme"\nphases = 3\nfunction_code = 3\n[nan]\nuint16 = -1\n'
        '[registers.energy_import]\naddr = 0\ntype = "uint32"\n'
        '[registers.soc]\naddr = 2\ntype = "uint16"\nscale = 0.1\n'
    )
    shows = RegisterMap.load(path)
    none = Quantities(voltage_v=(230.0,) * 3, current_a=(0.0,) * 3, energy_wh=5.0, frequency_hz=50.0)
    assert shows.encode(none, 3)[2] == 0xFFFF
    known = Quantities(voltage_v=(230.0,) * 3, current_a=(0.0,) * 3, energy_wh=5.0, frequency_hz=50.0, soc_pct=61.3)
    assert shows.encode(known, 3)[2] == 613
