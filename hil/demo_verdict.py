"""Compares what the world saw of one charge with the CSMS's book. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hil.demo_frames import Frame, watt_hours

REACTION_S: Final = 5.0
"""A car has so long to follow a smaller offer. Source: IEC 61851-1:2017 Annex A, Table A.6, sequence 6."""
SLACK_A: Final = 0.05
START, STOP = "start", "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was seen of one charge.

    Attributes:
        evse: the EVSE's part of the bench's ``state`` after the charge.
        name: its name in the trace, ``evse1``.
        trace: the charge's entries of the trace (monotonic s, signal, value), in order.
        frames: the CSMS's records of the charge.
        ledger: the CSMS's book.
        max_current_a: most that the station may offer.
    """

    evse: Mapping[str, Any]
    name: str
    trace: Sequence[tuple[float, str, Any]]
    frames: Sequence[Frame]
    ledger: Mapping[str, Any]
    max_current_a: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``line`` compares meter and ledger; ``faults`` say what was found and what was expected. None: all is well."""

    line: str
    faults: tuple[str, ...]


def judge(evidence: Evidence) -> Verdict:
    """Say whether a charge that is over was one good charge."""
    rows = evidence.ledger["transactions"]
    meter = [each for each in evidence.evse["energisings"] if each["opened_wh"] is not None]
    begin, end = (meter[0]["closed_wh"], meter[-1]["opened_wh"]) if meter else (None, None)
    meter_wh = None if begin is None else end - begin
    ledger_wh = rows[0]["energy_wh"] if rows else None
    equal = meter_wh is not None and meter_wh == ledger_wh
    registers = f"register {watt_hours(begin)} → {watt_hours(end)}"
    line = f"meter {watt_hours(meter_wh)} {'=' if equal else '≠'} ledger {watt_hours(ledger_wh)}  ({registers})"
    return Verdict(line=line, faults=(*_book(evidence), *_energy(evidence, begin, end), *_power(evidence)))


def _book(evidence: Evidence) -> Iterator[str]:
    rows = evidence.ledger["transactions"]
    if len(rows) != 1:
        yield f"the ledger holds {len(rows)} transactions, expected 1"
    for row in rows:
        if not (row["started"] and row["ended"]):
            yield f"transaction {row['transaction_id']}: started {row['started']}, ended {row['ended']}, expected both"
        again = row["doubled"] or row["duplicates"]
        if again:
            yield f"transaction {row['transaction_id']} was sent again: {again}, expected once"
        if row["stop_reason"] not in (None, "Local"):
            yield f"transaction {row['transaction_id']} stopped for {row['stop_reason']}, expected Local: the same card"
    for problem in evidence.ledger["problems"]:
        yield f"the CSMS holds against the station: {problem['kind']}: {problem['text']}"
    for what in (START, STOP):
        count = sum(_begins_or_ends(frame) == what for frame in evidence.frames)
        if count != 1:
            yield f"the CSMS was sent {count} {what}s, expected 1"


def _energy(evidence: Evidence, begin: int | None, end: int | None) -> Iterator[str]:
    times = len(evidence.evse["energisings"])
    if times != 1:
        yield f"the contactor closed {times} times, expected once"
    if begin is None or end is None:
        return
    if end <= begin:
        yield f"the meter counted {watt_hours(end - begin)}, expected more than nothing"
    for row in evidence.ledger["transactions"][:1]:
        for name, register in (("start", begin), ("stop", end)):
            if row[f"{name}_wh"] != register:
                yield (
                    f"the ledger's {name} is {watt_hours(row[f'{name}_wh'])}, "
                    f"expected the meter's register {watt_hours(register)}"
                )


def _power(evidence: Evidence) -> Iterator[str]:
    if evidence.evse["load"] or evidence.evse["coil"]:
        yield "the contactor is closed after the charge, expected open"
    offer_a = current_a = before_a = 0.0
    offered_s = float("-inf")
    highest_a = over_a = 0.0
    for at_s, signal, value in evidence.trace:
        if signal == f"{evidence.name}.offer_a":
            before_a = max(offer_a, before_a if at_s - offered_s < REACTION_S else 0.0)
            offer_a, offered_s = float(value), at_s
            highest_a = max(highest_a, offer_a)
        elif signal == f"{evidence.name}.current_a":
            current_a = float(value)
            allowed_a = max(offer_a, before_a) if at_s - offered_s < REACTION_S else offer_a
            over_a = max(over_a, current_a - allowed_a)
    if highest_a > evidence.max_current_a + SLACK_A:
        yield f"the pilot offered {highest_a:.4g} A, expected at most the station's {evidence.max_current_a:.4g} A"
    if over_a > SLACK_A:
        yield f"the car drew {over_a:.4g} A more than was offered, expected no more than the offer"


def _begins_or_ends(frame: Frame) -> str | None:
    if frame["kind"] != "call" or frame["direction"] != "in" or not isinstance(frame["payload"], Mapping):
        return None
    kind = frame["payload"].get("eventType") if frame["action"] == "TransactionEvent" else frame["action"]
    return {"StartTransaction": START, "Started": START, "StopTransaction": STOP, "Ended": STOP}.get(str(kind))
