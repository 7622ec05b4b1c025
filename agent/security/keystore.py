"""The station's own keys: made on the station, never leaving it. `KeyStore` is the contract; files are its keeping.

`FileKeyStore` keeps at most two generations of key and certificate, each in a folder of its own that appears whole or
not at all; the older one stays as fall-back. A key that was asked about waits in ``pending`` until its certificate
comes. `TokenKeyStore` (``token_keystore``) does the same with keys that stay on a PKCS #11 token. `GivenKeys` shows a
key and certificate made elsewhere (systemd credentials, files of the manufacturer): read, never written.

Source: security whitepaper A00.FR.501-511, A02, A03.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from agent.security.certificates import (
    KeyKind,
    Rejected,
    Subject,
    check_station_chain,
    make_key,
    make_request,
    public_of,
)
from agent.security.generations import CHAIN, KEY, Generations
from agent.security.private_files import write_private
from agent.security.validity import Validity, validity_of

FOLDER: Final = "station-keys"


class TlsIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate of the station with its key, as OpenSSL loads them. ``key`` may only refer to a key on a token."""

    chain: Path
    key: Path
    validity: Validity
    own: bool  # the station made the key
    token_key: str = ""  # id of the key on its token, hex; "": the key is in the file


class KeyStore(Protocol):
    """Keeps the station's private key. No method returns one."""

    def identities(self) -> tuple[TlsIdentity, ...]:
        """Return what can be shown to the CSMS, the newest first. Raises ``OSError`` where it cannot be read."""

    def request(self, subject: Subject, kind: KeyKind) -> str:
        """Make a new key and return the request to certify it, PEM. Raises ``OSError``."""

    def waiting(self) -> bool:
        """Return whether a key waits for its certificate."""

    def accept(self, chain_pem: str, subject: Subject, names: Sequence[str], roots: Sequence[str], now_s: float | None) -> tuple[str, ...]:  # fmt: skip  # noqa: E501
        """Keep the certificate of the waiting key; it is the newest from now on.

        Returns:
            What could not be tidied up besides, in words; usually nothing.

        Raises:
            Rejected: it is not acceptable, or no key waits.
            OSError: it cannot be kept.
        """


class FileKeyStore:
    """Keys as files of mode 0600 in the station's folder."""

    def __init__(self, folder: Path) -> None:
        self._generations = Generations(folder / FOLDER)

    def identities(self) -> tuple[TlsIdentity, ...]:
        """Return the generations, the newest first; a damaged one is left out."""
        found = []
        for place in self._generations.places():
            try:
                validity = validity_of((place / CHAIN).read_text("ascii"))
            except ValueError:
                continue
            found.append(TlsIdentity(chain=place / CHAIN, key=place / KEY, validity=validity, own=True))
        return tuple(found)

    def request(self, subject: Subject, kind: KeyKind) -> str:
        """Make a key that waits for its certificate; one that waited before is dropped."""
        key_pem = make_key(kind)
        request_pem = make_request(key_pem, subject)
        write_private(self._generations.pending / KEY, key_pem.encode())
        return request_pem

    def waiting(self) -> bool:
        """Return whether a key waits for its certificate."""
        return self._generations.waiting()

    def accept(
        self, chain_pem: str, subject: Subject, names: Sequence[str], roots: Sequence[str], now_s: float | None
    ) -> tuple[str, ...]:
        """Keep the certificate of the waiting key as the newest generation; the oldest goes."""
        pending = self._generations.pending
        try:
            public = public_of((pending / KEY).read_text("ascii"))
        except FileNotFoundError:
            raise Rejected("the station asked for none") from None
        chain = check_station_chain(
            chain_pem, public_pem=public, subject=subject, names=names, roots=roots, now_s=now_s
        )
        write_private(pending / CHAIN, chain.encode())
        self._generations.promote()
        return ()

    def forget(self) -> None:
        """Remove every key. Raises ``OSError``."""
        self._generations.forget()


class GivenKeys:
    """One certificate and key made elsewhere.

    Args:
        chain, key: PEM files; ``None``: there is none.
    """

    def __init__(self, chain: Path | None, key: Path | None) -> None:
        self._chain = chain
        self._key = key

    def identities(self) -> tuple[TlsIdentity, ...]:
        """Return it, if it is there. Raises ``OSError`` where the certificate cannot be read."""
        if self._chain is None or self._key is None:
            return ()
        try:
            validity = validity_of(self._chain.read_text("utf-8"))
        except ValueError:
            return ()
        return (TlsIdentity(chain=self._chain, key=self._key, validity=validity, own=False),)
