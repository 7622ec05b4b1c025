"""From the bench's trace and the CSMS's record to the timeline: recorded charges, and what can go wrong in one."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from hil.demo_evse import EvseStory
from hil.demo_frames import answer_words, call_words, watt_hours
from hil.demo_pace import Pace
from hil.demo_story import SOURCES, Story
from hil.timeline import Entry, Style, Timeline
from tests.unit.demo_records import recorded

STILL: dict[str, Any] = {
    "plugged": False, "car_state": "A", "pilot_mode": "steady_high", "duty_pct": 100.0, "pilot_v": 12.0,
    "coil": False, "load": False, "lock": False, "lock_command": False, "current_a": 0.0, "power_w": 0.0,
    "energy_wh": 121_000.0,
}  # fmt: skip


def world(at_s: float, **values: Any) -> list[tuple[float, str, Any]]:
    return [(at_s, f"evse1.{name}", value) for name, value in values.items()]


def told(entries: list[Entry]) -> list[str]:
    return [f"{entry.source}: {entry.text}" for entry in entries]


def started() -> Story:
    story = Story()
    assert story.tell([(0.0, "power", True), (0.0, "net", "up"), *world(0.0, **STILL)], []) == []
    return story


def frame(at_s: float, action: str, payload: Any, *, answer: bool = False, ours: bool = True) -> dict[str, Any]:
    return {
        "at_s": at_s,
        "identity": "BENCH-1",
        "direction": "in" if ours != answer else "out",
        "kind": "result" if answer else "call",
        "action": action,
        "message_id": f"{action}-1",
        "payload": payload,
        "text": "",
    }


def test_a_recorded_charge_in_1_6_reads_from_the_tap_to_the_free_connector() -> None:
    trace, frames = recorded("v16")
    story = Story()
    story.tell([each for each in trace if each[0] < 0], [each for each in frames if each["at_s"] < 0])
    entries = story.tell([each for each in trace if each[0] >= 0], [each for each in frames if each["at_s"] >= 0])
    lines = [line for line in told(entries) if not line.startswith("meter: ━") and "MeterValues" not in line]
    said = "\n".join(lines)
    for earlier, later in (
        ("card: 04A2B3C4D5 on the reader", "CSMS: Authorize 04A2B3C4D5 → Accepted"),
        ("CSMS: Authorize 04A2B3C4D5 → Accepted", "car: plugged in (32 A cable): pilot 12 V → 9 V, state B"),
        ("car: plugged in (32 A cable): pilot 12 V → 9 V, state B", "lock: locked"),
        ("lock: locked", "pilot: offers 16 A (duty 26.67 %)"),
        ("pilot: offers 16 A (duty 26.67 %)", "car: closes S2: pilot 9 V → 6 V, state C"),
        ("car: closes S2: pilot 9 V → 6 V, state C", "guard: switches the contactor on"),
        ("guard: switches the contactor on", "contactor: closed"),
        ("contactor: closed", "car: draws 16 A on 3 phases, 11.04 kW"),
        ("car: draws 16 A on 3 phases, 11.04 kW", "pilot: the offer ends (duty 100 %)"),
        ("pilot: the offer ends (duty 100 %)", "car: stops drawing"),
        ("car: stops drawing", "guard: switches the contactor off"),
        ("guard: switches the contactor off", "contactor: opened"),
        ("contactor: opened", "CSMS: StopTransaction 1001, 121\u202f045 Wh → Accepted"),
        ("CSMS: StopTransaction 1001, 121\u202f045 Wh → Accepted", "lock: released"),
        ("lock: released", "car: unplugged: pilot 9 V → 12 V, state A"),
        ("car: unplugged: pilot 9 V → 12 V, state A", "CSMS: StatusNotification connector 1 Available"),
    ):
        assert said.index(earlier) < said.index(later)
    assert {entry.source for entry in entries} <= set(SOURCES)


def test_a_recorded_charge_in_2_0_1_tells_its_transaction_events() -> None:
    trace, frames = recorded("v201")
    said = "\n".join(told(Story().tell(trace, frames)))
    assert "CSMS: TransactionEvent Started #0, CablePluggedIn, EVConnected, 121\u202f000 Wh → Accepted" in said
    assert "CSMS: TransactionEvent Ended #5, StopAuthorized, Local, 121\u202f045 Wh → Accepted" in said
    assert "CSMS: TransactionEvent Updated #2, 121\u202f0" in said


@pytest.mark.parametrize("version", ["v16", "v201"])
def test_a_charge_is_told_the_same_however_it_is_cut_into_turns(version: str) -> None:
    trace, frames = recorded(version)
    at_once = told(Story().tell(trace, frames))
    story, in_turns = Story(), []
    for turn in range(-40, 220):
        begin_s, end_s = turn / 10, (turn + 1) / 10
        answers = {each["message_id"]: each for each in frames if each["kind"] == "result"}
        calls = [each for each in frames if each["kind"] != "result" and begin_s <= each["at_s"] < end_s]
        together = [*calls, *(answers[each["message_id"]] for each in calls if each["message_id"] in answers)]
        in_turns += told(story.tell([each for each in trace if begin_s <= each[0] < end_s], together))
    assert in_turns == at_once


def test_no_line_of_a_charge_is_wider_than_the_terminal() -> None:
    trace, frames = recorded("v201")
    timeline = Timeline(Style(width=100), 0.0, SOURCES)
    assert max(len(line) for entry in Story().tell(trace, frames) for line in timeline.lines(entry)) <= 100


def test_every_consequence_names_its_cause() -> None:
    story = started()
    entries = story.tell(
        [
            *world(1.0, plugged=True, car_state="B", pilot_v=9.0, proximity_ohm=220.0),
            *world(2.0, pilot_mode="pwm", duty_pct=26.666, offer_a=16.0),
            *world(2.7, car_state="C", pilot_v=6.0),
            *world(2.71, coil=True),
            *world(2.725, load=True),
        ],
        [],
    )
    causes = [(entry.text.split()[0], entry.cause.label if entry.cause else None) for entry in entries]
    assert causes == [
        ("plugged", None), ("offers", "plug-in"), ("closes", "the offer"), ("switches", "state C"),
        ("closed", "the coil"),
    ]  # fmt: skip


def test_a_contactor_that_opens_under_load_says_so() -> None:
    story = started()
    story.tell([*world(1.0, coil=True), *world(1.02, load=True), *world(1.5, current_a=16.0, power_w=11040.0)], [])
    entries = story.tell([*world(9.0, coil=False), *world(9.01, load=False, current_a=0.0, energy_wh=121_023.0)], [])
    assert told(entries) == [
        "guard: switches the contactor off",
        "contactor: opened under 16 A",
        "meter: 23 Wh in 8.0 s, register 121\u202f023 Wh",
    ]


def test_meter_ticks_come_at_most_every_three_seconds_and_ever_more_rarely() -> None:
    story = started()
    story.tell([*world(1.0, coil=True), *world(1.02, load=True), *world(1.5, power_w=11_040.0)], [])
    ticks = [
        entry.at_s
        for tenth in range(600)
        for entry in story.tell(world(2.0 + tenth, energy_wh=121_000.0 + tenth), [])
        if entry.source == "meter"
    ]
    pauses = [later - earlier for earlier, later in itertools.pairwise(ticks)]
    assert min(pauses) >= 3.0
    assert len(ticks) < 30


def test_a_meter_that_stands_still_is_not_told() -> None:
    story = started()
    story.tell([*world(1.0, coil=True), *world(1.02, load=True)], [])
    assert story.tell(world(9.0, energy_wh=121_000.1), []) == []


def test_flicker_of_the_current_is_not_told() -> None:
    story = started()
    story.tell([*world(1.0, load=True), *world(2.0, current_a=16.0)], [])
    assert story.tell([*world(3.0, current_a=15.95), *world(4.0, current_a=16.02)], []) == []
    assert len(story.tell(world(5.0, current_a=10.0), [])) == 1


def test_a_power_cut_is_one_line_and_what_it_does_to_the_contactor() -> None:
    story = started()
    story.tell([*world(1.0, coil=True, pilot_mode="pwm", duty_pct=26.666), *world(1.02, load=True)], [])
    cut = [(5.0, "power", False), *world(5.0, coil=False, pilot_mode="off", duty_pct=0.0, pilot_v=0.0)]
    entries = story.tell([*cut, (5.001, "dut.agent", None), *world(5.01, load=False)], [])
    assert told(entries)[:2] == [
        "station: power cut: guard and agent are dead, every output falls",
        "contactor: opened",
    ]
    back = story.tell([(7.0, "power", True), (7.1, "dut.agent", 4711)], [])
    assert told(back) == ["station: power is back", "station: agent starts, process 4711"]
    assert back[0].cause is not None
    assert back[0].cause.label == "the cut"


def test_a_killed_process_and_its_successor_are_told() -> None:
    story = started()
    story.tell([(1.0, "dut.guard", 10)], [])
    gone, again = story.tell([(2.0, "dut.guard", None), (2.1, "dut.guard", 11)], [])
    assert (gone.text, again.text, again.cause) == ("guard is gone", "guard starts, process 11", gone)
    driven = story.tell([*world(2.2, pilot_mode="off"), *world(3.0, pilot_mode="steady_high")], [])[-1]
    assert driven.cause is again


def test_what_the_user_tells_the_bench_is_told_unless_it_shows_by_itself() -> None:
    story = started()
    stimuli = [
        (1.0, "stimulus", {"verb": "plug", "evse": 1, "cable_a": 32, "delay_s": 0.0}),
        (2.0, "stimulus", {"verb": "csms", "ask": "ledger", "arguments": {}}),
        (3.0, "stimulus", {"verb": "meter", "mode": "silent", "evse": 1}),
        (4.0, "net", "down"),
    ]
    assert told(story.tell(stimuli, [])) == ["you: meter mode silent", "network: down: connections are refused"]


def test_an_answer_that_comes_late_is_told_on_its_own() -> None:
    story = started()
    call = frame(1.0, "StopTransaction", {"transactionId": 7, "meterStop": 5, "reason": "PowerLoss"})
    assert told(story.tell([], [call])) == ["CSMS: StopTransaction 7, 5 Wh, PowerLoss …"]
    late = story.tell([], [frame(9.0, "StopTransaction", {"idTagInfo": {"status": "Accepted"}}, answer=True)])
    assert told(late) == ["CSMS: StopTransaction → Accepted"]
    assert late[0].cause is not None
    assert late[0].at_s - late[0].cause.at_s == 8.0


def test_what_the_csms_asks_is_told_as_its_question() -> None:
    story = started()
    asked = frame(1.0, "RemoteStartTransaction", {"idTag": "04A2", "connectorId": 1}, ours=False)
    answered = frame(1.01, "RemoteStartTransaction", {"status": "Accepted"}, answer=True, ours=False)
    entries = story.tell(world(2.0, coil=True), [asked, answered])
    assert told(entries)[0] == "CSMS: asks RemoteStartTransaction 04A2 1 → Accepted"
    assert entries[1].cause is entries[0]


def test_heartbeats_are_not_told() -> None:
    story = started()
    assert story.tell([], [frame(1.0, "Heartbeat", {}), frame(1.1, "Heartbeat", {}, answer=True)]) == []


def test_each_of_several_evses_is_named() -> None:
    story = Story(evses=2)
    story.tell([(0.0, f"evse{evse}.{name}", value) for evse in (1, 2) for name, value in STILL.items()], [])
    entries = story.tell([(1.0, "evse2.coil", True), (1.02, "evse2.load", True)], [])
    assert told(entries) == ["guard: EVSE 2: switches the contactor on", "contactor: EVSE 2: closed"]


def test_a_callerror_is_named_by_its_code() -> None:
    error = {**frame(1.0, "StartTransaction", ["InternalError", "scripted", {}]), "kind": "error"}
    assert answer_words(error) == "CALLERROR InternalError"


def test_unknown_actions_are_told_by_their_plain_values() -> None:
    assert call_words(frame(1.0, "DataTransfer", {"vendorId": "x", "data": "y", "more": {}})) == "DataTransfer x y"
    assert call_words(frame(1.0, "StatusNotification", {"connectorId": 0, "status": "Faulted", "errorCode": "X"})) == (
        "StatusNotification station Faulted (X)"
    )


def test_an_unknown_energy_is_not_zero() -> None:
    assert watt_hours(None) == "unknown Wh"
    assert watt_hours(1_234_567.5) == "1\u202f234\u202f567.5 Wh"


def test_a_pace_slows_down_to_once_a_minute() -> None:
    pace = Pace(0.0)
    due = [second for second in range(3600) if pace.due(float(second))]
    assert due[:3] == [0, 3, 6]
    assert 60 < len(due) < 100
    assert due[-1] - due[-2] == 60


def test_the_first_values_of_an_evse_are_only_taken_in() -> None:
    assert list(EvseStory().change(0.0, {**STILL, "load": True, "coil": True})) == []


def test_the_records_are_whole() -> None:
    for path in (Path(__file__).parent / "records").glob("charge_*.json"):
        assert {"trace", "frames"} == set(json.loads(path.read_text(encoding="utf-8")))
