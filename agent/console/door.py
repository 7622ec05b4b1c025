"""The door's server: one request per line, one answer per line, JSON.

Request ``{"ask": "status"}``; answer ``{"ok": true, "result": {...}}`` or ``{"ok": false, "error": "..."}``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from agent.log import get_logger

MAX_LINE_B: Final = 65536
IDLE_S: Final = 30.0  # a client that says nothing for so long is shown out

Reply = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class DoorError(Exception):
    """A request that cannot be answered; the text says what was expected."""


class Door:
    """Serves the questions that ``replies`` can answer.

    Args:
        path: the socket; a stale one is replaced. Its folder's permissions decide who may ask.
        replies: question -> coroutine that takes the whole request and returns the result.
    """

    def __init__(self, path: Path, replies: Mapping[str, Reply]) -> None:
        self._path = path
        self._replies = replies
        self._log = get_logger("console")

    async def run(self) -> None:
        """Serve for ever."""
        self._path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, path=str(self._path), limit=MAX_LINE_B)
        self._path.chmod(0o660)
        try:
            async with server:
                await server.serve_forever()
        finally:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(IDLE_S):
                    line = await reader.readline()
                if not line:
                    return
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                async with asyncio.timeout(IDLE_S):
                    await writer.drain()
        except (TimeoutError, OSError, ValueError) as error:
            self._log.debug("door.closed", error=str(error))
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):  # nested without end
            return {"ok": False, "error": "the request is not JSON"}
        ask = request.get("ask") if isinstance(request, dict) else None
        if not isinstance(ask, str) or ask not in self._replies:
            return {"ok": False, "error": f"ask {ask!r} is not one of {', '.join(sorted(self._replies))}"}
        try:
            return {"ok": True, "result": dict(await self._replies[ask](request))}
        except DoorError as error:
            return {"ok": False, "error": str(error)}
