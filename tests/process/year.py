"""What a station journals in a year without a network: one charge after the other, a sample each minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

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
from agent.model.ids import IdToken
from agent.model.moment import Stamp
from agent.model.sample import Measurand, Sample, SampleContext, SampledValue
from agent.store import Store
from tests.process.charges import CARD

SAMPLE_S: Final = 60.0
YEAR_AGO_UTC_S: Final = 1_763_600_000.0  # 2025-11-20
SAMPLE_WH: Final = 183
BATCH: Final = 2_000

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """What is in the journal: ``samples`` evenly over ``transactions``, one after the other."""

    samples: int
    transactions: int

    @property
    def facts(self) -> int:
        """How many rows that makes."""
        return self.samples + 2 * self.transactions

    def samples_of(self, number: int) -> int:
        """How many samples transaction ``number`` (from 0) has."""
        return self.samples * (number + 1) // self.transactions - self.samples * number // self.transactions

    def commits(self) -> Iterator[tuple[Durable, ...]]:
        """Yield what the charging core would have committed."""
        at_s, register_wh = 0.0, 1_000
        for number in range(self.transactions):
            name, start_wh = f"01HYEAR{number:019d}", register_wh
            where: dict[str, Any] = {"transaction_id": name, "evse_id": 1, "connector_id": 1}
            begun = _stamp(at_s)
            yield (
                Record(
                    fact=TransactionStarted(
                        **where,
                        seq_no=0,
                        at=begun,
                        trigger=Trigger.AUTHORIZED,
                        charging_state=ChargingState.CONNECTED,
                        token=IdToken(value=CARD),
                        meter_start_wh=start_wh,
                        offline=True,
                    )
                ),
            )
            count = self.samples_of(number)
            for seq_no in range(1, count + 1):
                at_s += SAMPLE_S
                register_wh += SAMPLE_WH
                yield (Record(fact=_sample(where, seq_no, _stamp(at_s), register_wh)),)
            at_s += SAMPLE_S
            ended = TransactionEnded(
                **where,
                seq_no=count + 1,
                at=_stamp(at_s),
                trigger=Trigger.STOP_AUTHORIZED,
                reason=StopReason.LOCAL,
                token=IdToken(value=CARD),
                meter_stop_wh=register_wh,
                offline=True,
            )
            over = TransactionRecord(
                **where,
                token=IdToken(value=CARD),
                started_at=begun,
                meter_start_wh=start_wh,
                next_seq_no=count + 2,
                last_wh=register_wh,
                last_at=_stamp(at_s),
                ended=True,
            )
            yield Record(fact=ended), SaveTransaction(record=over)

    def expected(self) -> Iterator[tuple[str, int]]:
        """Yield what must arrive: the action, and the register that it tells, Wh."""
        register_wh = 1_000
        for number in range(self.transactions):
            yield "StartTransaction", register_wh
            for _ in range(self.samples_of(number)):
                register_wh += SAMPLE_WH
                yield "MeterValues", register_wh
            yield "StopTransaction", register_wh


def fill(path: Path, year: Year, tell: Tell) -> None:
    """Write the journal of the year."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store, _report = Store.open(path, boot_id="last-year")
    commits, done, told_s = year.commits(), 0, time.monotonic()
    while some := [durable for durables in islice(commits, BATCH) for durable in durables]:
        store.commit(some)
        done += BATCH
        if time.monotonic() - told_s > 5.0:
            told_s = time.monotonic()
            tell(f"writing the journal: {min(100, 100 * done // year.facts)} %")
    store.close()


def _stamp(at_s: float) -> Stamp:
    return Stamp(boot_id="last-year", mono_s=100.0 + at_s, utc_s=YEAR_AGO_UTC_S + at_s)


def _sample(where: dict[str, Any], seq_no: int, at: Stamp, register_wh: int) -> TransactionUpdated:
    values = (
        SampledValue(measurand=Measurand.ENERGY_IMPORT_REGISTER, value=float(register_wh)),
        SampledValue(measurand=Measurand.POWER_IMPORT, value=10_980.0 + seq_no % 7),
    )
    return TransactionUpdated(
        **where,
        seq_no=seq_no,
        at=at,
        trigger=Trigger.METER_PERIODIC,
        charging_state=ChargingState.CHARGING,
        samples=(Sample(at=at, context=SampleContext.PERIODIC, values=values),),
        offline=True,
    )
