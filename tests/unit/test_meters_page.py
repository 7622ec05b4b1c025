"""docs/meters.md against what it describes: the table of profiles, the profile it shows, the hints."""

from __future__ import annotations

import re
import tomllib

import pytest

from agent.console.meter_hints import Circumstances, hints
from agent.model.faults import FaultCode
from drivers.api import MeterReading
from drivers.meter.counters import UnitCounters
from drivers.meter.profile import RegisterType
from drivers.meter.profile_file import REGISTER, TABLES, TOP, profile_names, read_profile
from drivers.meter.profile_table import table, with_table
from tests.unit.test_docs import REPOSITORY, blocks

PAGE = REPOSITORY / "docs" / "meters.md"
TEXT = PAGE.read_text(encoding="utf-8")
SEEN = Circumstances(serial=True, timeout_s=1.0, profile="acme")


def test_the_table_of_profiles_is_that_of_the_files() -> None:
    assert table() in TEXT, "python -m drivers.meter.profile_table docs/meters.md"
    assert with_table(TEXT) == TEXT
    for name in profile_names():
        assert f"| `{name}` |" in TEXT


def test_the_profile_that_the_page_shows_is_one_and_shows_every_key() -> None:
    (shown,) = (block for block in blocks(PAGE, "toml") if "[registers" in block)
    document = tomllib.loads(shown)
    profile = read_profile(document)
    assert profile.tcp is not None
    values = profile.values({"power_import": 70.0, "power_export": 20.0}, {0x0212: 2.0})
    assert values == {"power_import": 7000.0, "power_export": 2000.0, "power": 5000.0}
    assert profile.decode(profile.registers["energy_import"], (0xFFFF, 0xFFFF)) is None
    assert profile.registers["energy_import"].wraps_at == 1e9
    assert document.keys() == {key.name for key in TOP} | set(TABLES)
    assert {key.name for key in REGISTER} - {"fc", "count"} == {
        key for row in document["registers"].values() for key in row
    }
    for kind in RegisterType:
        assert re.search(rf"\b{kind.value}\b", shown)


def test_the_page_names_the_faults_of_a_meter() -> None:
    for code in (FaultCode.METER_IMPLAUSIBLE, FaultCode.METER_EXCHANGED):
        assert f"`{code.value}`" in TEXT


@pytest.mark.parametrize(
    ("counters", "hint"),
    [
        (UnitCounters(requests=100, answers=100, latency_s=(0.05, 0.06, 0.3)), None),
        (UnitCounters(requests=1000, answers=999, timeouts=1), None),
        (UnitCounters(requests=100, answers=90, checksums=10), "wrong checksums (10 of 100 requests): 120 ohm"),
        (UnitCounters(requests=100, answers=90, short=10), "answers break off (10 of 100 requests)"),
        (UnitCounters(requests=100, answers=90, foreign=10), "a second master"),
        (UnitCounters(requests=100, answers=90, timeouts=10), "no answer (10 of 100 requests)"),
        (
            UnitCounters(requests=100, answers=99, timeouts=1, late=1),
            "1 answers came late: a longer timeout_s (now 1 s)",
        ),
        (UnitCounters(requests=10, answers=10, refusals=10), "the meter refuses reads"),
        (UnitCounters(requests=10, answers=10, latency_s=(0.1, 0.2, 0.9)), "the slowest answer took 0.90 s"),
        (UnitCounters(requests=10, timeouts=10), "A and B swapped"),
        (UnitCounters(), None),
    ],
)
def test_counters_are_told_in_the_words_of_an_electrician(counters: UnitCounters, hint: str | None) -> None:
    found = hints(counters, SEEN)
    assert not found if hint is None else hint in found[0]


def test_a_host_that_does_not_answer_is_no_matter_of_wires() -> None:
    over_tcp = Circumstances(serial=False, timeout_s=1.0)
    assert "unit identifier" in hints(UnitCounters(requests=5, timeouts=5), over_tcp)[0]
    assert "another unit identifier" in hints(UnitCounters(requests=5, foreign=5), over_tcp)[0]


@pytest.mark.parametrize(
    ("reading", "hint"),
    [
        (MeterReading(taken_s=1.0, energy_import_wh=1.0, voltage_v=(230.0, 231.0, 229.0)), None),
        (MeterReading(taken_s=1.0, voltage_v=(230.0, None, None)), "the register of energy is no number"),
        (
            MeterReading(taken_s=1.0, energy_import_wh=1.0, voltage_v=(2.3, 2.3, 2.3)),
            "no phase has mains voltage (2.3 V)",
        ),
        (
            MeterReading(taken_s=1.0, energy_import_wh=1.0, voltage_v=(230.0, 0.0, 229.0)),
            "a phase has no mains voltage",
        ),
        (MeterReading(taken_s=1.0, energy_import_wh=1.0, power_w=-900.0), "supply and load are swapped"),
    ],
)
def test_values_that_make_no_sense_are_told(reading: MeterReading, hint: str | None) -> None:
    good = UnitCounters(requests=5, answers=5)
    found = hints(good, Circumstances(serial=True, timeout_s=1.0, reading=reading))
    assert not found if hint is None else hint in found[0]
