"""Everything that the station keeps secret or trusts: the files below ``state_dir`` and what it was given.

Opening it reads two small files; certificates are looked at when they are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from agent.model.key_store import KeyStoreKind, KeyTokenPlace
from agent.model.security import RootPurpose
from agent.security.passwords import PasswordSlots
from agent.security.profile import ProfileRecord
from agent.security.roots import RootStore
from agent.security.secret_names import CLIENT_CERTIFICATE, CLIENT_KEY, CSMS_PASSWORD, TOKEN_PIN
from agent.security.secrets import FOLDER, SecretStore

if TYPE_CHECKING:
    from agent.security.event_log import SecurityLog
    from agent.security.keystore import FileKeyStore, KeyStore, TlsIdentity
    from agent.security.token_keystore import TokenKeyStore

SECURITY_FOLDER: Final = "security"
TLS_PROFILE: Final = 2
CLIENT_PROFILE: Final = 3


class Provision(msgspec.Struct, frozen=True, kw_only=True):
    """What the station file says about security.

    Attributes:
        encrypted: every address is ``wss://``.
        profile: ``None``: what addresses and credentials amount to.
        key_token: where the station's own keys are made and kept; ``None``: in files.
    """

    state_dir: Path
    password_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    root_certificates: tuple[Path, ...] = ()
    additional_root_check: bool = False
    encrypted: bool = False
    profile: int | None = None
    key_token: KeyTokenPlace | None = None


class Vault:
    """See the module's text.

    Args:
        identity_password: returns the password of the identity file, ``None`` where it has none.
        credentials: systemd's folder, where it is not the environment's.
    """

    def __init__(
        self,
        provision: Provision,
        *,
        identity_password: Callable[[], str | None] = lambda: None,
        credentials: Path | None = None,
    ) -> None:
        self._provision = provision
        self._identity_password = identity_password
        folder = provision.state_dir / SECURITY_FOLDER
        self._folder = folder
        self.secrets = SecretStore(provision.state_dir, credentials)
        self.passwords = PasswordSlots(provision.state_dir / FOLDER, self.provisioned_password)
        self.roots = RootStore(folder, provision.root_certificates, additional_check=provision.additional_root_check)
        self.token_trouble = ""
        self.profile = ProfileRecord(folder, provision.profile, self._file_profile())

    @cached_property
    def log(self) -> SecurityLog:
        """Return the station's security log."""
        from agent.security.event_log import SecurityLog

        return SecurityLog(self._folder)

    def provisioned_password(self) -> str | None:
        """Return the password that was set on the station: secret, credential, password file, identity file.

        Raises:
            SecretError, OSError, ValueError: it cannot be read.
        """
        secret = self.secrets.read(CSMS_PASSWORD)
        if secret is not None:
            return secret.text
        if self._provision.password_file is not None:
            return self._provision.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        return self._identity_password()

    def has_password(self) -> bool:
        """Return whether there is one."""
        named = self._provision.password_file is not None or self.secrets.path(CSMS_PASSWORD) is not None
        if named or self.passwords.has_any():
            return True
        try:
            return self._identity_password() is not None
        except ValueError:  # it is there but cannot be read: the connection says so
            return True

    def profile_in_use(self) -> int:
        """Return the security profile that connections use: the proven one, or more where credentials came since."""
        return max(self.profile.current, self._file_profile())

    @property
    def key_store(self) -> KeyStoreKind:
        """Return who keeps the keys that the station makes."""
        return KeyStoreKind.FILE if self._provision.key_token is None else KeyStoreKind.PKCS11

    @property
    def where_keys_are(self) -> str:
        """Return the same in words: "in files"; of a token also why it cannot be used, as far as is known."""
        place = self._provision.key_token
        if place is None:
            return "in files"
        return f"on token {place.token}" + (
            f", which cannot be used: {self.token_trouble}" if self.token_trouble else ""
        )

    def keys(self) -> KeyStore:
        """Return the station's own keys."""
        return self._files if self._token is None else self._token

    def make_ready(self) -> None:
        """See that a token can be used, before somebody connects. Blocks for up to half a minute where there is one.

        Why it cannot is kept in ``token_trouble``; then its certificates are not shown, only those of other keys.
        A token that holds no key yet is looked at all the same: who commissions a station wants to know.
        """
        if self._token is None:
            return
        try:
            identities = self._token.identities()
            self._token.token.check(identities[0].token_key if identities else "")
        except OSError as error:  # a TokenError is one; so is a state folder that cannot be written
            self.token_trouble = str(error)
        else:
            self.token_trouble = ""

    def tls_refused_token(self) -> None:
        """OpenSSL could not use the token: it is looked at again before the next connection."""
        if self._token is not None:
            self._token.token.doubt()

    def proven(self, identity_key: Path) -> bool:
        """The CSMS took the certificate of this key. Keys that an earlier key store left in files go then.

        Returns whether some went. Raises ``OSError``.
        """
        if self._token is None or not any(each.key == identity_key for each in self._token.identities()):
            return False
        had_files = bool(self._files.identities()) or self._files.waiting()
        if had_files:
            self._files.forget()
        return had_files

    def identities(self, now_s: float | None) -> tuple[TlsIdentity, ...]:
        """Return the certificates that can be shown now, the likeliest first. Raises ``OSError``.

        Those of the station's own keys come before one that was made elsewhere, and a token's before those in files,
        which an earlier key store left. Without the time of day dates do not count; one that has expired comes last
        rather than never, because the CSMS decides.
        """
        from agent.security.keystore import GivenKeys

        given = GivenKeys(*self._given_files())
        on_token = () if self._token is None or self.token_trouble else self._token.identities()
        every = (*on_token, *self._files.identities(), *given.identities())
        if now_s is None:
            return every
        valid = [each for each in every if each.validity.not_before_s <= now_s <= each.validity.not_after_s]
        expired = [each for each in every if each.validity.not_after_s < now_s]
        return (*valid, *expired)

    @cached_property
    def _files(self) -> FileKeyStore:
        from agent.security.keystore import FileKeyStore

        return FileKeyStore(self._folder)

    @cached_property
    def _token(self) -> TokenKeyStore | None:
        place = self._provision.key_token
        if place is None:
            return None
        from agent.security.key_token import KeyToken
        from agent.security.token_keystore import TokenKeyStore

        return TokenKeyStore(self._folder, KeyToken(place, self._folder, lambda: self.secrets.read(TOKEN_PIN)))

    def may_raise_to(self, profile: int, now_s: float | None) -> str:
        """Return why a security profile cannot be raised to ``profile``; "" where it can. Source: whitepaper A05."""
        if not self.profile_in_use() < profile <= CLIENT_PROFILE:
            return f"{profile} is not above {self.profile_in_use()}"
        if profile < CLIENT_PROFILE and not self.has_password():
            return "there is no password (AuthorizationKey)"
        if profile >= TLS_PROFILE and not self.roots.any_for_csms():
            return "there is no root certificate for the CSMS"
        if profile == CLIENT_PROFILE and not self.identities(now_s):
            return self.token_trouble or "there is no certificate of the station"
        return ""

    def trusted_for_csms(self) -> tuple[str, ...]:
        """Return every root named for the CSMS, PEM. Raises ``OSError``, ``ValueError``."""
        return (*self.roots.configured(), *self.roots.installed(RootPurpose.CSMS))

    def given_certificates(self) -> Sequence[Path]:
        """Return the PEM files of certificates that were made elsewhere, to watch their dates."""
        chain, _ = self._given_files()
        return () if chain is None else (chain,)

    def _given_files(self) -> tuple[Path | None, Path | None]:
        chain, key = self._provision.client_certificate, self._provision.client_key
        return chain or self.secrets.path(CLIENT_CERTIFICATE), key or self.secrets.path(CLIENT_KEY)

    def _file_profile(self) -> int:
        given = self._provision.profile
        if given is not None:
            return given
        chain, key = self._given_files()
        if self._provision.encrypted and chain is not None and key is not None:
            return CLIENT_PROFILE
        if not self.has_password():
            return 0
        return TLS_PROFILE if self._provision.encrypted else 1
