"""The meter contract over real wires: every value is the meter's, or ``None``, or an error."""

from __future__ import annotations

import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.api import DriverKind, DriverProtocolError, DriverRejected, DriverTimeout, Meter, MeterReading
from drivers.config_dir import config_dir
from drivers.meter.bus import SerialBus, TcpBus
from drivers.registry import check_options, find, open_driver
from tests.contract.modbus_slave import Manner, ModbusSlave, RtuSlave, TcpSlave

NAN = float("nan")


class Sdm630:
    """The registers of an SDM630 on a test slave. Source: Eastron SDM630-Modbus V2 protocol manual."""

    def __init__(self, slave: ModbusSlave, unit: int) -> None:
        self.slave = slave
        self.unit = unit
        for address, value in ((0, 230.5), (2, 231.0), (4, 229.5), (6, 16.0), (8, 15.5), (10, 0.0)):
            self.show(address, value)
        for address, value in ((12, 3688.0), (14, 3580.5), (16, 0.0), (52, 7268.5), (70, 50.0), (72, 1234.567)):
            self.show(address, value)

    def show(self, address: int, value: float) -> None:
        self.slave.set_words(self.unit, address, struct.unpack(">2H", struct.pack(">f", value)))


@pytest.fixture(params=["rtu", "tcp"])
async def slave(request: pytest.FixtureRequest) -> AsyncIterator[ModbusSlave]:
    made: RtuSlave | TcpSlave
    if request.param == "rtu":
        made = RtuSlave()
    else:
        made = TcpSlave()
        await made.listen()
    yield made
    await made.close()


@pytest.fixture
async def bus(slave: ModbusSlave) -> AsyncIterator[SerialBus | TcpBus]:
    made: SerialBus | TcpBus
    if isinstance(slave, RtuSlave):
        made = SerialBus(port=slave.path, baud=115200, gap_s=0.0)
    else:
        assert isinstance(slave, TcpSlave)
        made = TcpBus(host="127.0.0.1", tcp_port=slave.tcp_port)
    yield made
    await made.close()


@pytest.fixture
def sdm630(slave: ModbusSlave) -> Sdm630:
    return Sdm630(slave, unit=1)


def open_meter(
    bus: SerialBus | TcpBus, unit: int = 1, profile: str = "eastron_sdm630", timeout_s: float = 2.0
) -> Meter:
    """Open the meter as the runtime does: by name, with checked options and the bus in place of its name."""
    spec = find(DriverKind.METER, "modbus")
    options, problems = check_options(spec, {"profile": profile, "bus": "rs485", "unit": unit, "timeout_s": timeout_s})
    assert problems == []
    meter: Meter = open_driver(spec.target, {**options, "bus": bus})
    return meter


async def test_a_reading_holds_what_the_meter_shows(bus: SerialBus | TcpBus, sdm630: Sdm630) -> None:
    before_s = time.monotonic()
    reading = await open_meter(bus).read()
    assert before_s <= reading.taken_s <= time.monotonic()
    assert reading.energy_import_wh == pytest.approx(1_234_567.0, abs=0.1)
    assert reading == MeterReading(
        taken_s=reading.taken_s,
        energy_import_wh=reading.energy_import_wh,
        energy_export_wh=0.0,
        power_w=7268.5,
        current_a=(16.0, 15.5, 0.0),
        voltage_v=(230.5, 231.0, 229.5),
        power_phase_w=(3688.0, 3580.5, 0.0),
        frequency_hz=50.0,
        apparent_power_va=0.0,
        reactive_power_var=0.0,
        power_factor=0.0,
        energy_step_wh=pytest.approx(1000 * 2**-13),
    )


async def test_two_meters_on_one_bus_are_told_apart(bus: SerialBus | TcpBus, sdm630: Sdm630) -> None:
    Sdm630(sdm630.slave, unit=2).show(72, 5.0)
    first, second = open_meter(bus, 1), open_meter(bus, 2)
    assert (await second.read()).energy_import_wh == 5000.0
    assert (await first.read()).energy_import_wh == pytest.approx(1_234_567.0, abs=0.1)
    await first.close()
    assert (await second.read()).energy_import_wh == 5000.0


async def test_values_that_are_no_numbers_are_unknown(bus: SerialBus | TcpBus, sdm630: Sdm630) -> None:
    for address in (0, 8, 52, 72):
        sdm630.show(address, NAN)
    reading = await open_meter(bus).read()
    assert (reading.energy_import_wh, reading.power_w) == (None, None)
    assert reading.voltage_v == (None, 231.0, 229.5)
    assert reading.current_a == (16.0, None, 0.0)


async def test_values_that_cannot_be_are_unknown(bus: SerialBus | TcpBus, sdm630: Sdm630) -> None:
    for address, value in ((0, 900.0), (2, -5.0), (6, 1e9), (52, 1e12), (70, 5.0), (72, -1.0)):
        sdm630.show(address, value)
    reading = await open_meter(bus).read()
    assert reading.voltage_v == (None, None, 229.5)
    assert reading.current_a[0] is None
    assert (reading.power_w, reading.frequency_hz, reading.energy_import_wh) == (None, None, None)


@pytest.mark.parametrize(("shown", "meant"), [(499.8, 49.98), (50.1, 50.1), (0.0, None)])
async def test_a_frequency_in_tenths_is_understood(
    bus: SerialBus | TcpBus, sdm630: Sdm630, shown: float, meant: float | None
) -> None:
    sdm630.show(70, shown)
    frequency_hz = (await open_meter(bus).read()).frequency_hz
    assert frequency_hz == (None if meant is None else pytest.approx(meant, abs=0.001))


async def test_a_silent_meter_is_an_error_and_no_old_value(bus: SerialBus | TcpBus, sdm630: Sdm630) -> None:
    await open_meter(bus).read()
    meter = open_meter(bus, timeout_s=0.2)
    sdm630.slave.manners.extend([Manner.SILENT] * 2)
    with pytest.raises(DriverTimeout):
        await meter.read()


async def test_garbage_is_an_error_and_no_value(bus: SerialBus | TcpBus, sdm630: Sdm630) -> None:
    sdm630.slave.manners.extend([Manner.GARBAGE] * 2)
    with pytest.raises(DriverProtocolError):
        await open_meter(bus, timeout_s=0.2).read()


async def test_a_meter_that_refuses_its_energy_is_an_error(
    bus: SerialBus | TcpBus, sdm630: Sdm630, tmp_path: Path
) -> None:
    profile = tmp_path / "two.toml"
    profile.write_text(
        'id = "two"\nfunction_code = 4\n[registers.energy_import]\naddr = 72\ntype = "float32"\nscale = 1000\n'
        '[registers.voltage_l1]\naddr = 0\ntype = "float32"\n'
    )
    meter = open_meter(bus, profile=str(profile))
    sdm630.slave.manners.extend([Manner.REFUSED, Manner.WELL])
    reading = await meter.read()
    assert reading.voltage_v[0] is None
    assert reading.energy_import_wh == pytest.approx(1_234_567.0, abs=0.1)
    sdm630.slave.manners.extend([Manner.WELL, Manner.REFUSED])
    with pytest.raises(DriverRejected):
        await meter.read()


async def test_a_meter_that_refuses_wide_reads_is_read_in_narrow_ones(
    bus: SerialBus | TcpBus, sdm630: Sdm630, tmp_path: Path
) -> None:
    shipped = (config_dir() / "meters" / "eastron_sdm630.toml").read_text()
    profile = tmp_path / "wide.toml"
    profile.write_text("max_gap = 40\n" + "\n".join(x for x in shipped.splitlines() if not x.startswith("max_gap")))
    meter = open_meter(bus, profile=str(profile))
    await meter.read()
    assert [(address, count) for _, _, address, count in sdm630.slave.requests] == [(0, 76)]
    sdm630.slave.manners.append(Manner.REFUSED)
    reading = await meter.read()
    assert reading.energy_import_wh == pytest.approx(1_234_567.0, abs=0.1)
    await meter.read()
    narrow = [(0, 18), (52, 24)]
    assert [(address, count) for _, _, address, count in sdm630.slave.requests[2:]] == narrow * 2


def test_a_wrong_profile_is_found_before_anything_is_opened() -> None:
    spec = find(DriverKind.METER, "modbus")
    _, problems = check_options(spec, {"profile": "none", "bus": "rs485"})
    assert [each.option for each in problems] == ["profile"]
