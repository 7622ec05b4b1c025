"""The baselines of draining: a queue table in SQLite (WAL, FULL) and a client that empties it.

``python -m bench.peers.drain_client --client NAME --mode drain|exchange ...`` prints one line of JSON:
seconds and bytes written. ``link`` has no journal: it is what the link alone allows.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import sqlite3
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench import counters

AT: Final = "2026-11-20T12:00:00.000Z"
BATCH: Final = 32

Exchange = Callable[[str, str], Awaitable[None]]  # message id, stored payload


class QueueTable:
    """Messages in order. ``hundreds``: acknowledgements are committed by hundreds, else each by itself."""

    def __init__(self, path: Path, *, hundreds: bool) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(
            "CREATE TABLE queue (seq INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT, payload TEXT)"
        )
        self._at_once = 100 if hundreds else 1
        self._delivered: list[int] = []
        self._behind = 0

    def append(self, payloads: Sequence[str]) -> None:
        """Store messages durably, in one commit."""
        rows = [(str(uuid.uuid4()), payload) for payload in payloads]
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO queue (message_id, payload) VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")

    def peek(self) -> list[tuple[int, str, str]]:
        """Return the next messages."""
        query = "SELECT seq, message_id, payload FROM queue WHERE seq > ? ORDER BY seq LIMIT ?"
        rows = self._connection.execute(query, (self._behind, BATCH)).fetchall()
        self._behind = rows[-1][0] if rows else self._behind
        return rows

    def acknowledge(self, seq: int) -> None:
        """Forget a message."""
        self._delivered.append(seq)
        if len(self._delivered) >= self._at_once:
            self.flush()

    def flush(self) -> None:
        """Make acknowledgements durable."""
        self._connection.execute("BEGIN")
        self._connection.executemany("DELETE FROM queue WHERE seq = ?", ((seq,) for seq in self._delivered))
        self._connection.execute("COMMIT")
        self._delivered.clear()


def payload_of(number: int, values: int) -> dict[str, Any]:
    """Return a MeterValues request of so many values."""
    phases = ("L1-N", "L2-N", "L3-N")
    one = {"context": "Sample.Periodic", "measurand": "Voltage", "unit": "V"}
    sampled = [one | {"value": f"{230 + (number + i) % 7}.5", "phase": phases[i % 3]} for i in range(values)]
    return {"connectorId": 1, "transactionId": 1, "meterValue": [{"timestamp": AT, "sampledValue": sampled}]}


def bare_exchange(link: ClientConnection) -> Exchange:
    """Return an exchange that frames by hand and checks nothing but the id."""

    async def exchange(message_id: str, payload: str) -> None:
        await link.send(f'[2,"{message_id}","MeterValues",{payload}]')
        answer = msgspec.json.decode(await link.recv())
        assert answer[1] == message_id

    return exchange


def ocpp_exchange(link: ClientConnection, *, in_thread: bool) -> Exchange:
    """Return an exchange through the library, as a station would write it.

    ``in_thread`` is how it is shipped: every message is validated in a thread of its own.
    """
    from ocpp import charge_point, messages
    from ocpp.v16 import ChargePoint, call

    library: Any = messages
    library.ASYNC_VALIDATION = in_thread
    snake_of: Any = charge_point.camel_to_snake_case
    station: Any = ChargePoint("BENCH-1", link)  # type: ignore[no-untyped-call]
    receiving = asyncio.create_task(station.start())

    async def exchange(message_id: str, payload: str) -> None:
        assert not receiving.done()
        request = call.MeterValues(**snake_of(json.loads(payload)))
        await station.call(request, unique_id=message_id, suppress=False)

    return exchange


def _exchange_of(link: ClientConnection, client: str) -> Exchange:
    if client in ("ocpp", "ocpp-tuned"):
        return ocpp_exchange(link, in_thread=client == "ocpp")
    return bare_exchange(link)


async def drain(exchange: Exchange, queue: QueueTable) -> None:
    """Empty the queue."""
    while rows := queue.peek():
        for seq, message_id, payload in rows:
            await exchange(message_id, payload)
            queue.acknowledge(seq)
    queue.flush()


async def exchange_live(exchange: Exchange, queue: QueueTable, options: Any) -> None:
    """Journal and deliver one message after the other."""
    for number in range(options.count):
        queue.append([json.dumps(payload_of(number, options.values), separators=(",", ":"))])
        ((seq, message_id, payload),) = queue.peek()
        await exchange(message_id, payload)
        queue.acknowledge(seq)
    queue.flush()


async def ping(exchange: Exchange, options: Any) -> None:
    """Exchange without any journal."""
    payload = json.dumps(payload_of(1, options.values), separators=(",", ":"))
    for _ in range(options.count):
        await exchange(str(uuid.uuid4()), payload)


async def main(options: Any) -> None:
    """Fill the queue where it must be full, connect, run, and say how it went."""
    queue = QueueTable(options.journal, hundreds=options.acks == "hundreds")
    if options.mode == "drain":
        numbers = iter(range(options.count))
        while some := list(itertools.islice(numbers, 500)):
            queue.append([json.dumps(payload_of(n, options.values), separators=(",", ":")) for n in some])
    async with connect(
        options.url, subprotocols=[Subprotocol("ocpp1.6")], compression=None, proxy=None, ping_interval=None
    ) as link:
        exchange = _exchange_of(link, options.client)
        await exchange(str(uuid.uuid4()), json.dumps(payload_of(1, options.values)))  # warms schemas and caches
        written, begin_s, begin_cpu_s = counters.written_bytes(), time.perf_counter(), time.process_time()
        if options.client == "link":
            await ping(exchange, options)
        elif options.mode == "drain":
            await drain(exchange, queue)
        else:
            await exchange_live(exchange, queue, options)
        took_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - begin_cpu_s
        print(json.dumps({"seconds": took_s, "cpu_s": cpu_s, "written": counters.written_bytes() - written}))


def arguments() -> Any:
    """Return the parsed arguments, which our own drain has too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", default="bare", choices=("bare", "ocpp", "ocpp-tuned", "link"))
    parser.add_argument("--mode", default="drain", choices=("drain", "exchange"))
    parser.add_argument("--acks", default="hundreds", choices=("each", "hundreds"))
    parser.add_argument("--url", required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--values", type=int, default=1)
    parser.add_argument("--log", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = arguments()
    if chosen.log:
        logging.basicConfig(level=logging.INFO)  # the library logs every frame
        logging.getLogger("websockets").setLevel(logging.WARNING)
    asyncio.run(main(chosen))
