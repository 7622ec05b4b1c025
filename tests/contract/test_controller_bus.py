"""An EVSE-DIN and an SDM meter on one line, driven by the guard's own bus: controller first, every answer its own."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.guard.log import Log
from agent.guard.plan import parse_plan
from agent.guard.station import Station
from agent.guard.wire import BusAnswer, BusError, BusRead, Permit
from drivers.api import DriverError
from drivers.api.controllers import ControllerOrder, VehicleState
from hil.bought_controller import BoughtController, Drive
from hil.evse_din import EvseDinSlave
from hil.modbus_slave import Fault, ModbusSlave, Quantities, RegisterMap, Unit
from hil.paths import config_dir
from hil.world import World, WorldSettings
from tests.contract.controller_bench import ControllerBench, Wire

METER_READ = (1, 4)
ENERGY_IMPORT = 0x0048  # SDM630: total import, kWh, float. Eastron SDM630 Modbus protocol


class Line:
    """One pty with an EVSE-DIN at 101 and an SDM630 at 1, served by a thread."""

    def __init__(self, path: Path) -> None:
        self.wire = Wire(path)
        self.world = World(WorldSettings(), now_s=time.monotonic())
        self.world.evses[1].car.settings.s2_close_s = 0.1
        self.inside = BoughtController(
            self.world.evses[1],
            Drive(
                powered=lambda: True,
                set_generator=lambda each: self.world.set_generator(1, each, time.monotonic()),
                write=lambda line, level: self.world.write(f"evse1.{line}", level, time.monotonic()),
            ),
        )
        self.din = EvseDinSlave({101: self.inside})
        self.fault = Fault.NONE
        self.requests: list[tuple[int, int]] = []  # address and function
        measured = Quantities(voltage_v=(230.0,) * 3, current_a=(16.0,) * 3, energy_wh=121_007.0, frequency_hz=50.0)
        registers = RegisterMap.load(config_dir() / "meters" / "eastron_sdm630.toml")
        self.meter = ModbusSlave(registers, {1: Unit(measure=lambda: measured, fault=lambda: self.fault)})
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def plug(self) -> None:
        with self.world.stimulus(time.monotonic()):
            self.world.evses[1].car.plug_in()

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5.0)
        self.wire.cut()

    def _serve(self) -> None:
        while not self._ending.wait(0.002):
            self.world.step(time.monotonic())
            self.inside.follow(time.monotonic())
            try:
                chunk = os.read(self.wire.master, 4096)
            except BlockingIOError:
                continue
            self.requests.append((chunk[0], chunk[1]))
            self.meter.rest()
            answer = self.din.feed(chunk) + self.meter.feed(chunk)
            if answer:
                os.write(self.wire.master, answer)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path / "bus-0")
    yield made
    made.close()


@pytest.fixture
def station(line: Line, tmp_path: Path) -> Iterator[Station]:
    made = station_on(line, tmp_path)
    yield made
    made.close()


def station_on(line: Line, folder: Path) -> Station:
    bus = {"port": str(line.wire.path), "baud": 115200, "parity": "N", "stopbits": 1, "gap_s": 0.005}
    options = {"unit": 101, "poll_s": 0.2, "boot_current_a": 0}
    controller = {"target": "drivers.controllers.evse_din:open_controller", "options": options}
    plan = {
        "version": 1,
        "plan_id": "p",
        "scan_s": 0.01,
        "socket": str(folder / "s"),
        "state_dir": str(folder),
        "lines": {"target": "nothing.there:open", "options": {}},
        "evses": [],
        "controlled": [{"id": 1, "phases": 3, "max_current_a": 16, "controller": controller, "bus": "rs485"}],
        "buses": {"rs485": {"target": "drivers.controllers.modbus_line:open_serial_line", "options": bus}},
        "min_reclose_s": 0,
    }
    return Station(parse_plan(plan), Log(fd=os.open(os.devnull, os.O_WRONLY), as_json=True), now_s=time.monotonic())


def read_of(number: int, unit: int = 1) -> BusRead:
    return BusRead(request_id=number, bus="rs485", unit=unit, function=4, address=ENERGY_IMPORT, count=2)


def scan_until(station: Station, claim: object, what: str) -> list[BusAnswer]:
    """Scan as the guard does until something holds; return what the bus answered."""
    answers: list[BusAnswer] = []
    deadline_s = time.monotonic() + 8.0
    while not claim():  # type: ignore[operator]
        assert time.monotonic() < deadline_s, what
        station.scan(time.monotonic())
        answers += [answer for _, answer in station.take_answers()]
        time.sleep(0.005)
    return answers


def test_meter_and_controller_share_a_line_and_each_answer_finds_its_question(line: Line, station: Station) -> None:
    scan_until(station, lambda: station.evses[1].cycle.pilot.value == "A", "vehicle state")
    line.plug()
    scan_until(station, lambda: station.evses[1].cycle.pilot.value == "B", "plugged")
    station.handle(
        Permit(evse_id=1, permit_id=1, max_current_a=16, phases=3, valid_for_s=30, plan_id="p"), 0, time.monotonic()
    )
    answers: list[BusAnswer] = []
    asked = 0
    while station.evses[1].cycle.contactor.value != "closed" or len(answers) < 20:
        if len(answers) == asked:  # as fast as the line goes
            asked += 1
            station.handle(read_of(asked), 7, time.monotonic())
        answers += scan_until(station, lambda: True, "")
        station.scan(time.monotonic())
        answers += [answer for _, answer in station.take_answers()]
        assert asked < 5000
    assert [answer.request_id for answer in answers] == list(range(1, len(answers) + 1))
    for answer in answers:
        assert answer.error is None
        (kwh,) = struct.unpack(">f", struct.pack(">HH", *answer.registers))
        assert kwh == pytest.approx(121.007)
    line.fault = Fault.SILENT  # the first of ten reads is in flight for long, and nine wait
    before = line.requests.count(METER_READ)
    for number in range(10):
        station.handle(read_of(9000 + number), 7, time.monotonic())
    station.make_safe(for_good=True)
    assert line.requests.count(METER_READ) - before <= 1
    assert line.inside.allowed_a == 0.0
    assert line.din.writes[-2:] == [(101, 1000, 0), (101, 1004, 1)]


def test_errors_of_a_meter_on_the_guards_bus_keep_their_kind(line: Line, station: Station) -> None:
    kinds: dict[int, BusError] = {}
    for number, fault in enumerate((Fault.SILENT, Fault.EXCEPTION, Fault.CHECKSUM), 1):
        line.fault = fault
        station.handle(read_of(number, unit=1), 7, time.monotonic())
        (answer,) = iter_answers(station)
        kinds[number] = answer.kind
        time.sleep(1.0 if fault is Fault.SILENT else 0.0)  # until the late answer can no longer come
    assert kinds == {1: BusError.TIMEOUT, 2: BusError.REJECTED, 3: BusError.PROTOCOL}
    station.make_safe(for_good=True)


def iter_answers(station: Station) -> list[BusAnswer]:
    """Return the next answers of the bus."""
    deadline_s = time.monotonic() + 8.0
    while time.monotonic() < deadline_s:
        found = [answer for _, answer in station.take_answers()]
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError("no answer")


def test_a_yeti_holds_the_plug_when_it_is_told_to(tmp_path: Path) -> None:
    bench = ControllerBench("everest-mcu", tmp_path, lock=True)
    bench.controller.command(ControllerOrder(locked=True))
    bench.until(lambda reading: reading.locked is True, "locked plug")
    bench.controller.command(ControllerOrder(locked=False))
    bench.until(lambda reading: reading.locked is False, "released plug")
    bench.close()


def test_an_openevse_before_firmware_3_is_spoken_to_without_sequence_ids(tmp_path: Path) -> None:
    bench = ControllerBench("openevse", tmp_path, numbered=False)
    bench.until(lambda reading: reading.vehicle is VehicleState.A, "vehicle in A")
    bench.close()


def test_the_kinds_of_error_are_those_of_a_driver() -> None:
    assert {kind.value for kind in BusError} == {"unavailable", "timeout", "protocol", "rejected"}
    assert len(DriverError.__subclasses__()) >= len(BusError)
