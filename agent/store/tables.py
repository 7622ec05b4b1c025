"""The tables beside the journal, as functions over an open SQL transaction. No state, no error handling."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import msgspec

from agent.model.commands import TokenVerdict, Verdict
from agent.model.effects import CacheToken, SaveAvailability
from agent.model.facts import TransactionRecord
from agent.model.variables import StoredValue, ValueSource
from agent.store.connection import Connection
from agent.store.encoding import Unreadable, decode_record, decode_token, document_checksum, encode
from agent.store.values import StoredState

CACHE_LIMIT = 1000  # authorizations kept; the one learned first goes first
_STATION_ID = "station_id"
_LAST_GOOD_UTC = "last_good_utc_s"
_NOTE = "note."


def save_transaction(connection: Connection, record: TransactionRecord) -> None:
    """Keep ``record``. The CSMS's name for it is only ever added, never taken away."""
    blob = encode(record)
    connection.execute(
        "INSERT INTO transactions (transaction_id, evse_id, record, crc32, ended, csms_id) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (transaction_id) DO UPDATE SET evse_id = excluded.evse_id, record = excluded.record,"
        " crc32 = excluded.crc32, ended = excluded.ended, csms_id = coalesce(excluded.csms_id, csms_id)",
        (record.transaction_id, record.evse_id, blob, zlib.crc32(blob), int(record.ended), record.csms_id),
    )


def name_transaction(connection: Connection, transaction_id: str, csms_id: str) -> None:
    """Keep the CSMS's name for a transaction."""
    connection.execute(
        "INSERT INTO transactions (transaction_id, csms_id) VALUES (?, ?)"
        " ON CONFLICT (transaction_id) DO UPDATE SET csms_id = excluded.csms_id",
        (transaction_id, csms_id),
    )


def mark_start_lost(connection: Connection, transaction_id: str) -> None:
    """Keep that the start of a transaction was given up."""
    connection.execute(
        "INSERT INTO transactions (transaction_id, start_lost) VALUES (?, 1)"
        " ON CONFLICT (transaction_id) DO UPDATE SET start_lost = 1",
        (transaction_id,),
    )


def forget_transaction(connection: Connection, transaction_id: str) -> None:
    """Drop what is older than a transaction whose last fact left the journal.

    The newest transaction of each EVSE stays although it ended: after a restart with the cable still in, the core must
    know that this stay was billed already.
    """
    connection.execute("DELETE FROM transactions WHERE transaction_id = ? AND record IS NULL", (transaction_id,))
    connection.execute(
        "DELETE FROM transactions WHERE ended = 1"
        " AND rowid < (SELECT rowid FROM transactions WHERE transaction_id = ?)"  # few: older ones are gone already
        " AND evse_id = (SELECT evse_id FROM transactions WHERE transaction_id = ?)",
        (transaction_id, transaction_id),
    )


def name_of(connection: Connection, transaction_id: str) -> tuple[str | None, bool]:
    """Return the CSMS's name for a transaction and whether its start was given up."""
    row = connection.execute(
        "SELECT csms_id, start_lost FROM transactions WHERE transaction_id = ?", (transaction_id,)
    ).fetchone()
    return (None, False) if row is None else (row[0], bool(row[1]))


def save_availability(connection: Connection, availability: SaveAvailability) -> None:
    """Keep the availability of the station, an EVSE or a connector."""
    connection.execute(
        "INSERT INTO availability (evse_id, connector_id, operative) VALUES (?, ?, ?)"
        " ON CONFLICT (evse_id, connector_id) DO UPDATE SET operative = excluded.operative",
        (availability.evse_id or 0, availability.connector_id or 0, int(availability.operative)),
    )


def cache_token(connection: Connection, cached: CacheToken) -> None:
    """Keep what the CSMS said about a token. Saying the same again writes nothing."""
    key = cached.token.value.casefold()
    verdict = cached.verdict
    news = (encode(cached.token), verdict.verdict.value, verdict.group, verdict.expires_utc_s)
    known = connection.execute(
        "SELECT token, verdict, group_id, expires_utc_s FROM authorizations WHERE token_key = ?", (key,)
    ).fetchone()
    if known is not None and tuple(known) == news:
        return
    connection.execute("DELETE FROM authorizations WHERE token_key IN (?, ?)", (key, cached.instead_of))
    connection.execute(
        "INSERT INTO authorizations (token_key, token, verdict, group_id, expires_utc_s) VALUES (?, ?, ?, ?, ?)",
        (key, *news),
    )
    connection.execute(
        "DELETE FROM authorizations WHERE number ="
        " (SELECT number FROM authorizations ORDER BY number DESC LIMIT 1 OFFSET ?)",
        (CACHE_LIMIT,),
    )


def forget_tokens(connection: Connection) -> None:
    """Empty the authorization cache."""
    connection.execute("DELETE FROM authorizations")


def save_document(connection: Connection, kind: str, name: str, body: bytes | None) -> None:
    """Keep a document, or remove it. Saying the same again writes nothing."""
    if body is None:
        connection.execute("DELETE FROM documents WHERE kind = ? AND name = ?", (kind, name))
        return
    connection.execute(
        "INSERT INTO documents (kind, name, body, crc32) VALUES (?, ?, ?, ?) ON CONFLICT (kind, name) DO UPDATE"
        " SET body = excluded.body, crc32 = excluded.crc32 WHERE body <> excluded.body OR crc32 <> excluded.crc32",
        (kind, name, body, document_checksum(kind, name, body)),
    )


def replace_documents(connection: Connection, kind: str, bodies: Mapping[str, bytes]) -> None:
    """Make ``bodies`` the documents of ``kind``; what is equal is not written again."""
    for (name,) in connection.execute("SELECT name FROM documents WHERE kind = ?", (kind,)).fetchall():
        if name not in bodies:
            save_document(connection, kind, name, None)
    for name, body in bodies.items():
        save_document(connection, kind, name, body)


def documents(connection: Connection, kind: str | None, problems: list[str]) -> dict[str, dict[str, bytes]]:
    """Return the documents of ``kind``, or all, by kind and key; damaged ones are left out and named."""
    found: dict[str, dict[str, bytes]] = {}
    rows = connection.execute(
        "SELECT kind, name, body, crc32 FROM documents WHERE ? IS NULL OR kind = ? ORDER BY number", (kind, kind)
    )
    for of_kind, name, body, checksum in rows:
        if document_checksum(of_kind, name, body) == checksum:
            found.setdefault(of_kind, {})[name] = body
        else:
            problems.append(f"{of_kind} {name}: the stored text was damaged")
    return found


def save_values(connection: Connection, values: Iterable[StoredValue]) -> None:
    """Keep values of variables."""
    for each in values:
        connection.execute(
            "INSERT INTO variables (key, value, source, file_value) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value,"
            " source = excluded.source, file_value = excluded.file_value",
            (each.key, each.value, each.source.value, each.file_value),
        )


def register_boot(connection: Connection, boot_id: str) -> str | None:
    """Note this boot if it is new and return the boot id of the newest one before, or ``None``."""
    row = connection.execute("SELECT boot_id FROM boots ORDER BY number DESC LIMIT 1").fetchone()
    if row is None or row[0] != boot_id:
        connection.execute("INSERT INTO boots (boot_id) VALUES (?) ON CONFLICT (boot_id) DO NOTHING", (boot_id,))
        # A station in a boot loop must not grow: stamps older than 500 boots keep only the UTC that they know.
        connection.execute("DELETE FROM boots WHERE number <= (SELECT max(number) FROM boots) - 500")
    return None if row is None else str(row[0])


def set_anchor(connection: Connection, boot_id: str, utc_minus_mono_s: float) -> None:
    """Keep the time anchor of a boot; the first one stays, so that every rendering of a fact says the same."""
    connection.execute(
        "UPDATE boots SET anchor_utc_minus_mono_s = ? WHERE boot_id = ? AND anchor_utc_minus_mono_s IS NULL",
        (utc_minus_mono_s, boot_id),
    )


def anchors(connection: Connection) -> dict[str, float]:
    """Return boot id -> UTC minus monotonic, s, of boots that learned the time of day."""
    rows = connection.execute(
        "SELECT boot_id, anchor_utc_minus_mono_s FROM boots WHERE anchor_utc_minus_mono_s IS NOT NULL"
    )
    return {str(boot_id): float(anchor_s) for boot_id, anchor_s in rows}


def ensure_station_id(connection: Connection, fresh: str) -> None:
    """Keep ``fresh`` as the station's id unless it has one."""
    connection.execute("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", (_STATION_ID, fresh))


def save_meta(connection: Connection, *, last_good_utc_s: float | None, notes: Mapping[str, str]) -> None:
    """Keep notes and the newest trusted time of day (which only ever grows)."""
    rows = [(_NOTE + name, text) for name, text in notes.items()]
    if last_good_utc_s is not None:
        known = connection.execute("SELECT value FROM meta WHERE key = ?", (_LAST_GOOD_UTC,)).fetchone()
        before_s = None if known is None else _number(known[0], [])
        if before_s is None or before_s < last_good_utc_s:
            rows.append((_LAST_GOOD_UTC, repr(float(last_good_utc_s))))
    for row in rows:
        connection.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", row
        )


def load(connection: Connection, *, waiting: int) -> StoredState:
    """Return everything but the journal; what cannot be read is left out and named in ``problems``."""
    problems: list[str] = []
    meta = {str(key): str(value) for key, value in connection.execute("SELECT key, value FROM meta")}
    return StoredState(
        transactions=tuple(_transactions(connection, "ended = 0", problems)),
        finished=tuple(_transactions(connection, _NEWEST_ENDED, problems)),
        availability=tuple(
            SaveAvailability(operative=bool(operative), evse_id=evse_id or None, connector_id=connector_id or None)
            for evse_id, connector_id, operative in connection.execute(
                "SELECT evse_id, connector_id, operative FROM availability"
            )
        ),
        authorizations=tuple(_authorizations(connection, problems)),
        variables=tuple(_variables(connection, problems)),
        anchors=anchors(connection),
        waiting=waiting,
        dead=int(connection.execute("SELECT count(*) FROM dead_letters").fetchone()[0]),
        last_good_utc_s=_number(meta.get(_LAST_GOOD_UTC), problems),
        station_id=meta.get(_STATION_ID, ""),
        notes={key.removeprefix(_NOTE): value for key, value in meta.items() if key.startswith(_NOTE)},
        documents=documents(connection, None, problems),
        problems=tuple(problems),
    )


def _number(text: str | None, problems: list[str]) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        problems.append(f"{_LAST_GOOD_UTC}: {text!r} is not a number")
        return None


_NEWEST_ENDED = (
    "ended = 1 AND NOT EXISTS (SELECT 1 FROM transactions AS newer"
    " WHERE newer.evse_id = transactions.evse_id AND newer.rowid > transactions.rowid)"
)


def _transactions(connection: Connection, which: str, problems: list[str]) -> Iterable[TransactionRecord]:
    rows = connection.execute(
        "SELECT transaction_id, record, crc32, csms_id FROM transactions"
        f" WHERE {which} AND record IS NOT NULL ORDER BY rowid"
    )
    for transaction_id, record, checksum, csms_id in rows:
        try:
            yield msgspec.structs.replace(decode_record(record, checksum), csms_id=csms_id)
        except Unreadable as error:
            problems.append(f"transaction {transaction_id}: {error}")


def _authorizations(connection: Connection, problems: list[str]) -> Iterable[CacheToken]:
    rows = connection.execute("SELECT number, token, verdict, group_id, expires_utc_s FROM authorizations ORDER BY 1")
    for number, token, verdict, group, expires_utc_s in rows:
        try:
            said = TokenVerdict(verdict=Verdict(verdict), group=group, expires_utc_s=expires_utc_s)
            yield CacheToken(token=decode_token(token), verdict=said)
        except (Unreadable, ValueError) as error:
            problems.append(f"cached authorization {number}: {error}")


def _variables(connection: Connection, problems: list[str]) -> Iterable[StoredValue]:
    for key, value, source, file_value in connection.execute(
        "SELECT key, value, source, file_value FROM variables ORDER BY key"
    ):
        try:
            yield StoredValue(key=key, value=value, source=ValueSource(source), file_value=file_value)
        except ValueError as error:
            problems.append(f"variable {key}: {error}")
