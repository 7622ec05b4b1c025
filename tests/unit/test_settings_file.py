"""The station file: what a good one gives, and what is said about a bad one."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.model.station import EvseLayout, OnMeterLoss, OnPowerLoss
from agent.settings.build import CheckVariable, parse_station
from agent.settings.problems import SettingsError
from agent.settings.station import (
    LineSettings,
    LockSettings,
    LogFormat,
    MirrorKind,
    OcppVersion,
    SerialBusSettings,
    Settings,
    TcpBusSettings,
)
from tests.unit.broken_stations import BROKEN
from tests.unit.station_files import SMALL, TWO_EVSES

FILE = Path("/etc/charge-agent/station.toml")


def parse(text: str | bytes, check_variable: CheckVariable | None = None) -> Settings:
    raw = text if isinstance(text, bytes) else text.encode()
    return parse_station(raw, FILE, check_variable=check_variable)


def problems_of(text: str | bytes, check_variable: CheckVariable | None = None) -> list[str]:
    """Return the problems, without the name of the file."""
    with pytest.raises(SettingsError) as caught:
        parse(text, check_variable)
    return [str(problem).removeprefix(f"{FILE}:").lstrip() for problem in caught.value.problems]


def test_twenty_five_lines_are_a_whole_station() -> None:
    assert len(SMALL.splitlines()) <= 25
    station = parse(SMALL)
    assert station.station.id == "CP-0001"
    assert station.csms.version is OcppVersion.V16
    assert station.evses[0].contactor == LineSettings(line="GPIO17", active_high=True)
    assert station.evses[0].mirror is not None
    assert station.evses[0].mirror.kind is MirrorKind.NORMALLY_CLOSED
    assert station.readers[0].evses == (1,)
    assert station.log.format is LogFormat.AUTO
    assert (station.lines.driver, station.clock.driver) == ("gpio", "system")


def test_every_value_of_a_larger_file_arrives() -> None:
    station = parse(TWO_EVSES)
    first, second = station.evses
    assert (first.phases, first.max_current_a, first.connector, first.tethered) == (1, 32.0, "cType2", True)
    assert second.lock == LockSettings(
        line="evse2.lock", active_high=True, feedback=LineSettings(line="evse2.locked", active_high=False)
    )
    assert second.meter is not None
    assert (second.meter.bus, second.meter.driver.options["unit"]) == ("rs485", 2)
    assert "bus" not in second.meter.driver.options
    assert station.bus("rs485") == SerialBusSettings(
        name="rs485", port=FILE.parent / "meter.pty", baud=19200, parity="E", stopbits=1, gap_s=0.02
    )
    assert station.readers[0].evses == (2, 1)


def test_the_charging_core_gets_its_layout() -> None:
    layout = parse(TWO_EVSES).layout()
    assert layout.evses == (
        EvseLayout(evse_id=1, phases=1, max_current_a=32.0, lockable=False),
        EvseLayout(evse_id=2, phases=3, max_current_a=16.0, lockable=True, has_light=True),
    )
    assert layout.readers == {"front": (2, 1)}
    assert (layout.on_meter_loss, layout.on_power_loss) == (OnMeterLoss.SUSPEND, OnPowerLoss.RESUME)
    assert layout.max_current_a == 32.0


def test_variables_become_text_by_the_name_that_was_written() -> None:
    assert dict(parse(TWO_EVSES).variables) == {
        "HeartbeatInterval": "300",
        "AuthCtrlr.AuthorizeRemoteStart": "true",
        "OCPPCommCtrlr.WebSocketPingInterval": "30",
        "MeterValuesSampledData": "Energy.Active.Import.Register,Voltage",
    }


def test_relative_paths_start_from_the_folder_of_the_file() -> None:
    text = TWO_EVSES.replace('model = "Wallbox 22"', 'model = "x"\nstate_dir = "state"\nrun_dir = "/tmp/run"')
    station = parse(text)
    assert station.station.state_dir == FILE.parent / "state"
    assert station.station.guard_socket == Path("/tmp/run/guard.sock")
    assert station.evses[0].pilot.options["socket"] == str(FILE.parent / "pins.sock")
    assert station.readers[0].driver.options["port"] == str(FILE.parent / "reader.pty")
    assert parse(SMALL).readers[0].driver.options["port"] == "/dev/serial0"


def test_a_bus_may_be_a_host() -> None:
    station = parse(SMALL.replace('port = "/dev/serial/by-id/usb-FTDI_RS485-if00"', 'host = "10.0.0.7"'))
    assert station.buses == (TcpBusSettings(name="rs485", host="10.0.0.7", tcp_port=502),)


@pytest.mark.parametrize("text", ["﻿" + SMALL, SMALL.replace("\n", "\r\n"), "﻿" + SMALL.replace("\n", "\r\n")])
def test_a_file_saved_by_a_windows_editor_is_understood(text: str) -> None:
    assert parse(text).station.id == "CP-0001"


def test_lines_are_counted_right_in_a_file_with_windows_line_ends() -> None:
    text = SMALL.replace("max_current_a", "max_curent_a").replace("\n", "\r\n")
    assert problems_of("﻿" + text) == ["11: evse[1].max_curent_a is unknown; did you mean 'max_current_a'?"]


@pytest.mark.parametrize(("old", "new", "expected"), BROKEN, ids=[str(index) for index in range(len(BROKEN))])
def test_each_problem_is_said_with_line_key_value_and_what_was_expected(
    old: str, new: str, expected: list[str]
) -> None:
    assert old in SMALL
    assert problems_of(SMALL.replace(old, new, 1)) == [each.lstrip() for each in expected]


NO_TOML: list[tuple[bytes, str]] = [
    (SMALL.encode()[:130], "11: is no TOML: expected '=' after a key in a key/value pair; each line is key = value"),
    (b"[station]\nid = CP-1\n", "2: is no TOML: invalid value; text needs quotes"),
    (b"[station]\nid = 'a'\nid = 'b'\n", "3: is no TOML: cannot overwrite a value; the key is given twice"),
    (b"[station]\n[csms]\n[station]\n", "3: is no TOML: cannot declare ('station',) twice; the table is given twice"),
    (b"[station]\nvendor = 'M\xfcller'\n", "2: byte 0xfc is not UTF-8; save the file as UTF-8"),
    (SMALL.encode("utf-16"), "1: byte 0xff is not UTF-8; save the file as UTF-8"),
    (b"a = " + b"[" * 100_000, "is nested too deeply to be a station file"),
    (b".".join([b"a"] * 5_000) + b" = 1", "is nested too deeply to be a station file"),
    (b"a = " + b"9" * 5000, "is no TOML: "),
    (b"#" * (1 << 20) + b"\n", "has 1048577 bytes, at most 1048576 are allowed"),
    (b"\0", "1: is no TOML: "),
]


@pytest.mark.parametrize(("raw", "expected"), NO_TOML, ids=[str(index) for index in range(len(NO_TOML))])
def test_a_file_that_is_no_toml_is_one_problem_at_its_line(raw: bytes, expected: str) -> None:
    (problem,) = problems_of(raw)
    assert problem.startswith(expected)


def test_an_empty_file_lacks_every_table_that_must_be_there() -> None:
    assert problems_of("") == [
        "has no [station]: Who the station is, and where it keeps its things.",
        "has no [csms]: The back end.",
        "has no [[evse]]: One EVSE: charges one vehicle at a time. Repeat the table for each.",
    ]


def test_all_problems_are_said_at_once_in_the_order_of_the_file() -> None:
    text = SMALL.replace("vendor", "vendr").replace("wss", "http").replace("GPIO27", "GPIO17").replace("front", "")
    lines = [problem.partition(":")[0] for problem in problems_of(text)]
    assert lines == ["1", "3", "7", "14", "21"]


def test_one_device_cannot_serve_two_evses() -> None:
    text = TWO_EVSES.replace("evse = 2 }", "evse = 1 }").replace("unit = 2", "unit = 1")
    assert problems_of(text) == [
        "32: evse[2].pilot is the same device as evse[1].pilot",
        "39: evse[2].meter is the same device as evse[1].meter",
    ]


def test_one_line_cannot_do_two_things() -> None:
    text = TWO_EVSES.replace("evse2.contactor", "evse1.contactor")
    assert problems_of(text) == ["33: evse[2].contactor.line 'evse1.contactor' is used by evse[1].contactor already"]


def test_variables_are_checked_by_whoever_knows_them() -> None:
    def check(name: str, text: str) -> str | None:
        return f"{text} is outside 0-100 s" if name == "HeartbeatInterval" else None

    assert problems_of(TWO_EVSES, check) == ["59: variables.HeartbeatInterval 300 is outside 0-100 s"]


def test_a_problem_never_shows_a_password() -> None:
    text = SMALL.replace("wss://csms.example.com/ocpp", "wss://cp:secret@csms")
    assert "secret" not in "".join(problems_of(text))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_and_nothing_else_happens(raw: bytes) -> None:
    with pytest.raises(SettingsError):
        parse(raw)


_VALUES = st.sampled_from(
    (
        *("nan", "-inf", "0", "-1", "1e400", "true", '""', "'x'", "[]", "[[]]", "{}", "{a=1}", "[1,'a']", "1979-05-27"),
        *("0x" + "f" * 5000, "'''\n'''", '"\\u0000"', "07:32:00", "[{driver='bench'}]", "{driver='modbus',bus={}}"),
    )
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_file_with_any_value_anywhere_is_understood_or_refused(data: st.DataObject) -> None:
    lines = TWO_EVSES.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                lines[index] = lines[index].partition("=")[0] + "= " + data.draw(_VALUES)
            case 1:
                del lines[index]
            case 2:
                lines.insert(index, data.draw(st.sampled_from(lines)))
            case 3:
                cut = data.draw(st.integers(0, len(lines[index])))
                lines[index] = lines[index][:cut] + data.draw(st.text(max_size=3)) + lines[index][cut:]
    with contextlib.suppress(SettingsError):
        parse("\n".join(lines).encode("utf-8", "surrogatepass"))


def test_a_reader_and_a_bus_cannot_open_the_same_port() -> None:
    text = SMALL.replace('port = "/dev/serial0"', 'port = "/dev/serial/by-id/usb-FTDI_RS485-if00"')
    (problem,) = problems_of(text)
    assert "reader[1].port '/dev/serial/by-id/usb-FTDI_RS485-if00' is the port of bus 'rs485', too" in problem
