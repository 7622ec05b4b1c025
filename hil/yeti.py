"""A Yeti board's serial line: COBS frames of protobuf with a CRC. Pure; written without the station's code.

Source: EVerest YetiDriver, ``yeti.proto``; unverified against a board.
"""

from __future__ import annotations

import binascii
from typing import Final

from hil.bought_controller import BoughtController, ControllerMode

LOST_S: Final = 5.0  # without the station's keep-alive
KEEP_ALIVE_S: Final = 1.0
FIRMWARE: Final = b"yeti-bench"
_STATES: Final = {"A": 0, "B": 1, "C": 2, "D": 3, "E": 4, "F": 5}
_CABLES: Final = {0: 0, 13: 1, 20: 2, 32: 3, 63: 4}
_X1: Final = 10000


class YetiBoard:
    """One board: ``feed`` takes what comes, ``tell`` returns what it has to say at ``now_s``."""

    def __init__(self, controller: BoughtController) -> None:
        self.controller = controller
        self._pending = b""
        self._duty = _X1
        self._power_on = False
        self._heard_s: float | None = None
        self._kept_s = float("-inf")
        self._told: tuple[bytes, ...] = ()
        controller.on_power_loss(self._forget)

    def feed(self, chunk: bytes, now_s: float) -> None:
        """Take what the station sends."""
        *frames, self._pending = (self._pending + chunk).split(b"\x00")
        for frame in frames:
            content = _uncobs(frame)
            if len(content) < 4 or _crc(content[:-4]) != content[-4:]:
                continue
            self._take(content[:-4], now_s)

    def tell(self, now_s: float) -> bytes:
        """Return the frames that are due: what changed, and a keep-alive once a second."""
        if self._heard_s is not None and now_s - self._heard_s > LOST_S:
            self._heard_s, self._duty, self._power_on = None, _X1, False
            self._allow()
        if self.controller.mode is ControllerMode.SILENT:
            return b""
        evse, controller = self.controller.evse, self.controller
        flags = b"".join(
            _varint_field(number, 1)
            for number, raised in ((1, evse.diode_shorted), (3, controller.rcd_tripped))
            if raised
        )
        said = (
            _varint_field(102, _STATES[controller.state]),
            _varint_field(103, int(evse.contactor.closed)),
            _bytes_field(104, flags),
            _varint_field(106, _CABLES.get(controller.cable_a, 5)),
            _varint_field(107, 2 if evse.lock.locked else 1),
        )
        keep_alive = now_s - self._kept_s >= KEEP_ALIVE_S
        news = [each for index, each in enumerate(said) if keep_alive or each not in self._told[index : index + 1]]
        self._told = said
        if keep_alive:
            self._kept_s = now_s
            news.append(_bytes_field(3, _bytes_field(6, FIRMWARE)))
        return b"".join(self._frame(each) for each in news)

    def _forget(self) -> None:
        self._duty, self._power_on = _X1, False

    def _take(self, message: bytes, now_s: float) -> None:
        number, value = _first_field(message)
        self._heard_s = now_s
        match number:
            case 103:
                self._duty = value
            case 104:
                self._power_on = bool(value)
            case 102:
                self.controller.lock(bool(value))
                return
            case _:
                return
        self._allow()

    def _allow(self) -> None:
        offered = 0 < self._duty < _X1
        if offered and self._power_on:
            duty = self._duty / 100.0
            self.controller.allow(0.6 * duty if duty <= 85.0 else 2.5 * (duty - 64.0))
        elif not offered and self._power_on:
            self.controller.allow(0.0)
        else:
            self.controller.turn_off()

    def _frame(self, message: bytes) -> bytes:
        checksum = _crc(message)
        if self.controller.mode is ControllerMode.GARBAGE:
            checksum = bytes((checksum[0] ^ 0x55,)) + checksum[1:]
        return _cobs(message + checksum) + b"\x00"


def _crc(message: bytes) -> bytes:
    return (~binascii.crc32(message) & 0xFFFFFFFF).to_bytes(4, "little")


def _cobs(content: bytes) -> bytes:
    """Encode a short frame: no run without a zero is as long as 254."""
    return b"".join(bytes((len(run) + 1,)) + run for run in content.split(b"\x00"))


def _uncobs(encoded: bytes) -> bytes:
    runs, place = [], 0
    while place < len(encoded):
        runs.append(encoded[place + 1 : place + encoded[place]])
        place += encoded[place] or len(encoded)
    return b"\x00".join(runs)


def _varint(value: int) -> bytes:
    encoded = b""
    while value > 0x7F:
        encoded, value = encoded + bytes((value & 0x7F | 0x80,)), value >> 7
    return encoded + bytes((value,))


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _first_field(message: bytes) -> tuple[int, int]:
    """Return number and value of the first field; of one with bytes, their length."""
    numbers, value, shift = [], 0, 0
    for byte in message:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(value)
            value = shift = 0
            if len(numbers) == 2:
                break
    return (numbers[0] >> 3, numbers[1]) if len(numbers) == 2 else (0, 0)
