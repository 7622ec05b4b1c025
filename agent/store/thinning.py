"""Which rows are given up where there is no room: dead samples, samples of no transaction, every second sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from agent.store import journal
from agent.store.connection import Connection
from agent.store.database import Database

ROWS: Final = 100  # in one SQL transaction: on a full disk its log must fit into the reserve

Write = Callable[[Callable[[Connection], int]], int]


class _Round(msgspec.Struct):
    """One passage through the journal from its first row on, which gives up every second sample."""

    after: int = 0
    odd: set[str] = msgspec.field(default_factory=set)
    found: int = 0


class Thinning:
    """Goes on where the last call stopped, so that the oldest samples are not thinned alone.

    Args:
        database: the open file. write: the store's own way of writing to it.
    """

    def __init__(self, database: Database, write: Write) -> None:
        self._database = database
        self._write = write
        self._round = _Round()

    def give_up(self, max_rows: int) -> tuple[int, int]:
        """Give up samples until at most ``max_rows`` facts wait or none is left; see ``Store.thin``.

        Returns:
            How many were given up, and how many facts wait now.
        """
        waiting = self._database.read(journal.count)
        given_up = self._forget_dead(waiting - max_rows)
        max_rows += given_up
        for alone in (True, False):
            round_ = _Round() if alone else self._round
            empty = False
            while waiting > max_rows and not empty:
                seqs, ended = self._thinnable(min(waiting - max_rows, ROWS), round_, alone)
                self._delete(seqs)
                round_.found += len(seqs)
                given_up += len(seqs)
                waiting -= len(seqs)
                if ended:
                    empty, round_ = not round_.found, _Round()
            if not alone:
                self._round = round_
        return given_up, waiting

    def _forget_dead(self, wanted: int) -> int:
        forgotten = 0
        while forgotten < wanted:
            limit = min(wanted - forgotten, ROWS)
            count = self._forget(limit)
            forgotten += count
            if count < limit:
                break
        return forgotten

    def _forget(self, limit: int) -> int:
        count = self._write(lambda connection: journal.forget_dead(connection, limit))
        self._keep_log_small()
        return count

    def _thinnable(self, wanted: int, round_: _Round, alone: bool) -> tuple[list[int], bool]:
        seqs, stopped = self._database.read(
            lambda connection: journal.thinnable(connection, wanted, after=round_.after, odd=round_.odd, alone=alone)
        )
        round_.after = round_.after if stopped is None else stopped
        return seqs, stopped is None

    def _delete(self, seqs: Sequence[int]) -> None:
        def job(connection: Connection) -> int:
            journal.delete(connection, seqs)
            return len(seqs)

        if seqs:
            self._write(job)
            self._keep_log_small()

    def _keep_log_small(self) -> None:
        if self._database.short:  # the log must not grow: there is no room for it
            self._database.fold_log()
