"""An EVSE with several connectors in the station file: what it becomes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.guard.plan import parse_plan
from agent.settings.build import parse_station
from agent.settings.compile import plan_of
from agent.settings.problems import SettingsError
from agent.settings.safe_actions import safe_actions
from agent.settings.station import Settings
from drivers.api.safe import plan_text
from hil.station_toml import StationOptions, station_toml

SECOND = """
[[evse.connectors]]
id = 2
connector = "cType2"
tethered = true
max_current_a = 10
pilot = { driver = "bench", socket = "pins.sock", evse = 1, connector = 2 }
contactor = { line = "evse1c2.contactor" }
mirror = { line = "evse1c2.mirror" }
"""


def station_text(more: str = SECOND, *, of_evse: str = "") -> str:
    """Return a bench station whose EVSE 1 has ``more`` below its own options."""
    return station_toml(Path("/bench"), 9000, StationOptions(readers=0, evse_extra=of_evse)) + more


def settings_of(text: str) -> Settings:
    return parse_station(text.encode(), Path("/bench/station.toml"))


def problems_of(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings_of(text)
    return [f"{each.key} {each.text}" for each in caught.value.problems]


def test_a_connector_has_its_own_power_path_and_takes_the_rest_from_its_evse() -> None:
    settings = settings_of(station_text(of_evse='door = {{ line = "evse1.door" }}\nwake_up = false'))
    first, second = settings.evses[0].parts
    assert (first.connector_id, second.connector_id) == (1, 2)
    assert (second.id, second.connector, second.tethered, second.max_current_a) == (1, "cType2", True, 10.0)
    assert second.contactor is not None
    assert second.contactor.line == "evse1c2.contactor"
    assert second.lock is None
    assert not second.wake_up
    assert second.door == first.door
    assert second.emergency_stop == first.emergency_stop
    assert second.rcd == first.rcd
    assert (second.meter, second.led) == (None, None)


def test_the_plan_has_an_entry_for_each_connector_that_the_guard_obeys() -> None:
    content = plan_of(settings_of(station_text()))
    plan = parse_plan(content)
    assert plan.channels == ((1, 1), (1, 2))
    assert plan.evse_ids == (1,)
    assert [each.tethered for each in plan.evses] == [False, True]
    assert plan.evses[1].max_current_a == 10.0
    assert plan.evses[1].rcd == plan.evses[0].rcd
    assert not plan.evses[1].indicator.uses_lines


def test_an_evse_without_further_connectors_has_the_plan_that_it_always_had() -> None:
    plan = plan_of(settings_of(station_text("")))
    assert "connector" not in plan["evses"][0]


def test_the_safe_actions_open_every_connector_before_any_pilot() -> None:
    text = plan_text(safe_actions(settings_of(station_text())))
    first, second = text.index("evse1.contactor"), text.index("evse1c2.contactor")
    assert first < second < text.index("pilot")
    assert '"1.2"' in text or r"\"1.2\"" in text or "1.2" in text


def test_the_core_knows_both_connectors_and_what_each_can() -> None:
    layout = settings_of(station_text()).layout().evses[0]
    assert layout.connector_ids == (1, 2)
    assert [each.lockable for each in layout.connectors] == [True, False]
    assert [each.max_current_a for each in layout.connectors] == [16.0, 10.0]
    assert settings_of(station_text("")).layout().evses[0].connectors == ()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("id = 2\n", "", "evse[1].connectors[1] has no id, expected number within the EVSE, 2 and up"),
        ("id = 2\n", "id = 3\n", "evse[1].connectors[1].id 3 is out of order, expected 2"),
        ("id = 2\n", "id = 1\n", "evse[1].connectors[1].id 1 is outside 2-4"),
        ("tethered = true", "teethered = true", "evse[1].connectors[1].teethered is unknown"),
        ("max_current_a = 10", "max_current_a = 20", "connectors[1].max_current_a 20 A is above the 16 A of evse[1]"),
        ("evse1c2.contactor", "evse1.contactor", "'evse1.contactor' is used by evse[1].contactor already"),
        ("evse1c2.mirror", "evse1.lock_feedback", "'evse1.lock_feedback' is used by evse[1].lock.feedback already"),
        (", connector = 2 }", " }", "evse[1].connectors[1].pilot is the same device as evse[1].pilot"),
        (
            'mirror = { line = "evse1c2.mirror" }',
            "",
            "connectors[1] has no mirror, which each connector of an EVSE with",
        ),
        ('contactor = { line = "evse1c2.contactor" }', "", "evse[1].connectors[1] has no contactor, expected coil"),
        (
            "tethered = true",
            'tethered = true\nlock = { line = "x" }',
            "connectors[1].lock is given for a connector with",
        ),
        ("tethered = true", 'tethered = true\nmeter = { driver = "modbus" }', "connectors[1].meter is unknown"),
        (
            "tethered = true",
            'tethered = true\nrcd_test = { line = "t" }',
            "connectors[1].rcd_test is given without rcd or rcm of its own",
        ),
        (
            "tethered = true",
            'phase_contactor = { line = "p" }',
            "connectors[1] has no phase_mirror, which each connector",
        ),
    ],
)
def test_a_connector_that_is_wired_wrongly_is_refused(old: str, new: str, problem: str) -> None:
    assert old in SECOND
    found = problems_of(station_text(SECOND.replace(old, new)))
    assert any(problem in each for each in found), found


def test_problems_name_the_line_of_the_connector() -> None:
    text = station_text(SECOND.replace("max_current_a = 10", "max_current_a = 99"))
    with pytest.raises(SettingsError) as caught:
        settings_of(text)
    (problem,) = caught.value.problems
    assert problem.line == 1 + text.splitlines().index("max_current_a = 99")


def test_a_self_test_of_a_shared_sensor_is_refused() -> None:
    found = problems_of(station_text(of_evse='rcd_test = {{ line = "evse1.rcd_test" }}'))
    assert found == ["evse[1].rcd_test is given while connector 2 has no rcd of its own: a test would trip it"]


def test_several_connectors_beside_a_bought_controller_are_refused() -> None:
    text = station_toml(Path("/bench"), 9000, StationOptions(readers=0, controller="openevse")) + SECOND
    expected = "evse[1].connectors is given for an EVSE with a controller, which runs one connector"
    assert expected in problems_of(text)


def test_an_evse_has_at_most_four_connectors() -> None:
    five = "".join(
        SECOND.replace("id = 2", f"id = {each}")
        .replace("1c2", f"1c{each}")
        .replace("connector = 2", f"connector = {each}")
        for each in range(2, 6)
    )
    found = problems_of(station_text(five))
    assert any("are 4, an EVSE has at most 4 with its first one" in each for each in found), found


def test_the_benchs_own_station_file_has_as_many_connectors_as_it_is_told() -> None:
    text = station_toml(Path("/bench"), 9000, StationOptions(evses=2, connectors=3, fixed_cables=(1, 3)))
    settings = settings_of(text)
    assert [len(each.parts) for each in settings.evses] == [3, 3]
    assert [part.tethered for part in settings.evses[1].parts] == [True, False, True]


def test_the_example_of_the_page_on_connectors_is_good() -> None:
    page = (Path(__file__).parents[2] / "docs" / "connectors.md").read_text("utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    before = station_text("").split("\n[[evse]]")[0]
    settings = settings_of(f"{before}\n{example}")
    assert [(each.connector, each.tethered) for each in settings.evses[0].parts] == [
        ("cType2", True),
        ("sType2", False),
    ]
    assert settings.evses[0].connectors[0].rcd == settings.evses[0].rcd


def test_a_connector_written_as_the_option_of_its_type_is_told_the_tables_name() -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(station_text(SECOND.replace("evse.connectors", "evse.connector")))
    (problem,) = caught.value.problems
    assert (problem.key, problem.hint) == ("evse[1].connector", "did you mean [[evse.connectors]]?")
