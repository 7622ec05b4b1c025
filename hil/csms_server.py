"""``charge-bench csms``: the bench's CSMS as a process of its own.

It serves OCPP 1.6 and 2.0.1 on one port at ``/<identity>`` (any prefix), keeps the book and obeys the script. It needs
the extra ``bench`` (the `ocpp` package) and shares no line with any station's code.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import contextlib
import importlib.util
import logging
import os
import signal
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from hil.claim import Taken, claim
from hil.control_server import ControlServer
from hil.csms_desk import Desk
from hil.csms_frames import Direction, FrameKind

if TYPE_CHECKING:
    from hil.csms_peer import Peer

SUBPROTOCOLS: Final = (Subprotocol("ocpp1.6"), Subprotocol("ocpp2.0.1"))
MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
REPLACED: Final = 1000  # neither standard names a code for a replaced connection

log: Final = logging.getLogger("hil.csms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How the CSMS is started. ``port`` 0: a free one; ``password`` None: no Basic auth; ``ping_s`` None: no pings."""

    directory: Path
    host: str = "127.0.0.1"
    port: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    password: str | None = None
    ping_s: float | None = None


class CsmsRefused(Exception):
    """The CSMS cannot serve this folder: another one does."""


class Csms:
    """The CSMS: an async context manager that serves while it is entered. ``stopped`` is set by the verb ``stop``.

    Entering raises ``CsmsRefused`` and touches nothing when another one serves the folder.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.desk = Desk()
        self.peers: dict[str, Peer] = {}
        self.stopped = asyncio.Event()
        self.started_s = time.monotonic()
        self.password = setting.password
        self._server: Server | None = None
        self._control: ControlServer | None = None
        self._lock_fd: int | None = None

    @property
    def port(self) -> int:
        """The TCP port that is served."""
        assert self._server is not None
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def url(self) -> str:
        """The address to which a station appends its identity."""
        scheme = "ws" if self.setting.tls_cert is None else "wss"
        return f"{scheme}://{self.setting.host}:{self.port}/"

    @property
    def control_path(self) -> Path:
        """Where the control socket is."""
        return self.setting.directory / "csms.sock"

    async def __aenter__(self) -> Csms:
        self.setting.directory.mkdir(parents=True, exist_ok=True)
        try:
            self._lock_fd = claim(self.setting.directory / "csms.lock")
        except Taken as exc:
            raise CsmsRefused(f"a CSMS already serves {self.setting.directory} (process {exc.holder})") from exc
        serving = False
        try:
            await self._open()
            serving = True
        finally:
            if not serving:
                await self._close()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    # ---- inside --------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        from hil.csms_verbs import csms_verbs  # here, not above: it needs the optional `ocpp` package

        self._server = await serve(
            self._serve,
            self.setting.host,
            self.setting.port,
            subprotocols=SUBPROTOCOLS,
            select_subprotocol=_select_subprotocol,
            process_request=self._admit,
            ssl=self._tls(),
            ping_interval=self.setting.ping_s,
            max_size=MAX_FRAME_BYTES,
            compression=None,
            close_timeout=1,
        )
        self._control = ControlServer(csms_verbs(self))
        await self._control.start(self.control_path)
        write_atomically(self.setting.directory / "csms.port", f"{self.port}\n")

    async def _close(self) -> None:
        """End, once; what lies in the folder is ours only while we hold its lock."""
        if self._lock_fd is None:
            return
        lock_fd, self._lock_fd = self._lock_fd, None
        (self.setting.directory / "csms.port").unlink(missing_ok=True)
        if self._control is not None:
            await self._control.close()
            self.control_path.unlink(missing_ok=True)
        if self._server is not None:
            self._server.close(close_connections=True)
            await self._server.wait_closed()
        os.close(lock_fd)

    def _tls(self) -> ssl.SSLContext | None:
        if self.setting.tls_cert is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # OCPP security whitepaper: TLS 1.2 or later
        context.load_cert_chain(self.setting.tls_cert, self.setting.tls_key)
        return context

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse an upgrade as scripted, or for wrong Basic credentials (OCPP-J section 6.2.2)."""
        identity = identity_in(request.path)
        scripted = self.desk.script.take_upgrade()
        if scripted is not None:
            return self._refuse(connection, identity, HTTPStatus(scripted), "scripted")
        if not identity:
            return self._refuse(connection, identity, HTTPStatus.NOT_FOUND, "the path is /<identity>")
        if self.password is not None and not _credentials_match(request, identity, self.password):
            response = self._refuse(connection, identity, HTTPStatus.UNAUTHORIZED, "wrong identity or password")
            response.headers["WWW-Authenticate"] = 'Basic realm="csms"'
            return response
        return None

    def _refuse(self, connection: ServerConnection, identity: str, status: HTTPStatus, why: str) -> Response:
        self.desk.record(identity, 0, Direction.IN, FrameKind.REFUSED, f"{status.value} {why}")
        return connection.respond(status, why + "\n")

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        identity = identity_in(connection.request.path)
        older = self.peers.get(identity)
        card = self.desk.station(identity)
        card.connections += 1
        card.connected, card.since_s, card.subprotocol = True, time.monotonic(), connection.subprotocol
        peer = make_peer(self.desk, connection, identity)
        self.peers[identity] = peer
        number = peer.number
        self.desk.record(identity, number, Direction.IN, FrameKind.CONNECTED, str(connection.subprotocol))
        if older is not None:
            await older.close(REPLACED, "replaced by a newer connection")
        try:
            await peer.serve()
        finally:
            if self.peers.get(identity) is peer:
                del self.peers[identity]
                card.connected, card.since_s = False, time.monotonic()
            ending = f"{connection.close_code} {connection.close_reason or ''}".rstrip()
            self.desk.record(identity, number, Direction.IN, FrameKind.DISCONNECTED, ending)


def make_peer(desk: Desk, connection: ServerConnection, identity: str) -> Peer:
    """Build the end of a connection for the version that was agreed on."""
    from hil.csms_peer import Outbox, Peer  # the `ocpp` package is optional; see `main`
    from hil.csms_v16 import Station16
    from hil.csms_v201 import Station201

    outbox = Outbox()
    if connection.subprotocol == "ocpp1.6":
        return Peer(desk, connection, identity, "1.6", Station16(identity, desk, outbox), outbox)
    return Peer(desk, connection, identity, "2.0.1", Station201(identity, desk, outbox), outbox)


def identity_in(path: str) -> str:
    """Return a station's identity: the last part of the path, percent-decoded. Source: OCPP-J 1.6 section 3.1.1."""
    return unquote(urlsplit(path).path.rpartition("/")[2])


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or nothing."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the CSMS until SIGTERM, SIGINT or the verb ``stop``; return the exit code."""
    parser = argparse.ArgumentParser(prog="charge-bench csms", description="The bench's CSMS (OCPP 1.6 and 2.0.1).")
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path(os.environ.get("CHARGE_BENCH_DIR", ".bench")),
        help="for csms.port and csms.sock (default: $CHARGE_BENCH_DIR or ./.bench)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="TCP port, 0 takes a free one (default)")
    parser.add_argument("--tls-cert", type=Path, help="certificate chain, PEM; turns TLS on")
    parser.add_argument("--tls-key", type=Path, help="its private key, PEM, when not in the same file")
    parser.add_argument("--password", help="ask for HTTP Basic auth: the identity and this password")
    parser.add_argument("--ping", type=float, metavar="S", help="WebSocket ping interval in seconds (default: none)")
    args = parser.parse_args(argv)
    if importlib.util.find_spec("ocpp") is None:
        print('charge-bench csms needs the package ocpp: pip install "charge-agent[bench]"', file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("ocpp").setLevel(logging.CRITICAL)  # what it would say is in the record and in the book
    logging.getLogger("websockets").setLevel(logging.ERROR)
    setting = Setting(
        directory=args.dir,
        host=args.host,
        port=args.port,
        tls_cert=args.tls_cert,
        tls_key=args.tls_key,
        password=args.password,
        ping_s=args.ping,
    )
    return asyncio.run(_run(setting))


async def _run(setting: Setting) -> int:
    try:
        async with Csms(setting) as csms:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, csms.stopped.set)
            print(f"csms ready {csms.url}", flush=True)
            await csms.stopped.wait()
    except CsmsRefused as exc:
        print(f"charge-bench csms: {exc}: stop it, or use another --dir", file=sys.stderr)
        return 1
    except (OSError, ssl.SSLError) as exc:
        print(f"charge-bench csms cannot serve {setting.host}:{setting.port}: {exc}", file=sys.stderr)
        return 1
    return 0


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Choose the station's first offer that is served; none served: go on without one, as RFC 6455 wants it."""
    return next((each for each in offered if each in SUBPROTOCOLS), None)


def _credentials_match(request: Request, identity: str, password: str) -> bool:
    kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if kind.casefold() != "basic":
        return False
    with contextlib.suppress(binascii.Error):
        return base64.b64decode(encoded, validate=True) == f"{identity}:{password}".encode()
    return False


if __name__ == "__main__":
    sys.exit(main())
