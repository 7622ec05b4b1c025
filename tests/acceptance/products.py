"""Products of other people: how one is had, how its process is asked, and what a station is told to please it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hil.station_toml import StationOptions
from tests.process.houses import ABSENCE_S, QUICK

HERE: Final = Path(__file__).parent
PLACE: Final = Path(".acceptance")
READY_S: Final = 90.0
ANSWER_S: Final = 40.0
PASSWORD: Final = "acceptance-0123456789"
IDENTITY: Final = "ACCEPT-1"


class NotInstalled(Exception):
    """The product cannot be had; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A back end that other people made.

    Attributes:
        name: on the command line, and of its folder. package: what is fetched, with its version.
        command: fetches it unless it is there and returns what starts its desk; blocking; raises ``NotInstalled``.
        url, csms: what its documentation wants in the station file.
        cannot: names of cases that it has no means for, and why.
        quirks: parts of complaints that it has for no fault of a station; docs/acceptance.md says why.
    """

    name: str
    package: str
    command: Callable[[], Sequence[str]]
    ocpp: str = "1.6"
    url: str = "ws://127.0.0.1:{port}/ocpp"
    csms: str = 'password_file = "csms-password"\nsecurity_profile = 1\n'
    cannot: Mapping[str, str] = field(default_factory=dict)
    quirks: Sequence[str] = ()

    def station(self) -> StationOptions:
        """Return the station that is played against it."""
        return StationOptions(
            identity=IDENTITY,
            ocpp=self.ocpp,
            url=self.url,
            card_hold_off_s=0.0,
            card_absence_s=ABSENCE_S,
            variables=QUICK,
            extra={"csms": self.csms, "charging": "meter_poll_s = 0.3"},
        )


class Desk:
    """The running product, asked line by line through an operator's desk in its own process."""

    def __init__(self, product: Product, process: asyncio.subprocess.Process, port: int) -> None:
        self.product = product
        self.port = port
        self._process = process

    async def call(self, action: str, **payload: Any) -> dict[str, Any]:
        """Have the product send a CALL; return the station's answer. A CALLERROR is an ``AssertionError``."""
        said = await self._ask({"do": "call", "action": action, "payload": payload})
        if said.get("status") != "completed":
            raise AssertionError(f"{action} {payload}: {said}")
        return dict(said["answer"])

    async def transactions(self) -> list[dict[str, Any]]:
        """Return the product's book: id, id_tag, meter_start, meter_stop, over, samples."""
        return list(await self._ask({"do": "transactions"}))

    async def station(self) -> dict[str, Any]:
        """Return what the product knows of the station: connected, connectors (number: status)."""
        return dict(await self._ask({"do": "station"}))

    async def seen(self, action: str) -> list[dict[str, Any]]:
        """Return what the station has sent of an action, oldest first."""
        return list(await self._ask({"do": "seen", "action": action}))

    async def complaints(self) -> list[str]:
        """Return what the product found wrong with messages of the station, its known quirks left out."""
        said: list[str] = await self._ask({"do": "complaints"})
        return [each for each in said if not any(quirk in each for quirk in self.product.quirks)]

    async def expect_password(self, password: str) -> None:
        """Have the product want another password at the next connection."""
        await self._ask({"do": "password", "password": password})

    async def ready(self) -> None:
        """Wait until the product serves."""
        await self._said(READY_S)

    async def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        await self._process.stdin.drain()
        return await self._said(ANSWER_S)

    async def _said(self, timeout_s: float) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(timeout_s):
            while not (line := await self._process.stdout.readline()).startswith(b"@"):
                if not line:
                    raise AssertionError(f"{self.product.name} has ended")
        said = json.loads(line[1:])
        if isinstance(said, dict) and "failed" in said:
            raise AssertionError(f"{self.product.name}: {said['failed']}")
        return said


@contextlib.asynccontextmanager
async def running(product: Product, command: Sequence[str], directory: Path, *, card: str) -> AsyncIterator[Desk]:
    """Run a product; it knows one station, its password, and one card. Its log is ``NAME.log`` in ``directory``."""
    port = free_port()
    environ = {**os.environ, "ACCEPTANCE_DIR": str(directory)}
    environ.pop("PYTHONPATH", None)
    with (directory / f"{product.name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(*command, str(port), IDENTITY, PASSWORD, card),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environ,
            cwd=directory,
            limit=1 << 22,
        )
        try:
            desk = Desk(product, process, port)
            await desk.ready()
            yield desk
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def from_pypi(name: str, *packages: str) -> Path:
    """Install packages into an environment of their own unless they are there; return its Python.

    Raises:
        NotInstalled: the registry cannot be reached, or a package does not install.
    """
    folder = PLACE / name
    python = (folder / "bin" / "python").absolute()
    venv = [sys.executable, "-m", "venv", str(folder)]
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    _fetch(folder, packages, venv, pip)
    return python


def from_npm(name: str, *packages: str) -> Path:
    """Install packages into a folder of their own unless they are there; return that folder.

    Raises:
        NotInstalled: there is no Node.js 18 or later, no npm, no registry, or a package does not install.
    """
    if (node := shutil.which("node")) is None or (npm := shutil.which("npm")) is None:
        raise NotInstalled("node and npm are needed (Node.js 18 or later), and are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if int(version.lstrip("v").partition(".")[0] or 0) < 18:
        raise NotInstalled(f"Node.js {version} is too old, expected 18 or later")
    folder = PLACE / name
    flags = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--loglevel=error")
    _fetch(folder, packages, [npm, "install", "--prefix", str(folder.absolute()), *flags, *packages])
    return folder.absolute()


def _fetch(folder: Path, packages: Sequence[str], *commands: list[str]) -> None:
    mark, wanted = folder / "installed", " ".join(packages)
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return
    print(f"Installing {wanted} into {folder} (a minute, the first time only) ...", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotInstalled(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-500:]}")
    mark.write_text(wanted, encoding="utf-8")
