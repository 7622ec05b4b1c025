"""The station's own book of charges: written with the fact that ends a transaction, kept after its delivery.

It bills nobody; the CSMS does that. It answers the question "what did this station charge, and does the CSMS know?"
when somebody stands in front of it. Id tokens are kept as hashes only.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final

import msgspec

from agent.model.effects import Durable, Record, SaveTransaction
from agent.model.facts import StopReason, TransactionEnded, TransactionRecord
from agent.model.moment import Stamp
from agent.store.connection import Connection
from agent.store.encoding import Unreadable, decode_record

KEPT_RECORDS: Final = 5000  # a public station's charges of about a year, 2 MB


class Delivery(Enum):
    """What became of a transaction's facts."""

    WAITING = "waiting"  # some are still to be delivered
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"  # at least one is a dead letter


class ChargeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One charge.

    Attributes:
        token, stop_token: hashes of who started and who stopped; ``stop_token`` ``None``: nobody did.
        meter_start_wh, meter_stop_wh: registers, Wh; ``None`` without a meter.
        gap: why the last register is not that of the moment of opening; ``None`` where it is.
    """

    transaction_id: str
    evse_id: int
    connector_id: int
    started_at: Stamp
    ended_at: Stamp
    meter_start_wh: int | None
    meter_stop_wh: int | None
    token: str
    stop_token: str | None
    reason: StopReason
    offline: bool
    gap: str | None = None

    @property
    def energy_wh(self) -> int | None:
        """Return the charged energy, Wh; ``None`` where a register is unknown."""
        if self.meter_start_wh is None or self.meter_stop_wh is None:
            return None
        return self.meter_stop_wh - self.meter_start_wh


class KeptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it stands in the book: with the CSMS's name for it and what became of its facts."""

    record: ChargeRecord
    csms_id: str | None
    delivery: Delivery


_decoder = msgspec.json.Decoder(ChargeRecord)


def note_ended(connection: Connection, durables: Sequence[Durable]) -> None:
    """Write a record for every transaction that ends with ``durables``."""
    ended = [each.fact for each in durables if isinstance(each, Record) and isinstance(each.fact, TransactionEnded)]
    for fact in ended:
        before = _begun(connection, fact.transaction_id, durables)
        if before is not None:
            _keep(connection, _record_of(fact, before), before.csms_id)


def name(connection: Connection, transaction_id: str, csms_id: str) -> None:
    """Keep the CSMS's name for a charge that has ended already."""
    connection.execute("UPDATE charge_records SET csms_id = ? WHERE transaction_id = ?", (csms_id, transaction_id))


def read(connection: Connection, limit: int) -> Iterable[KeptRecord]:
    """Yield the newest ``limit`` records, the newest first; damaged ones are left out."""
    rows = connection.execute(
        "SELECT transaction_id, record, crc32, csms_id,"
        # a charge waits as long as its end does, which comes last; by the index of ended facts alone
        " EXISTS (SELECT 1 FROM facts WHERE facts.transaction_id = charge_records.transaction_id AND kind = 'ended'),"
        " EXISTS (SELECT 1 FROM dead_letters WHERE dead_letters.transaction_id = charge_records.transaction_id)"
        " FROM charge_records ORDER BY number DESC LIMIT ?",
        (limit,),
    ).fetchall()
    for transaction_id, blob, checksum, csms_id, waiting, dead in rows:
        if checksum != _checksum(transaction_id, blob):
            continue
        try:
            record = _decoder.decode(blob)
        except msgspec.MsgspecError:
            continue
        delivery = Delivery.WAITING if waiting else Delivery.GIVEN_UP if dead else Delivery.DELIVERED
        yield KeptRecord(record=record, csms_id=csms_id, delivery=delivery)


def intact(transaction_id: object, blob: object, checksum: object) -> bool:
    """Return whether a row's record is what was written."""
    return isinstance(transaction_id, str) and isinstance(blob, bytes) and _checksum(transaction_id, blob) == checksum


def _begun(connection: Connection, transaction_id: str, durables: Sequence[Durable]) -> TransactionRecord | None:
    for each in durables:
        if isinstance(each, SaveTransaction) and each.record.transaction_id == transaction_id:
            return each.record
    row = connection.execute(
        "SELECT record, crc32 FROM transactions WHERE transaction_id = ? AND record IS NOT NULL", (transaction_id,)
    ).fetchone()
    if row is None:
        return None
    try:
        return decode_record(row[0], row[1])
    except Unreadable:
        return None


def _record_of(fact: TransactionEnded, before: TransactionRecord) -> ChargeRecord:
    return ChargeRecord(
        transaction_id=fact.transaction_id,
        evse_id=fact.evse_id,
        connector_id=fact.connector_id,
        started_at=before.started_at,
        ended_at=fact.at,
        meter_start_wh=before.meter_start_wh,
        meter_stop_wh=fact.meter_stop_wh,
        token=before.token.hashed(),
        stop_token=None if fact.token is None else fact.token.hashed(),
        reason=fact.reason,
        offline=fact.offline,
        gap=fact.gap,
    )


def _keep(connection: Connection, record: ChargeRecord, csms_id: str | None) -> None:
    blob = msgspec.json.encode(record)
    connection.execute(
        "INSERT INTO charge_records (transaction_id, record, crc32, csms_id) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (transaction_id) DO NOTHING",
        (record.transaction_id, blob, _checksum(record.transaction_id, blob), csms_id),
    )
    connection.execute(
        "DELETE FROM charge_records WHERE number <= (SELECT max(number) FROM charge_records) - ?", (KEPT_RECORDS,)
    )


def _checksum(transaction_id: str, blob: bytes) -> int:
    return zlib.crc32(blob, zlib.crc32(f"{transaction_id}\0".encode()))
