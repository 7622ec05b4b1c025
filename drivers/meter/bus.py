"""A Modbus bus of our own: a serial port or a TCP connection behind the ``RegisterBus`` contract.

pymodbus opens the port, builds the requests and carries the bytes; what is an answer is decided here (``answers``),
because the library takes any well-formed frame of a unit for the answer to whatever was asked last. It is asked once a
second for years, so that a request costs one future and one timer. After a time-out on a serial line nothing is asked
of that unit until its late answer has come or can no longer come.
"""

from __future__ import annotations

import asyncio
import os
import struct
import termios
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from drivers.api import DriverProtocolError, DriverRejected, DriverTimeout, DriverUnavailable, RegisterKind
from drivers.meter.answers import EXCEPTIONS, AnswerGate, RtuGate, TcpGate
from drivers.meter.counters import Debts, Tally, Trouble, UnitCounters

if TYPE_CHECKING:
    from pymodbus.client.base import ModbusBaseClient

LATE_S: Final = 2.0  # an answer that has not come by then never will; meters answer within 0.3 s (Eastron: 60-300 ms)
TURNAROUND_S: Final = 0.35  # the least that an attempt waits beyond the time on the wire
_OPEN_TIMEOUT_S: Final = 3.0
_LIBRARY_TIMEOUT_S: Final = 60.0  # never reached: our own time-outs end every request first
_REOPEN_FIRST_S: Final = 1.0
_REOPEN_MOST_S: Final = 8.0
_SILENT_BEFORE_RECONNECT: Final = 3
_BABBLE_S: Final = 2.0  # longer than the longest answer at 1200 baud takes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    unit: int
    kind: RegisterKind
    address: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.unit <= 255:
            raise ValueError(f"unit {self.unit} is outside 0-255")
        if not 1 <= self.count <= 125:
            raise ValueError(f"count {self.count} is outside 1-125 registers")
        if not 0 <= self.address <= 0x10000 - self.count:
            raise ValueError(f"registers {self.address}-{self.address + self.count - 1} are outside 0-65535")

    def __str__(self) -> str:
        last = self.address + self.count - 1
        return f"{self.kind.name.lower()} registers {self.address}-{last} of unit {self.unit}"


class ModbusBus(ABC):
    """One Modbus line. Opens at the first read, reopens by itself with pauses of 1, 2, 4 and then 8 s."""

    answers_carry_numbers: ClassVar[bool] = False

    def __init__(self, *, place: str, gate: AnswerGate, gap_s: float, retries: int, late_s: float = LATE_S) -> None:
        self._place = place
        self._gate = gate
        self._gap_s = gap_s
        self._attempts = retries + 1
        self._late_s = late_s
        self._turn = asyncio.Lock()
        self._client: ModbusBaseClient | None = None
        self._waiting: asyncio.Future[bytes] | None = None  # for an answer; b"" is none
        self._debts = Debts()
        self._tallies: dict[int, Tally] = {}
        self._asking: int | None = None
        self._request = b""
        self._frames: dict[tuple[int, bool, int, int], bytes] = {}
        self._late_seen: dict[int, int] = {}
        self._arrived = asyncio.Event()
        self._heard_at_s = 0.0
        self._reopen_at_s = 0.0
        self._reopen_pause_s = _REOPEN_FIRST_S
        self._silent = 0
        self._closed = False

    async def read_registers(
        self, *, unit: int, kind: RegisterKind, address: int, count: int, timeout_s: float = 1.0
    ) -> tuple[int, ...]:
        """Return ``count`` registers.

        ``timeout_s`` covers every attempt. Waiting for another read's turn comes before it, and as long again at most
        waiting for an answer that the unit still owes.

        Raises:
            DriverError: see ``RegisterBus``. ValueError: no such read exists (unit, count or address out of range).
        """
        read = _Read(unit=unit, kind=kind, address=address, count=count)
        patience_s = self._now_s() + timeout_s
        while True:
            if self._debts:
                await self._settle(unit, patience_s)  # without the turn: the other units may be read meanwhile
            async with self._turn:
                if not self._debts or self._debts.due_s(unit, self._now_s()) is None:
                    await self._open()
                    return await self._try(read, self._now_s() + timeout_s)

    def counters(self, unit: int) -> UnitCounters:
        """Return how the requests to ``unit`` fared since this bus was made."""
        return self._tallies[unit].snapshot() if unit in self._tallies else UnitCounters()

    def keep_gap(self, gap_s: float) -> None:
        """Keep the line silent for at least so long before each request, for a meter that wants it."""
        self._gap_s = max(self._gap_s, gap_s)

    async def close(self) -> None:
        """Release the port. Later reads raise ``DriverUnavailable``."""
        self._closed = True
        self._hang_up()

    @abstractmethod
    def _make_client(self) -> ModbusBaseClient: ...

    def _plain(self) -> dict[str, Any]:
        """Return what keeps the library from judging for itself: no time-out, repetition or reconnection of its own."""
        return {
            "timeout": _LIBRARY_TIMEOUT_S,
            "retries": 0,
            "reconnect_delay": 0,
            "trace_packet": self._on_packet,
            "trace_connect": self._on_connection,
        }

    @abstractmethod
    def _why_not_open(self) -> str: ...

    def _send(self, client: ModbusBaseClient, request: bytes) -> None:
        client.ctx.send(request)

    def _wire_s(self, read: _Read) -> float:
        return 0.0

    async def _try(self, read: _Read, deadline_s: float) -> tuple[int, ...]:
        first_s = self._now_s()
        trouble = Trouble.SILENCE
        for attempts_left in range(self._attempts, 0, -1):
            await self._quiet()
            remaining_s = deadline_s - self._now_s()
            least_s = self._wire_s(read) + TURNAROUND_S
            if attempts_left > 1:
                remaining_s = min(remaining_s, max(remaining_s / attempts_left, least_s))
            answer = await self._ask(read, max(remaining_s, 0.0))
            if not isinstance(answer, Trouble):
                self._silent = 0
                if self._debts:
                    # A slave answers in order: what it owes of the attempts before comes as fast as this, or never.
                    self._debts.shorten(read.unit, 2 * self._now_s() - first_s)
                return self._registers(read, answer)
            trouble = answer
            if deadline_s - self._now_s() <= self._wire_s(read):
                break
        return self._no_answer(read, trouble)

    def _no_answer(self, read: _Read, trouble: Trouble) -> tuple[int, ...]:
        heard = self._gate.received_bytes
        if heard:
            raise DriverProtocolError(
                f"{self._place}: {heard} bytes came that are no answer to {read} ({trouble.value})"
            )
        self._silent += 1
        if self.answers_carry_numbers and self._silent >= _SILENT_BEFORE_RECONNECT:
            self._hang_up()  # perhaps half-open: only a new connection tells
        raise DriverTimeout(f"no answer to {read}, on {self._place}")

    async def _ask(self, read: _Read, timeout_s: float) -> bytes | Trouble:
        """Return the body of the answer, a refusal's too: function, then bytes or a code."""
        client = self._client
        if client is None:
            raise DriverUnavailable(f"{self._place} is gone")
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bytes] = loop.create_future()
        request = self._frame(client, read)
        asked_s = loop.time()
        tally = self._tallies.setdefault(read.unit, Tally())
        tally.requests += 1
        self._asking, self._waiting = read.unit, waiting
        alarm = loop.call_later(timeout_s, _answer, waiting, b"")
        answer = b""
        try:
            self._on_packet(True, request)
            self._send(client, request)
            answer = await waiting
        except OSError as exc:
            self._hang_up()
            raise DriverUnavailable(f"{self._place}: {exc}") from exc
        finally:
            alarm.cancel()
            if not answer:
                self._owe(read.unit, asked_s)
            self._gate.gave_up()
            self._asking = self._waiting = None
        if answer:
            body = self._gate.body(answer)
            tally.answered(loop.time() - asked_s, refused=body[0] != read.kind.value)
            return body
        if self._client is not client:
            raise DriverUnavailable(f"{self._place} is gone")
        trouble = self._gate.trouble(self._request)
        tally.failed(trouble)
        return trouble

    def _frame(self, client: ModbusBaseClient, read: _Read) -> bytes:
        """Return the request as it goes onto the line; on a serial one the same read is always the same frame."""
        key = (read.unit, read.kind is RegisterKind.HOLDING, read.address, read.count)
        known = self._frames.get(key)
        if known is not None:
            return known
        from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

        kind = ReadHoldingRegistersRequest if read.kind is RegisterKind.HOLDING else ReadInputRegistersRequest
        request = kind(address=read.address, count=read.count, dev_id=read.unit, transaction_id=client.ctx.getNextTID())
        frame = client.ctx.framer.buildFrame(request)
        if not self.answers_carry_numbers:
            self._frames[key] = frame
        return frame

    def _owe(self, unit: int, asked_s: float) -> None:
        if self.answers_carry_numbers or self._gate.heard_from(unit):
            return  # an answer cannot be mistaken, or this one has come, broken
        self._debts.owe(unit, asked_s + self._late_s, asked_s)

    async def _settle(self, unit: int, patience_s: float) -> None:
        """Wait until no late answer of ``unit`` can be taken for the next one."""
        while (due_s := self._debts.due_s(unit, self._now_s())) is not None:
            now_s = self._now_s()
            if now_s >= patience_s:
                raise DriverTimeout(
                    f"unit {unit} is silent, it still owes an answer to an earlier read, on {self._place}"
                )
            self._arrived.clear()
            try:
                async with asyncio.timeout(min(due_s, patience_s) - now_s):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    def _registers(self, read: _Read, body: bytes) -> tuple[int, ...]:
        """Return what a body that passed the gate holds: it is of the unit, function and length that were asked."""
        if body[0] != read.kind.value:
            code = body[1]
            raise DriverRejected(
                f"{self._place}: {read} refused with exception {code} ({EXCEPTIONS.get(code, 'unknown')})", code
            )
        return struct.unpack_from(f">{read.count}H", body, 2)

    async def _quiet(self) -> None:
        """Listen until the line was silent for the gap; whatever comes meanwhile belongs to nobody."""
        since_s = now_s = self._now_s()
        while (wait_s := self._heard_at_s + self._gap_s - now_s) > 0:
            if now_s > since_s + _BABBLE_S:
                raise DriverProtocolError(
                    f"{self._place}: the line is never silent, somebody talks without being asked"
                )
            await asyncio.sleep(wait_s)
            now_s = self._now_s()

    async def _open(self) -> None:
        if self._closed:
            raise DriverUnavailable(f"{self._place} was closed")
        if self._client is not None:
            return
        if self._now_s() < self._reopen_at_s:
            raise DriverUnavailable(f"{self._place} is not there: {self._why_not_open()}")
        client = self._make_client()
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT_S):
                opened = await client.connect()
        except (TimeoutError, OSError, ValueError, termios.error):
            opened = False
        if not opened:
            client.close()
            self._reopen_at_s = self._now_s() + self._reopen_pause_s
            self._reopen_pause_s = min(self._reopen_pause_s * 2, _REOPEN_MOST_S)
            raise DriverUnavailable(f"{self._place} cannot be opened: {self._why_not_open()}")
        self._client = client
        self._reopen_pause_s = _REOPEN_FIRST_S
        self._silent = 0

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
        if self._waiting is not None:
            _answer(self._waiting, b"")

    def _on_packet(self, sending: bool, packet: bytes) -> bytes:
        """See every byte, before the library does (its ``trace_packet``); what it is to read of them is nothing."""
        self._heard_at_s = self._now_s()
        if sending:
            self._request = packet
            self._late_seen.clear()
            self._gate.sent(packet)
            return packet
        picked = self._gate.pick(packet)
        if picked and self._client is not None:
            self._client.ctx.recv_buffer = packet[len(picked) :]  # what comes from here on is no part of it
        owing = self._debts.units() if self._debts else ()
        if owing or len(picked) != len(packet):  # else it is the answer and nothing else
            suspects = owing if self._asking is None else (*owing, self._asking)
            for unit in dict.fromkeys(suspects):
                answers = self._gate.count_answers(unit, packet)
                self._take_late(unit, answers - (unit == self._asking and bool(picked)))
        if picked and self._waiting is not None:
            _answer(self._waiting, picked)
        return b""

    def _take_late(self, unit: int, answers: int) -> None:
        """Take answers of ``unit`` that are not the one waited for."""
        owing = unit in self._debts.units()
        if owing or self.answers_carry_numbers:
            self._tallies.setdefault(unit, Tally()).late += max(0, answers - self._late_seen.get(unit, 0))
            self._late_seen[unit] = answers
        if owing and self._debts.paid(unit, answers):
            self._arrived.set()

    def _on_connection(self, connected: bool) -> None:
        if not connected:
            self._hang_up()

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()


class SerialBus(ModbusBus):
    """Modbus RTU on a serial port, opened exclusively."""

    def __init__(
        self,
        *,
        port: str,
        baud: int = 9600,
        parity: str = "N",
        stopbits: int = 1,
        gap_s: float = 0.1,
        retries: int = 1,
        late_s: float = LATE_S,
    ) -> None:
        """Describe the bus; nothing is opened before the first read.

        Args:
            port: device file, best a name under ``/dev/serial/by-id``.
            parity: ``N``, ``E`` or ``O``.
            gap_s: silence before a request. At least 3.5 characters (MODBUS over Serial Line V1.02 §2.5.1.1); Eastron
                meters want about 0.1 s.
            retries: further attempts within a read's time-out.
            late_s: age of a request from which its answer can no longer come.
        """
        self._char_s = 11 / baud
        super().__init__(
            place=port, gate=RtuGate(), gap_s=max(gap_s, 3.5 * self._char_s), retries=retries, late_s=late_s
        )
        self._port, self._baud, self._parity, self._stopbits = port, baud, parity, stopbits

    def _wire_s(self, read: _Read) -> float:
        return (8 + 5 + 2 * read.count) * self._char_s

    def _send(self, client: ModbusBaseClient, request: bytes) -> None:
        port = client.ctx.transport
        pending, write_now = getattr(port, "intern_write_buffer", None), getattr(port, "intern_write_ready", None)
        if pending is None or write_now is None:
            super()._send(client, request)
            return
        client.ctx.recv_buffer = b""
        pending.append(request)
        write_now()  # the library would wait for the loop's next turn; a port takes eight bytes at once

    def _make_client(self) -> ModbusBaseClient:
        _quiet_library()
        from pymodbus.client import AsyncModbusSerialClient

        return AsyncModbusSerialClient(
            self._port,
            baudrate=self._baud,
            parity=self._parity,
            stopbits=self._stopbits,
            **self._plain(),
        )

    def _why_not_open(self) -> str:
        if not os.path.exists(self._port):
            return "no such file"
        if not os.access(self._port, os.R_OK | os.W_OK):
            return "no permission to read and write"
        return "it is in use, or no serial port"


class TcpBus(ModbusBus):
    """Modbus TCP. A connection that stays silent for three reads is made anew."""

    answers_carry_numbers = True

    def __init__(self, *, host: str, tcp_port: int = 502, gap_s: float = 0.0, retries: int = 1) -> None:
        """Describe the connection; nothing is opened before the first read."""
        super().__init__(place=f"{host}:{tcp_port}", gate=TcpGate(), gap_s=gap_s, retries=retries)
        self._host, self._tcp_port = host, tcp_port

    def _make_client(self) -> ModbusBaseClient:
        _quiet_library()
        from pymodbus.client import AsyncModbusTcpClient

        return AsyncModbusTcpClient(
            self._host,
            port=self._tcp_port,
            **self._plain(),
        )

    def _why_not_open(self) -> str:
        return "nobody answers there"


def _answer(waiting: asyncio.Future[bytes], answer: bytes) -> None:
    if not waiting.done():
        waiting.set_result(answer)


def _quiet_library() -> None:
    import logging

    # It dumps its packet ring at ERROR for every time-out; what matters is raised here.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
