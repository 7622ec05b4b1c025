"""The bench's end of the pins wire: takes outputs, pushes edges, never clears what a dead client left behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.bench.wire import WIRE_VERSION, MessageBuffer, WireError, encode, place_name
from hil.pilot_circuit import Generator, GeneratorMode

if TYPE_CHECKING:
    from hil.server import Bench


class PinsServer:
    """Serves ``DIR/pins.sock``."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.clients: set[PinsClient] = set()
        self._server: asyncio.Server | None = None

    async def start(self, path: Path) -> None:
        """Listen; a socket that a dead bench left there is replaced."""
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: PinsClient(self), path)

    def push_edge(self, line: str, level: bool, taken_ns: int) -> None:
        """Tell everybody who asked for this line."""
        for client in self.clients:
            client.push_edge(line, level, taken_ns)

    def drop_all(self) -> None:
        """Close every connection."""
        for client in list(self.clients):
            client.drop()

    def count_clients(self) -> None:
        """Write into the trace how many clients there are."""
        self.bench.record("pins.clients", len(self.clients))

    def close(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.close()
        self.drop_all()

    def welcome(self) -> dict[str, Any]:
        """Return the answer to a hello."""
        world = self.bench.world
        return {
            "hello": WIRE_VERSION,
            "page": str(self.bench.page_path),
            "page_size": self.bench.page.size_bytes,
            "lines": {line: index for index, line in enumerate(world.lines)},
            "outputs": world.outputs,
            "evses": {place_name(part.number, part.connector): index for index, part in enumerate(world.parts)},
        }


class PinsClient(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: PinsServer) -> None:
        self._server = server
        self._buffer = MessageBuffer()
        self._transport: asyncio.Transport | None = None
        self._subscribed: set[str] = set()
        self.name = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the wire."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client. Its outputs and pilot settings keep their last value, as on Raspberry Pi OS."""
        if self in self._server.clients:
            self._server.clients.remove(self)
            self._server.count_clients()

    def data_received(self, data: bytes) -> None:
        """Do what the client asks; an unintelligible client is cut off."""
        try:
            for message in self._buffer.feed(data):
                self._take(message)
        except (WireError, ValueError, KeyError, TypeError) as exc:
            self._send({"error": f"{type(exc).__name__}: {exc}"})
            self.drop()

    def push_edge(self, line: str, level: bool, taken_ns: int) -> None:
        """Report an edge, if the client asked for the line."""
        if line in self._subscribed:
            self._send({"edge": line, "level": int(level), "t_ns": taken_ns})

    def drop(self) -> None:
        """Close the connection after what was sent."""
        if self._transport is not None:
            self._transport.close()

    def _take(self, message: dict[str, Any]) -> None:
        bench = self._server.bench
        if not self.name:
            self._greet(message)
        elif "write" in message:
            bench.write(str(message["write"]), bool(message["level"]))
        elif "pilot" in message:
            duty_pct = float(message["duty_pct"])
            if not 0.0 <= duty_pct <= 100.0:
                raise WireError(f"duty cycle {duty_pct} % is outside 0-100 %")
            mode = GeneratorMode(message["mode"])
            evse, _, connector = str(message["pilot"]).partition(".")
            generator = Generator(mode=mode, duty_pct=duty_pct)
            bench.set_generator(int(evse), generator, connector=int(connector or "1"))
        elif "subscribe" in message:
            line = str(message["subscribe"])
            if line not in bench.world.lines:
                raise WireError(f"no line {line!r}")
            self._subscribed.add(line)
        else:
            raise WireError(f"{sorted(message)}: expected write, pilot or subscribe")

    def _greet(self, message: dict[str, Any]) -> None:
        if message.get("hello") != WIRE_VERSION:
            raise WireError(f"hello {message.get('hello')!r}, expected pins wire version {WIRE_VERSION}")
        if not self._server.bench.world.powered:
            raise WireError("the station has no power (charge-bench power_on)")
        self.name = str(message.get("client") or "unnamed")
        self._server.clients.add(self)
        self._server.count_clients()
        self._send(self._server.welcome())

    def _send(self, message: dict[str, Any]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message))
