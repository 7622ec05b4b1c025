"""Keys on a PKCS #11 token: made there, used there, never seen elsewhere. Files here only say which key it is.

A generation is a folder as in ``FileKeyStore``: the chain, the public key, the key's id on the token, and as
``key.pem`` the reference by which OpenSSL's provider finds it. Every key that the station makes is noted before it is
made; what is noted and stands in no generation is stale and is deleted on the token. Nobody else's key is ever touched.

Source: security whitepaper A00.FR.501-511, A02, A03.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from agent.model.key_store import key_uri
from agent.security.certificates import KeyKind, Rejected, Subject, check_station_chain
from agent.security.generations import CHAIN, KEY, Generations
from agent.security.key_token import KeyToken
from agent.security.keystore import TlsIdentity
from agent.security.openssl_provider import key_reference
from agent.security.private_files import write_private
from agent.security.token_words import TokenDeed, TokenError
from agent.security.validity import certificates_in, validity_of

FOLDER: Final = "station-keys-token"
MADE: Final = "made.json"
ID: Final = "id"
PUBLIC: Final = "public.pem"
_ID_BYTES: Final = 8


class TokenKeyStore:
    """The contract ``KeyStore``, kept by a token. What touches the token raises ``TokenError``, an ``OSError``."""

    def __init__(self, folder: Path, token: KeyToken) -> None:
        self._folder = folder / FOLDER
        self._generations = Generations(self._folder)
        self.token = token

    def identities(self) -> tuple[TlsIdentity, ...]:
        """Return the generations, the newest first; a damaged one is left out. The token is not touched."""
        found = []
        for place in self._generations.places():
            try:
                validity = validity_of((place / CHAIN).read_text("ascii"))
                key_id = _id_in(place)
            except (ValueError, FileNotFoundError):
                continue
            self._refer(place, key_id)
            found.append(
                TlsIdentity(chain=place / CHAIN, key=place / KEY, validity=validity, own=True, token_key=key_id)
            )
        return tuple(found)

    def request(self, subject: Subject, kind: KeyKind) -> str:
        """Make a key on the token that waits for its certificate; one that waited before is deleted there."""
        key_id = secrets.token_hex(_ID_BYTES)
        self._generations.drop_pending()
        stale = self._stale()
        self._note((*self._made(), key_id))
        answer = self.token.do(
            TokenDeed.MAKE,
            key_id=key_id,
            key_kind=kind.value,
            common_name=subject.common_name,
            organization=subject.organization,
            delete=stale,
        )
        self._forget(answer.deleted)
        pending = self._generations.pending
        write_private(pending / ID, key_id.encode())
        write_private(pending / PUBLIC, answer.public_pem.encode())
        self._refer(pending, key_id)
        return answer.request_pem

    def waiting(self) -> bool:
        """Return whether a key waits for its certificate."""
        return self._generations.waiting()

    def accept(
        self, chain_pem: str, subject: Subject, names: Sequence[str], roots: Sequence[str], now_s: float | None
    ) -> tuple[str, ...]:
        """Keep the certificate of the waiting key, also on the token; the oldest generation and its key go."""
        pending = self._generations.pending
        try:
            public = (pending / PUBLIC).read_text("ascii")
            key_id = _id_in(pending)
        except (FileNotFoundError, ValueError):
            raise Rejected("the station asked for none") from None
        chain = check_station_chain(
            chain_pem, public_pem=public, subject=subject, names=names, roots=roots, now_s=now_s
        )
        write_private(pending / CHAIN, chain.encode())
        self._generations.promote()
        leaf = certificates_in(chain)[0]
        try:
            answer = self.token.do(TokenDeed.KEEP, key_id=key_id, certificate_pem=leaf, delete=self._stale())
        except TokenError as error:  # the certificate is kept here, which is what counts; the next one tidies up
            return (str(error),)
        self._forget(answer.deleted)
        return answer.remarks

    def _refer(self, place: Path, key_id: str) -> None:
        """Write by which reference OpenSSL finds the key, where that changed: the PIN's file is named in it."""
        pin_file = self.token.pin_file()
        if pin_file is None:
            return
        reference = key_reference(key_uri(self.token.place.token, bytes.fromhex(key_id), str(pin_file.absolute())))
        path = place / KEY
        if not path.exists() or path.read_text("ascii") != reference:
            write_private(path, reference.encode())

    # ---- which keys on the token are ours --------------------------------------------------------------------------

    def _stale(self) -> tuple[str, ...]:
        """Return the ids of keys that the station made and has no more use for."""
        used = set()
        for place in (*self._generations.places(), self._generations.pending):
            try:
                used.add(_id_in(place))
            except FileNotFoundError:
                continue
            except ValueError:  # damaged: whose it was nobody knows, so nothing is deleted
                return ()
        return tuple(each for each in self._made() if each not in used)

    def _made(self) -> tuple[str, ...]:
        try:
            return tuple(msgspec.json.decode((self._folder / MADE).read_bytes(), type=list[str]))
        except (FileNotFoundError, msgspec.DecodeError):
            return ()

    def _note(self, ids: Sequence[str]) -> None:
        write_private(self._folder / MADE, msgspec.json.encode(list(ids)))

    def _forget(self, gone: Sequence[str]) -> None:
        if gone:
            self._note([each for each in self._made() if each not in gone])


def _id_in(place: Path) -> str:
    """Return the id of a generation's key, hex. Raises ``FileNotFoundError``; ``ValueError`` where it is none."""
    text = (place / ID).read_text("ascii")
    if len(bytes.fromhex(text)) != _ID_BYTES:
        raise ValueError(f"{text!r} is no id of a key, expected {_ID_BYTES} bytes in hex")
    return text
