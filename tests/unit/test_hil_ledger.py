"""The CSMS's book."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hil.csms_readings import read_samples, register_in
from hil.ledger import FIRST_TRANSACTION_ID, Ledger
from hil.ledger_rows import Arrival, ProblemKind, Receipt, Sample, Start, Stop, read_utc

T0, T1, T2 = "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z"
START = Start(
    transaction_id=None, evse_id=1, connector_id=1, id_token="CARD", start_wh=100, at_utc=T0, at_s=1.0
)  # fmt: skip
STOP = Stop(stop_wh=1100, at_utc=T1, at_s=2.0, reason="Local")
ARRIVAL = Arrival(
    identity="CP1", message_id="m1", action="StartTransaction", at_s=1.0, at_utc=datetime(2026, 3, 1, tzinfo=UTC),
    content="{}", times=(T0,), lane_utc=T0,
)  # fmt: skip


def kinds(book: Ledger) -> list[ProblemKind]:
    return [problem.kind for problem in book.problems()]


def test_a_charge_is_one_row_with_its_energy_and_no_problem() -> None:
    book = Ledger()
    row = book.start("CP1", START)
    assert row.transaction_id == str(FIRST_TRANSACTION_ID)
    assert kinds(book) == [ProblemKind.OPEN]
    book.stop("CP1", row.transaction_id, STOP)
    assert row.energy_wh == 1000
    assert book.problems() == []
    assert book.transactions("CP1") == [row]
    assert book.transactions("CP2") == []


def test_two_stations_may_use_the_same_transaction_id_and_message_id() -> None:
    book = Ledger()
    for identity in ("CP1", "CP2"):
        assert book.arrive(replace(ARRIVAL, identity=identity)) is Receipt.FRESH
        book.start(identity, replace(START, transaction_id="T"))
        book.stop(identity, "T", STOP)
    assert book.problems() == []
    assert len(book.transactions()) == 2


def test_a_retry_is_counted_with_its_transaction_and_not_entered_again() -> None:
    book = Ledger()
    assert book.arrive(ARRIVAL) is Receipt.FRESH
    row = book.start("CP1", START)
    book.own(ARRIVAL, row)
    assert book.arrive(replace(ARRIVAL, at_s=9.0)) is Receipt.DUPLICATE
    assert row.duplicates == {"StartTransaction": 1}
    assert len(book.arrivals()) == 1


def test_a_message_id_with_other_content_is_a_problem_and_entered() -> None:
    book = Ledger()
    book.arrive(ARRIVAL)
    assert book.arrive(replace(ARRIVAL, content='{"a":1}')) is Receipt.ID_REUSED
    assert kinds(book) == [ProblemKind.ID_REUSED]
    assert len(book.arrivals()) == 2


def test_a_stop_below_the_start_is_negative_energy() -> None:
    book = Ledger()
    row = book.start("CP1", START)
    book.stop("CP1", row.transaction_id, replace(STOP, stop_wh=99))
    assert kinds(book) == [ProblemKind.NEGATIVE_ENERGY, ProblemKind.REGISTER_BACKWARDS]


def test_a_reading_below_the_one_before_is_a_problem_even_when_the_energy_is_right() -> None:
    book = Ledger()
    row = book.start("CP1", START)
    for register_wh in (500, None, 499):
        row.samples.append(Sample(at_utc=T0, context=None, register_wh=register_wh, values=()))
    book.stop("CP1", row.transaction_id, STOP)
    assert kinds(book) == [ProblemKind.REGISTER_BACKWARDS]


def test_a_stop_without_a_start_gets_a_row_and_a_problem() -> None:
    book = Ledger()
    book.stop("CP1", "-1", STOP)
    assert kinds(book) == [ProblemKind.MISSING_START]
    assert [row.started for row in book.transactions()] == [False]


def test_an_end_without_a_reading_is_a_problem() -> None:
    book = Ledger()
    row = book.start("CP1", replace(START, start_wh=None))
    book.stop("CP1", row.transaction_id, STOP)
    assert kinds(book) == [ProblemKind.MISSING_REGISTER]


def test_a_second_stop_is_doubled_and_changes_nothing() -> None:
    book = Ledger()
    row = book.start("CP1", START)
    book.stop("CP1", row.transaction_id, STOP)
    book.stop("CP1", row.transaction_id, replace(STOP, stop_wh=9999, reason="Other"))
    assert (row.stop_wh, row.stop_reason, row.doubled) == (1100, "Local", {"StopTransaction": 1})
    assert kinds(book) == [ProblemKind.DOUBLED]


def test_a_start_on_an_outlet_with_an_open_transaction_overlaps_unless_its_stop_was_refused() -> None:
    book = Ledger()
    first = book.start("CP1", START)
    book.start("CP1", replace(START, connector_id=2, evse_id=2))
    book.start("CP1", replace(START, at_utc=T1))
    assert kinds(book).count(ProblemKind.OVERLAP) == 1
    other = Ledger(next_transaction_id=book.next_transaction_id)
    first = other.start("CP1", START)
    other.refuse("CP1", first.transaction_id, "StopTransaction")
    other.start("CP1", replace(START, at_utc=T1))
    assert ProblemKind.OVERLAP not in kinds(other)
    assert first.transaction_id == str(FIRST_TRANSACTION_ID + 3)


def test_sequence_numbers_tell_gaps_repeats_and_disorder() -> None:
    book = Ledger()
    row = book.start("CP1", replace(START, transaction_id="T"))
    accepted = [book.sequence(row, each, action="TransactionEvent", at_s=1.0) for each in (0, 1, 4, 3, 4)]
    assert accepted == [True, True, True, True, False]
    book.stop("CP1", "T", STOP)
    assert row.gaps == [2]
    assert kinds(book) == [ProblemKind.SEQUENCE, ProblemKind.DOUBLED, ProblemKind.GAP]


def test_transaction_messages_are_ordered_by_time_and_others_are_not() -> None:
    book = Ledger()
    book.arrive(replace(ARRIVAL, lane_utc=T1, times=(T1,)))
    book.arrive(replace(ARRIVAL, message_id="m2", lane_utc=None, times=(T0,), action="StatusNotification"))
    assert book.problems() == []
    book.arrive(replace(ARRIVAL, message_id="m3", lane_utc=T0))
    assert kinds(book) == [ProblemKind.OUT_OF_ORDER]
    book.arrive(replace(ARRIVAL, message_id="m4", lane_utc=T2, identity="CP2"))
    book.arrive(replace(ARRIVAL, message_id="m5", lane_utc=T2))
    assert kinds(book) == [ProblemKind.OUT_OF_ORDER]


def test_samples_are_ordered_within_their_transaction_only() -> None:
    book = Ledger()
    book.arrive(replace(ARRIVAL, lane_utc=T1, times=(T1,)))
    book.arrive(replace(ARRIVAL, message_id="m2", lane_utc=T0, action="MeterValues", lane="samples of 7"))
    book.arrive(replace(ARRIVAL, message_id="m3", lane_utc=T1, action="MeterValues", lane="samples of 8"))
    assert book.problems() == []
    book.arrive(replace(ARRIVAL, message_id="m4", lane_utc=T0, action="MeterValues", lane="samples of 8"))
    assert kinds(book) == [ProblemKind.OUT_OF_ORDER]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1970-01-01T00:03:00.000Z", ProblemKind.CLOCK_UNSET),
        ("2026-03-01T10:00:00", ProblemKind.TIME_FORMAT),
        ("2026-03-01 10:00:00Z", ProblemKind.TIME_FORMAT),
        ("20260301T100000Z", ProblemKind.TIME_FORMAT),
        ("2026-13-01T10:00:00Z", ProblemKind.TIME_FORMAT),
        ("", ProblemKind.TIME_FORMAT),
    ],
)
def test_times_that_no_station_may_send_are_problems(text: str, kind: ProblemKind) -> None:
    book = Ledger()
    book.arrive(replace(ARRIVAL, times=(text,), lane_utc=None))
    assert kinds(book) == [kind]


def test_times_with_fractions_and_offsets_are_read() -> None:
    assert read_utc("2026-03-01T11:00:00.123456+01:00") == datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)


def test_the_register_is_the_default_measurand_without_phase_in_watt_hours() -> None:
    (sample,) = read_samples(
        [
            {
                "timestamp": T0,
                "sampledValue": [
                    {"value": "16.0", "measurand": "Current.Import", "context": "Transaction.Begin"},
                    {"value": "AQID", "format": "SignedData"},
                    {"value": "1.1", "phase": "L1"},
                    {"value": "4.711", "unit": "kWh"},
                ],
            }
        ]
    )
    assert (sample.register_wh, sample.context) == (4711, "Transaction.Begin")
    assert register_in([sample], "Transaction.Begin") == 4711
    assert register_in([sample], "Transaction.End") is None


def test_a_register_that_is_no_number_is_unknown() -> None:
    (sample,) = read_samples([{"timestamp": T0, "sampledValue": [{"value": "lots"}]}])
    assert sample.register_wh is None
