"""The CSMS's book: what a station billed, and everything that is wrong with it. Pure: times come in as arguments.

The book knows no OCPP version and no framing; the readers in ``csms_v16`` and ``csms_v201`` turn validated payloads
into its entries. It keeps transactions in the order of their arrival and never corrects a station: what looks wrong
becomes a `Problem`.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime
from typing import Final

from hil.ledger_rows import (
    EARLIEST_UTC,
    Arrival,
    Problem,
    ProblemKind,
    Receipt,
    Start,
    Stop,
    Transaction,
    read_utc,
)

FIRST_TRANSACTION_ID: Final = 1001


class Ledger:
    """The book of one CSMS, over all stations."""

    def __init__(self, *, next_transaction_id: int = FIRST_TRANSACTION_ID) -> None:
        self._transactions: list[Transaction] = []
        self._by_id: dict[tuple[str, str], Transaction] = {}
        self._noted: list[Problem] = []
        self._arrivals: list[Arrival] = []
        self._by_message: dict[tuple[str, str], Arrival] = {}
        self._owner: dict[tuple[str, str], Transaction] = {}
        self._started: dict[tuple[object, ...], Transaction] = {}
        self._on_outlet: dict[tuple[object, ...], list[Transaction]] = {}
        self._last_lane_time: dict[tuple[str, str], datetime] = {}
        self.next_transaction_id = next_transaction_id
        self._next_number = 1

    # ---- entries -------------------------------------------------------------------------------------------------

    def arrive(self, arrival: Arrival) -> Receipt:
        """Enter a CALL into the order of arrival and check its times; a retry is counted, not entered again."""
        key = (arrival.identity, arrival.message_id)
        earlier = self._by_message.get(key)
        if earlier is not None and (earlier.action, earlier.content) == (arrival.action, arrival.content):
            owner = self._owner.get(key)
            if owner is not None:
                owner.duplicates[arrival.action] = owner.duplicates.get(arrival.action, 0) + 1
            return Receipt.DUPLICATE
        self._arrivals.append(arrival)
        self._by_message[key] = arrival
        self._owner.pop(key, None)
        self._check_times(arrival)
        if earlier is None:
            return Receipt.FRESH
        text = f"message id {arrival.message_id} of {earlier.action} was used again for another {arrival.action}"
        self.note(Problem(kind=ProblemKind.ID_REUSED, identity=arrival.identity, text=text, at_s=arrival.at_s))
        return Receipt.ID_REUSED

    def own(self, arrival: Arrival, transaction: Transaction) -> None:
        """Say that a message belongs to a transaction, so that its retries are counted there."""
        self._owner[(arrival.identity, arrival.message_id)] = transaction

    def note(self, problem: Problem) -> None:
        """Hold something against a station that the book cannot see itself (schema, frame)."""
        self._noted.append(problem)

    def start(self, identity: str, start: Start, *, action: str = "StartTransaction") -> Transaction:
        """Open a transaction and return its row. The same content again opens a second row for 1.6 and is counted."""
        if start.transaction_id is None:
            twin = self._started.get(_content(identity, start))
            row = self._open(identity, None)
        else:
            row = self.known(identity, start.transaction_id) or self._open(identity, start.transaction_id)
            twin = row if row.started else None
        if twin is not None:
            self._double(twin, action, f"start at {start.at_utc} with {start.start_wh} Wh", start.at_s)
        if row.started:
            return row
        self._take_outlet(row, start, twin)
        self._started.setdefault(_content(identity, start), row)
        row.started = True
        row.evse_id, row.connector_id = start.evse_id, start.connector_id
        row.id_token, row.start_wh = start.id_token, start.start_wh
        row.start_utc, row.start_received_s = start.at_utc, start.at_s
        row.remote_start_id = start.remote_start_id
        return row

    def stop(self, identity: str, transaction_id: str, stop: Stop, *, action: str = "StopTransaction") -> Transaction:
        """Close a transaction and return its row; a second stop under a new message id is counted, no more."""
        row = self.row(identity, transaction_id, at_s=stop.at_s, action=action)
        if row.ended:
            self._double(row, action, f"stop at {stop.at_utc} with {stop.stop_wh} Wh", stop.at_s)
            return row
        row.ended = True
        row.stop_wh, row.stop_utc, row.stop_received_s = stop.stop_wh, stop.at_utc, stop.at_s
        row.stop_reason, row.stop_id_token = stop.reason, stop.id_token
        return row

    def sequence(self, row: Transaction, seq_no: int, *, action: str, at_s: float) -> bool:
        """Enter a sequence number; False (and counted) when the transaction already has it."""
        if seq_no in row.seq_nos:
            self._double(row, action, f"sequence number {seq_no}", at_s)
            return False
        if row.seq_nos and seq_no < row.seq_nos[-1]:
            text = f"sequence number {seq_no} after {row.seq_nos[-1]}"
            self._against(row, ProblemKind.SEQUENCE, text, at_s)
        row.seq_nos.append(seq_no)
        return True

    def known(self, identity: str, transaction_id: str) -> Transaction | None:
        """Return a transaction's row, None when there is none."""
        return self._by_id.get((identity, transaction_id))

    def row(self, identity: str, transaction_id: str, *, at_s: float, action: str) -> Transaction:
        """Return a transaction's row; one that never started gets a row too, and a problem."""
        found = self._by_id.get((identity, transaction_id))
        if found is not None:
            return found
        row = self._open(identity, transaction_id)
        self._against(row, ProblemKind.MISSING_START, f"{action} for a transaction that never started", at_s)
        return row

    def refuse(self, identity: str, transaction_id: str, action: str) -> None:
        """Count a message that a script answered with CALLERROR, where its transaction is known."""
        row = self._by_id.get((identity, transaction_id))
        if row is not None:
            row.refused[action] = row.refused.get(action, 0) + 1

    # ---- queries -------------------------------------------------------------------------------------------------

    def transactions(self, identity: str | None = None) -> list[Transaction]:
        """All rows in order of arrival, of one station or of all."""
        return [row for row in self._transactions if identity in (None, row.identity)]

    def arrivals(self, identity: str | None = None) -> list[Arrival]:
        """All accepted CALLs in order of arrival, retries left out."""
        return [arrival for arrival in self._arrivals if identity in (None, arrival.identity)]

    def problems(self, identity: str | None = None) -> list[Problem]:
        """Everything held against the stations: what was seen on arrival, then what the rows say now."""
        found = list(self._noted)
        for row in self._transactions:
            found += _conclusions(row)
        return [problem for problem in found if identity in (None, problem.identity)]

    # ---- inside --------------------------------------------------------------------------------------------------

    def _open(self, identity: str, transaction_id: str | None) -> Transaction:
        while transaction_id is None or (identity, transaction_id) in self._by_id:  # a station may have invented one
            transaction_id = str(self.next_transaction_id)
            self.next_transaction_id += 1
        row = Transaction(identity=identity, transaction_id=transaction_id, number=self._next_number)
        self._next_number += 1
        self._transactions.append(row)
        self._by_id[(identity, transaction_id)] = row
        return row

    def _take_outlet(self, row: Transaction, start: Start, twin: Transaction | None) -> None:
        """Give an outlet to a transaction; an older one still open there, whose end was not refused, overlaps."""
        outlet = (row.identity, start.evse_id, start.connector_id)
        still_open = [other for other in self._on_outlet.get(outlet, []) if not other.ended]
        for other in still_open:
            if other is not twin and not other.refused:
                text = f"started on EVSE {start.evse_id} while transaction {other.transaction_id} is open there"
                self._against(row, ProblemKind.OVERLAP, text, start.at_s)
        self._on_outlet[outlet] = [*still_open, row]

    def _double(self, row: Transaction, action: str, what: str, at_s: float) -> None:
        row.doubled[action] = row.doubled.get(action, 0) + 1
        self._against(row, ProblemKind.DOUBLED, f"{action} again under a new message id: {what}", at_s)

    def _against(self, row: Transaction, kind: ProblemKind, text: str, at_s: float | None) -> None:
        self.note(Problem(kind=kind, identity=row.identity, text=text, transaction_id=row.transaction_id, at_s=at_s))

    def _check_times(self, arrival: Arrival) -> None:
        def against(kind: ProblemKind, what: str) -> None:
            text = f"{arrival.action}: {what}"
            self.note(Problem(kind=kind, identity=arrival.identity, text=text, at_s=arrival.at_s))

        for text in dict.fromkeys((*arrival.times, *([arrival.lane_utc] if arrival.lane_utc else []))):
            try:
                moment = read_utc(text)
            except ValueError as exc:
                against(ProblemKind.TIME_FORMAT, str(exc))
                continue
            if moment < EARLIEST_UTC:
                against(ProblemKind.CLOCK_UNSET, f"time {text} is before {EARLIEST_UTC:%Y}")
            if text != arrival.lane_utc:
                continue
            lane = (arrival.identity, arrival.lane)
            last = self._last_lane_time.get(lane)
            if last is not None and moment < last:
                against(ProblemKind.OUT_OF_ORDER, f"time {text} is before {last.isoformat()} of the message before it")
            self._last_lane_time[lane] = moment


def _content(identity: str, start: Start) -> tuple[object, ...]:
    """Return what makes two starts the same although their message ids differ."""
    return (identity, start.connector_id, start.id_token, start.start_wh, start.at_utc)


def _conclusions(row: Transaction) -> list[Problem]:
    """Say what a row, as it stands, has wrong."""
    seed = Problem(kind=ProblemKind.OPEN, identity=row.identity, text="", transaction_id=row.transaction_id)

    def problem(kind: ProblemKind, text: str) -> Problem:
        return replace(seed, kind=kind, text=text)

    found: list[Problem] = []
    if not row.ended:
        found.append(problem(ProblemKind.OPEN, f"transaction {row.transaction_id} is open"))
    if row.ended and row.started and row.energy_wh is None:
        found.append(problem(ProblemKind.MISSING_REGISTER, f"start {row.start_wh} Wh, stop {row.stop_wh} Wh"))
    if row.energy_wh is not None and row.energy_wh < 0:
        found.append(problem(ProblemKind.NEGATIVE_ENERGY, f"start {row.start_wh} Wh, stop {row.stop_wh} Wh"))
    if row.ended and row.gaps:
        found.append(problem(ProblemKind.GAP, f"sequence numbers {row.gaps} never arrived"))
    in_time = sorted(row.samples, key=lambda sample: sample.at_utc)  # the data of a stop repeats what was told before
    readings = [row.start_wh, *(sample.register_wh for sample in in_time), row.stop_wh]
    known = [reading for reading in readings if reading is not None]
    for before, after in itertools.pairwise(known):
        if after < before:
            found.append(problem(ProblemKind.REGISTER_BACKWARDS, f"register {after} Wh after {before} Wh"))
            break
    return found
