"""A broken station file: the last good copy, or nothing at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.settings.last_good import COPY_NAME, Origin, check_station, load_station
from agent.settings.problems import SettingsError
from tests.unit.station_files import SMALL


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good station file with its own state folder."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    path = tmp_path / "station.toml"
    path.write_text(SMALL.replace('model = "Wallbox 11"', 'model = "Wallbox 11"\nstate_dir = "state"'))
    return path


def _break(file: Path) -> None:
    file.write_text(file.read_text().replace("max_current_a = 16", "max_current_a = 160"))


def test_a_good_file_is_used_and_its_copy_kept(file: Path) -> None:
    loaded = load_station(file)
    assert (loaded.origin, loaded.problems, loaded.copy_problem) == (Origin.FILE, (), "")
    copy = json.loads((file.parent / "state" / COPY_NAME).read_text())
    assert (copy["text"], copy["sha256"]) == (file.read_text(), loaded.settings.sha256)


def test_a_broken_file_leaves_the_station_on_its_last_good_copy(file: Path) -> None:
    good = load_station(file).settings
    _break(file)
    loaded = load_station(file)
    assert loaded.origin is Origin.LAST_GOOD
    assert loaded.settings == good
    assert [str(each) for each in loaded.problems] == [
        f"{file}:12: evse[1].max_current_a 160.0 is outside 6-80 A",
    ]


def test_the_copy_stays_the_good_one_however_often_the_broken_file_is_loaded(file: Path) -> None:
    good = load_station(file).settings
    _break(file)
    load_station(file)
    assert load_station(file).settings == good


@pytest.mark.parametrize("rest", [b"", b"[station", b"\xff\xfe"])
def test_a_file_that_lost_its_state_dir_finds_the_copy_where_the_caller_says(file: Path, rest: bytes) -> None:
    good = load_station(file).settings
    file.write_bytes(rest)
    assert load_station(file, state_dir=file.parent / "state").settings == good


def test_a_file_that_vanished_finds_the_copy_where_systemd_says(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_station(file)
    file.unlink()
    monkeypatch.setenv("STATE_DIRECTORY", str(file.parent / "state"))
    loaded = load_station(file)
    assert loaded.origin is Origin.LAST_GOOD
    assert str(loaded.problems[0]) == f"{file}: cannot be read: No such file or directory"


def test_without_a_copy_a_broken_file_starts_nothing(file: Path) -> None:
    _break(file)
    with pytest.raises(SettingsError, match=r"160\.0 is outside 6-80 A"):
        load_station(file)


def test_a_torn_copy_is_no_copy(file: Path) -> None:
    load_station(file)
    copy = file.parent / "state" / COPY_NAME
    copy.write_bytes(copy.read_bytes().replace(b"CP-0001", b"CP-0002"))
    _break(file)
    with pytest.raises(SettingsError):
        load_station(file)


def test_the_copy_of_another_file_is_not_ours(file: Path) -> None:
    load_station(file)
    other = file.with_name("other.toml")
    other.write_text(file.read_text())
    _break(other)
    with pytest.raises(SettingsError):
        load_station(other)


def test_a_copy_that_no_longer_fits_is_told_together_with_the_file(file: Path) -> None:
    file.write_text(file.read_text() + "[variables]\nHeartbeatInterval = 1\n")
    load_station(file)
    _break(file)
    with pytest.raises(SettingsError) as caught:
        load_station(file, check_variable=lambda name, text: f"{text} is below 10 s")
    assert [str(each).replace(str(file.parent), "") for each in caught.value.problems] == [
        "/station.toml:12: evse[1].max_current_a 160.0 is outside 6-80 A",
        "/station.toml:26: variables.HeartbeatInterval 1 is below 10 s",
        "/state/station.last-good.json (last good copy):26: variables.HeartbeatInterval 1 is below 10 s",
    ]


def test_a_state_folder_that_cannot_be_written_does_not_stop_a_good_file(file: Path) -> None:
    (file.parent / "state").write_text("in the way")
    loaded = load_station(file)
    assert loaded.origin is Origin.FILE
    assert "state" in loaded.copy_problem


def test_the_same_file_again_is_not_written_again(file: Path) -> None:
    load_station(file)
    copy = file.parent / "state" / COPY_NAME
    before = copy.stat()
    load_station(file)
    assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_checking_a_file_changes_nothing(file: Path) -> None:
    check_station(file)
    assert [each.name for each in file.parent.iterdir()] == ["station.toml"]
