"""The network between station and CSMS: a TCP road that can be cut, black-holed and slowed down.

It knows nothing of what passes, TLS included. One event loop only.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Self

CHUNK_BYTES: Final = 64 * 1024
QUEUED_CHUNKS: Final = 64
CONNECT_TIMEOUT_S: Final = 5.0
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER on with 0 s: close sends RST. Source: socket(7)


class NetMode(Enum):
    """State of the road."""

    UP = "up"
    DOWN = "down"  # existing connections are reset, new ones refused
    HALF_OPEN = "half_open"  # connections stay open and new ones are made, but nothing passes either way


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the road leads."""

    host: str
    port: int


class Net:
    """The road. Enter it (async context manager) to open its near end; the port stays the same through every mode."""

    def __init__(self, target: Target, *, listen_host: str = "127.0.0.1", listen_port: int = 0) -> None:
        self.target = target
        self.mode = NetMode.UP
        self.delay_s = 0.0
        self._listen = (listen_host, listen_port)
        self._holder: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._passing = asyncio.Event()
        self._passing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lanes: set[_Lane] = set()
        self.connections = 0

    async def __aenter__(self) -> Self:
        # Bound but never listening: it keeps the port ours, and connections refused, while the road is down.
        self._holder = _bound_socket(*self._listen)
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()
        if self._holder is not None:
            self._holder.close()

    @property
    def port(self) -> int:
        """The port of the near end."""
        assert self._holder is not None
        return int(self._holder.getsockname()[1])

    async def set_mode(self, mode: NetMode, *, forget: bool = False) -> None:
        """Change the road's state.

        Args:
            mode: the new state.
            forget: connections that were half-open stay dead when the road is up again, as behind a NAT that lost
                its table; otherwise what was on its way arrives now, as TCP would send it again.
        """
        if forget:
            for lane in self._lanes:
                lane.dead = True
        self.mode = mode
        if mode is NetMode.DOWN:
            self._passing.clear()
            await self._close()
            return
        if mode is NetMode.HALF_OPEN:
            self._passing.clear()
        else:
            self._passing.set()
            for lane in list(self._lanes):
                lane.nudge()
        if self._server is None:
            await self._open()

    def snapshot(self) -> dict[str, Any]:
        """Return the road's state for JSON."""
        return {
            "mode": self.mode.value,
            "delay_ms": round(self.delay_s * 1000),
            "port": self.port,
            "target": f"{self.target.host}:{self.target.port}",
            "open_connections": sum(not lane.dead for lane in self._lanes),
            "connections": self.connections,
        }

    # ---- inside --------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        near = _bound_socket(self._listen[0], self.port)
        self._server = await asyncio.start_server(self._serve, sock=near)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for lane in list(self._lanes):
            lane.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until one side ends it."""
        self.connections += 1
        lane = _Lane(self, reader, writer)
        self._lanes.add(lane)
        try:
            await self._passing.wait()
            if await lane.run():
                lane.close()
        finally:
            self._lanes.discard(lane)
            if not lane.ended:
                lane.reset()


class _Lane:
    """One connection: two directions, each a reader that stamps chunks and a writer that lets them out in time."""

    def __init__(self, net: Net, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._net = net
        self._near = (reader, writer)
        self._writers = [writer]
        self._nudged = asyncio.Event()
        self.dead = False
        self.ended = False

    async def run(self) -> bool:
        """Connect to the target and carry both ways; True when both sides ended in peace, False after a reset."""
        target = self._net.target
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                far = await asyncio.open_connection(target.host, target.port)
        except (OSError, TimeoutError):
            return False  # nobody there: the near side sees a reset
        self._writers.append(far[1])
        in_peace = True
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(self._near[0], far[1]))
                both.create_task(self._pass_on(far[0], self._near[1]))
        except* ConnectionError:
            in_peace = False
        return in_peace

    def close(self) -> None:
        """End the connection when everything is delivered."""
        self.ended = True
        for writer in self._writers:
            writer.close()

    def nudge(self) -> None:
        """Look again whether something may pass."""
        self._nudged.set()

    def reset(self) -> None:
        """End the connection at once with a reset on both sides."""
        for writer in self._writers:
            raw = writer.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUED_CHUNKS)
        loop = asyncio.get_running_loop()

        async def take_in() -> None:
            while True:
                try:
                    chunk = await reader.read(CHUNK_BYTES)
                except ConnectionError:
                    await self._until_passing()  # a reset does not cross a dead road either
                    raise
                await queue.put((loop.time() + self._net.delay_s, chunk))
                if not chunk:
                    return

        async def let_out() -> None:
            while True:
                due_s, chunk = await queue.get()
                await asyncio.sleep(max(0.0, due_s - loop.time()))
                await self._until_passing()
                if not chunk:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                writer.write(chunk)
                await writer.drain()

        async with asyncio.TaskGroup() as halves:
            halves.create_task(take_in())
            halves.create_task(let_out())

    async def _until_passing(self) -> None:
        while self.dead or self._net.mode is not NetMode.UP:
            self._nudged.clear()
            await self._nudged.wait()


def _bound_socket(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setblocking(False)
    bound.bind((host, port))
    return bound
