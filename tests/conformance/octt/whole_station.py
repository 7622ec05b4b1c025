"""A whole station in one process and in virtual time: the agent, the guard's station, the world around them, a CSMS."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from msgspec.structs import replace

from agent.app import Application, Surroundings
from agent.ocpp.transport import Link
from agent.secured import Dial
from agent.settings.build import parse_station
from agent.settings.compile import plan_of
from agent.settings.loaded import Loaded, Origin
from agent.settings.station import DriverSettings, EvseSettings, Settings
from hil.evse import Evse
from hil.station_toml import StationOptions, station_toml
from hil.world import World, WorldSettings
from tests.conformance.octt.csms_side import IDENTITY, Csms, Listen
from tests.conformance.octt.devices import HERE, PLACES, Place
from tests.conformance.octt.guard_inside import GuardInside

NOON_UTC_S: Final = 1_795_176_000.0  # 2026-11-20T12:00:00Z
RESTART_S: Final = 1.0  # as systemd starts an agent again
SETTLED_S: Final = 1.0
CARD, OTHER_CARD, BAD_CARD = "A1A1A1A1", "B0B0B0B0", "BADBADBA"
_numbers = itertools.count()
_SHORT: Final = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a socket's path has 107 characters


class Bench:
    """One station and its CSMS. Use ``bench``; what happens to the station are its verbs."""

    def __init__(self, folder: Path, options: StationOptions, world: WorldSettings, csms: Csms, dial: Dial) -> None:
        now_s = asyncio.get_running_loop().time
        self.now_s = now_s
        self.world = World(world, now_s=now_s())
        self.name = f"place{next(_numbers)}"
        self.place = PLACES[self.name] = Place(world=self.world, now_s=now_s, epoch_s=csms.epoch_s)
        self.csms = csms
        self.dial = dial
        self.settings = settings_of(folder, options, self.name)
        self.folder = folder
        self.restarts = 0
        self.application: Application | None = None
        self._agent: asyncio.Task[None] | None = None
        self.guard: GuardInside | None = None

    # ---- its life ------------------------------------------------------------------------------------------------

    def switch_on(self) -> None:
        """Start guard and agent."""
        self.settings.station.run_dir.mkdir(parents=True, exist_ok=True)
        self.settings.station.state_dir.mkdir(parents=True, exist_ok=True)
        self.guard = GuardInside(plan_of(self.settings), self.place)
        self.guard.start()
        self._agent = asyncio.create_task(self._keep_agent())

    async def _keep_agent(self) -> None:
        around = Surroundings(monotonic=self.now_s, chance=lambda: 0.5, dial=self.dial, own_process=False)
        while True:
            self.application = Application(Loaded(settings=self.settings, origin=Origin.FILE), around)
            await self.application.run()
            self.restarts += 1
            await asyncio.sleep(RESTART_S)

    async def switch_off(self) -> None:
        """End agent and guard, in order."""
        if self._agent is not None:
            self._agent.cancel()
            await asyncio.gather(self._agent, return_exceptions=True)
            self._agent = None
        self.kill_guard()

    def kill_guard(self) -> None:
        """End the guard; its outputs are made safe."""
        if self.guard is not None:
            self.guard.stop()
            self.guard = None

    async def power_cut(self, for_s: float = 10.0) -> None:
        """Take the power away for a while: nothing says goodbye, and the next boot is another one."""
        was = self.csms.reachable
        self.csms.cut()
        self.world.cut_power(self.now_s())
        await self.switch_off()
        await asyncio.sleep(for_s)
        self.place.boot_id = f"boot-{next(_numbers)}-later"
        self.world.restore_power(self.now_s())
        self.csms.reachable = was
        self.switch_on()

    def warn_of_power(self) -> None:
        """Tell the agent that its back-up supply will end, as SIGPWR does."""
        assert self.application is not None
        self.application.power_failing()

    async def close(self) -> None:
        """End the case."""
        await self.switch_off()
        await self.csms.close()
        del PLACES[self.name]

    async def __aenter__(self) -> Self:
        self.switch_on()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # ---- what happens to it ----------------------------------------------------------------------------------------

    async def plug(self, evse: int = 1, cable_a: int = 32, *, connector: int = 1) -> None:
        """Put a vehicle's cable in."""
        self.evse(evse, connector).cable_a = cable_a
        await self.do(self.evse(evse, connector).car.plug_in)

    async def unplug(self, evse: int = 1, *, connector: int = 1) -> None:
        """Take it out."""
        await self.do(self.evse(evse, connector).car.unplug)

    async def tap(self, card: str = CARD) -> None:
        """Hold a card to the reader."""
        queue = next(iter(self.place.cards.values()))
        queue.put_nowait(card)
        await asyncio.sleep(SETTLED_S)

    async def identify(self, way: str, card: str = CARD) -> None:
        """Have somebody identified on connector 1: by ``card``, or by the CSMS's ``remote`` start."""
        if way == "card":
            await self.tap(card)
        else:
            await self.csms.accepted("RemoteStartTransaction", idTag=card, connectorId=1)

    async def vehicle(self, evse: int = 1, **changes: Any) -> None:
        """Change the vehicle: ``paused=True`` and so on."""

        def change() -> None:
            for name, value in changes.items():
                setattr(self.evse(evse).car, name, value)

        await self.do(change)

    async def do(self, change: Callable[[], object]) -> None:
        """Change the world, and let the station notice."""
        with self.world.stimulus(self.now_s()):
            change()
        self.place.changed()
        await asyncio.sleep(SETTLED_S)

    async def rest(self, for_s: float) -> None:
        """Let time pass."""
        await asyncio.sleep(for_s)

    def evse(self, number: int = 1, connector: int = 1) -> Evse:
        """Return an EVSE of the world, or a further connector of it."""
        return self.world.at(number, connector)

    async def until(self, claim: Callable[[], bool], within_s: float = 60.0) -> None:
        """Wait until a claim about the world holds."""
        end_s = self.now_s() + within_s
        while not claim():
            assert self.now_s() < end_s, f"not within {within_s:g} s: {self.world.report()}"
            await asyncio.sleep(0.1)

    # ---- the states that many cases begin in -------------------------------------------------------------------------

    async def booted(self, **keys: str | int | bool) -> None:
        """Wait for the boot and every status; set keys; what came is forgotten."""
        await self.csms.expect("BootNotification")
        for connector in range(len(self.world.parts) + 1):
            await self.csms.status(connector, "Available")
        if keys:
            await self.csms.configure(**keys)
        await asyncio.sleep(SETTLED_S)
        self.csms.forget()

    async def charging(self, card: str = CARD, evse: int = 1) -> int:
        """Plug in, tap, and wait until it charges; return the transaction's id. What came is forgotten."""
        await self.plug(evse)
        await self.csms.status(evse, "Preparing")
        await self.tap(card)
        await self.csms.expect("StartTransaction", connectorId=evse)
        await self.csms.status(evse, "Charging")
        await asyncio.sleep(3.0)
        self.csms.forget()
        return self.transaction_id()

    def transaction_id(self) -> int:
        """Return the newest transaction's id in the CSMS's book."""
        return int(self.csms.desk.ledger.transactions(IDENTITY)[-1].transaction_id)


@asynccontextmanager
async def bench(
    *,
    ocpp: str = "1.6",
    evses: int = 1,
    connectors: int = 1,
    fixed_cables: tuple[int, ...] = (),
    tethered: bool = False,
    second_contactor: bool = False,
    epoch_utc_s: float = NOON_UTC_S,
    boot: str = "Accepted",
    extra: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    files: Mapping[str, bytes] | None = None,
    network: Sequence[Listen] = (),
    blameless: bool = True,
) -> AsyncIterator[Bench]:
    """Build a station and switch it on.

    Args:
        connectors: of each EVSE. fixed_cables: which of them have a fixed cable.
        boot: how the CSMS answers the first boot notification.
        extra: lines of the station file by section. variables: presets of it, in TOML's spelling of values.
        files: what lies beside the station file.
        network: where the CSMS listens, the first one being preferred; none: a wire within the process.
        blameless: at the end the CSMS's book must hold nothing against the station.
    """
    folder = Path(tempfile.mkdtemp(prefix="octt-", dir=_SHORT))
    lines = {"charging": "meter_poll_s = 5\nmeter_stale_s = 12\n"} | dict(extra or {})
    for name, content in (files or {}).items():
        (folder / name).write_bytes(content)
    now_s = asyncio.get_running_loop().time
    csms = Csms(now_s, epoch_utc_s - now_s())
    csms.script(boot=boot)
    urls = [await csms.listen(each) for each in network]
    if len(urls) > 1:
        lines["csms"] = lines.get("csms", "") + f"fallback_urls = {json.dumps(urls[1:])}\n"
    options = StationOptions(
        identity=IDENTITY,
        ocpp=ocpp,
        evses=evses,
        connectors=connectors,
        fixed_cables=fixed_cables,
        extra=lines,
        variables=variables or {},
        url=urls[0] if urls else "ws://csms.example/",
        evse_extra="tethered = true\n" if tethered else "",
    )
    world = WorldSettings(
        evses=evses,
        connectors=connectors,
        fixed_cables=fixed_cables,
        tethered=tethered,
        second_contactor=second_contactor,
    )
    station = Bench(folder, options, world, csms, Link.connect if network else csms.dial)
    try:
        async with station:
            yield station
        if blameless:
            assert station.csms.problems() == []
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)


def settings_of(folder: Path, options: StationOptions, place: str) -> Settings:
    """Return the settings of a station file of the bench, its drivers replaced by those of this process."""
    text = station_toml(folder, 1, options)
    if "tethered = true" in options.evse_extra:  # a fixed cable has no lock
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("lock = "))
    settings = parse_station(text.encode(), folder / "station.toml")

    def here(driver: DriverSettings, device: str, **options: Any) -> DriverSettings:
        return replace(driver, target=f"{HERE}:{device}", options={"place": place} | options)

    def evse_here(evse: EvseSettings) -> EvseSettings:
        assert evse.pilot is not None
        assert evse.meter is not None
        meter = replace(evse.meter, driver=here(evse.meter.driver, "WorldMeter", evse=evse.id), bus=None)
        further = tuple(
            replace(each, pilot=here(evse.pilot, "WorldPowerPath", evse=evse.id, connector=each.connector_id))
            for each in evse.connectors
        )
        pilot = here(evse.pilot, "WorldPowerPath", evse=evse.id)
        return replace(evse, pilot=pilot, meter=meter, connectors=further)

    readers = tuple(replace(each, driver=here(each.driver, "WorldReader", name=each.name)) for each in settings.readers)
    return replace(
        settings,
        clock=here(settings.clock, "WorldClock"),
        lines=here(settings.lines, "WorldLines"),
        evses=tuple(evse_here(each) for each in settings.evses),
        readers=readers,
    )
