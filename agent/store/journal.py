"""The journal's table, as functions over an open SQL transaction. No state, no error handling."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from agent.model.facts import Fact
from agent.model.moment import Stamp
from agent.store.connection import Connection
from agent.store.encoding import ENDED, PERIODIC, STARTED, Unreadable, decode_fact, encode, fact_checksum, kind_of
from agent.store.tables import forget_transaction, mark_start_lost

COUNT_EXACTLY_BELOW = 65_536  # rows; counting reads every page, which a start must not do with a year's backlog
MOST_PLACES = 2**62  # no station comes near it; behind 2**63 - 1 SQLite gives no place at all
_RETRY = "retry"  # in meta: place and moment of the next attempt
_COLUMNS = "seq, transaction_id, kind, fact, crc32, message_id, utc_s, attempts, sent, last_error"
_COLUMN_COUNT = 10


class StoredRow(msgspec.Struct, kw_only=True):
    """A row of the journal as it is stored."""

    seq: int
    transaction_id: str
    kind: str
    fact: bytes
    checksum: int
    message_id: str
    utc_s: float | None
    attempts: int
    sent: bool
    last_error: str
    csms_id: str | None = None


def new_message_id() -> str:
    """Return an id for an OCPP message: a UUID has 36 characters, the most that OCPP-J allows (1.6J §4.1.4)."""
    return str(uuid.uuid4())


def append(connection: Connection, fact: Fact, message_id: str) -> StoredRow:
    """Append ``fact`` and return its row."""
    transaction_id, kind, blob = fact.transaction_id, kind_of(fact), encode(fact)
    checksum = fact_checksum(transaction_id, kind, blob)
    seq = connection.execute(
        "INSERT INTO facts (transaction_id, kind, fact, crc32, message_id) VALUES (?, ?, ?, ?, ?)",
        (transaction_id, kind, blob, checksum, message_id),
    ).lastrowid
    if seq is None:
        raise AssertionError("an insert has a row id")
    return StoredRow(
        seq=seq,
        transaction_id=transaction_id,
        kind=kind,
        fact=blob,
        checksum=checksum,
        message_id=message_id,
        utc_s=None,
        attempts=0,
        sent=False,
        last_error="",
    )


def rows_after(connection: Connection, seq: int, limit: int) -> list[StoredRow]:
    """Return up to ``limit`` rows behind ``seq``, in order."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM facts WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))
    return [_stored(row) for row in rows]


def row_at(connection: Connection, seq: int) -> StoredRow | None:
    """Return the row at ``seq``, or ``None`` where nothing waits there."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM facts WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else _stored(row)


def page(connection: Connection, limit: int, offset: int) -> list[StoredRow]:
    """Return waiting rows for people, in order of delivery."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM facts ORDER BY seq LIMIT ? OFFSET ?", (limit, offset))
    return [_stored(row) for row in rows]


def dead_page(connection: Connection, limit: int, offset: int) -> list[StoredRow]:
    """Return dead letters for people, oldest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS}, csms_id FROM dead_letters ORDER BY seq LIMIT ? OFFSET ?", (limit, offset)
    )
    return [_stored(row) for row in rows]


def _stored(row: Sequence[Any]) -> StoredRow:
    if len(row) == _COLUMN_COUNT:  # runs for every fact that is delivered
        seq, transaction_id, kind, fact, checksum, message_id, utc_s, attempts, sent, last_error = row
        return StoredRow(
            seq=seq,
            transaction_id=transaction_id,
            kind=kind,
            fact=fact,
            checksum=checksum,
            message_id=message_id,
            utc_s=utc_s,
            attempts=attempts,
            sent=bool(sent),
            last_error=last_error,
        )
    values = dict(zip(StoredRow.__struct_fields__, row, strict=False))
    values["sent"] = bool(values["sent"])
    return StoredRow(**values)  # STRICT tables keep the types of the columns


def fact_of(row: StoredRow) -> Fact:
    """Return the fact of a row.

    Raises:
        Unreadable: the row was damaged, or it is no fact that this release knows.
    """
    typed = isinstance(row.transaction_id, str) and isinstance(row.kind, str) and isinstance(row.fact, bytes)
    if not typed or not isinstance(row.message_id, str) or not isinstance(row.attempts, int):
        raise Unreadable(f"row {row.seq} holds values of a wrong type: it was damaged")
    return decode_fact(row.transaction_id, row.kind, row.fact, row.checksum)


def delete(connection: Connection, seqs: Iterable[int]) -> None:
    """Delete delivered rows, and the transactions that thereby have nothing left to say."""
    for first, last in _runs(seqs):  # nearly always one: a statement costs more than the row that it deletes
        gone = connection.execute(
            "DELETE FROM facts WHERE seq BETWEEN ? AND ? RETURNING transaction_id, kind", (first, last)
        ).fetchall()
        for transaction_id, kind in gone:
            if kind == ENDED:
                forget_transaction(connection, transaction_id)


def _runs(seqs: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each run of neighbours."""
    first = last = None
    for seq in sorted(seqs):
        if first is None or last is None:
            first = seq
        elif seq > last + 1:
            yield first, last
            first = seq
        last = seq
    if first is not None and last is not None:
        yield first, last


def mark_sent(connection: Connection, seqs: Iterable[int]) -> None:
    """Note that rows were transmitted at least once."""
    connection.executemany("UPDATE facts SET sent = 1 WHERE seq = ?", ((seq,) for seq in seqs))


def note_failure(connection: Connection, seq: int, error: str, message_id: str | None) -> None:
    """Count a failed attempt; a ``message_id`` replaces the old one."""
    connection.execute(
        "UPDATE facts SET attempts = attempts + 1, sent = 1, last_error = ?, message_id = coalesce(?, message_id)"
        " WHERE seq = ?",
        (error, message_id, seq),
    )


def note_retry(connection: Connection, seq: int, at: Stamp) -> None:
    """Keep from when on a failed row may be sent again. Only the head of the lane can wait for that: there is one."""
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_RETRY, msgspec.json.encode((seq, at)).decode()),
    )


def retry_of(connection: Connection) -> tuple[int, Stamp] | None:
    """Return what ``note_retry`` kept last; ``None`` also where that cannot be read."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (_RETRY,)).fetchone()
    try:
        return None if row is None else msgspec.json.decode(str(row[0]), type=tuple[int, Stamp])
    except msgspec.MsgspecError:
        return None


def fix_utc(connection: Connection, seq: int, utc_s: float) -> None:
    """Fix the UTC of a row unless it is fixed already."""
    connection.execute("UPDATE facts SET utc_s = ? WHERE seq = ? AND utc_s IS NULL", (utc_s, seq))


def bury(connection: Connection, seq: int, error: str, *, attempted: bool) -> None:
    """Move a row to the dead letters; a start that goes there leaves its transaction without the CSMS's name.

    ``attempted``: count one attempt more.
    """
    row = row_at(connection, seq)
    if row is None:
        return
    connection.execute(
        f"INSERT INTO dead_letters ({_COLUMNS}, csms_id) SELECT seq, transaction_id, kind, fact, crc32, message_id,"
        " utc_s, attempts + ?, sent, ?,"
        " (SELECT csms_id FROM transactions AS t WHERE t.transaction_id = f.transaction_id)"
        " FROM facts AS f WHERE seq = ?",
        (int(attempted), error, seq),
    )
    connection.execute("DELETE FROM facts WHERE seq = ?", (seq,))
    if row.kind == STARTED:
        mark_start_lost(connection, row.transaction_id)
    elif row.kind == ENDED:
        forget_transaction(connection, row.transaction_id)


def forget_dead(connection: Connection, limit: int) -> int:
    """Forget the oldest dead letters that are periodic samples, and return how many there were; others stay."""
    return connection.execute(
        "DELETE FROM dead_letters WHERE seq IN (SELECT seq FROM dead_letters WHERE kind = ? ORDER BY seq LIMIT ?)",
        (PERIODIC, limit),
    ).rowcount


def last_seq(connection: Connection) -> int:
    """Return the newest place ever given to a fact; 0 also where that was damaged, see ``mend_places``."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'facts'").fetchone()
    return row[0] if row is not None and isinstance(row[0], int) else 0


def mend_places(connection: Connection) -> None:
    """See to it that no place is given twice and no fact is behind the last one, where that count was damaged."""
    (newest,) = connection.execute(
        "SELECT max(coalesce((SELECT max(seq) FROM facts), 0), coalesce((SELECT max(seq) FROM dead_letters), 0))"
    ).fetchone()
    if not newest <= last_seq(connection) < MOST_PLACES:
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'facts'")
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('facts', ?)", (newest,))


def waiting_at_most(connection: Connection) -> int:
    """Return how many facts wait; with more than ``COUNT_EXACTLY_BELOW`` places in between an upper bound."""
    oldest, newest = connection.execute(
        "SELECT (SELECT seq FROM facts ORDER BY seq LIMIT 1), (SELECT seq FROM facts ORDER BY seq DESC LIMIT 1)"
    ).fetchone()
    if oldest is None:
        return 0
    span = int(newest) - int(oldest) + 1
    return span if span >= COUNT_EXACTLY_BELOW else count(connection)


def count(connection: Connection) -> int:
    """Return exactly how many facts wait, reading every page of them."""
    return int(connection.execute("SELECT count(*) FROM facts").fetchone()[0])


def thinnable(
    connection: Connection, wanted: int, *, after: int, odd: set[str], alone: bool
) -> tuple[list[int], int | None]:
    """Return up to ``wanted`` places to give up, every second periodic sample of each transaction, oldest first.

    Args:
        connection: the journal.
        wanted: how many at most.
        after: the place behind which to look: where the last call stopped.
        odd: transactions whose next sample stays; kept from call to call.
        alone: look at those samples that belong to no transaction.

    Returns:
        The places, and where it stopped; ``None`` at the end of the journal.
    """
    chosen: list[int] = []
    which = "transaction_id = ''" if alone else "transaction_id <> ''"
    for seq, transaction_id in connection.execute(
        f"SELECT seq, transaction_id FROM facts WHERE seq > ? AND kind = ? AND {which} ORDER BY seq", (after, PERIODIC)
    ):
        if len(chosen) >= wanted:
            return chosen, after
        after = int(seq)
        odd ^= {transaction_id}
        if transaction_id in odd:
            chosen.append(after)
    return chosen, None
