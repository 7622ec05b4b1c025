"""Waits for cards: one task per reader."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from agent.log import Condition, get_logger
from agent.model.faults import FaultCode
from agent.model.ids import IdTokenKind, token_of_card
from agent.model.inputs import CardPresented, FaultChanged, Input
from agent.runtime.card_log import CardLog
from drivers.api import CardRead, CardReader, DriverError

BACK_AFTER_S: Final = 3.0  # a lost reader that has been waiting for so long without an error is back
RETRY_S: Final = 2.0  # pause before a lost reader is asked again; its driver has its own back-off beneath


class ReaderWatch:
    """One card reader."""

    def __init__(
        self,
        name: str,
        open_reader: Callable[[], Awaitable[CardReader]],
        token_kind: IdTokenKind,
        deliver: Callable[[Input], None],
        seen: CardLog,
    ) -> None:
        self.name = name
        self._open_reader = open_reader
        self._token_kind = token_kind
        self._deliver = deliver
        self._seen = seen
        self._log = get_logger("readers")
        self._lost = Condition(self._log, "reader.lost")

    async def run(self) -> None:
        """Deliver cards for ever; a lost reader is a fault until it answers again."""
        while True:
            try:
                reader = await self._open_reader()
                try:
                    while True:
                        card = await self._next(reader)
                        token = token_of_card(card.uid, self._token_kind)
                        self._seen.note(
                            reader=self.name,
                            uid=card.uid,
                            kind=token.kind.value,
                            raw=card.raw,
                            random=card.random,
                        )
                        self._log.info("card.presented", reader=self.name, card=token.hashed())
                        if card.random:
                            self._log.warning("card.random_id", reader=self.name, hint="the card names nobody")
                        self._deliver(CardPresented(reader=self.name, token=token))
                finally:
                    await reader.close()
            except DriverError as error:
                self._set_lost(True, str(error))
            await asyncio.sleep(RETRY_S)

    async def _next(self, reader: CardReader) -> CardRead:
        """Wait for a card; a reader that waits instead of complaining is there again."""
        waiting = asyncio.ensure_future(reader.next_card())
        try:
            await asyncio.wait({waiting}, timeout=BACK_AFTER_S if self._lost.raised else None)
            if not waiting.done() or waiting.exception() is None:
                self._set_lost(False, "")
            return await waiting
        finally:
            waiting.cancel()

    def _set_lost(self, lost: bool, error: str) -> None:
        if self._lost.set(lost, reader=self.name, error=error):
            self._deliver(
                FaultChanged(
                    code=FaultCode.READER_LOST, raised=lost, text=f"reader {self.name}: {error}" if lost else ""
                )
            )
