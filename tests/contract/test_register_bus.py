"""The register bus contract, over every bus: a right answer or an error, never somebody else's answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from drivers.api import (
    DriverError,
    DriverProtocolError,
    DriverRejected,
    DriverTimeout,
    DriverUnavailable,
    RegisterBus,
    RegisterKind,
)
from drivers.meter.bus import SerialBus, TcpBus
from tests.contract.modbus_slave import Manner, ModbusSlave, RtuSlave, TcpSlave

T_S = 0.1  # time-out of the reads that shall fail


@dataclass
class Line:
    """A slave and a bus that leads to it."""

    bus: RegisterBus
    slave: ModbusSlave

    async def read(
        self, address: int, count: int = 2, *, unit: int = 1, timeout_s: float = 2.0, input: bool = True
    ) -> tuple[int, ...]:
        kind = RegisterKind.INPUT if input else RegisterKind.HOLDING
        return await self.bus.read_registers(unit=unit, kind=kind, address=address, count=count, timeout_s=timeout_s)


async def _rtu_line(retries: int) -> Line:
    slave = RtuSlave()
    return Line(SerialBus(port=slave.path, baud=115200, gap_s=0.0, retries=retries), slave)


async def _tcp_line(retries: int) -> Line:
    slave = TcpSlave()
    await slave.listen()
    return Line(TcpBus(host="127.0.0.1", tcp_port=slave.tcp_port, retries=retries), slave)


_LINES = {"rtu": _rtu_line, "tcp": _tcp_line}


@pytest.fixture(params=list(_LINES))
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    """A bus without retries, so that each request meets the manner meant for it."""
    made = await _LINES[request.param](retries=0)
    made.slave.set_words(1, 100, (0x1111, 0x1112))
    made.slave.set_words(1, 200, (0x2221, 0x2222))
    made.slave.set_words(2, 100, (0x3331, 0x3332))
    yield made
    await made.bus.close()
    await made.slave.close()  # type: ignore[attr-defined]  # every wire's slave can be closed


async def test_registers_are_read_with_the_function_that_was_asked_for(line: Line) -> None:
    assert await line.read(100) == (0x1111, 0x1112)
    assert await line.read(200, 1, input=False) == (0x2221,)
    assert line.slave.requests == [(1, 4, 100, 2), (1, 3, 200, 1)]


async def test_the_longest_read_arrives_whole(line: Line) -> None:
    words = tuple(range(1000, 1125))
    line.slave.set_words(1, 1000, words)
    assert await line.read(1000, 125) == words


async def test_two_units_answer_on_one_bus(line: Line) -> None:
    first, second = await asyncio.gather(line.read(100, unit=1), line.read(100, unit=2))
    assert (first, second) == ((0x1111, 0x1112), (0x3331, 0x3332))


async def test_silence_is_a_timeout(line: Line) -> None:
    line.slave.manners.append(Manner.SILENT)
    with pytest.raises(DriverTimeout, match="no answer to input registers 100-101 of unit 1"):
        await line.read(100, timeout_s=T_S)


@pytest.mark.parametrize("manner", [Manner.SHORT, Manner.TRUNCATED, Manner.WRONG_UNIT, Manner.ODD_LENGTH])
async def test_an_answer_that_is_not_ours_is_an_error(line: Line, manner: Manner) -> None:
    line.slave.manners.append(manner)
    with pytest.raises((DriverProtocolError, DriverTimeout)):
        await line.read(100, timeout_s=T_S)


@pytest.mark.parametrize("manner", [Manner.WRONG_FUNCTION, Manner.GARBAGE])
async def test_bytes_that_are_no_answer_are_a_protocol_error(line: Line, manner: Manner) -> None:
    line.slave.manners.append(manner)
    with pytest.raises(DriverProtocolError, match="bytes came that are no answer"):
        await line.read(100, timeout_s=T_S)


async def test_an_exception_answer_is_a_refusal(line: Line) -> None:
    line.slave.manners.append(Manner.REFUSED)
    with pytest.raises(DriverRejected, match=r"exception 2 \(illegal data address"):
        await line.read(100)
    assert await line.read(100) == (0x1111, 0x1112)


@pytest.mark.parametrize("manner", [Manner.SHORT, Manner.TRUNCATED, Manner.WRONG_FUNCTION, Manner.GARBAGE])
async def test_the_read_after_a_bad_answer_gets_its_own(line: Line, manner: Manner) -> None:
    line.slave.manners.append(manner)
    with pytest.raises(DriverError):
        await line.read(100, timeout_s=T_S)
    assert await line.read(200) == (0x2221, 0x2222)


@pytest.mark.parametrize("manner", [Manner.NOISE_FIRST, Manner.IN_PIECES])
async def test_an_answer_behind_noise_or_in_pieces_is_understood(line: Line, manner: Manner) -> None:
    line.slave.manners.append(manner)
    assert await line.read(100) == (0x1111, 0x1112)


async def test_a_late_answer_is_never_taken_for_the_next_one(line: Line) -> None:
    line.slave.manners.append(Manner.HELD)
    with pytest.raises(DriverTimeout):
        await line.read(100, timeout_s=T_S)
    line.slave.asked.clear()
    second = asyncio.ensure_future(line.read(200, timeout_s=3.0))
    if isinstance(line.slave, TcpSlave):
        await line.slave.asked.wait()
    line.slave.release_held()
    assert await second == (0x2221, 0x2222)


async def test_a_late_answer_between_two_reads_is_dropped(line: Line) -> None:
    line.slave.manners.append(Manner.HELD)
    with pytest.raises(DriverTimeout):
        await line.read(100, timeout_s=T_S)
    line.slave.release_held()
    line.slave.set_words(1, 100, (7, 8))
    assert await line.read(100) == (7, 8)


async def test_a_late_answer_of_one_unit_does_not_hold_up_another() -> None:
    line = await _rtu_line(retries=0)
    line.slave.set_words(2, 100, (5, 6))
    line.slave.manners.append(Manner.HELD)
    with pytest.raises(DriverTimeout):
        await line.read(100, unit=1, timeout_s=T_S)
    assert await line.read(100, unit=2) == (5, 6)
    line.slave.manners.append(Manner.HELD)
    other = asyncio.ensure_future(line.read(100, unit=2))
    line.slave.asked.clear()
    await line.slave.asked.wait()
    line.slave.release_held()
    assert await other == (5, 6)
    await line.bus.close()


async def test_while_an_answer_is_owed_a_serial_unit_is_not_asked_again() -> None:
    line = await _rtu_line(retries=0)
    line.slave.manners.append(Manner.SILENT)
    with pytest.raises(DriverTimeout):
        await line.read(100, timeout_s=T_S)
    with pytest.raises(DriverTimeout, match="still owes an answer"):
        await line.read(100, timeout_s=T_S)
    assert len(line.slave.requests) == 1
    await line.bus.close()


@pytest.mark.parametrize("manner", [Manner.SILENT, Manner.GARBAGE, Manner.WRONG_CHECKSUM])
async def test_one_bad_answer_is_repaired_within_the_time_out(manner: Manner) -> None:
    line = await _rtu_line(retries=1)
    line.slave.set_words(1, 100, (9, 10))
    line.slave.manners.append(manner)
    assert await line.read(100, timeout_s=1.0) == (9, 10)
    await line.bus.close()


async def test_the_answer_to_a_retry_that_comes_after_the_late_one_is_dropped_too() -> None:
    slave = RtuSlave()
    bus = SerialBus(port=slave.path, baud=115200, gap_s=0.0, retries=1)
    line = Line(bus, slave)
    slave.set_words(1, 100, (1, 2))
    slave.set_words(1, 200, (3, 4))
    slave.manners.extend([Manner.HELD, Manner.HELD])
    first = asyncio.ensure_future(line.read(100, timeout_s=0.8))
    while len(slave.held) < 2:
        slave.asked.clear()
        await slave.asked.wait()
    slave.release_one()
    assert await first == (1, 2)
    second = asyncio.ensure_future(line.read(200))
    await asyncio.sleep(0)
    slave.release_one()
    assert await second == (3, 4)
    counters = bus.counters(1)
    assert (counters.requests, counters.answers, counters.timeouts, counters.late) == (3, 2, 1, 1)
    await bus.close()


async def test_an_answer_of_another_unit_does_not_pay_what_this_one_owes() -> None:
    line = await _rtu_line(retries=0)
    line.slave.set_words(1, 200, (7, 8))
    line.slave.manners.append(Manner.WRONG_UNIT)
    with pytest.raises(DriverProtocolError, match="another unit, function or length"):
        await line.read(100, timeout_s=T_S)
    with pytest.raises(DriverTimeout, match="still owes an answer"):
        await line.read(200, timeout_s=T_S)
    await line.bus.close()


async def test_a_line_that_is_never_silent_is_told_and_nothing_is_asked() -> None:
    line = await _rtu_line(retries=0)
    await line.read(100)
    assert isinstance(line.bus, SerialBus)
    line.bus.keep_gap(0.2)
    for index in range(120):
        asyncio.get_running_loop().call_later(0.02 * index, line.slave._send, b"\x55")
    with pytest.raises(DriverProtocolError, match="never silent"):
        await line.read(100, timeout_s=T_S)
    assert len(line.slave.requests) == 1
    await line.bus.close()


@pytest.mark.parametrize(
    ("manner", "counter"),
    [
        (Manner.SILENT, "timeouts"),
        (Manner.WRONG_CHECKSUM, "checksums"),
        (Manner.GARBAGE, "checksums"),
        (Manner.TRUNCATED, "short"),
        (Manner.WRONG_UNIT, "foreign"),
        (Manner.WRONG_FUNCTION, "foreign"),
        (Manner.SHORT, "foreign"),
        (Manner.REFUSED, "refusals"),
    ],
)
async def test_every_trouble_is_counted_under_its_name(line: Line, manner: Manner, counter: str) -> None:
    bus = line.bus
    assert isinstance(bus, SerialBus | TcpBus)
    if isinstance(bus, TcpBus) and manner is Manner.WRONG_CHECKSUM:
        return  # there is none over TCP; the last byte is a value
    line.slave.manners.append(manner)
    with pytest.raises(DriverError):
        await line.read(100, timeout_s=T_S)
    found = bus.counters(1)
    assert getattr(found, counter) == 1
    assert found.failures == (counter != "refusals")
    assert bus.counters(2).requests == 0


async def test_a_late_answer_is_counted_and_latencies_are_kept(line: Line) -> None:
    bus = line.bus
    assert isinstance(bus, SerialBus | TcpBus)
    line.slave.manners.append(Manner.HELD)
    with pytest.raises(DriverTimeout):
        await line.read(100, timeout_s=T_S)
    reading = asyncio.ensure_future(line.read(100))
    await asyncio.sleep(0)
    if isinstance(line.slave, TcpSlave):
        line.slave.asked.clear()
        line.slave.manners.append(Manner.HELD)
        await line.slave.asked.wait()
    line.slave.release_held()
    await reading
    found = bus.counters(1)
    assert (found.requests, found.answers, found.late) == (2, 1, 1)
    assert found.latency_s is not None
    least, median, most = found.latency_s
    assert 0.0 < least <= median <= most


async def test_after_a_lost_request_every_later_read_succeeds() -> None:
    slave = RtuSlave()
    bus = SerialBus(port=slave.path, baud=115200, gap_s=0.0, retries=1, late_s=0.8)
    line = Line(bus, slave)
    slave.set_words(1, 100, (1, 2))
    slave.manners.append(Manner.SILENT)
    for _ in range(3):
        assert await line.read(100, timeout_s=0.8) == (1, 2)
    assert len(slave.requests) == 4
    await bus.close()


async def test_a_unit_that_owes_an_answer_does_not_hold_up_another() -> None:
    line = await _rtu_line(retries=0)
    line.slave.set_words(2, 100, (5, 6))
    line.slave.manners.append(Manner.SILENT)
    with pytest.raises(DriverTimeout):
        await line.read(100, unit=1, timeout_s=T_S)
    waiting = asyncio.ensure_future(line.read(100, unit=1, timeout_s=60.0))
    for _ in range(3):
        assert await line.read(100, unit=2) == (5, 6)
    assert not waiting.done()
    waiting.cancel()
    await line.bus.close()


async def test_a_cancelled_read_leaves_the_bus_usable(line: Line) -> None:
    line.slave.manners.append(Manner.HELD)
    reading = asyncio.ensure_future(line.read(100))
    await line.slave.asked.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    line.slave.release_held()
    assert await line.read(200) == (0x2221, 0x2222)


async def test_a_port_that_is_not_there_is_unavailable() -> None:
    bus = SerialBus(port="/dev/serial/by-id/nothing-here")
    with pytest.raises(DriverUnavailable, match="nothing-here cannot be opened: no such file"):
        await bus.read_registers(unit=1, kind=RegisterKind.INPUT, address=0, count=2)
    with pytest.raises(DriverUnavailable, match="is not there"):
        await bus.read_registers(unit=1, kind=RegisterKind.INPUT, address=0, count=2)


async def test_an_adapter_that_is_pulled_out_ends_the_read_at_once() -> None:
    line = await _rtu_line(retries=0)
    assert isinstance(line.slave, RtuSlave)
    line.slave.manners.append(Manner.SILENT)
    reading = asyncio.ensure_future(line.read(100, timeout_s=60.0))
    await line.slave.asked.wait()
    line.slave.unplug()
    with pytest.raises(DriverUnavailable):
        await asyncio.wait_for(reading, 5.0)


async def test_a_connection_that_was_closed_is_opened_again() -> None:
    line = await _tcp_line(retries=0)
    assert isinstance(line.slave, TcpSlave)
    line.slave.set_words(1, 100, (1, 2))
    assert await line.read(100) == (1, 2)
    line.slave.manners.append(Manner.SILENT)
    line.slave.asked.clear()
    reading = asyncio.ensure_future(line.read(100, timeout_s=60.0))
    await line.slave.asked.wait()
    await line.slave.close()
    with pytest.raises(DriverUnavailable):
        await asyncio.wait_for(reading, 5.0)
    await line.slave.listen()
    assert await line.read(100) == (1, 2)
    await line.bus.close()
    await line.slave.close()


async def test_a_closed_bus_is_unavailable(line: Line) -> None:
    await line.read(100)
    await line.bus.close()
    with pytest.raises(DriverUnavailable, match="was closed"):
        await line.read(100)


@pytest.mark.parametrize(
    ("unit", "address", "count", "text"),
    [(300, 0, 2, "unit 300 is outside 0-255"), (1, 0, 126, "count 126 is outside"), (1, 65535, 2, "outside 0-65535")],
)
async def test_a_read_that_cannot_exist_is_the_callers_error(
    line: Line, unit: int, address: int, count: int, text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        await line.read(address, count, unit=unit)


def test_the_modbus_library_is_loaded_only_when_a_bus_opens() -> None:
    script = "import sys, drivers.meter.bus, drivers.meter.modbus; sys.exit('pymodbus' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
