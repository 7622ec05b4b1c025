"""The units as systemd itself reads them."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.security.openssl_provider import NAME

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNITS = ("charge-agent.service", "charge-guard.service")
FOREIGN_TARGETS = ("sysinit", "basic", "shutdown", "network", "local-fs", "multi-user")
EXPOSURE_MAX = 2.5  # of 10; systemd-analyze(1) calls everything below 5 "OK"

needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root file system with our units, an executable where they look for it, and the targets that they name."""
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for name in UNITS:
        shutil.copy(SYSTEMD / name, units)
    for name in FOREIGN_TARGETS:
        (units / f"{name}.target").write_text(f"[Unit]\nDescription={name}\n")
    program = tmp_path / "opt/charge-agent/bin/charge-agent"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def settings_of(unit: str) -> list[tuple[str, str]]:
    lines = (SYSTEMD / unit).read_text().splitlines()
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return [(key, value) for key, _, value in pairs]


def allowed_calls(unit: str) -> set[str]:
    """Return the system calls that the unit's filter lets through, its lines applied in order."""
    allowed: set[str] = set()
    for key, value in settings_of(unit):
        if key != "SystemCallFilter":
            continue
        named = {call for word in value.removeprefix("~").split() for call in expanded(word)}
        allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed


def expanded(word: str) -> set[str]:
    if not word.startswith("@"):
        return {word}
    shown = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True)
    members = re.findall(r"^ {4}([@\w-]+)", shown.stdout, re.MULTILINE)
    return {call for member in members for call in expanded(member)}


@needs_analyze
def test_systemd_analyze_has_nothing_to_say_about_the_units(tree: Path) -> None:
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"--root={tree}", *UNITS], capture_output=True, text=True
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


@needs_analyze
def test_a_station_with_a_controller_on_the_network_lets_its_guard_out_with_a_drop_in(tree: Path) -> None:
    folder = tree / "etc/systemd/system/charge-guard.service.d"
    folder.mkdir()
    shutil.copy(SYSTEMD / "tcp-controller.conf", folder)
    verify = ["systemd-analyze", "verify", "--man=no", f"--root={tree}", "charge-guard.service"]
    said = subprocess.run(verify, capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    words = ("systemd-analyze", "security", "--offline=true", "--no-pager", f"--root={tree}", "charge-guard.service")
    shown = subprocess.run(words, capture_output=True, text=True).stdout
    assert re.search(r"✗ PrivateNetwork=", shown)
    assert re.search(r"✗ RestrictAddressFamilies=~AF_\(INET\|INET6\)", shown)
    assert re.search(r"✓ RestrictAddressFamilies=~AF_NETLINK", shown)


@needs_analyze
@pytest.mark.parametrize("uncommented", [False, True])
def test_a_station_with_its_keys_on_a_token_has_a_drop_in_that_systemd_takes(tree: Path, uncommented: bool) -> None:
    folder = tree / "etc/systemd/system/charge-agent.service.d"
    folder.mkdir()
    text = (SYSTEMD / "pkcs11.conf").read_text()
    (folder / "pkcs11.conf").write_text(re.sub(r"^#(?=\w+=)", "", text, flags=re.MULTILINE) if uncommented else text)
    verify = ["systemd-analyze", "verify", "--man=no", f"--root={tree}", "charge-agent.service"]
    said = subprocess.run(verify, capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    assert "OPENSSL_CONF=/etc/charge-agent/openssl-pkcs11.cnf" in text


def test_the_settings_for_openssl_activate_the_provider_under_the_name_that_the_agent_looks_for() -> None:
    text = (SYSTEMD / "openssl-pkcs11.cnf").read_text()
    settings = configparser.ConfigParser(delimiters=("=",), comment_prefixes=("#",), default_section="none")
    settings.read_string("[top]\n" + text)
    listed = settings[settings[settings["top"]["openssl_conf"]]["providers"]]
    assert list(listed) == ["default", NAME.decode()]  # the default one first: it does what the token need not do
    assert all(settings[section]["activate"] == "1" for section in listed.values())


@needs_analyze
@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_hardened(tree: Path, unit: str) -> None:
    words = ("systemd-analyze", "security", "--offline=true", "--no-pager", f"--root={tree}", unit)
    said = subprocess.run(words, capture_output=True, text=True)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    assert found, said.stdout + said.stderr
    assert float(found[1]) <= EXPOSURE_MAX


@needs_analyze
def test_the_agent_may_ask_whether_the_clock_is_disciplined() -> None:
    assert "adjtimex" in allowed_calls("charge-agent.service")  # drivers.clock.system asks with it


@needs_analyze
def test_the_guard_may_lock_its_memory_and_take_its_priority() -> None:
    assert {"mlockall", "sched_setscheduler"} <= allowed_calls("charge-guard.service")


@needs_analyze
@pytest.mark.parametrize("unit", UNITS)
def test_nobody_may_load_modules_mount_reboot_or_change_users(unit: str) -> None:
    forbidden = {"init_module", "mount", "reboot", "settimeofday", "setuid", "ptrace"}
    assert forbidden.isdisjoint(allowed_calls(unit))


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_has_what_the_station_counts_on(unit: str) -> None:
    found = dict(settings_of(unit))
    assert found["Type"] == "notify"
    assert found["User"] not in ("root", "0", "")
    assert found["Restart"] == "always"
    assert found["StartLimitIntervalSec"] == "0", "it never gives up"
    assert not {"RestartPreventExitStatus", "SuccessExitStatus", "RestartForceExitStatus"} & found.keys(), "never"
    assert found["StateDirectory"] == found["RuntimeDirectory"] == "charge-agent"
    assert found["RuntimeDirectoryPreserve"] == "yes", "the other process's socket lies there too"
    assert "ProtectClock" not in found, "systemd 247 to 252 close every device with it"
    assert "PrivateDevices" not in found, "serial ports and GPIO are the point of it"
    assert found["SystemCallErrorNumber"] == "EPERM", "a forbidden call is an error to handle, not a death"


def test_outputs_are_made_safe_before_the_guard_starts_and_after_it_ended_where_the_program_is_installed() -> None:
    found = settings_of("charge-guard.service")
    done = [value for key, value in found if key in ("ExecStartPre", "ExecStopPost")]
    assert done == ["-/opt/charge-agent/bin/outputs-safe /var/lib/charge-agent/outputs-safe.plan"] * 2


def test_the_guard_is_watched_more_closely_than_the_agent_and_neither_takes_the_other_down() -> None:
    guard, agent = dict(settings_of("charge-guard.service")), dict(settings_of("charge-agent.service"))
    assert (guard["WatchdogSec"], agent["WatchdogSec"]) == ("2s", "30s")
    for unit in UNITS:
        assert not {"Requires", "BindsTo", "PartOf"} & dict(settings_of(unit)).keys()


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_the_user_and_the_groups_of_the_units_are_made(tmp_path: Path) -> None:
    place = tmp_path / "usr/lib/sysusers.d"
    place.mkdir(parents=True)
    shutil.copy(SYSTEMD / "sysusers.d/charge-agent.conf", place)
    said = subprocess.run(
        ["systemd-sysusers", "--dry-run", f"--root={tmp_path}", "charge-agent.conf"], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    made = set(re.findall(r"Creating (?:group|user) '([\w-]+)'", said.stderr))
    for unit in UNITS:
        found = dict(settings_of(unit))
        assert {found["User"], found["Group"], *found["SupplementaryGroups"].split()} <= made


@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="systemd-tmpfiles is not installed")
def test_the_folders_are_described_without_complaint(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\ncharge-agent:x:0:0::/:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\ncharge-agent:x:0:\n")
    place = tmp_path / "usr/lib/tmpfiles.d"
    place.mkdir(parents=True)
    shutil.copy(SYSTEMD / "tmpfiles.d/charge-agent.conf", place)
    said = subprocess.run(
        ["systemd-tmpfiles", "--create", f"--root={tmp_path}", "charge-agent.conf"], capture_output=True, text=True
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    assert (tmp_path / "etc/charge-agent").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "var/lib/charge-agent").is_dir()
