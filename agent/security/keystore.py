"""The station's own keys: made on the station, never leaving it. `KeyStore` is the contract; files are its keeping.

`FileKeyStore` keeps at most two generations of key and certificate, each in a folder of its own that appears whole or
not at all; the older one stays as fall-back. A key that was asked about waits in ``pending`` until its certificate
comes. `GivenKeys` shows a key and certificate made elsewhere (systemd credentials, files of the manufacturer): read,
never written.

A PKCS #11 token or TPM has no store of its own here. OpenSSL 3 can use one through a provider (pkcs11-provider,
tpm2-openssl) where the client key's PEM is the provider's reference to it: then such a file is a `GivenKeys` key, and
its request is made with the token's own tools. unverified: no such device was tried.

Source: security whitepaper A00.FR.501-511, A02, A03.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from agent.atomic import sync_folder
from agent.security.certificates import KeyKind, Rejected, Subject, check_station_chain, make_key, make_request
from agent.security.private_files import make_private_folder, write_private
from agent.security.validity import Validity, validity_of

FOLDER: Final = "station-keys"
PENDING: Final = "pending"
KEY: Final = "key.pem"
CHAIN: Final = "chain.pem"
GENERATIONS: Final = 2


class TlsIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate of the station with its key, as OpenSSL loads them."""

    chain: Path
    key: Path
    validity: Validity
    own: bool  # the station made the key


class KeyStore(Protocol):
    """Keeps the station's private key. No method returns one."""

    def identities(self) -> tuple[TlsIdentity, ...]:
        """Return what can be shown to the CSMS, the newest first. Raises ``OSError`` where it cannot be read."""

    def request(self, subject: Subject, kind: KeyKind) -> str:
        """Make a new key and return the request to certify it, PEM. Raises ``OSError``."""

    def waiting(self) -> bool:
        """Return whether a key waits for its certificate."""

    def accept(self, chain_pem: str, subject: Subject, names: Sequence[str], roots: Sequence[str], now_s: float | None) -> None:  # fmt: skip  # noqa: E501
        """Keep the certificate of the waiting key; it is the newest from now on.

        Raises:
            Rejected: it is not acceptable, or no key waits.
            OSError: it cannot be kept.
        """


class FileKeyStore:
    """Keys as files of mode 0600 in the station's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def identities(self) -> tuple[TlsIdentity, ...]:
        """Return the generations, the newest first; a damaged one is left out."""
        found = []
        for number in self._numbers():
            place = self._folder / str(number)
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
        write_private(self._folder / PENDING / KEY, key_pem.encode())
        return request_pem

    def waiting(self) -> bool:
        """Return whether a key waits for its certificate."""
        return (self._folder / PENDING / KEY).exists()

    def accept(
        self, chain_pem: str, subject: Subject, names: Sequence[str], roots: Sequence[str], now_s: float | None
    ) -> None:
        """Keep the certificate of the waiting key as the newest generation; the oldest goes."""
        pending = self._folder / PENDING
        try:
            key_pem = (pending / KEY).read_text("ascii")
        except FileNotFoundError:
            raise Rejected("the station asked for none") from None
        chain = check_station_chain(chain_pem, key_pem=key_pem, subject=subject, names=names, roots=roots, now_s=now_s)
        write_private(pending / CHAIN, chain.encode())
        numbers = self._numbers()
        os.replace(pending, self._folder / str((numbers[0] if numbers else 0) + 1))
        sync_folder(self._folder)
        for number in numbers[GENERATIONS - 1 :]:
            shutil.rmtree(self._folder / str(number), ignore_errors=True)

    def _numbers(self) -> list[int]:
        make_private_folder(self._folder)
        names = [path.name for path in self._folder.iterdir() if (path / CHAIN).exists() and (path / KEY).exists()]
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


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
