"""The guard's socket: who may speak, what is said, and never a scan that waits for it.

Non-blocking, a bounded number of packets per scan. A client that does not read gets the newest report of each connector
when it reads again; one that does not read for ``STALLED_S`` is dropped.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from collections import deque
from collections.abc import Callable
from time import monotonic, sleep
from typing import Final

from agent.guard.latch import Channel
from agent.guard.log import Log
from agent.guard.packets import MAX_PACKET_B, WireError, decode, encode
from agent.guard.wire import WIRE_VERSION, Hello, Message, Refused, Report, Welcome

PACKETS_PER_SCAN: Final = 32  # house rule; 32 permits are decoded in about 0.5 ms
CLIENTS_MAX: Final = 8  # house rule
OUTBOX_MAX: Final = 64  # answers that may wait for a slow client; house rule
BAD_PACKETS_MAX: Final = 10  # then the client is dropped; house rule
GREETING_S: Final = 2.0  # a client says Hello within this time; house rule
STALLED_S: Final = 30.0  # as long as a permit lasts; house rule

Deliver = Callable[[Message, int, float], Message | None]
"""``deliver(message, client_id, now_s)``: what the holder says; returns the answer, if there is one now."""


class LinkError(Exception):
    """The socket cannot be opened; the text says why."""


class _Client:
    __slots__ = ("bad", "connected_s", "holder", "name", "outbox", "peer", "pid", "reports", "stalled_since_s", "uid")

    def __init__(self, peer: socket.socket, now_s: float) -> None:
        self.peer = peer
        self.pid, self.uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        self.connected_s = now_s
        self.name: str | None = None
        self.holder = False
        self.bad = 0
        self.outbox: deque[bytes] = deque()
        self.reports: dict[Channel, bytes] = {}
        self.stalled_since_s: float | None = None


class Link:
    """The server. ``wait`` is the scan's sleep: it serves the socket until the next scan is due."""

    def __init__(
        self, path: str, *, welcome: Welcome, allowed_uids: frozenset[int], deliver: Deliver, log: Log
    ) -> None:
        """Listen at ``path``.

        Raises:
            LinkError: another guard answers there, or the path cannot be used.
        """
        self._welcome = welcome
        self._holders = allowed_uids | {0, os.getuid()}
        self._deliver = deliver
        self._log = log
        self._clients: dict[int, _Client] = {}
        self.held = False  # somebody holds the permits
        self._last: dict[Channel, bytes] = {}
        self._swept_s = 0.0
        self._path = path
        self._server = _listen(path)
        self._poll = select.poll()
        self._poll.register(self._server, select.POLLIN)

    def wait(self, until_s: float) -> None:
        """Serve the socket until monotonic ``until_s``; at least look at it once when that is past."""
        budget = PACKETS_PER_SCAN
        poll = self._poll.poll
        left_s = until_s - monotonic()
        while True:
            for fd, events in poll(left_s * 1000.0 if left_s > 0.0 else 0):
                budget -= self._serve(fd, events)
            left_s = until_s - monotonic()
            if left_s <= 0.0:
                return
            if budget <= 0:
                sleep(left_s)
                return

    def publish(self, report: Report) -> None:
        """Send ``report`` to everybody who said Hello."""
        packet = encode(report)
        channel = (report.evse_id, report.connector_id)
        self._last[channel] = packet
        for fd, client in list(self._clients.items()):
            if client.name is not None:
                self._send_report(fd, client, channel, packet)
        if report.at_s - self._swept_s >= 1.0:
            self._swept_s = report.at_s
            self._sweep(report.at_s)

    def send(self, client_id: int, message: Message) -> None:
        """Send ``message`` to one client, unless it has gone."""
        client = self._clients.get(client_id)
        if client is not None:
            self._send(client_id, client, message)

    def close(self) -> None:
        """Close every connection and take the socket away."""
        for fd in list(self._clients):
            self._drop(fd, "guard_ended")
        self._server.close()
        os.unlink(self._path)

    def _serve(self, fd: int, events: int) -> int:
        if fd == self._server.fileno():
            self._accept()
            return 1
        client = self._clients.get(fd)
        if client is None:
            return 0
        if events & select.POLLOUT:
            self._flush(fd, client)
        if events & ~select.POLLOUT:
            self._receive(fd, client)
        return 1

    def _accept(self) -> None:
        try:
            peer, _ = self._server.accept()
        except OSError:
            return  # the client has gone before it was greeted
        peer.setblocking(False)
        if len(self._clients) >= CLIENTS_MAX:
            self._log.warning("client.refused", reason=f"{CLIENTS_MAX} clients are connected already")
            peer.close()
            return
        fd = peer.fileno()
        self._clients[fd] = _Client(peer, monotonic())
        self._poll.register(fd, select.POLLIN)

    def _receive(self, fd: int, client: _Client) -> None:
        try:
            packet = client.peer.recv(MAX_PACKET_B + 1)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._drop(fd, "client_closed")
            return
        try:
            message = decode(packet)
        except WireError as problem:
            self._answer_garbage(fd, client, str(problem))
            return
        if client.name is None:
            self._greet(fd, client, message)
        elif isinstance(message, Hello):
            self._send(fd, client, Refused(about="Hello", reason="Hello was said already"))
        elif not client.holder:
            about = type(message).__name__
            self._send(fd, client, Refused(about=about, reason=f"only the holder may send {about}"))
        else:
            answer = self._deliver(message, fd, monotonic())
            if answer is not None:
                self._send(fd, client, answer)

    def _answer_garbage(self, fd: int, client: _Client, problem: str) -> None:
        client.bad += 1
        if client.bad == 1:
            self._log.warning("packet.refused", client=client.name, pid=client.pid, uid=client.uid, problem=problem)
        about = "Hello" if client.name is None else "packet"
        self._send(fd, client, Refused(about=about, reason=problem[:300]))
        if client.name is None or client.bad >= BAD_PACKETS_MAX:
            self._drop(fd, "bad_packets")

    def _greet(self, fd: int, client: _Client, message: Message) -> None:
        reason = self._against(client, message)
        if reason is not None:
            self._log.warning("client.refused", pid=client.pid, uid=client.uid, reason=reason)
            self._send(fd, client, Refused(about="Hello", reason=reason))
            self._drop(fd, "refused")
            return
        assert isinstance(message, Hello)  # _against has refused everything else
        client.name = message.client
        client.holder = message.holder
        self.held = self.held or message.holder
        self._log.info("client.greeted", client=client.name, pid=client.pid, uid=client.uid, holder=client.holder)
        self._send(fd, client, self._welcome)
        for channel, packet in self._last.items():
            self._send_report(fd, client, channel, packet)

    def _against(self, client: _Client, message: Message) -> str | None:
        if not isinstance(message, Hello):
            return f"the first packet is a {type(message).__name__}, expected Hello"
        if message.version != WIRE_VERSION:
            return f"version {message.version} is not the guard's version {WIRE_VERSION}"
        if not message.holder:
            return None
        if client.uid not in self._holders:
            return f"user {client.uid} may not hold permits, only {sorted(self._holders)}"
        for other in self._clients.values():
            if other.holder:
                return f"process {other.pid} ({other.name}) holds the permits"
        return None

    def _send(self, fd: int, client: _Client, message: Message) -> None:
        client.outbox.append(encode(message))
        if len(client.outbox) > OUTBOX_MAX:
            self._drop(fd, "outbox_full")
        else:
            self._flush(fd, client)

    def _send_report(self, fd: int, client: _Client, channel: Channel, packet: bytes) -> None:
        client.reports.pop(channel, None)
        client.reports[channel] = packet
        if client.stalled_since_s is None:
            self._flush(fd, client)

    def _flush(self, fd: int, client: _Client) -> None:
        try:
            while client.outbox:
                client.peer.send(client.outbox[0])
                client.outbox.popleft()
            while client.reports:
                channel = next(iter(client.reports))
                client.peer.send(client.reports[channel])
                del client.reports[channel]
        except BlockingIOError:
            if client.stalled_since_s is None:
                client.stalled_since_s = monotonic()
                self._poll.modify(fd, select.POLLIN | select.POLLOUT)
            return
        except OSError:
            self._drop(fd, "client_closed")
            return
        if client.stalled_since_s is not None:
            client.stalled_since_s = None
            self._poll.modify(fd, select.POLLIN)

    def _sweep(self, now_s: float) -> None:
        for fd, client in list(self._clients.items()):
            if client.name is None and now_s - client.connected_s > GREETING_S:
                self._drop(fd, "no_hello")
            elif client.stalled_since_s is not None and now_s - client.stalled_since_s > STALLED_S:
                self._drop(fd, "does_not_read")

    def _drop(self, fd: int, reason: str) -> None:
        client = self._clients.pop(fd, None)
        if client is None:
            return
        self._poll.unregister(fd)
        client.peer.close()
        if client.holder:
            self.held = False
        if client.name is not None:
            self._log.info("client.left", client=client.name, pid=client.pid, holder=client.holder, reason=reason)


def _listen(path: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    try:
        check_free(path)
        server.bind(path)
        os.chmod(path, 0o666)  # everybody may look on; permits are for the users named in the plan
        server.listen(CLIENTS_MAX)
    except OSError as problem:
        server.close()
        raise LinkError(f"socket {path} cannot be opened: {problem}") from problem
    return server


def check_free(path: str) -> None:
    """Remove a socket that a killed guard left behind. Raises ``LinkError`` when a guard answers at ``path``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass
        except OSError as problem:
            raise LinkError(f"socket {path} cannot be used: {problem}") from problem
    raise LinkError(f"another guard answers at {path}")
