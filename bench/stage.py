"""What the measured processes stand on: the bench's world, a station file, certificates, and the baselines' names."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import trustme

from agent.console.knock import NobodyHome, Unanswered, ask
from hil.client import AsyncBench
from hil.launch import Child, Launcher
from hil.station_toml import StationOptions, station_toml

WORKDIR: Final = Path(".bench")
READY_S: Final = 30.0
POLL_S: Final = 0.02
BARE: Final = "bare websockets + msgspec"
OCPP: Final = "minimal client on ocpp"


def peer(module: str, *arguments: object) -> list[str]:
    """Return the command of a baseline."""
    return [sys.executable, "-m", f"bench.peers.{module}", *map(str, arguments)]


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """Yield a folder on a real disk that is gone afterwards."""
    WORKDIR.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WORKDIR, prefix="b") as directory:
        yield Path(directory).absolute()


class Certificates:
    """A private root and a server of 127.0.0.1."""

    def __init__(self, directory: Path) -> None:
        root = trustme.CA()
        self.root_file = directory / "root.pem"
        root.cert_pem.write_to_path(str(self.root_file))
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        root.issue_cert("127.0.0.1").configure_cert(self.server)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOptions:
    """What the station file says beside its devices on the bench.

    Attributes:
        url: of the CSMS. root_file: trusted root; ``None``: plain text.
        metered: the EVSE has a meter.
        realtime: the guard asks for SCHED_FIFO and locked memory.
        controller: family of a bought controller in the EVSE; empty: pilot and contactor are its own.
        gpiozero: the lines are gpiozero's, on pins that it makes up itself (its ``mock`` factory): contactor open,
            socket unlocked, nothing tripped, for ever.
    """

    url: str
    root_file: Path | None = None
    metered: bool = True
    realtime: bool = False
    controller: str = ""
    gpiozero: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)


class Stage:
    """The bench's world in ``directory``, and the station's processes when they are asked for; none is restarted."""

    def __init__(self, directory: Path, options: StageOptions) -> None:
        self.directory = directory
        self.station_file = directory / "station.toml"
        self.bench = AsyncBench(directory)
        self.launcher = Launcher(directory)
        self.world_pid = 0
        self._options = options

    async def __aenter__(self) -> Self:
        await self.launcher.__aenter__()
        serve = [sys.executable, "-m", "hil.cli", "--dir", str(self.directory), "serve", "--parent", str(os.getpid())]
        if self._options.controller:
            serve += ["--controller", self._options.controller]
        child = await self.launcher.start("bench", [*serve, "--evses", "1", "--readers", "1"])
        await child.says("is ready", timeout_s=READY_S)
        self.world_pid = child.pid
        await self.bench.connect()
        self.station_file.write_text(self._station_text(), encoding="utf-8")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.bench.close()
        await self.launcher.stop()

    def command(self, word: str) -> list[str]:
        """Return the command that starts ``guard`` or ``run`` on this station."""
        return [sys.executable, "-m", "agent.cli", word, "--config", str(self.station_file)]

    async def start(self, word: str) -> Child:
        """Start ``guard`` or ``run``."""
        return await self.launcher.start(word, self.command(word), environ=self._options.environ)

    async def settled(self, claim: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        """Wait until the agent's status meets a claim, and return it. Raises ``TimeoutError``."""
        door = self.directory / "run" / "agent.sock"
        async with asyncio.timeout(READY_S):
            while True:
                with contextlib.suppress(NobodyHome, Unanswered):
                    status = await asyncio.to_thread(ask, door, "status")
                    if claim(status):
                        return status
                await asyncio.sleep(POLL_S)

    def _station_text(self) -> str:
        options = self._options
        extra = {"guard": ""}
        if options.root_file is not None:
            extra["csms"] = f'root_certificates = ["{options.root_file}"]\n'
        station = StationOptions(url=options.url, min_reclose_s=0.0, extra=extra, controller=options.controller)
        text = station_toml(self.directory, 0, station)
        if options.realtime:
            text = text.replace("realtime = false", "realtime = true")
        if options.gpiozero:
            text = text.replace(
                '[lines]\ndriver = "bench"\nsocket = "pins.sock"', '[lines]\ndriver = "gpio"\nfactory = "mock"'
            )
            # Nobody drives these pins: what they show is their bias, and at rest only the mirror contact is closed.
            text = text.replace('"evse1.mirror"', '"evse1.mirror", pull = "up"')
            for number, line in enumerate(sorted(set(re.findall(r'line = "(evse1\.\w+)"', text))), 5):
                text = text.replace(f'"{line}"', f'"GPIO{number}"')
        return text if options.metered else re.sub(r"(?m)^meter = .*\n", "", text)
