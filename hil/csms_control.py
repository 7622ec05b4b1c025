"""The CSMS's control socket: JSON lines on a Unix socket, one verb per line, answers in the order they are ready.

Question: ``{"id": 1, "verb": "ledger", …arguments}``. Answer: ``{"id": 1, "ok": true, "result": …}`` or
``{"id": 1, "ok": false, "error": "what, value, expected"}``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

Verb = Callable[[Mapping[str, Any]], Awaitable[Any]]

LINE_LIMIT: Final = 64 * 1024 * 1024


class VerbRefused(ValueError):
    """A verb that cannot be done; the text says what was expected."""


class ControlSocket:
    """Serves verbs at a path. Every line gets exactly one answer, wrong ones too."""

    def __init__(self, path: Path, verbs: Mapping[str, Verb]) -> None:
        self._path = path
        self._verbs = verbs
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def __aenter__(self) -> ControlSocket:
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=LINE_LIMIT)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        serving = [task for task in self._open.values() if task is not None]
        for writer in list(self._open):
            writer.close()
        await asyncio.gather(*serving)
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering: set[asyncio.Task[None]] = set()
        self._open[writer] = asyncio.current_task()
        try:
            while line := await reader.readline():
                task = asyncio.create_task(self._answer(line, writer))
                answering.add(task)
                task.add_done_callback(answering.discard)
        except (ConnectionError, ValueError):
            pass  # the asker is gone, or its line is longer than any question
        finally:
            for task in answering:
                task.cancel()
            writer.close()
            self._open.pop(writer, None)

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        answer: dict[str, Any] = {"id": None, "ok": True}
        try:
            question = json.loads(line)
            if not isinstance(question, dict):
                raise VerbRefused("a question is a JSON object with id and verb")
            answer["id"] = question.pop("id", None)
            name = question.pop("verb", None)
            verb = self._verbs.get(str(name))
            if verb is None:
                raise VerbRefused(f"verb {name!r} is unknown, expected one of {', '.join(sorted(self._verbs))}")
            answer["result"] = await verb(question)
        except ValueError as exc:  # wrong JSON and refused verbs alike
            answer = {"id": answer["id"], "ok": False, "error": str(exc)}
        except TypeError as exc:
            answer = {"id": answer["id"], "ok": False, "error": f"an argument has the wrong type: {exc}"}
        try:
            writer.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
            await writer.drain()
        except ConnectionError:
            pass  # nobody is left to hear it
