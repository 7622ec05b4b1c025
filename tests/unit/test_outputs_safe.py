"""The program that makes outputs safe without an interpreter, against fakes of the kernel, ports and sockets."""

from __future__ import annotations

import os
import pty
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.settings.build import parse_station
from agent.settings.safe_actions import safe_actions, write_safe_plan
from drivers.api.safe import (
    NoSafeAction,
    SafeAction,
    SafeLine,
    SafePwm,
    SafeSerial,
    SafeSocket,
    SafeTcp,
    SafeWrite,
    plan_text,
)
from drivers.gpio.line_names import bcm_number
from tests.unit.station_files import SMALL, TWO_EVSES

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "systemd" / "outputs-safe.c"
SHIM = Path(__file__).with_name("outputs_safe_shim.c")
COMPILER = shutil.which(os.environ.get("CC", "cc"))
GPIO, PWM, WRITE, SERIAL, TCP, UNIX, PLAN, NO_PLAN, USAGE = 1, 2, 4, 8, 16, 32, 64, 128, 129

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build the program and the kernel for tests."""
    place = tmp_path_factory.mktemp("built")
    program, shim = place / "outputs-safe", place / "shim.so"
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1"]
    subprocess.run([str(COMPILER), *strict, "-o", str(program), str(SOURCE)], check=True)
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-o", str(shim), str(SHIM), "-ldl"], check=True)
    return program, shim


class Run:
    """The program, a root folder to work in, and what it did."""

    def __init__(self, built: tuple[Path, Path], root: Path) -> None:
        self.program, self.shim = built
        self.root = root
        self.plan = root / "outputs-safe.plan"
        self.log = root / "asked"
        self.said: list[str] = []

    def __call__(self, *actions: SafeAction, text: str | bytes | None = None, root: bool = True) -> int:
        """Run a plan of ``actions``, or ``text``; return the exit code."""
        given = plan_text(actions) if text is None else text
        self.plan.write_bytes(given.encode() if isinstance(given, str) else given)
        words = [str(self.program), *(["--root", str(self.root)] if root else []), str(self.plan)]
        environment = {"LD_PRELOAD": str(self.shim), "SHIM_LOG": str(self.log)}
        done = subprocess.run(words, capture_output=True, env=os.environ | environment, timeout=10)
        self.said = done.stderr.decode("utf-8", "replace").splitlines()
        return done.returncode

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def file(self, path: str, text: str) -> Path:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def pwm(self, *, number: int = 3, device: str = "1f00098000.pwm", period: int = 0, duty: int = 0) -> Path:
        """Make a PWM chip with channel 2 of that state; return the channel's folder."""
        real = self.root / "sys/devices/platform" / device
        real.mkdir(parents=True, exist_ok=True)
        chip = self.root / f"sys/class/pwm/pwmchip{number}"
        chip.mkdir(parents=True)
        (chip / "device").symlink_to(real)
        for name, value in (("period", period), ("duty_cycle", duty), ("enable", int(duty > 0))):
            self.file(f"sys/class/pwm/pwmchip{number}/pwm2/{name}", f"{value}\n")
        return chip / "pwm2"


@pytest.fixture
def run(built: tuple[Path, Path], tmp_path: Path) -> Run:
    return Run(built, tmp_path)


# ---- GPIO ------------------------------------------------------------------------------------------------------------


@needs_compiler
def test_a_line_is_found_by_label_and_name_and_gets_its_level_together_with_its_direction(run: Run) -> None:
    run.file("/dev/gpiochip0", "other-chip\nA\nB\nCOIL\n")
    run.file("/dev/gpiochip4", "pinctrl-rp1\nGPIO0\nGPIO1\nCOIL\nGPIO3\n")
    assert run(SafeLine(chips=("pinctrl-rp1",), line="GPIO3", high=False)) == 0
    assert run(SafeLine(chips=("pinctrl-bcm2835", "pinctrl-rp1"), line="1", high=True)) == 0
    assert run(SafeLine(chips=("*",), line="GPIO0", high=True)) == 0
    assert run.asked == [
        "line 3 output=1 value=0",
        "line 1 output=1 value=1",
        "line 0 output=1 value=1",
    ]


@needs_compiler
def test_a_busy_line_a_missing_line_and_a_missing_chip_are_told_and_the_others_are_done(run: Run) -> None:
    run.file("/dev/gpiochip0", "chip\nBUSY\nLED\n")
    lines = [SafeLine(chips=("chip",), line=name, high=False) for name in ("BUSY", "COIL", "7", "LED")]
    assert run(SafeLine(chips=("gone",), line="X", high=False), *lines) == GPIO
    assert run.asked == ["line 1 output=1 value=0"]
    assert [line.split(": ", 2)[1] for line in run.said].count("FAILED") == 4
    assert any("GPIO_V2_GET_LINE: Device or resource busy" in line for line in run.said)


# ---- PWM and other attributes ----------------------------------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize(
    ("period", "duty", "asked"),
    [
        (0, 0, ["period=1000000", "duty_cycle=0", "enable=1"]),
        (1_000_000, 266_660, ["duty_cycle=0", "enable=1"]),
        (2_000_000, 1_900_000, ["duty_cycle=0", "period=1000000", "enable=1"]),
        (500_000, 400_000, ["duty_cycle=0", "period=1000000", "enable=1"]),
    ],
)
def test_a_pwm_is_found_by_its_device_and_set_in_an_order_that_the_kernel_accepts(
    run: Run, period: int, duty: int, asked: list[str]
) -> None:
    run.pwm(number=0, device="fe20c000.pwm")
    channel = run.pwm(number=3, period=period, duty=duty)
    assert run(SafePwm(device="1f00098000.pwm", channel=2)) == 0
    assert run.asked == asked
    assert [(channel / name).read_text().strip() for name in ("duty_cycle", "enable")] == ["0", "1"]


@needs_compiler
def test_a_full_duty_is_written_after_the_longer_period(run: Run) -> None:
    run.pwm(period=500_000)
    assert run(SafePwm(device="1f00098000.pwm", channel=2, duty_ns=1_000_000)) == 0
    assert run.asked == ["period=1000000", "duty_cycle=1000000", "enable=1"]


@needs_compiler
def test_a_pwm_channel_that_is_not_there_yet_is_exported_first(run: Run) -> None:
    channel = run.pwm()
    chip = channel.parent
    shutil.rmtree(channel)
    (chip / "export").write_text("")
    assert run(SafePwm(device="1f00098000.pwm", channel=2)) == PWM, "nobody made the folder"
    assert run.asked == ["export=2"]
    assert run(SafePwm(device="48300200.pwm", channel=0)) == PWM
    assert "no PWM chip belongs to device 48300200.pwm" in run.said[0]


@needs_compiler
def test_an_attribute_is_written_and_one_that_is_not_there_is_told(run: Run) -> None:
    power = run.file("/sys/bus/usb/power", "on")
    actions = (SafeWrite(path="/sys/gone", text="0"), SafeWrite(path="/sys/bus/usb/power", text="0"))
    assert run(*actions) == WRITE
    assert power.read_text()[:1] == "0"
    assert run(actions[1]) == 0, "doing it again is the same"


# ---- serial, TCP, sockets --------------------------------------------------------------------------------------------


@needs_compiler
def test_frames_go_out_to_a_serial_device_in_order_and_a_port_that_is_gone_is_told(run: Run) -> None:
    near, far = pty.openpty()
    try:
        port = os.ttyname(far)
        zero, off = bytes.fromhex("01100 3e8 0001 02 0000".replace(" ", "")), b"$FS^27\r"
        action = SafeSerial(port=port, baud=9600, frames=(zero, off), parity="E", pause_ms=10)
        gone = SafeSerial(port="/dev/gone", baud=19200, frames=(zero,))
        assert run(action, gone, root=False) == SERIAL
        assert os.read(near, 100) == zero + off
    finally:
        os.close(near)
        os.close(far)


@pytest.fixture
def listener() -> Iterator[tuple[socket.socket, list[bytes]]]:
    """A TCP port that takes one connection and keeps what it heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def serve() -> None:
            with server.accept()[0] as client:
                while chunk := client.recv(100):
                    heard.append(chunk)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server, heard
        thread.join(5)


@needs_compiler
def test_frames_go_out_over_tcp_and_a_closed_port_is_told(
    run: Run, listener: tuple[socket.socket, list[bytes]]
) -> None:
    server, heard = listener
    with socket.create_server(("127.0.0.1", 0)) as closed:
        free_port = closed.getsockname()[1]
    frame = bytes.fromhex("000100000006ff050190ff00")
    host, port = server.getsockname()
    assert run(
        SafeTcp(host=host, port=free_port, frames=(frame,), pause_ms=0),
        SafeTcp(host=host, port=port, frames=(frame, frame), pause_ms=1),
    ) == TCP  # fmt: skip
    server.settimeout(0)
    for _ in range(500):
        if b"".join(heard) == frame * 2:
            break
        threading.Event().wait(0.01)
    assert b"".join(heard) == frame * 2


def _serve(path: Path, answer: bytes, heard: list[bytes]) -> Callable[[], None]:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(4)
    server.settimeout(5)

    def serve() -> None:
        with server, server.accept()[0] as client:
            client.sendall(answer)
            while chunk := client.recv(4096):
                heard.append(chunk)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread.join


@needs_compiler
def test_lines_go_to_a_unix_socket_even_when_its_end_talks_first(run: Run) -> None:
    heard: list[bytes] = []
    join = _serve(run.root / "pins.sock", b'{"hello": 1}\n', heard)
    assert run(SafeSocket(path="/pins.sock", lines=('{"hello": 1}', '{"write": "x", "level": 0}'))) == 0
    join()
    assert b"".join(heard) == b'{"hello": 1}\n{"write": "x", "level": 0}\n'


@needs_compiler
def test_a_refusal_of_the_other_end_is_a_failure(run: Run) -> None:
    join = _serve(run.root / "pins.sock", b'{"error": "no line"}\n', [])
    assert run(SafeSocket(path="/pins.sock", lines=("{}",))) == UNIX
    join()
    assert run(SafeSocket(path="/gone.sock", lines=("{}",))) == UNIX


# ---- the plan --------------------------------------------------------------------------------------------------------


@needs_compiler
def test_a_device_that_hangs_is_given_up_after_two_seconds_and_keeps_nothing_else_from_being_done(run: Run) -> None:
    os.mkfifo(run.root / "hangs")
    done = run.file("/done", "1")
    began_s = time.monotonic()
    assert run(SafeWrite(path="/hangs", text="0"), SafeWrite(path="/done", text="0")) == WRITE
    assert time.monotonic() - began_s < 5.0
    assert done.read_text() == "0"
    assert any("not done within 2000 ms" in line for line in run.said)


@needs_compiler
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("outputs-safe\t1\n", 0),
        ("outputs-safe\t2\nwrite\t/done\t0\n", PLAN),
        ("write\t/done\t0\n", PLAN),
        ("outputs-safe\t1\nwriet\t/done\t0\nwrite\t/done\t0\n", PLAN),
        ("outputs-safe\t1\ncannot\tline X\nwrite\t/done\t0\n", PLAN),
        ("outputs-safe\t1\r\nwrite\t/done\t0\r\n", 0),
        ("outputs-safe\t1\nwrite\t/done\nwrite\t/done\t0\textra\n", WRITE),
        ("outputs-safe\t1\npwm\t\t\t\t\ngpio\t\t\t2\n", GPIO + PWM),
        ("outputs-safe\t1\nserial\t/x\t9600\tX\t1\t0\t00\ntcp\t\t70000\t0\t00\n", SERIAL + TCP),
        ("outputs-safe\t1\nserial\t/dev/null\t9600\tN\t1\t0\tzz\nunix\t\n", SERIAL + UNIX),
    ],
)  # fmt: skip
def test_a_line_that_makes_no_sense_is_told_and_the_others_are_done(run: Run, text: str, code: int) -> None:
    done = run.file("/done", "1")
    assert run(text=text) == code
    if "\twrite\t/done\t0" in text.replace("\n", "\t").replace("\r", "") + "\t" and "extra" not in text:
        assert done.read_text()[0] == "0"


@needs_compiler
def test_garbage_neither_crashes_it_nor_keeps_it_from_the_rest(run: Run) -> None:
    chance = random.Random(1)
    for _ in range(12):
        done = run.file("/done", "1")
        garbage = bytes(chance.choice(b"\t\n\0\xff%|*gpiowrtsealunx019/.-") for _ in range(chance.randrange(4000)))
        code = run(text=b"outputs-safe\t1\n" + garbage + b"\nwrite\t/done\t0\n")
        assert 0 <= code < 128
        assert done.read_text() == "0"


@needs_compiler
@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n"])
def test_an_empty_plan_makes_nothing_safe_and_says_so(run: Run, text: str) -> None:
    assert run(text=text) == PLAN
    assert run.said == ["outputs-safe: FAILED: the plan is empty"]


@needs_compiler
def test_a_plan_that_was_cut_off_is_told_and_what_is_left_of_it_is_done(run: Run) -> None:
    done = run.file("/done", "1")
    assert run(text="outputs-safe\t1\nwrite\t/done\t0\ngpio\tpinctrl-rp1\t1") == PLAN + GPIO
    assert done.read_text() == "0"
    assert "outputs-safe: FAILED: line 3: the plan ends within a line" in run.said


@needs_compiler
def test_a_plan_that_is_no_file_is_no_plan_and_nobody_waits_for_it(built: tuple[Path, Path], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for place in (tmp_path, tmp_path / "fifo"):
        done = subprocess.run([str(built[0]), str(place)], capture_output=True, text=True, timeout=5)
        assert (done.returncode, done.stderr) == (NO_PLAN, f"outputs-safe: FAILED: {place}: is no file\n")


@needs_compiler
def test_more_actions_than_fit_and_longer_fields_than_fit_are_told(run: Run) -> None:
    many = "outputs-safe\t1\n" + "write\t/x\t0\n" * 600
    assert run(text=many) == PLAN + WRITE
    assert run(text="outputs-safe\t1\nwrite\t/" + "x" * 9000 + "\t0\nunix\t/" + "y" * 200 + "\t{}\n") == WRITE + UNIX


@needs_compiler
def test_without_a_plan_or_with_other_arguments_it_says_so(built: tuple[Path, Path], tmp_path: Path) -> None:
    for words, code in (([str(tmp_path / "none")], NO_PLAN), ([], USAGE), (["--help"], USAGE), (["a", "b"], USAGE)):
        done = subprocess.run([str(built[0]), *words], capture_output=True, text=True)
        assert done.returncode == code
        assert done.stderr.strip()


def test_the_plan_of_a_station_names_contactors_first_then_pilots() -> None:
    text = plan_text(safe_actions(parse_station(TWO_EVSES.encode(), Path("/etc/two.toml"))))
    said = [line.rpartition("\t")[2] for line in text.splitlines()[1:]]
    assert said == [
        '{"write": "evse1.contactor", "level": 1}',
        '{"write": "evse2.contactor", "level": 0}',
        '{"pilot": "1", "mode": "steady_low", "duty_pct": 100.0}',
        '{"pilot": "2", "mode": "steady_low", "duty_pct": 100.0}',
    ]


def test_a_raspberry_pi_names_its_header_by_the_labels_of_its_models(tmp_path: Path) -> None:
    settings = parse_station(SMALL.encode(), tmp_path / "station.toml")
    assert safe_actions(settings)[0] == SafeLine(
        chips=("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835"), line="17", high=False
    )
    assert write_safe_plan(settings, tmp_path / "plan.json").startswith(b"outputs-safe\t1\ngpio\t")


@pytest.mark.parametrize(
    ("line", "number"),
    [("GPIO17", 17), ("BCM4", 4), ("22", 22), ("J8:11", 17), ("BOARD40", 21), ("BOARD1", None), ("WPI0", None)],
)
def test_a_header_pin_is_known_under_its_usual_names(line: str, number: int | None) -> None:
    assert bcm_number(line) == number


@pytest.mark.parametrize("what", ["", "a\tb", "a\nb", "a\0b"])
def test_what_would_break_the_plan_never_gets_into_it(what: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in a plan"):
        plan_text([NoSafeAction(what=what)])
