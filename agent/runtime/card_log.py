"""The last presentations of cards, for who stands at the station with ``charge-agent rfid listen``."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import msgspec

KEPT: Final = 50


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """One presentation: its number since the start, where, the id as it goes to the CSMS, and the wire's bytes."""

    number: int
    reader: str
    uid: str
    kind: str
    raw: str
    random: bool


class CardLog:
    """Keeps the newest presentations, in memory only."""

    def __init__(self) -> None:
        self._presented: deque[Presented] = deque(maxlen=KEPT)
        self._number = 0

    def note(self, *, reader: str, uid: str, kind: str, raw: bytes, random: bool) -> None:
        """Keep a presentation."""
        self._number += 1
        self._presented.append(
            Presented(number=self._number, reader=reader, uid=uid, kind=kind, raw=raw.hex(" "), random=random)
        )

    async def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer the door: the presentations after number ``after``, and the newest number."""
        after = request.get("after", 0)
        return {
            "number": self._number,
            "cards": [
                msgspec.structs.asdict(each)
                for each in self._presented
                if isinstance(after, int) and each.number > after
            ],
        }
