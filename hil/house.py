"""A whole station on the bench: bench, CSMS, guard and agent as separate processes, restarted as systemd would.

The station's two processes are commands, never imports: any agent that takes ``guard --config`` and ``run --config``
can be put here.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from hil.client import AsyncBench, BenchError
from hil.csms_link import CsmsLink
from hil.launch import Child, Launcher, LaunchFailed
from hil.station_toml import StationOptions, station_toml

RESTART_S: Final[Mapping[str, float]] = {"guard": 0.1, "agent": 0.3}  # as RestartSec in systemd/*.service
READY_S: Final = 20.0
USUAL_METER: Final = StationOptions().meter
POWER_BACK_S: Final = 2.0  # after a power_cut that came from outside
POWER_POLL_S: Final = 0.1
AGENT_COMMAND: Final = (sys.executable, "-m", "agent.cli")


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseOptions:
    """What is put together.

    Attributes:
        station: what the station file says.
        bench: further arguments of ``charge-bench serve``.
        csms: further arguments of ``charge-bench csms``.
        agent_command: the station software's command; ``guard --config FILE`` and ``run --config FILE`` are added.
        environ: environment of the station's processes, on top of ours.
        told: called with "bench" and "csms" and the seconds it took, when that is up.
    """

    station: StationOptions = field(default_factory=StationOptions)
    bench: Sequence[str] = ()
    csms: Sequence[str] = ()
    agent_command: Sequence[str] = AGENT_COMMAND
    environ: Mapping[str, str] = field(default_factory=dict)
    told: Callable[[str, float], None] | None = None


class House:
    """Starts everything when entered and leaves nothing running when left.

    ``bench`` and ``csms`` are clients of the two control sockets. A process of the station that ends is started again;
    after a ``power_cut`` that somebody else told the bench, that happens when the power is back, which the house gives
    back itself after a while.
    """

    def __init__(self, directory: Path, options: HouseOptions | None = None) -> None:
        self.directory = directory.absolute()
        self.options = options or HouseOptions()
        self.bench = AsyncBench(self.directory)
        self.csms = CsmsLink(self.directory / "csms.sock")
        self.station_file = self.directory / "station.toml"
        self.restarts: dict[str, int] = {"guard": 0, "agent": 0}
        self._launcher = Launcher(self.directory)
        self._children: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._held: set[str] = set()
        self._power = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._launcher.__aenter__()
        try:
            await self.open_world()
            await self.start_station()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        self._keepers.clear()
        for role in ("agent", "guard"):
            child = self._children.pop(role, None)
            if child is not None:
                await child.stop(grace_s=8.0)
        with contextlib.suppress(OSError, ConnectionError):
            await self.csms.close()
        await self.bench.close()
        await self._launcher.stop()

    @contextlib.asynccontextmanager
    async def prepared(self) -> AsyncIterator[Self]:
        """Start nothing: ``open_world`` and ``start_station`` are the caller's; end everything at the end."""
        await self._launcher.__aenter__()
        try:
            yield self
        finally:
            await self.__aexit__()

    async def open_world(self) -> None:
        """Start the bench and its CSMS, and write the station file."""
        serve = [sys.executable, "-m", "hil.cli", "--dir", str(self.directory), "serve"]
        serve += ["--evses", str(self.options.station.evses), "--readers", str(self.options.station.readers)]
        if self.options.station.connectors != 1:
            serve += ["--connectors", str(self.options.station.connectors)]
        for each in self.options.station.fixed_cables:
            serve += ["--fixed-cable", str(each)]
        if self.options.station.reader != "rdm6300":
            serve += ["--reader", self.options.station.reader]
        if self.options.station.meter != USUAL_METER:
            serve += ["--meter", self.options.station.meter]
        if self.options.station.controller:
            serve += ["--controller", self.options.station.controller]
        begin_s = time.monotonic()
        bench = await self._launcher.start("bench", [*serve, *self.options.bench])
        csms = await self._launcher.start("csms", self._csms_command())
        await bench.says("is ready", timeout_s=READY_S)
        await self.bench.connect()
        self._tell("bench", time.monotonic() - begin_s)
        self._children["csms"] = csms
        await csms.says("csms ready", timeout_s=READY_S)
        await self.csms.connect()
        self._tell("csms", time.monotonic() - begin_s)
        port = int((self.directory / "net.port").read_text(encoding="utf-8"))
        self.station_file.write_text(station_toml(self.directory, port, self.options.station), encoding="utf-8")

    async def restart_csms(self) -> None:
        """Stop the CSMS and start a new one, which knows nothing of what the old one booked."""
        await self.csms.close()
        await self._children["csms"].stop()
        csms = await self._launcher.start("csms", self._csms_command())
        self._children["csms"] = csms
        await csms.says("csms ready", timeout_s=READY_S)
        await self.csms.connect()

    async def start_station(self) -> None:
        """Start guard and agent and keep them running."""
        for role in ("guard", "agent"):
            self._held.discard(role)
            if role not in self._keepers:
                await self._start(role)
                self._keepers[role] = asyncio.create_task(self._keep(role), name=f"keep.{role}")

    def child(self, role: str) -> Child:
        """Return a process: ``guard`` or ``agent`` of the station, or ``csms``."""
        return self._children[role]

    async def kill(self, role: str, *, restart: bool = True) -> None:
        """``kill -9`` one process; it comes back after its pause unless ``restart`` is false."""
        if not restart:
            self._held.add(role)
        await self._children[role].kill()

    def let_restart(self, role: str) -> None:
        """Let a process come back that was killed for good."""
        self._held.discard(role)

    async def power_cut(self, *, off_s: float = 0.5) -> None:
        """Cut the station's power, and give it back after ``off_s``; both processes come back in a new boot."""
        await self.power_off()
        await asyncio.sleep(off_s)
        await self.power_on()

    async def power_off(self) -> None:
        """Cut the station's power and leave it off."""
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        self._keepers.clear()
        await self.bench.power_cut()

    async def power_on(self) -> None:
        """Give the station its power back and start its processes."""
        await self.bench.power_on()
        await self.start_station()

    async def stop_station(self) -> None:
        """Stop both processes the orderly way, as ``systemctl stop`` does."""
        for role in ("agent", "guard"):
            keeper = self._keepers.pop(role, None)
            if keeper is not None:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
            await self._children[role].stop(grace_s=15.0)

    async def ledger(self) -> dict[str, Any]:
        """Return the CSMS's book."""
        result = await self.csms.ask("ledger")
        assert isinstance(result, dict)
        return result

    async def until(self, claim: Callable[[], bool], *, what: str, timeout_s: float = 10.0) -> None:
        """Wait until a claim holds; ``what`` names it in the error."""
        try:
            async with asyncio.timeout(timeout_s):
                while not claim():
                    await asyncio.sleep(0.02)
        except TimeoutError as exc:
            raise LaunchFailed(f"{what} did not come within {timeout_s:g} s") from exc

    def _csms_command(self) -> Sequence[str]:
        return [sys.executable, "-m", "hil.cli", "csms", "--dir", str(self.directory), *self.options.csms]

    def _tell(self, what: str, took_s: float) -> None:
        if self.options.told is not None:
            self.options.told(what, took_s)

    async def _start(self, role: str) -> None:
        word = {"guard": "guard", "agent": "run"}[role]
        command = [*self.options.agent_command, word, "--config", str(self.station_file)]
        child = await self._launcher.start(role, command, environ=self.options.environ)
        self._children[role] = child
        try:
            await self.bench.dut_register(role=role, pid=child.pid)
        except BenchError:
            if child.running:
                raise
            # it ended at once: its keeper sees that, too

    async def _keep(self, role: str) -> None:
        while True:
            await self._children[role].wait(timeout_s=1e9)
            await self._children[role].stop()  # what it left in its process group goes now, while the group is its own
            while role in self._held:
                await asyncio.sleep(0.02)
            await self._powered()
            await asyncio.sleep(RESTART_S[role])
            await self._start(role)
            self.restarts[role] += 1

    async def _powered(self) -> None:
        """Return when the station has power; where it will not come by itself, give it back in a while."""
        async with self._power:
            if (await self.bench.state())["power"]:
                return
            cuts = [told for _, _, told in await self.bench.trace("stimulus") if told["verb"] == "power_cut"]
            off_s = cuts[-1]["off_s"] if cuts else None  # the bench itself gives it back after so long
            give_back_s = time.monotonic() + POWER_BACK_S + (off_s or 0.0)
            while not (await self.bench.state())["power"]:
                if time.monotonic() >= give_back_s:
                    await self.bench.power_on()
                await asyncio.sleep(POWER_POLL_S)
