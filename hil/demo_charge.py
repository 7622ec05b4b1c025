"""One charge, played on the bench: what a driver does, and what must follow before the next step. Verbs only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from hil.client import BenchError
from hil.csms_link import CsmsRefused
from hil.house import House

CARD: Final = "04A2B3C4D5"
WALK_S: Final = 1.0  # from the reader to the socket
CHARGING_S: Final = 14.0
PATIENCE_S: Final = 15.0


class ChargeFailed(Exception):
    """The charge did not go on. The text says what was expected."""


class Charge:
    """The steps of a charge at one EVSE, in the order of `play`."""

    def __init__(self, house: House, *, evse: int = 1, card: str = CARD, charging_s: float = CHARGING_S) -> None:
        self._house = house
        self._evse = evse
        self._card = card
        self._charging_s = charging_s

    async def available(self) -> None:
        """Wait until the CSMS knows that the EVSE is free. Raises ``ChargeFailed``."""
        await self._status("Available", since=0)

    async def play(self) -> None:
        """Tap, plug, charge, tap, unplug. Raises ``ChargeFailed`` at the first step that has not its effect."""
        bench, csms = self._house.bench, self._house.csms
        seq = await csms.last_seq()
        await bench.tap(uid=self._card)
        await self._expect(
            csms.wait("Authorize", since=seq, timeout_s=PATIENCE_S),
            "an Authorize after the card was tapped",
        )
        await asyncio.sleep(WALK_S)
        await bench.plug(evse=self._evse)
        await self._signal("load", "==", True, "a closed contactor after the cable was plugged in")
        await self._signal("current_a", ">", 0.0, "a current after the contactor closed")
        await asyncio.sleep(self._charging_s)
        seq = await csms.last_seq()
        await bench.tap(uid=self._card)
        await self._signal("load", "==", False, "an open contactor after the card was tapped again")
        await self._expect(
            csms.ask("wait", closed=1, timeout_s=PATIENCE_S), "the transaction's end in the CSMS's ledger"
        )
        await self._signal("lock", "==", False, "a released cable after the charge")
        await asyncio.sleep(WALK_S)
        await bench.unplug(evse=self._evse)
        await self._status("Available", since=seq)

    async def _signal(self, name: str, op: str, value: Any, what: str) -> None:
        await self._expect(self._house.bench.wait(f"evse{self._evse}.{name}", op, value, timeout_s=PATIENCE_S), what)

    async def _status(self, status: str, *, since: int) -> None:
        if self._house.options.station.ocpp == "1.6":
            where: dict[str, Any] = {"connectorId": self._evse, "status": status}
        else:
            where = {"evseId": self._evse, "connectorStatus": status}
        await self._expect(
            self._house.csms.wait("StatusNotification", where=where, since=since, timeout_s=PATIENCE_S),
            f"a StatusNotification {status}",
        )

    async def _expect(self, awaited: Awaitable[Any], what: str) -> None:
        try:
            await awaited
        except (BenchError, CsmsRefused) as exc:
            raise ChargeFailed(f"expected {what} within {PATIENCE_S:g} s: {exc}") from exc
