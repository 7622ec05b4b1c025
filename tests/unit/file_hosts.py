"""File servers on the loopback interface in threads of the test: HTTP with ranges, FTP with and without TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Host:
    """What a server holds, what it was asked, and how it misbehaves.

    Attributes:
        breaks_after_b: the next download hangs up after so many bytes. etag: of every file; "" names none.
        status: answered to every upload. stalls: it says nothing after the head of a download.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    redirect: dict[str, str] = field(default_factory=dict)
    etag: str = '"one"'
    breaks_after_b: int | None = None
    stalls: bool = False
    stalls_after_b: int = 10
    ranged: bool = True
    put_status: int = 201
    post_status: int = 201
    port: int = 0
    asked_one: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


def _http_of(host: Host) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._note()
            if self.path in host.redirect:
                self.send_response(302)
                self.send_header("Location", host.redirect[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = host.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            begin, wanted = 0, self.headers.get("Range")
            same = self.headers.get("If-Range") in (None, host.etag)
            if wanted and host.ranged and same:
                host.ranges.append(wanted)
                begin = int(wanted.removeprefix("bytes=").rstrip("-"))
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - begin))
            if host.etag:
                self.send_header("ETag", host.etag)
            self.end_headers()
            if host.stalls:
                self.wfile.write(content[begin : begin + host.stalls_after_b])
                self.wfile.flush()
                host.asked_one.set()
                host.released.wait(20)
                return
            end = len(content) if host.breaks_after_b is None else begin + host.breaks_after_b
            if host.breaks_after_b is not None:
                host.breaks_after_b = None
                self.close_connection = True
            self.wfile.write(content[begin:end])

        def do_PUT(self) -> None:
            self._take(host.put_status)

        def do_POST(self) -> None:
            self._take(host.post_status)

        def _take(self, status: int) -> None:
            self._note()
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if 200 <= status < 300:
                host.uploads[f"{self.command} {self.path}"] = body
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _note(self) -> None:
            host.asked.append(f"{self.command} {self.path}")
            host.credentials.append(self.headers.get("Authorization", ""))
            host.asked_one.set()

    return Answers


@contextmanager
def http_host(tls: ssl.SSLContext | None = None, **files: bytes) -> Iterator[Host]:
    """Serve files at ``/name``."""
    host = Host(files={f"/{name}": content for name, content in files.items()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), _http_of(host))
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    host.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Ftp:
    """One connection of an FTP client. RFC 959 as far as the tests go."""

    def __init__(self, host: Host, link: socket.socket, tls: ssl.SSLContext | None, *, implicit: bool) -> None:
        self._host, self._link, self._tls, self._implicit = host, link, tls, implicit
        self._passive: socket.socket | None = None
        self._offset = 0
        self._private = False
        self._name = ""

    def run(self) -> None:
        with contextlib.suppress(OSError):
            if self._implicit and self._tls is not None:
                self._link = self._tls.wrap_socket(self._link, server_side=True)
            self._say("220 here")
            while line := self._line():
                verb, _, rest = line.partition(" ")
                self._host.asked.append(line if verb != "PASS" else "PASS ***")
                if verb == "QUIT":
                    break
                getattr(self, f"on_{verb.lower()}", lambda _rest: self._say("502 no"))(rest)
        self._link.close()

    def _line(self) -> str:
        raw = b""
        while not raw.endswith(b"\n"):
            more = self._link.recv(1)
            if not more:
                return ""
            raw += more
        return raw.decode().strip()

    def _say(self, text: str) -> None:
        self._link.sendall(text.encode() + b"\r\n")

    def on_auth(self, _rest: str) -> None:
        if self._tls is None:
            self._say("502 no")
            return
        self._say("234 go on")
        self._link = self._tls.wrap_socket(self._link, server_side=True)

    def on_pbsz(self, _rest: str) -> None:
        self._say("200 fine")

    def on_prot(self, rest: str) -> None:
        self._private = rest == "P"
        self._say("200 fine")

    def on_user(self, rest: str) -> None:
        self._name = rest
        self._say("331 and the password")

    def on_pass(self, rest: str) -> None:
        self._host.credentials.append(f"{self._name}:{rest}")
        self._say("530 no" if rest == "wrong" else "230 come in")

    def on_type(self, _rest: str) -> None:
        self._say("200 fine")

    def on_pwd(self, _rest: str) -> None:
        self._say('257 "/"')

    def on_cwd(self, rest: str) -> None:
        known = rest.rstrip("/") in self._host.folders or rest == "/"
        self._say("250 fine" if known else "550 no such folder")

    def on_size(self, rest: str) -> None:
        content = self._host.files.get(rest)
        self._say("550 no such file" if content is None else f"213 {len(content)}")

    def on_mdtm(self, rest: str) -> None:
        self._say("213 20261120120000" if rest in self._host.files else "550 no such file")

    def on_rest(self, rest: str) -> None:
        self._offset = int(rest)
        self._host.ranges.append(rest)
        self._say("350 go on")

    def on_epsv(self, _rest: str) -> None:
        self._say("502 no")

    def on_pasv(self, _rest: str) -> None:
        self._passive = socket.create_server((self._link.getsockname()[0], 0))
        port = self._passive.getsockname()[1]
        self._say(f"227 here (127,0,0,1,{port >> 8},{port & 255})")

    def _opened(self) -> socket.socket:
        assert self._passive is not None
        content, _ = self._passive.accept()
        self._passive.close()
        return self._tls.wrap_socket(content, server_side=True) if self._private and self._tls else content

    def on_retr(self, rest: str) -> None:
        content = self._host.files.get(rest)
        if content is None:
            self._say("550 no such file")
            return
        self._say("150 it comes")
        begin, self._offset = self._offset, 0
        end = len(content) if self._host.breaks_after_b is None else begin + self._host.breaks_after_b
        broken, self._host.breaks_after_b = self._host.breaks_after_b is not None, None
        with self._opened() as out:
            out.sendall(content[begin:end])
        self._say("426 broken" if broken else "226 done")

    def on_stor(self, rest: str) -> None:
        self._say("150 give")
        content = b""
        with self._opened() as out:
            while more := out.recv(65536):
                content += more
        self._host.uploads[rest] = content
        self._say("226 done")


@contextmanager
def ftp_host(
    tls: ssl.SSLContext | None = None,
    *,
    address: tuple[str, int] = ("127.0.0.1", 0),
    implicit: bool = False,
    **files: bytes,
) -> Iterator[Host]:
    """Serve files at ``/name``; ``implicit``: TLS comes before the greeting. Raises ``OSError``: not there."""
    host = Host(files={f"/{name}": content for name, content in files.items()})
    server = socket.create_server(address)
    host.port = server.getsockname()[1]

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = server.accept()
                threading.Thread(target=_Ftp(host, link, tls, implicit=implicit).run, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield host
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
