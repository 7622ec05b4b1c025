"""The station's key token, seen from the agent: one deed at a time, each in a process of its own, no PIN tried twice.

A token locks itself after a few wrong PINs, for ever if nobody knows its SO PIN. So a refused PIN is remembered over
restarts, as a salted digest, and not shown to the token again unless somebody sets it once more; and because OpenSSL's
provider logs in by itself, it is let at the token only after the PIN was accepted here.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.model.key_store import KeyTokenPlace
from agent.security.openssl_provider import provider_active
from agent.security.private_files import make_private_folder, write_private
from agent.security.secret_names import TOKEN_PIN
from agent.security.secrets import Secret, SecretError
from agent.security.token_words import TokenAnswer, TokenDeed, TokenError, TokenTrouble, TokenWork

REFUSED_PIN: Final = "token-pin-refused"
LOCK: Final = "token.lock"
_SALT_B: Final = 16
_ROUNDS: Final = 100_000
WITHIN_S: Final = 30.0
MAKE_WITHIN_S: Final = 180.0  # smart cards take a minute and more for an RSA key
NOT_FOR_IT: Final = ("OPENSSL_CONF", "PKCS11_PROVIDER_MODULE", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_NO_PROVIDER: Final = (
    "OpenSSL's provider pkcs11 is not active in this process, so TLS cannot use the token's key; expected OPENSSL_CONF"
    " to name openssl-pkcs11.cnf (systemd/pkcs11.conf), and pkcs11-provider to be installed"
)


class KeyToken:
    """See the module's text.

    Args:
        folder: for what is remembered about the PIN.
        pin: returns the secret ``token-pin``, ``None`` where nobody set it; raises ``SecretError``.
        active: tells whether TLS in this process can use tokens; ``None``: nobody knows.
    """

    def __init__(
        self,
        place: KeyTokenPlace,
        folder: Path,
        pin: Callable[[], Secret | None],
        *,
        active: Callable[[], bool | None] = provider_active,
    ) -> None:
        self.place = place
        self._folder = folder
        self._pin = pin
        self._active = active
        self._proven: tuple[str, str] | None = None

    def do(self, deed: TokenDeed, **details: Any) -> TokenAnswer:
        """Do one deed, see ``TokenWork``. Blocks for up to three minutes.

        Raises:
            TokenError: it was not done.
        """
        secret = self._secret()
        with self._alone():
            self._check_not_refused(secret)
            work = TokenWork(
                deed=deed,
                module=str(self.place.module),
                token=self.place.token,
                label_prefix=self.place.key_label,
                pin=secret.text,
                **details,
            )
            answer = _perform(work)
            if answer.trouble is TokenTrouble.PIN_WRONG:
                _remember_refused(self._folder, secret.text)
        if answer.trouble is not None:
            raise TokenError(answer.trouble, answer.text)
        return answer

    def check(self, key_id: str) -> None:
        """See that TLS can use this key now. Blocks the first time, and after the PIN was changed.

        Raises:
            TokenError: it cannot.
        """
        if self._active() is False:
            raise TokenError(TokenTrouble.NO_PROVIDER, _NO_PROVIDER)
        pin = self._secret().text
        if self._proven != (pin, key_id):
            self._proven = None
            self.do(TokenDeed.CHECK, key_id=key_id)
            self._proven = (pin, key_id)

    def doubt(self) -> None:
        """TLS could not use the token after all: look again before the next time."""
        self._proven = None

    def pin_file(self) -> Path | None:
        """Return the file that holds the PIN, ``None`` without one."""
        try:
            secret = self._pin()
        except SecretError:
            return None
        return None if secret is None else secret.path

    def _secret(self) -> Secret:
        try:
            secret = self._pin()
        except SecretError as error:
            raise TokenError(TokenTrouble.NO_PIN, str(error)) from error
        if secret is None:
            text = f"token {self.place.token}: no PIN is set, expected charge-agent secret set {TOKEN_PIN}"
            raise TokenError(TokenTrouble.NO_PIN, text)
        return secret

    def _check_not_refused(self, secret: Secret) -> None:
        if _was_refused(self._folder, secret.text):
            text = (
                f"token {self.place.token} refused this PIN before; it is not tried again, so that the token is not"
                f" locked: charge-agent secret set {TOKEN_PIN}"
            )
            raise TokenError(TokenTrouble.PIN_WRONG, text)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others out, the doctor of a technician for one: two wrong PINs at once are two tries."""
        make_private_folder(self._folder)
        handle = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def allow_again(folder: Path, pin: str) -> None:
    """Somebody set this PIN by hand: it may be tried, even if it was refused before. Raises ``OSError``."""
    if _was_refused(folder, pin):
        (folder / REFUSED_PIN).unlink(missing_ok=True)


def _was_refused(folder: Path, pin: str) -> bool:
    try:
        salt, _, digest = (folder / REFUSED_PIN).read_text("ascii").partition(" ")
        return hmac.compare_digest(_digest(pin, bytes.fromhex(salt)), digest)
    except FileNotFoundError:
        return False
    except ValueError:  # damaged: which PIN it was nobody knows; the token's own flags still guard the last try
        return False


def _remember_refused(folder: Path, pin: str) -> None:
    salt = os.urandom(_SALT_B)
    write_private(folder / REFUSED_PIN, f"{salt.hex()} {_digest(pin, salt)}".encode())


def _digest(pin: str, salt: bytes) -> str:
    """Return what tells a refused PIN from another one. A wrong PIN says nothing of the right one."""
    return hashlib.pbkdf2_hmac("sha256", pin.encode(), salt, _ROUNDS).hex()


def _perform(work: TokenWork) -> TokenAnswer:
    where = f"module {work.module}"
    within_s = MAKE_WITHIN_S if work.deed is TokenDeed.MAKE else WITHIN_S
    environment = {name: text for name, text in os.environ.items() if name not in NOT_FOR_IT}
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "agent.security.token_work"],
            input=msgspec.json.encode(work),
            capture_output=True,
            env=environment,
            timeout=within_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TokenError(TokenTrouble.SILENT, f"{where}: nothing came within {within_s:g} s") from None
    except OSError as error:
        text = f"{where}: its process cannot be started: {error.strerror or error}"
        raise TokenError(TokenTrouble.SILENT, text) from error
    if ended.returncode == 0:
        return msgspec.json.decode(ended.stdout, type=TokenAnswer)
    if ended.returncode < 0:
        raise TokenError(TokenTrouble.SILENT, f"{where} ended its process with signal {-ended.returncode}")
    last = ended.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2].replace(work.pin, "***")
    raise TokenError(TokenTrouble.SILENT, f"{where}: its process ended with code {ended.returncode}: {last[:200]}")
