"""What a station costs while nothing happens: resident memory, CPU time, wake-ups."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import counters
from bench.peers.acking_csms import AckingCsms
from bench.progress import say
from bench.stage import BARE, OCPP, READY_S, Certificates, Stage, StageOptions, peer, workplace
from bench.tables import Outcome, Verdict, at_most, grid, ratio

AGENT: Final = "agent, 1 Hz meter, reader"
AGENT_NO_METER: Final = "agent, reader, no meter"
AGENT_ALONE: Final = "agent, no meter, no guard"
GUARD: Final = "guard, 100 scans/s"
GUARD_LOCKED: Final = "guard, 100 scans/s, mlockall"
GUARD_GPIO: Final = "guard, gpiozero lines, mlockall"
GUARD_CONTROLLER: Final = "guard, EVSE-DIN and its meter on one line"
WINDOW_S: Final = 60.0
QUICK_S: Final = 0.5
SETTLE_S: Final = 5.0
QUICK_SETTLE_S: Final = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One process over the window."""

    resident_mib: float
    anonymous_mib: float
    cpu_s_per_min: float
    wakeups_per_s: float


def run(*, quick: bool) -> Outcome:
    """Measure all of them side by side in one window, over TLS."""
    return asyncio.run(_run(QUICK_S if quick else WINDOW_S, QUICK_SETTLE_S if quick else SETTLE_S))


async def _run(window_s: float, settle_s: float) -> Outcome:
    with workplace() as place:
        async with _everything(place) as pids:
            say(f"footprint: settling for {settle_s:g} s")
            await asyncio.sleep(settle_s)
            found = await _watch(pids, window_s)
    rows = {
        name: (
            f"{cost.resident_mib:.1f}",
            f"{cost.anonymous_mib:.1f}",
            ratio(cost.resident_mib, found[OCPP].resident_mib),
            f"{cost.cpu_s_per_min:.3f}",
            f"{cost.wakeups_per_s:.1f}",
        )
        for name, cost in found.items()
    }
    columns = ("resident MiB", "anonymous MiB", f"/ {OCPP}", "CPU s/min", "wake-ups/s")
    title = f"footprint: all side by side for {window_s:g} s, over TLS with one root file, nothing charging"
    return Outcome(table=grid(title, columns, rows), verdicts=_verdicts(found))


@contextlib.asynccontextmanager
async def _everything(place: Path) -> AsyncIterator[Mapping[str, int]]:
    certificates = Certificates(place)
    async with AckingCsms(tls=certificates.server) as csms, AsyncExitStack() as stack:

        async def station(name: str, **options: Any) -> Stage:
            directory = place / name
            directory.mkdir()
            how = StageOptions(url=csms.url, root_file=certificates.root_file, **options)
            return await stack.enter_async_context(Stage(directory, how))

        pids = {}
        full = await station("full")
        pids[GUARD] = (await full.start("guard")).pid
        pids[AGENT] = (await full.start("run")).pid
        await full.settled(lambda status: _up(status) and status["evses"][0]["energy_wh"] is not None)
        locked = await station("locked", realtime=True)
        child = await locked.start("guard")
        await child.says("guard.started", timeout_s=READY_S)
        if "refused" not in child.log_text():
            pids[GUARD_LOCKED] = child.pid
        pins = await station("pins", realtime=True, gpiozero=True)
        child = await pins.start("guard")
        await child.says("guard.started", timeout_s=READY_S)
        pids[GUARD_GPIO] = child.pid
        bought = await station("bought", controller="evse-din")
        pids[GUARD_CONTROLLER] = (await bought.start("guard")).pid
        await bought.start("run")
        await bought.settled(lambda status: _up(status) and status["evses"][0]["energy_wh"] is not None)
        plain = await station("plain", metered=False)
        await plain.start("guard")
        pids[AGENT_NO_METER] = (await plain.start("run")).pid
        await plain.settled(_up)
        alone = await station("alone", metered=False)
        pids[AGENT_ALONE] = (await alone.start("run")).pid
        await alone.settled(lambda status: bool(status["csms"]["online"]))
        for name, module in ((OCPP, "ocpp_client"), (BARE, "bare_client")):
            pids[name] = (await full.launcher.start(module, peer(module, csms.url, certificates.root_file))).pid
        yield pids


def _up(status: Mapping[str, Any]) -> bool:
    return bool(status["csms"]["online"] and status["guard"]["connected"])


async def _watch(pids: Mapping[str, int], window_s: float) -> dict[str, Cost]:
    before = {name: (counters.cpu_s(pid), counters.wakeups(pid)) for name, pid in pids.items()}
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    while (past_s := loop.time() - begin_s) < window_s:
        say(f"footprint: {past_s:.0f} of {window_s:g} s")
        await asyncio.sleep(min(5.0, window_s - past_s))
    took_s = loop.time() - begin_s
    return {
        name: Cost(
            resident_mib=counters.resident_mib(pid),
            anonymous_mib=counters.anonymous_mib(pid),
            cpu_s_per_min=60 * (counters.cpu_s(pid) - before[name][0]) / took_s,
            wakeups_per_s=(counters.wakeups(pid) - before[name][1]) / took_s,
        )
        for name, pid in pids.items()
    }


def _verdicts(found: Mapping[str, Cost]) -> list[Verdict]:
    guard = found.get(GUARD_LOCKED, found[GUARD])
    return [
        at_most("memory: agent over TLS, drivers live", found[AGENT].resident_mib, 42, "MiB"),
        at_most("memory: guard, mlockall on-fault", guard.resident_mib, 24, "MiB"),
        at_most("memory: guard with gpiozero lines", found[GUARD_GPIO].resident_mib, 24, "MiB"),
        at_most("memory: guard with a Modbus controller", found[GUARD_CONTROLLER].resident_mib, 32, "MiB"),
        at_most("idle: agent with a 1 Hz meter, CPU", found[AGENT].cpu_s_per_min, 0.06, "s/min"),
        at_most("idle: agent with a 1 Hz meter, wake-ups", found[AGENT].wakeups_per_s, 5, "1/s"),
        at_most("idle: agent without meter and guard, CPU", found[AGENT_ALONE].cpu_s_per_min, 0.03, "s/min"),
        at_most("idle: agent without meter and guard, wake-ups", found[AGENT_ALONE].wakeups_per_s, 1, "1/s"),
        at_most("idle: agent without meter, with guard, CPU", found[AGENT_NO_METER].cpu_s_per_min, 0.03, "s/min"),
        at_most("idle: agent without meter, with guard, wake-ups", found[AGENT_NO_METER].wakeups_per_s, 1, "1/s"),
        at_most("idle: guard at 100 scans/s, CPU", found[GUARD].cpu_s_per_min, 0.6, "s/min"),
    ]
