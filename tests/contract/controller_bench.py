"""The bench's controllers in this process, each on its real wire, served by a thread beside the test.

The test drives the world (``plug``, ``unplug``, ``mode``); the driver under test opens the wire by its name.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.guard.bus import Bus
from agent.guard.plan import Target
from drivers.api.controllers import Controller, ControllerReading
from drivers.controllers import everest_mcu, evse_din, openevse, phoenix
from hil.bought_controller import BoughtController, ControllerMode, Drive
from hil.evse_din import EvseDinSlave
from hil.phoenix import PhoenixServer
from hil.pilot_circuit import Generator
from hil.rapi import RapiController
from hil.world import World, WorldSettings
from hil.yeti import YetiBoard

PATIENT_S = 8.0
FAMILIES = ("evse-din", "phoenix", "openevse", "everest-mcu")


class Wire:
    """A pty under a name, or a TCP port; cut and laid again by the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = self.slave = -1
        self.lay()

    def lay(self) -> None:
        """Make the port and its name."""
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        self.path.symlink_to(os.ttyname(self.slave))

    def cut(self) -> None:
        """Take the port away: an open driver sees the line hang up."""
        self.path.unlink()
        for end in (self.master, self.slave):
            os.close(end)
        self.master = self.slave = -1


@dataclass(kw_only=True)
class Face:
    """One family's protocol: what came in, what goes out, and what it says by itself."""

    feed: Callable[[bytes], bytes]
    tell: Callable[[], bytes]


class ControllerBench:
    """One controller of a family in a world with one EVSE, in real time."""

    def __init__(self, family: str, folder: Path, *, lock: bool = False, numbered: bool = True) -> None:
        self.family = family
        self.own_lock, self.numbered = lock, numbered
        self.world = World(WorldSettings(), now_s=time.monotonic())
        self.evse = self.world.evses[1]
        self.evse.car.settings.s2_close_s = self.evse.car.settings.stop_s = 0.1
        self.lock = threading.RLock()
        self.inside = BoughtController(
            self.evse, Drive(powered=lambda: True, set_generator=self._set_generator, write=self._write)
        )
        self.path = folder / "wire"
        self.wire: Wire | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._ending = threading.Event()
        self.face: Face | None = None
        self.server: PhoenixServer | None = None
        if family == "phoenix":
            self.server = PhoenixServer({1: self.inside}, lambda: None)
            serve = self._serve_tcp
        else:
            self.wire = Wire(self.path)
            self.face = self._make_face()
            serve = self._serve_wire
        self.ready = threading.Event()
        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        assert self.ready.wait(PATIENT_S)
        self.bus: Bus | None = None
        self.controller = self.open()

    def open(self) -> Controller:
        """Open the driver under test on this wire."""
        match self.family:
            case "evse-din":
                options: dict[str, Any] = {"port": str(self.path), "baud": 115200, "parity": "N", "stopbits": 1}
                self.bus = Bus("b", Target(target=f"{LINES}:open_serial_line", options=options | {"gap_s": 0.005}))
                return evse_din.open_controller(bus=self.bus, unit=101, poll_s=0.2, boot_current_a=0)
            case "phoenix":
                assert self.server is not None
                options = {"host": "127.0.0.1", "tcp_port": self.server.port}
                self.bus = Bus("b", Target(target=f"{LINES}:open_tcp_line", options=options))
                return phoenix.open_controller(
                    bus=self.bus, model="em-cp-pp-eth", connector=1, poll_s=0.2, tenths=False
                )
            case "openevse":
                return openevse.open_controller(port=str(self.path), baud=115200, poll_s=0.2, heartbeat_s=10)
            case _:
                return everest_mcu.open_controller(port=str(self.path), model="yeti", lock=self.own_lock)

    def close(self) -> None:
        """Take everything away."""
        self.controller.close()
        if self.bus is not None:
            self.bus.close()
        self._ending.set()
        self.thread.join(PATIENT_S)
        if self.wire is not None and self.wire.master >= 0:
            self.wire.cut()

    # The world's side.

    def plug(self) -> None:
        """Plug a car in that wants energy."""
        with self.lock, self.world.stimulus(time.monotonic()):
            self.evse.car.plug_in()

    def unplug(self) -> None:
        """Take the car away."""
        with self.lock, self.world.stimulus(time.monotonic()):
            self.evse.car.unplug()

    def set_mode(self, mode: ControllerMode) -> None:
        """Break or mend the controller."""
        with self.lock:
            self.inside.mode = mode

    def cut(self) -> None:
        """Take the device away."""
        if self.wire is None:
            self._on_loop(self._close_server())  # without the lock, for which that loop's thread may be waiting
            return
        with self.lock:
            self.wire.cut()

    def lay(self) -> None:
        """Bring it back under the same name."""
        if self.wire is None:
            self._on_loop(self._open_server())
            return
        with self.lock:
            self.wire.lay()

    def until(self, claim: Callable[[ControllerReading], bool], what: str) -> ControllerReading:
        """Wait until the newest snapshot meets a claim; return it."""
        deadline_s = time.monotonic() + PATIENT_S
        while time.monotonic() < deadline_s:
            reading = self.controller.read()
            if reading is not None and claim(reading):
                return reading
            time.sleep(0.005)
        raise AssertionError(f"no {what}; last {self.controller.read()}, trouble {self.controller.trouble}")

    def until_newer(self, than_s: float) -> ControllerReading:
        """Wait for a snapshot that was taken later."""
        return self.until(lambda reading: reading.taken_s > than_s, "newer snapshot")

    def until_still(self) -> ControllerReading | None:
        """Wait until no newer snapshot has come for a while; return the last one."""
        last, since_s = self.controller.read(), time.monotonic()
        began_s = since_s
        while time.monotonic() - since_s < 0.4:
            assert time.monotonic() - began_s < PATIENT_S, "snapshots go on"
            if self.controller.read() is not last:
                last, since_s = self.controller.read(), time.monotonic()
            time.sleep(0.01)
        return last

    def until_true(self, claim: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        deadline_s = time.monotonic() + PATIENT_S
        while not claim():
            assert time.monotonic() < deadline_s, f"no {what}; trouble {self.controller.trouble}"
            time.sleep(0.005)

    # Its own side.

    def _make_face(self) -> Face:
        match self.family:
            case "evse-din":
                return Face(feed=EvseDinSlave({101: self.inside}).feed, tell=bytes)
            case "openevse":
                line = RapiController(self.inside, numbered=self.numbered)
                return Face(feed=line.feed, tell=line.notice)
            case _:
                board = YetiBoard(self.inside)

                def feed(chunk: bytes) -> bytes:
                    board.feed(chunk, time.monotonic())
                    return b""

                return Face(feed=feed, tell=lambda: board.tell(time.monotonic()))

    def _live(self) -> None:
        with self.lock:
            self.world.step(time.monotonic())
            self.inside.follow(time.monotonic())

    def _serve_wire(self) -> None:
        assert self.wire is not None
        assert self.face is not None
        self.ready.set()
        while not self._ending.is_set():
            with self.lock:
                self._live()
                master = self.wire.master
                if master >= 0:
                    self._exchange(master, self.face)
            if master < 0:
                time.sleep(0.01)
            else:
                select.select([master] if self.wire.master == master else [], [], [], 0.02)

    @staticmethod
    def _exchange(master: int, face: Face) -> None:
        try:
            chunk = os.read(master, 4096)
        except OSError:
            chunk = b""
        answer = (face.feed(chunk) if chunk else b"") + face.tell()
        if answer:
            try:
                os.write(master, answer)
            except OSError:
                return

    def _serve_tcp(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._open_server())
        self.ready.set()
        while not self._ending.is_set():
            self._live()
            self.loop.run_until_complete(asyncio.sleep(0.01))
        self.loop.run_until_complete(self._close_server())
        self.loop.run_until_complete(asyncio.sleep(0.01))
        self.loop.close()

    def _on_loop(self, work: Any) -> None:
        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENT_S)

    async def _open_server(self) -> None:
        assert self.server is not None
        await self.server.start(self.server.port)

    async def _close_server(self) -> None:
        assert self.server is not None
        await self.server.close()

    def _set_generator(self, generator: Generator) -> None:
        self.world.set_generator(1, generator, time.monotonic())

    def _write(self, line: str, level: bool) -> None:
        self.world.write(f"evse1.{line}", level, time.monotonic())


LINES = "drivers.controllers.modbus_line"
FD_FOLDER = "/proc/self/fd"


def open_files() -> int:
    """Return how many files this process has open."""
    return len(os.listdir(FD_FOLDER))
