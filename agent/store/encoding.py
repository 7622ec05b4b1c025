"""Facts and records as bytes with a check sum, and back."""

from __future__ import annotations

import zlib
from typing import Final

import msgspec

from agent.model.facts import (
    Fact,
    MetersSampled,
    SecurityEvent,
    TransactionEnded,
    TransactionRecord,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from agent.model.ids import IdToken
from agent.model.maintenance import FirmwareProgressed, UploadProgressed

STARTED: Final = "started"
PERIODIC: Final = "periodic"
UPDATED: Final = "updated"
ENDED: Final = "ended"

_encoder = msgspec.json.Encoder()
_fact_decoder: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact)
_record_decoder = msgspec.json.Decoder(TransactionRecord)
_token_decoder = msgspec.json.Decoder(IdToken)


class Unreadable(Exception):
    """A stored value is not what was written. The text says why."""


def kind_of(fact: Fact) -> str:
    """Return the journal's word for a fact; only ``PERIODIC`` ones may ever be thinned out."""
    match fact:
        case TransactionStarted():
            return STARTED
        case TransactionUpdated():
            return PERIODIC if fact.trigger is Trigger.METER_PERIODIC else UPDATED
        case MetersSampled():
            return PERIODIC
        case TransactionEnded():
            return ENDED
        case SecurityEvent() | FirmwareProgressed() | UploadProgressed():
            return UPDATED  # those that are kept and change nothing else


def encode(value: Fact | TransactionRecord | IdToken) -> bytes:
    """Return ``value`` as JSON."""
    return _encoder.encode(value)


def fact_checksum(transaction_id: str, kind: str, fact: bytes) -> int:
    """Return the check sum of a journal row: what must still fit together years later."""
    return zlib.crc32(fact, zlib.crc32(f"{transaction_id}\0{kind}\0".encode()))


def document_checksum(kind: str, name: str, body: bytes) -> int:
    """Return the check sum of a document."""
    return zlib.crc32(body, zlib.crc32(f"{kind}\0{name}\0".encode()))


def decode_fact(transaction_id: str, kind: str, fact: bytes, checksum: int) -> Fact:
    """Return the fact of a journal row.

    Raises:
        Unreadable: the check sum does not fit, or it is no fact that this release knows.
    """
    if fact_checksum(transaction_id, kind, fact) != checksum:
        raise Unreadable(f"check sum of {len(fact)} bytes is not {checksum}: the stored fact was damaged")
    try:
        return _fact_decoder.decode(fact)
    except msgspec.MsgspecError as error:
        raise Unreadable(f"not a fact that this release knows: {error}") from error


def decode_record(record: bytes, checksum: int) -> TransactionRecord:
    """Return a transaction's record.

    Raises:
        Unreadable: the check sum does not fit, or it is no record that this release knows.
    """
    if zlib.crc32(record) != checksum:
        raise Unreadable(f"check sum of {len(record)} bytes is not {checksum}: the stored transaction was damaged")
    try:
        return _record_decoder.decode(record)
    except msgspec.MsgspecError as error:
        raise Unreadable(f"not a transaction that this release knows: {error}") from error


def decode_token(token: bytes) -> IdToken:
    """Return a cached id token.

    Raises:
        Unreadable: it is no token.
    """
    try:
        return _token_decoder.decode(token)
    except msgspec.MsgspecError as error:
        raise Unreadable(f"not an id token: {error}") from error
