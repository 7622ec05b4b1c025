"""The generated documents: complete, valid and the same as the committed files."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agent.settings.build import parse_station
from agent.settings.example import (
    EXAMPLE_NAME,
    SCHEMA_NAME,
    example_text,
    schema,
    schema_text,
    shipped_drivers,
)
from agent.settings.schema import Table
from agent.settings.tables import TABLES, VARIABLES
from drivers.api import DriverKind
from drivers.config_dir import config_dir
from tests.unit.station_files import SMALL, TWO_EVSES

_EXAMPLES = {
    *("serial_number", "root_certificates", "password_file", "allowed_uids", "identity_file", "fallback_urls"),
    *("security_profile", "client_certificate", "client_key", "heartbeat"),
}


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _everything(text: str) -> str:
    return re.sub(r"^#(?! )", "", text, flags=re.MULTILINE)


def _without_self_test(text: str) -> str:
    """A self-test needs sensors of each connector's own, for which the header of the example has no lines left."""
    return re.sub(r"^rcd_test = .*$", "", text, flags=re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "csms-root.pem").touch()
    (tmp_path / "csms-password").touch()
    (tmp_path / "client.pem").touch()
    (tmp_path / "client.key").touch()
    for name in ("manufacturer-root.pem", "manufacturer.crl", "known_hosts", "sftp.key"):
        (tmp_path / name).touch()
    (tmp_path / "identity.toml").write_text('id = "CP-0001"\n')
    return tmp_path


def test_the_committed_example_and_schema_are_up_to_date() -> None:
    hint = "run python -m agent.settings.example"
    assert (config_dir() / EXAMPLE_NAME).read_text("utf-8") == example_text(), hint
    assert (config_dir() / SCHEMA_NAME).read_text("utf-8") == schema_text(), hint


def test_the_example_is_valid_as_it_is(folder: Path) -> None:
    station = parse_station(example_text().encode(), folder / "station.toml")
    assert station.evses[0].mirror is None


def test_the_example_is_valid_with_every_option_taken_in(folder: Path) -> None:
    text = _without_self_test(_everything(example_text()).replace("tethered = true", "tethered = false"))
    station = parse_station(text.encode(), folder / "station.toml")
    assert station.evses[0].lock is not None
    assert [each.connector_id for each in station.evses[0].parts] == [1, 2]
    assert len(station.buses) == 2
    assert station.charging.max_current_a == 32.0


def test_the_shown_defaults_are_the_defaults(folder: Path) -> None:
    bare = parse_station(example_text().encode(), folder / "station.toml")
    full = parse_station(_without_self_test(_everything(example_text())).encode(), folder / "station.toml")
    for section in ("station", "csms", "guard", "authorization", "log", "clock"):
        shown, default = getattr(full, section), getattr(bare, section)
        for name in shown.__struct_fields__:
            if name not in _EXAMPLES:
                assert getattr(shown, name) == getattr(default, name), name


def _options(table: Table, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    mine = [(*path, field.name) for field in table.fields]
    # Both of two alternatives cannot be given; what is as above was shown there.
    tables = [inner for inner in table.tables if not inner.instead_of and not inner.as_above]
    return mine + [each for inner in tables for each in _options(inner, (*path, inner.name))]


def test_the_example_holds_every_option_of_every_table() -> None:
    document = tomllib.loads(_everything(example_text()))
    for table in TABLES:
        for path in _options(table, (table.name,)):
            places: list[Any] = [document[table.name]]
            if table.repeated:
                places = places[0]
            elif table.named:
                places = list(places[0].values())
            for part in path[1:]:
                found = [place[part] for place in places if part in place]
                places = [one for each in found for one in (each if _is_tables(each) else [each])]
            assert places, path
    assert VARIABLES in document


@pytest.mark.parametrize("kind", list(DriverKind))
def test_the_example_explains_every_option_of_every_driver(kind: DriverKind) -> None:
    text = example_text()
    for spec in shipped_drivers(kind):
        for option in spec.options:
            named = f"{spec.name}, {option.name}: " in text or re.search(rf"^#?{option.name} = ", text, re.MULTILINE)
            assert named, (spec.name, option.name)


def test_units_and_ranges_are_told() -> None:
    text = example_text()
    assert "6-80 A; default 16.0." in text
    assert "2-30 ms; default 10." in text


@pytest.mark.parametrize("text", [SMALL, TWO_EVSES, _everything(example_text())])
def test_what_the_parser_accepts_fits_the_schema(text: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.Draft202012Validator(schema()).validate(json.loads(json.dumps(tomllib.loads(text))))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max_current_a = 16", "max_current_a = 160"),
        ("max_current_a = 16", "max_curent_a = 16"),
        ('driver = "rdm6300"', 'driver = "rdm6300"\nhold_of_s = 2'),
        ("[[evse]]", "[evse]"),
    ],
)
def test_what_the_parser_refuses_by_itself_does_not_fit_the_schema(old: str, new: str) -> None:
    document = json.loads(json.dumps(tomllib.loads(SMALL.replace(old, new))))
    assert not jsonschema.Draft202012Validator(schema()).is_valid(document)
