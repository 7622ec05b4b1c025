"""Clients of the control socket: synchronous ``Bench``, asynchronous ``AsyncBench``, and a bench of one's own.

Every verb is a method: ``bench.plug(evse=1, cable_a=32)``. It returns the verb's result and raises ``BenchError`` with
the bench's own words when it was refused.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from drivers.bench.wire import WireError, check_socket_path

_LONGEST_WAIT_S: Final = 86400.0  # of any verb; more is refused at once
_ANSWER_TIMEOUT_S: Final = 30.0
_START_TIMEOUT_S: Final = 20.0
_LIMIT_BYTES: Final = 256 * 1024 * 1024


class BenchError(Exception):
    """The bench refused; the text is its own."""


class NoBench(BenchError):
    """No bench serves this directory, or it went away."""


class Bench:
    """A synchronous client. One request at a time; not for several threads."""

    def __init__(self, directory: str | Path) -> None:
        """Connect to the bench that serves ``directory``. Raises ``NoBench``."""
        self.directory = Path(directory)
        self._ids = itertools.count(1)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._sock.connect(check_socket_path(self.directory / "bench.sock"))
        except (OSError, WireError) as exc:
            self._sock.close()
            raise NoBench(_no_bench(self.directory, exc)) from exc
        self._pending = bytearray()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        if verb.startswith("_"):
            raise AttributeError(verb)

        def run(**arguments: Any) -> Any:
            return self.call(verb, **arguments)

        return run

    def call(self, verb: str, **arguments: Any) -> Any:
        """Run a verb and return its result. Raises ``BenchError``; ``NoBench`` when the bench is gone."""
        request_id = next(self._ids)
        try:
            self._sock.settimeout(_patience_s(arguments))
            self._sock.sendall(json.dumps({**arguments, "id": request_id, "verb": verb}).encode() + b"\n")
            while True:
                answer = json.loads(self._read_line())
                if answer.get("id") == request_id:
                    return _result(answer)
        except OSError as exc:
            raise NoBench(_no_bench(self.directory, exc)) from exc

    def wait(
        self, signal_name: str, op: str, value: Any, *, timeout_s: float = 10.0, since_s: float | None = None
    ) -> float:
        """Return the monotonic time at which the condition became true. Raises ``BenchError`` when it does not."""
        result = self.call("wait", signal=signal_name, op=op, value=value, timeout_s=timeout_s, since_s=since_s)
        return float(result["t"])

    def trace(self, *signals: str, since_s: float | None = None, limit: int = 100_000) -> list[tuple[float, str, Any]]:
        """Return (monotonic s, signal, value) of the signals that match the patterns, all without patterns."""
        result = self.call("trace", signals=list(signals) or ["*"], since_s=since_s, limit=limit)
        return [(float(at_s), str(name), value) for at_s, name, value in result["entries"]]

    def close(self) -> None:
        """Disconnect; the bench goes on."""
        self._sock.close()

    def _read_line(self) -> bytes:
        while (end := self._pending.find(b"\n")) < 0:
            chunk = self._sock.recv(1 << 20)
            if not chunk:
                raise ConnectionResetError("the bench closed the connection")
            self._pending += chunk
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return line


class AsyncBench:
    """An asynchronous client; requests may overlap."""

    def __init__(self, directory: str | Path) -> None:
        """Prepare; ``connect`` (or ``async with``) connects."""
        self.directory = Path(directory)
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> AsyncBench:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        if verb.startswith("_"):
            raise AttributeError(verb)

        async def run(**arguments: Any) -> Any:
            return await self.call(verb, **arguments)

        return run

    async def connect(self) -> None:
        """Connect to the bench that serves the directory. Raises ``NoBench``."""
        try:
            path = check_socket_path(self.directory / "bench.sock")
            reader, self._writer = await asyncio.open_unix_connection(path, limit=_LIMIT_BYTES)
        except (OSError, WireError) as exc:
            raise NoBench(_no_bench(self.directory, exc)) from exc
        self._task = asyncio.create_task(self._read(reader))

    async def call(self, verb: str, **arguments: Any) -> Any:
        """Run a verb and return its result. Raises ``BenchError``; ``NoBench`` when the bench is gone."""
        if self._writer is None:
            raise NoBench(_no_bench(self.directory, OSError("not connected")))
        request_id = next(self._ids)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = future
        try:
            self._writer.write(json.dumps({**arguments, "id": request_id, "verb": verb}).encode() + b"\n")
            async with asyncio.timeout(_patience_s(arguments)):
                return _result(await future)
        except OSError as exc:
            raise NoBench(_no_bench(self.directory, exc)) from exc
        finally:
            del self._answers[request_id]

    async def wait(
        self, signal_name: str, op: str, value: Any, *, timeout_s: float = 10.0, since_s: float | None = None
    ) -> float:
        """Return the monotonic time at which the condition became true. Raises ``BenchError`` when it does not."""
        result = await self.call("wait", signal=signal_name, op=op, value=value, timeout_s=timeout_s, since_s=since_s)
        return float(result["t"])

    async def trace(
        self, *signals: str, since_s: float | None = None, limit: int = 100_000
    ) -> list[tuple[float, str, Any]]:
        """Return (monotonic s, signal, value) of the signals that match the patterns, all without patterns."""
        result = await self.call("trace", signals=list(signals) or ["*"], since_s=since_s, limit=limit)
        return [(float(at_s), str(name), value) for at_s, name, value in result["entries"]]

    async def close(self) -> None:
        """Disconnect; the bench goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                answer = json.loads(line)
                future = self._answers.get(answer.get("id"))
                if future is not None and not future.done():
                    future.set_result(answer)
        except OSError:
            pass  # told to everybody who waits, below
        for future in self._answers.values():
            if not future.done():
                future.set_exception(ConnectionResetError("the bench closed the connection"))


class OwnBench:
    """A bench process of one's own: started by the constructor, stopped by ``stop`` or at the end of ``with``."""

    def __init__(self, directory: str | Path, *arguments: str, timeout_s: float = _START_TIMEOUT_S) -> None:
        """Start ``charge-bench serve --dir DIRECTORY ARGUMENTS`` and wait until it serves.

        Raises:
            NoBench: it ended or stayed silent; the text holds what it said.
        """
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        own = ["--dir", str(self.directory), "serve", "--parent", str(os.getpid())]
        self.log_path = self.directory / "bench.log"
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hil.cli", *own, *arguments], stdout=subprocess.PIPE, stderr=log
            )
        try:
            self._await_ready(timeout_s)
            self.client = Bench(self.directory)
        except NoBench:
            self.stop()
            raise

    def __enter__(self) -> Bench:
        return self.client

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it, by force when it does not go."""
        if hasattr(self, "client"):
            self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_START_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _await_ready(self, timeout_s: float) -> None:
        assert self.process.stdout is not None
        fd = self.process.stdout.fileno()
        said = b""
        give_up_s = time.monotonic() + timeout_s
        while b"ready" not in said:
            ready, _, _ = select.select([fd], [], [], max(0.0, give_up_s - time.monotonic()))
            chunk = os.read(fd, 4096) if ready else b""
            said += chunk
            if not chunk:
                with self.log_path.open("rb") as log:
                    log.seek(self._log_start)
                    complaint = log.read().decode(errors="replace").strip()
                what = "ended" if ready else f"did not start within {timeout_s:g} s"
                raise NoBench(f"the bench {what}: {complaint or 'it said nothing'}")


def _patience_s(arguments: dict[str, Any]) -> float:
    """Return how long an answer may take: a verb may wait itself, and pass on what waits (``csms``)."""
    passed_on = arguments.get("arguments")
    waits = [arguments.get("timeout_s"), passed_on.get("timeout_s") if isinstance(passed_on, dict) else None]
    sound = (wait for wait in waits if isinstance(wait, int | float) and 0 <= wait <= _LONGEST_WAIT_S)
    return _ANSWER_TIMEOUT_S + sum(map(float, sound))


def _result(answer: dict[str, Any]) -> Any:
    if not answer["ok"]:
        raise BenchError(str(answer["error"]))
    return answer["result"]


def _no_bench(directory: Path, exc: Exception) -> str:
    return f"no bench serves {directory} (start one: charge-bench --dir {directory} serve): {exc}"
