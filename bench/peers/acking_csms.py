"""A CSMS that takes everything: every CALL is answered at once, nothing is checked, nothing is kept.

It frames RFC 6455 by hand, because the server's time counts in every exchange and is the same for all clients.
``python -m bench.peers.acking_csms [--delay-ms D]`` serves until it is killed and says on which port; the delay is each
way, by a road of the bench in front of it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import ssl
import time
from collections.abc import Callable
from typing import Any, Final, Self

import msgspec

from hil.net import Net, Target

_CALL: Final = msgspec.json.Decoder(tuple[int, str, str, msgspec.Raw])
_TIME: Final = "2026-06-01T12:00:00Z"
_ANSWERS: Final = {
    "BootNotification": f'{{"status":"Accepted","currentTime":"{_TIME}","interval":300}}',
    "Heartbeat": f'{{"currentTime":"{_TIME}"}}',
    "Authorize": '{"idTagInfo":{"status":"Accepted"}}',
    "StartTransaction": '{"transactionId":1,"idTagInfo":{"status":"Accepted"}}',
}
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_TEXT, _CLOSE, _PING = 1, 8, 9  # RFC 6455 section 5.2

Seen = Callable[[str, float], None]


class AckingCsms:
    """The server: an async context manager. ``seen`` is called with action and monotonic time of every CALL."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, seen: Seen | None = None) -> None:
        self._tls = tls
        self._seen = seen
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self._seen), "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def port(self) -> int:
        """The port, on 127.0.0.1."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """The address; a station appends its identity."""
        return f"ws{'' if self._tls is None else 's'}://127.0.0.1:{self.port}/"


class _Connection(asyncio.Protocol):
    """One station. Frames of clients are masked, ours are not; nothing is fragmented here."""

    def __init__(self, seen: Seen | None) -> None:
        self._seen = seen
        self._pending = bytearray()
        self._open = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pending += data
        if not self._open and not self._upgrade():
            return
        while (frame := self._frame()) is not None:
            self._take(*frame)

    def _upgrade(self) -> bool:
        end = self._pending.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = bytes(self._pending[:end]).split(b"\r\n")[1:]
        del self._pending[: end + 4]
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        accept = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + _GUID).digest())
        offered = headers.get(b"sec-websocket-protocol", b"").split(b",")[0].strip()
        answer = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
        answer += [b"Sec-WebSocket-Accept: " + accept]
        if offered:
            answer.append(b"Sec-WebSocket-Protocol: " + offered)
        self._transport.write(b"\r\n".join(answer) + b"\r\n\r\n")
        self._open = True
        return True

    def _frame(self) -> tuple[int, bytes] | None:
        """Return opcode and content of the next whole frame. RFC 6455 section 5.2."""
        pending = self._pending
        if len(pending) < 6:
            return None
        size, start = pending[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(pending[2:start], "big")
        if len(pending) < start + 4 + size:
            return None
        mask, content = bytes(pending[start : start + 4]), pending[start + 4 : start + 4 + size]
        key = (mask * (size // 4 + 1))[:size]
        plain = (int.from_bytes(content, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")
        opcode = pending[0] & 0x0F
        del pending[: start + 4 + size]
        return opcode, plain

    def _take(self, opcode: int, content: bytes) -> None:
        if opcode == _TEXT:
            _kind, message_id, action, _payload = _CALL.decode(content)
            if self._seen is not None:
                self._seen(action, time.monotonic())
            self._send(_TEXT, f'[3,"{message_id}",{_ANSWERS.get(action, "{}")}]'.encode())
        elif opcode == _PING:
            self._send(_PING + 1, content)
        elif opcode == _CLOSE:
            self._send(_CLOSE, content)
            self._transport.close()

    def _send(self, opcode: int, content: bytes) -> None:
        size = len(content)
        length = bytes((size,)) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
        self._transport.write(bytes((0x80 | opcode,)) + length + content)


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
