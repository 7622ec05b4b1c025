"""Bought charge controllers on the bench: one per EVSE, all of one family, each on its real wire.

``evse-din`` shares the meters' line (Modbus address 100 and the EVSE's number), ``phoenix`` is a Modbus TCP server
(address 179 and the EVSE's number) whose port is in ``controller.port``; ``openevse`` and ``everest-mcu`` have serial
ports, ``controller-1``, ``controller-2`` ...
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from hil.bought_controller import BoughtController, ControllerMode, Drive
from hil.control import Kind, Parameter, Verb, VerbError, Verbs
from hil.evse_din import EvseDinSlave
from hil.phoenix import PhoenixServer
from hil.pty_port import PtyPort
from hil.rapi import RapiController
from hil.station_toml import FAMILIES, PHOENIX_PORT_FILE
from hil.yeti import YetiBoard

if TYPE_CHECKING:
    from hil.server import Bench

FIRST_DIN_UNIT: Final = 101
_YETI_TELLS_S: Final = 0.1


class _Face(Protocol):
    async def start(self) -> None: ...

    def follow(self) -> None: ...

    async def close(self) -> None: ...


class Controllers:
    """The controllers of one bench."""

    def __init__(self, bench: Bench, family: str) -> None:
        """Put a controller of ``family`` into every EVSE.

        Raises:
            ValueError: there is no such family.
        """
        if family not in FAMILIES:
            raise ValueError(f"controller {family!r} is not one of {', '.join(FAMILIES)}")
        self._bench = bench
        self.family = family
        self.controllers = {
            number: BoughtController(
                evse,
                Drive(
                    powered=lambda: bench.world.powered,
                    set_generator=partial(bench.set_generator, number),
                    write=partial(self._write, evse.name),
                ),
            )
            for number, evse in bench.world.evses.items()
        }
        self._due = False
        self._timer: asyncio.TimerHandle | None = None
        self._face: _Face = _face(bench, family, self.controllers, self.follow_soon)

    async def start(self) -> None:
        """Serve the wires."""
        await self._face.start()
        self.follow_soon()

    async def close(self) -> None:
        """Take the wires away."""
        if self._timer is not None:
            self._timer.cancel()
        await self._face.close()

    def follow_soon(self) -> None:
        """React to the world, and to what was asked on the wire, at the loop's next turn."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._follow)

    def _follow(self) -> None:
        self._due = False
        now_s = self._bench.now_s()
        due = [due_s for each in self.controllers.values() if (due_s := each.follow(now_s)) is not None]
        self._face.follow()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due:
            self._timer = asyncio.get_running_loop().call_later(max(min(due) - now_s, 0.0), self._follow)

    def _write(self, evse: str, line: str, level: bool) -> None:
        self._bench.write(f"{evse}.{line}", level)


class _DinFace:
    """EVSE-DINs on the meters' line."""

    def __init__(self, bench: Bench, controllers: Mapping[int, BoughtController], acted: Callable[[], None]) -> None:
        slave = EvseDinSlave({FIRST_DIN_UNIT - 1 + number: each for number, each in controllers.items()})
        self._acted = acted

        def take(chunk: bytes, rested: bool) -> bytes:
            if rested:
                slave.rest()
            answer = slave.feed(chunk)
            acted()
            return answer

        bench.bus.share(take)

    async def start(self) -> None:
        """The line is the meters'."""

    def follow(self) -> None:
        """It speaks only when asked."""

    async def close(self) -> None:
        """The line is the meters'."""


class _PhoenixFace:
    """The Modbus TCP server."""

    def __init__(self, bench: Bench, controllers: Mapping[int, BoughtController], acted: Callable[[], None]) -> None:
        self._server = PhoenixServer(controllers, acted)
        self._port_file = bench.directory / PHOENIX_PORT_FILE

    async def start(self) -> None:
        """Listen and say where."""
        await self._server.start()
        self._port_file.write_text(f"{self._server.port}\n", encoding="utf-8")

    def follow(self) -> None:
        """It speaks only when asked."""

    async def close(self) -> None:
        """Hang up."""
        await self._server.close()
        self._port_file.unlink(missing_ok=True)


class _RapiFace:
    """OpenEVSEs on serial ports of their own."""

    def __init__(self, bench: Bench, controllers: Mapping[int, BoughtController], acted: Callable[[], None]) -> None:
        self._acted = acted
        self._lines: list[tuple[RapiController, PtyPort]] = []
        for number, controller in controllers.items():
            line = RapiController(controller)
            port = PtyPort(bench.directory / f"controller-{number}", partial(self._take, len(self._lines)))
            self._lines.append((line, port))

    async def start(self) -> None:
        """Listen."""
        for _, port in self._lines:
            port.attach(asyncio.get_running_loop())

    def follow(self) -> None:
        """Tell a changed state unasked."""
        for line, port in self._lines:
            port.send(line.notice())

    async def close(self) -> None:
        """Take the ports away."""
        for _, port in self._lines:
            port.close()

    def _take(self, index: int, chunk: bytes) -> None:
        line, port = self._lines[index]
        port.send(line.feed(chunk))
        self._acted()


class _YetiFace:
    """Yeti boards on serial ports of their own; they speak by themselves."""

    def __init__(self, bench: Bench, controllers: Mapping[int, BoughtController], acted: Callable[[], None]) -> None:
        self._acted = acted
        self._now_s = bench.now_s
        self._timer: asyncio.TimerHandle | None = None
        self._lines: list[tuple[YetiBoard, PtyPort]] = []
        for number, controller in controllers.items():
            port = PtyPort(bench.directory / f"controller-{number}", partial(self._take, len(self._lines)))
            self._lines.append((YetiBoard(controller), port))

    async def start(self) -> None:
        """Listen and begin to speak."""
        for _, port in self._lines:
            port.attach(asyncio.get_running_loop())
        self._speak()

    def follow(self) -> None:
        """Tell what changed."""
        for board, port in self._lines:
            port.send(board.tell(self._now_s()))

    async def close(self) -> None:
        """Take the ports away."""
        if self._timer is not None:
            self._timer.cancel()
        for _, port in self._lines:
            port.close()

    def _speak(self) -> None:
        self.follow()
        self._acted()
        self._timer = asyncio.get_running_loop().call_later(_YETI_TELLS_S, self._speak)

    def _take(self, index: int, chunk: bytes) -> None:
        self._lines[index][0].feed(chunk, self._now_s())
        self._acted()


class ControllerVerbs:
    """What a bench can be told about its controllers."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def controller(self, *, mode: str, evse: int) -> dict[str, object]:
        """Break or mend the controller of an EVSE."""
        found = self._bench.controllers
        if found is None:
            raise VerbError("this bench has no bought controllers, expected one started with --controller")
        found.controllers[evse].mode = ControllerMode(mode)
        return {"family": found.family, "mode": mode}


def register(verbs: Verbs, evses: int, body: ControllerVerbs | type[ControllerVerbs]) -> None:
    """Add the verb of the controllers."""
    modes = tuple(mode.value for mode in ControllerMode)
    parameters = (
        Parameter(name="mode", kind=Kind.TEXT, help="how it behaves", choices=modes, positional=True),
        Parameter(name="evse", kind=Kind.INT, help="which EVSE", default=1, minimum=1, maximum=evses),
    )
    summary = "break or mend a bought controller; disobey takes every order and keeps what it had"
    name = "controller"
    verbs.add(Verb(name=name, summary=summary, parameters=parameters, run=getattr(body, name)))


def _face(bench: Bench, family: str, controllers: Mapping[int, BoughtController], acted: Callable[[], None]) -> _Face:
    match family:
        case "evse-din":
            return _DinFace(bench, controllers, acted)
        case "phoenix":
            return _PhoenixFace(bench, controllers, acted)
        case "openevse":
            return _RapiFace(bench, controllers, acted)
        case _:
            return _YetiFace(bench, controllers, acted)
