"""The serial lines of the station: meters on a Modbus bus, card readers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.evse import JUMP_WH, Evse, MeterMode
from hil.main_meter import UNIT as MAIN_UNIT
from hil.modbus_slave import Fault, ModbusSlave, Quantities, RegisterMap, Unit
from hil.modbus_tcp import TcpMeters
from hil.paths import config_dir
from hil.pty_port import PtyPort
from hil.reader_faces import READER_FACES, ReaderFace

if TYPE_CHECKING:
    from hil.server import Bench

Slave = Callable[[bytes, bool], bytes]
METER: Final = "eastron_sdm630"
_FREQUENCY_HZ: Final = 50.0
_HALF_A_REQUEST_S: Final = 0.05  # longer than any pause within a frame
_NOW_AND_THEN: Final = 3  # one answer of so many, for zero_read and jump
_FAULTS: Final = {
    MeterMode.SILENT: Fault.SILENT,
    MeterMode.GARBAGE: Fault.GARBAGE,
    MeterMode.CHECKSUM: Fault.CHECKSUM,
    MeterMode.WRONG_UNIT: Fault.WRONG_UNIT,
    MeterMode.SHORT: Fault.SHORT,
    MeterMode.LATE: Fault.LATE,
    MeterMode.EXCEPTION: Fault.EXCEPTION,
}


class MeterBus:
    """One bus with the meters, serial and over TCP; the unit address is the EVSE's number, the main meter's is 100."""

    def __init__(self, bench: Bench, path: Path, meter: str = METER) -> None:
        """Serve meters of the profile ``meter``: a name of ``config/meters``, or a file if it holds a slash.

        Raises:
            ValueError: there is no such profile, or the file is none.
        """
        self._bench = bench
        self._asked: dict[int, int] = {}
        register_map = _map_of(Path(meter) if "/" in meter else config_dir() / "meters" / f"{meter}.toml")
        for evse in bench.world.evses.values():
            evse.rollover_wh, evse.step_wh = register_map.rollover_wh, register_map.step_wh
            evse.register_of = register_map.register_wh
        units = {
            number: Unit(measure=partial(self._measure, evse), fault=partial(_fault, evse))
            for number, evse in bench.world.evses.items()
        }
        main = bench.world.main
        main.rollover_wh, main.register_of = register_map.rollover_wh, register_map.register_wh
        units[MAIN_UNIT] = Unit(measure=self._measure_main, fault=self._main_fault)
        self._slave = ModbusSlave(register_map, units)
        self.tcp = TcpMeters(ModbusSlave(register_map, units), path.with_name(f"{path.name}.tcp"), self._late)
        self._others: list[Slave] = []
        self._received_s = 0.0
        self.port = PtyPort(path, self._receive)

    def _receive(self, chunk: bytes) -> None:
        now_s = time.monotonic()
        rested = now_s - self._received_s > _HALF_A_REQUEST_S
        if rested:
            self._slave.rest()
        self._received_s = now_s
        self.port.send(self._slave.feed(chunk))
        for other in self._others:
            self.port.send(other(chunk, rested))
        for answer in self._slave.take_late():
            self._late(answer[0], partial(self.port.send, answer))

    def _late(self, unit: int, send: Callable[[], None]) -> None:
        world = self._bench.world
        self._bench.later(world.main.late_s if unit == MAIN_UNIT else world.evses[unit].meter_late_s, send)

    def share(self, other: Slave) -> None:
        """Let another slave hear the line; it gets what comes and whether the line rested before, and answers."""
        self._others.append(other)

    def _measure(self, evse: Evse) -> Quantities:
        self._bench.step()
        voltage_v = evse.voltage_v
        return Quantities(
            voltage_v=(voltage_v, voltage_v, voltage_v),
            current_a=evse.metered_a,
            energy_wh=self._shown_wh(evse),
            frequency_hz=_FREQUENCY_HZ,
            soc_pct=evse.told_soc_pct,
        )

    def _measure_main(self) -> Quantities:
        self._bench.step()
        main = self._bench.world.main
        voltage_v = main.voltage_v
        return Quantities(
            voltage_v=(voltage_v, voltage_v, voltage_v),
            current_a=main.current_a,
            energy_wh=main.answered_wh(),
            frequency_hz=_FREQUENCY_HZ,
        )

    def _main_fault(self) -> Fault:
        main = self._bench.world.main
        return _FAULTS.get(main.mode, Fault.NONE) if main.fed else Fault.SILENT

    def _shown_wh(self, evse: Evse) -> float:
        self._asked[evse.number] = (self._asked.get(evse.number, 0) + 1) % _NOW_AND_THEN
        if self._asked[evse.number] == 0 and evse.meter_mode is MeterMode.ZERO_READ:
            return 0.0
        if self._asked[evse.number] == 0 and evse.meter_mode is MeterMode.JUMP:
            return evse.shown_wh + JUMP_WH
        return evse.shown_wh


class ReaderWire:
    """One card reader, with the face of its family."""

    def __init__(self, bench: Bench, index: int, path: Path) -> None:
        self._world = bench.world
        self._face: ReaderFace = READER_FACES[bench.world.settings.reader]()
        self._reader = bench.world.readers[index]
        self._card: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.port = PtyPort(path, self._receive)

    def follow(self) -> None:
        """See whether a card came or went. The bench calls this after every change of the world."""
        card = self._reader.card if self._world.powered else None
        if card == self._card:
            return
        self._card = card
        if self._timer is not None:
            self._timer.cancel()
        self._send()

    def close(self) -> None:
        """Stop sending and close the port."""
        if self._timer is not None:
            self._timer.cancel()
        self.port.close()

    def _send(self) -> None:
        self._timer = None
        if self._card is None:
            return
        self.port.send(self._face.lay(self._card))
        if self._face.period_s is not None:
            self._timer = asyncio.get_running_loop().call_later(self._face.period_s, self._send)

    def _receive(self, chunk: bytes) -> None:
        if self._world.powered:
            self.port.send(self._face.hear(chunk, self._card))


def _map_of(path: Path) -> RegisterMap:
    try:
        return RegisterMap.load(path)
    except (OSError, ValueError) as exc:
        raise ValueError(f"no meter profile {path}: {exc}") from exc
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"{path} is no meter profile: {exc!r}") from exc


def _fault(evse: Evse) -> Fault:
    if not evse.mains:  # the meter lives on the mains that it measures
        return Fault.SILENT
    return _FAULTS.get(evse.meter_mode, Fault.NONE)
