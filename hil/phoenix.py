"""EM-CP-PP-ETH as a Modbus TCP server, one Modbus address per EVSE from 180 on. Written without the master's code.

Source: the register map in docs/drivers/phoenix.md.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import Final

from hil.bought_controller import BoughtController, ControllerMode

FIRST_UNIT: Final = 180


class EmCpPp:
    """One controller's registers; ``answer`` is pure."""

    def __init__(self, controller: BoughtController) -> None:
        self.controller = controller
        self._enabled = False
        self._current_a = 16
        controller.on_power_loss(self._forget)

    def answer(self, pdu: bytes) -> bytes:
        """Return the answer to a request, both from the function on."""
        if len(pdu) < 5:
            return bytes((pdu[0] | 0x80 if pdu else 0x80, 3))
        function, address, word = struct.unpack(">BHH", pdu[:5])
        match function:
            case 1 if address == 400 and word == 1:
                return bytes((function, 1, self._enabled))
            case 3 if address == 300 and word == 1:
                return struct.pack(">BBH", function, 2, self._current_a)
            case 4 if address in (inputs := self._inputs()) and word == 1:
                return struct.pack(">BBH", function, 2, inputs[address])
            case 5 if address == 400:
                self._set(enabled=word == 0xFF00, current_a=self._current_a)
                return pdu[:5]
            case 6 if address == 300:
                if not 6 <= word <= 80:
                    return bytes((function | 0x80, 3))
                self._set(enabled=self._enabled, current_a=word)
                return pdu[:5]
            case 1 | 3 | 4 | 5 | 6:
                return bytes((function | 0x80, 2))
        return bytes((function | 0x80, 1))

    def _set(self, *, enabled: bool, current_a: int) -> None:
        if self.controller.mode is not ControllerMode.DISOBEY:
            self._enabled, self._current_a = enabled, current_a
        self.controller.allow(float(current_a) if enabled else 0.0)

    def _inputs(self) -> dict[int, int]:
        controller = self.controller
        return {100: ord(controller.state), 101: controller.cable_a, 107: 0}

    def _forget(self) -> None:
        self._enabled, self._current_a = False, 16


class PhoenixServer:
    """The Modbus TCP server of all controllers."""

    def __init__(self, controllers: Mapping[int, BoughtController], acted: Callable[[], None]) -> None:
        """``acted`` is called after every request, since it may have changed an order."""
        self._units = {FIRST_UNIT + number - 1: EmCpPp(each) for number, each in controllers.items()}
        self._acted = acted
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on this machine, on a free port if none is given; ``port`` tells which."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._links.add(writer)
        try:
            while True:
                head = await reader.readexactly(7)
                length = int.from_bytes(head[4:6], "big")
                pdu = await reader.readexactly(max(length - 1, 0))
                answer = self._answer(head, pdu)
                self._acted()
                if answer:
                    writer.write(answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._links.discard(writer)
            writer.close()

    def _answer(self, head: bytes, pdu: bytes) -> bytes:
        unit = self._units.get(head[6])
        if unit is None or unit.controller.mode is ControllerMode.SILENT:
            return b""
        body = unit.answer(pdu)
        number = head[:2]
        if unit.controller.mode is ControllerMode.GARBAGE:
            number = bytes((number[0] ^ 0x55, number[1]))  # the answer to something that was never asked
        return number + b"\x00\x00" + (len(body) + 1).to_bytes(2, "big") + head[6:7] + body
