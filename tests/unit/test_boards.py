"""Boards: what ships checks clean, a station file lies over its board, a problem names the file that it is in."""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.cli import _plan_is_fresh, main
from agent.settings.board import board_names
from agent.settings.checked import keep, recall
from agent.settings.compile import compile_station, plan_of
from agent.settings.example import schema
from agent.settings.last_good import check_station, load_station
from agent.settings.loaded import Origin
from agent.settings.problems import SettingsError
from agent.settings.safe_actions import safe_actions
from agent.settings.station import LineSettings, Settings
from drivers.api.safe import plan_text
from drivers.config_dir import config_dir
from tests.unit.broken_boards import BOARD, REFUSED, STATION

EXAMPLES = sorted((config_dir() / "boards" / "examples").glob("*.toml"))
Check = Callable[..., Settings]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Check a station file over a board file, both with one change."""

    def run(station: tuple[str, str] = ("", ""), board: tuple[str, str] = ("", ""), more: str = "") -> Settings:
        """A change from nothing is the whole file."""
        (tmp_path / "board.toml").write_text(BOARD.replace(*board, 1) if board[0] else board[1] or BOARD)
        (tmp_path / "station.toml").write_text(
            (STATION.replace(*station, 1) if station[0] else station[1] or STATION) + more
        )
        return check_station(tmp_path / "station.toml")

    return run


def said(check: Callable[[], Settings], folder: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        check()
    return [str(each).replace(f"{folder}/", "").replace("./", "") for each in caught.value.problems]


# ---- what ships ------------------------------------------------------------------------------------------------------


def test_every_board_has_an_example_station_file() -> None:
    assert [path.stem for path in EXAMPLES] == board_names()
    assert len(EXAMPLES) >= 7


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_checks_clean_and_is_short(example: Path) -> None:
    settings = check_station(example)
    assert settings.board is not None
    assert settings.board.name == example.stem
    assert len(example.read_text().splitlines()) <= 26, "board, meter, reader and a few lines"
    assert plan_of(settings)["board_sha256"] == settings.board.sha256


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_63_ampere_station_is_too_much_for_a_smaller_board(example: Path, tmp_path: Path) -> None:
    board = config_dir() / "boards" / example.name
    most = next(line for line in board.read_text().splitlines() if line.startswith("max_current_a"))
    limit = int(most.partition("=")[2])
    if limit >= 63:
        pytest.skip("this board carries it")
    text = example.read_text()
    evse = "" if "[[evse]]" in text else "\n[[evse]]\nid = 1\n"
    text = (text + evse).replace("[[evse]]\nid = 1\n", "[[evse]]\nid = 1\nmax_current_a = 63\n")
    (tmp_path / "station.toml").write_text(text)
    line = text.splitlines().index("max_current_a = 63") + 1
    assert said(lambda: check_station(tmp_path / "station.toml"), tmp_path) == [
        f"station.toml:{line}: evse[1].max_current_a 63 A is above the {limit} A of the board {example.stem!r}; "
        f"write max_current_a = {limit}, or use another board"
    ]


# ---- merging ---------------------------------------------------------------------------------------------------------


def test_the_station_file_says_only_what_the_board_does_not(check: Check) -> None:
    settings = check()
    (evse,) = settings.evses
    assert (evse.max_current_a, settings.guard.scan_ms) == (13.0, 20)
    assert evse.contactor == LineSettings(line="GPIO17", active_high=False)
    assert evse.pilot is not None
    assert (evse.pilot.driver, settings.lines.driver) == ("bench", "gpiod")


def test_a_station_without_evses_has_those_of_its_board(check: Check) -> None:
    settings = check(("[[evse]]\nid = 1\n", ""))
    assert [each.id for each in settings.evses] == [1, 2]


def test_options_of_the_station_file_go_before_the_boards(check: Check) -> None:
    settings = check(more="max_current_a = 10\npilot = { evse = 7 }\n\n[guard]\npermit_s = 12\n")
    assert settings.evses[0].max_current_a == 10.0
    assert settings.evses[0].pilot is not None
    assert settings.evses[0].pilot.options["evse"] == 7
    assert (settings.guard.scan_ms, settings.guard.permit_s) == (20, 12.0)


def test_another_line_or_driver_does_not_inherit_what_was_said_of_the_first(check: Check) -> None:
    settings = check(more='contactor = { line = "GPIO27" }\n')
    assert settings.evses[0].contactor == LineSettings(line="GPIO27", active_high=True)


def test_an_alias_of_the_board_is_a_line_of_the_station_file_too(check: Check) -> None:
    settings = check(more='mirror = false\nrcd = { line = "input1", pull = "up" }\n')
    assert settings.evses[0].mirror is None, "false takes the board's away"
    rcd = settings.evses[0].rcd
    assert rcd is not None
    assert (rcd.line, rcd.pull) == ("GPIO22", "up")


def test_the_board_may_stand_in_the_station_table(check: Check) -> None:
    settings = check(('board = "./board.toml"\n\n[station]\n', '[station]\nboard = "./board.toml"\n'))
    assert settings.board is not None
    assert settings.board.title == "Test board"


# ---- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("station", "board", "more", "expected"), REFUSED)
def test_a_problem_is_told_with_the_file_that_it_stands_in(
    check: Check,
    tmp_path: Path,
    station: tuple[str, str] | None,
    board: tuple[str, str] | None,
    more: str,
    expected: list[str],
) -> None:
    for change, text in ((station, STATION), (board, BOARD)):
        assert change is None or change[0] in text
    found = said(lambda: check(station or ("", ""), board or ("", ""), more), tmp_path)
    assert len(found) == len(expected), found
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start)


def test_two_evses_on_one_pilot_channel_and_two_meters_at_one_address_are_refused(tmp_path: Path) -> None:
    example = (config_dir() / "boards" / "raspberry-pi-5-relay-hat.toml").read_text()
    board = tmp_path / "board.toml"
    board.write_text(example.replace("evses = 1", "evses = 2") + example[example.index("[[evse]]") :].replace("id = 1", "id = 2").replace("relay1", "relay2").replace("input1", "input3").replace("input2", "input4").replace('"led"', '"relay3"'))  # fmt: skip  # noqa: E501
    meter = 'meter = { driver = "modbus", profile = "eastron_sdm630", bus = "rs485", unit = 5, timeout_s = %s }\n'
    text = STATION + meter % 1 + "\n[[evse]]\nid = 2\n" + meter % 2 + '\n[bus.rs485]\nport = "/dev/ttyUSB0"\n'
    (tmp_path / "station.toml").write_text(text)
    found = said(lambda: check_station(tmp_path / "station.toml"), tmp_path)
    assert "station.toml:18: evse[2].meter.unit address 5 on bus 'rs485' is used by evse[1].meter already" in found
    assert any("evse[2].pilot" in each and "is the same device as evse[1].pilot" in each for each in found)
    other = board.read_text()
    board.write_text(other[::-1].replace("pilot_channel = 0"[::-1], "pilot_channel = 5"[::-1], 1)[::-1])
    found = said(lambda: check_station(tmp_path / "station.toml"), tmp_path)
    assert any(
        "evse[2].pilot.pwm_channel PWM 1f00098000.pwm channel 2 is used by evse[1].pilot already" in each
        for each in found
    )


def test_an_editor_with_the_schema_accepts_what_lies_over_a_board() -> None:
    validator = jsonschema.Draft202012Validator(schema())
    for text in (STATION, *(example.read_text() for example in EXAMPLES)):
        validator.validate(tomllib.loads(text))
    partial = tomllib.loads(STATION + "contactor = { active_high = false }\nlock = false\n")
    validator.validate(partial)
    del partial["board"]
    assert not validator.is_valid(partial), "without a board it is not whole"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_board_can_be_made_safe_without_python(example: Path) -> None:
    text = plan_text(safe_actions(check_station(example)))
    assert "cannot" not in text
    assert ("pwm\t" in text) is ('driver = "linux"' in (config_dir() / "boards" / example.name).read_text())


# ---- the real machine ------------------------------------------------------------------------------------------------


def test_a_look_at_a_machine_that_is_not_the_board_names_every_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (config_dir() / "boards" / "examples" / "raspberry-pi-5-relay-hat.toml").read_text()
    port = tmp_path / "tty"
    port.touch()
    (tmp_path / "station.toml").write_text(text.replace("/dev/serial/by-id/usb-FTDI_RS485-if00", str(port)))
    assert main(["check", str(tmp_path / "station.toml")]) == 0
    assert main(["check", "--hardware", str(tmp_path / "station.toml")]) == 78
    said = capsys.readouterr()
    board = config_dir() / "boards" / "raspberry-pi-5-relay-hat.toml"
    told = said.err.splitlines()
    assert f"  port {port}: there" in said.out
    assert [each for each in told if each.startswith(f"{board}:") and "evse[1].contactor.line" in each]
    assert [each for each in told if each.startswith(f"{board}:") and "evse[1].pilot.pwm PWM 1f00098000.pwm" in each]
    assert [each for each in told if each.startswith(f"{tmp_path}/station.toml:") and "reader[1].port" in each]


def test_a_look_in_json_says_what_was_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = STATION.replace('board = "./board.toml"', "") + 'pilot = { driver = "bench", socket = "s", evse = 1 }\n'
    text += 'contactor = { line = "GPIO17" }\n\n[lines]\ndriver = "gpio"\nfactory = "mock"\n'
    (tmp_path / "station.toml").write_text(text)
    assert main(["check", "--hardware", "--json", str(tmp_path / "station.toml")]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert answer["seen"] == [
        "lines of gpiozero's mock factory: there is nothing to look at",
        "evse[1].pilot: driver bench does not look at its device",
    ]


# ---- whatever is in the files ----------------------------------------------------------------------------------------

VALUES = (
    "1",
    "true",
    '"x"',
    "[]",
    "{}",
    "[1]",
    "[{}]",
    "{ line = 1 }",
    '{ driver = "linux" }',
    "{ driver = 3 }",
    "false",
)
NAMES = ("evse", "lines", "guard", "bus", "reader", "limits", "aliases", "reserved", "board", "station", "charging")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_two_files_hold_only_problems_come_out(check: Check, data: st.DataObject) -> None:
    def damaged(text: str) -> str:
        lines = text.splitlines()
        for _ in range(data.draw(st.integers(1, 3))):
            place, what = (
                data.draw(st.integers(0, len(lines) - 1)),
                data.draw(st.sampled_from(("value", "new", "twice"))),
            )
            if what == "value" and "=" in lines[place]:
                lines[place] = f"{lines[place].partition('=')[0]}= {data.draw(st.sampled_from(VALUES))}"
            elif what == "new":
                name, value = data.draw(st.sampled_from(NAMES)), data.draw(st.sampled_from((*VALUES, "[]]")))
                lines.insert(place, f"{name} = {value}" if value != "[]]" else f"[[{name}]]")
            else:
                lines.insert(place, lines[data.draw(st.integers(0, len(lines) - 1))])
        return "\n".join(lines) + "\n"

    with contextlib.suppress(SettingsError):
        check(("", damaged(STATION)), ("", damaged(BOARD)))


# ---- kept copies -----------------------------------------------------------------------------------------------------


def test_the_guards_plan_is_made_again_when_the_board_changed(check: Check, tmp_path: Path) -> None:
    check()
    file, plan = tmp_path / "station.toml", tmp_path / "plan.json"
    compile_station(file, plan)
    assert _plan_is_fresh(plan, file)
    (tmp_path / "board.toml").write_text(BOARD.replace("scan_ms = 20", "scan_ms = 10"))
    assert not _plan_is_fresh(plan, file)
    (tmp_path / "board.toml").unlink()
    assert not _plan_is_fresh(plan, file)


@pytest.mark.parametrize("left", [b"", b"outputs-safe\t1\n", None])
def test_the_guards_plan_is_made_again_when_the_safe_actions_beside_it_are_damaged(
    check: Check, tmp_path: Path, left: bytes | None
) -> None:
    check()
    file, plan, safe = tmp_path / "station.toml", tmp_path / "plan.json", tmp_path / "outputs-safe.plan"
    compile_station(file, plan)
    if left is None:
        safe.unlink()
    else:
        safe.write_bytes(left)
    assert not _plan_is_fresh(plan, file)
    compile_station(file, plan)
    assert _plan_is_fresh(plan, file)


def test_a_changed_board_is_read_again_and_a_broken_one_leaves_the_last_good_copy(check: Check, tmp_path: Path) -> None:
    check()
    file, board = tmp_path / "station.toml", tmp_path / "board.toml"
    keep(load_station(file))
    known = recall(file)
    assert known is not None
    assert known.settings.evses[0].max_current_a == 13.0
    board.write_text(BOARD.replace("max_current_a = 13", "max_current_a = 12"))
    assert recall(file) is None, "the kept settings are those of the old board"
    assert load_station(file).settings.evses[0].max_current_a == 12.0
    board.write_text("[board")
    loaded = load_station(file)
    assert (loaded.origin, loaded.settings.evses[0].max_current_a) == (Origin.LAST_GOOD, 12.0)
    board.unlink()
    assert load_station(file).origin is Origin.LAST_GOOD
