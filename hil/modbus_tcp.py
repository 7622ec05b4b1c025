"""The meters of the bus over Modbus TCP, as behind a gateway: the same registers, the same faults.

What a gateway cannot pass on (a wrong checksum, half an answer) it answers with exception 11, gateway target device
failed to respond. Sources: MODBUS Messaging on TCP/IP V1.0b §3.1.3 (MBAP); MODBUS Application Protocol V1.1b3 §7.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from hil.modbus_slave import ModbusSlave, crc16

_HEADER: Final = struct.Struct(">HHHB")  # transaction, protocol 0, bytes that follow, unit
_LONGEST_B: Final = 254
_NO_ANSWER_BEHIND: Final = 11


class TcpMeters:
    """Serves a slave on a free port of this machine, which it writes to a file."""

    def __init__(self, slave: ModbusSlave, port_file: Path, later: Callable[[int, Callable[[], None]], None]) -> None:
        """``later`` does something after the time by which the answers of a unit come late."""
        self._slave = slave
        self._port_file = port_file
        self._later = later
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._port_file.write_text(f"{self.port}\n", encoding="utf-8")

    async def close(self) -> None:
        """Listen no longer."""
        self._port_file.unlink(missing_ok=True)
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                transaction, protocol, length, unit = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                if protocol != 0 or not 2 <= length <= _LONGEST_B:
                    return
                self._ask(transaction, bytes((unit,)) + await reader.readexactly(length - 1), writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            writer.close()

    def _ask(self, transaction: int, request: bytes, writer: asyncio.StreamWriter) -> None:
        self._slave.rest()
        answer = self._slave.feed(request + crc16(request))
        if answer:
            writer.write(_framed(transaction, request, answer))
        for late in self._slave.take_late():
            self._later(late[0], partial(_write, writer, _framed(transaction, request, late)))


def _write(writer: asyncio.StreamWriter, frame: bytes) -> None:
    if not writer.is_closing():
        writer.write(frame)


def _framed(transaction: int, request: bytes, answer: bytes) -> bytes:
    body = answer[:-2]
    if crc16(body) != answer[-2:]:
        body = bytes((request[0], request[1] | 0x80, _NO_ANSWER_BEHIND))
    return _HEADER.pack(transaction, 0, len(body), body[0]) + body[1:]
