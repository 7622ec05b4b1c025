"""The pure parts of the bench's wires: Modbus slave, card frames, control arguments, trace, command line."""

from __future__ import annotations

import asyncio
import re
import struct
from pathlib import Path

import pytest

import hil
from hil.all_verbs import describe_all
from hil.cli import build_parser, main
from hil.control import Kind, Parameter, Verb, VerbError, Verbs
from hil.csms_parameters import PARAMETERS
from hil.evse import MeterMode
from hil.modbus_slave import Fault, ModbusSlave, Quantities, RegisterMap, Unit, crc16
from hil.paths import config_dir
from hil.rdm6300 import card_frame
from hil.trace import Condition, Trace
from hil.verb_table import bench_table
from hil.world import World, WorldSettings

MAP = RegisterMap.load(config_dir() / "meters" / "eastron_sdm630.toml")
QUANTITIES = Quantities(
    voltage_v=(230.0, 231.0, 232.0), current_a=(16.0, 0.0, 0.0), energy_wh=1_234_500.0, frequency_hz=50.0
)


def request(unit: int, function_code: int, address: int, count: int) -> bytes:
    body = struct.pack(">BBHH", unit, function_code, address, count)
    return body + crc16(body)


def slave(fault: Fault = Fault.NONE) -> ModbusSlave:
    unit = Unit(measure=lambda: QUANTITIES, fault=lambda: fault)
    return ModbusSlave(MAP, {1: unit, 2: unit})


def floats(answer: bytes) -> list[float]:
    assert crc16(answer[:-2]) == answer[-2:]
    return list(struct.unpack(f">{answer[2] // 4}f", answer[3:-2]))


def test_the_crc_is_the_one_of_the_modbus_specification() -> None:
    assert crc16(bytes.fromhex("010300000001")) == bytes.fromhex("840A")


def test_registers_hold_what_an_sdm630_would_show() -> None:
    assert floats(slave().feed(request(1, 4, 0, 12))) == [230.0, 231.0, 232.0, 16.0, 0.0, 0.0]
    assert floats(slave().feed(request(1, 4, 52, 2))) == [3680.0]
    assert floats(slave().feed(request(2, 4, 72, 2))) == [1234.5]
    assert floats(slave().feed(request(1, 4, 70, 2))) == [50.0]


def test_holes_in_the_map_read_as_zero() -> None:
    assert floats(slave().feed(request(1, 4, 34, 6)))[1:] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("frame", "code"),
    [(request(1, 4, 400, 2), 2), (request(1, 4, 0, 81), 3), (request(1, 4, 0, 0), 3), (request(1, 6, 0, 2), 1)],
)
def test_what_an_sdm630_refuses_is_an_exception_answer(frame: bytes, code: int) -> None:
    answer = slave().feed(frame)
    assert answer[1] == frame[1] | 0x80
    assert answer[2] == code


def test_an_absent_unit_and_a_silent_one_say_nothing() -> None:
    assert slave().feed(request(9, 4, 0, 2)) == b""
    assert slave(Fault.SILENT).feed(request(1, 4, 0, 2)) == b""


def test_every_fault_of_an_answer_is_what_it_is_called() -> None:
    asked = request(1, 4, 0, 2)
    good = slave().feed(asked)
    spoilt = {fault: slave(fault).feed(asked) for fault in Fault}
    assert spoilt[Fault.CHECKSUM][:3] == good[:3]
    assert crc16(spoilt[Fault.CHECKSUM][:-2]) != spoilt[Fault.CHECKSUM][-2:]
    assert spoilt[Fault.WRONG_UNIT][0] != good[0]
    assert crc16(spoilt[Fault.WRONG_UNIT][:-2]) == spoilt[Fault.WRONG_UNIT][-2:]
    assert good.startswith(spoilt[Fault.SHORT])
    assert spoilt[Fault.EXCEPTION][:3] == bytes((1, 0x84, 4))
    late = slave(Fault.LATE)
    assert (late.feed(asked), late.take_late(), late.take_late()) == (b"", [good], [])


def test_a_map_with_scale_registers_holds_powers_of_ten() -> None:
    bauer = RegisterMap.load(config_dir() / "meters" / "bauer_bsm_ws36a.toml")
    words = bauer.encode(QUANTITIES, 3)
    assert (words[40000], words[40001], words[40070]) == (0x5375, 0x6E53, 203)
    exponent = words[40085] - 65536 if words[40085] > 32767 else words[40085]
    assert words[40078] * 10.0**exponent == pytest.approx(230.0)
    assert bauer.rollover_wh is None


def test_a_map_knows_where_its_register_ends() -> None:
    ends = {
        name: RegisterMap.load(config_dir() / "meters" / f"{name}.toml").rollover_wh
        for name in ("cg_em24", "orno_we504")
    }
    assert ends == {"cg_em24": 2.0**31 * 100.0, "orno_we504": 2.0**32}
    assert MAP.rollover_wh is None


@pytest.mark.parametrize(
    ("mode", "shown_wh"),
    [
        (MeterMode.OK, 121_000.0),
        (MeterMode.ZEROED, 0.0),
        (MeterMode.SWAP, 4_832_000.0),
        (MeterMode.ROLLOVER, 999_999_990.0),
        (MeterMode.CHECKSUM, 121_000.0),
    ],
)
def test_some_faults_of_a_meter_set_its_register_elsewhere(mode: MeterMode, shown_wh: float) -> None:
    evse = World(WorldSettings(), now_s=0.0).evses[1]
    evse.set_meter(mode)
    assert evse.shown_wh == shown_wh
    evse.energy_wh += 100.0
    assert evse.shown_wh == (90.0 if mode is MeterMode.ROLLOVER else shown_wh + 100.0)


def test_garbage_is_never_a_good_answer() -> None:
    broken = slave(Fault.GARBAGE)
    good = slave().feed(request(1, 4, 0, 2))
    answers = [broken.feed(request(1, 4, 0, 2)) for _ in range(3)]
    assert good not in answers
    assert len(set(answers)) == 3


def test_noise_before_a_request_is_skipped_and_bytes_may_come_one_by_one() -> None:
    one = slave()
    answer = b"".join(one.feed(bytes([byte])) for byte in b"\x00\xff\x01" + request(1, 4, 0, 2))
    assert floats(answer) == [230.0]


@pytest.mark.parametrize(("uid", "checksum"), [("01001293D8", b"58"), ("0100CDA4EC", b"84"), ("2900DEB30A", b"4E")])
def test_card_frames_match_recorded_ones(uid: str, checksum: bytes) -> None:
    # Recorded frames: forum.arduino.cc topic 1221511.
    assert card_frame(uid) == b"\x02" + uid.encode() + checksum + b"\x03"


def test_a_card_that_is_no_em4100_is_refused() -> None:
    with pytest.raises(ValueError, match="card '04A1' is not 10 hexadecimal digits"):
        card_frame("04A1")


def verbs() -> Verbs:
    async def plug(**arguments: object) -> object:
        return arguments

    known = Verbs()
    parameters = (
        Parameter(name="evse", kind=Kind.INT, help="", default=1, minimum=1, maximum=2),
        Parameter(name="mode", kind=Kind.TEXT, help="", choices=("welded", "ok")),
        Parameter(name="delay_s", kind=Kind.NUMBER, help="", default=0.0, unit="s", minimum=0),
    )
    known.add(Verb(name="plug", summary="", parameters=parameters, run=plug))
    return known


async def test_defaults_are_filled_in() -> None:
    assert await verbs().call("plug", {"mode": "ok", "delay_s": 2}) == {"evse": 1, "mode": "ok", "delay_s": 2.0}


@pytest.mark.parametrize(
    ("verb", "arguments", "text"),
    [
        ("plugg", {}, "no verb 'plugg', did you mean 'plug'?"),
        ("xyz", {}, "no verb 'xyz', expected one of plug"),
        ("plug", {}, "plug: mode is missing, expected one of welded, ok"),
        ("plug", {"mode": "weldd"}, "mode is 'weldd', expected one of welded, ok, did you mean 'welded'?"),
        ("plug", {"mode": "ok", "evse": 3}, "evse is 3, expected a whole number in 1-2"),
        ("plug", {"mode": "ok", "evse": True}, "evse is True, expected a whole number in 1-2"),
        ("plug", {"mode": "ok", "delay_s": -1}, "delay_s is -1.0, expected a finite number of at least 0 s"),
        ("plug", {"mode": "ok", "delay_s": float("nan")}, "delay_s is nan, expected a finite number of at least 0 s"),
        ("plug", {"mode": "ok", "dely_s": 1}, "no parameter 'dely_s', did you mean 'delay_s'?"),
    ],
)
async def test_what_is_wrong_is_said_with_what_was_expected(verb: str, arguments: dict[str, object], text: str) -> None:
    with pytest.raises(VerbError) as caught:
        await verbs().call(verb, arguments)
    assert text in str(caught.value)


async def test_waiting_gives_the_time_at_which_it_became_true() -> None:
    trace = Trace()
    trace.record(1.0, "load", False)
    trace.record(2.0, "load", True)
    trace.record(3.0, "coil", True)
    entry = await trace.wait(Condition(signal="load", op="==", value=True), since_s=None, timeout_s=0.0)
    assert entry.at_s == 2.0


async def test_waiting_ends_when_the_value_comes() -> None:
    trace = Trace()
    asyncio.get_running_loop().call_soon(trace.record, 5.0, "current_a", 16.0)
    entry = await trace.wait(Condition(signal="current_a", op=">", value=10), since_s=None, timeout_s=5.0)
    assert (entry.at_s, entry.value) == (5.0, 16.0)


async def test_waiting_since_a_time_also_accepts_a_moment_that_has_passed() -> None:
    trace = Trace()
    for at_s, value in ((1.0, True), (2.0, False), (3.0, True), (4.0, False)):
        trace.record(at_s, "rcd", value)
    condition = Condition(signal="rcd", op="==", value=True)
    assert (await trace.wait(condition, since_s=2.5, timeout_s=0.0)).at_s == 3.0
    assert (await trace.wait(condition, since_s=1.5, timeout_s=0.0)).at_s == 1.0
    assert (await trace.wait(condition, since_s=3.5, timeout_s=0.0)).at_s == 3.0
    with pytest.raises(TimeoutError):
        await trace.wait(condition, since_s=4.5, timeout_s=0.0)


def test_the_command_line_is_made_from_the_verbs() -> None:
    options = build_parser().parse_args(["--dir", "/tmp/b", "plug", "--evse", "2", "--cable-a", "20"])
    assert (options.verb, options.evse, options.cable_a, options.delay_s) == ("plug", 2, 20, None)
    options = build_parser().parse_args(["wait", "evse1.load", "==", "true", "--timeout-s", "3"])
    asked = build_parser().parse_args(["csms", "script", "boot=Pending", "interval_s=5"])
    assert (asked.ask, asked.arguments) == ("script", [{"boot": "Pending"}, {"interval_s": 5}])
    asked = build_parser().parse_args(["csms", "send", 'text=[2,"1","Foo",{}]', "identity=7", 'call={"a":1}'])
    assert asked.arguments == [{"text": '[2,"1","Foo",{}]'}, {"identity": "7"}, {"call": {"a": 1}}]
    assert build_parser().parse_args(["csms", "send", '{"text":"x"}']).arguments == [{"text": "x"}]
    assert build_parser().parse_args(["csms", "state"]).arguments == []
    assert (options.signal, options.op, options.value, options.timeout_s) == ("evse1.load", "==", True, 3.0)


@pytest.mark.parametrize("command", ["", "serve", "demo", "csms --password x", *(v["name"] for v in describe_all())])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([*command.split(), "--help"])
    assert f"usage: charge-bench {command.split()[0] if command else ''}" in capsys.readouterr().out


def test_the_command_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert re.fullmatch(r"charge-bench \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("draw nan", "'nan': expected a finite number"),
        ("car --max-current-a inf", "'inf': expected a finite number"),
        ("clock step --seconds 1e999", "'1e999': expected a finite number"),
        ("power_cut --off-s soon", "'soon': expected a finite number"),
        ("serve --energy-wh nan", "'nan': expected a finite number"),
        ("serve --parent 4194304999", "'4194304999': expected a process id in 1-4194304"),
        ("csms send text", "'text': expected NAME=VALUE or a JSON object"),
    ],
)
def test_a_wrong_argument_is_said_with_what_was_expected(
    line: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(line.split())
    assert text in capsys.readouterr().err


PROTOCOL = (config_dir().parent / "docs" / "bench-protocol.md").read_text(encoding="utf-8")


def test_the_protocol_page_lists_every_verb_with_its_parameters() -> None:
    assert bench_table() in PROTOCOL, "python -m hil.verb_table docs/bench-protocol.md"
    for name in PARAMETERS:
        assert f"| `{name}` |" in PROTOCOL


def test_the_protocol_page_lists_every_signal_line_and_option() -> None:
    world = World(WorldSettings(), now_s=0.0)
    for name in (*(change.signal for change in world.take_changes()), *world.lines):
        assert f"`{name}`" in PROTOCOL
    described = build_parser().format_help()
    assert "serve" in described
    for option in (
        "--evses",
        "--connectors",
        "--fixed-cable",
        "--readers",
        "--reader",
        "--energy-wh",
        "--energy-factor",
        "--mirror",
        "--tethered",
        "--second-contactor",
        "--meter",
        "--controller",
        "--parent",
        "--set",
    ):
        assert f"`{option}" in PROTOCOL


def test_the_bench_never_imports_the_agent() -> None:
    for path in Path(hil.__file__).parent.glob("*.py"):
        assert re.search(r"^\s*(from|import) agent\b", path.read_text(), re.MULTILINE) is None, path
