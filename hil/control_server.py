"""The control socket: one JSON object per line in, one per line out."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any, Final

from hil.control import VerbError, Verbs
from hil.plain_json import flaw

_LINE_LIMIT_BYTES: Final = 1024 * 1024

log: Final = logging.getLogger("hil.control")


class ControlServer:
    """Serves ``DIR/bench.sock``. Requests of one connection run side by side; answers carry the request's id."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, path: Path) -> None:
        """Listen; a socket that a dead bench left there is replaced."""
        self._server = await asyncio.start_unix_server(self._serve, path, limit=_LINE_LIMIT_BYTES)

    async def close(self) -> None:
        """Stop listening and end what is running."""
        if self._server is not None:
            self._server.close()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        requests: set[asyncio.Task[None]] = set()
        try:
            while line := await reader.readline():
                request = asyncio.create_task(self._answer(line, writer))
                requests.add(request)
                request.add_done_callback(requests.discard)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # gone, a line beyond the limit, or the bench stops: in each case the connection ends here
        finally:
            self._tasks.discard(task)
            for request in requests:
                request.cancel()
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        answer = await self._result(line)
        try:
            writer.write(_encoded(answer))
            await writer.drain()
        except ConnectionError:
            return  # nobody is left to be answered

    async def _result(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as exc:
            return {"id": None, "ok": False, "error": f"not JSON: {exc}"}
        if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
            return {"id": None, "ok": False, "error": 'expected an object such as {"id": 1, "verb": "state"}'}
        request_id = request.pop("id", None)
        verb = request.pop("verb")
        try:
            result = await self._verbs.call(verb, request)
        except (VerbError, ValueError, OSError, TimeoutError) as exc:
            return {"id": request_id, "ok": False, "error": str(exc) or type(exc).__name__}
        except Exception as exc:
            # Who asks waits for an answer, and a test bench that stays silent about its own defect looks like a defect
            # of the station under test. So every verb answers, also one that has a bug; the traceback is in the log.
            log.exception("verb %r failed", verb)
            return {"id": request_id, "ok": False, "error": f"internal error: {_named(exc)}"}
        return {"id": request_id, "ok": True, "result": result}


def _encoded(answer: dict[str, Any]) -> bytes:
    """Return an answer's line. What JSON cannot say, an infinity for example, is told as an error."""
    try:
        text = json.dumps(answer, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError, RecursionError) as exc:
        request_id = answer["id"] if flaw(answer["id"]) is None else None
        text = json.dumps({"id": request_id, "ok": False, "error": f"internal error: {_named(exc)}"})
    return text.encode() + b"\n"


def _named(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"
