"""Every verb of the bench, and where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hil import bench_verbs, controllers, more_verbs, outside_verbs, people_verbs, protection_verbs, world_verbs
from hil.control import Verbs
from hil.world import WorldSettings

if TYPE_CHECKING:
    from hil.server import Bench


async def register_all(verbs: Verbs, bench: Bench) -> None:
    """Add every verb to a starting bench."""
    world_verbs.register(verbs, bench.world.settings, world_verbs.WorldVerbs(bench))
    bench_verbs.register(verbs, bench_verbs.BenchVerbs(bench, verbs))
    protection_verbs.register(verbs, bench.world.settings, protection_verbs.ProtectionVerbs(bench))
    people_verbs.register(verbs, bench.world.settings.evses, people_verbs.PeopleVerbs(bench))
    more_verbs.register(verbs, bench.world.settings.evses, more_verbs.MoreVerbs(bench))
    controllers.register(verbs, bench.world.settings.evses, controllers.ControllerVerbs(bench))
    outside = outside_verbs.OutsideVerbs(bench)
    await outside.start()
    bench.on_close(outside.close)
    bench.add_report("net", outside.net.snapshot)
    outside_verbs.register(verbs, outside)


def describe_all() -> list[dict[str, Any]]:
    """Return the description of every verb without a running bench, for the widest one there can be."""
    verbs = Verbs()
    widest = WorldSettings(evses=64, readers=64, connectors=4)
    world_verbs.register(verbs, widest, world_verbs.WorldVerbs)
    bench_verbs.register(verbs, bench_verbs.BenchVerbs)
    protection_verbs.register(verbs, widest, protection_verbs.ProtectionVerbs)
    people_verbs.register(verbs, 64, people_verbs.PeopleVerbs)
    more_verbs.register(verbs, 64, more_verbs.MoreVerbs)
    controllers.register(verbs, 64, controllers.ControllerVerbs)
    outside_verbs.register(verbs, outside_verbs.OutsideVerbs)
    return verbs.describe()
