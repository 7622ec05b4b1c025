"""Secrets by name: what a technician set on the station, else what systemd hands over. Never in logs, never in argv.

``secret set`` writes ``STATE_DIR/secrets/NAME`` (0600). Under systemd a credential of the same name
(``LoadCredential=`` or ``LoadCredentialEncrypted=``) is read from ``$CREDENTIALS_DIRECTORY`` where no such file is.

Source: systemd.exec(5), Credentials.
"""

from __future__ import annotations

import os
import re
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec

from agent.security.private_files import write_private
from agent.security.secret_names import NAMES

FOLDER: Final = "secrets"
LARGEST_B: Final = 65_536
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")


class SecretError(Exception):
    """A secret cannot be read or kept; the text says why and never holds the secret."""


class Source(Enum):
    """Where a secret is."""

    STATION = "station"  # set on this station
    CREDENTIAL = "credential"  # handed over by systemd


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret and where it was found. It shows nothing of itself."""

    text: str
    source: Source
    path: Path

    def __repr__(self) -> str:
        return f"Secret(*** from {self.source.value})"


class SecretStore:
    """The secrets of one station.

    Args:
        state_dir: the station's folder.
        credentials: systemd's folder; by default what ``$CREDENTIALS_DIRECTORY`` names.
    """

    def __init__(self, state_dir: Path, credentials: Path | None = None) -> None:
        self._folder = state_dir / FOLDER
        named = os.environ.get("CREDENTIALS_DIRECTORY", "")
        self._credentials = credentials or (Path(named) if named else None)

    def read(self, name: str) -> Secret | None:
        """Return a secret, ``None`` where nobody set it. Raises ``SecretError`` where it cannot be read."""
        _check_name(name)
        for source, path in self._places(name):
            try:
                with path.open("rb") as file:
                    content = file.read(LARGEST_B + 1)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise SecretError(f"secret {name} cannot be read: {path}: {error.strerror or error}") from error
            return Secret(text=_text(name, content), source=source, path=path)
        return None

    def path(self, name: str) -> Path | None:
        """Return the file that holds a secret now, ``None`` without one."""
        return next((path for _, path in self._places(name) if _is_there(path)), None)

    def set(self, name: str, text: str) -> Path:
        """Keep a secret on the station, durably; return its file. Raises ``SecretError``."""
        check_secret(name, text)
        path = self._folder / name
        try:
            write_private(path, text.encode())
        except OSError as error:
            raise SecretError(f"secret {name} cannot be kept: {path}: {error.strerror or error}") from error
        return path

    def remove(self, name: str) -> bool:
        """Forget a secret that was set on the station; return whether there was one. Raises ``SecretError``."""
        _check_name(name)
        try:
            (self._folder / name).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise SecretError(f"secret {name} cannot be removed: {error.strerror or error}") from error
        return True

    def known(self) -> dict[str, Source]:
        """Return which secrets there are and where; never their values."""
        found = {}
        for name in NAMES:
            place = next((source for source, path in self._places(name) if _is_there(path)), None)
            if place is not None:
                found[name] = place
        return found

    def _places(self, name: str) -> list[tuple[Source, Path]]:
        places = [(Source.STATION, self._folder / name)]
        if self._credentials is not None:
            places.append((Source.CREDENTIAL, self._credentials / name))
        return places


def check_secret(name: str, text: str) -> None:
    """See that this can be a secret. Raises ``SecretError``."""
    _check_name(name)
    _text(name, text.encode())


def _is_there(path: Path) -> bool:
    """Return whether there is such a file, also one that we may not look at: reading it then says why not."""
    try:
        return path.is_file()
    except OSError:
        return True


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SecretError(f"{name!r} is no name of a secret, expected one of {', '.join(NAMES)}")


def _text(name: str, content: bytes) -> str:
    if len(content) > LARGEST_B:
        raise SecretError(f"secret {name} has more than {LARGEST_B} bytes")
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise SecretError(f"secret {name} is not UTF-8 text") from error
    if not text.strip():
        raise SecretError(f"secret {name} is empty")
    if "\0" in text:
        raise SecretError(f"secret {name} holds a zero character")
    return text
