"""The asking end of the CSMS's control socket: for tests, for the demo, and for the bench's verb ``csms``."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any, Final, Self

CONNECT_TIMEOUT_S: Final = 5.0
ANSWER_MARGIN_S: Final = 5.0
LONGEST_WAIT_S: Final = 3600.0  # of any verb of the CSMS
LINE_LIMIT_BYTES: Final = 64 * 1024 * 1024  # an answer can hold the frames of a long soak


class CsmsRefused(ValueError):
    """The CSMS did not do what a verb asked for; the text is its reason."""


class CsmsUnreachable(ConnectionError):
    """There is no CSMS at the socket, or it went away while it was asked."""


class CsmsLink:
    """A connection to the CSMS's control socket. Several questions may be open at once.

    Use it as an async context manager, or `connect` and `close` it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids = itertools.count(1)
        self._open: dict[int, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Open the socket.

        Raises:
            CsmsUnreachable: nobody listens there.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, self._writer = await asyncio.open_unix_connection(str(self._path), limit=LINE_LIMIT_BYTES)
        except (OSError, TimeoutError) as exc:
            raise CsmsUnreachable(f"no CSMS at {self._path}: {exc}") from exc
        self._listening = asyncio.create_task(self._listen(reader))

    async def close(self) -> None:
        """Close the socket; open questions fail."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def ask(self, verb: str, *, answer_timeout_s: float | None = None, **args: Any) -> Any:
        """Ask a verb and return its result.

        Args:
            verb: see ``docs`` of the bench protocol: script, ledger, messages, call, send, stations, wait, disconnect,
                password, clear, state, stop.
            answer_timeout_s: how long the CSMS may take; by default a little longer than its own ``timeout_s``.
            args: the verb's arguments.

        Raises:
            CsmsRefused: the verb was refused or a wait was in vain.
            CsmsUnreachable: the CSMS is gone.
        """
        if self._writer is None:
            raise CsmsUnreachable(f"not connected to {self._path}")
        asked_s = args.get("timeout_s", 30.0)  # anything, when a user gave it: the CSMS says what is wrong with it
        waiting_s = float(asked_s) if isinstance(asked_s, int | float) and 0 <= asked_s <= LONGEST_WAIT_S else 0.0
        patience_s = answer_timeout_s or waiting_s + ANSWER_MARGIN_S
        number = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._open[number] = future
        try:
            async with asyncio.timeout(patience_s):
                self._writer.write(json.dumps({**args, "id": number, "verb": verb}).encode() + b"\n")
                await self._writer.drain()
                return await future
        except TimeoutError as exc:
            raise CsmsUnreachable(f"the CSMS did not answer {verb} within {patience_s:g} s") from exc
        except ConnectionError as exc:
            raise CsmsUnreachable(f"the CSMS went away: {exc}") from exc
        finally:
            self._open.pop(number, None)

    async def transactions(self, identity: str | None = None) -> list[dict[str, Any]]:
        """Return the book's rows in order of arrival."""
        return list((await self._ledger(identity))["transactions"])

    async def problems(self, identity: str | None = None, *, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Return what the book holds against the stations, some kinds left out."""
        return [each for each in (await self._ledger(identity))["problems"] if each["kind"] not in without]

    async def last_seq(self) -> int:
        """Return the number of the newest recorded frame, for a later ``since``."""
        return int((await self.ask("state"))["last_seq"])

    async def wait(self, action: str | None = None, **args: Any) -> list[dict[str, Any]]:
        """Wait for CALLs of a station (see the verb ``wait``) and return the frames."""
        if action is not None:
            args["action"] = action
        return list((await self.ask("wait", **args))["frames"])

    async def call(self, action: str, payload: dict[str, Any] | None = None, **args: Any) -> dict[str, Any]:
        """Send a CALL to the station; return {"payload"} or {"error"} as it answered."""
        return dict(await self.ask("call", action=action, payload=payload or {}, **args))

    async def _ledger(self, identity: str | None) -> dict[str, Any]:
        args: dict[str, Any] = {} if identity is None else {"identity": identity}
        return dict(await self.ask("ledger", **args))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                answer = json.loads(line)
                future = self._open.get(answer["id"])
                if future is None or future.done():
                    continue
                if answer["ok"]:
                    future.set_result(answer["result"])
                else:
                    future.set_exception(CsmsRefused(answer["error"]))
        except ConnectionError:
            pass  # told to every open question below
        finally:
            for future in self._open.values():
                if not future.done():
                    future.set_exception(CsmsUnreachable(f"the CSMS at {self._path} closed the connection"))
