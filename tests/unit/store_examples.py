"""Facts, records and durable effects of an example charge, for the tests of the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from agent.model.effects import Durable, Record, SaveTransaction
from agent.model.facts import (
    ChargingState,
    StopReason,
    TransactionEnded,
    TransactionRecord,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from agent.model.ids import IdToken, IdTokenKind
from agent.model.moment import Stamp
from agent.model.sample import Measurand, Sample, SampleContext, SampledValue
from agent.store import Store

BOOT = "boot-1"
CARD = IdToken(value="04A2B3C4", kind=IdTokenKind.ISO14443)


def stamp(mono_s: float, boot_id: str = BOOT, utc_s: float | None = None) -> Stamp:
    """Return a moment of this boot."""
    return Stamp(boot_id=boot_id, mono_s=mono_s, utc_s=utc_s)


def started(transaction_id: str = "t1", mono_s: float = 10.0, boot_id: str = BOOT) -> TransactionStarted:
    """Return a start at 4,711 Wh."""
    return TransactionStarted(
        transaction_id=transaction_id,
        evse_id=1,
        connector_id=1,
        seq_no=0,
        at=stamp(mono_s, boot_id),
        trigger=Trigger.AUTHORIZED,
        charging_state=ChargingState.CONNECTED,
        token=CARD,
        meter_start_wh=4711,
    )


def updated(
    seq_no: int, transaction_id: str = "t1", trigger: Trigger = Trigger.METER_PERIODIC, boot_id: str = BOOT
) -> TransactionUpdated:
    """Return the periodic sample number ``seq_no``, 60 s apart."""
    at = stamp(10.0 + 60.0 * seq_no, boot_id)
    values = (SampledValue(measurand=Measurand.ENERGY_IMPORT_REGISTER, value=4711.0 + 180.0 * seq_no),)
    return TransactionUpdated(
        transaction_id=transaction_id,
        evse_id=1,
        connector_id=1,
        seq_no=seq_no,
        at=at,
        trigger=trigger,
        charging_state=ChargingState.CHARGING,
        samples=(Sample(at=at, context=SampleContext.PERIODIC, values=values),),
    )


def ended(seq_no: int, transaction_id: str = "t1") -> TransactionEnded:
    """Return an end."""
    return TransactionEnded(
        transaction_id=transaction_id,
        evse_id=1,
        connector_id=1,
        seq_no=seq_no,
        at=stamp(10.0 + 60.0 * seq_no),
        trigger=Trigger.STOP_AUTHORIZED,
        reason=StopReason.LOCAL,
        token=CARD,
        meter_stop_wh=4711 + 180 * seq_no,
    )


def record(transaction_id: str = "t1", next_seq_no: int = 1, *, over: bool = False) -> TransactionRecord:
    """Return what a restart needs of a transaction."""
    return TransactionRecord(
        transaction_id=transaction_id,
        evse_id=1,
        connector_id=1,
        token=CARD,
        started_at=stamp(10.0),
        meter_start_wh=4711,
        next_seq_no=next_seq_no,
        last_wh=4711 + 180 * (next_seq_no - 1),
        last_at=stamp(10.0 + 60.0 * (next_seq_no - 1)),
        ended=over,
    )


def charge(transaction_id: str = "t1", samples: int = 20) -> Iterator[tuple[Durable, ...]]:
    """Yield the commits of one charge: start, samples, end."""
    yield Record(fact=started(transaction_id)), SaveTransaction(record=record(transaction_id))
    for number in range(1, samples + 1):
        save = SaveTransaction(record=record(transaction_id, number + 1))
        yield Record(fact=updated(number, transaction_id)), save
    over = record(transaction_id, samples + 2, over=True)
    yield Record(fact=ended(samples + 1, transaction_id)), SaveTransaction(record=over)


def journal_path(directory: Path) -> Path:
    """Return where the journal of a test lives."""
    return directory / "journal.sqlite"


def opened(directory: Path, boot_id: str = BOOT) -> Store:
    """Open the store of a test; ages are counted from 1,000 s of this boot."""
    store, _report = Store.open(journal_path(directory), boot_id=boot_id, mono_s=lambda: 1000.0, lock_wait_s=0.0)
    return store


def renamed(value: TransactionRecord, csms_id: str) -> TransactionRecord:
    """Return the record with the CSMS's name."""
    return msgspec.structs.replace(value, csms_id=csms_id)
