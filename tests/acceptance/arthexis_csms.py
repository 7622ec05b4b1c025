"""Arthexis 2.0 (Django, Channels, Daphne) as a process: installed on demand, set up anew for each run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

PACKAGE: Final = "arthexis==2.0.0"
PLACE: Final = Path(".acceptance")
READY_S: Final = 90.0
ANSWER_S: Final = 40.0
DESK: Final = Path(__file__).with_name("arthexis_desk.py")


class NotInstalled(Exception):
    """The product cannot be had; the text says why."""


def install() -> Path:
    """Install the product into an environment of its own unless it is there; return its Python.

    Raises:
        NotInstalled: the registry cannot be reached, or the package does not install.
    """
    folder = PLACE / "arthexis"
    python = folder / "bin" / "python"
    mark = folder / "installed"
    if mark.exists() and mark.read_text(encoding="utf-8") == PACKAGE:
        return python.absolute()
    print(f"Installing {PACKAGE} into {folder} (a minute, the first time only) ...", flush=True)
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotInstalled(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
    mark.write_text(PACKAGE, encoding="utf-8")
    return python.absolute()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Arthexis:
    """The running product, asked through its desk."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    async def call(self, action: str, **payload: Any) -> dict[str, Any]:
        """Have the product send a CALL; return the station's answer."""
        said = await self._ask({"do": "call", "action": action, "payload": payload})
        if said.get("status") != "completed":
            raise AssertionError(f"{action} {payload}: {said}")
        return dict(said["answer"])

    async def transactions(self) -> list[dict[str, Any]]:
        """Return the product's book."""
        return list(await self._ask({"do": "transactions"}))

    async def station(self) -> dict[str, Any]:
        """Return what the product knows of the station."""
        return dict(await self._ask({"do": "station"}))

    async def said(self, timeout_s: float = ANSWER_S) -> Any:
        """Return the desk's next answer."""
        assert self._process.stdout is not None
        async with asyncio.timeout(timeout_s):
            while not (line := await self._process.stdout.readline()).startswith(b"@"):
                if not line:
                    raise AssertionError("Arthexis has ended")
        return json.loads(line[1:])

    async def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        await self._process.stdin.drain()
        return await self.said()


@contextlib.asynccontextmanager
async def running(python: Path, directory: Path, *, identity: str, password: str, card: str) -> AsyncIterator[Arthexis]:
    """Run the product with a database in ``directory``; it knows one station and one card."""
    port = free_port()
    environ = {**os.environ, "ARTHEXIS_DATA_DIR": str(directory), "ARTHEXIS_ALLOWED_HOSTS": "127.0.0.1"}
    environ.pop("PYTHONPATH", None)
    with (directory / "arthexis.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(str(python), str(DESK), str(port), identity, password, card),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environ,
            cwd=directory,
        )
        try:
            product = Arthexis(process, port)
            await product.said(READY_S)
            yield product
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
