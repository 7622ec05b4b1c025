"""The clock contract, over every clock source."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.api import ClockSource, DriverKind, DriverUnavailable
from drivers.clock.bench import BenchClock
from drivers.clock.system import SystemClock
from drivers.registry import check_options, find, open_driver


def _say(folder: Path, **clock: object) -> None:
    fresh = folder / "clock.json.new"
    fresh.write_text(json.dumps(clock))
    fresh.replace(folder / "clock.json")


def _system(folder: Path) -> ClockSource:
    return _open("system", {"trust": "always"})


def _bench(folder: Path) -> ClockSource:
    _say(folder, known=True, offset_s=0.0)
    (folder / "boot_id").write_text("2f2d9a3c\n")
    return _open("bench", {"dir": str(folder)})


def _open(name: str, options: dict[str, object]) -> ClockSource:
    spec = find(DriverKind.CLOCK, name)
    checked, problems = check_options(spec, options)
    assert problems == []
    clock: ClockSource = open_driver(spec.target, checked)
    return clock


CLOCKS: dict[str, Callable[[Path], ClockSource]] = {"system": _system, "bench": _bench}


@pytest.fixture(params=list(CLOCKS))
def clock(request: pytest.FixtureRequest, tmp_path: Path) -> ClockSource:
    return CLOCKS[request.param](tmp_path)


def test_a_clock_that_is_vouched_for_gives_the_time(clock: ClockSource) -> None:
    utc_s = clock.utc_s()
    assert utc_s is not None
    assert abs(utc_s - time.time()) < 5.0


def test_the_boot_id_is_one_word_and_stays(clock: ClockSource) -> None:
    assert clock.boot_id() == clock.boot_id()
    assert clock.boot_id().split() == [clock.boot_id()]


@pytest.mark.parametrize(
    ("trust", "synchronised", "rtc", "known"),
    [
        ("synchronised", True, False, True),
        ("synchronised", False, True, False),
        ("rtc", False, True, True),
        ("rtc", True, False, True),
        ("rtc", False, False, False),
        ("always", False, False, True),
    ],
)
def test_the_system_clock_is_known_when_somebody_vouches(
    tmp_path: Path, trust: str, synchronised: bool, rtc: bool, known: bool
) -> None:
    if rtc:
        (tmp_path / "rtc0").mkdir()
    clock = SystemClock(
        trust=trust, synchronised=lambda: synchronised, rtc_root=tmp_path, sync_mark=tmp_path / "synchronized"
    )
    assert (clock.utc_s() is not None) is known


def test_the_time_service_of_systemd_vouches_once_it_synchronised(tmp_path: Path) -> None:
    mark = tmp_path / "synchronized"
    clock = SystemClock(trust="rtc", synchronised=lambda: False, rtc_root=tmp_path, sync_mark=mark)
    assert clock.utc_s() is None
    mark.touch()
    assert clock.utc_s() is not None


def test_the_kernel_can_be_asked_whether_it_is_synchronised(tmp_path: Path) -> None:
    utc_s = SystemClock(trust="synchronised", sync_mark=tmp_path / "synchronized").utc_s()
    assert utc_s is None or utc_s > 0


def test_a_clock_before_this_software_existed_is_unknown(tmp_path: Path) -> None:
    assert SystemClock(trust="always", now=lambda: 86400.0).utc_s() is None


def test_a_machine_without_a_boot_id_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DriverUnavailable, match="no boot id"):
        SystemClock(boot_id_file=tmp_path / "none").boot_id()


def test_the_bench_can_take_the_time_away_and_set_it(tmp_path: Path) -> None:
    clock = _bench(tmp_path)
    _say(tmp_path, known=False, offset_s=0.0)
    assert clock.utc_s() is None
    _say(tmp_path, known=True, offset_s=7200.0)
    utc_s = clock.utc_s()
    assert utc_s is not None
    assert 7190.0 < utc_s - time.time() < 7210.0


def test_a_power_cut_changes_the_boot_id_of_the_bench(tmp_path: Path) -> None:
    clock = _bench(tmp_path)
    before = clock.boot_id()
    (tmp_path / "boot_id").write_text("77aa\n")
    assert (before, clock.boot_id()) == ("2f2d9a3c", "77aa")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"known": 1, "offset_s": 0}', '{"known": true}', '{"known": true, "offset_s": "x"}']
)
def test_a_clock_file_that_cannot_be_understood_is_an_unknown_time(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock.json").write_text(text)
    assert BenchClock(dir=str(tmp_path)).utc_s() is None


def test_a_bench_that_is_not_there_has_no_time_and_no_boot(tmp_path: Path) -> None:
    clock = BenchClock(dir=str(tmp_path))
    assert clock.utc_s() is None
    with pytest.raises(DriverUnavailable):
        clock.boot_id()
    (tmp_path / "boot_id").write_text("\n")
    with pytest.raises(DriverUnavailable, match="is empty"):
        clock.boot_id()
