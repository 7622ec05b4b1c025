"""A PKCS #11 token for tests: SoftHSM, where its module and python-pkcs11 are installed."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from agent.model.key_store import KeyTokenName, KeyTokenPlace
from agent.security.key_token import KeyToken
from agent.security.secrets import SecretStore
from agent.security.token_keystore import TokenKeyStore

PIN: Final = "1234"
SO_PIN: Final = "56785678"
LABEL: Final = "station"
_PLACES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/*/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)


def softhsm_module() -> Path | None:
    """Return the module, ``None`` where SoftHSM is not installed."""
    found = [path for place in _PLACES for path in Path("/").glob(place[1:])]
    return found[0] if found and shutil.which("softhsm2-util") else None


def why_no_token() -> str:
    """Return why tests with a token cannot run here, "" where they can."""
    if find_spec("pkcs11") is None:
        return "python-pkcs11 is not installed: pip install 'charge-agent[pkcs11]'"
    return "" if softhsm_module() else "SoftHSM is not installed: apt-get install softhsm2"


needs_token = pytest.mark.skipif(bool(why_no_token()), reason=why_no_token() or "-")


def make_token(folder: Path, monkeypatch: pytest.MonkeyPatch, label: str = LABEL) -> KeyTokenPlace:
    """Initialise a token whose objects are below ``folder``; this process and its children see no other."""
    module = softhsm_module()
    assert module is not None
    (folder / "tokens").mkdir(exist_ok=True)
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(settings))
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN]
    subprocess.run(command, check=True, capture_output=True)
    return KeyTokenPlace(module=module, token=KeyTokenName(label=label), key_label="charge-agent")


def token_store(folder: Path, place: KeyTokenPlace, pin: str | None = PIN) -> TokenKeyStore:
    """Return the key store of a station whose TLS is told to be able to use tokens."""
    secrets = SecretStore(folder, folder / "no-credentials")
    if pin is not None:
        secrets.set("token-pin", pin)
    token = KeyToken(place, folder / "security", lambda: secrets.read("token-pin"), active=lambda: True)
    return TokenKeyStore(folder / "security", token)
