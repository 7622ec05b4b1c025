"""A CSMS that holds a year's facts against what was journalled, one by one, and keeps none of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.process.year import Year

FACTS: Final = ("StartTransaction", "MeterValues", "StopTransaction")
SLOW_S: Final = 0.03  # an answer, while the CSMS waits to be overtaken
ANSWER_WITHIN_S: Final = 30.0


class OutageFailed(Exception):
    """Something arrived that was never journalled, twice, or in another order; or a live message had to wait."""


class YearCsms:
    """Answers, and holds every fact against what was journalled; slow while somebody should overtake."""

    def __init__(self, year: Year) -> None:
        self._expected = year.expected()
        self._number = 0
        self._seen: dict[str, None] = {}
        self._station: ServerConnection | None = None
        self._answered = asyncio.Event()
        self.year = year
        self.facts = 0
        self.live: list[tuple[int, str, dict[str, Any]]] = []
        self.late: list[tuple[str, dict[str, Any]]] = []  # facts of the charge during the drain
        self.wrong: list[str] = []
        self.slow = False
        self.came = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Serve; yield the port."""
        async with serve(
            self._serve,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol("ocpp1.6")],
            compression=None,
            ping_interval=None,
        ) as server:
            yield next(iter(server.sockets)).getsockname()[1]

    async def ask(self, action: str, payload: dict[str, Any]) -> float:
        """Send a CALL and return how long its answer took, s."""
        assert self._station is not None
        self._answered.clear()
        begin_s = time.monotonic()
        await self._station.send(msgspec.json.encode([2, "csms-asks", action, payload]).decode())
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await self._answered.wait()
        return time.monotonic() - begin_s

    async def until(self, claim: Callable[[], bool], timeout_s: float) -> None:
        """Wait until a claim about what came holds, or something is wrong."""
        async with asyncio.timeout(timeout_s), self.came:
            await self.came.wait_for(lambda: bool(self.wrong) or claim())
        if self.wrong:
            raise OutageFailed(self.wrong[0])

    def said(self, action: str, **wanted: Any) -> bool:
        """Whether a live message came."""
        return any(name == action and wanted.items() <= payload.items() for _, name, payload in self.live)

    async def _serve(self, station: ServerConnection) -> None:
        self._station = station
        async for text in station:
            frame = msgspec.json.decode(text)
            if frame[0] != 2:
                self._answered.set()
                continue
            _, message_id, action, payload = frame
            if message_id in self._seen:
                self.wrong.append(f"message {message_id} came twice")
            self._seen[message_id] = None
            if len(self._seen) > 1_000:
                self._seen.pop(next(iter(self._seen)))
            answer = self._take(action, payload)
            if self.slow and action in FACTS:
                await asyncio.sleep(SLOW_S)
            await station.send(msgspec.json.encode([3, message_id, answer]).decode())
            async with self.came:
                self.came.notify_all()

    def _take(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        if action not in FACTS:
            self.live.append((self.facts, action, payload))
            answers: dict[str, dict[str, Any]] = {
                "BootNotification": {"status": "Accepted", "currentTime": _now(), "interval": 300},
                "Heartbeat": {"currentTime": _now()},
                "Authorize": {"idTagInfo": {"status": "Accepted"}},
            }
            return answers.get(action, {})
        if self.facts < self.year.facts:
            self._check(action, payload)
            self.facts += 1
        else:
            self.late.append((action, payload))
        if action == "StartTransaction":
            self._number -= 1  # any number is a name
            return {"transactionId": self._number, "idTagInfo": {"status": "Accepted"}}
        return {}

    def _check(self, action: str, payload: dict[str, Any]) -> None:
        expected, register_wh = next(self._expected)
        told = payload.get("meterStart", payload.get("meterStop"))
        if action == "MeterValues" == expected:
            told = int(float(payload["meterValue"][0]["sampledValue"][0]["value"]))
        of = payload.get("transactionId", self._number)
        if (action, told, of) != (expected, register_wh, self._number):
            self.wrong.append(
                f"fact {self.facts + 1} is {action} {told} Wh of {of}, expected {expected} {register_wh} Wh of"
                f" {self._number}"
            )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
