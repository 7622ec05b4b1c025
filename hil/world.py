"""The world around a station, in virtual time: ``step(now_s)`` moves it on, everything else is a stimulus. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from hil.agenda import Agenda
from hil.evse import INPUTS, OUTPUTS, Evse, Value
from hil.main_meter import MainMeter
from hil.pilot_circuit import Generator

_ENERGY_TRACE_S: Final = 0.2
MAIN_AHEAD_WH: Final = 4_000_000.0  # what the main meter counted before: another register than any EVSE's


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """How the world is built.

    Attributes:
        evses: number of EVSEs, 1-64. readers: number of card readers, 0-64.
        energy_wh: what each meter's lifetime register shows at the start, plus 1 kWh per EVSE number.
        energy_factor: multiplies counted energy (meter and battery) so that a short charge shows real kWh; currents,
            voltages and powers stay physical.
        mirror_closed_at_rest: the mirror contact is normally closed (level 1 while the main contacts are open).
        tethered: fixed cable, so no proximity contact.
        reader: family of the card readers, one of ``hil.reader_faces.READER_FACES``.
        second_contactor: L2 and L3 come through a contactor of their own, behind the main one.
        connectors: of each EVSE, 1-4, behind one meter. fixed_cables: which of them have a fixed cable.
    """

    evses: int = 1
    readers: int = 1
    energy_wh: float = 120_000.0
    energy_factor: float = 1.0
    mains_v: float = 230.0
    mirror_closed_at_rest: bool = True
    tethered: bool = False
    second_contactor: bool = False
    reader: str = "rdm6300"
    connectors: int = 1
    fixed_cables: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A signal took a value."""

    at_s: float
    signal: str
    value: Value


@dataclass(slots=True)
class Reader:
    """A card reader and the card that lies on it (hexadecimal digits), if any."""

    card: str | None = None


class World:
    """Everything a station can sense or drive. Time never goes back; every method first steps to ``now_s``."""

    def __init__(self, settings: WorldSettings, *, now_s: float) -> None:
        self.settings = settings
        self.now_s = now_s
        self.mains = True
        self.powered = True
        self._agenda = Agenda()
        self._changes: list[Change] = []
        self._values: dict[str, Value] = {}
        self._energy_traced_s = float("-inf")
        self.readers = [Reader() for _ in range(settings.readers)]
        self.evses = {number: self._evse(number) for number in range(1, settings.evses + 1)}
        for evse in self.evses.values():
            evse.further = [self._evse(evse.number, each, evse) for each in range(2, settings.connectors + 1)]
        # Every connector: the first ones, which are the EVSEs, before the further ones.
        self.parts = [*self.evses.values(), *(each for evse in self.evses.values() for each in evse.further)]
        self.main = MainMeter(
            self.evses.values(), energy_wh=settings.energy_wh + MAIN_AHEAD_WH, mains_v=settings.mains_v
        )
        self._refresh(now_s)

    @property
    def outputs(self) -> list[str]:
        """Names of the lines that the station drives."""
        return [f"{evse.name}.{line}" for evse in self.parts for line in OUTPUTS]

    @property
    def lines(self) -> list[str]:
        """Names of all lines, in a fixed order."""
        return [f"{evse.name}.{line}" for evse in self.parts for line in (*OUTPUTS, *INPUTS)]

    @property
    def busy(self) -> bool:
        """Whether energy is being counted, so that values change without events."""
        return any(evse.power_w > 0.0 for evse in self.parts)

    def next_event_s(self) -> float | None:
        """Return when the next planned thing happens."""
        return self._agenda.next_s()

    def step(self, now_s: float) -> None:
        """Let everything happen that is due until ``now_s``, each at its own time."""
        while (due := self._agenda.take_due(now_s)) is not None:
            due_s, action = due
            at_s = max(due_s, self.now_s)
            self._count_until(at_s)
            action(at_s)
            self._refresh(at_s)
        if now_s > self.now_s:
            self._count_until(now_s)
            self._note_energy(force=False)

    @contextmanager
    def stimulus(self, now_s: float) -> Iterator[None]:
        """Change the world within this context: it is stepped before and reacts after."""
        self.step(now_s)
        yield
        self._refresh(self.now_s)
        self.step(now_s)

    def plan(self, due_s: float, key: str, action: Callable[[], None]) -> None:
        """Do ``action`` at ``due_s``; it replaces what is planned under the same key."""
        self._agenda.at(due_s, ("stimulus", key), lambda _: action())

    def cancel(self, key: str) -> None:
        """Forget what was planned under ``key``."""
        self._agenda.cancel(("stimulus", key))

    def write(self, line: str, level: bool, now_s: float) -> None:
        """Take the level of an output. Raises ``ValueError`` for a line that the station does not drive."""
        evse_name, _, short = line.partition(".")
        evse = next((evse for evse in self.parts if evse.name == evse_name), None)
        if evse is None or short not in OUTPUTS:
            raise ValueError(f"line {line!r} is no output, expected one of {', '.join(self.outputs)}")
        if not self.powered:
            return  # nothing drives anything without power
        with self.stimulus(now_s):
            evse.set_output(short, level, self.now_s)

    def at(self, evse: int, connector: int) -> Evse:
        """Return a connector. Raises ``ValueError`` for an unknown one."""
        if evse not in self.evses:
            raise ValueError(f"EVSE {evse} is outside 1-{len(self.evses)}")
        if not 1 <= connector <= self.settings.connectors:
            raise ValueError(f"connector {connector} is outside 1-{self.settings.connectors}")
        found = self.evses[evse]
        return found if connector == 1 else found.further[connector - 2]

    def set_generator(self, evse: int, generator: Generator, now_s: float, *, connector: int = 1) -> None:
        """Set a pilot generator. Raises ``ValueError`` for an unknown EVSE or connector."""
        found = self.at(evse, connector)
        if not self.powered:
            return
        with self.stimulus(now_s):
            found.generator = generator

    def set_mains(self, on: bool, now_s: float) -> None:
        """Switch the mains in front of the contactors and meters; the station's own supply stays."""
        with self.stimulus(now_s):
            self.mains = on
            self._feed()

    def cut_power(self, now_s: float) -> None:
        """Take all power from the station: every output falls, the pilot is at 0 V, the meters are dead."""
        with self.stimulus(now_s):
            self.powered = False
            for evse in self.parts:
                for line in OUTPUTS:
                    evse.set_output(line, False, self.now_s)
                evse.generator = Generator()
            self._feed()

    def restore_power(self, now_s: float) -> None:
        """Give the power back. Outputs stay low and the pilot at 0 V until somebody drives them."""
        with self.stimulus(now_s):
            self.powered = True
            self._feed()

    def level(self, line: str) -> bool:
        """Return the level of a line."""
        return self.levels()[line]

    def levels(self) -> dict[str, bool]:
        """Return the level of every line."""
        return {f"{evse.name}.{line}": level for evse in self.parts for line, level in evse.levels().items()}

    def take_changes(self) -> list[Change]:
        """Return and forget what changed since the last call, in order of time."""
        changes, self._changes = self._changes, []
        return changes

    def report(self) -> dict[str, Any]:
        """Return everything, for ``state``."""
        return {
            "now_s": self.now_s,
            "mains": self.mains,
            "power": self.powered,
            "energy_factor": self.settings.energy_factor,
            "evses": {
                str(number): {**evse.report(), "shows": evse.people.report(self.now_s), **_further(evse)}
                for number, evse in self.evses.items()
            },
            "main_meter": self.main.report(),
            "readers": {str(index): {"card": reader.card} for index, reader in enumerate(self.readers)},
            "lines": {line: int(level) for line, level in self.levels().items()},
        }

    def _evse(self, number: int, connector: int = 1, meter_of: Evse | None = None) -> Evse:
        settings = self.settings
        return Evse(
            self._agenda,
            number,
            energy_wh=settings.energy_wh + 1000.0 * number,
            mains_v=settings.mains_v,
            tethered=settings.tethered or connector in settings.fixed_cables,
            mirror_closed_at_rest=settings.mirror_closed_at_rest,
            second_contactor=settings.second_contactor,
            connector=connector,
            meter_of=meter_of,
        )

    def _feed(self) -> None:
        for evse in self.parts:
            evse.mains = self.mains and self.powered
        self.main.fed = self.powered

    def _count_until(self, now_s: float) -> None:
        for evse in self.parts:
            evse.count(now_s - self.now_s, self.settings.energy_factor)
        self.main.count(now_s - self.now_s, self.settings.energy_factor)
        self.now_s = now_s

    def _refresh(self, now_s: float) -> None:
        self.now_s = now_s
        self._note("mains", self.mains)
        self._note("power", self.powered)
        for index, reader in enumerate(self.readers):
            self._note(f"reader{index}.card", reader.card or "")
        for evse in self.parts:
            evse.refresh(now_s, self.settings.energy_factor)
            for signal, value in evse.signals().items():
                self._note(f"{evse.name}.{signal}", value)
        for signal, value in self.main.signals().items():
            self._note(signal, value)
        self._note_energy(force=True)

    def _note_energy(self, *, force: bool) -> None:
        if not force and self.now_s - self._energy_traced_s < _ENERGY_TRACE_S:
            return
        self._energy_traced_s = self.now_s
        for evse in self.evses.values():
            self._note(f"{evse.name}.energy_wh", round(evse.energy_wh, 3))
            self._note(f"{evse.name}.soc_pct", round(evse.car.settings.soc_pct, 3))
            self._note(f"{evse.name}.told_soc_pct", evse.told_soc_pct)
        self._note("main.energy_wh", round(self.main.energy_wh, 3))

    def _note(self, signal: str, value: Value) -> None:
        if signal not in self._values or self._values[signal] != value:
            self._values[signal] = value
            self._changes.append(Change(at_s=self.now_s, signal=signal, value=value))


def _further(evse: Evse) -> dict[str, Any]:
    """Return what the report of an EVSE says of its further connectors; nothing where there are none."""
    found = {str(each.connector): each.report() for each in evse.further}
    return {"connectors": found} if found else {}
