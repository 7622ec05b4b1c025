"""One connection per process and bench: the mapped page, the socket for outputs, the thread that delivers edges."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from drivers.api import DriverUnavailable
from drivers.bench.wire import (
    HEARTBEAT_MAX_AGE_S,
    WIRE_VERSION,
    MessageBuffer,
    PageReader,
    PilotSample,
    WireError,
    check_socket_path,
    encode,
)

_HELLO_TIMEOUT_S: Final = 2.0
_RECONNECT_PAUSE_S: Final = 0.2
_HEARTBEAT_MAX_AGE_NS: Final = int(HEARTBEAT_MAX_AGE_S * 1e9)

EdgeListener = Callable[[bool, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What one successful hello gave: a socket, a page, and where each line and EVSE lies in it."""

    sock: socket.socket
    page: PageReader
    lines: dict[str, int]
    outputs: frozenset[str]
    places: dict[str, int]
    generation: int


class BenchConnection:
    """A client of the pins wire. Thread-safe; nothing but the first connect ever waits for the bench.

    When the bench goes away every call raises ``DriverUnavailable`` while a thread tries to come back. ``generation``
    counts the connections: what was written in an older one may be lost, so a driver that skips repeated values must
    write again when it changes.
    """

    def __init__(self, socket_path: str, *, client: str) -> None:
        """Connect and say hello. Raises ``DriverUnavailable``."""
        self._path = socket_path
        self._client = client
        self._listeners: dict[str, EdgeListener] = {}
        self._alive_until_ns = 0
        self._closed = threading.Event()
        self._send_lock = threading.Lock()
        self._attachment: Attachment | None = self._attach(generation=1)
        self._generation = 1
        self._thread = threading.Thread(target=self._deliver, name="bench-pins", daemon=True)
        self._thread.start()

    @property
    def generation(self) -> int:
        """The number of the current connection, from 1."""
        return self._generation

    def level(self, line: str) -> bool:
        """Return the level of ``line`` now. Raises ``DriverUnavailable`` when the bench is gone or has no such line."""
        attachment = self._attachment
        if attachment is None or time.monotonic_ns() >= self._alive_until_ns:
            attachment = self._alive()
        index = attachment.lines.get(line)
        if index is None:
            index = self._line_index(attachment, line)
        return attachment.page.levels[index] != 0

    def pilot(self, place: str) -> PilotSample:
        """Return pilot and proximity contacts of ``place`` (``wire.place_name``) now. Raises ``DriverUnavailable``."""
        attachment = self._attachment
        if attachment is None or time.monotonic_ns() >= self._alive_until_ns:
            attachment = self._alive()
        index = attachment.places.get(place)
        sample = attachment.page.pilot(self._place_index(attachment, place) if index is None else index)
        if sample is None:
            raise DriverUnavailable(f"the bench page holds no consistent pilot sample of EVSE {place}")
        return sample

    def check_present(self) -> None:
        """Raise ``DriverUnavailable`` unless a bench is connected."""
        self._present()

    def check_line(self, line: str, *, output: bool) -> None:
        """Raise ``DriverUnavailable`` unless ``line`` exists and has this direction, seen from the station."""
        attachment = self._present()
        self._line_index(attachment, line)
        if output and line not in attachment.outputs:
            raise DriverUnavailable(f"{line} is an input of the station, expected one of {sorted(attachment.outputs)}")

    def check_place(self, place: str) -> None:
        """Raise ``DriverUnavailable`` unless the bench has this EVSE or connector."""
        self._place_index(self._present(), place)

    def write_level(self, line: str, level: bool) -> None:
        """Send an output level. Raises ``DriverUnavailable`` when it was not taken or nobody is alive to act on it."""
        self._send({"write": line, "level": int(level)})

    def write_pilot(self, place: str, mode: str, duty_pct: float) -> None:
        """Send a pilot setting. Raises ``DriverUnavailable``."""
        self._send({"pilot": place, "mode": mode, "duty_pct": duty_pct})

    def listen(self, line: str, listener: EdgeListener) -> None:
        """Call ``listener(level, taken_ns)`` in the delivery thread for every edge of ``line``."""
        self._listeners[line] = listener
        self._send({"subscribe": line})

    def unlisten(self, line: str) -> None:
        """Stop calling the listener of ``line``."""
        self._listeners.pop(line, None)

    def close(self) -> None:
        """Leave. Every output keeps its level."""
        self._closed.set()
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            _shut(attachment.sock)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=_HELLO_TIMEOUT_S)

    def _present(self) -> Attachment:
        attachment = self._attachment
        if attachment is None:
            raise DriverUnavailable(f"no bench at {self._path}")
        return attachment

    def _alive(self) -> Attachment:
        attachment = self._attachment or self._present()
        heartbeat_ns = attachment.page.heartbeat_ns()
        age_ns = time.monotonic_ns() - heartbeat_ns
        if age_ns > _HEARTBEAT_MAX_AGE_NS:
            raise DriverUnavailable(
                f"the bench at {self._path} gave its last sign of life {age_ns / 1e9:.1f} s ago, "
                f"limit {HEARTBEAT_MAX_AGE_S} s"
            )
        self._alive_until_ns = heartbeat_ns + _HEARTBEAT_MAX_AGE_NS  # until then that heartbeat is young enough
        return attachment

    @staticmethod
    def _line_index(attachment: Attachment, line: str) -> int:
        index = attachment.lines.get(line)
        if index is None:
            raise DriverUnavailable(f"the bench has no line {line!r}, expected one of {sorted(attachment.lines)}")
        return index

    @staticmethod
    def _place_index(attachment: Attachment, place: str) -> int:
        index = attachment.places.get(place)
        if index is None:
            raise DriverUnavailable(f"the bench has no EVSE {place}, expected one of {sorted(attachment.places)}")
        return index

    def _send(self, message: dict[str, Any]) -> None:
        attachment = self._present()
        line = encode(message)
        with self._send_lock:
            try:
                sent = attachment.sock.send(line, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except OSError as exc:
                _shut(attachment.sock)
                raise DriverUnavailable(f"the bench at {self._path} does not take outputs: {exc}") from exc
        if sent != len(line):
            _shut(attachment.sock)  # half a line was sent: only a new connection can follow
            raise DriverUnavailable(f"the bench at {self._path} took {sent} of {len(line)} bytes of an output")
        self._alive()

    def _attach(self, *, generation: int) -> Attachment:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            sock.settimeout(_HELLO_TIMEOUT_S)
            sock.connect(check_socket_path(self._path))
            sock.sendall(encode({"hello": WIRE_VERSION, "client": self._client, "pid": os.getpid()}))
            answer = _first_message(sock)
            if "error" in answer:
                raise WireError(str(answer["error"]))
            if answer.get("hello") != WIRE_VERSION:
                raise WireError(f"pins wire version {answer.get('hello')}, expected {WIRE_VERSION}")
            page = PageReader(str(answer["page"]))
            sock.settimeout(None)
        except (OSError, WireError, KeyError) as exc:
            sock.close()
            raise DriverUnavailable(f"no bench at {self._path}: {exc}") from exc
        return Attachment(
            sock=sock,
            page=page,
            lines={str(name): int(index) for name, index in answer["lines"].items()},
            outputs=frozenset(answer["outputs"]),
            places={str(place): int(index) for place, index in answer["evses"].items()},
            generation=generation,
        )

    def _deliver(self) -> None:
        while not self._closed.is_set():
            attachment = self._attachment
            if attachment is not None:
                self._receive(attachment)
                self._attachment = None
                attachment.sock.close()
            if not self._closed.is_set():
                self._return()

    def _receive(self, attachment: Attachment) -> None:
        buffer = MessageBuffer()
        while not self._closed.is_set():
            try:
                chunk = attachment.sock.recv(4096)
                messages = buffer.feed(chunk)
            except (OSError, WireError):
                return
            if not chunk:
                return
            for message in messages:
                listener = self._listeners.get(str(message.get("edge", "")))
                if listener is not None:
                    listener(bool(message["level"]), int(message["t_ns"]))

    def _return(self) -> None:
        while not self._closed.wait(_RECONNECT_PAUSE_S):
            try:
                attachment = self._attach(generation=self._generation + 1)
            except DriverUnavailable:
                continue
            try:
                for line in list(self._listeners):
                    attachment.sock.sendall(encode({"subscribe": line}))
            except OSError:
                attachment.sock.close()
                continue
            self._alive_until_ns = 0
            self._attachment = attachment
            self._generation = attachment.generation
            return


_shared: dict[str, tuple[BenchConnection, int]] = {}
_shared_lock = threading.Lock()


def acquire(socket_path: str) -> BenchConnection:
    """Return this process's connection to the bench at ``socket_path``; give it back with ``release``.

    Raises:
        DriverUnavailable: no bench answers there.
    """
    key = os.path.realpath(socket_path)
    with _shared_lock:
        connection, holders = _shared.get(key, (None, 0))
        if connection is None:
            connection = BenchConnection(socket_path, client=f"drivers.bench pid {os.getpid()}")
        connection.check_present()
        _shared[key] = (connection, holders + 1)
        return connection


def release(connection: BenchConnection) -> None:
    """Give a connection back; the last one closes it."""
    with _shared_lock:
        key, holders = next((key, n) for key, (held, n) in _shared.items() if held is connection)
        if holders > 1:
            _shared[key] = (connection, holders - 1)
            return
        del _shared[key]
    connection.close()


def _first_message(sock: socket.socket) -> dict[str, Any]:
    buffer = MessageBuffer()
    while chunk := sock.recv(65536):
        messages = buffer.feed(chunk)
        if messages:
            return messages[0]
    raise WireError("the bench closed the connection")


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was gone already
