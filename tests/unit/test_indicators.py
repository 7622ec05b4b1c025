"""Lights, buzzer and button: the words on both sides of the guard's socket, the station file, the documented map."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import pytest

from agent.guard import indication
from agent.guard.indication import Beeper, Blinker, Pattern, Presses
from agent.guard.indicator import NO_AGENT_S
from agent.guard.packets import decode, encode
from agent.guard.plan import parse_plan
from agent.guard.wire import Beep, Blink, ShowState
from agent.model import indications
from agent.model.indications import USUAL_PATTERNS, USUAL_SOUNDS, ShownState, Sound, parse_beeps, parse_pattern
from agent.model.standard_variables import MOST_BLINKS
from agent.model.station import ButtonUse
from agent.settings.build import parse_station
from agent.settings.compile import plan_of
from agent.settings.indicators import SOUNDS_TOLD, STATES_TOLD
from agent.settings.problems import SettingsError
from agent.settings.safe_actions import safe_actions
from drivers.api.safe import SafeLine
from hil.people import People
from tests.scenario.guard_rig import Rig
from tests.unit.station_files import SMALL

FILE = Path("/etc/charge-agent/station.toml")
PAGE = Path(__file__).parents[2] / "docs" / "indicators.md"
RGB = (
    'led = { red = { line = "GPIO11" }, green = { line = "GPIO12" }, blue = { line = "GPIO13", active_high = false } }'
)
REST = 'buzzer = { line = "GPIO14" }\nbutton = { line = "GPIO15", pull = "up", active_high = false }\n'


def station(evse: str = "", more: str = "") -> str:
    return SMALL.replace("max_current_a = 16\n", f"max_current_a = 16\n{evse}\n", 1) + more


# ---- the words -------------------------------------------------------------------------------------------------------


def test_both_sides_of_the_guards_socket_use_the_same_words() -> None:
    assert tuple(indication.COLOURS) == indications.COLOURS
    assert set(indication.RHYTHMS) == {"off", *indications.RHYTHMS}
    assert (tuple(indication.BEEPS), indication.BEEPS_MAX) == (indications.BEEPS, indications.BEEPS_MAX)
    for colour in indications.COLOURS:
        for rhythm in indications.RHYTHMS:
            shown = ShowState(evse_id=1, pattern=rhythm, colour=colour)
            assert decode(encode(shown)) == shown
    assert indication.BLINKS_MAX == MOST_BLINKS
    blink = Blink(evse_id=1, colour="green", times=MOST_BLINKS)
    assert decode(encode(blink)) == blink
    for text in USUAL_SOUNDS.values():
        beep = Beep(evse_id=1, beeps=parse_beeps(text))
        assert decode(encode(beep)) == beep


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("purple", "'purple' has the colour 'purple', expected one of red"),
        ("red quick", "'red quick' has the rhythm 'quick', expected one of on"),
        ("red slow now", "is no pattern"),
        ("", "is no pattern"),
        ("slow", "has the colour 'slow'"),
    ],
)
def test_a_pattern_that_is_none_is_refused_with_what_was_expected(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_pattern(text)


@pytest.mark.parametrize("text", ["", "beep", "none short", "short " * 9])
def test_beeps_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"are no beeps|at most 8"):
        parse_beeps(text)


def test_every_state_and_every_event_has_a_pattern_a_text_and_a_row_in_the_page() -> None:
    assert set(USUAL_PATTERNS) == set(STATES_TOLD) == set(ShownState)
    assert set(USUAL_SOUNDS) == set(SOUNDS_TOLD) == set(Sound)
    page = PAGE.read_text(encoding="utf-8")
    rows = [f"| `{each.value}` | {STATES_TOLD[each]} | {USUAL_PATTERNS[each]} |" for each in ShownState]
    patterns = "\n".join(["| state | tells | shown as |", "|---|---|---|", *rows])
    heard = [f"| `{each.value}` | {SOUNDS_TOLD[each]} | {USUAL_SOUNDS[each]} |" for each in Sound]
    sounds = "\n".join(["| event | tells | sounds |", "|---|---|---|", *heard])
    assert f"<!-- patterns -->\n{patterns}\n<!-- /patterns -->" in page
    assert f"<!-- sounds -->\n{sounds}\n<!-- /sounds -->" in page


# ---- the station file ------------------------------------------------------------------------------------------------


def test_a_station_file_reaches_the_guards_plan_and_the_core() -> None:
    text = station(f"{RGB}\n{REST}", '[indicators]\nno_agent = "off"\n[sounds]\nfault = "none"\n')
    settings = parse_station(text.encode(), FILE)
    plan = parse_plan(plan_of(settings))
    lights = dict(plan.evses[0].indicator.lights)
    assert {colour: (line.line, line.active_high) for colour, line in lights.items()} == {
        "red": ("GPIO11", True), "green": ("GPIO12", True), "blue": ("GPIO13", False)
    }  # fmt: skip
    button = plan.evses[0].indicator.button
    assert button is not None
    assert (button.pull, button.active_high, button.debounce_s) == ("up", False, 0.03)
    assert plan.shown_alone.no_agent == indication.DARK
    assert plan.shown_alone.faulted == Pattern("red", "fast")
    assert settings.indicators.sounds[Sound.FAULT] == ()
    layout = settings.layout().evses[0]
    assert (layout.button, layout.has_buzzer) == (ButtonUse.START_STOP, True)
    safe = [(each.line, each.high) for each in safe_actions(settings) if isinstance(each, SafeLine)]
    assert ("14", False) in safe  # a buzzer must not sound for ever


def test_a_file_without_any_of_it_compiles_to_the_plan_that_it_always_did() -> None:
    plan = plan_of(parse_station(SMALL.encode(), FILE))
    assert not {"indicators", "lights", "buzzer", "button"} & {*plan, *plan["evses"][0]}
    assert parse_station(SMALL.encode(), FILE).layout().evses[0].button is ButtonUse.OFF


@pytest.mark.parametrize(
    ("evse", "more", "line", "text", "hint"),
    [
        ("led = {}", "", 13, "evse[1].led has no line", "red, green and blue"),
        ('led = { red = { line = "GPIO17" } }', "", 13, "'GPIO17' is used by evse[1].contactor already", ""),
        ('button = { line = "GPIO27" }', "", 13, "'GPIO27' is used by", ""),
        ("", '[indicators]\ncharging = "pink"\n', 0, "'pink' has the colour 'pink', expected one of", ""),
        ("", '[indicators]\ncharged = "blue"\n', 0, "indicators.charged is unknown", "charging"),
        ("", '[sounds]\nfault = "loud"\n', 0, "'loud' are no beeps", ""),
        ("", '[charging]\nbutton = "start"\n', 0, "'start'", "start_stop"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line_and_a_hint(
    evse: str, more: str, line: int, text: str, hint: str
) -> None:
    content = station(evse, more)
    with pytest.raises(SettingsError) as refused:
        parse_station(content.encode(), FILE)
    (problem,) = refused.value.problems
    assert text in str(problem)
    assert hint in str(problem)
    expected = line or content.count("\n")
    assert problem.line is not None
    assert abs(problem.line - expected) <= 1


# ---- the guard -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rhythm", [*indications.RHYTHMS, "off"])
def test_the_bench_reads_every_rhythm_off_the_edges_that_the_guard_plans(rhythm: str) -> None:
    blinker, people = Blinker(), People()
    blinker.show(Pattern("blue", rhythm))
    now_s, steps = 1000.3, 0
    while now_s < 1010.0:
        if blinker.due_s <= now_s:
            people.drive("led_blue", blinker.step(now_s) != 0, now_s)
            steps += 1
        now_s = round(now_s + 0.01, 6)
    shown = people.report(now_s)["light"]
    assert shown == {"colour": "off" if rhythm == "off" else "blue", "rhythm": rhythm}
    assert steps <= 90  # edges, not scans
    assert rhythm not in ("on", "off") or blinker.due_s == inf


def test_a_row_of_beeps_sounds_and_ends() -> None:
    beeper, people = Beeper(), People()
    beeper.sound(("short", "long", "short"), 5.0)
    edges = []
    for tick in range(200):
        now_s = 5.0 + tick / 100
        if beeper.due_s <= now_s:
            edges.append(beeper.step(now_s))
            people.drive("buzzer", edges[-1], now_s)
    assert people.report(7.0)["buzzer"] == {"sounding": False, "heard": "short long short"}
    assert beeper.due_s == inf
    assert all(one is not other for one, other in pairwise(edges[1:]))


def test_a_press_is_short_and_counts_when_it_ends() -> None:
    presses = Presses()
    levels = [(False, 0.0), (True, 1.0), (True, 1.1), (False, 1.2), (True, 2.0), (False, 6.0), (True, 7.0), (None, 7.1)]
    assert [presses.step(level, now_s) for level, now_s in [*levels, (False, 7.2)]] == [
        False, False, False, True, False, False, False, False, False
    ]  # fmt: skip
    assert presses.count == 1


@pytest.fixture
def log_fd() -> Iterator[int]:
    fd = os.open(os.devnull, os.O_WRONLY)
    yield fd
    os.close(fd)


def lit(rig: Rig) -> tuple[bool, ...]:
    return tuple(bool(rig.world.extra[name].active) for name in ("led_red", "led_green", "led_blue"))


def coloured(state_dir: Path, log_fd: int) -> Rig:
    lights = {name: {"line": f"evse1.led_{name}"} for name in ("red", "green", "blue")}
    people: dict[str, Any] = {
        "buzzer": {"line": "evse1.buzzer"},
        "button": {"line": "evse1.button", "debounce_s": 0.03},
    }
    return Rig(str(state_dir), log_fd, led=None, lights=lights, **people)


def test_the_guard_shows_the_agents_colours_and_by_itself_that_no_agent_is_there(tmp_path: Path, log_fd: int) -> None:
    rig = coloured(tmp_path, log_fd)
    rig.run(3.0)
    assert lit(rig) in ((True, True, True), (False, False, False))  # booting: white slow
    rig.station.attend(True, rig.now_s)
    rig.say(ShowState(evse_id=1, pattern="on", colour="cyan"))
    rig.run(0.1)
    assert lit(rig) == (False, True, True)
    rig.station.attend(False, rig.now_s)
    rig.run(NO_AGENT_S - 0.5)
    assert lit(rig) == (False, True, True)  # an agent that restarts
    rig.run(1.0)
    seen = set()
    for _ in range(200):
        rig.scan()
        seen.add(lit(rig))
    assert seen == {(True, False, False), (False, False, False)}  # red double
    rig.world.emergency_stop.active = True
    writes = len(rig.world.extra["led_red"].writes)
    rig.run(1.0)
    assert len(rig.world.extra["led_red"].writes) - writes >= 7  # red fast
    rig.station.make_safe(for_good=True)
    assert lit(rig) == (False, False, False)


def test_a_lost_agent_that_returns_says_anew_what_is_shown(tmp_path: Path, log_fd: int) -> None:
    rig = coloured(tmp_path, log_fd)
    rig.station.attend(True, rig.now_s)
    rig.say(ShowState(evse_id=1, pattern="on", colour="green"))
    rig.run(0.1)
    rig.station.attend(False, rig.now_s)
    rig.run(1.0)
    rig.station.attend(True, rig.now_s)
    rig.run(30.0)
    assert lit(rig) == (False, True, False)


@pytest.mark.req("OCPP 1.6 §9.1, BlinkRepeat")
@pytest.mark.parametrize("times", [1, 3, 20])
def test_a_signal_blinks_as_often_as_asked_and_then_the_light_shows_what_it_showed(
    times: int, tmp_path: Path, log_fd: int
) -> None:
    rig = coloured(tmp_path, log_fd)
    rig.station.attend(True, rig.now_s)
    rig.say(ShowState(evse_id=1, pattern="on", colour="blue"))
    rig.run(0.1)
    rig.say(Blink(evse_id=1, colour="green", times=times))
    before = len(rig.world.extra["led_green"].writes)
    rig.run(2 * times * indication.BLINK_S + 0.1)
    assert rig.world.extra["led_green"].writes[before:] == [True, False] * times
    assert lit(rig) == (False, False, True)


def test_the_guard_sounds_beeps_and_reports_presses(tmp_path: Path, log_fd: int) -> None:
    rig = coloured(tmp_path, log_fd)
    rig.run(1.2)
    rig.say(Beep(evse_id=1, beeps=("short", "short")))
    rig.run(2.0)
    assert rig.world.extra["buzzer"].writes == [False, True, False, True, False]
    assert rig.report.presses == 0
    for held_s in (0.02, 0.2, 4.0):  # a bounce, a press, somebody who leans on it
        rig.world.extra["button"].active = True
        rig.run(held_s)
        rig.world.extra["button"].active = False
        rig.run(0.2)
    assert rig.report.presses == 1


def test_a_light_that_does_not_blink_costs_no_write_and_a_broken_one_is_given_up(tmp_path: Path, log_fd: int) -> None:
    rig = coloured(tmp_path, log_fd)
    rig.say(ShowState(evse_id=1, pattern="on", colour="red"))
    rig.run(5.0)
    assert rig.world.extra["led_red"].writes == [False, True]
    rig.world.extra["led_red"].broken = True
    rig.say(ShowState(evse_id=1, pattern="fast", colour="yellow"))
    rig.run(5.0)
    assert True in rig.world.extra["led_green"].writes
    rig.charge()
    assert rig.closed
