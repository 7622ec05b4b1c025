"""Fetching and sending files: blocking work in a thread of its own, which ends when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from agent.maintenance.address import Address
from agent.maintenance.part_file import Incomplete, PartFile

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")
CHUNK_B: Final = 65_536
SILENCE_S: Final = 30.0  # a server that says nothing for so long is lost
ENDING_S: Final = 10.0  # how long work that was told to end may take to do so


class Trouble(Enum):
    """Why a transfer failed."""

    UNREACHABLE = "unreachable"  # no connection, or it broke off
    DENIED = "denied"  # the server wants other credentials
    MISSING = "missing"  # there is no such file
    NOT_SUPPORTED = "not_supported"  # the server does not do that
    NOT_UNDERSTOOD = "not_understood"  # the server did not understand us, or we the server
    TOO_LARGE = "too_large"
    NO_ROOM = "no_room"  # here
    NO_MEANS = "no_means"  # this station does not have that protocol


LASTING: Final = frozenset({Trouble.DENIED, Trouble.MISSING, Trouble.NOT_SUPPORTED, Trouble.TOO_LARGE})
"""Troubles that another attempt a moment later will meet again."""

HOPELESS: Final = frozenset({Trouble.TOO_LARGE, Trouble.NO_MEANS})
"""Troubles that no number of attempts changes."""


class TransferFailed(Exception):
    """A file did not come or go; the text says why, without credentials."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        self.trouble = trouble
        super().__init__(text)


class TransferStopped(Exception):
    """Somebody does not want the file any more."""


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What the station has for transfers.

    Attributes:
        schemes: those that may be followed.
        roots_pem: roots to trust beside the system's, for HTTPS and FTPS.
        known_hosts: OpenSSH file of the SFTP servers' keys; without it there is no SFTP.
        ssh_key: private key to show to SFTP servers.
        longest_s: of one attempt.
    """

    schemes: tuple[str, ...]
    roots_pem: str = ""
    known_hosts: Path | None = None
    ssh_key: Path | None = None
    longest_s: float = 7200.0

    def tls(self) -> ssl.SSLContext:
        """Return what servers are judged by. Raises ``TransferFailed`` where a root cannot be read."""
        import ssl

        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # whoever is named as root is one
        if self.roots_pem:
            try:
                context.load_verify_locations(cadata=self.roots_pem)
            except ssl.SSLError as error:
                raise TransferFailed(Trouble.UNREACHABLE, f"the station's roots cannot be read: {error}") from error
        return context


class Stop:
    """Tells blocking work to end, and closes what it waits for. Safe between threads."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._close: list[Callable[[], None]] = []

    def ask(self) -> None:
        """Ask the work to end; what it waits for is closed."""
        with self._lock:
            self._asked.set()
            closing, self._close = self._close, []
        for close in closing:
            with contextlib.suppress(OSError):
                close()

    def check(self) -> None:
        """Raise ``TransferStopped`` if the work is to end."""
        if self._asked.is_set():
            raise TransferStopped

    def closes(self, close: Callable[[], None]) -> None:
        """Have ``close`` called when the work is to end, from another thread."""
        with self._lock:
            if not self._asked.is_set():
                self._close.append(close)
                return
        close()

    def closes_socket(self, link: socket.socket | None) -> None:
        """Have a socket shut down when the work is to end: whoever reads from it comes back."""
        if link is not None:
            self.closes(lambda: link.shutdown(socket.SHUT_RDWR))


async def in_thread(work: Callable[[Stop], T], *, longest_s: float | None = None) -> T:
    """Return what ``work`` returns; it runs in a thread of its own and is told to end when the caller is cancelled.

    Raises:
        TransferFailed: it took longer than ``longest_s``. Whatever ``work`` raises.
    """
    stop = Stop()
    thread = ThreadPoolExecutor(1, thread_name_prefix="transfer")
    working = asyncio.get_running_loop().run_in_executor(thread, work, stop)
    working.add_done_callback(_looked_at)
    try:
        async with asyncio.timeout(longest_s):
            return await asyncio.shield(working)
    except TimeoutError as error:
        if working.done():  # the work's own
            raise
        raise TransferFailed(Trouble.UNREACHABLE, f"it took longer than {longest_s:g} s") from error
    finally:
        stop.ask()
        thread.shutdown(wait=False)
        if not working.done():  # its file is nobody else's before it has ended
            await asyncio.wait((working,), timeout=ENDING_S)


def _looked_at(working: asyncio.Future[T]) -> None:
    """Take note of the work's end, which nobody may be waiting for any more."""
    if not working.cancelled():
        working.exception()


async def fetch(address: Address, part: PartFile, means: Means) -> None:
    """Fetch the file at ``address`` into ``part`` and finish it, going on where an earlier attempt stopped.

    Raises:
        TransferFailed: it did not come whole.
    """

    def work(stop: Stop) -> None:
        match address.scheme:
            case "http" | "https":
                from agent.maintenance.http_files import fetch_http

                fetch_http(address, part, means, stop)
            case "ftp" | "ftps":
                from agent.maintenance.ftp_files import fetch_ftp

                fetch_ftp(address, part, means, stop)
            case _:
                from agent.maintenance.sftp_files import fetch_sftp

                fetch_sftp(address, part, means, stop)
        try:
            part.finish()
        except Incomplete as error:
            raise TransferFailed(Trouble.UNREACHABLE, f"{address.shown}: {error}") from error

    await in_thread(work, longest_s=means.longest_s)


async def send(address: Address, file: Path, name: str, means: Means) -> None:
    """Send ``file`` to ``address`` under ``name``, where the address names a folder.

    Raises:
        TransferFailed: it did not arrive.
    """

    def work(stop: Stop) -> None:
        match address.scheme:
            case "http" | "https":
                from agent.maintenance.http_files import send_http

                send_http(address, file, name, means, stop)
            case "ftp" | "ftps":
                from agent.maintenance.ftp_files import send_ftp

                send_ftp(address, file, name, means, stop)
            case _:
                from agent.maintenance.sftp_files import send_sftp

                send_sftp(address, file, name, means, stop)

    await in_thread(work, longest_s=means.longest_s)


def usable(schemes: Collection[str]) -> tuple[str, ...]:
    """Return those of ``schemes`` that this station has the means for; SFTP needs the package asyncssh."""
    from importlib.util import find_spec

    return tuple(each for each in schemes if each != "sftp" or find_spec("asyncssh") is not None)
