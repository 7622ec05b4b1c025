"""The verb of people at the station: they press the button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hil.control import Kind, Parameter, Verb, Verbs

if TYPE_CHECKING:
    from hil.server import Bench

PRESS_S: Final = 0.2


class PeopleVerbs:
    """The verbs' bodies."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def button(self, *, evse: int, hold_s: float) -> dict[str, Any]:
        """Press the button and let it go."""
        self._set(evse, True)
        self._bench.later(hold_s, lambda: self._set(evse, False))
        return {"evse": evse, "hold_s": hold_s}

    def _set(self, evse: int, pressed: bool) -> None:
        with self._bench.stimulus():
            self._bench.world.evses[evse].people.levels["button"] = pressed


def register(verbs: Verbs, evses: int, body: PeopleVerbs | type[PeopleVerbs]) -> None:
    """Add the verbs; with the class itself as ``body`` they can be described but not run."""
    evse = Parameter(name="evse", kind=Kind.INT, help="which EVSE", default=1, minimum=1, maximum=evses)
    hold = Parameter(
        name="hold_s", kind=Kind.NUMBER, help="how long it is held", default=PRESS_S, unit="s", minimum=0.01, maximum=60
    )
    verbs.add(
        Verb(name="button", summary="press the start/stop button of an EVSE", parameters=(evse, hold), run=body.button)
    )
