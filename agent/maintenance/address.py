"""Places that files come from and go to. Credentials inside an address are used and never shown. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

import msgspec

from agent.model.addresses import problem_of_transfer

_PORTS: Final = {"http": 80, "https": 443, "ftp": 21, "ftps": 21, "sftp": 22}
IMPLICIT_FTPS_PORT: Final = 990


class AddressRefused(Exception):
    """The address is none that a file may be fetched from or sent to; the text says why, without the address."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """One place.

    Attributes:
        target: path and query as an HTTP request says them. path: decoded, for FTP and SFTP.
        user, password: decoded; ``None`` where the address names none.
    """

    scheme: str
    host: str
    port: int
    target: str
    path: str
    user: str | None = None
    password: str | None = None

    @property
    def shown(self) -> str:
        """Return the address for logs and people: without credentials and without a query, which may hold a key."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def parse_address(text: str, schemes: Collection[str]) -> Address:
    """Return the place that ``text`` names. Raises ``AddressRefused``: not one of ``schemes``, or no address."""
    problem = problem_of_transfer(text, schemes)
    if problem:
        raise AddressRefused(f"the address {problem}")
    parts = urlsplit(text)
    path = unquote(parts.path, errors="replace")
    user = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    for each in (path, user, password):
        if each is not None and not each.isprintable():
            raise AddressRefused("the address holds characters that cannot be printed")
    return Address(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        path=path or "/",
        user=user,
        password=password,
    )


def redirected(address: Address, location: str, schemes: Collection[str]) -> Address:
    """Return where a redirection leads; credentials stay with their host.

    Raises:
        AddressRefused: it leads to where no file may come from, or from TLS to what anybody can read.
    """
    host = f"[{address.host}]" if ":" in address.host else address.host
    there = parse_address(urljoin(f"{address.scheme}://{host}:{address.port}{address.target}", location), schemes)
    if address.scheme == "https" and there.scheme != "https":
        raise AddressRefused(f"the redirection leads from https to {there.scheme}")
    if (there.scheme, there.host, there.port) == (address.scheme, address.host, address.port):
        return msgspec.structs.replace(there, user=address.user, password=address.password)
    return there


def within(address: Address, name: str) -> str:
    """Return the path of the file ``name`` in the folder that the address names."""
    return posixpath.join(address.path, name)
