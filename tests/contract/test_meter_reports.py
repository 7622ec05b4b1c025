"""The polls of a bus and what the door tells of them, against the bench's meters on a pseudo-terminal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from agent.console.door import DoorError
from agent.model.inputs import Input, ReadingFailed, ReadingTaken
from agent.runtime.meter_reports import MeterReports
from agent.runtime.meters import MeterPoll
from agent.settings.last_good import check_station
from agent.settings.station import Settings
from drivers.api import DriverProtocolError, DriverTimeout, Meter, MeterReading
from drivers.meter.bus import SerialBus
from drivers.meter.modbus import ModbusMeter
from drivers.meter.profile_file import load_profile
from hil.modbus_slave import Fault
from tests.contract.test_meter_commands import Line

STATION = """
[station]
id = "CP-1"
vendor = "V"
model = "M"
state_dir = "s"
run_dir = "r"
[csms]
url = "ws://127.0.0.1:9/"
allow_insecure = true
[lines]
driver = "bench"
socket = "pins.sock"
[bus.rs485]
port = "bus"
[[evse]]
id = 1
max_current_a = 16
pilot = { driver = "bench", socket = "pins.sock", evse = 1 }
contactor = { line = "evse1.contactor" }
meter = { driver = "modbus", profile = "eastron_sdm630", bus = "rs485", unit = 1 }
"""


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "station.toml").write_text(STATION)
    return check_station(tmp_path / "station.toml")


class Scripted:
    """A meter that does what it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.reads = 0

    async def read(self) -> MeterReading:
        self.reads += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return MeterReading(taken_s=time.monotonic(), energy_import_wh=1.0)

    async def close(self) -> None:
        """Nothing to release."""


def polled(meters: Mapping[int, Meter], taken: list[Input], poll_s: float = 0.01) -> MeterPoll:
    async def open_meters() -> Mapping[int, Meter]:
        return meters

    return MeterPoll("rs485", open_meters, poll_s, time.monotonic, taken.append)


async def test_the_door_reads_a_meter_and_tells_its_counters(line: Line, settings: Settings) -> None:
    bus = SerialBus(port=str(line.path), gap_s=0.0)
    meter = ModbusMeter(profile=load_profile("eastron_sdm630"), unit=1, bus=bus, timeout_s=0.2)
    poll = polled({1: meter}, [], poll_s=60.0)
    reports = MeterReports(settings, {1: poll}, time.monotonic)
    with pytest.raises(DoorError, match="EVSE 1 is not open yet"):
        await reports.meter({"evse": 1})
    assert reports.rows() == []
    task = asyncio.ensure_future(poll.run())
    await asyncio.sleep(0)
    answer = await reports.meter({"evse": 1})
    assert answer["reading"]["power_w"] == pytest.approx(10_351.0)
    assert answer["age_s"] < 1.0
    assert (answer["source"], answer["profile"], answer["unit"], answer["serial"]) == (
        "agent",
        "eastron_sdm630",
        1,
        True,
    )
    line.fault = Fault.CHECKSUM
    answer = await reports.meter({})
    assert "wrong checksum" in answer["error"]
    assert answer["reading"] is not None, "the last one, with its age"
    (row,) = reports.rows()
    assert (row["evse"], row["failures"]) == (1, 1)
    assert row["counters"]["checksums"] >= 1
    assert row["counters"]["answers"] >= 1
    with pytest.raises(DoorError, match="there is no EVSE 7 with a meter"):
        await reports.meter({"evse": 7})
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bus.close()


async def test_a_silent_meter_does_not_take_its_neighbours_time() -> None:
    silent, broken, good = Scripted(DriverTimeout("no answer")), Scripted(DriverProtocolError("noise")), Scripted()
    taken: list[Input] = []
    poll = polled({1: silent, 2: broken, 3: good}, taken)
    task = asyncio.ensure_future(poll.run())
    while good.reads < 10:
        await asyncio.sleep(0.005)
    assert silent.reads == 1
    assert broken.reads >= 9
    assert poll.report(1).error == "no answer"
    assert poll.report(3).counters is None
    assert {each.evse_id for each in taken if isinstance(each, ReadingTaken)} == {3}
    assert {each.evse_id for each in taken if isinstance(each, ReadingFailed)} == {1, 2}
    poll.ask(1)
    while silent.reads < 2:
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_driver_with_a_defect_rests_is_told_and_leaves_the_bus_to_its_neighbours() -> None:
    broken, good, taken = Scripted(ZeroDivisionError("a defect")), Scripted(), list[Input]()
    poll = polled({1: broken, 2: good}, taken)
    with pytest.raises(ZeroDivisionError):
        await poll.run()
    asked = asyncio.ensure_future(poll.read_now(1))
    await asyncio.sleep(0)
    poll.failed("ZeroDivisionError: a defect", True)  # the supervisor's words
    await asyncio.wait_for(asked, 1.0)
    poll.failed("", False)
    assert taken == [ReadingFailed(evse_id=1, error="ZeroDivisionError: a defect")]
    task = asyncio.ensure_future(poll.run())
    while good.reads < 3:
        await asyncio.sleep(0.005)
    assert broken.reads == 1
    assert {each.evse_id for each in taken if isinstance(each, ReadingTaken)} == {2}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_bus_that_cannot_be_opened_for_a_defect_is_told_for_each_of_its_meters() -> None:
    taken: list[Input] = []

    async def open_meters() -> Mapping[int, Meter]:
        raise ImportError("no module named acme")

    poll = MeterPoll("acme", open_meters, 0.01, time.monotonic, taken.append, evse_ids=(1, 2))
    with pytest.raises(ImportError):
        await poll.run()
    poll.failed("ImportError: no module named acme", True)
    assert [each.evse_id for each in taken if isinstance(each, ReadingFailed)] == [1, 2]


async def test_a_silent_meter_that_is_alone_on_its_bus_is_asked_at_each_turn() -> None:
    silent = Scripted(DriverTimeout("no answer"))
    task = asyncio.ensure_future(polled({1: silent}, []).run())
    while silent.reads < 3:
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
