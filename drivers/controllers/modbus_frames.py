"""Modbus requests and the one answer that belongs to each: pure, for RTU and TCP.

Only a frame with the unit, function, length and checksum that the request demands is an answer; a write's answer
repeats its address and value, so it is recognised even when it is late.

Sources: MODBUS Application Protocol V1.1b3 §6.1-6.6, §6.12, §7; MODBUS over Serial Line V1.02 §2.5.1; MODBUS Messaging
on TCP/IP V1.0b §3.1.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from drivers.api import DriverRejected, DriverTimeout
from drivers.meter.answers import EXCEPTIONS, crc16

READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_REGISTERS = 5, 6, 16


class NotThere(DriverRejected):
    """The device has no such function, register or value: asking again brings the same answer."""


class Request(NamedTuple):
    """A request without its envelope, how its answer begins, and how long that is (both from the function on)."""

    pdu: bytes
    prefix: bytes
    size: int

    @property
    def is_read(self) -> bool:
        """Return whether its answer carries nothing that says what was asked."""
        return self.pdu[0] <= READ_INPUT


def read_registers(function: int, address: int, count: int) -> Request:
    """Return a read of ``count`` registers (function 3 or 4). Raises ``ValueError``."""
    _check(function, (READ_HOLDING, READ_INPUT), address, count, 125)
    return Request(_head(function, address, count), bytes((function, 2 * count)), 2 + 2 * count)


def read_bits(function: int, address: int, count: int) -> Request:
    """Return a read of ``count`` coils (1) or discrete inputs (2). Raises ``ValueError``."""
    _check(function, (READ_COILS, READ_DISCRETE), address, count, 2000)
    length = (count + 7) // 8
    return Request(_head(function, address, count), bytes((function, length)), 2 + length)


def write_coil(address: int, on: bool) -> Request:
    """Return a write of one coil."""
    _check(WRITE_COIL, (WRITE_COIL,), address, 1, 1)
    pdu = _head(WRITE_COIL, address, 0xFF00 if on else 0)
    return Request(pdu, pdu, 5)


def write_register(address: int, value: int, *, several: bool = False) -> Request:
    """Return a write of one holding register, by function 6, or 16 for devices that know only that."""
    _check(WRITE_REGISTER, (WRITE_REGISTER,), address, 1, 1)
    if not 0 <= value <= 0xFFFF:
        raise ValueError(f"value {value} is outside 0-65535")
    if several:
        head = _head(WRITE_REGISTERS, address, 1)
        return Request(head + b"\x02" + value.to_bytes(2, "big"), head, 5)
    pdu = _head(WRITE_REGISTER, address, value)
    return Request(pdu, pdu, 5)


def registers_of(answer: bytes) -> Sequence[int]:
    """Return the registers in the answer to ``read_registers``."""
    return tuple(int.from_bytes(answer[place : place + 2], "big") for place in range(2, len(answer), 2))


def bits_of(answer: bytes, count: int) -> Sequence[bool]:
    """Return the bits in the answer to ``read_bits``."""
    return tuple(bool(answer[2 + index // 8] >> index % 8 & 1) for index in range(count))


def check_accepted(answer: bytes, what: str) -> None:
    """Raise what an exception answer to ``what`` means; nothing for another answer.

    Raises:
        NotThere: exceptions 1-3. DriverTimeout: the device is busy, or a gateway did not reach it. DriverRejected:
        another refusal.
    """
    if not answer[0] & 0x80:
        return
    code = answer[1]
    text = f"{what} refused with exception {code} ({EXCEPTIONS.get(code, 'unknown')})"
    if code in (1, 2, 3):
        raise NotThere(text)
    if code in (5, 6, 10, 11):
        raise DriverTimeout(text)
    raise DriverRejected(text)


def to_rtu(unit: int, request: Request) -> bytes:
    """Return the frame for a serial line."""
    body = bytes((unit,)) + request.pdu
    return body + crc16(body).to_bytes(2, "little")


def find_rtu(unit: int, request: Request, received: bytes) -> bytes:
    """Return the answer (from the function on) in what came since the request, ``b""`` while there is none."""
    wanted = bytes((unit,)) + request.prefix
    refusal = bytes((unit, request.pdu[0] | 0x80))
    for start in range(len(received) - 4):
        size = request.size if received.startswith(wanted, start) else 2 if received.startswith(refusal, start) else 0
        frame = received[start : start + size + 3]
        if size and len(frame) == size + 3 and crc16(frame) == 0:
            return frame[1:-2]
    return b""


def to_tcp(transaction: int, unit: int, request: Request) -> bytes:
    """Return the frame for a TCP connection; ``transaction`` is 0-65535."""
    head = transaction.to_bytes(2, "big") + b"\x00\x00" + (len(request.pdu) + 1).to_bytes(2, "big")
    return head + bytes((unit,)) + request.pdu


def find_tcp(transaction: int, unit: int, request: Request, received: bytes) -> bytes:
    """Return the answer (from the function on) in what came, ``b""`` while there is none."""
    number = transaction.to_bytes(2, "big") + b"\x00\x00"
    wanted = number + (request.size + 1).to_bytes(2, "big") + bytes((unit,)) + request.prefix
    refusal = number + b"\x00\x03" + bytes((unit, request.pdu[0] | 0x80))
    for start in range(len(received)):
        size = request.size if received.startswith(wanted, start) else 2 if received.startswith(refusal, start) else 0
        answer = received[start + 7 : start + 7 + size]
        if size and len(answer) == size:
            return answer
    return b""


def _head(function: int, address: int, word: int) -> bytes:
    return bytes((function,)) + address.to_bytes(2, "big") + word.to_bytes(2, "big")


def _check(function: int, functions: tuple[int, ...], address: int, count: int, most: int) -> None:
    if function not in functions:
        raise ValueError(f"function {function} is not one of {', '.join(map(str, functions))}")
    if not 1 <= count <= most:
        raise ValueError(f"count {count} is outside 1-{most}")
    if not 0 <= address <= 0x10000 - count:
        raise ValueError(f"addresses {address}-{address + count - 1} are outside 0-65535")
