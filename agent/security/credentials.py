"""Secrets encrypted for this machine by systemd-creds(1), to be handed over by LoadCredentialEncrypted=.

Source: systemd-creds(1), systemd.exec(5) "Credentials"; systemd 250 or newer.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from agent.atomic import replace_file
from agent.security.private_files import FILE_MODE, FOLDER_MODE
from agent.security.secrets import SecretError, check_secret

STORE: Final = "/etc/credstore.encrypted"
WITHIN_S: Final = 60.0  # a TPM takes its time
_REMARK: Final = "using anyway"  # it says so where the host's key lies on a disk that is not encrypted


def encrypt_secret(name: str, text: str, folder: Path) -> Path:
    """Encrypt a secret into ``folder``; return its file, which is there whole or not at all.

    Raises:
        SecretError: it is none, or systemd-creds is not there or will not; the text never holds the secret.
    """
    check_secret(name, text)
    program = shutil.which("systemd-creds")
    if program is None:
        raise SecretError("systemd-creds is not installed here, expected systemd 250 or newer: leave --systemd out")
    command = [program, "encrypt", f"--name={name}", "-", "-"]
    try:
        made = subprocess.run(command, input=text.encode(), capture_output=True, timeout=WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        raise SecretError(f"systemd-creds did not end within {WITHIN_S:g} s") from None
    except OSError as error:
        raise SecretError(f"systemd-creds cannot be started: {error.strerror or error}") from error
    if made.returncode != 0 or not made.stdout.strip():
        said = [line for line in made.stderr.decode("utf-8", "replace").splitlines() if _REMARK not in line]
        why = said[-1] if said else f"exit code {made.returncode}"
        raise SecretError(f"secret {name} cannot be encrypted: {why}; root must do it, or who may use the TPM")
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        replace_file(path, made.stdout, mode=FILE_MODE)
    except OSError as error:
        raise SecretError(f"secret {name} cannot be kept: {path}: {error.strerror or error}") from error
    return path
