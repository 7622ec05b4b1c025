"""The guard's compiled plan."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.guard.plan import parse_plan
from agent.settings.build import parse_station
from agent.settings.compile import compile_station, main, plan_of
from agent.settings.last_good import Origin, load_station
from agent.settings.problems import SettingsError
from tests.unit.station_files import SMALL, TWO_EVSES

FILE = Path("/etc/charge-agent/station.toml")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "station.toml"
    path.write_text(TWO_EVSES.replace('model = "Wallbox 22"', 'model = "x"\nstate_dir = "state"\nrun_dir = "run"'))
    return path


def test_the_plan_holds_what_the_guard_needs_and_no_more() -> None:
    plan = plan_of(parse_station(TWO_EVSES.encode(), FILE))
    assert list(plan) == [
        *("version", "plan_id", "station_file", "station_sha256", "made_by", "scan_s", "socket", "state_dir"),
        "allowed_uids",
        *("permit_max_s", "min_reclose_s", "stop_grace_s", "realtime", "lines", "evses"),
    ]
    assert plan["scan_s"] == 0.01
    assert plan["socket"] == "/run/charge-agent/guard.sock"
    assert plan["lines"] == {
        "target": "drivers.bench.lines:open_lines",
        "options": {"socket": "/etc/charge-agent/pins.sock"},
    }
    assert plan["evses"][0]["contactor"] == {"line": "evse1.contactor", "active_high": False, "pull": "none"}
    assert plan["evses"][1] == {
        "id": 2,
        "phases": 3,
        "max_current_a": 16.0,
        "ventilation": False,
        "tethered": False,
        "simplified": True,
        "reject_13a": False,
        "wake_up": True,
        "phase_switching": False,
        "phase_wait_s": 15.0,
        "phase_interval_s": 300.0,
        "phase_contactor": None,
        "phase_mirror": None,
        "power_path": {
            "target": "drivers.bench.power_path:BenchPowerPath",
            "options": {"socket": "/etc/charge-agent/pins.sock", "evse": 2, "connector": 1, "soc": False},
        },
        "contactor": {"line": "evse2.contactor", "active_high": True, "pull": "none"},
        "mirror": {"line": "evse2.mirror", "active_high": True, "kind": "no", "pull": "none"},
        "lock": {
            "line": "evse2.lock",
            "active_high": True,
            "feedback": {"line": "evse2.locked", "active_high": False, "pull": "none"},
        },
        "rcd": {"line": "evse2.rcd", "active_high": True, "pull": "down"},
        "emergency_stop": {"line": "evse2.stop", "active_high": True, "pull": "none"},
        "led": {"line": "evse2.led", "active_high": True, "pull": "none"},
    }


def test_the_guard_understands_the_plan() -> None:
    plan = parse_plan(plan_of(parse_station(TWO_EVSES.encode(), FILE)))
    first, second = plan.evses
    assert (first.contactor.active_high, second.mirror_normally_closed) == (False, False)
    assert second.rcd is not None
    assert second.rcd.pull == "down"


def test_what_does_not_concern_the_guard_leaves_the_plan_id_alone() -> None:
    first, other = plan_of(parse_station(SMALL.encode(), FILE)), plan_of(parse_station(f"#\n{SMALL}".encode(), FILE))
    assert first["station_sha256"] != other["station_sha256"]
    assert first["plan_id"] == other["plan_id"]


def test_equal_plans_have_equal_ids_and_others_do_not() -> None:
    first = plan_of(parse_station(SMALL.encode(), FILE))["plan_id"]
    assert first == plan_of(parse_station(SMALL.encode(), FILE))["plan_id"]
    assert len(first) == 16
    changed = SMALL.replace("max_current_a = 16", "max_current_a = 20")
    assert first != plan_of(parse_station(changed.encode(), FILE))["plan_id"]


def test_the_command_writes_the_plan(file: Path) -> None:
    out = file.parent / "run" / "plan.json"
    done = subprocess.run([sys.executable, "-m", "agent.settings.compile", str(file), "--out", str(out)], check=False)
    assert done.returncode == 0
    safe = hashlib.sha256(out.with_name("outputs-safe.plan").read_bytes()).hexdigest()
    written = json.loads(out.read_text())
    assert written == {**plan_of(parse_station(file.read_bytes(), file)), "safe_sha256": safe}
    assert parse_plan(written).plan_id == written["plan_id"]
    assert sorted(each.name for each in out.parent.iterdir()) == ["outputs-safe.plan", "plan.json"]


def test_a_broken_file_gives_no_plan_and_every_problem(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text().replace("phases = 1", "phases = 2").replace("[[reader]]", "[[raeder]]"))
    out = file.parent / "plan.json"
    assert main([str(file), "--out", str(out)]) == 78
    assert not out.exists()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0].startswith(f"{file}:23: evse[1].phases 2 is not one of 1, 3")


def test_a_broken_file_gives_the_plan_of_its_last_good_copy(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = load_station(file).settings
    file.write_text(file.read_text().replace("phases = 1", "phases = 2"))
    out = file.parent / "plan.json"
    assert main([str(file), "--out", str(out)]) == 0
    assert json.loads(out.read_text()) | plan_of(good) == json.loads(out.read_text())
    assert "broken; the plan was made of its last good copy" in capsys.readouterr().err


def test_making_a_plan_keeps_no_copy_because_it_need_not_know_the_variables(file: Path) -> None:
    loaded = compile_station(file, file.parent / "plan.json")
    assert loaded.origin is Origin.FILE
    assert not (file.parent / "state").exists()


def test_variables_are_checked_by_whoever_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(file), "--out", str(file.parent / "plan.json"), "--check-variables"]
    assert main([*arguments, f"{__name__}:refuse_everything"]) == 78
    assert "variables.HeartbeatInterval is not known here" in capsys.readouterr().err


def refuse_everything(name: str, text: str) -> str | None:
    return "is not known here"


def test_a_plan_that_cannot_be_written_is_said(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "run").write_text("in the way")
    assert main([str(file), "--out", str(file.parent / "run" / "plan.json")]) == 73
    assert "plan.json: cannot be written" in capsys.readouterr().err


def test_a_refused_plan_leaves_the_old_one(file: Path) -> None:
    out = file.parent / "plan.json"
    compile_station(file, out)
    old = out.read_bytes()
    file.write_text("")
    with pytest.raises(SettingsError):
        compile_station(file, out)
    assert out.read_bytes() == old
