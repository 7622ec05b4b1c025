"""``charge-agent secret set --systemd``, with the real systemd-creds where it can encrypt."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from agent.cli import main
from agent.ocpp.tls import TlsOptions, client_context
from agent.security.secrets import SecretStore, Source
from agent.security.vault import Provision, Vault
from tests.scenario.secured_world import STATION, server_tls, sign
from tests.tls_hands import shake_hands
from tests.unit.test_security_verbs import Stdin

SECRET = "correct horse battery"
PROGRAM = shutil.which("systemd-creds")


def encrypts() -> str:
    """Return why systemd-creds cannot encrypt here, "" where it can; nothing of the machine's own is touched."""
    if PROGRAM is None:
        return "systemd-creds is not installed (systemd 250 or newer)"
    if os.geteuid() != 0:
        return "only root gets at the machine's key"
    return ""


needs_systemd_creds = pytest.mark.skipif(bool(encrypts()), reason=encrypts() or "-")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a station file on a machine whose key for credentials is below ``tmp_path``."""
    monkeypatch.setenv("SYSTEMD_CREDENTIAL_SECRET", str(tmp_path / "credential.secret"))
    path = tmp_path / "station.toml"
    path.write_text(STATION.format(csms='url = "wss://csms.example.com/"\n'))
    return path


def set_secret(monkeypatch: pytest.MonkeyPatch, file: Path, name: str, text: str, *more: str) -> int:
    monkeypatch.setattr(sys, "stdin", Stdin(text))
    return main(["secret", "set", name, "--config", str(file), *more])


@needs_systemd_creds
@pytest.mark.req("systemd.exec(5) Credentials; systemd-creds(1)")
def test_a_secret_is_encrypted_for_this_machine_and_read_where_systemd_hands_it_over(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store, handed = file.parent / "credstore", file.parent / "handed"
    assert set_secret(monkeypatch, file, "csms-password", SECRET + "\n", "--systemd", str(store)) == 0
    shown = capsys.readouterr()
    path = store / "csms-password"
    assert f"LoadCredentialEncrypted=csms-password:{path}" in shown.out
    assert SECRET not in shown.out + shown.err
    assert (path.stat().st_mode & 0o777, store.stat().st_mode & 0o777) == (0o600, 0o700)
    assert SECRET.encode() not in path.read_bytes()
    assert not (file.parent / "state" / "secrets").exists()
    handed.mkdir()
    assert PROGRAM is not None
    command = [PROGRAM, "decrypt", "--name=csms-password", str(path), str(handed / "csms-password")]
    subprocess.run(command, check=True, capture_output=True)  # what systemd does before it starts the service
    found = SecretStore(file.parent / "state", handed).read("csms-password")
    assert found is not None
    assert (found.text, found.source) == (SECRET, Source.CREDENTIAL)


@needs_systemd_creds
@pytest.mark.req("security whitepaper A00.FR.501-511: the key is made on the station and never leaves it")
def test_a_key_that_systemd_keeps_is_made_here_and_works_with_its_certificate(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store, handed = file.parent / "credstore", file.parent / "handed"
    words = ["secret", "request", "client-key", "--systemd", str(store), "--organization", "Operator"]
    assert main([*words, "--config", str(file)]) == 0
    shown = capsys.readouterr()
    request = x509.load_pem_x509_csr(shown.out.encode())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "O=Operator,CN=SN-0001"
    assert "PRIVATE" not in shown.out + shown.err + (store / "client-key").read_text("latin-1")
    assert [path.name for path in file.parent.rglob("client-key")] == ["client-key"]
    assert main([*words, "--config", str(file)]) == 1  # the key that is there stays
    authority = trustme.CA()
    chain = sign(shown.out, authority)
    assert set_secret(monkeypatch, file, "client-certificate", chain, "--systemd", str(store)) == 0
    handed.mkdir()
    assert PROGRAM is not None
    for name in ("client-key", "client-certificate"):
        command = [PROGRAM, "decrypt", f"--name={name}", str(store / name), str(handed / name)]
        subprocess.run(command, check=True, capture_output=True)
    vault = Vault(Provision(state_dir=file.parent / "state", encrypted=True), credentials=handed)
    (identity,) = vault.identities(None)
    root = authority.cert_pem.bytes().decode()
    options = TlsOptions(roots_pem=root, only_these=True, client_chain=identity.chain, client_key=identity.key)
    theirs = shake_hands(client_context(options), server_tls(authority, clients=authority))[1]
    assert (("commonName", "SN-0001"),) in (theirs.getpeercert() or {})["subject"]
    assert vault.profile_in_use() == 3


def test_a_key_is_made_for_the_station_itself_and_no_other_secret_is_requested(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["secret", "request", "csms-password", "--config", str(file)]) == 2
    assert main(["secret", "request", "client-key", "--config", str(file.with_name("none.toml"))]) == 78
    capsys.readouterr()
    assert main(["secret", "request", "client-key", "--config", str(file)]) == 0
    assert capsys.readouterr().out.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert (file.parent / "state" / "secrets" / "client-key").stat().st_mode & 0o777 == 0o600


@needs_systemd_creds
def test_a_secret_of_the_station_that_would_count_first_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set_secret(monkeypatch, file, "token-pin", "1234") == 0
    assert set_secret(monkeypatch, file, "token-pin", "5678", "--systemd", str(file.parent / "credstore")) == 0
    assert "charge-agent secret remove token-pin" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "text"), [("client-key", "\n"), ("token-pin", "12\n34"), ("token-pin", "")])
def test_what_is_no_secret_is_not_encrypted_either(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    store = file.parent / "credstore"
    assert set_secret(monkeypatch, file, name, text, "--systemd", str(store)) == 1
    assert not store.exists()


@pytest.mark.parametrize("program", ["", "#!/bin/sh\ncat >/dev/null\necho No such TPM. >&2\nexit 1\n"])
def test_without_systemd_creds_or_where_it_fails_nothing_is_kept_and_it_is_said(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    folder = file.parent / "bin"
    folder.mkdir()
    if program:
        (folder / "systemd-creds").write_text(program)
        (folder / "systemd-creds").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin" if program else str(folder))
    store = file.parent / "credstore"
    store.mkdir()
    (store / "csms-password").write_text("the old one")
    assert set_secret(monkeypatch, file, "csms-password", SECRET, "--systemd", str(store)) == 1
    assert ("No such TPM" if program else "not installed") in capsys.readouterr().err
    assert (store / "csms-password").read_text() == "the old one"
