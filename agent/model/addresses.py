"""Addresses that others give the station: which of them it may follow. Pure.

A CSMS names the places that firmware comes from and logs go to. Only these schemes are followed; ``file:``, ``data:``,
``gopher:`` and whatever a library would also understand are not, and none without a host.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

TRANSFER_SCHEMES: Final = frozenset({"http", "https", "ftp", "ftps", "sftp"})
LONGEST_CHARS: Final = 2_000
_SHOWN_CHARS: Final = 12


def problem_of_transfer(address: str, schemes: Collection[str] = TRANSFER_SCHEMES) -> str:
    """Return why a file must not be fetched from or sent to ``address``, "" where it may.

    The text never holds the address itself, which may carry a password.
    """
    if len(address) > LONGEST_CHARS:
        return f"has {len(address)} characters, at most {LONGEST_CHARS} are followed"
    if not address.isprintable() or address != address.strip() or " " in address or "\\" in address:
        return "holds characters that do not belong into an address"
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no address"
    if parts.scheme not in schemes:
        scheme = parts.scheme[:_SHOWN_CHARS] or "none"
        return f"scheme {scheme} is not one of {', '.join(sorted(schemes))}"
    if not host:
        return "names no host"
    return ""
