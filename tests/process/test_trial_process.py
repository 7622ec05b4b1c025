"""``charge-agent test`` as a technician runs it, on a bench with real processes; and every way in which it can end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agent.trial.services import guard_pid
from tests.process.houses import Stay, options, world

pytestmark = pytest.mark.process
REPOSITORY = Path(__file__).parents[2]
MORE = 'rcm = {{ line = "evse{id}.rcm" }}\nrcd_test = {{ line = "evse{id}.rcd_test" }}\n'
REST = ["controller", "inputs", "temperature", "pilot", "proximity", "light", "buzzer", "button", "lock", "self-test"]


async def begin(guest: Stay, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent.cli", "test", "--config", str(guest.house.station_file), *words,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY, start_new_session=True,
    )  # fmt: skip


async def report_of(guest: Stay, *words: str) -> tuple[int | None, dict[str, Any], str]:
    """Run it to its end; return its exit code, its report and what it complained of."""
    process = await begin(guest, "--yes", "--json", *words)
    said, complained = await process.communicate()
    return process.returncode, json.loads(said) if said else {}, complained.decode()


def skipping(*checks: str) -> list[str]:
    return [word for check in checks for word in ("--skip", check)]


async def test_a_station_is_tested_and_what_is_broken_beside_the_guard_is_named() -> None:
    async with world(options(evse_extra=MORE, extra={"station": 'serial_number = "SN-4711"'})) as guest:
        house = guest.house
        await house.bench.card_present(uid="2900DEB30A")
        page = house.directory / "report.html"
        code, report, said = await report_of(
            guest, "--mains-on", "--confirm", "BENCH-1", "--technician", "A. <Berg>", "--html", str(page)
        )
        assert (code, report["ok"], report["complete"]) == (0, True, True), (report, said)
        verdicts = {each["what"]: each["verdict"] for each in report["findings"]}
        assert verdicts["contactor, closing"] == verdicts["card reader reader-0"] == verdicts["meter, line"] == "passed"
        assert verdicts["status light"] == "not confirmed"
        assert "contactor: closing" in said  # progress, beside the report
        html = page.read_text(encoding="utf-8")
        assert "SN-4711" in html
        assert "A. &lt;Berg&gt;" in html
        assert "http" not in html  # it needs nothing else
        await house.bench.card_remove()
        await house.bench.meter(mode="silent")
        (house.directory / "reader-0").unlink()
        code, report, said = await report_of(
            guest, "--mains-off", "--card-wait", "0.5", *skipping(*REST, "contactor"), "--html", "/nowhere/report.html"
        )
        assert (code, report["ok"]) == (1, False)
        found = {each["what"]: (each["verdict"], each["text"][:8]) for each in report["findings"] if each["text"]}
        assert found == {"meter": ("not tested", "SILENT: "), "card reader reader-0": ("failed", "MISSING:")}
        assert "/nowhere/report.html cannot be written" in said
        await house._start("guard")
        await house.child("guard").says("guard.started", timeout_s=20)
        code, report, said = await report_of(guest)
        assert (code, report) == (75, {})
        assert f"a guard runs (process {house.child('guard').pid})" in said
        assert "--stop-services" in said


async def test_whatever_ends_the_test_the_contactor_opens() -> None:
    async with world() as guest:
        bench = guest.house.bench
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None):
            since_s = time.monotonic()
            process = await begin(
                guest, "--yes", "--mains-on", "--confirm", "BENCH-1", *skipping(*REST, "meter", "reader")
            )
            closed_s = await bench.wait("evse1.coil", "==", True, since_s=since_s, timeout_s=20)
            if number is None:  # who holds the devices is killed himself: they are written safe by another process
                holder = guard_pid(guest.house.directory / "run" / "guard.sock")
                assert holder is not None
                os.kill(holder, signal.SIGKILL)
                await bench.wait("evse1.coil", "==", False, since_s=closed_s, timeout_s=20)
                said, _ = await process.communicate()
                assert process.returncode == 1
                assert b"killed by signal 9; the outputs were written safe afterwards" in said
                continue
            os.kill(process.pid, number)
            opened_s = await bench.wait("evse1.coil", "==", False, since_s=closed_s, timeout_s=20)
            assert opened_s - closed_s < 0.45, number  # else the check itself has opened it
            await bench.wait("evse1.pilot_mode", "==", "steady_low", since_s=opened_s, timeout_s=20)
            assert await process.wait() == (-9 if number is signal.SIGKILL else 130)


def test_a_defect_in_a_driver_ends_the_test_with_safe_outputs(tmp_path: Path) -> None:
    log = str(tmp_path / "board")
    board = "tests.process.guard_board"
    evse = {
        "id": 1,
        "phases": 3,
        "max_current_a": 16,
        "tethered": True,
        "power_path": {"target": f"{board}:open_power_path", "options": {"log": log, "vehicle": "A"}},
        "contactor": {"line": "evse1.contactor"},
        "mirror": {"line": "evse1.mirror"},
    }
    plan = {"version": 1, "plan_id": "plan-1", "scan_s": 0.02, "state_dir": str(tmp_path), "evses": [evse]}
    plan |= {
        "socket": str(tmp_path / "guard.sock"),
        "lines": {"target": f"{board}:open_lines", "options": {"log": log}},
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    (tmp_path / "board.fail").touch()  # the twentieth look at the pilot raises what no driver should
    order = json.dumps({"mains": "off", "left_out": ["meter", "reader", *REST]}) + "\n"
    holder = subprocess.Popen(
        [sys.executable, "-m", "agent.trial.holder", str(tmp_path / "plan.json")],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY,
    )  # fmt: skip
    assert holder.stdin is not None
    assert holder.stderr is not None
    holder.stdin.write(order)
    holder.stdin.flush()
    assert "a defect in a driver" in holder.stderr.read()
    assert holder.wait() == 1
    writes = [line.split(" ", 1)[1] for line in Path(log).read_text(encoding="utf-8").splitlines()]
    assert writes[0] == "evse1.contactor 0"
    assert writes[-3:] == ["evse1.contactor 1", "evse1.contactor 0", "pilot steady_low 100"]
