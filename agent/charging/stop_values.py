"""The samples that the end of a transaction tells: kept durably while it runs, thinned where they grow too many.

The first one (Transaction.Begin) and the last one are never given up. When there are more than allowed, every second of
those in between goes, and from then on only every second new one is kept, so that the distances stay even. Periodic and
clock-aligned ones are counted each for themselves: counted together, the ones kept could all be of one kind.
Source: OCPP 1.6 §3.16.5, errata 3.14 and 3.91 (StopTransactionMaxMeterValues).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

import msgspec

from agent.charging.turn import Turn
from agent.model.effects import SaveDocument
from agent.model.sample import Sample, SampleContext
from agent.model.variables import VariableBook

STOP_VALUES: Final = "stop_value"
_LEAST: Final = 2  # the first and the last one


class Owner(Protocol):
    """A running transaction."""

    @property
    def transaction_id(self) -> str:
        """Return its id."""

    def remember_stop_values(self, documents: Mapping[str, bytes]) -> None:
        """Take over the samples that the store kept for its end."""


def restore(owners: Iterable[Owner], documents: Mapping[str, bytes], turn: Turn) -> None:
    """Give every running transaction its samples, and forget those of transactions that are over."""
    names = set()
    for owner in owners:
        owner.remember_stop_values(documents)
        names.add(owner.transaction_id)
    for key in documents:
        if key.partition("/")[0] not in names:
            turn.add(SaveDocument(kind=STOP_VALUES, key=key, body=None))


class _Kept(msgspec.Struct, frozen=True):
    """A sample: its number among all, and its rank among those of its kind (``None``: kept before there were ranks)."""

    number: int
    stride: int
    sample: Sample
    rank: int | None = None

    @property
    def place(self) -> int:
        return self.number if self.rank is None else self.rank


class StopValues:
    """The samples of one transaction."""

    def __init__(self, transaction_id: str, variables: VariableBook) -> None:
        """Begin without any."""
        self._transaction_id = transaction_id
        self._variables = variables
        self._kept: list[_Kept] = []
        self._count = 0
        self._ranks: dict[SampleContext, int] = {}
        self._stride = 1

    def restore(self, documents: Mapping[str, bytes]) -> None:
        """Take over what the store kept of this transaction; what cannot be read is left out."""
        prefix = f"{self._transaction_id}/"
        for key, body in documents.items():
            if key.startswith(prefix):
                try:
                    self._kept.append(msgspec.json.decode(body, type=_Kept))
                except msgspec.DecodeError:
                    continue
        self._kept.sort(key=lambda each: each.number)
        if self._kept:
            self._count = self._kept[-1].number + 1
            self._stride = max(each.stride for each in self._kept)
        for each in self._kept:
            self._ranks[each.sample.context] = each.place

    def add(self, sample: Sample, turn: Turn) -> None:
        """Keep a sample, durably, unless it is one of those that are left out by now."""
        number, self._count = self._count, self._count + 1
        # The very first has rank 0 and always stays; those of a kind begin at 1 and may all go.
        rank = self._ranks.get(sample.context, 0) + 1 if number else 0
        self._ranks[sample.context] = rank
        if rank % self._stride:
            return
        self._keep(_Kept(number, self._stride, sample, rank), turn)
        while len(self._kept) + 1 > self._most and len(self._kept) > 1:
            self._stride *= 2
            gone = [each for each in self._kept if each.place % self._stride]
            self._kept = [each for each in self._kept if each.place % self._stride == 0]
            for each in gone:
                turn.add(SaveDocument(kind=STOP_VALUES, key=self._key(each.number), body=None))

    def take_all(self, turn: Turn) -> tuple[Sample, ...]:
        """Return the samples in order and forget them, durably: the end holds them now."""
        for each in self._kept:
            turn.add(SaveDocument(kind=STOP_VALUES, key=self._key(each.number), body=None))
        samples = tuple(each.sample for each in self._kept)
        self._kept.clear()
        return samples

    @property
    def _most(self) -> int:
        return max(_LEAST, self._variables.integer("SampledDataCtrlr", "TxEndedMaxValues"))

    def _keep(self, kept: _Kept, turn: Turn) -> None:
        self._kept.append(kept)
        turn.add(SaveDocument(kind=STOP_VALUES, key=self._key(kept.number), body=msgspec.json.encode(kept)))

    def _key(self, number: int) -> str:
        return f"{self._transaction_id}/{number:06d}"
