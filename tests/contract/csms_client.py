"""A small reference station on the `ocpp` package: a third party that proves the bench's CSMS."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol


class ReferenceStation:
    """Sends raw CALLs with chosen message ids and collects the answers; CALLs are answered by `replies`."""

    def __init__(self, url: str, identity: str = "CP1", subprotocol: str = "ocpp1.6", **options: Any) -> None:
        self._url = url + identity
        self._subprotocol = subprotocol
        self._options = options
        self._answers: dict[str, asyncio.Future[list[Any]]] = {}
        self.replies: dict[str, list[Any] | None] = {}
        self.connection: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.connection = await connect(self._url, subprotocols=[Subprotocol(self._subprotocol)], **self._options)
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.connection is not None
        assert self._task is not None
        await self.connection.close()
        await self._task

    async def send(self, action: str, payload: dict[str, Any], message_id: str | None = None) -> list[Any]:
        """Send a CALL and return the answering frame."""
        assert self.connection is not None
        message_id = message_id or str(uuid.uuid4())
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._answers[message_id] = future
        await self.connection.send(json.dumps([2, message_id, action, payload]))
        async with asyncio.timeout(5):
            return await future

    async def accepted(self, action: str, payload: dict[str, Any], message_id: str | None = None) -> dict[str, Any]:
        """Send a CALL that must be answered with a CALLRESULT; return its payload."""
        answer = await self.send(action, payload, message_id)
        assert answer[0] == 3, answer
        return dict(answer[2])

    async def _listen(self) -> None:
        assert self.connection is not None
        while True:
            try:
                frame = json.loads(await self.connection.recv())
            except ConnectionClosed:
                return
            if frame[0] == 2:
                reply = self.replies.get(frame[2], [4, None, "NotImplemented", "", {}])
                if reply is not None:
                    await self.connection.send(json.dumps([reply[0], frame[1], *reply[2:]]))
            elif not self._answers[frame[1]].done():
                self._answers[frame[1]].set_result(frame)
