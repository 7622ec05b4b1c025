"""Files by HTTP and HTTPS, blocking, with the standard library.

A download goes on where it stopped if the server says that it is still the same file (If-Range with its ETag or date),
or, where it names neither, if the size is the same.

Source: RFC 9110 §13.1.5 (If-Range), §14 (range requests), §15.4 (redirections).
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agent.maintenance.address import Address, AddressRefused, redirected
from agent.maintenance.part_file import Incomplete, NoRoom, Note, PartFile, TooLarge
from agent.maintenance.transfer import CHUNK_B, SILENCE_S, Means, Stop, TransferFailed, TransferStopped, Trouble

MOST_REDIRECTIONS: Final = 5
AGENT: Final = "charge-agent"
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_TROUBLE_OF: Final[Mapping[int, Trouble]] = {
    400: Trouble.NOT_UNDERSTOOD,
    401: Trouble.DENIED,
    403: Trouble.DENIED,
    404: Trouble.MISSING,
    405: Trouble.NOT_SUPPORTED,
    407: Trouble.DENIED,
    410: Trouble.MISSING,
    411: Trouble.NOT_UNDERSTOOD,
    413: Trouble.NOT_SUPPORTED,
    415: Trouble.NOT_UNDERSTOOD,
    501: Trouble.NOT_SUPPORTED,
}
_REDIRECTIONS: Final = (301, 302, 303, 307, 308)


def fetch_http(address: Address, part: PartFile, means: Means, stop: Stop) -> None:
    """Fetch into ``part``; see ``transfer.fetch``. The part is left open for ``finish``."""
    known = part.known()
    for _ in range(MOST_REDIRECTIONS + 1):
        with _connected(address, means, stop) as connection:
            response = _ask(connection, address, known)
            if response.status in _REDIRECTIONS:
                address = _next(address, response, means)
                continue
            if response.status == 416 and known.durable_b:  # the file is another one now
                known = Note(source=known.source)
                continue
            try:
                _take(response, part, known, stop)
            except (TooLarge, NoRoom, Incomplete) as error:
                part.discard()
                raise TransferFailed(_trouble_here(error), str(error)) from error
            except TransferStopped:
                _pause(part)
                raise
            except (OSError, http.client.HTTPException) as error:
                _pause(part)
                stop.check()
                raise TransferFailed(Trouble.UNREACHABLE, f"{address.shown}: {_said(error)}") from error
            return
    raise TransferFailed(Trouble.NOT_UNDERSTOOD, f"{address.shown}: more than {MOST_REDIRECTIONS} redirections")


def send_http(address: Address, file: Path, name: str, means: Means, stop: Stop) -> None:
    """Send ``file``; see ``transfer.send``.

    The address is that of a folder (OCPP 1.6 §6.23) unless it has a query, as signed addresses do, or looks like a
    file's own. A server that does not take a PUT there is asked in the next likely way.
    """
    status = 0
    for method, target in _ways(address.target, name):
        with _connected(address, means, stop) as connection, file.open("rb") as body:
            headers = {
                **_headers(address),
                "Content-Type": "application/gzip",
                "Content-Length": str(file.stat().st_size),
                "Content-Disposition": f'attachment; filename="{name}"',
            }
            try:
                connection.request(method, target, body, headers)
                status = connection.getresponse().status
            except (OSError, http.client.HTTPException) as error:
                stop.check()
                raise TransferFailed(Trouble.UNREACHABLE, f"{address.shown}: {_said(error)}") from error
        if 200 <= status < 300:
            return
        if status not in (404, 405, 501):
            break
    raise TransferFailed(_TROUBLE_OF.get(status, Trouble.UNREACHABLE), f"{address.shown}: it answers HTTP {status}")


def _ways(target: str, name: str) -> list[tuple[str, str]]:
    """Return the methods and targets to try."""
    path, mark, _ = target.partition("?")
    last = path.rpartition("/")[2]
    if not mark and not last:
        return [("PUT", path + name), ("POST", path)]
    if not mark and "." not in last:
        return [("PUT", f"{path}/{name}"), ("PUT", path), ("POST", path)]
    return [("PUT", target), ("POST", target)]


class _connected:  # noqa: N801 - a context, used like a function
    """An open connection."""

    def __init__(self, address: Address, means: Means, stop: Stop) -> None:
        stop.check()
        if address.scheme == "https":
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                address.host, address.port, timeout=SILENCE_S, context=means.tls()
            )
        else:
            self._connection = http.client.HTTPConnection(address.host, address.port, timeout=SILENCE_S)
        try:
            self._connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise TransferFailed(
                Trouble.UNREACHABLE, f"{address.shown}: its certificate is not believed: {error.verify_message}"
            ) from error
        except OSError as error:
            raise TransferFailed(Trouble.UNREACHABLE, f"{address.shown}: {_said(error)}") from error
        stop.closes_socket(self._connection.sock)

    def __enter__(self) -> http.client.HTTPConnection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _ask(connection: http.client.HTTPConnection, address: Address, known: Note) -> http.client.HTTPResponse:
    headers = _headers(address)
    if known.durable_b:
        headers["Range"] = f"bytes={known.durable_b}-"
        if known.validator:
            headers["If-Range"] = known.validator
    try:
        connection.request("GET", address.target, headers=headers)
        return connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise TransferFailed(Trouble.UNREACHABLE, f"{address.shown}: {_said(error)}") from error


def _next(address: Address, response: http.client.HTTPResponse, means: Means) -> Address:
    try:
        schemes = [each for each in means.schemes if each in ("http", "https")]
        return redirected(address, response.headers.get("Location", ""), schemes)
    except AddressRefused as error:
        raise TransferFailed(Trouble.NOT_SUPPORTED, f"{address.shown}: {error}") from error


def _take(response: http.client.HTTPResponse, part: PartFile, known: Note, stop: Stop) -> None:
    if response.status not in (200, 206):
        trouble = _TROUBLE_OF.get(response.status, Trouble.UNREACHABLE)
        raise TransferFailed(trouble, f"it answers HTTP {response.status}")
    offset_b, total_b = _extent(response, known)
    part.begin(offset_b, total_b=total_b, validator=_validator(response))
    while chunk := response.read1(CHUNK_B):
        part.write(chunk)
        stop.check()


def _extent(response: http.client.HTTPResponse, known: Note) -> tuple[int, int | None]:
    """Return where the content begins in the file, and the file's size where it is known."""
    if response.status == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    place = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if place is None or int(place[1]) != known.durable_b:
        raise TransferFailed(Trouble.NOT_UNDERSTOOD, "the server sends another range than the one asked for")
    total_b = None if place[3] == "*" else int(place[3])
    if not known.validator and total_b != known.total_b:
        raise Incomplete("the file's size has changed since the last attempt")
    return known.durable_b, total_b


def _validator(response: http.client.HTTPResponse) -> str:
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):  # a weak one says nothing about bytes
        return etag
    return response.headers.get("Last-Modified", "") or ""


def _headers(address: Address) -> dict[str, str]:
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    if address.user is not None:
        pair = f"{address.user}:{address.password or ''}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode("ascii")
    return headers


def _pause(part: PartFile) -> None:
    """Keep what has come, if the disk lets us."""
    with contextlib.suppress(OSError):
        part.pause()


def _trouble_here(error: Exception) -> Trouble:
    match error:
        case TooLarge():
            return Trouble.TOO_LARGE
        case NoRoom():
            return Trouble.NO_ROOM
    return Trouble.UNREACHABLE


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"it says nothing for {SILENCE_S:.0f} s"
    return str(error) or type(error).__name__
