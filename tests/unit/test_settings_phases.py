"""The options of a second contactor, and what they say about each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.guard.plan import parse_plan
from agent.settings.build import parse_station
from agent.settings.compile import plan_of
from agent.settings.problems import SettingsError
from agent.settings.safe_actions import safe_actions
from agent.settings.station import MirrorKind
from drivers.api.safe import SafeLine
from tests.unit.station_files import SMALL

FILE = Path("/etc/charge-agent/station.toml")

SECOND = 'phase_contactor = { line = "GPIO6" }\n'
BOTH_SEEN = 'mirror = { line = "GPIO27" }\nphase_mirror = { line = "GPIO13", kind = "sense" }\n'


def with_lines(lines: str) -> str:
    text = SMALL.replace('mirror = { line = "GPIO27" }\n', "") if 'mirror = { line = "GPIO27"' in lines else SMALL
    at = text.index("contactor = ")
    return text[:at] + lines + text[at:]


def test_a_station_with_phase_switching_reaches_the_guard_and_the_core() -> None:
    lines = f"{SECOND}{BOTH_SEEN}phase_switching = true\nphase_wait_s = 60\nsimplified = false\nreject_13a = true\n"
    station = parse_station(with_lines(lines).encode(), FILE)
    plan = parse_plan(plan_of(station)).evses[0]
    assert station.evses[0].phase_mirror is not None
    assert station.evses[0].phase_mirror.kind is MirrorKind.SENSE
    assert station.layout().evses[0].phase_switching
    assert plan.phase_contactor is not None
    assert (plan.mirror_normally_closed, plan.phase_mirror_normally_closed) == (True, False)
    assert (plan.phase_switching, plan.phase_wait_s, plan.phase_interval_s) == (True, 60.0, 300.0)
    assert (plan.simplified, plan.reject_13a, plan.wake_up) == (False, True, True)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("phase_switching = true\n", "phase_switching is true without a phase_contactor, which it needs"),
        (f"{SECOND}phase_switching = true\n", "phase_switching is true without mirror and phase_mirror"),
        (f"{SECOND}phases = 1\n", "phase_contactor is given for an EVSE with phases = 1, expected phases = 3"),
        ('phase_mirror = { line = "GPIO13" }\n', "phase_mirror is given without a phase_contactor"),
        ("tethered = true\nreject_13a = true\n", "reject_13a is true for an EVSE with a fixed cable (tethered = true)"),
        ("phase_wait_s = 9\n", "phase_wait_s 9.0 is outside 10-300 s"),
        ("phase_interval_s = 5\n", "phase_interval_s 5.0 is outside 60-86400 s"),
    ],
)
def test_a_second_contactor_that_makes_no_sense_is_refused(lines: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_station(with_lines(lines).encode(), FILE)
    assert any(said in str(problem) for problem in refused.value.problems), refused.value


def test_outputs_safe_opens_the_main_contactor_before_the_second_one() -> None:
    actions = safe_actions(parse_station(with_lines(f"{SECOND}{BOTH_SEEN}").encode(), FILE))
    assert [(each.line, each.high) for each in actions if isinstance(each, SafeLine)] == [("17", False), ("6", False)]
