"""The commands of docs/porting.md, run as a reader runs them, and the tables of docs/drivers/linux.md."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from agent.cli import main
from agent.settings.board import board_names
from agent.settings.last_good import check_station
from tests.unit.test_docs import REPOSITORY, blocks

PORTING, LINUX = REPOSITORY / "docs" / "porting.md", REPOSITORY / "docs" / "drivers" / "linux.md"
COMMANDS = sorted(
    {
        line.removeprefix("$ ")
        for block in blocks(PORTING, "console")
        for line in block.splitlines()
        if line.startswith("$ charge-agent ")
    }
)
STATION = """\
{board}
[station]
id = "CP-0001"
vendor = "Example"
model = "Wallbox 11"

[csms]
url = "wss://csms.example.com/ocpp"
"""
BOARD = """\
[board]
title = "My board"

[lines]
driver = "gpio"
factory = "mock"

[[evse]]
id = 1
pilot = { driver = "bench", socket = "/run/pins.sock", evse = 1 }
contactor = { line = "GPIO17" }
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_runs(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (board,) = (block for block in blocks(PORTING, "toml") if block.startswith("board = "))
    (tmp_path / "config").symlink_to(REPOSITORY / "config")
    (tmp_path / "my-board.toml").write_text(BOARD)
    (tmp_path / "station.toml").write_text(STATION.format(board=board))
    monkeypatch.chdir(tmp_path)
    assert main(command.split()[1:]) == 0


def test_the_page_shows_the_commands_that_matter() -> None:
    assert [each.split()[1:-1] for each in COMMANDS] == [["check", "--hardware"], ["check"], ["check"]]


def test_the_page_names_every_board() -> None:
    text = PORTING.read_text(encoding="utf-8")
    assert [name for name in board_names() if f"`{name}`" not in text] == []


def test_the_tables_of_the_driver_page_are_those_of_a_station_file(tmp_path: Path) -> None:
    (shown,) = blocks(LINUX, "toml")
    assert tomllib.loads(shown)
    text = STATION.format(board="") + '\n[[evse]]\nid = 1\ncontactor = { line = "GPIO17" }\n\n' + shown
    (tmp_path / "station.toml").write_text(text)
    (evse,) = check_station(tmp_path / "station.toml").evses
    assert evse.pilot is not None
    assert evse.pilot.driver == "linux"
