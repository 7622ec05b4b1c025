"""A transaction: its record, its facts, and the moments at which they happened.

Every fact comes with the record that follows from it, in one turn, so that one commit holds both. Within one boot the
UTC of every fact is the start's UTC plus monotonic time, so a clock that jumps during a charge bends no duration; where
the start knew no UTC, no later fact of that boot has one (the first rendering fills them all in by one anchor).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from agent.charging.samples import Beside, register_sample, sample_of, whole_wh
from agent.charging.stop_values import StopValues
from agent.charging.surroundings import Surroundings
from agent.charging.turn import Turn
from agent.model.effects import Record, SaveTransaction
from agent.model.facts import (
    ChargingState,
    StopReason,
    TransactionEnded,
    TransactionRecord,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from agent.model.ids import IdToken
from agent.model.moment import Stamp
from agent.model.sample import Measurand, Sample, SampleContext
from agent.model.station import EvseLayout
from drivers.api import MeterReading

_REGISTER: Final = Measurand.ENERGY_IMPORT_REGISTER.value
KEEP_EVERY_S: Final = 60.0  # the newest register is durable at least this often, whatever the sampling
TRIGGER_OF: Final = {
    StopReason.LOCAL: Trigger.STOP_AUTHORIZED,
    StopReason.REMOTE: Trigger.REMOTE_STOP,
    StopReason.EV_DISCONNECTED: Trigger.EV_DEPARTED,
    StopReason.DEAUTHORIZED: Trigger.DEAUTHORIZED,
    StopReason.EMERGENCY_STOP: Trigger.ABNORMAL_CONDITION,
    StopReason.GROUND_FAULT: Trigger.ABNORMAL_CONDITION,
    StopReason.POWER_LOSS: Trigger.POWER_RESTORED,
    StopReason.POWER_QUALITY: Trigger.ABNORMAL_CONDITION,
    StopReason.OVER_CURRENT: Trigger.ABNORMAL_CONDITION,
    StopReason.SOFT_RESET: Trigger.RESET_COMMAND,
    StopReason.HARD_RESET: Trigger.RESET_COMMAND,
    StopReason.REBOOT: Trigger.RESET_COMMAND,
    StopReason.UNLOCK_COMMAND: Trigger.UNLOCK_COMMAND,
    StopReason.TIMEOUT: Trigger.EV_CONNECT_TIMEOUT,
    StopReason.MASTER_PASS: Trigger.STOP_AUTHORIZED,
    StopReason.OTHER: Trigger.ABNORMAL_CONDITION,
}


class Transaction:
    """One transaction that is not over yet."""

    def __init__(self, record: TransactionRecord, layout: EvseLayout, around: Surroundings, kept_s: float) -> None:
        """Go on with ``record``; ``kept_s``: monotonic time at which its register was last made durable."""
        self.record = record
        self._layout = layout
        self._around = around
        self._kept_s = kept_s
        self._stop_values = StopValues(record.transaction_id, around.variables)

    @property
    def transaction_id(self) -> str:
        """Return its id."""
        return self.record.transaction_id

    @property
    def keep_due_s(self) -> float:
        """Return when the newest register must be made durable."""
        return self._kept_s + KEEP_EVERY_S

    def stamp(self, now: Stamp, mono_s: float | None = None) -> Stamp:
        """Return the moment ``mono_s`` (default: now) of this boot as this transaction's facts carry it."""
        mono_s = now.mono_s if mono_s is None else mono_s
        start = self.record.started_at
        if start.boot_id == now.boot_id:
            utc_s = None if start.utc_s is None else start.utc_s + (mono_s - start.mono_s)
        else:
            utc_s = None if now.utc_s is None else now.utc_s - (now.mono_s - mono_s)
        return Stamp(boot_id=now.boot_id, mono_s=mono_s, utc_s=utc_s)

    def update(
        self,
        turn: Turn,
        trigger: Trigger,
        state: ChargingState,
        *,
        reading: MeterReading | None = None,
        sample: Sample | None = None,
    ) -> None:
        """Record that something happened; ``reading``: the newest register is durable with it."""
        fact = TransactionUpdated(
            transaction_id=self.record.transaction_id,
            evse_id=self.record.evse_id,
            connector_id=self.record.connector_id,
            seq_no=self.record.next_seq_no,
            at=self.stamp(turn.now),
            trigger=trigger,
            charging_state=state,
            samples=() if sample is None else (sample,),
            offline=not self._around.online,
        )
        self.record = msgspec.structs.replace(
            self.with_register(turn.now, reading), charging_state=state, next_seq_no=self.record.next_seq_no + 1
        )
        turn.add(SaveTransaction(record=self.record), Record(fact=fact))

    def keep(self, turn: Turn, reading: MeterReading | None) -> None:
        """Make the newest register durable without a fact."""
        self._kept_s = turn.now_s
        if reading is not None and whole_wh(reading) != self.record.last_wh:
            self.save(turn, self.with_register(turn.now, reading))

    def save(self, turn: Turn, record: TransactionRecord) -> None:
        """Replace the record, durably."""
        if record != self.record:
            self.record = record
            turn.add(SaveTransaction(record=record))

    def decide_end(self, turn: Turn, reason: StopReason, token: IdToken | None, reading: MeterReading | None) -> None:
        """Make durable that the transaction is to end, and why."""
        record = self.with_register(turn.now, reading)
        self.save(turn, msgspec.structs.replace(record, ending=reason, ending_token=token))

    def keep_first(self, reading: MeterReading, at: Stamp, beside: Beside, turn: Turn) -> None:
        """Keep the sample of the start for the end."""
        context, names = SampleContext.TRANSACTION_BEGIN, self._ended_measurands
        made = sample_of(reading, at=at, context=context, measurands=names, layout=self._layout, beside=beside)
        if made is not None:
            self._stop_values.add(made, turn)

    def remember_stop_values(self, documents: Mapping[str, bytes]) -> None:
        """Take over the samples that the store kept for the end."""
        self._stop_values.restore(documents)

    def keep_for_end(
        self, component: str, reading: MeterReading, at: Stamp, context: SampleContext, beside: Beside, turn: Turn
    ) -> None:
        """Keep a sample that the end will tell; the measurands are ``component``'s list for the end."""
        names = self._around.variables.members(component, "TxEndedMeasurands")
        made = sample_of(reading, at=at, context=context, measurands=names, layout=self._layout, beside=beside)
        if made is not None:
            self._stop_values.add(made, turn)

    def end(
        self, turn: Turn, *, reading: MeterReading | None, gap: str | None, beside: Beside | None = None
    ) -> TransactionEnded:
        """Record the end. ``reading`` ``None``: the last durable register is the last word.

        The reason is the one that was decided (``decide_end``).
        """
        reason = self.record.ending or StopReason.OTHER
        self.record = self.with_register(turn.now, reading)
        samples = (*self._stop_values.take_all(turn), *self._last_sample(turn.now, reading, beside))
        fact = TransactionEnded(
            transaction_id=self.record.transaction_id,
            evse_id=self.record.evse_id,
            connector_id=self.record.connector_id,
            seq_no=self.record.next_seq_no,
            at=self.stamp(turn.now),
            trigger=TRIGGER_OF[reason],
            reason=reason,
            token=self.record.ending_token,
            meter_stop_wh=self.record.last_wh,
            meter_stop_at=self.record.last_at,
            samples=samples,
            gap=gap,
            offline=not self._around.online,
        )
        self.record = msgspec.structs.replace(self.record, next_seq_no=fact.seq_no + 1, ending=reason, ended=True)
        turn.add(SaveTransaction(record=self.record), Record(fact=fact))
        return fact

    def energy_left_wh(self, reading: MeterReading | None) -> float | None:
        """Return what is left of the energy granted after the token was refused, Wh; ``None``: no such bound."""
        left = self.record.energy_left_wh
        if left is None:
            return None
        if reading is None or reading.energy_import_wh is None or self.record.last_wh is None:
            return 0.0 if self.record.last_wh is None else float(left)
        return max(0.0, left - max(0.0, reading.energy_import_wh - self.record.last_wh))

    def with_register(self, now: Stamp, reading: MeterReading | None) -> TransactionRecord:
        """Return the record with the reading's register; what is left of an allowance counts from that register."""
        energy_wh = whole_wh(reading)
        record = self.record
        if reading is None or energy_wh is None or (record.last_wh is not None and energy_wh < record.last_wh):
            return record
        left = record.energy_left_wh
        if left is not None and record.last_wh is not None:
            left = max(0, left - (energy_wh - record.last_wh))
        self._kept_s = now.mono_s
        return msgspec.structs.replace(
            record, last_wh=energy_wh, last_at=self.stamp(now, reading.taken_s), energy_left_wh=left
        )

    @property
    def _ended_measurands(self) -> tuple[str, ...]:
        return ended_measurands(self._around)

    def _last_sample(self, now: Stamp, reading: MeterReading | None, beside: Beside | None) -> tuple[Sample, ...]:
        context, names = SampleContext.TRANSACTION_END, self._ended_measurands
        if reading is not None:
            at = self.stamp(now, reading.taken_s)
            made = sample_of(
                reading, at=at, context=context, measurands=names, layout=self._layout, beside=beside or Beside()
            )
            return () if made is None else (made,)
        if self.record.last_wh is None or self.record.last_at is None or _REGISTER not in names:
            return ()
        return (register_sample(self.record.last_wh, at=self.record.last_at, context=context),)


def ended_measurands(around: Surroundings) -> tuple[str, ...]:
    """Return what the first and the last sample of those at the end hold: everything that is told at the end.

    OCPP 1.6 errata 3.14: Transaction.Begin and Transaction.End of each measurand of both lists.
    """
    lists = (around.variables.members(each, "TxEndedMeasurands") for each in ("SampledDataCtrlr", "AlignedDataCtrlr"))
    return tuple(dict.fromkeys(name for names in lists for name in names))


def begin(
    turn: Turn,
    layout: EvseLayout,
    around: Surroundings,
    *,
    token: IdToken,
    group: str | None,
    trigger: Trigger,
    remote_start_id: int | None,
    reading: MeterReading | None,
    reservation_id: int | None = None,
    connector_id: int | None = None,
    beside: Beside | None = None,
) -> Transaction:
    """Begin a transaction: its record and its first fact. ``beside``: what is known at the start beside ``reading``."""
    boot = turn.now.boot_id
    register_wh = whole_wh(reading)
    now = turn.now
    sample = None
    taken = None
    if reading is not None:
        utc_s = None if now.utc_s is None else now.utc_s - (now.mono_s - reading.taken_s)
        taken = Stamp(boot_id=boot, mono_s=reading.taken_s, utc_s=utc_s)
        sample = sample_of(
            reading,
            at=taken,
            context=SampleContext.TRANSACTION_BEGIN,
            measurands=around.variables.members("SampledDataCtrlr", "TxStartedMeasurands"),
            layout=layout,
            beside=beside or Beside(),
        )
    record = TransactionRecord(
        transaction_id=around.new_id(),
        evse_id=layout.evse_id,
        connector_id=layout.connector_ids[0] if connector_id is None else connector_id,
        token=token,
        group=group,
        started_at=now,
        meter_start_wh=register_wh,
        next_seq_no=1,
        last_wh=register_wh,
        last_at=taken,
    )
    fact = TransactionStarted(
        transaction_id=record.transaction_id,
        evse_id=record.evse_id,
        connector_id=record.connector_id,
        seq_no=0,
        at=now,
        trigger=trigger,
        charging_state=ChargingState.CONNECTED,
        token=token,
        meter_start_wh=register_wh,
        samples=() if sample is None else (sample,),
        remote_start_id=remote_start_id,
        reservation_id=reservation_id,
        offline=not around.online,
    )
    turn.add(SaveTransaction(record=record), Record(fact=fact))
    transaction = Transaction(record, layout, around, turn.now_s)
    if reading is not None and taken is not None:
        transaction.keep_first(reading, taken, beside or Beside(), turn)
    return transaction


def abandon(turn: Turn, record: TransactionRecord, around: Surroundings) -> None:
    """End a transaction that no EVSE can go on with: the station was configured anew since."""
    transaction = Transaction(record, EvseLayout(evse_id=record.evse_id), around, turn.now_s)
    if record.ending is None:
        transaction.decide_end(turn, StopReason.OTHER, None, None)
    gap = "no EVSE of this station can go on with it; the register is the last durable one"
    transaction.end(turn, reading=None, gap=gap)
    turn.note("transaction.ended", record.evse_id, level="warning", transaction_id=record.transaction_id, gap=gap)
