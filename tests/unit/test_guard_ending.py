"""A guard that cannot start: what is safe, what is said, and how soon it is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.cli import REFUSED_PAUSE_S, refused_pause_s
from agent.guard.__main__ import main
from agent.guard.ending import RETRY_PAUSE_S, pause_before_exit_s
from tests.process.guard_client import GuardProcess

BOARD = "tests.process.guard_board"
UNDER_SYSTEMD = {"NOTIFY_SOCKET": "/run/systemd/notify"}


@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        (f"{BOARD}:open_missing_chip", 1, "gpiochip of label 'pinctrl-bcm2711' is not there"),
        ("no_such_board:open_lines", 78, "target 'no_such_board:open_lines' cannot be imported"),
    ],
)
def test_a_board_that_is_missing_as_a_whole_leaves_every_pilot_not_available_and_is_told(
    lines: str, code: int, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    guard = GuardProcess(tmp_path, lines={"target": lines, "options": {}})
    assert main([str(guard.plan)]) == code
    assert said in capfd.readouterr().err
    assert [entry[1:] for entry in guard.writes()] == [("pilot", "steady_low 100")]


def test_a_pilot_that_cannot_be_reached_either_is_told_and_hides_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    guard = GuardProcess(tmp_path, lines={"target": f"{BOARD}:open_missing_chip", "options": {}})
    plan = guard.plan.read_text().replace(f"{BOARD}:open_power_path", "no_such_board:open_power_path")
    guard.plan.write_text(plan)
    assert main([str(guard.plan)]) == 1
    said = capfd.readouterr().err
    assert "offer.not_ended" in said
    assert "device.failed" in said


@pytest.mark.parametrize("code", [1, 75, 78])
def test_under_systemd_a_guard_that_cannot_start_waits_before_it_is_started_again(code: int) -> None:
    assert pause_before_exit_s(code, UNDER_SYSTEMD) == RETRY_PAUSE_S
    assert pause_before_exit_s(code, {}) == 0.0, "by hand it ends at once"


def test_a_guard_that_ended_in_order_or_was_called_wrongly_does_not_wait() -> None:
    assert pause_before_exit_s(0, UNDER_SYSTEMD) == pause_before_exit_s(64, UNDER_SYSTEMD) == 0.0


def test_with_a_wrong_station_file_both_processes_wait_before_systemd_starts_them_again() -> None:
    assert refused_pause_s(UNDER_SYSTEMD) == REFUSED_PAUSE_S
    assert refused_pause_s({}) == 0.0
