"""``charge-agent secret``, ``identity`` and ``security-log``, and the identity file of a flashed image."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from agent.cli import main
from agent.console.screens import status_screen
from agent.model.moment import Stamp
from agent.model.security import SecurityEventKind
from agent.security.event_log import Entry, SecurityLog
from agent.settings.build import parse_station
from agent.settings.checked import keep, recall
from agent.settings.loaded import Loaded, Origin
from agent.settings.problems import SettingsError
from tests.scenario.secured_world import STATION
from tests.unit.test_console_screens import status

PASSWORD = "correct horse battery"
CSMS = 'url = "wss://csms.example.com/"\n'


class Stdin(io.TextIOWrapper):
    """Standard input that is no terminal."""

    def __init__(self, text: str) -> None:
        super().__init__(io.BytesIO(text.encode()), encoding="utf-8")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "station.toml"
    path.write_text(STATION.format(csms=CSMS))
    return path


def say(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(text))


def test_a_secret_is_read_from_stdin_kept_for_its_owner_alone_and_never_shown(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(monkeypatch, PASSWORD + "\n")
    assert main(["secret", "set", "csms-password", "--config", str(file)]) == 0
    path = file.parent / "state" / "secrets" / "csms-password"
    assert path.read_text() == PASSWORD
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert main(["secret", "list", "--config", str(file), "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out[shown.out.index("{") :]) == {
        "secrets": {"csms-password": "station"},
        "key_store": {"kind": "file"},
    }
    assert PASSWORD not in shown.out + shown.err
    assert PASSWORD not in file.read_text()
    assert main(["secret", "remove", "csms-password", "--config", str(file)]) == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "text"), [("csms-password", ""), ("csms-password", "two\nlines"), ("client-key", " \n")]
)
def test_a_secret_that_is_none_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    say(monkeypatch, text)
    assert main(["secret", "set", name, "--config", str(file)]) == 1
    assert not (file.parent / "state" / "secrets" / name).exists()
    assert "csms-password" in capsys.readouterr().err or name == "client-key"


def test_a_secret_is_no_argument_and_has_one_of_the_known_names(file: Path) -> None:
    for arguments in (["set", "csms-password", PASSWORD], ["set", "root-password"]):
        with pytest.raises(SystemExit) as caught:
            main(["secret", *arguments, "--config", str(file)])
        assert caught.value.code == 2
    assert main(["secret", "set", "--config", str(file)]) == 2


def test_a_short_password_is_taken_with_a_warning(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(monkeypatch, "short")
    assert main(["secret", "set", "csms-password", "--config", str(file)]) == 0
    assert "16 or more" in capsys.readouterr().err


# ---- identity --------------------------------------------------------------------------------------------------------


def image(folder: Path) -> Path:
    """Return the station file of an image: it names nobody."""
    path = folder / "station.toml"
    lines = STATION.format(csms=CSMS).splitlines(keepends=True)
    nobody = "".join(line for line in lines if not line.startswith(('id = "CP', "serial_number")))
    path.write_text(nobody.replace("[station]\n", '[station]\nidentity_file = "identity.toml"\n'))
    return path


def test_one_image_becomes_one_station_by_its_identity_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = image(tmp_path)
    assert main(["check", str(path)]) == 78
    assert "charge-agent identity set" in capsys.readouterr().err
    say(monkeypatch, PASSWORD + "\n")
    words = ["--id", "CP-0815", "--serial-number", "SN-0815", "--password-stdin"]
    assert main(["identity", "set", *words, "--config", str(path)]) == 0
    mode = tmp_path.stat().st_mode
    assert main(["check", str(path)]) == 0
    settings = parse_station(path.read_bytes(), path)
    assert (settings.station.id, settings.station.serial_number) == ("CP-0815", "SN-0815")
    assert PASSWORD not in str(settings)
    assert main(["identity", "show", "--config", str(path)]) == 0
    shown = capsys.readouterr()
    assert "CP-0815" in shown.out
    assert PASSWORD not in shown.out + shown.err
    assert (tmp_path / "identity.toml").stat().st_mode & 0o007 == 0
    assert tmp_path.stat().st_mode == mode
    assert main(["identity", "set", "--id", "CP-4711", "--config", str(path)]) == 0  # the rest stays
    assert parse_station(path.read_bytes(), path).station.serial_number == "SN-0815"


def test_a_changed_identity_is_noticed_although_the_station_file_is_the_same(tmp_path: Path) -> None:
    path = image(tmp_path)
    identity = tmp_path / "identity.toml"
    identity.write_text('id = "CP-1"\n')
    (tmp_path / "state").mkdir()
    keep(Loaded(settings=parse_station(path.read_bytes(), path), origin=Origin.FILE))
    known = recall(path)
    assert known is not None
    assert known.settings.station.id == "CP-1"
    identity.write_text('id = "CP-2"\n')
    assert recall(path) is None


@pytest.mark.parametrize(
    ("text", "mode", "word"),
    [
        ("nonsense", 0o600, "is no TOML"),
        ("id = 7\n", 0o600, "expected text"),
        ('name = "CP-1"\n', 0o600, "name is unknown"),
        (f'id = "CP-1"\npassword = "{PASSWORD}"\n', 0o644, "everybody may read it"),
        ('id = "CP 1"\n', 0o600, "characters besides"),
        ('id = "CP-1"\nvendor = "Other"\n', 0o600, "contradicts"),
        ('serial_number = "1"\n', 0o600, "has no id"),
    ],
)
def test_an_identity_file_that_cannot_be_used_is_said_to_be_so(tmp_path: Path, text: str, mode: int, word: str) -> None:
    path = image(tmp_path)
    (tmp_path / "identity.toml").write_text(text)
    (tmp_path / "identity.toml").chmod(mode)
    with pytest.raises(SettingsError) as caught:
        parse_station(path.read_bytes(), path)
    assert word in str(caught.value)
    assert PASSWORD not in str(caught.value)


# ---- the station file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("csms", "word"),
    [
        (CSMS + "security_profile = 1\n", "password over ws://"),
        ('url = "ws://h/"\nallow_insecure = true\nsecurity_profile = 2\n', "wss:// address"),
        (CSMS + "security_profile = 4\n", "not one of 0, 1, 2, 3"),
        (CSMS + 'fallback_urls = ["https://h/"]\n', "no address of the form"),
        (CSMS + 'fallback_urls = ["ws://h/"]\n', "not encrypted"),
        (CSMS + 'fallback_urls = "wss://h/"\n', "a list of texts"),
        (CSMS + 'fallback_urls = ["wss://csms..example/"]\n', "no name of a host"),
        ('url = "wss://me:secret@h/"\n', "user or password"),
        (CSMS + 'client_certificate = "station.toml"\n', "without client_key"),
        (CSMS + 'password = "secret"\n', "unknown"),
    ],
)
def test_a_station_file_whose_link_cannot_be_is_refused(file: Path, csms: str, word: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_station(STATION.format(csms=csms).encode(), file)
    assert word in str(caught.value)


@pytest.mark.parametrize("name", ["AuthorizationKey", "SecurityCtrlr.BasicAuthPassword", "SecurityProfile"])
def test_no_secret_stands_in_the_station_file(file: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text() + f'[variables]\n"{name}" = "2"\n')
    assert main(["check", str(file)]) == 78
    assert "secret" in capsys.readouterr().err or name == "SecurityProfile"


# ---- the security log ------------------------------------------------------------------------------------------------


def test_the_security_log_is_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["security-log", "--config", str(file)]) == 0
    assert "No security events" in capsys.readouterr().out
    log = SecurityLog(file.parent / "state" / "security")
    for number in range(3):
        at = Stamp(boot_id="boot", mono_s=number, utc_s=1_800_000_000.0 + number if number else None)
        log.append(Entry(event=SecurityEventKind.STARTUP, critical=True, at=at, text=f"start {number}"))
    assert main(["security-log", "--config", str(file), "--limit", "2"]) == 0
    shown = capsys.readouterr().out
    assert "start 0" not in shown
    assert "2027-01-15T08:00:01.000Z   ! startup" in shown
    assert main(["security-log", "--config", str(file), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["events"]
    assert (rows[0]["utc"], rows[0]["text"]) == (None, "start 0")


def test_status_shows_how_the_link_is_secured_and_what_ends_soon() -> None:
    security = {
        "profile": 2,
        "pending_profile": 3,
        "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256"},
        "certificates": [
            {"what": "root of the station file", "not_after_utc_s": 0.0, "days_left": 17},
            {"what": "certificate of the station", "not_after_utc_s": 0.0, "days_left": -2},
            {"what": "certificate of the CSMS", "not_after_utc_s": 0.0, "days_left": 300},
            {"what": "installed root of the CSMS", "not_after_utc_s": 0.0, "days_left": None},
        ],
    }
    shown = status_screen({**status(), "security": security})
    assert "secured profile 2, 3 is being tried  TLSv1.3 TLS_AES_128_GCM_SHA256" in shown
    assert "root of the station file ends in 17 days" in shown
    assert "certificate of the station HAS ENDED 2 days ago" in shown
    assert shown.count("CERTIFICATE") == 2
