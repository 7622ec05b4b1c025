"""Frames of the microcontroller boards of the EVerest family (Yeti and relatives): COBS, CRC, protobuf. Pure.

A frame is protobuf and four bytes CRC-32/JAMCRC, little-endian, all COBS-encoded and ended by a zero byte.

Sources: EVerest everest-core ``modules/HardwareDrivers/EVSE/YetiDriver`` (doc.rst, ``yeti_comms/evSerial.cpp``,
``protobuf/yeti.proto``); S. Cheshire, M. Baker, "Consistent Overhead Byte Stuffing" (1999); protobuf encoding guide.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Final

FRAME_MAX: Final = 2048
Fields = Mapping[int, Sequence["int | bytes"]]
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class FrameError(ValueError):
    """Bytes that are no frame; the text says why."""


def to_frame(message: bytes) -> bytes:
    """Return ``message`` as it goes over the wire, with the zero byte at its end."""
    return cobs_encode(message + jamcrc(message).to_bytes(4, "little")) + b"\x00"


def from_frame(frame: bytes) -> bytes:
    """Return the message in ``frame`` (without the zero byte). Raises ``FrameError``."""
    content = cobs_decode(frame)
    if len(content) < 4:
        raise FrameError(f"a frame of {len(content)} bytes has no checksum")
    message, given = content[:-4], int.from_bytes(content[-4:], "little")
    if jamcrc(message) != given:
        raise FrameError(f"checksum {given:08x} is not {jamcrc(message):08x}")
    return message


def jamcrc(message: bytes) -> int:
    """Return the CRC-32 without the final inversion (CRC-32/JAMCRC)."""
    return zlib.crc32(message) ^ 0xFFFFFFFF


def cobs_encode(content: bytes) -> bytes:
    """Return ``content`` without zero bytes."""
    encoded = bytearray()
    for group in content.split(b"\x00"):
        rest = group
        while len(rest) >= 254:
            encoded += b"\xff" + rest[:254]
            rest = rest[254:]
        encoded += bytes((len(rest) + 1,)) + rest
    return bytes(encoded)


def cobs_decode(encoded: bytes) -> bytes:
    """Return what was encoded. Raises ``FrameError``."""
    content = bytearray()
    place = 0
    while place < len(encoded):
        length = encoded[place]
        block = encoded[place + 1 : place + length]
        if length == 0 or len(block) != length - 1:
            raise FrameError(f"a COBS block of {length} bytes does not fit at {place} of {len(encoded)}")
        content += block
        place += length
        if length < 255 and place < len(encoded):
            content.append(0)
    return bytes(content)


def field(number: int, value: int | bytes) -> bytes:
    """Return one protobuf field: a varint, or bytes with their length. Zero is written, too."""
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def fields_of(message: bytes) -> Fields:
    """Return every field of ``message``, by number. Raises ``FrameError``."""
    found: dict[int, list[int | bytes]] = {}
    place = 0
    while place < len(message):
        key, place = _take_varint(message, place)
        value: int | bytes
        match key & 7:
            case 0:
                value, place = _take_varint(message, place)
            case 2:
                length, place = _take_varint(message, place)
                value, place = _take(message, place, length)
            case 1 | 5 as kind:
                value, place = _take(message, place, 8 if kind == _FIXED64 else 4)
            case kind:
                raise FrameError(f"wire type {kind} is not one of 0, 1, 2, 5")
        found.setdefault(key >> 3, []).append(value)
    return found


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _take_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 70:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, place
        shift += 7
    raise FrameError(f"a number at {place} of {len(message)} has no end")


def _take(message: bytes, place: int, length: int) -> tuple[bytes, int]:
    if place + length > len(message):
        raise FrameError(f"{length} bytes at {place} are more than the message has")
    return message[place : place + length], place + length
