"""TLS with a key that stays on a token, for real: SoftHSM, OpenSSL's provider, and a CSMS that demands certificates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.key_tokens import make_token, needs_token

pytestmark = [pytest.mark.process, needs_token]
REPOSITORY = Path(__file__).parents[2]


def provider() -> Path | None:
    """Return pkcs11-provider's library; CHARGE_AGENT_PKCS11_PROVIDER names one that is not installed."""
    named = os.environ.get("CHARGE_AGENT_PKCS11_PROVIDER")
    places = [Path(named)] if named else sorted(Path("/usr").glob("lib*/*/ossl-modules/pkcs11.so"))
    return next((path for path in places if path.is_file()), None)


@pytest.mark.skipif(provider() is None, reason="pkcs11-provider is not installed: Debian 13 or bookworm-backports")
@pytest.mark.req("security whitepaper A00.FR.501-511, A02, A03: the private key never leaves the station")
def test_mutual_tls_with_a_key_that_never_leaves_its_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make_token(tmp_path, monkeypatch)
    shipped = (REPOSITORY / "systemd" / "openssl-pkcs11.cnf").read_text()
    lines = [f"module = {provider()}" if line.startswith("#module") else line for line in shipped.splitlines()]
    lines = [
        f"pkcs11-module-path = {place.module}" if line.startswith("pkcs11-module-path") else line for line in lines
    ]
    settings = tmp_path / "openssl-pkcs11.cnf"
    settings.write_text("\n".join(lines) + "\n")
    ran = subprocess.run(
        [sys.executable, "-m", "tests.process.token_link", str(tmp_path), str(place.module)],
        env={**os.environ, "OPENSSL_CONF": str(settings)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    seen = json.loads(ran.stdout.splitlines()[-1])
    assert seen["handshakes"] == [
        *(["ec", "TLSv1.2"], ["ec", "TLSv1.3"]),
        *(["rsa", "TLSv1.2"], ["rsa", "TLSv1.3"]),
    ]
    assert seen["passwords"][:5] == [True, False, False, False, False]
    assert seen["names"][1:5] == ["SN-0001"] * 4
    assert seen["keys"] == [True, True]  # the newest and the one before; the file is gone
    assert (seen["files_before"], seen["files_after"]) == (1, 0)
    assert "the PIN is wrong" in seen["pins"][0]
    assert "refused this PIN before" in seen["pins"][1]
    assert seen["pins"][2] == ""
    assert (seen["status"]["key_store"], seen["status"]["key_token"]["problem"]) == ("pkcs11", "")
    assert "PRIVATE KEY" not in "".join(path.read_text("latin-1") for path in (tmp_path / "state").rglob("*.pem"))
