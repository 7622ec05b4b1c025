"""A Modbus line for a thread: serial (RTU) or TCP, opened at the first request and again by itself after a loss.

Not pymodbus: its import alone takes more memory than the whole guard may (docs/drivers/evse-din.md has the numbers),
and it takes any well-formed frame of a unit for the answer to whatever was asked last.

After a time-out on a serial line the same kind of read is not asked of that unit again until its late answer can no
longer come; writes may go, since their answers say what they answer. What came unasked is dropped before each request.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Final

from drivers.api import DriverProtocolError, DriverTimeout, DriverUnavailable
from drivers.controllers import modbus_frames as frames
from drivers.controllers.serial_port import SerialPort

ANSWER_S: Final = 0.35  # what an answer may take beyond its time on the wire; Eastron meters: 60-300 ms
LATE_S: Final = 1.0  # an answer that has not come by then never will; house rule
REOPEN_FIRST_S: Final = 1.0
REOPEN_MOST_S: Final = 8.0
_CONNECT_S: Final = 2.0
_SILENT_BEFORE_RECONNECT: Final = 3  # only a new connection tells whether the old one was half-open
_SMALLEST_B: Final = 5  # RTU exception answer


class ModbusLine(ABC):
    """Meets ``drivers.api.controllers.RegisterLine``; the caller's thread is the only one that may use it."""

    def __init__(self, place: str, gap_s: float) -> None:
        self.place = place
        self._gap_s = gap_s
        self._heard_s = 0.0
        self._reopen_s = 0.0
        self._pause_s = REOPEN_FIRST_S
        self._why = ""

    def read_registers(self, unit: int, function: int, address: int, count: int) -> Sequence[int]:
        """See ``RegisterLine``."""
        return frames.registers_of(self._exchange(unit, frames.read_registers(function, address, count)))

    def read_bits(self, unit: int, function: int, address: int, count: int) -> Sequence[bool]:
        """See ``RegisterLine``."""
        return frames.bits_of(self._exchange(unit, frames.read_bits(function, address, count)), count)

    def write_register(self, unit: int, address: int, value: int, *, several: bool = False) -> None:
        """See ``RegisterLine``."""
        self._exchange(unit, frames.write_register(address, value, several=several))

    def write_coil(self, unit: int, address: int, on: bool) -> None:
        """See ``RegisterLine``."""
        self._exchange(unit, frames.write_coil(address, on))

    def close(self) -> None:
        """See ``RegisterLine``."""
        self._hang_up()

    def _exchange(self, unit: int, request: frames.Request) -> bytes:
        self._make_ready()
        pause_s = self._heard_s + self._gap_s - monotonic()
        if pause_s > 0.0:
            sleep(pause_s)
        try:
            answer = self._ask(unit, request)
        except DriverUnavailable:
            self._hang_up()
            raise
        finally:
            self._heard_s = monotonic()
        frames.check_accepted(answer, f"{self.place}: {_told(unit, request)}")
        return answer

    def _make_ready(self) -> None:
        if self._is_open:
            return
        now_s = monotonic()
        if now_s < self._reopen_s:
            raise DriverUnavailable(self._why)
        try:
            self._open()
        except DriverUnavailable as problem:
            self._why = str(problem)
            self._reopen_s = now_s + self._pause_s
            self._pause_s = min(self._pause_s * 2.0, REOPEN_MOST_S)
            raise
        self._pause_s = REOPEN_FIRST_S

    @property
    @abstractmethod
    def _is_open(self) -> bool: ...

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _hang_up(self) -> None: ...

    @abstractmethod
    def _ask(self, unit: int, request: frames.Request) -> bytes: ...


class RtuLine(ModbusLine):
    """Modbus RTU on a serial port, opened exclusively."""

    def __init__(self, *, port: str, baud: int, parity: str, stopbits: int, gap_s: float) -> None:
        """Describe the line; nothing is opened before the first request. ``gap_s``: silence before a request."""
        self._char_s = 11 / baud
        super().__init__(port, max(gap_s, 3.5 * self._char_s))  # MODBUS over Serial Line V1.02 §2.5.1.1
        self._baud, self._parity, self._stopbits = baud, parity, stopbits
        self._port: SerialPort | None = None
        self._owed: dict[tuple[int, bytes], float] = {}

    @property
    def _is_open(self) -> bool:
        return self._port is not None

    def _open(self) -> None:
        self._port = SerialPort(self.place, baud=self._baud, parity=self._parity, stopbits=self._stopbits)

    def _hang_up(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None

    def _ask(self, unit: int, request: frames.Request) -> bytes:
        port = self._port
        if port is None:
            raise DriverUnavailable(f"{self.place} is not open")
        kind = (unit, request.prefix)
        asked_s = monotonic()
        if request.is_read and asked_s < self._owed.get(kind, 0.0):
            raise DriverTimeout(f"{self.place}: unit {unit} still owes an answer to an earlier read")
        port.flush_input()
        port.write(frames.to_rtu(unit, request))
        on_wire_s = (len(request.pdu) + 3 + request.size + 3) * self._char_s
        deadline_s = asked_s + on_wire_s + ANSWER_S
        received = b""
        while (left_s := deadline_s - monotonic()) > 0.0:
            received += port.read(left_s)
            answer = frames.find_rtu(unit, request, received)
            if answer:
                return answer
        if len(received) >= _SMALLEST_B:
            raise DriverProtocolError(
                f"{self.place}: {len(received)} bytes came that do not answer {_told(unit, request)}"
            )
        if request.is_read:
            self._owed[kind] = asked_s + LATE_S
        raise DriverTimeout(f"{self.place}: no answer to {_told(unit, request)}")


class TcpLine(ModbusLine):
    """Modbus TCP; each request has a number of its own, so that a late answer is no answer."""

    def __init__(self, *, host: str, tcp_port: int) -> None:
        """Describe the connection; nothing is opened before the first request."""
        super().__init__(f"{host}:{tcp_port}", 0.0)
        self._host, self._tcp_port = host, tcp_port
        self._socket: socket.socket | None = None
        self._transaction = 0
        self._silent = 0

    @property
    def _is_open(self) -> bool:
        return self._socket is not None

    def _open(self) -> None:
        try:
            link = socket.create_connection((self._host, self._tcp_port), timeout=_CONNECT_S)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as problem:
            raise DriverUnavailable(f"{self.place} cannot be reached: {problem}") from problem
        self._socket, self._silent = link, 0

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, unit: int, request: frames.Request) -> bytes:
        link = self._socket
        if link is None:
            raise DriverUnavailable(f"{self.place} is not open")
        self._transaction = (self._transaction + 1) & 0xFFFF
        deadline_s = monotonic() + 2 * ANSWER_S
        received = b""
        try:
            link.settimeout(_CONNECT_S)
            link.sendall(frames.to_tcp(self._transaction, unit, request))
            while (left_s := deadline_s - monotonic()) > 0.0:
                link.settimeout(left_s)
                chunk = link.recv(1024)
                if not chunk:
                    raise DriverUnavailable(f"{self.place} closed the connection")
                received += chunk
                answer = frames.find_tcp(self._transaction, unit, request, received)
                if answer:
                    self._silent = 0
                    return answer
        except TimeoutError:
            pass
        except OSError as problem:
            raise DriverUnavailable(f"{self.place} is gone: {problem}") from problem
        self._silent += 1
        if self._silent >= _SILENT_BEFORE_RECONNECT:
            self._hang_up()
        if received:
            raise DriverProtocolError(
                f"{self.place}: {len(received)} bytes came that do not answer {_told(unit, request)}"
            )
        raise DriverTimeout(f"{self.place}: no answer to {_told(unit, request)}")


def open_serial_line(*, port: str, baud: int, parity: str, stopbits: int, gap_s: float) -> RtuLine:
    """Return the serial line; the port opens with the first request."""
    return RtuLine(port=port, baud=baud, parity=parity, stopbits=stopbits, gap_s=gap_s)


def open_tcp_line(*, host: str, tcp_port: int) -> TcpLine:
    """Return the TCP line; it connects with the first request."""
    return TcpLine(host=host, tcp_port=tcp_port)


def _told(unit: int, request: frames.Request) -> str:
    address = int.from_bytes(request.pdu[1:3], "big")
    return f"function {request.pdu[0]} at {address} of unit {unit}"
