"""The verbs of what watches over an EVSE: sensors and their self-test, earth, door, tilt, temperature, lock motor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hil.control import Kind, Parameter, Verb, Verbs
from hil.protection import SensorMode
from hil.world import WorldSettings
from hil.world_verbs import connector_parameter

if TYPE_CHECKING:
    from hil.server import Bench

ROOM_C: Final = 25.0


class ProtectionVerbs:
    """The verbs' bodies."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._world = bench.world

    async def rcm(self, *, action: str, evse: int, connector: int) -> dict[str, Any]:
        """Trip or clear the direct current sensor."""
        return self._set(evse, connector, "rcm_tripped", action == "trip")

    async def ground(self, *, mode: str, evse: int, connector: int) -> dict[str, Any]:
        """Take the protective earth away, or mend it."""
        return self._set(evse, connector, "ground_missing", mode == "missing")

    async def door(self, *, action: str, evse: int, connector: int) -> dict[str, Any]:
        """Open or shut the station's door."""
        return self._set(evse, connector, "door_open", action == "open")

    async def tilt(self, *, action: str, evse: int, connector: int) -> dict[str, Any]:
        """Knock the station over, or put it up."""
        return self._set(evse, connector, "tilted", action == "on")

    async def rcd_sensor(self, *, mode: str, evse: int, connector: int) -> dict[str, Any]:
        """Break or mend the sensor's answer to its test line."""
        protection = self._world.at(evse, connector).protection
        with self._bench.stimulus():
            protection.set_mode(SensorMode(mode), self._world.now_s)
        return {"mode": mode}

    async def temperature(self, *, celsius: float | None, evse: int) -> dict[str, Any]:
        """Warm or cool the sensor; without a value it is lost."""
        self._bench.files.set_temperature(evse, celsius)
        return {"celsius": celsius}

    async def lock_motor(self, *, kind: str, evse: int, connector: int) -> dict[str, Any]:
        """Say how the lock is built."""
        lock = self._world.at(evse, connector).lock
        with self._bench.stimulus():
            lock.set_pulsed(kind == "pulsed", self._world.now_s)
        return {"kind": kind, "locked": lock.locked}

    def _set(self, evse: int, connector: int, name: str, value: bool) -> dict[str, Any]:
        with self._bench.stimulus():
            setattr(self._world.at(evse, connector).protection, name, value)
        return {name: value}


def register(verbs: Verbs, settings: WorldSettings, body: ProtectionVerbs | type[ProtectionVerbs]) -> None:
    """Add the verbs; with the class itself as ``body`` they can be described but not run."""
    evse = Parameter(name="evse", kind=Kind.INT, help="which EVSE", default=1, minimum=1, maximum=settings.evses)
    connector = connector_parameter(settings.connectors)

    def choice(name: str, *choices: str, text: str) -> Parameter:
        return Parameter(name=name, kind=Kind.TEXT, help=text, choices=choices, positional=True)

    celsius = Parameter(
        name="celsius",
        kind=Kind.NUMBER,
        help="left out: the sensor is lost",
        default=None,
        unit="degC",
        minimum=-60,
        maximum=200,
        positional=True,
    )
    table = [
        ("rcm", "trip or clear the direct current sensor (a line; it switches nothing)",
         (choice("action", "trip", "clear", text="what to do"), evse, connector)),
        ("ground", "take the protective earth away or mend it (a line; it switches nothing)",
         (choice("mode", "ok", "missing", text="protective earth"), evse, connector)),
        ("door", "open or shut the door (a line)", (choice("action", "open", "shut", text="door"), evse, connector)),
        ("tilt", "knock the station over or put it up again (a line)",
         (choice("action", "on", "off", text="on leans"), evse, connector)),
        ("rcd_sensor", "break or mend how the residual current sensor answers its test line",
         (choice("mode", *(m.value for m in SensorMode),
                 text="dead: nothing trips; half: only 6 mA; stuck: lets nothing go"), evse, connector)),
        ("temperature", "set the temperature in DIR/temperature-N, in thousandths as in hwmon", (celsius, evse)),
        ("lock_motor", "say how the lock is built",
         (choice("kind", "held", "pulsed", text="pulsed: moved by lock and unlock, stays without either"), evse,
          connector)),
    ]  # fmt: skip
    for name, summary, parameters in table:
        verbs.add(Verb(name=name, summary=summary, parameters=parameters, run=getattr(body, name)))
