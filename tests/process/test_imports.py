"""What the two running processes have loaded, asked of themselves at their end."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from dataclasses import replace
from pathlib import Path

from tests.process.houses import Stay, options, stay

NEVER = {"pydantic", "jsonschema", "aiohttp", "ocpp", "hypothesis", "pytest", "trustme", "yaml", "cryptography"}
LISTING = """\
import atexit, os, sys


def tell():
    with open({path!r} + "." + str(os.getpid()), "w") as out:
        out.write("\\n".join(name for name, module in sorted(sys.modules.items()) if module is not None))


atexit.register(tell)
"""


def roots(loaded: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in loaded}


def modules_of(guest: Stay, role: str, notes: Path) -> set[str]:
    return set((notes / f"loaded.{guest.house.child(role).pid}").read_text().split())


async def test_after_a_charge_with_live_drivers_neither_process_has_loaded_what_it_must_not(tmp_path: Path) -> None:
    # Python runs a module of this name in every process that finds it: nothing of ours has to know.
    (tmp_path / "sitecustomize.py").write_text(LISTING.format(path=str(tmp_path / "loaded")))
    chosen = replace(options(), environ={"PYTHONPATH": str(tmp_path)})
    async with stay(chosen) as guest:
        await guest.online()
        await guest.house.stop_station()
        await guest.house.start_station()  # the settings were checked: neither validator nor second dialect any more
        await guest.online()
        await guest.begin()
        await guest.end()
        await guest.exact(1)
        await guest.house.stop_station()
        agent, guard = (modules_of(guest, role, tmp_path) for role in ("agent", "guard"))
    assert {"websockets", "pymodbus", "serial", "sqlite3", "structlog"} <= roots(agent), "the drivers were live"
    assert roots(agent) & (NEVER | {"rich"}) == set()
    assert not {name for name in agent if name.startswith(("hil", "agent.ocpp.v201", "agent.guard.cycle"))}
    ours = {name for name in guard if name.partition(".")[0] in ("agent", "drivers")}
    assert {"agent.guard.cycle", "drivers.bench.lines"} <= ours
    assert not {name for name in ours if not re.match(r"agent(\.guard|$)|drivers", name)}
    foreign = roots(guard) - set(sys.stdlib_module_names) - {"agent", "drivers", "gpiozero", "colorzero"}
    assert not foreign & _installed(), foreign


def _installed() -> set[str]:
    """Return the importable names that installed distributions bring."""
    return set(importlib.metadata.packages_distributions()) - {"_distutils_hack"}
