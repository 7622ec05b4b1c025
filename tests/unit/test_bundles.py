"""Bundles for support: what is in them, what never is, and the verb that makes one on the station."""

from __future__ import annotations

import hashlib
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli import main
from agent.maintenance.bundle import CUT, Section, answer_section, make_bundle
from agent.maintenance.log_lines import LogRing, TimeRange, log_lines, moment_in
from agent.maintenance.redact import Blackener
from agent.model.ids import IdToken
from tests.unit.station_files import SMALL
from tests.unit.test_docs import blocks

NOON_S = 1_795_176_000.0  # 2026-11-20T12:00:00Z


def texts(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        members = {each.name.partition("/")[2]: archive.extractfile(each) for each in archive.getmembers()}
        return {name: file.read().decode() for name, file in members.items() if file is not None}


# ---- what is blackened -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "gone", "kept"),
    [
        ('password = "hunter2!"', "hunter2!", "password"),
        ("csms_password: 'a \"quoted\" one'", "quoted", "csms_password"),
        ('{"key": "AuthorizationKey", "value": "3030303030"}', "3030303030", "AuthorizationKey"),
        ('{"client_secret":"abc\\"def","x":1}', "def", '"x":1'),
        ("GET ftp://bob:s3cret@files.example/x", "s3cret", "files.example/x"),
        ("to https://s3.example/b?X-Signature=topsecret done", "topsecret", "done"),
        ("Authorization: Basic Ym9iOnMzY3JldA==", "Ym9iOnMzY3JldA", "Basic"),
        ("Bearer eyJhbGciOi.J9.x-y", "eyJhbGciOi", "Bearer"),
        ("the known one is open sesame, said he", "open sesame", "said he"),
        ("pin = 0815", "0815", "pin"),
    ],
)
def test_a_secret_is_gone_and_the_rest_of_its_line_stays(line: str, gone: str, kept: str) -> None:
    shown = Blackener(["open sesame"]).line(line)
    assert gone not in shown
    assert kept in shown


@pytest.mark.parametrize(
    "line",
    [
        "from ftp://me:pa/c0ffee77@files.example/fw",
        '{"value": "c0ffee77", "key": "AuthorizationKey"}',
        "pwd=c0ffee77",
    ],
)
def test_a_secret_in_an_unusual_form_goes_too(line: str) -> None:
    assert "c0ffee77" not in Blackener().line(line)


@pytest.mark.parametrize("form", ['"idTag": "04A1B2C3"', "id_token=04A1B2C3", "idTag: '04A1B2C3'", 'uid="04A1B2C3"'])
def test_an_id_token_becomes_the_hash_that_every_log_shows(form: str) -> None:
    shown = Blackener().line(form)
    assert "04A1B2C3" not in shown
    assert IdToken(value="04A1B2C3").hashed() in shown
    assert Blackener().line(shown) == shown


def test_what_is_no_secret_stays_as_it_is() -> None:
    for line in (
        'password_file = "csms-password"',
        '{"password": true}',
        "token: id:0123abcd",
        "pinned = 3 # pins.sock",
    ):
        assert Blackener().line(line) == line


@pytest.mark.parametrize(
    "line",
    [
        *("x" * 65_536, "a-" * 32_768, '"' * 65_536, "password" * 8_192, "a.b-" * 16_384 + ":", "http://" * 9_000),
        *("http://" + "a" * 65_536, "pin='" * 13_000, 'secret="' * 8_000, "Basic " * 10_000, "uid: " * 13_000),
    ],
    ids=lambda line: line[:10],
)
def test_a_hostile_line_takes_no_longer_than_others(line: str) -> None:
    began_s = time.process_time()
    Blackener(["open sesame"]).line(line)
    assert time.process_time() - began_s < 2.0


def test_a_private_key_is_gone_to_its_last_line() -> None:
    black = Blackener()
    lines = ["-----BEGIN EC PRIVATE KEY-----\n", "MHcCAQEE\n", "-----END EC PRIVATE KEY-----\n", "after\n"]
    assert [black.line(each) for each in lines] == ["***\n", "***\n", "***\n", "after\n"]


# ---- how they are made -----------------------------------------------------------------------------------------------


def test_a_bundle_lists_what_it_holds_and_cuts_what_does_not_fit(tmp_path: Path) -> None:
    sections = [
        Section(name="small.txt", lines=["a\n", "b\n"]),
        Section(name="gone.txt", missing="nobody knows"),
        Section(name="endless.log", lines=("x" * 99 + "\n" for _ in iter(int, 1))),
    ]
    made = make_bundle(tmp_path / "b.tar.gz", sections, about={"station": "CP"}, most_b=10_000)
    found = texts(made.path)
    assert found["small.txt"] == "a\nb\n"
    assert found["endless.log"].endswith(CUT)
    assert sum(map(len, (found["small.txt"], found["endless.log"]))) <= 10_000
    manifest = json.loads(found["manifest.json"])
    assert manifest["missing"] == {"gone.txt": "nobody knows"}
    assert [each["cut"] for each in manifest["files"]] == [False, True]
    digests = {each["name"]: each["sha256"] for each in manifest["files"]}
    assert digests["small.txt"] == hashlib.sha256(b"a\nb\n").hexdigest()
    assert [each.name for each in tmp_path.iterdir()] == ["b.tar.gz"]


def test_a_bundle_that_is_given_up_leaves_nothing_behind(tmp_path: Path) -> None:
    def lines() -> Iterator[str]:
        yield "a\n"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        make_bundle(tmp_path / "b.tar.gz", [Section(name="a", lines=lines())], about={}, most_b=1000)
    assert not list(tmp_path.iterdir())


def test_rows_outside_the_time_that_is_asked_about_stay_out() -> None:
    rows = [{"ended": "2026-11-20T11:59:59Z"}, {"ended": "2026-11-20T12:00:01Z"}, {"ended": None}]
    section = answer_section("x", {"rows": rows}, TimeRange(oldest_utc_s=NOON_S))
    assert json.loads("".join(section.lines))["rows"] == rows[1:]


def test_the_ring_of_log_lines_keeps_the_newest_and_gives_those_of_a_time(tmp_path: Path) -> None:
    ring = LogRing(tmp_path, most_b=2_000)
    for minute in range(60):
        ring.write(f"2026-11-20T12:{minute:02}:00.5Z \x1b[32minfo\x1b[0m line {minute} {'x' * 40}\n")
    every = list(log_lines(tmp_path, TimeRange(), journal=False))
    assert 20 < len(every) < 60
    assert every[-1].startswith("2026-11-20T12:59:00.5Z info line 59")
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 4_000
    when = TimeRange(oldest_utc_s=NOON_S + 55 * 60, latest_utc_s=NOON_S + 57 * 60)
    assert [each.split()[3] for each in log_lines(tmp_path, when, journal=False)] == ["55", "56"]
    LogRing(tmp_path / "nowhere").write("a disk that does not take it is no trouble\n")


@pytest.mark.parametrize(
    ("script", "expected"), [("echo '2026-11-20T12:00:00Z from the journal'", "journal"), ("", "ring")]
)
def test_systemds_journal_is_asked_first_and_the_ring_where_it_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: str
) -> None:
    tool = tmp_path / "journalctl"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n{script}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    LogRing(tmp_path).write("2026-11-20T12:00:00Z from the ring\n")
    [line] = log_lines(tmp_path, TimeRange(oldest_utc_s=NOON_S - 60, latest_utc_s=NOON_S + 60), journal=True)
    assert line.strip().endswith(expected)
    asked = (tmp_path / "asked").read_text()
    assert "--unit charge-agent.service --unit charge-guard.service" in asked
    assert "--since=2026-11-20 11:59:00 UTC --until=2026-11-20 12:01:00 UTC" in asked


def test_moments_are_read_in_every_shape_that_logs_have() -> None:
    shapes = (
        "2026-11-20T12:00:00Z",
        "2026-11-20 12:00:00",
        "2026-11-20T13:00:00.000+01:00",
        "x 2026-11-20T12:00:00+0000",
    )
    assert {moment_in(each) for each in shapes} == {NOON_S}
    assert moment_in("2026-13-45T99:00:00Z") is None


# ---- the verb --------------------------------------------------------------------------------------------------------


def station(folder: Path) -> Path:
    path = folder / "station.toml"
    path.write_text(SMALL.replace("[csms]", f'state_dir = "{folder}/state"\nrun_dir = "{folder}/run"\n[csms]', 1))
    return path


def test_bundle_works_without_an_agent_and_says_what_is_not_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = station(tmp_path), tmp_path / "out.tar.gz"
    (tmp_path / "run").mkdir()
    LogRing(tmp_path / "run").write("2026-11-20T12:00:00Z it said idTag=04A1B2C3\n")
    assert main(["bundle", "--config", str(config), "--out", str(out), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["file"] == str(out)
    assert listed["missing"]["status.json"] == "no agent runs there"
    assert {each["name"] for each in listed["entries"]} >= {"station.toml", "versions.json", "agent.log"}
    found = texts(out)
    assert "04A1B2C3" not in found["agent.log"]
    assert json.loads(found["versions.json"])["packages"]["msgspec"]
    assert out.stat().st_mode & 0o077 == 0
    assert main(["bundle", "--config", str(config), "--out", str(out), "--until", "2026-11-20T11:00:00Z"]) == 0
    assert texts(out)["agent.log"] == ""
    assert "status.json is not in it: no agent runs there" in capsys.readouterr().out


def test_bundle_works_with_a_broken_station_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = tmp_path / "station.toml", tmp_path / "out.tar.gz"
    config.write_text('[station]\nid = "CP"\npassword = "hunter22"\n')
    assert main(["bundle", "--config", str(config), "--out", str(out)]) == 0
    found = texts(out)
    assert "hunter22" not in "".join(found.values())
    assert "password" in found["station.toml"]
    assert "station.toml" in json.loads(found["manifest.json"])["settings_problem"]
    assert capsys.readouterr().err == ""


def test_bundle_says_where_it_cannot_write_and_that_there_is_no_station_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bundle", "--config", str(tmp_path / "none.toml")]) == 78
    config = station(tmp_path)
    (tmp_path / "file").touch()
    assert main(["bundle", "--config", str(config), "--out", str(tmp_path / "file" / "x.tar.gz")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["bundle", "--config", str(config), "--since", "yesterday"])
    assert caught.value.code == 2


def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGE_AGENT_CONFIG", str(station(tmp_path)))
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[2] / "docs" / "maintenance.md"
    shown = [line for block in blocks(page, "sh") for line in block.splitlines()]
    lines = [line for line in shown if not line.startswith("export ")]
    for line in lines:
        program, *words = line.split()
        assert (program, main(words)) == ("charge-agent", 0), line
    assert len(list(tmp_path.glob("*.tar.gz"))) == len(lines) == 2
    assert (tmp_path / "support.tar.gz").exists()
