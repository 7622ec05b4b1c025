"""A Modbus slave for tests, on a pseudo-terminal or a TCP port, that answers well or as badly as it is told."""

from __future__ import annotations

import asyncio
import os
import tty
from collections import deque
from enum import Enum, auto

from drivers.meter.answers import crc16


class Manner(Enum):
    """How the next request is answered; ``WELL`` when nothing is queued."""

    WELL = auto()
    SILENT = auto()
    HELD = auto()  # the answer waits for release_held()
    SHORT = auto()  # one register less, well formed
    TRUNCATED = auto()  # the last bytes never come
    WRONG_UNIT = auto()
    WRONG_FUNCTION = auto()
    WRONG_CHECKSUM = auto()
    REFUSED = auto()
    GARBAGE = auto()
    NOISE_FIRST = auto()  # three bytes of noise, then a right answer
    IN_PIECES = auto()
    ODD_LENGTH = auto()


class ModbusSlave:
    """Registers of several units behind one line. ``registers[unit][address]`` is a 16-bit word."""

    def __init__(self) -> None:
        self.registers: dict[int, dict[int, int]] = {1: {}}
        self.manners: deque[Manner] = deque()
        self.held: list[bytes] = []
        self.requests: list[tuple[int, int, int, int]] = []
        self.asked = asyncio.Event()
        self.most_in_flight = 0

    def set_words(self, unit: int, address: int, words: tuple[int, ...]) -> None:
        """Put words into consecutive registers."""
        self.registers.setdefault(unit, {}).update({address + i: word for i, word in enumerate(words)})

    def release_held(self) -> None:
        """Send every answer that was held back."""
        for frame in self.held:
            self._send(frame)
        self.held.clear()

    def release_one(self) -> None:
        """Send the oldest answer that was held back."""
        self._send(self.held.pop(0))

    def _take(self, unit: int, pdu: bytes, tail: bytes) -> None:
        function, address, count = pdu[0], int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        self.requests.append((unit, function, address, count))
        self.asked.set()
        known = self.registers.get(unit)
        if known is None:
            return
        manner = self.manners.popleft() if self.manners else Manner.WELL
        words = [known.get(address + i, 0) for i in range(count - (manner is Manner.SHORT))]
        answer_unit = unit + (manner is Manner.WRONG_UNIT)
        answer = bytes((function ^ (7 if manner is Manner.WRONG_FUNCTION else 0), 2 * len(words)))
        answer += b"".join(word.to_bytes(2, "big") for word in words)
        if manner is Manner.REFUSED:
            answer = bytes((function | 0x80, 2))
        if manner is Manner.ODD_LENGTH:
            answer = bytes((function, 2 * len(words) - 1)) + answer[2:-1]
        self._answer(manner, self._frame(answer_unit, answer, tail))

    def _answer(self, manner: Manner, frame: bytes) -> None:
        match manner:
            case Manner.SILENT:
                return
            case Manner.HELD:
                self.held.append(frame)
            case Manner.TRUNCATED:
                self._send(frame[:-3])
            case Manner.WRONG_CHECKSUM:
                self._send(frame[:-1] + bytes((frame[-1] ^ 0x55,)))
            case Manner.GARBAGE:
                self._send(bytes(range(200, 240)))
            case Manner.NOISE_FIRST:
                self._send(b"\x00\xff\x01" + frame)
            case Manner.IN_PIECES:
                for start in range(0, len(frame), 3):
                    asyncio.get_running_loop().call_later(0.002 * start, self._send, frame[start : start + 3])
            case _:
                self._send(frame)

    def _send(self, frame: bytes) -> None:
        raise AssertionError("a slave has a wire")

    def _frame(self, unit: int, pdu: bytes, tail: bytes) -> bytes:
        raise AssertionError("a slave has a wire")


class RtuSlave(ModbusSlave):
    """The slave on a pseudo-terminal; ``path`` is the end for the driver."""

    def __init__(self) -> None:
        super().__init__()
        self.master, self.driver_end = os.openpty()
        tty.setraw(self.driver_end)
        self.path = os.ttyname(self.driver_end)
        self._buffer = b""
        os.set_blocking(self.master, False)
        asyncio.get_running_loop().add_reader(self.master, self._readable)

    def unplug(self) -> None:
        """Pull the adapter out: the terminal is gone for whoever has it open."""
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self.master)
        os.close(self.driver_end)

    async def close(self) -> None:
        """Take the slave away."""
        if self.master >= 0:
            self.unplug()

    def _readable(self) -> None:
        self._buffer += os.read(self.master, 256)
        while len(self._buffer) >= 8:
            frame, self._buffer = self._buffer[:8], self._buffer[8:]
            assert crc16(frame) == 0
            self._take(frame[0], frame[1:6], b"")

    def _send(self, frame: bytes) -> None:
        os.write(self.master, frame)

    def _frame(self, unit: int, pdu: bytes, tail: bytes) -> bytes:
        body = bytes((unit,)) + pdu
        return body + crc16(body).to_bytes(2, "little")


class TcpSlave(ModbusSlave):
    """The slave on a TCP port of this machine."""

    def __init__(self) -> None:
        super().__init__()
        self.tcp_port = 0
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def listen(self) -> None:
        """Open a free port, or the same one again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.tcp_port)
        self.tcp_port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Take the slave away."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        while len(frame := await reader.read(12)) == 12:
            self._take(frame[6], frame[7:12], frame[:2])

    def _send(self, frame: bytes) -> None:
        self._writers[-1].write(frame)

    def _frame(self, unit: int, pdu: bytes, tail: bytes) -> bytes:
        return tail + bytes((0, 0)) + (len(pdu) + 1).to_bytes(2, "big") + bytes((unit,)) + pdu
