"""How often 1, 3 and 10 meters on one 9600-baud line can be read, against what the line itself allows.

The line is a pseudo-terminal whose far end keeps the pace of a UART: a request is heard when its last character would
have come, and the answer goes out character by character, one each 10 bits (8N1). The poll, the driver and the bus are
the station's own. The limit is what is on the wire for one reading (request, answer, and twice the silence of 3.5
characters that MODBUS over Serial Line V1.02 §2.5.1.1 asks for) with meters that answer at once.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent.model.inputs import Input, ReadingTaken
from agent.runtime.meters import MeterPoll
from bench.progress import say
from bench.tables import Outcome, Verdict, at_least, grid
from drivers.api import Meter
from drivers.meter.bus import SerialBus
from drivers.meter.modbus import WANTED, ModbusMeter
from drivers.meter.profile import Profile
from drivers.meter.profile_file import load_profile
from hil.modbus_slave import Fault, ModbusSlave, Quantities, RegisterMap, Unit
from hil.paths import config_dir
from hil.pty_port import PtyPort

BAUD: Final = 9600
CHAR_S: Final = 10 / BAUD
PROFILE: Final = "eastron_sdm630"
METERS: Final = (1, 3, 10)
MEASURE_S: Final = 20.0
QUICK_S: Final = 0.25
REQUEST_B: Final = 8
ANSWER_EXTRA_B: Final = 5
SILENCE_CHARS: Final = 3.5
ROWS: Final[Mapping[str, tuple[float, float]]] = {  # gap that the station keeps, time that a meter takes to answer
    "no gap, meters answer at once": (0.0, 0.0),
    "gap 100 ms (the default), meters answer after 50 ms": (0.1, 0.05),
}
SHOWN: Final = Quantities(voltage_v=(230.0,) * 3, current_a=(16.0,) * 3, energy_wh=120_000.0, frequency_hz=50.0)


class PacedLine:
    """Meters on a serial line that takes its time; its far end runs in a thread of its own."""

    def __init__(self, path: Path, meters: int, answer_after_s: float) -> None:
        unit = Unit(measure=lambda: SHOWN, fault=lambda: Fault.NONE)
        register_map = RegisterMap.load(config_dir() / "meters" / f"{PROFILE}.toml")
        self._slave = ModbusSlave(register_map, dict.fromkeys(range(1, meters + 1), unit))
        self._answer_after_s = answer_after_s
        self._due: deque[tuple[float, int]] = deque()
        self._free_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._port = PtyPort(path, self._heard)
        self._loop.call_soon(self._port.attach, self._loop)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take the line away."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._port.close()
        self._loop.close()

    def _heard(self, chunk: bytes) -> None:
        begin_s = time.monotonic()
        answer = self._slave.feed(chunk)
        spoken_s = max(self._free_s, begin_s) + len(chunk) * CHAR_S
        first_s = spoken_s + self._answer_after_s + SILENCE_CHARS * CHAR_S
        self._due.extend((first_s + (place + 1) * CHAR_S, byte) for place, byte in enumerate(answer))
        self._free_s = first_s + len(answer) * CHAR_S if answer else spoken_s
        self._send()

    def _send(self) -> None:
        now_s = time.monotonic()
        ready = bytearray()
        while self._due and self._due[0][0] <= now_s:
            ready.append(self._due.popleft()[1])
        self._port.send(bytes(ready))
        if self._due:
            self._loop.call_later(max(0.0, self._due[0][0] - now_s), self._send)


@contextmanager
def paced(meters: int, answer_after_s: float) -> Iterator[Path]:
    """Yield the port of a paced line."""
    with tempfile.TemporaryDirectory(prefix="meters-") as folder:
        line = PacedLine(Path(folder) / "line", meters, answer_after_s)
        try:
            yield Path(folder) / "line"
        finally:
            line.close()


def wire_s(profile: Profile) -> float:
    """Return how long one reading is on the wire, silences included."""
    blocks = profile.blocks(profile.needs(WANTED))
    characters = sum(REQUEST_B + ANSWER_EXTRA_B + 2 * each.count + 2 * SILENCE_CHARS for each in blocks)
    return characters * CHAR_S


async def poll(port: Path, meters: int, gap_s: float, for_s: float) -> int:
    """Poll as fast as the station can; return how many readings came."""
    bus = SerialBus(port=str(port), baud=BAUD, gap_s=gap_s)
    taken: list[Input] = []

    async def open_meters() -> Mapping[int, Meter]:
        profile = load_profile(PROFILE)
        return {unit: ModbusMeter(profile=profile, unit=unit, bus=bus) for unit in range(1, meters + 1)}

    task = asyncio.ensure_future(MeterPoll("line", open_meters, 0.0, time.monotonic, taken.append).run())
    while not taken:
        await asyncio.sleep(0.01)
    del taken[:]
    await asyncio.sleep(for_s)
    found = sum(isinstance(each, ReadingTaken) for each in taken)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bus.close()
    return found


def run(*, quick: bool) -> Outcome:
    """Measure every row."""
    for_s = QUICK_S if quick else MEASURE_S
    profile = load_profile(PROFILE)
    limit_hz = 1.0 / wire_s(profile)
    rows: dict[str, tuple[str, ...]] = {}
    verdicts: list[Verdict] = []
    for name, (gap_s, answer_after_s) in ROWS.items():
        for meters in METERS:
            say(f"meters: {meters}, {name}")
            with paced(meters, answer_after_s) as port:
                readings_hz = asyncio.run(poll(port, meters, gap_s, for_s)) / for_s
            shown = "every " + (f"{meters / readings_hz:.2f} s" if readings_hz else "-")
            share = readings_hz / limit_hz
            rows[f"{meters} meter{'' if meters == 1 else 's'}, {name}"] = (
                f"{readings_hz:.2f}",
                f"{100 * share:.0f} %",
                shown,
            )
            if gap_s == 0.0:
                verdicts.append(at_least(f"meters: {meters} on one line, share of its limit", 100 * share, 90, "%"))
    each_ms = 1000 * wire_s(profile)
    title = f"readings of {PROFILE} at {BAUD} baud 8N1; the wire allows {limit_hz:.2f}/s ({each_ms:.0f} ms each)"
    columns = ("readings/s", "of the limit", "each meter")
    notes = [f"{for_s:g} s for each row; monotonic clock of the polling process; one request in flight"]
    return Outcome(table=grid(title, columns, rows, notes), verdicts=verdicts)
