"""Every register of every shipped profile: served by the bench's own encoder, read back by the production driver."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.api import DriverRejected, RegisterKind
from drivers.config_dir import config_dir
from drivers.meter.bus import SerialBus
from drivers.meter.modbus import ModbusMeter
from drivers.meter.profile import Profile, RegisterType
from drivers.meter.profile_file import load_profile, profile_names, read_profile
from hil.modbus_slave import Fault, ModbusSlave, Quantities, RegisterMap, Unit
from hil.pty_port import PtyPort
from hil.register_map import SERIAL_NUMBER, values_of

SHOWN = Quantities(
    voltage_v=(230.0, 231.0, 229.0), current_a=(16.0, 15.0, 14.0), energy_wh=1_234_000.0, frequency_hz=50.0
)


class InMemory:
    """A bus whose wire is a function call; the frames are the slave's own."""

    def __init__(self, slave: ModbusSlave) -> None:
        self._slave = slave
        self.reads: list[tuple[int, int]] = []

    async def read_registers(
        self, *, unit: int, kind: RegisterKind, address: int, count: int, timeout_s: float = 1.0
    ) -> tuple[int, ...]:
        from hil.modbus_slave import crc16

        self.reads.append((address, count))
        body = bytes((unit, kind.value)) + address.to_bytes(2, "big") + count.to_bytes(2, "big")
        answer = self._slave.feed(body + crc16(body))
        if answer[1] & 0x80:
            raise DriverRejected(f"exception {answer[2]}", answer[2])
        return tuple(int.from_bytes(answer[i : i + 2], "big") for i in range(3, 3 + 2 * count, 2))

    async def close(self) -> None:
        """Nothing to release."""


def slave_of(name: str, *, holes_refused: bool = False) -> ModbusSlave:
    unit = Unit(measure=lambda: SHOWN, fault=lambda: Fault.NONE)
    register_map = RegisterMap.load(config_dir() / "meters" / f"{name}.toml")
    return ModbusSlave(register_map, {1: unit}, holes_refused=holes_refused)


def tolerance(profile: Profile, name: str, value: float) -> float:
    register = profile.registers.get(name)
    if register is None:
        return 0.2
    if register.type in (RegisterType.T5, RegisterType.T6):
        return max(0.001, abs(value) * 2**-22)
    # a register shared with a power of ten is as coarse as the greatest value that shares it
    exponent = 0.0 if register.exponent_at is None else 1.0
    return max(exponent, register.step(value) / 2 * 1.001)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[tuple[SerialBus, list[ModbusSlave]]]:
    """A pseudo-terminal with whatever slave is in the list behind it."""
    behind: list[ModbusSlave] = []
    port = PtyPort(tmp_path / "bus", lambda chunk: port.send(behind[0].feed(chunk)))
    port.attach(asyncio.get_running_loop())
    bus = SerialBus(port=str(tmp_path / "bus"), baud=115200, gap_s=0.0, retries=0)
    yield bus, behind
    await bus.close()
    port.close()


async def test_every_register_of_every_profile_is_read_back_through_the_driver(
    line: tuple[SerialBus, list[ModbusSlave]],
) -> None:
    bus, behind = line
    registers = 0
    for name in profile_names():
        behind[:] = [slave_of(name)]
        profile = load_profile(name)
        found = await ModbusMeter(profile=profile, unit=1, bus=bus).read_everything()
        assert found.keys() == profile.registers.keys() | profile.sums.keys()
        expected = values_of(SHOWN, profile.phases)
        for each, value in found.items():
            registers += 1
            if each in profile.registers and profile.registers[each].type is RegisterType.STRING:
                assert value == ("WM3M4" if each == "model" else str(SERIAL_NUMBER)), (name, each)
            else:
                assert isinstance(value, float | int), (name, each)
                assert math.isclose(value, expected[each], abs_tol=tolerance(profile, each, expected[each])), (
                    f"{name} {each}: {value}, expected {expected[each]}"
                )
    assert registers >= 964
    counters = bus.counters(1)
    assert (counters.failures, counters.late) == (0, 0)
    assert counters.requests == counters.answers


@pytest.mark.parametrize("name", profile_names())
async def test_every_profile_gives_a_reading_even_of_a_meter_that_refuses_holes(name: str) -> None:
    bus = InMemory(slave_of(name, holes_refused=True))
    profile = load_profile(name)
    meter = ModbusMeter(profile=profile, unit=1, bus=bus)
    first = await meter.read()
    asked = len(bus.reads)
    second = await meter.read()
    assert len(bus.reads) - asked <= asked  # what was refused once is not tried again
    expected = values_of(SHOWN, profile.phases)
    for reading in (first, second):
        assert reading.energy_import_wh == pytest.approx(1_234_000.0, abs=500.0)
        if "power" in profile.quantities:
            assert reading.power_w == pytest.approx(expected["power"], abs=5.0)
        assert reading.frequency_hz in (None, pytest.approx(50.0, abs=0.01))
        for phase in range(profile.phases if "current_l1" in profile.registers else 0):
            assert reading.current_a[phase] == pytest.approx(SHOWN.current_a[phase], abs=0.51)
            assert reading.voltage_v[phase] == pytest.approx(SHOWN.voltage_v[phase], abs=0.51)
    no_refusal = len(bus.reads)
    await meter.read()
    assert len(bus.reads) - no_refusal == len(bus.reads[asked:no_refusal])


@pytest.mark.parametrize("name", profile_names())
async def test_a_device_that_refuses_everything_is_given_up_soon(name: str) -> None:
    bus = InMemory(slave_of("iskra_wm3m4" if name != "iskra_wm3m4" else "eastron_sdm630"))
    meter = ModbusMeter(profile=load_profile(name), unit=1, bus=bus)
    with contextlib.suppress(DriverRejected):
        await meter.read()
    await meter.read_everything()
    assert len(bus.reads) < 150


@pytest.mark.parametrize("name", [name for name in profile_names() if load_profile(name).identity])
async def test_the_identity_of_a_profile_is_found_in_its_meter(name: str) -> None:
    bus = InMemory(slave_of(name))
    for mark in load_profile(name).identity:
        words = await bus.read_registers(unit=1, kind=mark.kind, address=mark.address, count=mark.count)
        assert words in mark.one_of


@pytest.mark.parametrize("name", profile_names())
def test_a_poll_stays_within_the_limits_of_the_meter(name: str) -> None:
    document = tomllib.loads((config_dir() / "meters" / f"{name}.toml").read_text())
    profile = read_profile(document)
    for block in profile.blocks(profile.needs(profile.quantities)):
        assert block.count <= document.get("max_block", 125)
        held = {address for each in block.registers for address in range(each.address, each.end)}
        gaps = sorted(held)
        assert all(b - a - 1 <= document.get("max_gap", 8) for a, b in itertools.pairwise(gaps))
