"""Files by SFTP, blocking, with the optional package asyncssh (``pip install charge-agent[sftp]``).

A server is believed if its key stands in the station's ``known_hosts``. The library runs in an event loop of its own in
the transfer's thread: what it computes never holds up the station.
"""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent.maintenance.address import Address
from agent.maintenance.part_file import NoRoom, PartFile, TooLarge
from agent.maintenance.transfer import CHUNK_B, SILENCE_S, Means, Stop, TransferFailed, TransferStopped, Trouble


def fetch_sftp(address: Address, part: PartFile, means: Means, stop: Stop) -> None:
    """Fetch into ``part``; see ``transfer.fetch``. The part is left open for ``finish``."""

    async def fetch(files: Any) -> None:
        there = await files.stat(address.path)
        known = part.known()
        changed = str(there.mtime or "")
        same = known.durable_b > 0 and known.total_b == there.size and known.validator == changed
        offset_b = known.durable_b if same else 0
        part.begin(offset_b, total_b=there.size, validator=changed)
        async with files.open(address.path, "rb") as content:
            await content.seek(offset_b)
            while chunk := await content.read(CHUNK_B):
                part.write(chunk)

    try:
        _run(address, means, stop, fetch)
    except (TooLarge, NoRoom) as error:
        part.discard()
        trouble = Trouble.TOO_LARGE if isinstance(error, TooLarge) else Trouble.NO_ROOM
        raise TransferFailed(trouble, str(error)) from error
    except (TransferFailed, TransferStopped):
        with contextlib.suppress(OSError):
            part.pause()
        raise


def send_sftp(address: Address, file: Path, name: str, means: Means, stop: Stop) -> None:
    """Send ``file``; see ``transfer.send``. An address that names a folder there gets it under ``name``."""

    async def send(files: Any) -> None:
        folder = address.path.endswith("/") or await files.isdir(address.path)
        path = posixpath.join(address.path, name) if folder else address.path
        async with files.open(path, "wb") as content:
            with file.open("rb") as body:
                while chunk := body.read(CHUNK_B):
                    await content.write(chunk)

    _run(address, means, stop, send)


def _run(address: Address, means: Means, stop: Stop, work: Callable[[Any], Awaitable[None]]) -> None:
    try:
        import asyncssh
    except ImportError as error:
        raise TransferFailed(Trouble.NO_MEANS, "SFTP needs the package asyncssh, which is not installed") from error
    if means.known_hosts is None:
        raise TransferFailed(Trouble.NO_MEANS, "SFTP needs [maintenance] known_hosts, which is not given")

    async def whole() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()

        def cancel() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(task.cancel)

        stop.closes(cancel)
        async with _files(asyncssh, address, means) as files:
            await work(files)

    try:
        asyncio.run(whole())
    except asyncio.CancelledError as error:
        raise TransferStopped from error
    except asyncssh.SFTPNoSuchFile as error:
        raise TransferFailed(Trouble.MISSING, f"{address.shown}: there is no such file") from error
    except (asyncssh.SFTPPermissionDenied, asyncssh.PermissionDenied) as error:
        raise TransferFailed(Trouble.DENIED, f"{address.shown}: {error}") from error
    except asyncssh.SFTPOpUnsupported as error:
        raise TransferFailed(Trouble.NOT_SUPPORTED, f"{address.shown}: {error}") from error
    except (asyncssh.Error, OSError, TimeoutError) as error:
        raise TransferFailed(Trouble.UNREACHABLE, f"{address.shown}: {error or type(error).__name__}") from error


@asynccontextmanager
async def _files(asyncssh: Any, address: Address, means: Means) -> AsyncIterator[Any]:
    connection = asyncssh.connect(
        address.host,
        address.port,
        username=address.user or "anonymous",
        password=address.password,
        known_hosts=str(means.known_hosts),
        client_keys=None if means.ssh_key is None else [str(means.ssh_key)],
        config=None,
        agent_path=None,
        connect_timeout=SILENCE_S,
        login_timeout=SILENCE_S,
        keepalive_interval=SILENCE_S / 2,
    )
    async with connection as opened, opened.start_sftp_client() as files:
        yield files
