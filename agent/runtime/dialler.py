"""Which way to the CSMS the next connection takes: address, security profile, password, certificate, roots.

Each failure moves on what it was about, and nothing else: a refused password to the other of two, a refused certificate
to the older one, a root that does not fit to the ones before it, anything else after some tries to the next address. A
connection that the CSMS used is proof: what it was made with counts from then on, and after it the first address is the
first again. Profiles never go down; one that is being tried and fails is given up for the one that worked.

Source: security whitepaper A01, A02, A05, M05; OCPP 2.0.1 B10 (order and attempts of network profiles).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from agent.clock import EARLIEST_UTC_S
from agent.log import get_logger
from agent.model.security import RootPurpose, SecurityEventKind
from agent.ocpp.tls import Dates, TlsOptions
from agent.ocpp.transport import CsmsEndpoint, LinkClosed, LinkFailure, password_bytes
from agent.security.secrets import SecretError
from agent.security.vault import CLIENT_PROFILE, TLS_PROFILE, Vault
from agent.settings.station import CsmsSettings, PasswordEncoding

if TYPE_CHECKING:
    from agent.security.keystore import TlsIdentity

_UNAUTHORIZED: Final = (401, 403)
_UNTRUSTED: Final = LinkFailure.TLS_UNTRUSTED
_EVENT_OF: Final[Mapping[LinkFailure, SecurityEventKind]] = MappingProxyType(
    {
        LinkFailure.TLS_UNTRUSTED: SecurityEventKind.INVALID_CSMS_CERTIFICATE,
        LinkFailure.TLS_WRONG_NAME: SecurityEventKind.INVALID_CSMS_CERTIFICATE,
        LinkFailure.TLS_EXPIRED: SecurityEventKind.INVALID_CSMS_CERTIFICATE,
        LinkFailure.TLS_NOT_YET_VALID: SecurityEventKind.INVALID_CSMS_CERTIFICATE,
        LinkFailure.TLS_VERSION: SecurityEventKind.INVALID_TLS_VERSION,
        LinkFailure.TLS_CIPHER: SecurityEventKind.INVALID_TLS_CIPHER_SUITE,
        LinkFailure.TLS_CLIENT_CERTIFICATE: SecurityEventKind.FAILED_TO_AUTHENTICATE,
    }
)
_ABOUT_CERTIFICATE: Final = (
    LinkFailure.TLS_CLIENT_CERTIFICATE,
    LinkFailure.TLS_CIPHER,  # TLS 1.2 says so of a missing certificate, too
    LinkFailure.TLS_FAILED,
    LinkFailure.HANDSHAKE,
)


class _Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection is made with."""

    url: str
    profile: int
    password: str | None = None
    tentative_root: bool = False
    client_key: Path | None = None

    def __repr__(self) -> str:
        return f"_Attempt({self.url}, profile {self.profile})"


class Dialler:
    """Chooses how to connect.

    Args:
        identity: the station's name at the CSMS. subprotocol: of the dialect.
        attempts: returns how many tries an address and a new profile get (NetworkProfileConnectionAttempts).
        utc: the time of day, s since 1970, or ``None``.
        vouched: whether somebody vouches for the machine's own clock, by which OpenSSL goes.
        note: takes security events.
    """

    def __init__(
        self,
        *,
        settings: CsmsSettings,
        identity: str,
        subprotocol: str,
        vault: Vault,
        attempts: Callable[[], int],
        utc: Callable[[], float | None],
        vouched: Callable[[], bool],
        note: Callable[[SecurityEventKind, str], None],
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._subprotocol = subprotocol
        self._vault = vault
        self._attempts = attempts
        self._utc = utc
        self._vouched = vouched
        self._note = note
        self._log = get_logger("dialler")
        self._attempt: _Attempt | None = None
        self._proven = False
        self._url_index = 0
        self._tries_of_url = 0
        self._tries_of_profile = 0
        self._password_index = 0
        self._identity_index = 0
        self._old_roots = False

    @property
    def url(self) -> str:
        """Return the address of the present or last attempt."""
        return self._settings.url if self._attempt is None else self._attempt.url

    def next(self) -> CsmsEndpoint:
        """Return how to connect now.

        Raises:
            LinkClosed: credentials that the profile needs are missing or cannot be read.
        """
        profile = self._vault.profile.pending or self._vault.profile_in_use()
        urls = self._urls(profile)
        self._proven = False
        return self._endpoint(urls[self._url_index % len(urls)], profile)

    def every_url(self) -> tuple[str, ...]:
        """Return the addresses in use, the first one first."""
        return self._urls(self._vault.profile_in_use())

    def endpoint(self, url: str) -> CsmsEndpoint:
        """Return how to connect to one address, for somebody who looks at it. Raises ``LinkClosed`` as ``next``."""
        return self._endpoint(url, self._vault.profile_in_use())

    def _endpoint(self, url: str, profile: int) -> CsmsEndpoint:
        self._attempt = _Attempt(url=url, profile=profile)
        password = self._password(profile)
        identity = self._certificate(profile)
        tls, alone = self._tls(identity)
        client_key = None if identity is None else identity.key
        self._attempt = _Attempt(
            url=url, profile=profile, password=password, tentative_root=alone, client_key=client_key
        )
        return CsmsEndpoint(
            url=url,
            identity=self._identity,
            subprotocol=self._subprotocol,
            tls=tls,
            allow_insecure=self._settings.allow_insecure,
            password=None if password is None else self._password_bytes(password),
            trailing_slash=self._settings.trailing_slash,
        )

    def failed(self, error: LinkClosed) -> None:
        """The connection could not be made."""
        event = _EVENT_OF.get(error.failure)
        refused = error.failure is LinkFailure.HTTP_STATUS and error.code in _UNAUTHORIZED
        if event is None and refused:
            event = SecurityEventKind.FAILED_TO_AUTHENTICATE
        expected = self._attempt is not None and self._attempt.tentative_root and error.failure is _UNTRUSTED
        if event is not None and not expected:  # a new root waits for the CSMS to change over
            self._note(event, error.text)
        if refused:
            self._password_index += 1
        if error.failure in _ABOUT_CERTIFICATE:
            self._identity_index += 1
            self._vault.tls_refused_token()
        if error.failure is _UNTRUSTED:
            self._old_roots = not self._old_roots
        self._missed()

    def proven(self) -> None:
        """The CSMS uses the connection: what it was made with counts from now on. Calling it twice does no harm."""
        attempt = self._attempt
        if attempt is None or self._proven:
            return
        self._proven = True
        self._tries_of_url = self._tries_of_profile = self._password_index = 0
        try:
            self._keep(attempt)
        except OSError as error:  # it is tried in the same order again after a restart, which works just as well
            self._log.warning("credentials.unkept", error=str(error))

    def ended(self) -> None:
        """The connection is gone. One that the CSMS never used counts as a failure."""
        if not self._proven:
            self._missed()
        elif self._url_index:
            self._url_index = 0

    def _keep(self, attempt: _Attempt) -> None:
        vault = self._vault
        if vault.profile.pending is not None and attempt.profile == vault.profile.pending and vault.profile.proven():
            self._log.info("security_profile.raised", profile=attempt.profile)
            self._note(SecurityEventKind.PARAMETERS_CHANGED, f"security profile {attempt.profile} is in use")
        if attempt.password is not None and vault.passwords.proven(attempt.password):
            self._log.info("csms_password.replaced")
        if attempt.client_key is not None and vault.proven(attempt.client_key):
            self._log.info("key_files.removed", reason="the key on the token is in use")
        if attempt.tentative_root and vault.roots.proven():
            self._log.info("csms_root.replaced")

    def _missed(self) -> None:
        self._tries_of_url += 1
        attempt, vault = self._attempt, self._vault
        if attempt is not None and vault.profile.pending is not None and attempt.profile == vault.profile.pending:
            self._tries_of_profile += 1
            if self._tries_of_profile >= max(1, self._attempts()):
                self._give_up_profile(attempt.profile)
                return
        if self._tries_of_url >= max(1, self._attempts()):
            self._url_index += 1
            self._tries_of_url = 0

    def _give_up_profile(self, profile: int) -> None:
        self._tries_of_profile = self._tries_of_url = self._url_index = 0
        try:
            self._vault.profile.fall_back()
        except OSError as error:
            self._log.warning("security_profile.unkept", error=str(error))
            return
        current = self._vault.profile_in_use()
        self._log.error("security_profile.fell_back", tried=profile, profile=current)
        self._note(SecurityEventKind.PARAMETERS_CHANGED, f"security profile {profile} did not connect: {current} again")

    def _urls(self, profile: int) -> tuple[str, ...]:
        """Return the addresses of a profile: those that fit, else the plain ones with TLS. Never the other way."""
        urls = self._settings.urls
        if profile == 0:
            return urls
        if profile >= TLS_PROFILE:
            secure = tuple(url for url in urls if url.startswith("wss:"))
            return secure or tuple("wss" + url.removeprefix("ws") for url in urls)
        return tuple(url for url in urls if url.startswith("ws:")) or urls

    def _password(self, profile: int) -> str | None:
        if profile == CLIENT_PROFILE:
            return None
        try:
            candidates = self._vault.passwords.candidates()
        except (SecretError, OSError, ValueError) as error:
            file = self._settings.password_file
            where = f"password file {file}" if file is not None else "the password"
            raise LinkClosed(LinkFailure.NO_CREDENTIALS, f"{where} cannot be read: {error}") from error
        if not candidates:
            if profile == 0:
                return None
            text = f"security profile {profile} needs a password: charge-agent secret set csms-password"
            raise LinkClosed(LinkFailure.NO_CREDENTIALS, text)
        return candidates[self._password_index % len(candidates)]

    def _password_bytes(self, password: str) -> bytes:
        try:
            return password_bytes(password, hexadecimal=self._settings.password_encoding is PasswordEncoding.HEX)
        except ValueError:
            file = self._settings.password_file
            where = f"password file {file}" if file is not None else "the password"
            text = f"{where} is not pairs of hex digits (password_encoding = hex)"
            raise LinkClosed(LinkFailure.NO_CREDENTIALS, text) from None

    def _certificate(self, profile: int) -> TlsIdentity | None:
        if profile != CLIENT_PROFILE:
            return None
        try:
            identities = self._vault.identities(self._utc())
        except OSError as error:
            text = f"the station's certificate cannot be read: {error}"
            raise LinkClosed(LinkFailure.NO_CREDENTIALS, text) from error
        if not identities:
            text = self._vault.token_trouble or "security profile 3 needs a certificate of the station"
            raise LinkClosed(LinkFailure.NO_CREDENTIALS, text)
        return identities[self._identity_index % len(identities)]

    def _tls(self, identity: TlsIdentity | None) -> tuple[TlsOptions, bool]:
        """Return the options of TLS, and whether a tentative root is trusted alone."""
        roots = self._vault.roots
        chain, key = (None, None) if identity is None else (identity.chain, identity.key)
        wild = self._settings.allow_wildcards
        dates = None if self._vouched() else Dates(utc_s=self._utc(), floor_utc_s=EARLIEST_UTC_S)
        tentative = None if self._old_roots else roots.tentative()
        if tentative is not None:
            only = TlsOptions(
                roots_pem=tentative,
                only_these=True,
                client_chain=chain,
                client_key=key,
                allow_wildcards=wild,
                dates=dates,
            )
            return only, True
        try:
            installed = "".join(roots.installed(RootPurpose.CSMS))
        except (OSError, ValueError) as error:
            raise LinkClosed(LinkFailure.TLS_FAILED, f"installed roots cannot be read: {error}") from error
        options = TlsOptions(
            root_files=self._settings.root_certificates,
            roots_pem=installed,
            client_chain=chain,
            client_key=key,
            allow_wildcards=wild,
            dates=dates,
        )
        return options, False
