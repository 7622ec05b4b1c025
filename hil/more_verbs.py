"""The verbs of the meter of the whole station, and of what a car says of its battery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hil.control import Kind, Parameter, Verb, Verbs
from hil.evse import METER_LATE_S, MeterMode

if TYPE_CHECKING:
    from hil.server import Bench

MOST_W: Final = 1_000_000.0


class MoreVerbs:
    """The verbs' bodies."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._world = bench.world

    async def main_meter(self, *, base_w: float | None, mode: str | None, late_s: float) -> dict[str, Any]:
        """Set the base load, break or mend the meter."""
        main = self._world.main
        with self._bench.stimulus():
            main.late_s = late_s
            main.base_w = main.base_w if base_w is None else base_w
            if mode is not None:
                main.set_mode(MeterMode(mode))
        return main.report()

    async def tell_soc(self, *, tells: str, evse: int) -> dict[str, Any]:
        """Let the car tell its state of charge, or stop to."""
        with self._bench.stimulus():
            self._world.evses[evse].car.tells_soc = tells == "yes"
        return {"tells": tells, "soc_pct": self._world.evses[evse].told_soc_pct}


def register(verbs: Verbs, evses: int, body: MoreVerbs | type[MoreVerbs]) -> None:
    """Add the verbs; with the class itself as ``body`` they can be described but not run."""
    evse = Parameter(name="evse", kind=Kind.INT, help="which EVSE", default=1, minimum=1, maximum=evses)
    base = Parameter(
        name="base_w", kind=Kind.NUMBER, help="load beside the EVSEs; left out: as it is", default=None,
        unit="W", minimum=0, maximum=MOST_W,
    )  # fmt: skip
    mode = Parameter(
        name="mode", kind=Kind.TEXT, help="how it answers, as of meter; left out: as it does", default=None,
        choices=tuple(each.value for each in MeterMode),
    )  # fmt: skip
    late_help = "how late, for late"
    late = Parameter(
        name="late_s", kind=Kind.NUMBER, help=late_help, default=METER_LATE_S, unit="s", minimum=0, maximum=30
    )
    tells = Parameter(name="tells", kind=Kind.TEXT, help="whether it does", choices=("yes", "no"), positional=True)
    for name, summary, parameters in (
        ("main_meter", "set the base load of the station's main meter, break or mend it", (base, mode, late)),
        ("tell_soc", "let the car tell its state of charge to parts that talk to it, or not", (tells, evse)),
    ):
        verbs.add(Verb(name=name, summary=summary, parameters=parameters, run=getattr(body, name)))
