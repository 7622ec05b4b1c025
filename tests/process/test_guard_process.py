"""The guard as a process: its start, its socket, its deaths."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.guard.packets import encode
from agent.guard.wire import BusAnswer, BusRead, Hello, Permit, Refused, Report, Welcome, Withdraw
from tests.process.guard_client import REPOSITORY, GuardClient, GuardProcess


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[GuardProcess]:
    guard = GuardProcess(tmp_path)
    yield guard
    guard.kill()


def test_it_charges_for_a_holder_and_ends_in_order(guard: GuardProcess) -> None:
    guard.start()
    client = guard.holder()
    client.permit()
    client.report_where(lambda report: report.coil)
    code, log = guard.end()
    assert code == 0, log
    assert [(name, value) for _, name, value in guard.writes()] == [
        ("evse1.contactor", "0"),
        ("evse1.lock", "1"),
        ("pilot", "steady_high 100"),
        ("pilot", "pwm 26.666"),
        ("evse1.contactor", "1"),
        ("pilot", "steady_high 100"),
        ("evse1.contactor", "0"),
        ("evse1.contactor", "0"),
        ("pilot", "steady_low 100"),
    ]
    assert "guard.ended" in log
    assert not Path(guard.socket).exists()


def test_killed_while_charging_the_next_start_writes_open_first(guard: GuardProcess) -> None:
    guard.start()
    client = guard.holder()
    client.permit()
    client.report_where(lambda report: report.coil)
    guard.end(signal.SIGKILL)
    before = len(guard.writes())
    assert guard.writes()[-1][1:] == ("evse1.contactor", "1")
    guard.start()
    assert [entry[1:] for entry in guard.writes()[before : before + 3]] == [
        ("evse1.contactor", "0"),
        ("evse1.lock", "1"),
        ("pilot", "steady_high 100"),
    ]
    report = guard.holder().expect(Report)
    assert not report.coil
    assert report.permit_id is None


def test_a_killed_holder_leaves_its_permit_and_its_place(guard: GuardProcess) -> None:
    guard.start()
    first = guard.holder()
    first.permit(valid_for_s=20.0)
    first.report_where(lambda report: report.coil)
    first.close()
    second = guard.holder()
    report = second.expect(Report)
    assert report.coil
    assert report.permit_id == 1


def test_a_defect_in_a_driver_leaves_the_outputs_safe_and_the_process_dead(guard: GuardProcess) -> None:
    guard.start()
    client = guard.holder()
    client.permit()
    client.report_where(lambda report: report.coil)
    Path(f"{guard.log}.fail").touch()
    assert guard.process is not None
    _, log = guard.process.communicate(timeout=20)
    assert guard.process.returncode == 1
    assert "ArithmeticError" in log
    assert [entry[1:] for entry in guard.writes()[-2:]] == [("evse1.contactor", "0"), ("pilot", "steady_high 100")]


def test_a_second_holder_is_refused_and_onlookers_only_look(guard: GuardProcess) -> None:
    guard.start()
    first = guard.holder()
    second = GuardClient(guard.socket, hello=Hello(client="second", holder=True))
    refused = second.expect(Refused)
    assert "holds the permits" in refused.reason
    assert second.receive() is None
    onlooker = GuardClient(guard.socket, hello=Hello(client="looker"))
    onlooker.expect(Welcome)
    onlooker.permit()
    assert onlooker.expect(Refused).reason == "only the holder may send Permit"
    onlooker.expect(Report)
    first.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(("allowed_uids", "answer"), [([65534], Welcome), ([], Refused)])
def test_another_user_holds_permits_only_when_the_plan_names_it(
    tmp_path: Path, allowed_uids: list[int], answer: type[Welcome] | type[Refused]
) -> None:
    guard = GuardProcess(Path(tempfile.mkdtemp(prefix="guard-")), allowed_uids=allowed_uids)
    guard.directory.chmod(0o755)
    try:
        guard.start()
        saying = f"import socket; s = socket.socket(1, 5); s.connect({guard.socket!r}); "
        saying += f"s.send({encode(Hello(holder=True))!r}); print(s.recv(9999).decode())"
        said = subprocess.run(
            ["/usr/bin/env", "python3", "-c", saying], user=65534, cwd="/", capture_output=True, text=True
        )
        assert json.loads(said.stdout)["type"] == answer.__name__, said.stderr
    finally:
        guard.kill()
        shutil.rmtree(guard.directory)


def test_another_version_is_refused_by_name(guard: GuardProcess) -> None:
    guard.start()
    client = GuardClient(guard.socket, hello=Hello(version=1))
    assert client.expect(Refused).reason == "version 1 is not the guard's version 2"
    assert client.receive() is None


def test_who_does_not_begin_with_hello_is_refused(guard: GuardProcess) -> None:
    guard.start()
    for packet in (encode(Withdraw(evse_id=1, reason="x")), b"garbage", b'{"type":"Hello","colour":"red"}'):
        client = GuardClient(guard.socket)
        client.send(packet)
        assert client.expect(Refused).about == "Hello"
        assert client.receive() is None


def test_garbage_from_the_holder_is_answered_and_too_much_of_it_ends_the_connection(guard: GuardProcess) -> None:
    guard.start()
    client = guard.holder()
    for _ in range(10):
        client.send(b'{"type":"Permit"}')
    said = [client.expect(Refused).reason for _ in range(10)]
    assert said == ["Permit.evse_id is missing"] * 10
    while client.receive() is not None:
        pass
    guard.holder()


def test_a_flood_of_packets_and_a_client_that_never_reads_do_not_stop_the_scan(guard: GuardProcess) -> None:
    guard.start()
    deaf = GuardClient(guard.socket, hello=Hello(client="deaf"))
    client = guard.holder()
    client.peer.setblocking(False)
    permit = encode(Permit(evse_id=1, permit_id=9, max_current_a=16.0, phases=3, valid_for_s=30.0, plan_id="plan-1"))
    until_s = time.monotonic() + 1.0
    while time.monotonic() < until_s:
        try:
            client.peer.send(permit)
        except BlockingIOError:
            os.sched_yield()
    client.peer.settimeout(10.0)
    client.send(Withdraw(evse_id=1, reason="enough"))
    client.report_where(lambda report: report.permit_id is None and not report.coil and report.closings == 1)
    deaf.close()


def test_a_bus_that_the_guard_does_not_own_is_answered_with_an_error(guard: GuardProcess) -> None:
    guard.start()
    client = guard.holder()
    client.send(BusRead(request_id=3, bus="rs485", unit=1, function=4, address=0, count=2))
    answer = client.expect(BusAnswer)
    assert (answer.request_id, answer.error) == (3, "this guard owns no bus named 'rs485'")


def test_a_bus_that_the_guard_owns_is_read_beside_the_scan(tmp_path: Path) -> None:
    guard = GuardProcess(
        tmp_path, buses={"rs485": {"target": "tests.process.guard_board:open_bus", "options": {"offset": 7}}}
    )
    try:
        guard.start()
        client = guard.holder()
        client.send(BusRead(request_id=3, bus="rs485", unit=1, function=4, address=10, count=3))
        assert client.expect(BusAnswer).registers == (17, 18, 19)
        client.send(BusRead(request_id=4, bus="rs485", unit=99, function=4, address=10, count=3))
        assert client.expect(BusAnswer).error == "bus 'rs485': unit 99 does not answer"
    finally:
        guard.kill()


def test_a_second_guard_leaves_the_running_one_alone(guard: GuardProcess) -> None:
    guard.start()
    first = guard.process
    before = len(guard.writes())
    second = subprocess.run(
        [sys.executable, "-m", "agent.guard", str(guard.plan)], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert second.returncode == 75
    assert "another guard answers" in second.stderr
    assert len(guard.writes()) == before
    assert first is not None
    assert first.poll() is None


def test_latched_faults_are_cleared_from_the_command_line(guard: GuardProcess) -> None:
    latched = guard.directory / "state" / "guard-latched.json"
    latched.parent.mkdir()
    latched.write_text(json.dumps({"version": 1, "welded": [1]}))
    guard.start()
    assert [fault.value for fault in guard.holder().expect(Report).faults] == ["contactor_welded"]
    guard.end()
    command = [sys.executable, "-m", "agent.guard", str(guard.plan), "--clear-faults"]
    cleared = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert cleared.returncode == 0
    assert not latched.exists()
    guard.start()
    assert guard.holder().expect(Report).faults == ()


def test_a_plan_that_cannot_be_obeyed_ends_with_its_reason(tmp_path: Path) -> None:
    guard = GuardProcess(tmp_path, scan_s="fast")
    process = guard.start()
    _, log = process.communicate(timeout=20)
    assert process.returncode == 78
    assert "plan.scan_s 'fast' is not a number" in log


def test_systemd_is_told_when_the_guard_is_ready_alive_and_ending(guard: GuardProcess) -> None:
    address = str(guard.directory / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(address)
        notified.settimeout(10.0)
        guard.start(environment={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000", "JOURNAL_STREAM": "8:1"})
        assert notified.recv(100) == b"READY=1"
        assert notified.recv(100) == b"WATCHDOG=1"
        _, log = guard.end()
        said = b""
        while said != b"STOPPING=1":
            said = notified.recv(100)
    assert all(json.loads(line)["logger"] == "guard" for line in log.splitlines())


def test_it_imports_nothing_but_the_standard_library_its_room_and_the_contracts() -> None:
    listing = (
        "import sys; from agent.guard import __main__, station, loop, realtime, link, latch; "
        "print('\\n'.join(sorted(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", listing], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = found.stdout.split()
    roots = {name.partition(".")[0] for name in loaded}
    ours = {name for name in loaded if name.startswith(("agent", "drivers"))}
    assert all(name in ("agent", "drivers") or name.startswith(("agent.guard", "drivers.api")) for name in ours)
    site = {"sitecustomize", "usercustomize", "_distutils_hack", "__main__"}  # what an environment may add by itself
    foreign = roots - set(sys.stdlib_module_names) - {"agent", "drivers"} - site
    assert {name for name in foreign if not name.startswith("_")} <= {"site"}
    assert not roots & {"asyncio", "msgspec", "structlog", "sqlite3", "ssl", "tomllib", "logging"}
