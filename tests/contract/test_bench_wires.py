"""The bench's wires over real ptys and sockets: pins that outlive their client, meters, readers, control."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from gpiozero import LED, Button, GPIOPinInUse
from pymodbus.client import ModbusSerialClient
from pymodbus.exceptions import ModbusIOException

from drivers.api import DriverError, DriverTimeout, DriverUnavailable, PilotMode, PilotSignal
from drivers.bench.lines import open_lines
from drivers.bench.pin_factory import BenchFactory
from drivers.bench.power_path import BenchPowerPath
from drivers.meter.bus import TcpBus
from drivers.meter.modbus import ModbusMeter
from drivers.meter.profile_file import load_profile
from hil.cli import main
from hil.client import AsyncBench, Bench, BenchError, NoBench, OwnBench

HIGH = PilotSignal(mode=PilotMode.STEADY_HIGH)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with OwnBench(tmp_path_factory.mktemp("wires"), "--evses", "2", "--energy-wh", "1000000") as bench:
        yield bench


@pytest.fixture
def bench(shared: Bench) -> Iterator[Bench]:
    """A bench whose world is as it was at the start, but for outputs (a bench never clears those) and registers."""
    yield shared
    state = shared.state()
    for number, evse in state["evses"].items():
        shared.meter(mode="ok", evse=int(number))
        shared.contactor(mode="ok", evse=int(number))
        if evse["plugged"]:
            shared.unplug(evse=int(number))
    shared.mains(action="on")
    shared.card_remove()


def read_for_ever(path: BenchPowerPath) -> None:
    """Read until it fails; the heartbeat bounds this to about a second."""
    while True:
        path.read()


def pins(bench: Bench) -> str:
    return str(bench.directory / "pins.sock")


def test_a_first_value_is_one_write_without_a_glitch(bench: Bench) -> None:
    for level in (True, False, True):
        since_s = bench.state()["now_s"]
        lines = open_lines(socket=pins(bench))
        lines.output("evse1.contactor", active_high=True, initial=level)
        bench.wait("evse1.coil", "==", level)
        lines.close()
        assert len(bench.trace("evse1.coil", since_s=since_s)) <= 1


def test_connecting_and_claiming_inputs_writes_nothing_and_closing_keeps_the_level(bench: Bench) -> None:
    lines = open_lines(socket=pins(bench))
    lines.output("evse2.contactor", active_high=True, initial=True)
    bench.wait("evse2.load", "==", True)
    lines.close()
    since_s = bench.state()["now_s"]
    again = open_lines(socket=pins(bench))
    assert again.input("evse2.mirror", active_high=True).read() is False
    path = BenchPowerPath(socket=pins(bench), evse=2)
    path.read()
    path.close()
    again.close()
    assert bench.trace("evse2.coil", "evse2.pilot_mode", since_s=since_s) == []
    assert bench.state()["evses"]["2"]["coil"] is True


def test_an_output_keeps_its_level_when_its_process_is_killed(bench: Bench) -> None:
    program = (
        "from drivers.bench.lines import open_lines; import signal;"
        f"lines = open_lines(socket={pins(bench)!r});"
        "lines.output('evse1.contactor', active_high=True, initial=True); print('ready', flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        bench.wait("evse1.coil", "==", True)
        process.kill()
    assert bench.state()["evses"]["1"]["coil"] is True
    lines = open_lines(socket=pins(bench))
    lines.output("evse1.contactor", active_high=True, initial=False)
    bench.wait("evse1.coil", "==", False)
    lines.close()


def test_power_path_and_lines_of_one_process_share_a_connection(bench: Bench) -> None:
    path = BenchPowerPath(socket=pins(bench), evse=1)
    lines = open_lines(socket=pins(bench))
    assert len(bench.state()["pins_clients"]) == 1
    path.close()
    assert lines.input("evse1.rcd", active_high=True).read() is False
    lines.close()


def test_the_pin_factory_serves_ordinary_gpiozero_devices(bench: Bench) -> None:
    with BenchFactory(pins(bench)) as factory:
        pressed, released = threading.Event(), threading.Event()
        button = Button("evse1.rcd", pull_up=False, pin_factory=factory)
        button.when_pressed, button.when_released = pressed.set, released.set
        bench.rcd(action="trip")
        assert pressed.wait(5)
        assert button.is_pressed
        bench.rcd(action="clear")
        assert released.wait(5)
        led = LED("evse1.led", pin_factory=factory)
        led.on()
        bench.wait("evse1.led", "==", True)
        with pytest.raises(GPIOPinInUse):
            LED("evse1.led", pin_factory=factory)
        led.close()
        button.close()


def test_the_pin_factory_refuses_to_drive_an_input_of_the_station(bench: Bench) -> None:
    lines = open_lines(socket=pins(bench))
    with pytest.raises(DriverUnavailable, match=r"evse1\.rcd is an input of the station"):
        lines.output("evse1.rcd", active_high=True, initial=True)
    lines.close()


def test_an_unintelligible_pins_client_is_told_why_and_cut_off(bench: Bench) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(pins(bench))
        client.sendall(b'{"hello": 99}\n')
        assert b"expected pins wire version 1" in client.recv(4096)
        assert client.recv(4096) == b""


def test_drivers_lose_a_bench_and_find_the_next_one(tmp_path: Path) -> None:
    first = OwnBench(tmp_path)
    path = BenchPowerPath(socket=str(tmp_path / "pins.sock"), evse=1)
    lines = open_lines(socket=str(tmp_path / "pins.sock"))
    rcd = lines.input("evse1.rcd", active_high=True)
    coil = lines.output("evse1.contactor", active_high=True, initial=True)
    factory = BenchFactory(str(tmp_path / "pins.sock"))
    path.set_pilot(HIGH)
    first.process.kill()
    first.process.wait()
    with pytest.raises(DriverUnavailable):
        read_for_ever(path)
    assert rcd.read() is None
    with pytest.raises(DriverUnavailable):
        coil.write(False)
    first.stop()
    with OwnBench(tmp_path) as bench:
        bench.wait("pins.clients", "==", 1)
        while rcd.read() is None:
            pass  # bounded: the reader thread comes back every 0.2 s
        assert factory.connection.generation >= 2
        assert bench.state()["evses"]["1"]["pilot_mode"] == "off"
        path.set_pilot(HIGH)  # the same setting, but another bench: it is written again
        coil.write(True)
        bench.wait("evse1.pilot_mode", "==", "steady_high")
        bench.wait("evse1.coil", "==", True)
        bench.rcd(action="trip")
        assert rcd.read() is True
    path.close()
    factory.close()
    lines.close()


def test_a_stopped_bench_is_unknown_after_a_second(tmp_path: Path) -> None:
    own = OwnBench(tmp_path)
    path = BenchPowerPath(socket=str(tmp_path / "pins.sock"), evse=1)
    own.process.send_signal(signal.SIGSTOP)
    with pytest.raises(DriverUnavailable, match="last sign of life"):
        read_for_ever(path)
    own.process.send_signal(signal.SIGCONT)
    own.client.state()
    assert path.read().high_v == 0.0
    path.close()
    own.stop()


def meter(bench: Bench) -> ModbusSerialClient:
    client = ModbusSerialClient(str(bench.directory / "bus-0"), baudrate=9600, parity="N", timeout=0.2, retries=0)
    assert client.connect()
    return client


async def test_the_meters_answer_over_tcp_too_with_the_same_faults(bench: Bench) -> None:
    tcp_port = int((bench.directory / "bus-0.tcp").read_text())
    assert bench.state()["wires"]["meters_tcp"] == tcp_port
    bus = TcpBus(host="127.0.0.1", tcp_port=tcp_port, retries=0)
    meter = ModbusMeter(profile=load_profile("eastron_sdm630"), unit=2, bus=bus, timeout_s=0.3)
    reading = await meter.read()
    assert reading.energy_import_wh is not None
    assert reading.energy_import_wh >= 1_002_000.0
    for mode, error in (("checksum", "exception 11"), ("exception", "exception 4"), ("silent", "no answer")):
        await asyncio.to_thread(bench.meter, mode=mode, evse=2)
        with pytest.raises(DriverError, match=error):
            await meter.read()
    await asyncio.to_thread(bench.meter, mode="late", evse=2, late_s=0.4)
    with pytest.raises(DriverTimeout):
        await meter.read()
    await asyncio.to_thread(bench.meter, mode="ok", evse=2)
    assert (await meter.read()).energy_import_wh == reading.energy_import_wh
    await bus.close()


def read_floats(client: ModbusSerialClient, unit: int, address: int, count: int) -> list[float]:
    registers = client.read_input_registers(address, count=2 * count, device_id=unit).registers
    values = client.convert_from_registers(registers, client.DATATYPE.FLOAT32)
    return [values] if isinstance(values, float) else list(values)  # type: ignore[arg-type]


def test_two_meters_answer_on_one_bus_through_the_production_library(bench: Bench) -> None:
    client = meter(bench)
    for unit, register_kwh in ((1, 1001.0), (2, 1002.0)):
        assert read_floats(client, unit, 72, 1) == [pytest.approx(register_kwh)]
        assert read_floats(client, unit, 0, 3) == [230.0, 230.0, 230.0]
    client.close()


def test_a_meter_port_can_be_opened_again_after_its_reader_died(bench: Bench) -> None:
    program = (
        "import os, serial;"
        f"port = serial.Serial({str(bench.directory / 'bus-0')!r}, 9600, exclusive=True);"
        "port.write(bytes([1, 4, 0])); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program], check=False)
    client = meter(bench)
    assert read_floats(client, 1, 0, 1) == [230.0]
    client.close()


@pytest.mark.parametrize("mode", ["silent", "garbage"])
def test_a_broken_meter_gives_no_values_and_leaves_its_neighbour_alone(bench: Bench, mode: str) -> None:
    client = meter(bench)
    bench.meter(mode=mode, evse=1)
    for _ in range(3):
        with pytest.raises(ModbusIOException):
            client.read_input_registers(72, count=2, device_id=1)
    assert read_floats(client, 2, 0, 1) == [230.0]
    bench.meter(mode="ok", evse=1)
    assert read_floats(client, 1, 0, 1) == [230.0]
    client.close()


def test_a_meter_without_mains_is_silent(bench: Bench) -> None:
    client = meter(bench)
    bench.mains(action="off")
    with pytest.raises(ModbusIOException):
        client.read_input_registers(72, count=2, device_id=1)
    client.close()


def test_a_card_repeats_its_frame_while_it_lies_there(bench: Bench) -> None:
    frame = b"\x022900DEB30A4E\x03"
    with serial.Serial(str(bench.directory / "reader-0"), 9600, exclusive=True, timeout=5) as port:
        bench.card_present(uid="2900deb30a")
        assert port.read(42) == frame * 3
        bench.card_remove()
        bench.tap(uid="01001293D8", hold_s=0.01)
        bench.wait("reader0.card", "==", "")
        port.timeout = 0.2
        assert port.read(100).endswith(b"\x0201001293D858\x03")


def test_two_processes_cannot_hold_one_port(bench: Bench) -> None:
    path = str(bench.directory / "reader-0")
    with serial.Serial(path, 9600, exclusive=True), pytest.raises(serial.SerialException):
        serial.Serial(path, 9600, exclusive=True)


def test_a_whole_charge_is_counted_exactly_in_ledger_and_register(bench: Bench) -> None:
    path = BenchPowerPath(socket=pins(bench), evse=2)
    lines = open_lines(socket=pins(bench))
    coil = lines.output("evse2.contactor", active_high=True, initial=False)
    bench.car(evse=2, s2_close_s=0.05, reaction_s=0.05, stop_s=0.1)
    bench.plug(evse=2)
    path.set_pilot(PilotSignal(mode=PilotMode.PWM, duty_pct=53.3))
    bench.wait("evse2.car_state", "==", "C")
    coil.write(True)
    bench.wait("evse2.energy_wh", ">", bench.state()["evses"]["2"]["register_wh"] + 2)
    path.set_pilot(HIGH)
    bench.wait("evse2.current_a", "==", 0)
    coil.write(False)
    bench.wait("evse2.load", "==", False)
    client = meter(bench)
    (register_kwh,) = read_floats(client, 2, 72, 1)
    client.close()
    ledger = bench.state()["evses"]["2"]["energisings"][-1]
    assert ledger["opened_wh"] == round(register_kwh * 1000.0)
    assert ledger["opened_wh"] - ledger["closed_wh"] >= 2
    lines.close()
    path.close()


def test_every_wrong_request_is_answered_with_what_was_expected(bench: Bench) -> None:
    with pytest.raises(BenchError, match=r"no verb 'plugg', did you mean 'plug'\?"):
        bench.plugg()
    with pytest.raises(BenchError, match="evse is 3, expected a whole number in 1-2"):
        bench.plug(evse=3)
    with pytest.raises(BenchError, match="expected 10 hexadecimal digits"):
        bench.tap(uid="04A1")
    with pytest.raises(BenchError, match="EVSE 1 has no cable"):
        bench.unplug()
    with pytest.raises(BenchError, match=r"it was never seen, did you mean 'evse1\.plugged'"):
        bench.wait("evse1.plugd", "==", True, timeout_s=0)
    for odd in (float("nan"), float("inf"), 10**400):
        with pytest.raises(BenchError, match=r"current_a is .*, expected a finite number in 0-80 A"):
            bench.draw(current_a=odd)
        with pytest.raises(BenchError, match=r"seconds is .*, expected a finite number"):
            bench.clock(mode="step", seconds=odd)
        with pytest.raises(BenchError, match=r"timeout_s is .*, expected a finite number"):
            bench.wait("evse1.load", "==", True, timeout_s=odd)
    for pid in (0, 4194305, 4194304999, 10**30):
        with pytest.raises(BenchError, match=f"pid is {pid}, expected a whole number in 1-4194304"):
            bench.dut_register(role="agent", pid=pid)
    with pytest.raises(BenchError, match="expected a time such as"):
        bench.clock(mode="set", utc="tomorrow")


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"[]\n", b'{"verb": 5}\n', b"[" * 9999 + b"\n", b'{"verb":"x","id":NaN}\n']
)
def test_a_line_that_is_no_request_is_answered_too(bench: Bench, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(bench.directory / "bench.sock"))
        client.sendall(line)
        answer = json.loads(client.recv(4096))
    assert answer["ok"] is False
    assert answer["error"]


async def test_requests_of_one_connection_overlap(bench: Bench) -> None:
    async with AsyncBench(bench.directory) as client:
        waiting = asyncio.create_task(client.wait("evse1.rcd", "==", True))
        await client.rcd(action="trip")
        assert await waiting > 0.0
        await client.rcd(action="clear")
        with pytest.raises(BenchError, match="no verb"):
            await client.nothing()


def test_a_later_plug_happens_later(bench: Bench) -> None:
    due_s = bench.plug(delay_s=0.05)["t"]
    assert bench.wait("evse1.plugged", "==", True) == pytest.approx(due_s)


def test_the_clock_can_be_unknown_set_stepped_and_right(bench: Bench) -> None:
    clock_path = bench.directory / "clock.json"
    assert bench.clock(mode="unknown")["known"] is False
    assert json.loads(clock_path.read_text())["known"] is False
    bench.clock(mode="system")
    bench.clock(mode="step", seconds=-3600)
    assert json.loads(clock_path.read_text()) == {"known": True, "offset_s": -3600.0}
    assert bench.clock(mode="set", utc="2030-01-01T00:00:00Z")["offset_s"] != -3600.0
    assert bench.clock(mode="system") == {"known": True, "offset_s": 0.0}


def test_a_power_cut_kills_the_station_drops_its_outputs_and_changes_the_boot(bench: Bench) -> None:
    lines = open_lines(socket=pins(bench))
    lines.output("evse1.contactor", active_high=True, initial=True)
    bench.wait("evse1.load", "==", True)
    lines.close()
    sleepers = [subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) for _ in range(2)]
    for role, process in zip(("guard", "agent"), sleepers, strict=True):
        bench.dut_register(role=role, pid=process.pid)
    boot_id = bench.boot_id()["boot_id"]
    cut = bench.power_cut()
    assert [process.wait(10) for process in sleepers] == [-signal.SIGKILL, -signal.SIGKILL]
    assert cut["boot_id"] != boot_id
    assert (bench.directory / "boot_id").read_text().strip() == cut["boot_id"]
    bench.wait("evse1.load", "==", False)
    with pytest.raises(DriverUnavailable, match="the station has no power"):
        open_lines(socket=pins(bench))
    bench.power_on()
    state = bench.state()
    assert (state["power"], state["dut"], state["evses"]["1"]["coil"]) == (True, {}, False)


def test_a_process_of_the_station_that_ends_is_noticed(bench: Bench) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    bench.dut_register(role="agent", pid=process.pid)
    process.kill()
    process.wait()
    bench.wait("dut.agent", "==", None)
    with pytest.raises(BenchError, match="there is no process"):
        bench.dut_register(role="agent", pid=process.pid)


def test_a_second_bench_on_the_same_folder_is_refused(bench: Bench) -> None:
    with pytest.raises(NoBench, match=f"a bench already serves .* \\(process {bench.state()['pid']}\\)"):
        OwnBench(bench.directory)


def test_a_killed_bench_leaves_nothing_that_stops_the_next_one(tmp_path: Path) -> None:
    first = OwnBench(tmp_path)
    first.process.kill()
    first.process.wait()
    assert (tmp_path / "bench.sock").exists()
    with pytest.raises(NoBench, match="start one: charge-bench"):
        Bench(tmp_path)
    first.stop()
    with OwnBench(tmp_path) as bench:
        assert bench.state()["power"] is True


def test_a_bench_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NoBench, match=r"the bench ended: charge-bench: .*in use"):
            OwnBench(tmp_path, "--set", f"net_port={taken.getsockname()[1]}")
    assert not (tmp_path / "bus-0").is_symlink()
    with pytest.raises(NoBench, match="option csms is 'nowhere', expected HOST:PORT"):
        OwnBench(tmp_path, "--set", "csms=nowhere")


def test_sigterm_ends_a_bench_cleanly(tmp_path: Path) -> None:
    own = OwnBench(tmp_path)
    own.process.terminate()
    assert own.process.wait(10) == 0
    own.stop()
    assert {entry.name for entry in tmp_path.iterdir()} == {
        "bench.lock",
        "bench.log",
        "boot_id",
        "clock.json",
        "temperature-1",
    }
    assert (tmp_path / "bench.log").read_text() == ""


def test_a_bench_ends_with_the_process_that_owns_it(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    own = OwnBench(tmp_path, "--parent", str(owner.pid))
    owner.kill()
    owner.wait()
    assert own.process.wait(10) == 0
    own.stop()


def test_the_command_line_does_what_the_verbs_do(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--dir", str(bench.directory)]
    assert main([*where, "draw", "16", "--phases", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == {"max_current_a": 16.0, "phases": 1}
    assert main(["state", *where]) == 0
    assert json.loads(capsys.readouterr().out)["pid"] == bench.state()["pid"]
    assert main([*where, "trace", "evse1.pilot_v", "--limit", "1"]) == 0
    assert "evse1.pilot_v" in capsys.readouterr().out
    assert main([*where, "verbs"]) == 0
    assert "plug" in capsys.readouterr().out
    assert main([*where, "contactor", "weldd"]) == 1
    assert "did you mean 'welded'?" in capsys.readouterr().err
    assert main(["--dir", os.devnull, "state"]) == 1
    assert "no bench serves" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["plgu"])
    assert "did you mean 'plug'?" in capsys.readouterr().err


def test_the_network_follows_the_csms_that_left_its_port(bench: Bench) -> None:
    (bench.directory / "csms.port").write_text("12345\n")
    snapshot = bench.state()["net"]
    assert snapshot["target"] == "127.0.0.1:12345"
    assert (bench.directory / "net.port").read_text().strip() == str(snapshot["port"])
    assert bench.net(mode="down")["mode"] == "down"
    bench.wait("net", "==", "down")
    assert bench.net(mode="up")["mode"] == "up"
    assert bench.net_target(port=2)["target"] == "127.0.0.1:2"
    with pytest.raises(BenchError, match="no CSMS at"):
        bench.csms(ask="script")


def test_every_command_of_the_protocol_page_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "bench-protocol.md").read_text(encoding="utf-8")
    shown = [line.split("#")[0].split() for line in page.splitlines() if line.startswith("charge-bench ")]
    serve, *commands = shown
    assert serve[1] == "serve"
    own = OwnBench(tmp_path, *serve[2:])
    for command in commands:
        assert main([*command[1:], "--dir", str(tmp_path)]) == 0, command
    capsys.readouterr()
    assert own.process.wait(10) == 0
    own.stop()


def test_the_python_of_the_protocol_page_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "bench-protocol.md").read_text(encoding="utf-8")
    program = page.partition("```python\n")[2].partition("```")[0]
    exec(program.replace("/tmp/bench", str(tmp_path)), {})
    assert "evse1.plugged" in capsys.readouterr().out
