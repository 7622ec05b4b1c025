"""EVSE-DIN on Modbus RTU, as a slave that shares its line with meters. Pure; written without the master's code.

Source: the register map of the evse-wb-din manual, as quoted in docs/drivers/evse-din.md.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import partial
from typing import Final

from hil.bought_controller import BoughtController, ControllerMode
from hil.modbus_slave import crc16

FIRMWARE: Final = 17
_STATES: Final = {"A": 1, "B": 2, "C": 3, "D": 4}
_READ, _WRITE_ONE, _WRITE = 3, 6, 16


class EvseDinSlave:
    """The controllers of one line by Modbus address."""

    def __init__(self, controllers: Mapping[int, BoughtController]) -> None:
        self._controllers = controllers
        self._kept: dict[int, dict[int, int]] = {unit: {2000: 32, 2001: unit, 2002: 6, 2005: 0} for unit in controllers}
        self._command: dict[int, int] = dict.fromkeys(controllers, 0)
        self._pending = bytearray()
        self.writes: list[tuple[int, int, int]] = []
        for unit, controller in controllers.items():
            controller.on_power_loss(partial(self._command.__setitem__, unit, 0))

    def rest(self) -> None:
        """Forget half a request."""
        self._pending.clear()

    def feed(self, chunk: bytes) -> bytes:
        """Return the answers to the requests that ``chunk`` completes."""
        self._pending += chunk
        answers = b""
        while len(self._pending) >= 8:
            size = 9 + self._pending[6] if self._pending[1] == _WRITE else 8
            frame = bytes(self._pending[:size])
            if len(frame) == size and crc16(frame[:-2]) == frame[-2:]:
                del self._pending[:size]
                answers += self._answer(frame)
            elif self._pending[0] in self._controllers and self._pending[1] == _WRITE and len(frame) < size:
                break
            else:
                del self._pending[0]
        return answers

    def _answer(self, frame: bytes) -> bytes:
        unit, function, address, count = struct.unpack(">BBHH", frame[:6])
        controller = self._controllers.get(unit)
        if controller is None or controller.mode is ControllerMode.SILENT:
            return b""
        body = self._body(controller, unit, function, address, count, frame)
        answer = bytes((unit,)) + body
        checksum = crc16(answer)
        if controller.mode is ControllerMode.GARBAGE:
            checksum = bytes((checksum[0] ^ 0x55, checksum[1]))
        return answer + checksum

    def _body(
        self, controller: BoughtController, unit: int, function: int, address: int, count: int, frame: bytes
    ) -> bytes:
        if function == _READ:
            held = self._registers(controller, unit)
            wanted = range(address, address + count)
            if not held.keys() >= set(wanted):
                return bytes((function | 0x80, 2))
            return bytes((function, 2 * count)) + struct.pack(f">{count}H", *(held[each] for each in wanted))
        if function == _WRITE and count == 1:
            self._write(controller, unit, address, int.from_bytes(frame[7:9], "big"))
            return frame[1:6]
        if function == _WRITE_ONE:
            self._write(controller, unit, address, count)
            return frame[1:6]
        return bytes((function | 0x80, 1))

    def _write(self, controller: BoughtController, unit: int, address: int, value: int) -> None:
        self.writes.append((unit, address, value))
        match address:
            case 1000:
                controller.allow(float(value))
            case 1004:
                self._command[unit] = value
                if value & 1:
                    controller.turn_off()
            case _:
                self._kept[unit][address] = value

    def _registers(self, controller: BoughtController, unit: int) -> dict[int, int]:
        status = controller.relay << 0 | controller.evse.diode_shorted << 1 | controller.rcd_tripped << 5
        failed = controller.rcd_tripped or controller.evse.diode_shorted
        return {
            1000: int(controller.allowed_a),
            1001: int(controller.offer_a),
            1002: 5 if failed else _STATES.get(controller.state, 5),
            1003: controller.cable_a,
            1004: self._command[unit],
            1005: FIRMWARE,
            1006: 2 if controller.offers else 1,
            1007: int(status),
            **self._kept[unit],
        }
