"""``charge-agent meter``, run in this process against the bench's meters on a pseudo-terminal."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from drivers.config_dir import config_dir
from hil.modbus_slave import Fault, ModbusSlave, Quantities, RegisterMap, Unit
from hil.pty_port import PtyPort
from tests.contract.modbus_slave import TcpSlave

SHOWN = Quantities(
    voltage_v=(230.0, 231.0, 229.0), current_a=(16.0, 15.0, 14.0), energy_wh=1_234_500.0, frequency_hz=50.0
)


class Line:
    """A pseudo-terminal with meters behind it, served by a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bus"
        self.fault = Fault.NONE
        self.slave = self.meters("eastron_sdm630")
        self.requests = 0
        self._loop = asyncio.new_event_loop()
        self._port = PtyPort(self.path, self._receive)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._loop.call_soon(self._port.attach, self._loop)
        self._thread.start()

    def meters(self, profile: str, *units: int) -> ModbusSlave:
        """Put meters of a profile on the line."""
        register_map = RegisterMap.load(config_dir() / "meters" / f"{profile}.toml")
        unit = Unit(measure=lambda: SHOWN, fault=lambda: self.fault)
        self.slave = ModbusSlave(register_map, dict.fromkeys(units or (1,), unit))
        return self.slave

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._port.close()
        self._loop.close()

    def _receive(self, chunk: bytes) -> None:
        self.requests += 1
        self._port.send(self.slave.feed(chunk))
        for answer in self.slave.take_late():
            self._loop.call_later(0.25, self._port.send, answer)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    yield made
    made.close()


def meter(*words: object) -> int:
    return main(["meter", *map(str, words)])


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_meter_of_no_station_file_is_read(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    assert meter("read", "--port", line.path, "--profile", "eastron_sdm630", "--json") == 0
    answer = said(capsys)
    assert answer["reading"]["energy_import_wh"] == pytest.approx(1_234_500.0, abs=0.2)
    assert answer["reading"]["current_a"] == [16.0, 15.0, 14.0]
    assert (answer["unit"], answer["profile"], answer["source"]) == (1, "eastron_sdm630", "line")
    assert meter("read", "--port", line.path, "--profile", "eastron_sdm630") == 0
    text = capsys.readouterr().out
    assert "1234500 Wh imported" in text
    assert "16.00/15.00/14.00 A" in text


def test_every_value_of_a_profile_can_be_shown(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    line.meters("iskra_wm3m4", 33)
    assert meter("read", "--port", line.path, "--profile", "iskra_wm3m4", "--all", "--json") == 0
    values = said(capsys)["values"]
    assert (values["model"], values["serial_number"]) == ("WM3M4", "1234567")
    assert values["energy_import"] == 1_234_500.0
    assert meter("read", "--port", line.path, "--profile", "iskra_wm3m4", "--all") == 0
    assert "WM3M4" in capsys.readouterr().out


def test_a_meter_of_the_station_file_is_read_where_no_agent_runs(
    line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line.meters("eastron_sdm630", 2)
    file = tmp_path / "station.toml"
    file.write_text(
        '[station]\nid = "CP-1"\nvendor = "V"\nmodel = "M"\nstate_dir = "s"\nrun_dir = "r"\n'
        '[csms]\nurl = "ws://127.0.0.1:9/"\nallow_insecure = true\n'
        '[lines]\ndriver = "bench"\nsocket = "pins.sock"\n'
        '[bus.rs485]\nport = "bus"\ngap_ms = 10\n'
        '[[evse]]\nid = 1\nmax_current_a = 16\npilot = { driver = "bench", socket = "pins.sock", evse = 1 }\n'
        'contactor = { line = "evse1.contactor" }\n'
        'meter = { driver = "modbus", profile = "eastron_sdm630", bus = "rs485", unit = 2, invert = true }\n'
    )
    assert meter("read", "--config", file, "--json") == 0
    answer = said(capsys)
    assert (answer["evse"], answer["unit"]) == (1, 2)
    assert answer["reading"]["power_w"] == pytest.approx(-10351.0)
    assert answer["reading"]["energy_export_wh"] == pytest.approx(1_234_500.0, abs=0.2)
    assert meter("read", "--config", file, "--evse", 4) == 1
    assert "there is no EVSE 4 with a meter, expected one of 1" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="78"):
        meter("read", "--config", tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("fault", "counter", "hint", "code"),
    [
        (Fault.NONE, "answers", None, 0),
        (Fault.SILENT, "timeouts", "nothing was ever heard: A and B swapped", 69),
        (Fault.CHECKSUM, "checksums", "speed or parity is another, or two devices have this address", 69),
        (Fault.WRONG_UNIT, "foreign", "another device answers", 69),
        (Fault.SHORT, "short", "never a whole frame", 69),
        (Fault.LATE, "late", "too late: a longer timeout_s (now 0.2 s)", 69),
        (Fault.EXCEPTION, "refusals", "the meter refuses reads", 1),
    ],
)
def test_the_doctor_names_what_is_wrong_with_the_line(
    line: Line, capsys: pytest.CaptureFixture[str], fault: Fault, counter: str, hint: str | None, code: int
) -> None:
    line.fault = fault
    arguments = ("--port", line.path, "--profile", "eastron_sdm630", "--timeout-s", 0.2, "--json")
    assert meter("doctor", "--reads", 2, *arguments) == code
    answer = said(capsys)
    assert answer["counters"][counter] >= 1
    if hint is None:
        assert answer["hints"] == []
        assert answer["identified"] is True
        least, median, most = answer["counters"]["latency_s"]
        assert 0.0 < least <= median <= most
    else:
        assert hint in " ".join(answer["hints"])


def test_the_doctor_sees_another_model(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    line.meters("eastron_sdm630", 1)
    assert meter("doctor", "--reads", 1, "--port", line.path, "--profile", "eastron_sdm72dm_v2") == 1
    shown = capsys.readouterr()
    assert "it says that it is another model" in shown.out
    assert "the device is no eastron_sdm72dm_v2" in shown.out
    assert "reading: 0 of 1" in shown.err


def test_a_meter_that_fails_is_not_said_to_be_another_model(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    line.fault = Fault.EXCEPTION
    assert meter("doctor", "--reads", 1, "--port", line.path, "--profile", "eastron_sdm630") == 1
    shown = capsys.readouterr().out
    assert "refused with exception 4 (device failure)" in shown
    assert "it says" not in shown
    assert "the device is no" not in shown


def test_a_scan_finds_every_address_and_says_what_is_there(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    line.meters("abb_b23_b24", 2, 5)
    assert meter("scan", "--port", line.path, "--units", "1-3,5", "--wait-s", 0.05, "--json") == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)["found"]
    assert [(each["unit"], each["baud"], each["parity"]) for each in found] == [(2, 9600, "N"), (5, 9600, "N")]
    assert {tuple(each["profiles"]) for each in found} == {("abb_b23_b24",)}
    assert "scanning: 0 of" in shown.err
    assert "done" in shown.err
    assert meter("scan", "--port", line.path, "--units", "2", "--wait-s", 0.05) == 0
    text = capsys.readouterr().out
    assert "address 2 at 9600 N: says that it is abb_b23_b24" in text
    assert 'profile = "abb_b23_b24", bus = "meters", unit = 2' in text


def test_a_device_that_does_not_say_what_it_is_can_be_guessed(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    line.meters("cg_em330_em340", 1)
    assert meter("scan", "--port", line.path, "--units", 1, "--wait-s", 0.05, "--guess", "--json") == 0
    (found,) = said(capsys)["found"]
    assert found["profiles"] == []
    assert "cg_em330_em340" in found["likely"]


def test_a_scan_that_finds_nothing_says_what_to_try(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    line.fault = Fault.CHECKSUM
    arguments = ("--port", line.path, "--bauds", "9600", "--parities", "N", "--units", "1,2", "--wait-s", 0.05)
    assert meter("scan", *arguments) == 1
    text = capsys.readouterr().out
    assert "0 devices found" in text
    assert "bytes that are no frames at 9600 N" in text
    assert "A and B swapped?" in text


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (
            ("read", "--port", "/dev/none", "--profile", "eastron_sdm630"),
            69,
            "/dev/none cannot be opened: no such file",
        ),
        (("read", "--port", "/dev/none", "--profile", "eastron_sdm360"), 2, "did you mean 'eastron_sdm630'?"),
        (("read", "--port", "/dev/none"), 1, "which meter is it? Say --profile"),
        (("read", "--profile", "eastron_sdm630"), 2, "say --port or --host"),
        (("scan", "--port", "/dev/none", "--units", "1"), 69, "/dev/none cannot be opened: no such file"),
        (("read", "--host", "127.0.0.1", "--tcp-port", "9", "--profile", "phoenix_eem_em3xx"), 69, "nobody answers"),
    ],
)
def test_what_cannot_be_is_said_with_its_exit_code(
    words: tuple[str, ...], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert meter(*words) == code
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("scan",),
        ("scan", "--port", "x", "--units", "1-300"),
        ("scan", "--port", "x", "--parities", "X"),
        ("read", "--timeout-s", "0"),
    ],
)
def test_wrong_usage_is_exit_code_two(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        meter(*words)
    assert capsys.readouterr().err


def test_a_port_that_the_agent_holds_is_told(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    holder = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert meter("read", "--port", line.path, "--profile", "eastron_sdm630") == 69
    assert "A running agent holds its ports: leave --port away to ask it." in capsys.readouterr().err
    os.close(holder)


async def test_over_tcp_a_meter_is_found_and_read(capsys: pytest.CaptureFixture[str]) -> None:
    slave = TcpSlave()
    await slave.listen()
    words = RegisterMap.load(config_dir() / "meters" / "phoenix_eem_em3xx.toml").encode(SHOWN, 4)
    slave.registers = {255: words}
    where = ("--host", "127.0.0.1", "--tcp-port", slave.tcp_port, "--json")
    assert await asyncio.to_thread(meter, "read", "--profile", "phoenix_eem_em3xx", *where) == 0
    answer = said(capsys)
    assert (answer["unit"], answer["reading"]["power_w"]) == (255, pytest.approx(10_351.0))
    assert await asyncio.to_thread(meter, "scan", "--units", "254,255", "--wait-s", 0.05, *where) == 0
    (found,) = said(capsys)["found"]
    assert (found["unit"], found["baud"]) == (255, None)
    await slave.close()


def test_the_list_of_profiles_names_every_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert meter("profiles", "--json") == 0
    rows = said(capsys)
    assert len(rows) == 52
    assert all(row["sources"] and row["confidence"] for row in rows)
    assert meter("profiles") == 0
    assert "bauer_bsm_ws36a" in capsys.readouterr().out
