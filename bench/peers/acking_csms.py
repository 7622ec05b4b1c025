"""A CSMS that takes everything: every CALL is answered at once, nothing is checked, nothing is kept.

``python -m bench.peers.acking_csms [--delay-ms D]`` serves until it is killed and says on which port; the delay is each
way, by a road of the bench in front of it.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any, Final, Self

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from hil.net import Net, Target

_CALL: Final = msgspec.json.Decoder(tuple[int, str, str, msgspec.Raw])
_TIME: Final = "2026-06-01T12:00:00Z"
_ANSWERS: Final = {
    "BootNotification": f'{{"status":"Accepted","currentTime":"{_TIME}","interval":300}}',
    "Heartbeat": f'{{"currentTime":"{_TIME}"}}',
    "Authorize": '{"idTagInfo":{"status":"Accepted"}}',
    "StartTransaction": '{"transactionId":1,"idTagInfo":{"status":"Accepted"}}',
}


class AckingCsms:
    """The server: an async context manager. ``seen`` is called with action and monotonic time of every CALL."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, seen: Callable[[str, float], None] | None = None) -> None:
        self._tls = tls
        self._seen = seen
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            select_subprotocol=lambda _connection, offered: Subprotocol(offered[0]) if offered else None,
            ssl=self._tls,
            ping_interval=None,
            compression=None,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close(close_connections=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """The port, on 127.0.0.1."""
        assert self._server is not None
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def url(self) -> str:
        """The address; a station appends its identity."""
        return f"ws{'' if self._tls is None else 's'}://127.0.0.1:{self.port}/"

    async def _serve(self, connection: ServerConnection) -> None:
        try:
            async for text in connection:
                _kind, message_id, action, _payload = _CALL.decode(text)
                if self._seen is not None:
                    self._seen(action, time.monotonic())
                await connection.send(f'[3,"{message_id}",{_ANSWERS.get(action, "{}")}]')
        except ConnectionClosed:
            pass  # a client that was measured is killed


async def _main(options: Any) -> None:
    async with AckingCsms() as csms:
        if not options.delay_ms:
            print(f"port {csms.port}", flush=True)
            await asyncio.Event().wait()
        async with Net(Target(host="127.0.0.1", port=csms.port)) as road:
            road.delay_s = options.delay_ms / 1000
            print(f"port {road.port}", flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay-ms", type=float, default=0.0)
    asyncio.run(_main(parser.parse_args()))
