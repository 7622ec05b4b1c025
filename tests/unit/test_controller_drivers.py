"""What the Modbus controller drivers write and read, register by register, on a line made of dictionaries."""

from __future__ import annotations

import os
import threading
import time
import tty
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from drivers.api import DriverProtocolError, DriverRejected, DriverTimeout, DriverUnavailable
from drivers.api.controllers import (
    NO_OFFER,
    STOP_AT_ONCE,
    ControllerFault,
    ControllerOrder,
    RegisterLine,
    VehicleState,
)
from drivers.controllers import evse_din, phoenix
from drivers.controllers.modbus_frames import NotThere
from drivers.controllers.modbus_line import RtuLine, open_tcp_line
from hil.modbus_slave import crc16


class TableLine:
    """A line whose one device is two tables; it notes what is written."""

    def __init__(self, holding: dict[int, int], inputs: dict[int, int] | None = None) -> None:
        self.holding, self.inputs, self.coils = holding, inputs or {}, dict.fromkeys((400, 20000), False)
        self.written: list[tuple[int, int]] = []
        self.units: set[int] = set()

    def read_registers(self, unit: int, function: int, address: int, count: int) -> Sequence[int]:
        self.units.add(unit)
        table = self.holding if function == 3 else self.inputs
        if not table.keys() >= set(range(address, address + count)):
            raise NotThere(f"registers {address} refused with exception 2")
        return tuple(table[each] for each in range(address, address + count))

    def read_bits(self, unit: int, function: int, address: int, count: int) -> Sequence[bool]:
        return (self.coils[address],)

    def write_register(self, unit: int, address: int, value: int, *, several: bool = False) -> None:
        self.written.append((address, value))
        self.holding[address] = value

    def write_coil(self, unit: int, address: int, on: bool) -> None:
        self.written.append((address, int(on)))
        self.coils[address] = on

    def close(self) -> None:
        """Nothing to release."""


class Seat:
    """A bus whose thread is the test."""

    def __init__(self, line: TableLine) -> None:
        self.line = line

    def attach(self, turn: Callable[[RegisterLine], float]) -> Callable[[], None]:
        self.turn = turn
        return lambda: None

    def go(self, turns: int = 3) -> None:
        for _ in range(turns):
            self.turn(self.line)


def din(line: TableLine, boot_current_a: int = 0) -> tuple[evse_din.EvseDin, Seat]:
    seat = Seat(line)
    return evse_din.open_controller(bus=seat, unit=1, poll_s=0.0, boot_current_a=boot_current_a), seat


def din_table(**changes: int) -> dict[int, int]:
    table = {1000: 16, 1001: 0, 1002: 1, 1003: 32, 1004: 0, 1005: 17, 1006: 1, 1007: 0, 2000: 32, 2005: 0}
    return table | {int(name[1:]): value for name, value in changes.items()}


def test_an_evse_din_is_told_no_current_before_anything_else_and_offers_nothing_after_its_own_boot() -> None:
    line = TableLine(din_table())
    _, seat = din(line)
    seat.go(1)
    assert line.written == [(1000, 0), (2000, 0)]
    line.written.clear()
    seat.go(5)
    assert line.written == []  # 2000 is kept in EEPROM: written once, where it differs


def test_an_evse_din_that_shall_keep_its_boot_current_keeps_it() -> None:
    line = TableLine(din_table())
    _, seat = din(line, boot_current_a=-1)
    seat.go()
    assert line.holding[2000] == 32


def test_fine_steps_are_used_where_the_controller_counts_them() -> None:
    line = TableLine(din_table(r2005=0x80, r1001=1370, r1006=2, r1002=3))
    controller, seat = din(line)
    seat.go()
    controller.command(ControllerOrder(current_a=13.7))
    seat.go()
    assert line.holding[1000] == 1370
    reading = controller.read()
    assert reading is not None
    assert reading.offer_a == pytest.approx(13.7)


def test_an_evse_din_that_holds_something_else_is_told_again() -> None:
    line = TableLine(din_table())
    controller, seat = din(line)
    seat.go()
    line.holding[1000] = 32  # it has restarted, or somebody pressed its button
    seat.go()
    assert line.holding[1000] == 0
    assert controller.settle(0.0)


@pytest.mark.parametrize(
    ("registers", "vehicle", "faults"),
    [
        ({"r1002": 4}, VehicleState.D, ()),
        ({"r1002": 5}, None, (ControllerFault.PILOT,)),
        ({"r1002": 5, "r1007": 0x02}, None, (ControllerFault.DIODE,)),
        ({"r1002": 2, "r1007": 0x24}, VehicleState.B, (ControllerFault.VENTILATION, ControllerFault.RCD)),
        ({"r1002": 9}, None, ()),
    ],
)
def test_what_an_evse_din_says_is_wrong(
    registers: dict[str, int], vehicle: VehicleState | None, faults: tuple[ControllerFault, ...]
) -> None:
    controller, seat = din(TableLine(din_table(**registers)))
    seat.go()
    reading = controller.read()
    assert reading is not None
    assert (reading.vehicle, reading.faults) == (vehicle, faults)


def test_old_firmware_without_a_status_register_leaves_the_contactor_unknown() -> None:
    table = din_table()
    del table[1007]
    controller, seat = din(TableLine(table))
    seat.go()
    reading = controller.read()
    assert reading is not None
    assert reading.contactor_closed is None
    assert controller.trouble is None


def test_firmware_with_the_eight_documented_registers_and_function_6_alone_is_served() -> None:
    class Plain(TableLine):
        def write_register(self, unit: int, address: int, value: int, *, several: bool = False) -> None:
            if several or address not in (1000, 1004):
                raise NotThere(f"write of {address} refused with exception 1")
            super().write_register(unit, address, value)

    table = din_table(r1002=2, r1001=10, r1006=2)
    del table[2000], table[2005]
    line = Plain(table)
    controller, seat = din(line)
    seat.go()
    controller.command(ControllerOrder(current_a=10.0))
    seat.go()
    assert line.written == [(1000, 0), (1000, 10)]
    assert controller.trouble is None
    controller.command(STOP_AT_ONCE)
    seat.go()
    assert line.written[-2:] == [(1000, 0), (1004, 1)]
    controller.command(ControllerOrder(current_a=10.0))
    seat.go()
    assert line.written[-2:] == [(1004, 0), (1000, 10)]


def test_a_phoenix_without_cable_and_error_registers_is_served_without_them() -> None:
    controller, seat = phx(TableLine({300: 6}, {100: ord("B")}), "em-cp-pp-eth")
    seat.go()
    reading = controller.read()
    assert reading is not None
    assert (reading.vehicle, reading.cable_a, reading.faults) == (VehicleState.B, None, ())


def phx(line: TableLine, model: str, *, connector: int = 1, tenths: bool = False) -> tuple[phoenix.Phoenix, Seat]:
    seat = Seat(line)
    made = phoenix.open_controller(bus=seat, model=model, connector=connector, poll_s=0.0, tenths=tenths)
    return made, seat


def ser_table(**changes: int) -> dict[int, int]:
    table = {4000: 3, 22000: 16, 24000: 0x4231, 24001: 20, 24002: 100, 24003: 0, 24025: 0}
    return table | {int(name[1:]): value for name, value in changes.items()}


def test_a_serial_phoenix_reports_what_its_pilot_signals() -> None:
    line = TableLine(ser_table())
    controller, seat = phx(line, "ev-cc-ser")
    seat.go()
    controller.command(ControllerOrder(current_a=13.9))
    seat.go(1)
    assert line.written[-2:] == [(22000, 13), (20000, 1)]  # the current first
    line.holding |= {24000: 0x4332, 24002: 21, 24003: 13}
    seat.go()
    reading = controller.read()
    assert reading is not None
    assert (reading.vehicle, reading.offer_a, reading.cable_a) == (VehicleState.C, 13.0, 20.0)
    controller.command(NO_OFFER)
    seat.go(1)
    assert line.written[-1] == (20000, 0)


def test_error_bits_of_a_serial_phoenix() -> None:
    controller, seat = phx(TableLine(ser_table(r24025=1 << 12 | 1 << 3 | 1 << 2 | 1 << 15)), "ev-cc-ser")
    seat.go()
    reading = controller.read()
    assert reading is not None
    assert reading.faults == (ControllerFault.PROXIMITY, ControllerFault.CONTACTOR_WELDED, ControllerFault.RCD)


def test_a_phoenix_that_would_not_obey_is_not_believed_and_the_reason_is_told() -> None:
    controller, seat = phx(TableLine(ser_table(r4000=1)), "ev-cc-ser")
    seat.go()
    assert controller.read() is None
    assert controller.trouble == (
        "register 4000 holds 1, expected 3 (charging is enabled through coil 20000): set it on the controller"
    )


def test_a_serial_phoenix_whose_status_is_an_input_register_is_read_there() -> None:
    table = ser_table()
    inputs = {address: table.pop(address) for address in list(table) if address >= 24000}
    controller, seat = phx(TableLine(table, inputs), "ev-cc-ser")
    seat.go()
    reading = controller.read()
    assert reading is not None
    assert reading.vehicle is VehicleState.B


def test_the_second_controller_behind_a_charx_has_its_own_thousand() -> None:
    line = TableLine({2120: 5, 2299: 0x4231, 2300: 0, 2301: 16})
    controller, seat = phx(line, "charx", connector=2)
    seat.go()
    controller.command(ControllerOrder(current_a=10.0))
    seat.go()
    assert line.written[-2:] == [(2301, 10), (2300, 1)]
    reading = controller.read()
    assert reading is not None
    assert reading.offer_a == 10.0


def test_tenths_of_an_ampere_where_the_firmware_counts_them() -> None:
    line = TableLine({528: 160}, {100: ord("B")})
    controller, seat = phx(line, "ev-cc-eth", tenths=True)
    seat.go()
    controller.command(ControllerOrder(current_a=13.75))
    seat.go()
    assert line.holding[528] == 137
    assert line.units == {255}


class Slave:
    """The other end of a pty, answering each request with what the test says, in order."""

    def __init__(self, folder: Path) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.slave = slave
        self.path = folder / "line"
        self.path.symlink_to(os.ttyname(slave))

    def answer(self, *answers: bytes) -> threading.Thread:
        def serve() -> None:
            for answer in answers:
                os.read(self.master, 256)
                os.write(self.master, answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
        for end in (self.master, self.slave):
            os.close(end)


def rtu(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc16(body)


def test_after_a_silence_the_same_read_waits_for_the_late_answer_while_a_write_goes(tmp_path: Path) -> None:
    slave = Slave(tmp_path)
    line = RtuLine(port=str(slave.path), baud=115200, parity="N", stopbits=1, gap_s=0.0)
    with pytest.raises(DriverTimeout, match="no answer to function 3 at 1000 of unit 1"):
        line.read_registers(1, 3, 1000, 1)
    os.read(slave.master, 256)
    with pytest.raises(DriverTimeout, match="unit 1 still owes an answer"):
        line.read_registers(1, 3, 1002, 1)  # its answer could not be told from the late one
    thread = slave.answer(rtu("0103020010") + rtu("0106012c0006"))  # the late answer, and ours behind it
    line.write_register(1, 300, 6)
    thread.join(5.0)
    thread = slave.answer(rtu("02030200 07".replace(" ", "")))
    assert line.read_registers(2, 3, 1000, 1) == (7,)  # another unit owes nothing
    thread.join(5.0)
    time.sleep(0.7)
    thread = slave.answer(rtu("0103020003"))
    assert line.read_registers(1, 3, 1002, 1) == (3,)
    thread.join(5.0)
    line.close()
    slave.close()


def test_short_and_foreign_answers_are_told_and_owe_nothing(tmp_path: Path) -> None:
    slave = Slave(tmp_path)
    line = RtuLine(port=str(slave.path), baud=115200, parity="N", stopbits=1, gap_s=0.0)
    thread = slave.answer(rtu("02030200100000"), rtu("018302"))
    with pytest.raises(DriverProtocolError, match="9 bytes came that do not answer function 3 at 1000 of unit 1"):
        line.read_registers(1, 3, 1000, 1)
    with pytest.raises(DriverRejected, match="function 3 at 1000 of unit 1 refused with exception 2"):
        line.read_registers(1, 3, 1000, 1)
    thread.join(5.0)
    line.close()
    slave.close()


def test_a_port_that_is_not_there_in_use_or_no_port_is_said_so_and_not_tried_at_every_call(tmp_path: Path) -> None:
    line = RtuLine(port=str(tmp_path / "none"), baud=9600, parity="N", stopbits=1, gap_s=0.0)
    with pytest.raises(DriverUnavailable, match="none cannot be opened: No such file or directory"):
        line.read_registers(1, 3, 0, 1)
    (tmp_path / "none").write_text("")
    with pytest.raises(DriverUnavailable, match="No such file or directory"):  # the pause is not over
        line.read_registers(1, 3, 0, 1)
    plain = RtuLine(port=str(tmp_path / "none"), baud=9600, parity="N", stopbits=1, gap_s=0.0)
    with pytest.raises(DriverUnavailable, match="cannot be used at 9600 baud"):
        plain.read_registers(1, 3, 0, 1)
    slave = Slave(tmp_path)
    first, second = (RtuLine(port=str(slave.path), baud=9600, parity="N", stopbits=1, gap_s=0.0) for _ in range(2))
    thread = slave.answer(rtu("0103020001"))
    first.read_registers(1, 3, 0, 1)
    thread.join(5.0)
    with pytest.raises(DriverUnavailable, match="is in use by another process"):
        second.read_registers(1, 3, 0, 1)
    first.close()
    slave.close()


def test_a_tcp_host_that_refuses_is_said_so() -> None:
    line = open_tcp_line(host="127.0.0.1", tcp_port=1)
    with pytest.raises(DriverUnavailable, match=r"127\.0\.0\.1:1 cannot be reached"):
        line.read_registers(1, 3, 0, 1)
