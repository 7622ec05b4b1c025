"""The verbs that change the world: car, cards, contactor, lock, protection, pilot, meter, mains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hil.actuators import ContactorMode, LockMode
from hil.car import CableEnd, CarState, Misbehaviour
from hil.control import Kind, Parameter, Verb, VerbError, Verbs
from hil.evse import METER_LATE_S, MeterMode
from hil.pilot_circuit import PROXIMITY_OHM
from hil.reader_faces import READER_FACES
from hil.world import WorldSettings

if TYPE_CHECKING:
    from hil.server import Bench

_TAP_S: Final = 0.4
_DELAY = Parameter(
    name="delay_s", kind=Kind.NUMBER, help="do it later", default=0.0, unit="s", minimum=0, maximum=86400
)
_UID = Parameter(
    name="uid",
    kind=Kind.TEXT,
    help="card, hexadecimal digits: 10 for an rdm6300",
    default="2900DEB30A",
    positional=True,
)


class WorldVerbs:
    """The verbs' bodies."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._world = bench.world

    async def plug(self, *, evse: int, connector: int, cable_a: int, delay_s: float) -> dict[str, Any]:
        """Put the cable in."""
        car = self._world.at(evse, connector).car
        if car.plugged:
            raise VerbError(
                f"plug: {_named(evse, connector)} has a cable already, expected it to be free (charge-bench unplug)"
            )

        def put_in() -> None:
            self._world.at(evse, connector).cable_a = cable_a
            car.plug_in()

        return self._later(f"plug{evse}.{connector}", delay_s, put_in)

    async def unplug(self, *, evse: int, connector: int, end: str, delay_s: float) -> dict[str, Any]:
        """Take the cable away, or only its end at the vehicle."""
        world_evse = self._world.at(evse, connector)
        left = world_evse.cable_left and end == CableEnd.STATION.value
        if not world_evse.car.plugged and not left:
            raise VerbError(f"unplug: {_named(evse, connector)} has no cable, expected one (charge-bench plug)")

        def take_out() -> None:
            world_evse.unplug(CableEnd(end))

        return {**self._later(f"plug{evse}.{connector}", delay_s, take_out), "was_locked": world_evse.lock.locked}

    async def car_state(self, *, state: str, evse: int, connector: int) -> dict[str, Any]:
        """Force the state."""
        with self._bench.stimulus():
            self._world.at(evse, connector).car.forced = None if state == "auto" else CarState(state)
        return {"car_state": self._world.at(evse, connector).car_state}

    async def draw(self, *, current_a: float, phases: int | None, evse: int, connector: int) -> dict[str, Any]:
        """Limit the car."""
        settings = self._world.at(evse, connector).car.settings
        with self._bench.stimulus():
            settings.max_current_a = current_a
            settings.phases = settings.phases if phases is None else phases
        return {"max_current_a": settings.max_current_a, "phases": settings.phases}

    async def car(self, *, evse: int, connector: int, **changes: float | None) -> dict[str, Any]:
        """Change what kind of car it is."""
        settings = self._world.at(evse, connector).car.settings
        with self._bench.stimulus():
            for name, value in changes.items():
                if value is not None:
                    setattr(settings, name, value)
        report: dict[str, Any] = self._world.at(evse, connector).report()["car"]
        return report

    async def misbehave(self, *, what: str, evse: int, connector: int) -> dict[str, Any]:
        """Make the car disobey."""
        with self._bench.stimulus():
            self._world.at(evse, connector).car.misbehaviour = Misbehaviour(what)
        return {"misbehaviour": what}

    async def pause(self, *, evse: int, connector: int, keep_s2: bool) -> dict[str, Any]:
        """The car wants no energy."""
        car = self._world.at(evse, connector).car
        with self._bench.stimulus():
            car.paused, car.keep_s2 = True, keep_s2
        return {"paused": True}

    async def resume(self, *, evse: int, connector: int) -> dict[str, Any]:
        """The car wants energy again."""
        car = self._world.at(evse, connector).car
        with self._bench.stimulus():
            car.paused, car.keep_s2 = False, False
        return {"paused": False}

    async def card_present(self, *, uid: str, reader: int) -> dict[str, Any]:
        """Lay a card down."""
        self._lay(uid, reader)
        return {"card": uid.upper(), "reader": reader}

    async def card_remove(self, *, reader: int) -> dict[str, Any]:
        """Take the card away."""
        with self._bench.stimulus():
            removed, self._world.readers[reader].card = self._world.readers[reader].card, None
        return {"card": removed, "reader": reader}

    async def tap(self, *, uid: str, reader: int, hold_s: float) -> dict[str, Any]:
        """Lay a card down for a moment."""
        self._lay(uid, reader)

        def remove() -> None:
            self._world.readers[reader].card = None

        self._later(f"card{reader}", hold_s, remove)
        return {"card": uid.upper(), "reader": reader, "hold_s": hold_s}

    async def contactor(self, *, mode: str, evse: int, connector: int) -> dict[str, Any]:
        """Break or mend the contactor."""
        contactor = self._world.at(evse, connector).contactor
        with self._bench.stimulus():
            contactor.set_mode(ContactorMode(mode), self._world.now_s)
        return {"mode": mode, "load": contactor.closed}

    async def lock(self, *, mode: str, evse: int, connector: int) -> dict[str, Any]:
        """Jam or free the lock."""
        lock = self._world.at(evse, connector).lock
        with self._bench.stimulus():
            lock.set_mode(LockMode(mode), self._world.now_s)
        return {"mode": mode, "locked": lock.locked}

    async def rcd(self, *, action: str, evse: int, connector: int) -> dict[str, Any]:
        """Trip or clear the residual current sensor."""
        with self._bench.stimulus():
            self._world.at(evse, connector).rcd_tripped = action == "trip"
        return {"tripped": action == "trip"}

    async def emergency_stop(self, *, action: str, evse: int, connector: int) -> dict[str, Any]:
        """Press or release the emergency stop."""
        with self._bench.stimulus():
            self._world.at(evse, connector).emergency_stop = action == "on"
        return {"pressed": action == "on"}

    async def pilot(self, *, mode: str, evse: int, connector: int) -> dict[str, Any]:
        """Short the pilot to earth, or mend it."""
        with self._bench.stimulus():
            self._world.at(evse, connector).pilot_shorted = mode == "short"
        return {"pilot_v": self._world.at(evse, connector).pilot.high_v}

    async def diode(self, *, mode: str, evse: int, connector: int) -> dict[str, Any]:
        """Short the car's diode, or mend it."""
        with self._bench.stimulus():
            self._world.at(evse, connector).diode_shorted = mode == "short"
        return {"pilot_low_v": self._world.at(evse, connector).pilot.low_v}

    async def meter(self, *, mode: str, evse: int, late_s: float) -> dict[str, Any]:
        """Break or mend the meter."""
        world_evse = self._world.evses[evse]
        with self._bench.stimulus():
            world_evse.meter_late_s = late_s
            world_evse.set_meter(MeterMode(mode))
        return {"mode": mode, "register_wh": world_evse.report()["register_wh"]}

    async def mains(self, *, action: str) -> dict[str, Any]:
        """Switch the mains."""
        self._world.set_mains(action == "on", self._bench.now_s())
        self._bench.settle()
        return {"mains": action}

    def _lay(self, uid: str, reader: int) -> None:
        face = READER_FACES[self._world.settings.reader]
        if face.cards.fullmatch(uid) is None:
            raise VerbError(f"uid is {uid!r}, expected {face.says}")
        with self._bench.stimulus():
            self._world.cancel(f"card{reader}")
            self._world.readers[reader].card = uid.upper()

    def _later(self, key: str, delay_s: float, action: Any) -> dict[str, Any]:
        with self._bench.stimulus():
            due_s = self._world.now_s + delay_s
            if delay_s > 0.0:
                self._world.plan(due_s, key, action)
            else:
                self._world.cancel(key)
                action()
        return {"t": due_s}


def connector_parameter(most: int) -> Parameter:
    """Return the parameter that says which connector of an EVSE is meant."""
    return Parameter(name="connector", kind=Kind.INT, help="which connector of it", default=1, minimum=1, maximum=most)


def _named(evse: int, connector: int) -> str:
    return f"EVSE {evse}" if connector == 1 else f"EVSE {evse}, connector {connector}"


def register(verbs: Verbs, settings: WorldSettings, body: WorldVerbs | type[WorldVerbs]) -> None:
    """Add the verbs; with the class itself as ``body`` they can be described but not run."""
    evse = Parameter(name="evse", kind=Kind.INT, help="which EVSE", default=1, minimum=1, maximum=settings.evses)
    connector = connector_parameter(settings.connectors)
    reader = Parameter(
        name="reader",
        kind=Kind.INT,
        help="which card reader",
        default=0,
        minimum=0,
        maximum=max(0, settings.readers - 1),
    )

    def choice(name: str, *choices: str, text: str) -> Parameter:
        return Parameter(name=name, kind=Kind.TEXT, help=text, choices=choices, positional=True)

    def number(name: str, unit: str, minimum: float, maximum: float, text: str) -> Parameter:
        return Parameter(
            name=name, kind=Kind.NUMBER, help=text, default=None, unit=unit, minimum=minimum, maximum=maximum
        )

    cable = Parameter(
        name="cable_a",
        kind=Kind.INT,
        help="current rating of the cable",
        default=32,
        unit="A",
        choices=tuple(PROXIMITY_OHM),
    )
    phases = Parameter(
        name="phases", kind=Kind.INT, help="phases of the car's charger", default=None, choices=(1, 2, 3)
    )
    car = (
        evse,
        connector,
        number("max_current_a", "A", 0, 80, "most the car takes per phase"),
        phases,
        number("capacity_wh", "Wh", 1, 1e6, "size of the battery"),
        number("soc_pct", "%", 0, 100, "state of charge now"),
        number("reaction_s", "s", 0, 60, "from a changed offer to the changed current; IEC allows 5 s"),
        number("s2_close_s", "s", 0, 60, "from a valid offer to S2 closed"),
        number("stop_s", "s", 0, 60, "from the end of the offer to S2 open; IEC allows 3 s"),
    )
    current = Parameter(
        name="current_a", kind=Kind.NUMBER, help="per phase", unit="A", minimum=0, maximum=80, positional=True
    )
    keep_s2 = Parameter(name="keep_s2", kind=Kind.BOOL, help="stay in state C without current", default=False)
    hold = Parameter(name="hold_s", kind=Kind.NUMBER, help="how long", default=_TAP_S, unit="s", minimum=0, maximum=60)
    late = Parameter(
        name="late_s",
        kind=Kind.NUMBER,
        help="how late, for late",
        default=METER_LATE_S,
        unit="s",
        minimum=0,
        maximum=30,
    )
    end = Parameter(
        name="end",
        kind=Kind.TEXT,
        help="station: out of the socket, locked or not; vehicle: the other end stays until the lock opens",
        default=CableEnd.STATION.value,
        choices=tuple(each.value for each in CableEnd),
    )
    state = choice("state", *(s.value for s in CarState), "auto", text="state; auto obeys IEC 61851 again")
    broken_contactor = choice("mode", *(m.value for m in ContactorMode), text="welded conducts, stuck_open never does")
    table: list[tuple[str, str, tuple[Parameter, ...]]] = [
        ("plug", "put the car's cable into the socket", (evse, connector, cable, _DELAY)),
        ("unplug", "take the cable away and let the car drive off", (evse, connector, end, _DELAY)),
        ("car_state", "force the pilot state; E and F are faults of the pilot wire", (state, evse, connector)),
        ("draw", "limit what the car draws; it still obeys the offer", (current, phases, evse, connector)),
        ("car", "change the car's properties", car),
        ("misbehave", "make the car disobey, or be of an odd kind",
         (choice("what", *(m.value for m in Misbehaviour), text="none obeys again"), evse, connector)),
        ("pause", "the car stops drawing and opens S2", (evse, connector, keep_s2)),
        ("resume", "the car wants energy again", (evse, connector)),
        ("card_present", "lay a card on a reader and leave it there", (_UID, reader)),
        ("card_remove", "take the card away", (reader,)),
        ("tap", "lay a card on a reader for a moment", (_UID, reader, hold)),
        ("contactor", "break or mend the contactor", (broken_contactor, evse, connector)),
        ("lock", "jam or free the socket lock",
         (choice("mode", *(m.value for m in LockMode), text="jammed stays where it is, forced is torn open"), evse,
          connector)),
        ("rcd", "trip or clear the residual current sensor (a line; it switches nothing)",
         (choice("action", "trip", "clear", text="what to do"), evse, connector)),
        ("emergency_stop", "press or release the emergency stop (a line; it switches nothing)",
         (choice("action", "on", "off", text="on is pressed"), evse, connector)),
        ("pilot", "short the pilot to earth or mend it", (choice("mode", "ok", "short", text="wire"), evse, connector)),
        ("diode", "short the car's diode or mend it", (choice("mode", "ok", "short", text="diode"), evse, connector)),
        ("meter", "break or mend the meter; zeroed, rollover and swap set its register elsewhere",
         (choice("mode", *(m.value for m in MeterMode), text="how it answers"), evse, late)),
        ("mains", "switch the mains in front of contactors and meters; the station's own supply stays",
         (choice("action", "on", "off", text="mains"),)),
    ]  # fmt: skip
    for name, summary, parameters in table:
        verbs.add(Verb(name=name, summary=summary, parameters=parameters, run=getattr(body, name)))
