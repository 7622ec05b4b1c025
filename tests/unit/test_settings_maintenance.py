"""The table [maintenance] of a station file, and what is wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.settings.build import parse_station
from agent.settings.problems import SettingsError
from agent.settings.station import UnsignedFirmware
from tests.unit.station_files import SMALL


def problems_of(folder: Path, table: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_station(f"{SMALL}\n[maintenance]\n{table}\n".encode(), folder / "station.toml")
    return [f"{each.key} {each.text}" for each in caught.value.problems]


def test_without_the_table_files_may_come_and_go_and_nothing_is_installed(tmp_path: Path) -> None:
    own = parse_station(SMALL.encode(), tmp_path / "station.toml").maintenance
    assert own.allowed_schemes == ("https", "ftps", "sftp", "http", "ftp")
    assert own.installer is None
    assert own.unsigned_firmware is UnsignedFirmware.AUTO


def test_a_whole_table_is_read(tmp_path: Path) -> None:
    for name in ("root.pem", "crl.pem", "known_hosts", "key"):
        (tmp_path / name).touch()
    table = """
allowed_schemes = ["https"]
unsigned_firmware = "refuse"
firmware_roots = ["root.pem"]
firmware_crl = "crl.pem"
known_hosts = "known_hosts"
ssh_key = "key"
version_file = "version"
installer = { driver = "command", install = "/usr/lib/maker/install {image}", timeout_s = 600 }
"""
    own = parse_station(f"{SMALL}[maintenance]{table}".encode(), tmp_path / "station.toml").maintenance
    assert own.firmware_roots == (tmp_path / "root.pem",)
    assert own.version_file == tmp_path / "version"
    assert own.installer is not None
    assert own.installer.options["install"] == "/usr/lib/maker/install {image}"
    assert own.installer.options["reboot"] == "systemctl reboot"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('allowed_schemes = ["gopher"]', "is not one of https, ftps, sftp, http, ftp"),
        ('allowed_schemes = ["https", "https"]', "names a protocol twice"),
        ('allowed_schemes = "https"', "expected a list of texts"),
        ('unsigned_firmware = "alow"', "is not one of auto, allow, refuse"),
        ('firmware_roots = ["nothing.pem"]', "is no file"),
        ('firmware_roots = ["there"]\nunsigned_firmware = "allow"', "is allow although firmware_roots are given"),
        ('firmware_crl = "there"', "is given without firmware_roots"),
        ('ssh_key = "there"', "is given without known_hosts"),
        ("max_firmware_mb = 0", "is outside 1-65536 MB"),
        ("max_bundle_mb = 1.5", "expected a whole number"),
        ('installer = { driver = "rauk" }', "is no installer driver, expected one of bench, command, rauc"),
        ('installer = { driver = "command" }', "has no install"),
        ('installer = { driver = "command", install = "x" }', "is no absolute path"),
        ('installer = { driver = "rauc", reboot = "" }', "is empty, expected a command"),
        ('installer = "rauc"', "expected installer = { ... }"),
        ("instaler = 1", "is unknown"),
    ],
)
def test_what_is_wrong_in_the_table_is_said(tmp_path: Path, table: str, expected: str) -> None:
    (tmp_path / "there").touch()
    found = problems_of(tmp_path, table)
    assert len(found) == 1
    assert expected in found[0]
    assert found[0].startswith("maintenance")
